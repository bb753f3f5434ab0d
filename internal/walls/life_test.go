//go:build linux

package walls

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey"
)

// Nothing inside outlives the command, or bailey, whatever ended it.
func TestNothingSurvives(t *testing.T) {
	tiers(t, func(t *testing.T, b box) {
		const daemon = "for i in 1 2 3; do setsid sh -c '(trap \"\" HUP TERM INT; touch ready$0; while test -e ready$0 && ! test -e go; do sleep 0.05; done; echo alive >> late) &' $i & done; until test -e ready1 && test -e ready2 && test -e ready3; do sleep 0.02; done; touch up;"
		for _, end := range []string{"command ends", "SIGKILL", "SIGTERM", "SIGSTOP and SIGKILL"} {
			t.Run(end, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				ctx, cancel := context.WithTimeout(context.Background(), runLimit)
				defer cancel()
				script := daemon
				if end != "command ends" {
					script += " sleep 600; touch late"
				}
				c := b.command(ctx, w, "sh", "-c", script)
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				appears(t, filepath.Join(w.WS, "up"))
				switch end {
				case "SIGKILL":
					c.Process.Kill()
				case "SIGTERM":
					c.Process.Signal(syscall.SIGTERM)
				case "SIGSTOP and SIGKILL":
					c.Process.Signal(syscall.SIGSTOP)
					c.Process.Kill()
				}
				c.Wait()
				write(t, filepath.Join(w.WS, "go"), "")
				time.Sleep(900 * time.Millisecond)
				if _, err := os.Stat(filepath.Join(w.WS, "late")); err == nil {
					t.Error("something inside lived on")
				}
			})
		}
		t.Run("control", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c := exec.Command("sh", "-c", daemon)
			c.Dir = w.WS
			c.Run()
			write(t, filepath.Join(w.WS, "go"), "")
			appears(t, filepath.Join(w.WS, "late")) // else this proves nothing
		})
	})
}

