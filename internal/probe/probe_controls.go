//go:build linux

package probe

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// controlProbes are ordinary work: a sandbox that holds everything because nothing
// runs in it proves nothing.
func controlProbes() []Probe {
	const (
		why      = "a box is there to work in"
		writable = "the workspace must be writable, but for mode read-only"
	)
	p := func(id, title, fix string, attack func(*Inside) error) Probe {
		return Probe{ID: "controls." + id, Control: true, Title: title, Why: why, Fix: fix, Attack: attack}
	}
	writes := func(q Probe) Probe { q.Writes = true; return q }
	in := func(dir func(*Inside) string, do func(in *Inside, dir string) error) func(*Inside) error {
		return func(in *Inside) error {
			d := filepath.Join(dir(in), "work-"+in.Nonce[:14])
			if err := os.Mkdir(d, 0o755); err != nil {
				return err
			}
			defer os.RemoveAll(d)
			return do(in, d)
		}
	}
	ws := func(in *Inside) string { return in.WS }
	tmp := func(*Inside) string { return os.TempDir() }
	// program runs a program and expects a word from it.
	program := func(id, title, name, want string, args ...string) Probe {
		q := p(id, title, "it must be visible inside, with what it needs, and no rule may deny it", func(in *Inside) error {
			path, err := exec.LookPath(name)
			if err != nil {
				return in.Lack(name)
			}
			out, err := exec.Command(path, args...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), want) {
				return fmt.Errorf("%s: %v: %s", name, err, out)
			}
			return nil
		})
		q.Needs, q.MayLack, q.Limit = needProgram(name), true, 15*time.Second
		return q
	}
	git := func(id, title string, steps ...[]string) Probe {
		q := writes(p(id, title, "git must be visible inside, and its directory writable", func(in *Inside) error {
			for _, s := range steps {
				for i := range s {
					s[i] = strings.ReplaceAll(s[i], "NAME", in.Nonce[:14])
				}
				if err := gitInside(in, s...); err != nil {
					return err
				}
			}
			return nil
		}))
		q.Needs, q.MayLack, q.Dirty = needProgram("git"), true, true
		return q
	}
	server := p("local-server", "serve and connect on 127.0.0.1", "the network namespace must have a loopback device that is up", localServer)
	server.Weaker = "loopback"
	return []Probe{
		{ID: "controls.read-workspace", Control: true, Title: "read a file of the workspace", Why: why, Fix: "the workspace must be visible inside",
			Plant: func(c *Case) error { return c.Secret(c.own(c.WS)) }, Attack: readPath, Judge: cameOut},
		{ID: "controls.write-workspace", Control: true, Writes: true, Title: "write a file into the workspace", Why: why, Fix: writable,
			Plant: func(c *Case) error { return c.Absent(filepath.Join(c.WS, "made-inside")) }, Attack: create, Judge: touched},
		p("list-workspace", "list the workspace", "the workspace must be visible inside", func(in *Inside) error {
			entries, err := os.ReadDir(in.WS)
			if err == nil && len(entries) == 0 {
				return errHeld
			}
			return err
		}),
		p("exec", "run a program", "/bin/sh must be visible inside", func(*Inside) error { return exec.Command("/bin/sh", "-c", "exit 0").Run() }),
		p("pipe", "run programs in a pipe", "/bin/sh and cat must be visible inside", func(*Inside) error {
			out, err := exec.Command("/bin/sh", "-c", "echo word | cat | cat").Output()
			if err == nil && string(out) != "word\n" {
				err = fmt.Errorf("%q", out)
			}
			return err
		}),
		writes(p("script", "run a script made in the workspace", writable, in(ws, func(_ *Inside, dir string) error {
			name := dir + "/script"
			if err := os.WriteFile(name, []byte("#!/bin/sh\nexit 7\n"), 0o755); err != nil {
				return err
			}
			var exit *exec.ExitError
			if err := exec.Command(name).Run(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
				return fmt.Errorf("run %s: %v", name, err)
			}
			return nil
		}))),
		writes(p("work", "make, rename, link and remove files in the workspace", writable, in(ws, ordinary))),
		p("tmp", "make, rename, link and remove temporary files", "TMPDIR, or /tmp, must be writable", in(tmp, ordinary)),
		writes(p("lock", "lock a file", writable, in(ws, locks))),
		writes(p("map", "share memory of a file", writable, in(ws, func(_ *Inside, dir string) error {
			f, err := os.Create(dir + "/map")
			if err != nil {
				return err
			}
			defer f.Close()
			if err := f.Truncate(4096); err != nil {
				return err
			}
			mem, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			if err != nil {
				return err
			}
			copy(mem, "word")
			b := make([]byte, 4)
			if _, err := f.ReadAt(b, 0); err != nil || string(b) != "word" {
				return fmt.Errorf("%q, %v", b, err)
			}
			return unix.Munmap(mem)
		}))),
		writes(p("watch", "watch a directory of the workspace", writable, in(ws, func(_ *Inside, dir string) error {
			fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CREATE); err != nil {
				return err
			}
			if err := os.WriteFile(dir+"/seen", nil, 0o644); err != nil {
				return err
			}
			b := make([]byte, 512)
			n, err := unix.Read(fd, b)
			if err == nil && !bytes.Contains(b[:n], []byte("seen")) {
				err = errHeld
			}
			return err
		}))),
		p("devices", "use /dev/null, /dev/zero and /dev/urandom", "they must be there inside", func(*Inside) error {
			if err := os.WriteFile("/dev/null", []byte("x"), 0); err != nil {
				return err
			}
			return errors.Join(readOne("/dev/zero"), readOne("/dev/urandom"))
		}),
		p("proc", "look at the own process in /proc", "/proc must be there inside", func(*Inside) error {
			b, err := os.ReadFile("/proc/self/status")
			if err == nil && !bytes.Contains(b, []byte("Pid:")) {
				err = errHeld
			}
			return err
		}),
		p("signals", "signal the own children", "signals within the box must pass", func(*Inside) error {
			c := exec.Command("/bin/sh", "-c", "exec sleep 30")
			if err := c.Start(); err != nil {
				return err
			}
			if err := unix.Kill(c.Process.Pid, unix.SIGTERM); err != nil {
				c.Process.Kill()
				c.Wait()
				return err
			}
			err := c.Wait()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
				return fmt.Errorf("it ended with %v", err)
			}
			return nil
		}),
		p("trace", "start a program under a tracer", "a debugger must be able to start a program", func(*Inside) error {
			c := exec.Command("/bin/sh", "-c", "exit 5")
			c.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
			if err := c.Start(); err != nil {
				return err
			}
			c.Wait() // it has stopped at exec
			if err := syscall.PtraceCont(c.Process.Pid, 0); err != nil {
				c.Process.Kill()
				return err
			}
			var ws syscall.WaitStatus
			for {
				if _, err := syscall.Wait4(c.Process.Pid, &ws, 0, nil); err != nil {
					return err
				}
				if ws.Exited() {
					break
				}
				if err := syscall.PtraceCont(c.Process.Pid, 0); err != nil {
					return err
				}
			}
			if ws.ExitStatus() != 5 {
				return fmt.Errorf("it ended with %d", ws.ExitStatus())
			}
			return nil
		}),
		p("own-memory", "share memory between the own processes", "memory without a name must be there", func(*Inside) error {
			fd, err := unix.MemfdCreate("prove", unix.MFD_CLOEXEC)
			if err != nil {
				return err
			}
			c := exec.Command("/bin/sh", "-c", "echo word >&3")
			c.ExtraFiles = []*os.File{os.NewFile(uintptr(fd), "memory")}
			if err := c.Run(); err != nil {
				return err
			}
			b := make([]byte, 4)
			if _, err := unix.Pread(fd, b, 0); err != nil || string(b) != "word" {
				return fmt.Errorf("%q, %v", b, err)
			}
			return nil
		}),
		p("terminal", "make a terminal", "/dev/ptmx must be there inside", func(*Inside) error {
			m, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(m)
			if err := unix.IoctlSetPointerInt(m, unix.TIOCSPTLCK, 0); err != nil {
				return err
			}
			// As openpty of the C library does it.
			s, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(m), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
			if e != 0 {
				return e
			}
			defer unix.Close(int(s))
			if _, err := unix.Write(int(s), []byte("word")); err != nil {
				return err
			}
			b := make([]byte, 8)
			if n, err := unix.Read(m, b); err != nil || string(b[:n]) != "word" {
				return fmt.Errorf("%q, %v", b, err)
			}
			return nil
		}),
		server,
		p("socketpair", "speak through a pair of sockets", "unix sockets must work within the box", func(*Inside) error {
			fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			if _, err := unix.Write(fds[0], []byte("word")); err != nil {
				return err
			}
			b := make([]byte, 8)
			if n, err := unix.Read(fds[1], b); err != nil || string(b[:n]) != "word" {
				return fmt.Errorf("%q, %v", b, err)
			}
			return nil
		}),
		program("python", "run Python", "python3", "42", "-c", "import os,json,tempfile,subprocess; tempfile.TemporaryFile().write(b'x'); print(json.dumps(6*7))"),
		program("node", "run Node", "node", "42", "-e", "require('fs').readdirSync('.'); console.log(6*7)"),
		program("perl", "run Perl", "perl", "42", "-e", "print 6*7"),
		program("go-version", "run the Go command", "go", "go1", "version"),
		git("git-commit", "add and commit with git", []string{"add", "src"}, []string{"commit", "-q", "--allow-empty", "-m", "from inside"}, []string{"log", "-1"}),
		git("git-branch", "branch, switch and merge with git", []string{"branch", "b-NAME"}, []string{"checkout", "-q", "b-NAME"}, []string{"commit", "-q", "--allow-empty", "-m", "there"}, []string{"checkout", "-q", "-"}, []string{"merge", "-q", "b-NAME"}, []string{"branch", "-q", "-d", "b-NAME"}),
		git("git-stash", "stash and restore with git", []string{"stash", "list"}, []string{"status", "--porcelain"}, []string{"tag", "t-NAME"}, []string{"tag", "-d", "t-NAME"}),
		git("git-worktree", "commit in a linked worktree with git", []string{"-C", "wt", "commit", "-q", "--allow-empty", "-m", "from inside"}),
		writes(compile("c", "compile and run a C program", "cc", map[string]string{"x.c": "int main(void) { return 0; }\n"}, "cc -o x x.c && ./x")),
		writes(compile("go", "compile a Go program", "go", map[string]string{"go.mod": "module prove.invalid\n", "x.go": "package main\n\nfunc main() {}\n"}, "export GOCACHE=$PWD/cache GOPATH=$PWD/gopath GOTELEMETRY=off; go list . && go tool compile -p main -o x.o x.go && test -s x.o")),
		writes(compile("make", "run make", "make", map[string]string{"Makefile": "x:\n\ttouch x\n"}, "make x && test -f x")),
	}
}

