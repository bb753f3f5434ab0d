//go:build linux

package linux

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestRefused: what the box's kernel refuses is told, each destination once, and
// again when it is tried again; what reaches a listener is not.
func TestRefused(t *testing.T) {
	n := testNetwork(true)
	n.Local = append(n.Local, netip.MustParsePrefix("203.0.113.0/24"))
	b, ask := knocking(t, n)
	for _, c := range [...]struct{ to, want string }{
		{"198.18.0.9 443", "to 198.18.0.9:443 <nil>"}, {"fd62:6169:6c65::99 443", "to [fd62:6169:6c65::99]:443 <nil>"},
		{"198.18.0.9 80", "Connection refused"}, {"198.18.0.9 80", "Connection refused"}, {"203.0.113.7 22", "Connection refused"},
		{"fd62:6169:6c65::99 8080", "Connection refused"}, {"127.0.0.1 81", "Connection refused"}, {"198.18.0.1 9", "Connection refused"},
	} {
		ask(c.to, c.want)
	}
	if b.Report().Network != "nf_tables" {
		t.Skip("kernel feature missing: nf_tables in a network namespace")
	}
	told := func(want ...string) {
		t.Helper()
		var got []string
		for _, a := range b.Refused() {
			got = append(got, a.String())
		}
		slices.Sort(got)
		if slices.Sort(want); !slices.Equal(got, want) {
			t.Errorf("refused %q; want %q", got, want)
		}
	}
	told("198.18.0.9:80", "203.0.113.7:22", "[fd62:6169:6c65::99]:8080")
	told()
	ask("198.18.0.9 80", "Connection refused")
	told("198.18.0.9:80")
	// Also after the rules were replaced, and at most so many.
	if err := b.Redirect(nil, []Redirect{{netip.MustParsePrefix("198.18.0.0/15"), 8443, 8443}}); err != nil {
		t.Fatal(err)
	}
	ask("198.18.0.9 8443", "to 198.18.0.9:8443 <nil>")
	for port := range maxRefused + 20 {
		ask(fmt.Sprintf("198.18.0.9 %d", 20000+port), "Connection refused")
	}
	if got := len(b.Refused()); got != maxRefused {
		t.Errorf("%d are told; want %d", got, maxRefused)
	}
	b.Close()
	if b.Refused() != nil {
		t.Error("a closed box tells of something")
	}
}

// TestRangeWithLoopback: a rule for a range that has the box's own loopback, or the
// address by which the self-check looks for a way out, in it.
func TestRangeWithLoopback(t *testing.T) {
	n := testNetwork(true)
	all4, all6 := netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")
	n.Local = append(n.Local, all4, all6)
	n.Redirect = []Redirect{{all4, 443, 443}, {all6, 443, 443}}
	_, ask := knocking(t, n)
	ask("192.0.2.1 443", "to 192.0.2.1:443 <nil>")
	ask("2001:db8::1 443", "to [2001:db8::1]:443 <nil>")
	ask("127.0.0.1 443", "Connection refused")
	ask("127.9.9.9 443", "Connection refused")
	ask("::1 443", "Connection refused")
	ask("192.0.2.1 80", "Connection refused")
}

// knocking opens a box in which each line is knocked at, and answered.
func knocking(t *testing.T, n *Network) (*Box, func(to, want string)) {
	t.Helper()
	in, feed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := Open(testPlan(t), &Command{Path: "/bin/bash", Args: []string{"bash", "-c", knock + "while read -r a p; do knock $a $p; done"}, Env: []string{"PATH=/usr/bin:/bin"}, Stdin: in, Stdout: w, Stderr: w}, Options{Network: n})
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	in.Close()
	t.Cleanup(func() { b.Close(); feed.Close(); out.Close() })
	greet(t, b)
	lines := bufio.NewReader(out)
	return b, func(to, want string) {
		t.Helper()
		fmt.Fprintln(feed, to)
		if got, err := lines.ReadString('\n'); strings.TrimSpace(got) != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", to, got, err, want)
		}
	}
}