// Descriptors bailey was started with do not reach the command; a directory does
// not even as stdin.
func TestInheritedDescriptors(t *testing.T) {
	tiers(t, func(t *testing.T, b box) {
		w := newWorld(t)
		dir, err := os.Open(w.Out)
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		file, err := os.OpenFile(w.secret(), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(pair[1])
		sock := os.NewFile(uintptr(pair[0]), "socket")
		defer sock.Close()
		const script = "cat file out/file /proc/self/fd/3/file <&3 2>/dev/null; for i in 3 4 5 6 7 8 9; do cat <&$i; cat /proc/self/fd/$i/file; echo evil >&$i; done 2>/dev/null; cat /dev/stdin/file /proc/self/fd/0/../secret; cd /proc/self/fd/0 && cat file"
		b.extra = []*os.File{dir, file, sock}
		b.stdin = dir
		ctx, cancel := context.WithTimeout(context.Background(), runLimit)
		defer cancel()
		c := b.command(ctx, w, "sh", "-c", script)
		out, _ := c.CombinedOutput() // refusing to start is as good
		if strings.Contains(string(out), canary) {
			t.Errorf("%s", out)
		}
		if got, _ := os.ReadFile(w.secret()); string(got) != canary+"\n" {
			t.Errorf("the file outside holds %q", got)
		}
		control := exec.Command("sh", "-c", "cat /proc/self/fd/3/file")
		control.ExtraFiles = b.extra
		if out, _ := control.CombinedOutput(); !strings.Contains(string(out), canary) {
			t.Errorf("outside the descriptor is not inherited either: %s", out)
		}
	})
}

// A file given as stdin for reading stays that: opening it again by its
// descriptor gives no more.
func TestReopenStdin(t *testing.T) {
	w := newWorld(t)
	b, err := bailey.Open(t.Context(), bailey.Config{Dir: w.WS})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	f, err := os.Open(w.secret())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const script = "read x; echo $x; echo evil >> /dev/stdin; echo evil > /proc/self/fd/0; chmod 777 /dev/stdin; ln /proc/self/fd/0 got; ln -L /proc/self/fd/0 got; true"
	c := b.Command(ctx, "sh", "-c", script)
	c.Stdin = f
	out, err := c.Output()
	if err != nil || !strings.Contains(string(out), canary) {
		t.Errorf("%q, %v", out, err)
	}
	if got, _ := os.ReadFile(w.secret()); string(got) != canary+"\n" {
		t.Errorf("the file outside holds %q", got)
	}
	if st, err := os.Stat(w.secret()); err != nil || st.Mode().Perm() != 0o644 {
		t.Errorf("the file outside is %v, %v", st.Mode(), err)
	}
	// What is written to a log may not be read back from it.
	log := filepath.Join(w.Base, "log")
	write(t, log, canary+"\n")
	o, err := os.OpenFile(log, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	var stderr bytes.Buffer
	c = b.Command(ctx, "sh", "-c", "timeout 0.3 cat /proc/self/fd/1 >&2; timeout 0.3 cat /dev/stdout >&2; : > /dev/stdout; echo out")
	c.Stdout, c.Stderr = o, &stderr
	c.Run()
	if strings.Contains(stderr.String(), canary) {
		t.Error("the file behind stdout could be read")
	}
	if got, _ := os.ReadFile(log); !strings.HasPrefix(string(got), canary) {
		t.Errorf("the file behind stdout was cut: %q", got)
	}
}

// Limits hold without being asked for, and tighter ones when they are.
func TestLimits(t *testing.T) {
	w := newWorld(t)
	b := box{tier: "full"}
	for _, c := range []struct{ what, flags, script, not string }{
		// As root the bound is on process numbers, of which the kernel keeps 300 back.
		{"processes", "--pids=40", "i=0; while [ $i -lt 600 ]; do sleep 3 & i=$((i+1)); done; echo ESCAPED", "ESCAPED"},
		{"memory", "--memory=64MiB", "perl -e '$x=\"x\"; $x x= 300<<20; print \"ESCAPED\"; sleep 2'", "ESCAPED"},
		{"time", "--timeout=1s", "trap '' TERM; sleep 5; echo ESCAPED", "ESCAPED"},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			b := b
			b.flags = strings.Fields(c.flags)
			if out := b.sh(t, w, c.script); strings.Contains(out, c.not) {
				t.Errorf("%s", out)
			}
		})
	}
	t.Run("defaults", func(t *testing.T) {
		out := b.sh(t, w, "ulimit -a; cat /proc/self/limits")
		for l := range strings.Lines(out) {
			for _, s := range []string{"Max processes", "Max file size", "Max open files", "Max core file size"} {
				if strings.HasPrefix(l, s) && strings.Contains(l, "unlimited") {
					t.Error(l)
				}
			}
		}
		if !strings.Contains(out, "Max processes") {
			t.Errorf("no limits: %s", out)
		}
	})
}

