//go:build linux

package probe

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ownDir is where a box of bailey's says what it is.
const ownDir = "/run/bailey"

// ownProbes replace what a box is told of itself: the program to ask with, the text for
// agents, the socket. Elsewhere the same is tried with files that stand for them.
func ownProbes() []Probe {
	p := func(id, title string, attack func(in *Inside, dir string) error) Probe {
		return Probe{ID: "approvals.own-" + id, Severity: Hardening, Title: title, Why: "what asks and what is told in the name of the box must be the box's", Wall: "a mount of its own that is read-only", Fix: "tell the makers of the sandbox",
			Plant: func(c *Case) error {
				dir := c.own(c.Out)
				for _, name := range [...]string{"README", "box.json", "socket", "bin/bailey"} {
					if err := c.write(filepath.Join(dir, name), "own\n"); err != nil {
						return err
					}
				}
				c.Args["dir"] = dir
				return nil
			},
			Attack: func(in *Inside) error {
				if os.Getenv("BAILEY_README") != "" {
					return attack(in, ownDir)
				}
				return attack(in, in.Args["dir"])
			}}
	}
	// each does something to every file, until it is not refused.
	each := func(do func(path string) error) func(*Inside, string) error {
		return func(_ *Inside, dir string) error {
			err := errHeld
			for _, name := range [...]string{"README", "box.json", "bin/bailey", "socket"} {
				if err = do(filepath.Join(dir, name)); err == nil {
					return nil
				}
			}
			return err
		}
	}
	// over does it with a file of the workspace.
	over := func(do func(from, path string) error) func(*Inside, string) error {
		return func(in *Inside, dir string) error {
			from := filepath.Join(in.WS, "own-"+in.Nonce[:12])
			if err := os.WriteFile(from, []byte("#!/bin/sh\n"), 0o755); err != nil {
				return err
			}
			defer os.Remove(from)
			return each(func(path string) error { return do(from, path) })(in, dir)
		}
	}
	write := p("write", "open the files of /run/bailey for writing", each(openForWriting))
	write.Severity = Boundary // the program is the host's
	mount := p("mount", "mount something over /run/bailey", func(_ *Inside, dir string) error {
		if err := unix.Mount("prove", dir, "tmpfs", 0, "size=64k"); err != nil {
			return err
		}
		return unix.Unmount(dir, unix.MNT_DETACH)
	})
	mount.NeedsRoot = true
	return []Probe{
		write, mount,
		p("replace", "move a file over one of /run/bailey", over(os.Rename)),
		p("replace-within", "move a file of /run/bailey over another", func(_ *Inside, dir string) error {
			return os.Rename(filepath.Join(dir, "README"), filepath.Join(dir, "box.json"))
		}),
		p("exchange", "exchange two files of /run/bailey", func(_ *Inside, dir string) error {
			return unix.Renameat2(unix.AT_FDCWD, filepath.Join(dir, "README"), unix.AT_FDCWD, filepath.Join(dir, "box.json"), unix.RENAME_EXCHANGE)
		}),
		p("remove", "remove a file of /run/bailey", each(os.Remove)),
		p("rename", "rename a file of /run/bailey", each(func(path string) error { return os.Rename(path, path+".old") })),
		p("directory", "rename /run/bailey", func(_ *Inside, dir string) error {
			if err := os.Rename(dir, dir+".old"); err != nil {
				return err
			}
			return os.Rename(dir+".old", dir)
		}),
		p("add", "put a program beside bailey's on PATH", func(_ *Inside, dir string) error {
			return os.Symlink("/bin/sh", filepath.Join(dir, "bin/git"))
		}),
		p("chmod", "change the mode of a file of /run/bailey", each(func(path string) error {
			info, err := os.Lstat(path)
			if err != nil {
				return err
			}
			return os.Chmod(path, info.Mode().Perm()) // as it is: the program is the host's
		})),
		p("socket", "listen in place of the box's socket", func(_ *Inside, dir string) error {
			if err := os.Remove(filepath.Join(dir, "socket")); err != nil {
				return err
			}
			return bindIn(dir, "socket")
		}),
	}
}
