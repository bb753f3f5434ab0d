//go:build linux

package probe

import (
	"os"
	"path/filepath"
)

// controlProbes are ordinary work: a sandbox that holds everything because nothing
// runs in it proves nothing.
func controlProbes() []Probe {
	return []Probe{
		{ID: "controls.read-workspace", Control: true, Title: "read a file of the workspace", Why: "a box is there to work in", Wall: "", Fix: "the workspace must be visible inside",
			Plant: func(c *Case) error { return c.Secret(c.own(c.WS)) }, Attack: readPath, Judge: cameOut},
		{ID: "controls.write-workspace", Control: true, Writes: true, Title: "write a file into the workspace", Why: "a box is there to work in", Fix: "the workspace must be writable, but for mode read-only",
			Plant: func(c *Case) error { return c.Absent(filepath.Join(c.WS, "made-inside")) }, Attack: create, Judge: touched},
		{ID: "controls.exec", Control: true, Title: "run a program", Why: "a box is there to work in", Fix: "/bin/sh must be visible inside",
			Attack: func(in *Inside) error { return os.Chdir(in.WS) }},
	}
}
