//go:build linux

package probe

import (
	"os"
	"path/filepath"
)

// aliasProbes give what lies outside another name, and go through that.
func aliasProbes() []Probe {
	return []Probe{
		{ID: "aliases.symlink-read", Severity: Boundary, Title: "read through a symbolic link that leads out of the workspace", Why: "a path check that does not follow links is none", Wall: "files outside are not mounted", Fix: "take the path out of the policy",
			Plant: func(c *Case) error { return c.Secret(c.own(c.Out)) },
			Attack: func(in *Inside) error {
				link := filepath.Join(in.WS, "link-read")
				if err := os.Symlink(in.Args["path"], link); err != nil {
					return err
				}
				defer os.Remove(link)
				return lootFile(in, link)
			}, Judge: cameOut},
	}
}
