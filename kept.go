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

// keptAnswers are the paths and hosts that a person has granted to this project for
// longer than one session, as settings of the command line's layer: deny rules, and what
// the machine's owner locks, hold against them as against any other. A path that is
// gone, or has become a link to elsewhere, is passed over: what was granted is what
// was shown. A store that cannot be read keeps the box from opening, because it may
// hold denials.
func keptAnswers(pol *policy.Policy, facts *plan.Facts) ([]Setting, error) {
	list, err := approval.Held(facts.StateDir, facts.Workspace.Root, approval.Read, approval.Write, approval.Network)
	if err != nil {
		return nil, fmt.Errorf("read grants: %w", err)
	}
	var out []Setting
	for i := range list {
		g := &list[i]
		if key := keptKey(pol, g); key != "" {
			out = append(out, Setting{Key: key, Value: g.Subject, Flag: "-grant " + g.ID})
		}
	}
	return out, nil
}

// keptKey is the key of the policy that says what a kept answer does; "" for none.
func keptKey(pol *policy.Policy, g *approval.Grant) string {
	switch g.Kind {
	case approval.Network:
		// Where the gate asks, it finds the answer by itself, at each question anew.
		switch {
		case !plan.Grantable(g.Subject):
			return ""
		case !g.Allow:
			return "network.deny"
		case plan.AsksHosts(pol):
			return ""
		}
		return "network.allow"
	case approval.Read, approval.Write:
		if found, err := filepath.EvalSymlinks(g.Subject); !g.Allow || err != nil || found != g.Subject {
			return ""
		}
		if g.Kind == approval.Write {
			return "files.write"
		}
		return "files.read"
	}
	return ""
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
		if !strings.HasPrefix(s.Key, "files.") {
			out = append(out, s)
			continue
		}
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
