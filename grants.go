package bailey

import (
	"errors"

	"github.com/bailey-run/bailey/internal/approval"
	"github.com/bailey-run/bailey/internal/layers"
)

// Grant is an answer that is kept: what exactly was allowed or denied, for what,
// by whom and until when.
type Grant = approval.Grant

// Grants are the answers that this user keeps, the oldest first.
func Grants() ([]Grant, error) {
	store, err := grantStore()
	if err != nil {
		return nil, err
	}
	return store.List()
}

// RevokeGrants forgets the grants with the named ids, or all of them, and returns
// those. Running boxes follow at their next question.
func RevokeGrants(all bool, ids ...string) ([]Grant, error) {
	store, err := grantStore()
	if err != nil {
		return nil, err
	}
	return store.Remove(all, ids...)
}

func grantStore() (*approval.Grants, error) {
	facts, err := layers.Collect("", "")
	if err != nil {
		return nil, err
	}
	if facts.StateDir == "" {
		return nil, errors.New("find the grants: there is no home directory")
	}
	return approval.Open(facts.StateDir), nil
}
