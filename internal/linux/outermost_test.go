//go:build linux

package linux

import "testing"

// outermost skips a test that builds a box of its own where the test runs in one
// already: a box allows no second, and go test in a box is ordinary work.
func outermost(t testing.TB) {
	t.Helper()
	if filtered() && !Probe(t.TempDir()).UserNS {
		t.Skip("kernel feature missing: namespaces, under a filter of system calls from outside")
	}
}
