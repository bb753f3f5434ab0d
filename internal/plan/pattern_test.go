package plan

import (
	"io/fs"
	"testing"

	"github.com/bailey-run/bailey/internal/name"
	"github.com/bailey-run/bailey/internal/policy"
)

// FuzzPattern holds that a pattern which the policy takes is one that the name
// broker takes: a box that cannot be opened because of one would say so too late.
func FuzzPattern(f *testing.F) {
	for _, s := range []string{".env", "**/*.{pem,key}", "/a/b", "~/x", "a/**", "[a-z]?", `\{x`, "./a", "a//b", "**", "/**/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		p, err := policy.Load(policy.LoadInput{
			ReadFile: func(string) ([]byte, error) { return nil, fs.ErrNotExist },
			Home:     "/home/ann", StartDir: "/home/ann/p", Workspace: "/home/ann/p",
			Flags: policy.Overrides{Deny: []string{pattern}, Protect: []string{pattern}},
		})
		if err != nil {
			return
		}
		m, err := name.Compile(name.Rules{Roots: []name.Root{{Path: "/home/ann/p"}}, Deny: values(p.Files.Deny), Protect: values(p.Files.Protect)})
		if err != nil {
			t.Fatalf("%q is a policy, and no rule: %v", pattern, err)
		}
		m.Check(name.Create, []byte("/home/ann/p/a"), true)
	})
}
