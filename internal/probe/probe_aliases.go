//go:build linux

package probe

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// aliasProbes give what lies outside another name, and go through that.
func aliasProbes() []Probe {
	p := func(id, title, why string, plant func(*Case) error, attack func(*Inside) error, judge func(*Case, *Report) (bool, string)) Probe {
		return Probe{ID: "aliases." + id, Severity: Boundary, Title: title, Why: why, Wall: "what is not mounted has no name inside", Fix: "take the path out of the policy",
			Plant: plant, Attack: attack, Judge: judge}
	}
	const (
		links  = "a path check that does not follow links is none"
		names  = "one file has many names"
		parent = "a descriptor carries on where a path check has stopped"
	)
	secret := func(c *Case) error { return c.Secret(c.own(c.Out)) }
	target := func(c *Case) error { return c.Target(c.own(c.Out)) }
	absent := func(c *Case) error { return c.Absent(c.own(c.Out)) }
	// through makes a link in the workspace and works through it.
	through := func(to func(*Inside) string, do func(in *Inside, link string) error) func(*Inside) error {
		return func(in *Inside) error {
			link := filepath.Join(in.WS, "link-"+in.Nonce)
			if err := os.Symlink(to(in), link); err != nil {
				return err
			}
			defer os.Remove(link)
			return do(in, link)
		}
	}
	file := func(in *Inside) string { return in.Args["path"] }
	dir := func(in *Inside) string { return filepath.Dir(in.Args["path"]) }
	base := func(in *Inside) string { return filepath.Base(in.Args["path"]) }
	write := func(path string) error { return os.WriteFile(path, []byte("evil\n"), 0o644) }
	return []Probe{
		p("symlink-read", "read through a symbolic link that leads out of the workspace", links, secret, through(file, lootFile), cameOut),
		p("symlink-write", "write through a symbolic link that leads out of the workspace", links, target, through(file, func(_ *Inside, link string) error { return write(link) }), touched),
		p("symlink-create", "make a file in a directory that a symbolic link leads to", links, absent, through(dir, func(in *Inside, link string) error { return write(filepath.Join(link, base(in))) }), touched),
		p("symlink-mkdir", "make a directory in one that a symbolic link leads to", links, absent, through(dir, func(in *Inside, link string) error { return os.Mkdir(filepath.Join(link, base(in)), 0o755) }), touched),
		p("symlink-rename", "move a file into a directory that a symbolic link leads to", links, absent, through(dir, func(in *Inside, link string) error {
			from := link + ".from"
			if err := write(from); err != nil {
				return err
			}
			defer os.Remove(from)
			return os.Rename(from, filepath.Join(link, base(in)))
		}), touched),
		p("symlink-remove", "remove a file in a directory that a symbolic link leads to", links, target, through(dir, func(in *Inside, link string) error { return os.Remove(filepath.Join(link, base(in))) }), touched),
		p("symlink-dangling", "make a file where a dangling symbolic link points to", links, absent, through(file, func(_ *Inside, link string) error { return write(link) }), touched),
		p("symlink-chain", "read through a chain of symbolic links", links, secret, through(dir, func(in *Inside, link string) error {
			second, third := link+".2", link+".3"
			if err := os.Symlink(filepath.Base(link), second); err != nil {
				return err
			}
			defer os.Remove(second)
			if err := os.Symlink(filepath.Base(second)+"/"+base(in), third); err != nil {
				return err
			}
			defer os.Remove(third)
			return lootFile(in, third)
		}), cameOut),
		p("symlink-relative", "read through a symbolic link of many dots", links, secret, through(func(in *Inside) string { return up(in.WS, in.Args["path"]) }, lootFile), cameOut),
		p("symlink-proc", "read through a symbolic link into /proc/self/root", links, secret, through(func(in *Inside) string { return "/proc/self/root" + in.Args["path"] }, lootFile), cameOut),
		p("hardlink-read", "read through a hard link to a file outside", "a hard link is the file itself, in a place where reading is allowed", secret, func(in *Inside) error {
			link := filepath.Join(in.WS, "hard-"+in.Nonce)
			if err := os.Link(in.Args["path"], link); err != nil {
				return err
			}
			defer os.Remove(link)
			return lootFile(in, link)
		}, cameOut),
		p("hardlink-write", "write through a hard link to a file outside", "a hard link is the file itself, in a place where writing is allowed", target, func(in *Inside) error {
			link := filepath.Join(in.WS, "hard-"+in.Nonce)
			if err := os.Link(in.Args["path"], link); err != nil {
				return err
			}
			defer os.Remove(link)
			return write(link)
		}, touched),
		p("descriptor-link", "link a file outside into the workspace by its descriptor", "a descriptor can be given a name again", secret, func(in *Inside) error {
			fd, err := unix.Open(in.Args["path"], unix.O_PATH, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			link := filepath.Join(in.WS, "hard-"+in.Nonce)
			if err := unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, link, unix.AT_SYMLINK_FOLLOW); err != nil {
				return err
			}
			defer os.Remove(link)
			return lootFile(in, link)
		}, cameOut),
		p("dotdot-read", "read above the workspace by parent directories", names, secret, func(in *Inside) error { return lootFile(in, up(in.WS, in.Args["path"])) }, cameOut),
		p("dotdot-write", "write above the workspace by parent directories", names, target, func(in *Inside) error { return write(in.WS + "/" + up(in.WS, in.Args["path"])) }, touched),
		p("dotdot-openat", "read above the workspace from a descriptor of it", parent, secret, func(in *Inside) error {
			fd, err := unix.Open(in.WS, unix.O_PATH|unix.O_DIRECTORY, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			got, err := unix.Openat(fd, up(in.WS, in.Args["path"]), unix.O_RDONLY, 0)
			return lootFD(in, got, err)
		}, cameOut),
		p("odd-spelling", "read by a path of double slashes and dots", names, func(c *Case) error { return c.Secret(c.own(c.Sibling)) }, func(in *Inside) error {
			return lootFile(in, in.WS+"//.//../"+filepath.Base(in.Sibling)+"/./"+base(in))
		}, cameOut),
		p("proc-root", "read through /proc/self/root", names, secret, func(in *Inside) error { return lootFile(in, "/proc/self/root"+in.Args["path"]) }, cameOut),
		p("proc-cwd", "read through /proc/self/cwd", names, secret, func(in *Inside) error { return lootFile(in, "/proc/self/cwd/"+up(in.WS, in.Args["path"])) }, cameOut),
		p("fchdir", "change to a directory outside by its descriptor", parent, secret, func(in *Inside) error {
			fd, err := unix.Open(dir(in), unix.O_PATH|unix.O_DIRECTORY, 0)
			if err != nil {
				return err
			}
			if err := unix.Fchdir(fd); err != nil {
				return err
			}
			return lootFile(in, base(in))
		}, cameOut),
		p("magic-link", "read through the magic link of a directory's descriptor", parent, secret, func(in *Inside) error {
			fd, err := unix.Open(filepath.Dir(dir(in)), unix.O_PATH|unix.O_DIRECTORY, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return lootFile(in, fmt.Sprintf("/proc/self/fd/%d/%s/%s", fd, filepath.Base(dir(in)), base(in)))
		}, cameOut),
		p("working-link", "run a program with a link that leads out as its directory", links, secret, through(dir, func(in *Inside, link string) error {
			if err := os.Chdir(link); err != nil {
				return err
			}
			return lootFile(in, base(in))
		}), cameOut),
		p("race-directory", "write into a directory that becomes a link in between", "who checks a path and then uses it has checked another one", absent, func(in *Inside) error {
			dir, link, used := filepath.Join(in.WS, "dir-"+in.Nonce), filepath.Join(in.WS, "link-"+in.Nonce), filepath.Join(in.WS, "used-"+in.Nonce)
			if err := os.Mkdir(dir, 0o755); err != nil {
				return err
			}
			if err := os.Symlink(in.Out, link); err != nil {
				return err
			}
			defer func() { os.RemoveAll(dir); os.Remove(link); os.RemoveAll(used) }()
			var stop atomic.Bool
			var wg sync.WaitGroup
			wg.Go(func() {
				for !stop.Load() {
					os.Rename(dir, used)
					os.Rename(used, dir)
					os.Rename(link, used)
					os.Rename(used, link)
				}
			})
			wg.Go(func() {
				for !stop.Load() {
					write(filepath.Join(used, base(in)))
				}
			})
			time.Sleep(raceTime)
			stop.Store(true)
			wg.Wait()
			return errHeld // the host looks whether the file is there
		}, touched),
	}
}

// raceTime is how long a race is run. The window of a check that looks first and
// acts later is some microseconds: a broken one loses within milliseconds.
const raceTime = 300 * time.Millisecond
