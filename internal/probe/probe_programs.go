//go:build linux

package probe

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// deniedProgram is a program that a rule of the gate's box denies.
const deniedProgram = "prove-denied"

// programProbes execute a program that a rule denies, by every way that the rule is
// said to hold for. It is a guardrail: a copy under another name is another program,
// and no probe says otherwise.
func programProbes() []Probe {
	p := func(id, title string, attack func(in *Inside, dir string) error) Probe {
		return Probe{ID: "programs." + id, Severity: Hardening, Scene: sceneGate, OwnGate: true, Supervised: true, Title: "execute a denied program " + title,
			Why: "a rule that holds for a command alone is walked round by a script", Wall: "what is executed inside is held against the rules (a guardrail)", Fix: "exec.supervise = \"rules\"",
			Plant: (*Case).denied,
			Attack: func(in *Inside) error {
				dir := filepath.Dir(in.Args["path"])
				if err := os.Chdir(dir); err != nil {
					return err
				}
				return attack(in, dir)
			}, Judge: touched}
	}
	// run executes words, of which the first may be a path.
	run := func(words ...string) func(*Inside, string) error {
		return func(in *Inside, dir string) error { return execute(in, exec.Command(words[0], words[1:]...)) }
	}
	sh := func(text string) func(*Inside, string) error { return run("/bin/sh", "-c", text) }
	// script writes programs of a first line and a text, and executes the last.
	script := func(files ...[2]string) func(*Inside, string) error {
		return func(in *Inside, dir string) error {
			last := ""
			for _, f := range files {
				last = filepath.Join(dir, f[0])
				if err := os.WriteFile(last, []byte(strings.ReplaceAll(f[1], "DIR", dir)), 0o755); err != nil {
					return err
				}
			}
			return execute(in, exec.Command(last))
		}
	}
	const line = "#!DIR/" + deniedProgram + " ran\n"
	return []Probe{
		p("direct", "by its path", run("./"+deniedProgram, "ran")),
		p("deep", "five scripts below the command", script(
			[2]string{"e", "#!/bin/sh\n./" + deniedProgram + " ran\n"}, [2]string{"d", "#!/bin/sh\n./e\n"}, [2]string{"c", "#!/bin/sh\nenv ./d\n"}, [2]string{"b", "#!/bin/sh\n(./c)\n"}, [2]string{"a", "#!/bin/sh\nexec ./b\n"})),
		p("search", "by PATH", sh("PATH=$PWD:$PATH; "+deniedProgram+" ran")),
		p("wrapped", "by other programs", sh("env ./"+deniedProgram+" ran; echo ran | xargs ./"+deniedProgram+"; nice ./"+deniedProgram+" ran")),
		p("background", "in a session of its own, whose parent has ended", sh("((setsid ./"+deniedProgram+" ran; echo done) &) | cat")),
		p("spelling", "by a path of dots", func(in *Inside, dir string) error {
			return execute(in, exec.Command(".//./../"+filepath.Base(dir)+"/./"+deniedProgram, "ran"))
		}),
		p("link", "by a link of another name", sh("ln -s "+deniedProgram+" other; ./other ran")),
		p("link-changed", "by a link that led to another program before", sh("printf '#!/bin/sh\n' > fine; chmod +x fine; ln -s fine other; ./other ran; ln -sf "+deniedProgram+" other; ./other ran")),
		p("own-name", "with another name as its own", func(in *Inside, _ string) error {
			c := exec.Command("./"+deniedProgram, "ran")
			c.Args[0] = "fine"
			return execute(in, c)
		}),
		p("under-name", "that is another one under its name", func(in *Inside, _ string) error {
			c := exec.Command("/bin/sh", "-c", ": > ran")
			c.Args[0] = deniedProgram
			return execute(in, c)
		}),
		p("proc-root", "through /proc/self/root", func(in *Inside, dir string) error {
			return execute(in, exec.Command("/proc/self/root"+dir+"/"+deniedProgram, "ran"))
		}),
		p("proc-fd", "through /proc/self/fd", func(in *Inside, dir string) error {
			f, err := os.Open(deniedProgram)
			if err != nil {
				return err
			}
			defer f.Close()
			c := exec.Command("/proc/self/fd/3", "ran")
			c.ExtraFiles = []*os.File{f}
			return execute(in, c)
		}),
		p("execveat", "by its descriptor", func(_ *Inside, dir string) error {
			fd, err := unix.Open(deniedProgram, unix.O_PATH, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return execveat(fd, "", unix.AT_EMPTY_PATH, "ran")
		}),
		p("execveat-directory", "by its directory's descriptor", func(_ *Inside, dir string) error {
			fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return execveat(fd, deniedProgram, 0, "ran")
		}),
		p("interpreter", "as the interpreter of a script", script([2]string{"a", line})),
		p("interpreter-twice", "as the interpreter of a script's interpreter", script([2]string{"a", line}, [2]string{"b", "#!DIR/a ran\n"})),
		p("interpreter-link", "as an interpreter by a link", func(in *Inside, dir string) error {
			if err := os.Symlink(deniedProgram, "other"); err != nil {
				return err
			}
			return script([2]string{"a", "#!DIR/other ran\n"})(in, dir)
		}),
		p("memory", "as the interpreter of a script that has no name", func(_ *Inside, dir string) error {
			fd, err := unix.MemfdCreate("prove", 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if _, err := unix.Write(fd, []byte(strings.ReplaceAll(line, "DIR", dir))); err != nil {
				return err
			}
			return execveat(fd, "", unix.AT_EMPTY_PATH)
		}),
		p("text", "from the text of a shell", func(in *Inside, _ string) error {
			return execute(in, exec.Command("/bin/sh", "-c", "exec /bin/sh -c 'exec ./"+deniedProgram+" ran'"))
		}),
		p("many", "in the middle of many others", sh("i=0; while [ $i -lt 40 ]; do /bin/true $i & i=$((i+1)); done; ./"+deniedProgram+" ran & wait")),
	}
}

// denied plants the program, and the file that it would make.
func (c *Case) denied() error {
	if err := c.website(); err != nil {
		return err
	}
	dir := c.own(c.WS + "/src")
	if err := c.write(filepath.Join(dir, deniedProgram), "#!/bin/sh\n: > \"$1\"\n"); err != nil {
		return err
	}
	if err := os.Chmod(filepath.Join(dir, deniedProgram), 0o755); err != nil {
		return err
	}
	return c.Absent(filepath.Join(dir, "ran"))
}

// execute runs a command, and what it says is what it was refused with.
func execute(in *Inside, c *exec.Cmd) error {
	out, err := c.CombinedOutput()
	in.Loot(out)
	return err
}

// execveat executes by a descriptor in a process of its own, and waits for it.
func execveat(fd int, path string, flags uintptr, args ...string) error {
	name, err := unix.BytePtrFromString(path)
	if err != nil {
		return err
	}
	argv, err := syscall.SlicePtrFromStrings(append([]string{"fine"}, args...))
	if err != nil {
		return err
	}
	env := []*byte{nil}
	pid, _, e := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if e != 0 {
		return e
	}
	if pid == 0 {
		unix.RawSyscall6(unix.SYS_EXECVEAT, uintptr(fd), uintptr(unsafe.Pointer(name)), uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&env[0])), flags, 0)
		for {
			unix.RawSyscall(unix.SYS_EXIT_GROUP, 126, 0, 0)
		}
	}
	var ws unix.WaitStatus
	if _, err := unix.Wait4(int(pid), &ws, 0, nil); err != nil {
		return err
	}
	if ws.ExitStatus() != 0 {
		return errHeld
	}
	return nil
}
