//go:build linux

package probe

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// host is one scratch world with everything in it, as the outside sees it.
type host struct {
	World
	Bin     string // the probe program, in the workspace: every sandbox shows that
	Env     []string
	self    string // the program to copy
	pristin string // a copy of the workspace
	jan     *janitor
	extra   []*os.File    // inherited by the sandbox
	held    []*os.File    // open as long as the world is
	ended   chan struct{} // closed with the world
	stdin   *os.File      // its standard input; nil for the requests
	screen  *screen       // its terminal

	access    access   // with a gate: how servers of ours are reached
	site      *site    // with a gate: these servers
	command   []string // with a gate: the sandbox, when it is bailey's
	hidden    []string // with a gate: files of the workspace that the policy denies
	secretive bool     // with a gate: the policy has a secret
	secretEnv []string // variables with secrets, in the sandbox's environment
	noKeys    string   // why there is no session keyring
	victims   []*victim
	cases     []*Case

	mu        sync.Mutex
	listeners map[string]*listener
}

// random returns n random bytes in hex.
func random(n int) string {
	b := make([]byte, n)
	for at := 0; at < n; {
		m, err := unix.Getrandom(b[at:], 0)
		if err != nil && !errors.Is(err, unix.EINTR) {
			panic("no random numbers: " + err.Error()) // since Linux 3.17 it cannot happen
		}
		at += max(m, 0)
	}
	return hex.EncodeToString(b)
}

// newBase makes the directory that all worlds of a run lie in. Not below /tmp:
// sandboxes have one of their own there, and everything would seem to hold.
func newBase(jan *janitor, dirs []string) (string, error) {
	var first error
	for _, dir := range dirs {
		dir, err := filepath.EvalSymlinks(dir)
		if err == nil {
			if !filepath.IsAbs(dir) {
				dir, err = filepath.Abs(dir)
			}
			if dir == "/tmp" || strings.HasPrefix(dir, "/tmp/") {
				err = errors.New("it lies in /tmp, which sandboxes replace")
			}
			var st unix.Statfs_t
			if err == nil && unix.Statfs(dir, &st) == nil && st.Flags&unix.ST_NOEXEC != 0 {
				err = errors.New("programs cannot be run there")
			}
		}
		if err == nil {
			base := filepath.Join(dir, scratchName+random(8))
			if err = jan.tell("dir", base); err != nil {
				return "", err
			}
			if err = os.Mkdir(base, 0o700); err == nil {
				return base, nil
			}
		}
		if first == nil {
			first = err
		}
	}
	return "", fmt.Errorf("make a scratch directory in %s: %w", strings.Join(dirs, " or "), first)
}

// newHost plants a world in base/name.
func newHost(jan *janitor, base, name, self string) (*host, error) {
	top := filepath.Join(base, name)
	h := &host{jan: jan, self: self, listeners: map[string]*listener{}, ended: make(chan struct{})}
	h.World = World{Base: top, Home: top + "/home", WS: top + "/home/project", Sibling: top + "/home/sibling", Out: top + "/out"}
	h.Bin, h.pristin = h.WS+"/tools/bailey", top+"/pristine"
	for _, d := range []string{h.WS + "/tools", h.WS + "/src", h.Sibling, h.Out, top + "/mark", h.Home + "/.config"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("plant: %w", err)
		}
	}
	h.Env = environ(h.Home)
	for name, text := range map[string]string{
		"README.md": "# a project\n", "src/main.txt": "work\n", "Makefile": "all:\n\t@echo made\n", ".gitignore": "/tools\n",
	} {
		if err := h.write(filepath.Join(h.WS, name), text); err != nil {
			return nil, err
		}
	}
	if err := copyFile(self, h.Bin, 0o755); err != nil {
		return nil, fmt.Errorf("plant the probe program: %w", err)
	}
	if err := h.repository(); err != nil {
		return nil, err
	}
	return h, nil
}

// repository makes the project a git repository, with a worktree and a nested one.
// Without git the probes that need one are not shown.
func (h *host) repository() error {
	if _, err := exec.LookPath("git"); err != nil {
		return nil
	}
	for _, args := range [][]string{
		{"init", "-q", "-b", "main", "."}, {"config", "user.name", "bailey"}, {"config", "user.email", "prove@bailey.invalid"}, {"config", "commit.gpgsign", "false"},
		{"add", "."}, {"commit", "-q", "-m", "first"}, {"worktree", "add", "-q", "wt"}, {"init", "-q", "nested"},
	} {
		if out, err := h.git(h.WS, args...); err != nil {
			return fmt.Errorf("plant a repository: git %s: %w: %s", args[0], err, out)
		}
	}
	return os.MkdirAll(h.WS+"/.git/hooks", 0o755)
}

