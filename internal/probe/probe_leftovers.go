//go:build linux

package probe

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// leftoverProbes try to outlive the sandbox, or to leave something behind.
func leftoverProbes() []Probe {
	daemon := func(id, scene, title string, attack func(*Inside) error) Probe {
		return Probe{ID: "leftovers." + id, Severity: Boundary, Scene: scene, Title: title, Why: "what lives on is outside of every limit, and nobody sees it", Wall: "the pid namespace ends with the launcher", Fix: "find and end the process",
			Plant: func(c *Case) error { c.Args["beat"] = c.own(c.WS); return nil }, Attack: attack, Judge: beats}
	}
	left := func(id, scene, title, why, wall string, plant func(*Case) error, needs func(*Case) string, attack func(*Inside) error, judge func(*Case, *Report) (bool, string), undo func(*Case)) Probe {
		return Probe{ID: "leftovers." + id, Severity: Boundary, Scene: scene, Title: title, Why: why, Wall: wall, Fix: "remove it", Needs: needs, Plant: plant, Attack: attack, Judge: judge, Undo: undo}
	}
	const fills = "it stays until the machine restarts, and is used by nobody"
	put := func(in *Inside) error { return os.WriteFile(in.Args["path"], []byte(in.Nonce), 0o600) }
	remove := func(c *Case) { os.Remove(c.Args["path"]) }
	mount := left("mount", sceneEnd, "leave a mount", "it hides what is below it, from everybody", "no capabilities, a mount namespace of its own", func(c *Case) error {
		c.Args["dir"] = c.own(c.WS)
		return os.Mkdir(c.own(c.WS), 0o755)
	}, nil, func(in *Inside) error { return unix.Mount("prove", in.Args["dir"], "tmpfs", 0, "size=64k") }, func(c *Case, _ *Report) (bool, string) {
		b, _ := os.ReadFile("/proc/self/mountinfo")
		if strings.Contains(string(b), " "+c.Args["dir"]+" ") {
			return true, "something is mounted outside: " + c.Args["dir"]
		}
		return false, ""
	}, func(c *Case) { unix.Unmount(c.Args["dir"], unix.MNT_DETACH) })
	mount.NeedsRoot = true
	// ghosts: names that a sandbox puts into the tree to have something to mount on.
	ghost := func(id, scene, title string) Probe {
		q := left(id, scene, title, "they show in git status and break builds and other runs", "no mount point is ever made in the host's tree", func(c *Case) error {
			for _, dir := range []string{c.WS, c.Home} {
				for _, name := range ghostNames() {
					c.Watch(filepath.Join(dir, name))
				}
			}
			return nil
		}, nil, func(in *Inside) error { return os.Mkdir(filepath.Join(in.WS, ghostNames()[0]), 0o755) }, touched, nil)
		q.Severity = Hardening
		return q
	}
	return []Probe{
		daemon("sigkill-daemon", sceneKill, "outlive a SIGKILL of the launcher as a daemon", linger),
		daemon("sigkill-orphan", sceneKill, "outlive a SIGKILL of the launcher as an orphan", orphan),
		daemon("exit-daemon", sceneEnd, "outlive the command as a daemon", linger),
		daemon("exit-orphan", sceneEnd, "outlive the command as an orphan", orphan),
		left("sigkill-tmp", sceneKill, "leave a file in the host's /tmp when the launcher is killed", fills, "a /tmp of its own", (*Case).NoHostTmp, nil, put, touched, remove),
		left("tmp", sceneEnd, "leave a file in the host's /tmp", fills, "a /tmp of its own", (*Case).NoHostTmp, nil, put, touched, remove),
		left("dev-shm", sceneEnd, "leave POSIX shared memory", fills, "a /dev/shm of its own", func(c *Case) error {
			c.Args["path"] = "/dev/shm/bailey-prove-" + random(8)
			if err := c.jan.tell("file", c.Args["path"]); err != nil {
				return err
			}
			c.Watch(c.Args["path"])
			return nil
		}, needDevShm, put, touched, remove),
		left("sysv-shm", sceneEnd, "leave System V shared memory", fills, "an IPC namespace of its own", func(c *Case) error {
			n, err := strconv.ParseInt(random(4), 16, 64)
			if err != nil {
				return err
			}
			c.Args["key"] = strconv.Itoa(int(n&0x7fffffff | 0x10000000))
			return c.jan.tell("shmkey", c.Args["key"])
		}, nil, func(in *Inside) error {
			key, _ := strconv.Atoi(in.Args["key"])
			_, err := unix.SysvShmGet(key, 4096, unix.IPC_CREAT|unix.IPC_EXCL|0o600)
			return err
		}, func(c *Case, _ *Report) (bool, string) {
			key, _ := strconv.Atoi(c.Args["key"])
			if _, err := unix.SysvShmGet(key, 0, 0); err == nil {
				return true, "the shared memory is still there"
			}
			return false, ""
		}, func(c *Case) { removeThing("shmkey", c.Args["key"]) }),
		left("posix-mq", sceneEnd, "leave a POSIX message queue", fills, "an IPC namespace of its own", func(c *Case) error {
			c.Args["name"] = "bailey-prove-" + random(8)
			return c.jan.tell("mq", c.Args["name"])
		}, needCall(unix.SYS_MQ_UNLINK, "POSIX message queues"), func(in *Inside) error {
			fd, err := mqOpen(in.Args["name"], unix.O_RDWR|unix.O_CREAT)
			unix.Close(fd)
			return err
		}, func(c *Case, _ *Report) (bool, string) {
			fd, err := mqOpen(c.Args["name"], unix.O_RDONLY)
			if err != nil {
				return false, ""
			}
			unix.Close(fd)
			return true, "the queue is still there"
		}, func(c *Case) { removeThing("mq", c.Args["name"]) }),
		mount,
		ghost("sigkill-ghosts", sceneKill, "leave placeholders in the tree when the launcher is killed"),
		ghost("ghosts", sceneEnd, "leave placeholders in the tree"),
	}
}

