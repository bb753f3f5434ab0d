//go:build linux

package bailey

import (
	"os"
	"strings"
	"testing"
)

// TestBrowserPolicies holds that browsers in a box with a gate send no Encrypted
// ClientHello, which the gate would refuse, and that a policy of the host that the
// box shows stays as it is.
func TestBrowserPolicies(t *testing.T) {
	const show = "cat /etc/chromium/policies/managed/bailey.json /etc/opt/chrome/policies/managed/bailey.json /etc/opt/chrome_for_testing/policies/managed/bailey.json; cat /etc/firefox/policies/policies.json"
	s := newSite(t)
	got, _ := s.run(t, s.config(false), show)
	if strings.Count(got, chromiumPolicy[:len(chromiumPolicy)-1]) != 3 || !strings.Contains(got, strings.TrimSpace(firefoxPolicy)) {
		t.Errorf("with a gate: %s", got)
	}
	if got, _ := s.run(t, Config{Dir: s.dir}, "ls /etc/chromium/policies /etc/firefox"); strings.Contains(got, "managed") {
		t.Errorf("without a gate: %s", got)
	}
	if _, err := os.Stat("/etc/chromium"); err == nil {
		cfg := s.config(false)
		cfg.Read = []string{"/etc/chromium"}
		if got, _ := s.run(t, cfg, "ls /etc/chromium; test ! -e /etc/chromium/policies/managed/bailey.json && echo stays"); !strings.Contains(got, "stays") {
			t.Errorf("with the host's own: %s", got)
		}
	}
}
