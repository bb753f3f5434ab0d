//go:build linux

package probe

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Case is a probe planted in a world.
type Case struct {
	*host
	Probe
	Token string            // a secret of its own; only what was read can hold it
	Nonce string            // handed to the attack
	Args  map[string]string // handed to the attack

	judged  bool
	over    bool // the sandbox is gone: nothing more arrives
	reads   bool // what is attacked is a secret that would be read
	watched []watched
	victim  *victim
	shm     []byte // shared memory, as it is seen here
	hears   *listener
	peer    *os.File      // the other end of what the attack writes to
	heardAt []byte        // what came there
	called  chan struct{} // closed when somebody outside was served by the attack
}

func newCase(h *host, p Probe) *Case {
	return &Case{host: h, Probe: p, Token: "secret-" + random(12), Nonce: "nonce-" + random(12), Args: map[string]string{}}
}

// Secret plants a file with the token and names it to the attack.
func (c *Case) Secret(path string) error {
	c.Args["path"], c.reads = path, true
	return c.write(path, c.Token+"\n")
}

// Target plants a file that nobody may change, watches it and names it.
func (c *Case) Target(path string) error {
	c.Args["path"] = path
	if err := c.write(path, "as it was\n"); err != nil {
		return err
	}
	c.Watch(path)
	return nil
}

// Absent names a path that must not come to be, and watches it.
func (c *Case) Absent(path string) error {
	c.Args["path"] = path
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("plant: %w", err)
	}
	c.Watch(path)
	return nil
}

// Watch remembers how a path is; touched says when it is not so any more.
func (c *Case) Watch(path string) { c.watched = append(c.watched, watched{path, look(path)}) }

// lookAgain remembers how the watched paths are now: what an earlier probe did to
// the workspace, and what put it back, is not this one's doing.
func (c *Case) lookAgain() {
	for i := range c.watched {
		c.watched[i].was = look(c.watched[i].path)
	}
}

// Mark is a file outside that only code which runs outside can make.
func (c *Case) Mark() string { return filepath.Join(c.Base, "mark", c.Nonce) }

// own is a path of this case alone below dir.
func (c *Case) own(dir string) string {
	return filepath.Join(dir, strings.ReplaceAll(c.ID, ".", "-"))
}

type watched struct {
	path string
	was  string
}

// look says what a path is and holds.
func look(path string) string {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return "absent"
	}
	s := fmt.Sprintf("inode %d mode %o owner %d:%d size %d links %d modified %d.%d", st.Ino, st.Mode, st.Uid, st.Gid, st.Size, st.Nlink, st.Mtim.Sec, st.Mtim.Nsec)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		b, err := os.ReadFile(path)
		s += fmt.Sprintf(" %q %v", b[:min(len(b), 64<<10)], err)
	case unix.S_IFLNK:
		to, _ := os.Readlink(path)
		s += " to " + to
	}
	var buf [256]byte
	if n, err := unix.Lgetxattr(path, "user.bailey-prove", buf[:]); err == nil {
		s += fmt.Sprintf(" attribute %q", buf[:n])
	}
	return s
}

// aim is the path that is attacked, if it is one, or a variable as $NAME.
func (c *Case) aim() string {
	if v := c.Args["variable"]; v != "" {
		return "$" + v
	}
	if p := c.Args["path"]; p != "" {
		return p
	}
	return c.Args["dir"]
}

// The judges.

// cameOut: the very token was read.
func cameOut(c *Case, r *Report) (bool, string) {
	if r != nil && bytes.Contains(r.Loot, []byte(c.Token)) {
		what := "the secret came out"
		if p := c.aim(); p != "" {
			what += ": " + p
		}
		return true, what
	}
	return false, ""
}

// touched: a watched path is not as it was.
func touched(c *Case, _ *Report) (bool, string) {
	for _, w := range c.watched {
		if now := look(w.path); now != w.was {
			switch {
			case w.was == "absent":
				return true, w.path + " was made"
			case now == "absent":
				return true, w.path + " was removed"
			}
			return true, w.path + " was changed"
		}
	}
	return false, ""
}