// ghostNames are names that sandboxes have been seen to leave. The first is one
// that the attack makes itself, so that the probe can be shown.
func ghostNames() []string {
	return []string{".gemini", ".claude", ".codex", ".cursor", ".vscode", ".idea", ".envrc", ".mcp.json", ".bashrc", ".bash_profile", ".profile", ".zshrc", ".zprofile", ".gitconfig", ".gitmodules", ".ripgreprc", ".husky", "bailey.toml", ".bailey", ".git/commondir", ".git/config.worktree", ".git/info/attributes", "HEAD", "objects", "refs", "hooks", "config"}
}

// linger starts a process that has left its session, ignores signals and writes a
// heartbeat.
func linger(in *Inside) error { return startLinger(in, in.Self, verbLinger, in.Args["beat"]) }

// orphan lets a shell start it and end, so that nobody above it is left.
func orphan(in *Inside) error {
	sh, err := exec.LookPath("sh")
	if err != nil {
		return linger(in)
	}
	return startLinger(in, sh, "-c", `("$0" "$1" "$2" </dev/null >/dev/null 2>&1 &) ; exit 0`, in.Self, verbLinger, in.Args["beat"])
}

func startLinger(in *Inside, program string, args ...string) error {
	c := exec.Command(program, args...)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return err
	}
	for range 200 {
		if _, err := os.Stat(in.Args["beat"]); err == nil {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil // in mode read-only there is no heartbeat: the process itself is looked for
}

// beats: something of the scenario is alive, seen as a process or by its heartbeat.
func beats(c *Case, _ *Report) (bool, string) {
	for _, pid := range processesOf(c.Base) {
		b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
		if containsWord(b, c.Args["beat"]) && !bytes.Contains(b, []byte("-c\x00")) {
			return true, "process " + strconv.Itoa(pid) + " lives on"
		}
	}
	was, _ := os.ReadFile(c.Args["beat"])
	if len(was) == 0 {
		return false, ""
	}
	time.Sleep(3 * beatTime)
	if now, _ := os.ReadFile(c.Args["beat"]); len(now) > len(was) {
		return true, "its heartbeat goes on: " + filepath.Base(c.Args["beat"])
	}
	return false, ""
}
