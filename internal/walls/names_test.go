//go:build linux

package walls

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// repository makes the workspace a repository with one of everything that is
// protected and stands already.
func (w *world) repository(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("program missing: git")
	}
	w.git(t, "init", "-q", ".")
	w.git(t, "config", "user.name", "x")
	w.git(t, "config", "user.email", "x@example.com")
	for _, f := range existing {
		if !strings.HasPrefix(f, ".git/config") {
			text := "old\n"
			if strings.HasSuffix(f, ".toml") {
				text = "# old\n"
			}
			write(t, filepath.Join(w.WS, f), text)
		}
	}
	w.git(t, "add", "file")
	w.git(t, "commit", "-q", "-m", "x")
}

func (w *world) git(t testing.TB, args ...string) string {
	t.Helper()
	c := exec.Command("git", args...)
	c.Dir = w.WS
	c.Env = append(environ(w), "GIT_CONFIG_NOSYSTEM=1", "GIT_EDITOR=true")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return string(out)
}

var existing = []string{".envrc", "deep/er/.envrc", ".vscode/settings.json", "deep/.vscode/tasks.json", ".git/hooks/pre-commit", ".git/config", ".git/info/attributes", "bailey.toml", "deep/bailey.toml", ".bailey/local.toml", ".claude/settings.json", ".bashrc", ".ssh/config"}

// protectedNames are the patterns in force, as names that match them.
func protectedNames(t *testing.T, w *world) []string {
	t.Helper()
	c := exec.Command(program, "plan", "--json")
	c.Dir, c.Env = w.WS, environ(w)
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	var p struct {
		Names struct {
			Protect []string `json:"protect"`
		} `json:"names"`
	}
	if err := json.Unmarshal(out, &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Names.Protect) < 50 {
		t.Fatalf("only %d protected names", len(p.Names.Protect))
	}
	var list []string
	for _, s := range p.Names.Protect {
		s = strings.TrimPrefix(s, "**/")
		list = append(list, strings.ReplaceAll(s, "*", "x"))
	}
	return list
}

// Protected names that do not exist cannot be made, by any call, at any depth.
func TestNewNames(t *testing.T) {
	tiers(t, func(t *testing.T, b box) {
		w, other := newWorld(t), newWorld(t)
		w.repository(t)
		for _, x := range []*world{w, other} {
			if err := os.MkdirAll(filepath.Join(x.WS, "some/where"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		b.other = other
		var list []attempt
		add := func(name string) { list = append(list, attempt{kind: "make", arg: name, control: true}) }
		for _, n := range protectedNames(t, w) {
			add("some/where/" + n)
		}
		for _, n := range []string{"some/.git", "some/where/.GIT", "some/where/.gIt", "some/where/HEAD", "some/.g\u200cit", "some/git~1"} {
			add(n)
		}
		os.MkdirAll(filepath.Join(other.WS, ".git/info"), 0o755)
		os.MkdirAll(filepath.Join(other.WS, ".git/objects/info"), 0o755)
		for _, n := range []string{".git/commondir", ".git/objects/info/alternates", ".git/gitdir"} {
			add(n)
		}
		before := tree(t, w.WS)
		assault(t, b, w, list)
		for _, f := range tree(t, w.WS) {
			if !contains(before, f) && f != "attempts" && f != "spec" && filepath.Base(f) != ".config" { // holds what is protected, and is not
				t.Errorf("left behind: %s", f)
			}
		}
	})
}

// Those that stand cannot be changed, moved, replaced or removed.
func TestExistingNames(t *testing.T) {
	tiers(t, func(t *testing.T, b box) {
		w, other := newWorld(t), newWorld(t)
		w.repository(t)
		other.repository(t)
		b.other = other
		var list []attempt
		for _, f := range existing {
			for _, how := range changesOf {
				switch {
				case strings.HasPrefix(f, ".git/") && how == "swap parent":
					continue // undoing it outside would take .git apart
				case f == ".git/config" && (how == "chmod +x" || how == "setxattr"):
					continue // git itself does, and nothing ever runs that file
				}
				list = append(list, attempt{kind: "change", arg: how + "|" + f, control: how != "setxattr"})
			}
		}
		sum := contents(t, w)
		assault(t, b, w, list)
		if now := contents(t, w); now != sum {
			t.Errorf("changed:\n%s\n%s", sum, now)
		}
	})
}

// contents is what the protected files hold, how they are, and which they are.
func contents(t *testing.T, w *world) string {
	var s strings.Builder
	for _, f := range existing {
		b, err := os.ReadFile(filepath.Join(w.WS, f))
		var st unix.Stat_t
		unix.Lstat(filepath.Join(w.WS, f), &st)
		fmt.Fprintf(&s, "%s %d %o %q %v\n", f, st.Ino, st.Mode, b, err)
	}
	return s.String()
}

func contains(list []string, s string) bool {
	i := sort.SearchStrings(list, s)
	return i < len(list) && list[i] == s
}

func tree(t *testing.T, dir string) []string {
	var list []string
	filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, p)
		list = append(list, rel)
		return nil
	})
	sort.Strings(list)
	return list
}