// The policy is decided before anything inside runs, and by nothing inside.
func TestPolicyOutOfReach(t *testing.T) {
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		setUp func(t *testing.T, w *world)
		env   []string
		want  int
		not   string // what the box must not be able to write
	}{
		{name: "untrusted project file loosens", want: 125, setUp: func(t *testing.T, w *world) {
			write(t, w.WS+"/bailey.toml", fmt.Sprintf("[files]\nwrite = [%q]\n", w.Out))
		}},
		{name: "unknown key", want: 125, setUp: func(t *testing.T, w *world) { write(t, w.WS+"/bailey.toml", "[filez]\nx = 1\n") }},
		{name: "empty path", want: 125, setUp: func(t *testing.T, w *world) { write(t, w.WS+"/bailey.toml", "[files]\nwrite = [\"\"]\n") }},
		{name: ".git file names a directory of secrets", setUp: func(t *testing.T, w *world) { write(t, w.WS+"/.git", "gitdir: "+w.Out+"\n") }},
		{name: ".git is a link", setUp: func(t *testing.T, w *world) { os.Symlink(w.Out, w.WS+"/.git") }},
		{name: "commondir leads out", setUp: func(t *testing.T, w *world) {
			w.git(t, "init", "-q", ".")
			write(t, w.WS+"/.git/commondir", w.Out+"\n")
		}},
		{name: "TMPDIR", env: []string{"TMPDIR=OUT"}},
		{name: "HOME", env: []string{"HOME=OUT"}},
		{name: "XDG", env: []string{"XDG_CACHE_HOME=OUT", "XDG_CONFIG_HOME=OUT", "XDG_STATE_HOME=OUT"}},
		{name: "links of an earlier run", setUp: func(t *testing.T, w *world) {
			for _, n := range []string{"node_modules", ".venv", "target", ".cache", "build", "vendor", ".npm"} {
				os.Symlink(w.Out, filepath.Join(w.WS, n))
			}
			write(t, w.WS+"/go.mod", "module x\n")
			write(t, w.WS+"/package.json", "{}\n")
			write(t, w.WS+"/Cargo.toml", "[package]\n")
		}},
	} {
		tiers(t, func(t *testing.T, b box) {
			t.Run(c.name, func(t *testing.T) {
				w := newWorld(t)
				if c.setUp != nil {
					c.setUp(t, w)
				}
				for _, e := range c.env {
					b.env = append(b.env, strings.ReplaceAll(e, "OUT", w.Out))
				}
				ctx, cancel := context.WithTimeout(context.Background(), runLimit)
				defer cancel()
				cmd := b.command(ctx, w, "sh", "-c", fmt.Sprintf("echo x > %[1]s/new; mkdir %[1]s/dir; echo x >> %[1]s/file; cat %[1]s/file; for l in node_modules .venv target; do echo x > $l/new; done; true", w.Out))
				out, _ := cmd.CombinedOutput()
				if code := cmd.ProcessState.ExitCode(); code != c.want {
					t.Errorf("exit %d: %s", code, out)
				}
				if strings.Contains(string(out), canary) {
					t.Errorf("read: %s", out)
				}
				if got, _ := os.ReadFile(w.Out + "/file"); string(got) != canary+"\n" {
					t.Errorf("changed: %q", got)
				}
				for _, n := range []string{"new", "dir"} {
					if _, err := os.Lstat(filepath.Join(w.Out, n)); err == nil {
						t.Errorf("%s was made outside", n)
					}
				}
			})
		})
	}
	for _, dir := range []string{"/", home} {
		cmd := exec.Command(program, "run", "--", "true")
		cmd.Dir = dir
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 125 {
			t.Errorf("%s as a workspace: %s", dir, out)
		}
	}
}

// Started by root in a directory of another user, a box is that user: what it
// makes is theirs, and root's own is out of reach.
func TestRootForAnother(t *testing.T) {
	if os.Geteuid() != 0 {
		return // an ordinary user has only themselves to be
	}
	const uid = 61234
	w := newWorld(t)
	for _, d := range []string{w.Base, w.Home} {
		os.Chmod(d, 0o755)
	}
	if err := os.Chown(w.WS, uid, uid); err != nil {
		t.Fatal(err)
	}
	write(t, w.Base+"/roots", canary)
	os.Chmod(w.Base+"/roots", 0o600)
	b := box{tier: "full"}
	out := b.sh(t, w, "id -u; echo x > made; mkdir dir; cat "+w.Base+"/roots /etc/shadow; ls /root; chown 0:0 made; cat /proc/self/status | grep Cap")
	for _, f := range []string{"made", "dir"} {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(w.WS, f), &st); err != nil || st.Uid != uid || st.Gid != uid {
			t.Errorf("%s: %v, owner %d:%d\n%s", f, err, st.Uid, st.Gid, out)
		}
	}
	if strings.HasPrefix(out, "0\n") || strings.Contains(out, canary) || strings.Contains(out, "root:") {
		t.Errorf("%s", out)
	}
}
