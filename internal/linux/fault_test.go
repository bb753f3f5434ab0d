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
	p := testPlan(t)
	ws := p.Dir
	cmd := &Command{Path: "/bin/touch", Args: []string{"touch", filepath.Join(ws, "ran")}}
	for step := 1; ; step++ {
		b, proc, err := Open(p, cmd, Options{fault: fault{step: step, errno: unix.ENOMEDIUM}})
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