// While threads change paths, directories and links under the broker's eyes, no
// protected name appears and nothing outside is written.
func TestRaces(t *testing.T) {
	w := newWorld(t)
	w.repository(t)
	before := contents(t, w)
	b := box{tier: "full"}
	var list []attempt
	for _, how := range []string{"buffer", "symlink", "directory", "descriptor"} {
		list = append(list, attempt{kind: "race", arg: how})
	}
	assault(t, b, w, list)
	if now := contents(t, w); now != before {
		t.Errorf("changed:\n%s\n%s", before, now)
	}
	if l := tree(t, w.Out); strings.Join(l, " ") != ". file target" {
		t.Errorf("outside: %q", l)
	}
	if b, _ := os.ReadFile(w.Out + "/file"); string(b) != canary+"\n" {
		t.Errorf("outside: %q", b)
	}
}

// Twenty boxes at once in one directory, some killed: they do not disturb each
// other, and no protected name is there even for an instant.
func TestManyBoxes(t *testing.T) {
	w := newWorld(t)
	w.git(t, "init", "-q", ".")
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, d := range []string{w.WS, filepath.Join(w.WS, ".git"), w.Home} {
		if _, err := unix.InotifyAddWatch(fd, d, unix.IN_CREATE|unix.IN_MOVED_TO|unix.IN_DELETE); err != nil {
			t.Fatal(err)
		}
	}
	gitBefore := tree(t, filepath.Join(w.WS, ".git"))
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			ctx, cancel := context.WithTimeout(context.Background(), runLimit)
			defer cancel()
			script := fmt.Sprintf("echo x >.envrc; mkdir .vscode; ln -s x .claude; echo %d >made%d; mv made%d kept%d; cat kept%d; sleep 0.2", i, i, i, i, i)
			c := box{tier: "full"}.command(ctx, w, "sh", "-c", script)
			var out bytes.Buffer
			c.Stdout = &out
			if err := c.Start(); err != nil {
				t.Error(err)
				return
			}
			if i%4 == 0 {
				time.Sleep(time.Duration(5+i) * time.Millisecond)
				c.Process.Kill()
				c.Wait()
				return
			}
			c.Wait()
			if strings.TrimSpace(out.String()) != fmt.Sprint(i) {
				t.Errorf("box %d: %q", i, out.String())
			}
		}()
	}
	wg.Wait()
	buf := make([]byte, 1<<16)
	saw := 0
	for {
		n, err := unix.Read(fd, buf)
		if n <= 0 || err != nil {
			break
		}
		for off := 0; off < n; {
			size := int(buf[off+12]) | int(buf[off+13])<<8
			name := string(bytes.TrimRight(buf[off+16:off+16+size], "\x00"))
			off += 16 + size
			saw++
			if !strings.HasPrefix(name, "made") && !strings.HasPrefix(name, "kept") {
				t.Errorf("%s was made or removed", name)
			}
		}
	}
	if saw < 15 {
		t.Errorf("the watch saw only %d events", saw)
	}
	if after := tree(t, filepath.Join(w.WS, ".git")); strings.Join(after, "\n") != strings.Join(gitBefore, "\n") {
		t.Errorf("left in .git: %q", after)
	}
}
