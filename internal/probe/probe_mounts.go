//go:build linux

package probe

import (
	"os"

	"golang.org/x/sys/unix"
)

// mountProbes change what is mounted. Without walls only root can, and only below
// the scratch directory it does.
func mountProbes() []Probe {
	return []Probe{
		{ID: "mounts.tmpfs", Severity: Hardening, Title: "mount a file system over a directory of the workspace", Why: "mounts hide files and undo read-only", Wall: "no capabilities, syscall allow list", Fix: "run with the tier full",
			NeedsRoot: true, Plant: func(c *Case) error { return os.Mkdir(c.own(c.WS), 0o755) },
			Attack: func(in *Inside) error {
				dir := in.WS + "/mounts-tmpfs"
				if err := unix.Mount("prove", dir, "tmpfs", 0, "size=64k"); err != nil {
					return err
				}
				return unix.Unmount(dir, unix.MNT_DETACH)
			}},
	}
}