// compile runs a shell line in a directory with files.
func compile(id, title, program string, files map[string]string, line string) Probe {
	return Probe{ID: "controls." + id, Control: true, Title: title, Why: "a box is there to work in", Fix: "the tool must be visible inside, with what it needs",
		Needs: needProgram(program), MayLack: true, Limit: 90 * time.Second,
		Plant: func(c *Case) error {
			for name, text := range files {
				if err := c.write(filepath.Join(c.own(c.WS), name), text); err != nil {
					return err
				}
			}
			c.Args["dir"] = c.own(c.WS)
			return nil
		},
		Attack: func(in *Inside) error {
			if _, err := exec.LookPath(program); err != nil {
				return in.Lack(program)
			}
			c := exec.Command("/bin/sh", "-c", line)
			c.Dir = in.Args["dir"]
			out, err := c.CombinedOutput()
			if err != nil {
				return fmt.Errorf("%s: %w: %s", line, err, out)
			}
			return nil
		}}
}

// ordinary does what programs do with files.
func ordinary(_ *Inside, dir string) error {
	a, b, l := dir+"/a", dir+"/b", dir+"/l"
	if err := os.WriteFile(a, []byte("word"), 0o600); err != nil {
		return err
	}
	steps := []func() error{
		func() error { return os.Chmod(a, 0o755) },
		func() error { return os.Chtimes(a, time.Unix(1e9, 0), time.Unix(1e9, 0)) },
		func() error { return os.Rename(a, b) },
		func() error { return os.Symlink("b", l) },
		func() error { return os.Link(b, a) },
		func() error { return os.MkdirAll(dir+"/d/e/f", 0o755) },
		func() error { return os.Rename(dir+"/d", dir+"/d2") },
		func() error { return os.WriteFile(dir+"/d2/e/f/g", nil, 0o644) },
		func() error { return os.Truncate(b, 2) },
		func() error { return unix.Mkfifo(dir+"/p", 0o600) },
		func() error { return os.Remove(a) },
	}
	for i, s := range steps {
		if err := s(); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	if got, err := os.ReadFile(l); err != nil || string(got) != "wo" {
		return fmt.Errorf("read through a link: %q, %v", got, err)
	}
	return nil
}

// locks takes both kinds of lock.
func locks(_ *Inside, dir string) error {
	f, err := os.Create(dir + "/lock")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return err
	}
	return unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Len: 1})
}

// localServer serves one connection of its own.
func localServer(*Inside) error {
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(l)
	if err := unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	if err := unix.Listen(l, 4); err != nil {
		return err
	}
	sa, err := unix.Getsockname(l)
	if err != nil {
		return err
	}
	c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(c)
	if err := unix.Connect(c, sa); err != nil {
		return err
	}
	got, _, err := unix.Accept(l)
	if err != nil {
		return err
	}
	defer unix.Close(got)
	if _, err := unix.Write(c, []byte("word")); err != nil {
		return err
	}
	b := make([]byte, 8)
	if n, err := unix.Read(got, b); err != nil || string(b[:n]) != "word" {
		return fmt.Errorf("%q, %v", b, err)
	}
	return nil
}
