//go:build linux

package linux

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestEveryStepIsFatal fails each step of the set-up in turn: the command never
// runs, the error names the step and the errno, no process stays, and nothing is
// left in the host's tree.
func TestEveryStepIsFatal(t *testing.T) {
	t.Run("no network", func(t *testing.T) { everyStep(t, nil) })
	t.Run("network", func(t *testing.T) {
		n := testNetwork(true)
		n.Fallback = nil // its steps are not run here
		everyStep(t, n)
	})
}

func everyStep(t *testing.T, n *Network) {
	p := testPlan(t)
	ws := p.Dir
	cmd := &Command{Path: "/bin/touch", Args: []string{"touch", filepath.Join(ws, "ran")}}
	before := 0
	for step := 1; ; step++ {
		fds, _ := os.ReadDir("/proc/self/fd")
		if step == 10 { // what is opened once is open by now
			before = len(fds)
		} else if step > 10 && len(fds) > before {
			t.Fatalf("step %d: %d descriptors are open, not %d", step-1, len(fds), before)
		}
		b, proc, err := Open(p, cmd, Options{fault: fault{step, unix.ENOMEDIUM}, Network: n})
		if err == nil {
			proc.Wait()
			b.Close()
			if step < 150 {
				t.Fatalf("only %d steps could be made to fail", step-1)
			}
			t.Logf("%d steps", step-1)
			break
		}
		var setup *SetupError
		if !errors.As(err, &setup) || setup.Errno != unix.ENOMEDIUM || setup.Step == "" || setup.Step == "unknown step" {
			t.Fatalf("step %d: %v", step, err)
		}
		if _, err := os.Stat(filepath.Join(ws, "ran")); err == nil {
			t.Fatalf("step %d (%s) failed and the command ran", step, setup.Step)
		}
		if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
			t.Fatalf("step %d (%s): a child stays: pid %d, %v", step, setup.Step, pid, err)
		}
	}
	names, err := os.ReadDir(ws)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if n.Name() != "ran" {
			t.Errorf("left behind: %s", n.Name())
		}
	}
}
