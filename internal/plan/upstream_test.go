package plan

import (
	"testing"

	"github.com/bailey-run/bailey/internal/policy"
)

// TestUpstreamForms: what the host's variables may say of a proxy. What the gate
// cannot use is noted, and does not keep a box from starting.
func TestUpstreamForms(t *testing.T) {
	for value, want := range map[string]string{
		"http://proxy.test:3128/":        "proxy.test:3128",
		"proxy.test:3128":                "proxy.test:3128",
		"http://ann:secret@proxy.test":   "proxy.test:80",
		"http://[2001:db8::1]:3128":      "[2001:db8::1]:3128",
		"http://ann:x@[2001:db8::1]:8/x": "[2001:db8::1]:8",
		"http://proxy.test:0":            "",
		"http://proxy.test:99999":        "",
		"https://proxy.test:3128":        "",
		"socks5://proxy.test:1080":       "",
	} {
		c := &compiler{f: &Facts{Env: []string{"HTTPS_PROXY=" + value}}, pl: &Plan{}}
		u, err := c.upstream(policy.Value[string]{V: "env"})
		got := ""
		if u != nil {
			got = u.HTTPS
		}
		if err != nil || got != want || (want == "") != (len(c.pl.Notes) == 1) {
			t.Errorf("%s: %q, %v, noted %q; want %q", value, got, err, c.pl.Notes, want)
		}
		u, err = c.upstream(policy.Value[string]{V: value})
		if (err != nil) != (want == "") || err == nil && u.HTTPS != want {
			t.Errorf("written, %s: %+v, %v", value, u, err)
		}
	}
}
