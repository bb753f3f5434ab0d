package bailey

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bailey-run/bailey/internal/approval"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
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

// withHidden adds to granted paths the places below them that a grant does not open, as
// rules that deny: what was hidden in the box that asked stays hidden in the next. What
// the policy gives by itself is given. A path that holds a place which no rule can name
// is left out.
func withHidden(pol *policy.Policy, facts *plan.Facts, kept []Setting) []Setting {
	given := func(p string) bool {
		for _, v := range slices.Concat(pol.Files.Read, pol.Files.Write) {
			if p == v.V || strings.HasPrefix(p, v.V+"/") {
				return true
			}
		}
		return false
	}
	var out []Setting
	for _, s := range kept {
		deny := []Setting{s}
		for _, m := range plan.GrantMasks(pol, facts, s.Value, look) {
			if strings.ContainsAny(m.Path, `*?[]{}\`) { // a rule would read them as a pattern
				deny = nil
				break
			}
			if !given(m.Path) {
				deny = append(deny, Setting{Key: "files.deny", Value: m.Path, Flag: s.Flag})
			}
		}
		out = append(out, deny...)
	}
	return out
}
