package bailey

import (
	"fmt"
	"path/filepath"

	"github.com/bailey-run/bailey/internal/approval"
	"github.com/bailey-run/bailey/internal/plan"
)

// keptPaths are the paths that a person has granted to this project for longer than
// one session, as settings of the command line's layer: deny rules, and what the
// machine's owner locks, hold against them as against any other. A path that is
// gone, or has become a link to elsewhere, is passed over: what was granted is what
// was shown. A store that cannot be read keeps the box from opening, because it may
// hold denials.
func keptPaths(facts *plan.Facts) ([]Setting, error) {
	list, err := approval.Held(facts.StateDir, facts.Workspace.Root, approval.Read, approval.Write)
	if err != nil {
		return nil, fmt.Errorf("read grants: %w", err)
	}
	var out []Setting
	for _, g := range list {
		if found, err := filepath.EvalSymlinks(g.Subject); !g.Allow || err != nil || found != g.Subject {
			continue
		}
		key := "files.read"
		if g.Kind == approval.Write {
			key = "files.write"
		}
		out = append(out, Setting{Key: key, Value: g.Subject, Flag: "-grant " + g.ID})
	}
	return out, nil
}
