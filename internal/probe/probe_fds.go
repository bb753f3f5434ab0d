//go:build linux

package probe

import (
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// fdProbes use descriptors that the sandbox was started with.
func fdProbes() []Probe {
	return []Probe{
		{ID: "fds.file", Severity: Boundary, Scene: sceneFDs, Title: "read a file through an inherited descriptor", Why: "a descriptor carries rights that no path check sees", Wall: "descriptors above 2 are closed", Fix: "start the sandbox without it",
			Plant: func(c *Case) error {
				if err := c.Secret(c.own(c.Out)); err != nil {
					return err
				}
				f, err := os.Open(c.Args["path"])
				if err != nil {
					return err
				}
				c.inherit(f)
				return nil
			},
			Attack: func(in *Inside) error {
				fd, _ := strconv.Atoi(in.Args["fd"])
				return lootFD(in, fd, nil)
			}, Judge: cameOut},
		stdinProbe(),
	}
}

// inherit lets the sandbox have a descriptor, and names it.
func (c *Case) inherit(f *os.File) {
	c.extra = append(c.extra, f)
	c.Args["fd"] = strconv.Itoa(2 + len(c.extra))
}

// stdinProbe uses a directory that the sandbox has as its standard input.
func stdinProbe() Probe {
	return Probe{ID: "fds.stdin-directory", Severity: Boundary, Scene: sceneStdin, Title: "leave through a directory that is standard input", Why: "a directory's descriptor leads to all that is below and above it", Wall: "directories are refused as standard streams", Fix: "start the sandbox with a file or a pipe as input",
		Plant: func(c *Case) error {
			if err := c.Secret(c.own(c.Out)); err != nil {
				return err
			}
			f, err := os.Open(c.Out)
			if err != nil {
				return err
			}
			c.stdin = f
			c.Args["stdin"], c.Args["name"] = "directory", filepath.Base(c.Args["path"])
			return nil
		},
		Attack: func(in *Inside) error {
			fd, err := unix.Openat(0, in.Args["name"], unix.O_RDONLY, 0)
			return lootFD(in, fd, err)
		}, Judge: cameOut}
}
