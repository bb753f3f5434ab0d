//go:build linux

package probe

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// resourceProbes look for bounds.
func resourceProbes() []Probe {
	return []Probe{
		{ID: "resources.core-dumps", Severity: Resource, Title: "leave a core dump", Why: "on many machines the kernel hands core dumps to a program outside, as root", Wall: "the limit on core files is zero", Fix: "ulimit -Hc 0",
			Attack: func(*Inside) error {
				var l unix.Rlimit
				if err := unix.Getrlimit(unix.RLIMIT_CORE, &l); err != nil {
					return err
				}
				if l.Max == 0 {
					return fmt.Errorf("%w: the limit is zero", errHeld)
				}
				return nil
			}},
	}
}