// heard: the listener got the nonce.
func heard(c *Case, r *Report) (bool, string) {
	if c.hears == nil {
		return false, ""
	}
	for i := 0; ; i++ {
		if c.hears.heard(c.Nonce) {
			return true, "the listener outside got the probe's word: " + c.Args["address"]
		}
		if r == nil || !r.Claimed || i > 20 {
			return false, ""
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// either: one of two judges.
func either(a, b func(*Case, *Report) (bool, string)) func(*Case, *Report) (bool, string) {
	return func(c *Case, r *Report) (bool, string) {
		if yes, what := a(c, r); yes {
			return true, what
		}
		return b(c, r)
	}
}

// died: the victim is dead or stopped.
func died(c *Case, r *Report) (bool, string) {
	if c.victim == nil {
		return false, ""
	}
	for i := 0; ; i++ {
		if state := c.victim.state(); state != "S" && state != "R" && state != "D" {
			return true, "the process outside was killed or stopped: state " + state
		}
		// A signal that was sent takes its time; one that was refused was not sent.
		if r != nil && !r.Claimed || i > 200 {
			return false, ""
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// ranOutside: the host's git ran what was planted.
func ranOutside(c *Case, _ *Report) (bool, string) {
	ran := func() bool { _, err := os.Lstat(c.Mark()); return err == nil }
	if ran() {
		return true, "code ran outside already"
	}
	dirs := []string{c.WS}
	if d := c.Args["git dirs"]; d != "" {
		for _, s := range strings.Split(d, "\n") {
			dirs = append(dirs, filepath.Join(c.WS, s))
		}
	}
	for _, dir := range dirs {
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		for _, args := range [][]string{{"status"}, {"diff"}, {"log", "-p", "-1"}, {"add", "README.md"}, {"commit", "-q", "--allow-empty", "-m", "x"}, {"checkout", "-q", "-B", "side"}, {"checkout", "-q", "main"}} {
			c.git(dir, args...)
			if ran() {
				rel, _ := filepath.Rel(c.WS, dir)
				return true, "the host's git ran it: git " + args[0] + " in " + rel
			}
		}
	}
	return false, ""
}

// payload is a script that shows, by making the mark, that it ran outside. From
// inside a box the mark's directory must be out of reach, so the judge removes a
// mark that is there too early.
func payload(in *Inside) string { return "#!/bin/sh\n: > '" + in.Args["mark"] + "'\n" }

// The usual plants.

// secretAt plants a secret in "home", "sibling", "out" or "ws".
func secretAt(where, name string) func(*Case) error {
	return func(c *Case) error { return c.Secret(filepath.Join(c.place(where), name)) }
}

// targetAt plants a file that must not be changed.
func targetAt(where, name string) func(*Case) error {
	return func(c *Case) error { return c.Target(filepath.Join(c.place(where), name)) }
}

// absentAt watches a path that must not come to be.
func absentAt(where, name string) func(*Case) error {
	return func(c *Case) error { return c.Absent(filepath.Join(c.place(where), name)) }
}

func (c *Case) place(where string) string {
	switch where {
	case "home":
		return c.Home
	case "sibling":
		return c.Sibling
	case "out":
		return c.Out
	}
	return c.WS
}

// needProgram says that a program is missing on this machine.
func needProgram(name string) func(*Case) string {
	return func(*Case) string {
		if _, err := exec.LookPath(name); err != nil {
			return "program missing: " + name
		}
		return ""
	}
}

// Victim starts a process outside with the token in its environment, and names it.
func (c *Case) Victim() error {
	v, err := startVictim(c.host, c.Token)
	if err != nil {
		return fmt.Errorf("plant a victim: %w", err)
	}
	c.victim, c.victims = v, append(c.victims, v)
	c.Args["pid"], c.Args["addr"] = strconv.Itoa(v.pid), v.addr
	return nil
}

func victimCase(c *Case) error { return c.Victim() }

// Listen opens a listener outside, shared by all probes, and names it: "tcp4",
// "tcp6", "udp4", "unix", "abstract".
func (c *Case) Listen(kind string) error {
	l, err := c.listener(kind)
	if err != nil {
		return fmt.Errorf("plant a listener: %w", err)
	}
	c.hears = l
	c.Args["kind"], c.Args["address"] = kind, l.address
	return nil
}

func listenOn(kind string) func(*Case) error {
	return func(c *Case) error { return c.Listen(kind) }
}
