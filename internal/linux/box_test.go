//go:build linux

package linux

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/plan"
)

// testPlan is a full box around a fresh workspace, written by hand so that this
// package's tests do not depend on the compiler's choices.
func testPlan(t testing.TB) *plan.Plan {
	t.Helper()
	outermost(t)
	ws := t.TempDir()
	uid, gid := os.Geteuid(), os.Getegid()
	p := &plan.Plan{
		Version: plan.Version, Tier: "full", Mode: "workspace-write", Hostname: "bailey",
		Identity: plan.Identity{UID: uid, GID: gid, HostUID: uid, HostGID: gid, User: "dev", Home: "/home/dev"},
		Dir:      ws, Writable: []string{ws},
		Limits: plan.Limits{Pids: 512, OpenFiles: 1024, Scratch: 64 << 20},
	}
	if uid == 0 {
		p.Identity.UID, p.Identity.GID = 1000, 1000
	}
	add := func(n plan.Node) { p.Tree = append(p.Tree, n) }
	for _, d := range []string{"/usr", "/bin", "/sbin", "/lib", "/lib64"} {
		if link, err := os.Readlink(d); err == nil {
			add(plan.Node{Kind: plan.Symlink, Path: d, Source: link})
		} else if _, err := os.Stat(d); err == nil {
			add(plan.Node{Kind: plan.Bind, Path: d, Source: d, Exec: true})
		}
	}
	add(plan.Node{Kind: plan.Data, Path: "/etc/passwd", Content: "root:x:0:0::/:/bin/sh\n"})
	add(plan.Node{Kind: plan.Scratch, Path: "/tmp", Mode: 0o1777, Exec: true})
	add(plan.Node{Kind: plan.Scratch, Path: "/home/dev", Mode: 0o755, Exec: true})
	p.Tree = append(p.Tree, plan.Fixed(present, false)...)
	add(plan.Node{Kind: plan.Bind, Path: ws, Source: ws, Writable: true, Exec: true})
	abi, err := landlockABI()
	if err != nil {
		t.Fatal(err)
	}
	if abi > 0 {
		p.Landlock.MinABI = 1
		p.Landlock.Scoped = []string{"signal", "abstract-unix-socket"}
		p.Landlock.Paths = []plan.PathRule{
			{Path: "/", Access: plan.List}, {Path: "/usr", Access: plan.ReadExec}, {Path: "/etc", Access: plan.Read},
			{Path: "/dev", Access: plan.Devices}, {Path: "/dev/shm", Access: plan.ReadWrite}, {Path: "/tmp", Access: plan.Full},
			{Path: "/home/dev", Access: plan.Full}, {Path: "/proc", Access: plan.Read}, {Path: ws, Access: plan.Full},
		}
	}
	return p
}

// output runs args in a fresh box made from p and returns what it printed.
func output(t testing.TB, p *plan.Plan, args ...string) (string, *os.ProcessState) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, proc, err := Open(p, &Command{Path: args[0], Args: args, Env: []string{"PATH=/usr/bin:/bin"}, Stdout: f, Stderr: f}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	st, err := proc.Wait()
	if err != nil {
		t.Fatal(err)
	}
	f.Seek(0, 0)
	out, _ := io.ReadAll(f)
	return string(out), st
}

func TestRun(t *testing.T) {
	out, st := output(t, testPlan(t), "sh", "-c", "echo hello from $$; ls -la / /dev /proc/self/; cat /proc/1/status /proc/self/mountinfo; exit 3")
	if st.ExitCode() != 3 || !strings.Contains(out, "hello") {
		t.Fatalf("exit %d: %s", st.ExitCode(), out)
	}
	t.Log(out)
}

// TestReadOnlyIsTold makes a directory where the mounts are read-only: the caller
// of Open hears of it, and what to do.
func TestReadOnlyIsTold(t *testing.T) {
	p := testPlan(t)
	p.Syscalls.Broker = true
	denied := make(chan Denial, 8)
	b, proc, err := Open(p, &Command{Path: "/bin/sh", Args: []string{"sh", "-c", "mkdir /usr/x /home/other"}}, Options{Denied: func(d Denial) { denied <- d }})
	if err != nil {
		t.Fatal(err)
	}
	if st, err := proc.Wait(); err != nil || st.Success() {
		t.Errorf("%v, %v", st, err)
	}
	b.Close()
	close(denied)
	var got []string
	for d := range denied {
		got = append(got, d.Op+" "+d.Path+" "+d.Rule)
	}
	if len(got) != 1 || got[0] != "mkdir /home/other read-only" && got[0] != "create /home/other read-only" {
		t.Errorf("told of %q", got)
	}
}

// TestBegun opens a box that was begun before its plan, one that has nothing to
// do with what was begun, and none at all.
func TestBegun(t *testing.T) {
	for _, change := range []func(p *plan.Plan){func(*plan.Plan) {}, func(p *plan.Plan) { p.Tree[len(p.Tree)-3].Mode = 0o700 }} {
		g, err := Begin(testPlan(t).Identity)
		if err != nil {
			t.Fatal(err)
		}
		p := testPlan(t)
		change(p)
		b, proc, err := Open(p, &Command{Path: "/bin/sh", Args: []string{"sh", "-c", "echo x >/dev/null && ls /proc/self/ns >/dev/null && exit 9"}}, Options{Begun: g})
		if err != nil {
			t.Fatal(err)
		}
		if st, err := proc.Wait(); err != nil || st.ExitCode() != 9 {
			t.Errorf("%v, %v", st, err)
		}
		b.Close()
	}
	g, err := Begin(testPlan(t).Identity)
	if err != nil {
		t.Fatal(err)
	}
	g.Abandon()
	g.Abandon()
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("a child stays: pid %d, %v", pid, err)
	}
}

func BenchmarkTrue(b *testing.B) {
	p := testPlan(b)
	for b.Loop() {
		box, proc, err := Open(p, &Command{Path: "/bin/true", Args: []string{"true"}}, Options{})
		if err != nil {
			b.Fatal(err)
		}
		proc.Wait()
		box.Close()
	}
}
