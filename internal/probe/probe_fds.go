//go:build linux

package probe

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// fdProbes use descriptors that the sandbox was started with.
func fdProbes() []Probe {
	p := func(id, title string, plant func(*Case) error, attack func(in *Inside, fd int) error, judge func(*Case, *Report) (bool, string)) Probe {
		return Probe{ID: "fds." + id, Severity: Boundary, Scene: sceneFDs, Title: title, Why: "a descriptor carries rights that no path check sees", Wall: "descriptors above 2 are closed", Fix: "start the sandbox without it",
			Plant: plant, Attack: func(in *Inside) error {
				fd, err := strconv.Atoi(in.Args["fd"])
				if err != nil {
					return err
				}
				return attack(in, fd)
			}, Judge: judge}
	}
	secret := func(flags int, open func(*Case) string) func(*Case) error {
		return func(c *Case) error {
			if err := c.Secret(c.own(c.Out)); err != nil {
				return err
			}
			f, err := os.OpenFile(open(c), flags, 0)
			if err != nil {
				return err
			}
			c.inherit(f)
			return nil
		}
	}
	file := func(c *Case) string { return c.Args["path"] }
	dir := func(c *Case) string { return c.Out }
	name := func(in *Inside) string { return filepath.Base(in.Args["path"]) }
	say := func(in *Inside, fd int) error {
		_, err := unix.Write(fd, []byte(in.Nonce))
		return err
	}
	// pair plants two ends: the attack's and ours.
	pair := func(make func() (theirs, ours int, err error)) func(*Case) error {
		return func(c *Case) error {
			theirs, ours, err := make()
			if err != nil {
				return err
			}
			unix.SetNonblock(ours, true)
			c.inherit(os.NewFile(uintptr(theirs), "theirs"))
			c.peer = os.NewFile(uintptr(ours), "ours")
			return nil
		}
	}
	socketpair := func() (int, int, error) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		return fds[0], fds[1], err
	}
	return []Probe{
		p("file", "read a file through an inherited descriptor", secret(os.O_RDONLY, file), func(in *Inside, fd int) error { return lootFD(in, fd, nil) }, cameOut),
		p("file-write", "write a file through an inherited descriptor", func(c *Case) error {
			if err := c.Target(c.own(c.Out)); err != nil {
				return err
			}
			f, err := os.OpenFile(c.Args["path"], os.O_RDWR, 0)
			if err != nil {
				return err
			}
			c.inherit(f)
			return nil
		}, say, touched),
		p("file-reopen", "open an inherited descriptor again for writing", func(c *Case) error {
			if err := c.Target(c.own(c.Out)); err != nil {
				return err
			}
			f, err := os.Open(c.Args["path"])
			if err != nil {
				return err
			}
			c.inherit(f)
			return nil
		}, func(in *Inside, fd int) error {
			again, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer unix.Close(again)
			return say(in, again)
		}, touched),
		p("directory", "open a file from an inherited directory", secret(os.O_RDONLY, dir), func(in *Inside, fd int) error {
			got, err := unix.Openat(fd, name(in), unix.O_RDONLY, 0)
			return lootFD(in, got, err)
		}, cameOut),
		p("directory-above", "leave an inherited directory upwards", secret(os.O_RDONLY, func(c *Case) string { return c.WS }), func(in *Inside, fd int) error {
			got, err := unix.Openat(fd, "../../out/"+name(in), unix.O_RDONLY, 0)
			return lootFD(in, got, err)
		}, cameOut),
		p("directory-path", "open a file from an inherited directory that was opened as a path only", secret(unix.O_PATH, dir), func(in *Inside, fd int) error {
			got, err := unix.Openat(fd, name(in), unix.O_RDONLY, 0)
			return lootFD(in, got, err)
		}, cameOut),
		p("directory-chdir", "change into an inherited directory", secret(os.O_RDONLY, dir), func(in *Inside, fd int) error {
			if err := unix.Fchdir(fd); err != nil {
				return err
			}
			return lootFile(in, name(in))
		}, cameOut),
		p("socket", "speak through an inherited socket", pair(socketpair), say, arrived),
		p("pipe", "speak through an inherited pipe", pair(func() (int, int, error) {
			var fds [2]int
			err := unix.Pipe2(fds[:], unix.O_CLOEXEC)
			return fds[1], fds[0], err
		}), say, arrived),
		p("passed", "take a descriptor out of an inherited socket", func(c *Case) error {
			if err := c.Secret(c.own(c.Out)); err != nil {
				return err
			}
			theirs, ours, err := socketpair()
			if err != nil {
				return err
			}
			c.inherit(os.NewFile(uintptr(theirs), "theirs"))
			c.peer = os.NewFile(uintptr(ours), "ours")
			f, err := os.Open(c.Args["path"])
			if err != nil {
				return err
			}
			defer f.Close()
			return unix.Sendmsg(ours, []byte("x"), unix.UnixRights(int(f.Fd())), nil, 0)
		}, func(in *Inside, fd int) error {
			b, oob := make([]byte, 8), make([]byte, unix.CmsgSpace(4))
			_, n, _, _, err := unix.Recvmsg(fd, b, oob, unix.MSG_DONTWAIT)
			if err != nil {
				return err
			}
			msgs, err := unix.ParseSocketControlMessage(oob[:n])
			if err != nil || len(msgs) == 0 {
				return errHeld
			}
			got, err := unix.ParseUnixRights(&msgs[0])
			if err != nil || len(got) == 0 {
				return errHeld
			}
			return lootFD(in, got[0], nil)
		}, cameOut),
		p("event", "raise an inherited event counter", func(c *Case) error {
			fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
			if err != nil {
				return err
			}
			f := os.NewFile(uintptr(fd), "event")
			c.inherit(f)
			c.peer = f
			return nil
		}, func(_ *Inside, fd int) error {
			_, err := unix.Write(fd, binary.NativeEndian.AppendUint64(nil, 77))
			return err
		}, func(c *Case, _ *Report) (bool, string) {
			b := make([]byte, 8)
			if n, err := unix.Read(int(c.peer.Fd()), b); err == nil && n == 8 {
				return true, "the counter outside was raised"
			}
			return false, ""
		}),
		p("memory", "read inherited memory that has no name", func(c *Case) error {
			fd, err := unix.MemfdCreate("bailey-prove", unix.MFD_CLOEXEC)
			if err != nil {
				return err
			}
			f := os.NewFile(uintptr(fd), "memory")
			if _, err := f.WriteAt([]byte(c.Token), 0); err != nil {
				return err
			}
			c.inherit(f)
			return nil
		}, func(in *Inside, fd int) error {
			b := make([]byte, 64)
			n, err := unix.Pread(fd, b, 0)
			if err != nil {
				return err
			}
			in.Loot(b[:n])
			return nil
		}, cameOut),
		p("process", "kill a process outside by an inherited descriptor of it", func(c *Case) error {
			if err := c.Victim(); err != nil {
				return err
			}
			fd, err := unix.PidfdOpen(c.victim.pid, 0)
			if err != nil {
				return err
			}
			c.inherit(os.NewFile(uintptr(fd), "process"))
			return nil
		}, func(_ *Inside, fd int) error { return unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) }, died),
		p("namespace", "hold a namespace of the host by an inherited descriptor", func(c *Case) error {
			f, err := os.Open("/proc/self/ns/mnt")
			if err != nil {
				return err
			}
			c.inherit(f)
			return nil
		}, func(_ *Inside, fd int) error {
			var st unix.Statfs_t
			if err := unix.Fstatfs(fd, &st); err != nil {
				return err
			}
			const nsfs = 0x6e736673
			if st.Type != nsfs {
				return errHeld
			}
			return nil
		}, nil),
		stdinProbe(),
		stdinFileProbe(),
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

// stdinFileProbe opens a file that the sandbox may only read again, for writing.
func stdinFileProbe() Probe {
	return Probe{ID: "fds.stdin-reopen", Severity: Boundary, Scene: sceneStdinFile, Title: "open a file that is standard input again for writing", Why: "a file that was given to be read is not given to be changed", Wall: "the file is not mounted; opened by its descriptor, the name broker gives no more than the descriptor has", Fix: "start the sandbox with a pipe as input",
		Plant: func(c *Case) error {
			if err := c.Target(c.own(c.Out)); err != nil {
				return err
			}
			f, err := os.Open(c.Args["path"])
			if err != nil {
				return err
			}
			c.stdin = f
			c.Args["stdin"] = "file"
			return nil
		},
		Attack: func(in *Inside) error {
			var last error
			for _, name := range []string{"/proc/self/fd/0", "/dev/stdin", "/dev/fd/0"} {
				fd, err := unix.Open(name, unix.O_WRONLY, 0)
				if err != nil {
					last = err
					continue
				}
				_, err = unix.Write(fd, []byte("evil"))
				unix.Close(fd)
				return err
			}
			return last
		}, Judge: touched}
}