// git runs the host's git, as a person would later.
func (h *host) git(dir string, args ...string) ([]byte, error) {
	c := exec.Command("git", args...)
	c.Dir, c.Env = dir, append(h.Env, "GIT_CONFIG_NOSYSTEM=1", "GIT_EDITOR=true", "GIT_PAGER=cat", "GIT_TERMINAL_PROMPT=0")
	return c.CombinedOutput()
}

// environ is the environment of everything that runs for the run: the caller's,
// with the scratch home in place of the real one.
func environ(home string) []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case name == "HOME", name == "PWD", name == "OLDPWD", name == "TMPDIR", strings.HasPrefix(name, "XDG_"), strings.HasPrefix(name, "GIT_"), strings.HasPrefix(name, "BAILEY"):
			continue
		}
		env = append(env, kv)
	}
	return append(env, "HOME="+home)
}

// Environ is the environment of a program that works in the world.
func (w World) Environ() []string { return environ(w.Home) }

func (h *host) write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("plant: %w", err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return fmt.Errorf("plant: %w", err)
	}
	return nil
}

// keep copies the workspace, so that it can be put back.
func (h *host) keep() error {
	return syncTree(h.WS, h.pristin, "tools")
}

// restore puts the workspace back as it was planted.
func (h *host) restore() error {
	if err := syncTree(h.pristin, h.WS, "tools"); err != nil {
		return err
	}
	for _, c := range h.cases {
		if !c.judged {
			c.lookAgain()
		}
	}
	return nil
}

// close lets go of what the world holds in this process; the janitor does the rest.
func (h *host) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.listeners {
		l.close()
	}
	h.site.close()
	for _, f := range append(h.extra, h.held...) {
		f.Close()
	}
	close(h.ended)
}

func copyFile(from, to string, mode os.FileMode) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.WriteFile(to, b, mode); err != nil {
		return err
	}
	return os.Chmod(to, mode)
}

// syncTree makes one tree like another, but for one name at the top. What is right
// already stays: a test without walls does this a hundred times.
func syncTree(from, to, skip string) error {
	if info, err := os.Lstat(to); err != nil || !info.IsDir() || info.Mode().Perm()&0o700 != 0o700 {
		removeAll(to)
		if err := os.MkdirAll(to, 0o755); err != nil {
			return err
		}
	}
	want, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, e := range want {
		names[e.Name()] = true
	}
	have, err := os.ReadDir(to)
	if err != nil {
		return err
	}
	for _, e := range have {
		if !names[e.Name()] && e.Name() != skip {
			removeAll(filepath.Join(to, e.Name()))
		}
	}
	for _, e := range want {
		a, b := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		if e.Name() == skip {
			continue
		}
		switch {
		case e.IsDir():
			err = syncTree(a, b, "")
		case e.Type()&os.ModeSymlink != 0:
			var target string
			if target, err = os.Readlink(a); err == nil {
				if now, e := os.Readlink(b); e != nil || now != target {
					removeAll(b)
					err = os.Symlink(target, b)
				}
			}
		case e.Type().IsRegular():
			err = syncFile(a, b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func syncFile(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if unix.Lstat(to, &st) == nil && st.Mode == unix.S_IFREG|uint32(info.Mode().Perm()) && st.Nlink == 1 && st.Size == info.Size() {
		if now, err := os.ReadFile(to); err == nil && bytes.Equal(b, now) {
			return nil
		}
	}
	removeAll(to)
	if err := os.WriteFile(to, b, 0o600); err != nil {
		return err
	}
	return os.Chmod(to, info.Mode().Perm())
}

// removeAll removes a tree whatever modes its directories have.
func removeAll(dir string) {
	if os.RemoveAll(dir) == nil {
		return
	}
	filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			os.Chmod(p, 0o700)
		}
		return nil
	})
	os.RemoveAll(dir)
}

// ours are the processes outside that belong to the world.
func (h *host) ours() []*victim { return h.victims }
