package bailey

import (
	"context"
	"os"
	"path/filepath"

	"github.com/bailey-run/bailey/internal/policy"
)

// maxOffered bounds the questions after one command.
const maxOffered = 16

// Offer asks a person, under approval = "on-failure", whether what a command was
// refused is to be granted for the next one: directories that it tried to write in
// and could not. It goes by the denials that bailey itself recorded, never by what
// the command said. Hosts were asked about when they were refused.
func (p *Plan) Offer(ctx context.Context, list []Denial, person Asker) {
	if p.policy.Approval.V != policy.OnFailure || unkept(p.policy) != "" {
		return
	}
	desk, done := askOutside(p.facts, p.policy, person)
	defer done()
	seen := map[string]bool{}
	for _, d := range list {
		if d.Rule != "read-only" {
			continue // what has a name of its own is protected, and cannot be granted
		}
		dir := real(filepath.Dir(d.Target))
		if info, err := os.Stat(dir); err != nil || !info.IsDir() || seen[dir] || p.private(dir) {
			continue
		}
		if seen[dir] = true; len(seen) > maxOffered {
			return
		}
		desk.Ask(ctx, Question{Kind: KindWrite, Subject: dir, Rule: d.Rule, Why: d.Op + " " + d.Target + " was refused", Scopes: []Scope{ScopeProject, ScopeAlways}})
	}
}

// private says that a directory cannot be a writable root.
func (p *Plan) private(dir string) bool {
	var own []string
	for _, d := range [...]string{p.facts.StateDir, p.facts.CacheDir, p.facts.ConfigDir} {
		if d != "" {
			own = append(own, d)
		}
	}
	return policy.RefusedRoot(dir, p.facts.Home, own) != ""
}
