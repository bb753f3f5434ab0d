package bailey

import (
	"slices"
	"testing"

	"github.com/bailey-run/bailey/internal/plan"
)

// An environment made from the plan's finds bailey inside; a PATH of the caller's
// own is left as it is.
func TestAboutEnv(t *testing.T) {
	path := func(s string) *plan.Plan { return &plan.Plan{Env: []plan.Var{{Name: "PATH", Value: s}}} }
	b := &Box{plan: &Plan{plan: path("/bin")}, box: path("/bin:/run/bailey/bin"), about: []string{"BAILEY_TIER=full"}}
	for _, c := range []struct{ in, want []string }{
		{[]string{"A=1", "PATH=/bin"}, []string{"A=1", "PATH=/bin:/run/bailey/bin", "BAILEY_TIER=full"}},
		{[]string{"PATH=/mine"}, []string{"PATH=/mine", "BAILEY_TIER=full"}},
		{nil, []string{"BAILEY_TIER=full"}},
	} {
		in := slices.Clone(c.in)
		if got := b.aboutEnv(in); !slices.Equal(got, c.want) {
			t.Errorf("%q becomes %q, not %q", c.in, got, c.want)
		}
		if !slices.Equal(in, c.in) {
			t.Errorf("the caller's %q was changed to %q", c.in, in)
		}
	}
}
