//go:build linux

package probe

import (
	"os"
	"path/filepath"
)

// secondProbes leave something in a first run for a second one.
func secondProbes() []Probe {
	return []Probe{
		{ID: "second-run.node-modules-link", Severity: Boundary, Scene: sceneSecond, Title: "leave a link in place of node_modules that leads out", Why: "the next run's set-up must not follow it", Wall: "the set-up resolves no link of the workspace", Fix: "remove the link",
			Plant: absentAt("out", "new"),
			Attack: func(in *Inside) error {
				return os.Symlink(in.Out, filepath.Join(in.WS, "node_modules"))
			},
			Again: func(in *Inside) error {
				return os.WriteFile(filepath.Join(in.WS, "node_modules/new"), []byte("made"), 0o644)
			}, Judge: touched},
	}
}
