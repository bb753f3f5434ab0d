//go:build linux

package linux

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// TestSamePIDs tells a process of another pid namespace, as every box has, by what
// can be read of processes that hide the rest.
func TestSamePIDs(t *testing.T) {
	outermost(t)
	start := func(flags uintptr) int {
		t.Helper()
		c := exec.Command("sleep", "60")
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
		if err := c.Start(); err != nil {
			t.Skip("kernel feature missing: namespaces: ", err)
		}
		t.Cleanup(func() {
			c.Process.Kill()
			c.Wait()
		})
		return c.Process.Pid
	}
	if !samePIDs(os.Getpid()) || !samePIDs(start(0)) {
		t.Error("a process of this namespace is taken for one of a box")
	}
	if in := start(syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID); samePIDs(in) || outside(in) {
		t.Error("a process of another namespace is taken for one outside")
	}
	if samePIDs(1 << 30) {
		t.Error("no process is taken for one")
	}
}
