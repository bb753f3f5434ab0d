//go:build linux

package probe

import (
	"os"
	"strconv"
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
	}
}

// inherit lets the sandbox have a descriptor, and names it.
func (c *Case) inherit(f *os.File) {
	c.extra = append(c.extra, f)
	c.Args["fd"] = strconv.Itoa(2 + len(c.extra))
}
