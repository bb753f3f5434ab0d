//go:build linux

package linux

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/seccomp"
)

// weakPlan is a box of tier landlock around a fresh workspace. This test process
// may well create user namespaces; nothing here uses them.
func weakPlan(t testing.TB) *plan.Plan {
	t.Helper()
	abi, err := landlockABI()
	if err != nil {
		t.Fatal(err)
	}
	if abi < 6 {
		t.Skipf("kernel feature missing: Landlock ABI 6, have %d", abi)
	}
	p := testPlan(t)
	p.Tier, p.Tree = "landlock", nil
	p.Identity.UID, p.Identity.GID = p.Identity.HostUID, p.Identity.HostGID
	p.Syscalls = seccomp.Profile{Sockets: true}
	p.Landlock = plan.Landlock{Strict: true, TCP: true, MinABI: 6, Scoped: []string{"signal", "abstract-unix-socket"}}
	add := func(path string, a plan.Access) {
		if _, err := os.Stat(path); err == nil {
			p.Landlock.Paths = append(p.Landlock.Paths, plan.PathRule{Path: path, Access: a})
		}
	}
	for _, d := range []string{"/usr", "/bin", "/lib", "/lib64"} {
		add(d, plan.ReadExec)
	}
	add("/proc", plan.Read)
	add("/dev/null", plan.Devices)
	add("/etc/passwd", plan.Read)
	add(p.Dir, plan.Full)
	private := filepath.Join(t.TempDir(), "run")
	p.Private = &plan.Private{Dir: private, Nodes: []plan.Node{
		{Kind: plan.Dir, Path: private + "/tmp"}, {Kind: plan.Data, Path: private + "/.gitconfig", Content: "[user]\n\tname = x\n"},
	}}
	add2 := plan.PathRule{Path: private, Access: plan.Full}
	p.Landlock.Paths = append(p.Landlock.Paths, add2)
	return p
}

func TestWeakBox(t *testing.T) {
	p := weakPlan(t)
	outside := t.TempDir()
	secret := filepath.Join(outside, "key")
	if err := os.WriteFile(secret, []byte("the secret\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	os.Chmod(outside, 0o777)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	script := `
cat ` + secret + ` && echo ESCAPED read
echo x > ` + outside + `/new && echo ESCAPED write
ls ` + outside + ` && echo ESCAPED list
perl -e 'use Socket; socket(S, PF_INET, SOCK_STREAM, 0) && connect(S, sockaddr_in(` + port + `, inet_aton("127.0.0.1"))) or exit 1' && echo ESCAPED tcp
perl -e 'use Socket; socket(S, PF_INET, SOCK_DGRAM, 0) or exit 1' && echo ESCAPED udp
kill -0 $OUTER && echo ESCAPED signal
grep -q NoNewPrivs:.1 /proc/self/status || echo ESCAPED privileges
grep -q 'CapEff:.0000000000000000' /proc/self/status || echo ESCAPED capabilities
unshare -r true && echo ESCAPED namespaces
echo works > file && cat file && cp /usr/bin/true ./t && ./t && echo ran
exit 7`
	p.Env = nil
	b, proc, err := Open(p, &Command{Path: "sh", Args: []string{"sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin", "OUTER=" + strconv.Itoa(os.Getpid())}, Stdout: capture(t), Stderr: capture(t)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	private := b.private
	st, err := proc.Wait()
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	out := captured(t)
	if strings.Contains(out, "ESCAPED") || !strings.Contains(out, "works") || !strings.Contains(out, "ran\n") || st.ExitCode() != 7 {
		t.Errorf("%v: %s", st, out)
	}
	if _, err := os.Stat(private); private == "" || err == nil {
		t.Errorf("the private directory %q is still there", private)
	}
}

var captures = map[testing.TB]*os.File{}

// capture returns one file for all output of a test.
func capture(t testing.TB) *os.File {
	if f := captures[t]; f != nil {
		return f
	}
	f, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	captures[t] = f
	t.Cleanup(func() { f.Close(); delete(captures, t) })
	return f
}

func captured(t testing.TB) string {
	b, err := os.ReadFile(captures[t].Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestWeakNothingSurvives detaches a process from the command in every way there
// is; the guard must find it.
func TestWeakNothingSurvives(t *testing.T) {
	p := weakPlan(t)
	b, proc, err := Open(p, &Command{Path: "sh", Args: []string{"sh", "-c", "setsid setsid sh -c 'trap \"\" TERM HUP INT; sleep 7779; sleep 7779' & sleep 0.2"}, Env: []string{"PATH=/usr/bin:/bin"}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := proc.Wait(); err != nil {
		t.Fatal(err)
	}
	await(t, "7779", 0)
}

// TestWeakForAnother is a box that root starts for another user: its commands and
// its broker are that user, and nothing of root is left.
func TestWeakForAnother(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	const uid = 61234
	p := weakPlan(t)
	p.Identity.UID, p.Identity.GID, p.Identity.HostUID, p.Identity.HostGID = uid, uid, uid, uid
	p.Syscalls.Broker, p.Syscalls.Metadata = true, true
	if err := os.Chown(p.Dir, uid, uid); err != nil {
		t.Fatal(err)
	}
	os.Chmod(filepath.Dir(p.Dir), 0o755)
	secret := filepath.Join(p.Dir, "roots")
	if err := os.WriteFile(secret, []byte("the secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	script := `
touch made; mkdir dir; echo more >> made; chmod 700 dir
cat roots && echo ESCAPED read
chown 0:0 made && echo ESCAPED chown
kill -0 $OUTER && echo ESCAPED signal
grep Cap /proc/self/status
mv roots r2 && echo moved`
	b, proc, err := Open(p, &Command{Path: "sh", Args: []string{"sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin", "OUTER=" + strconv.Itoa(os.Getpid())}, Stdout: capture(t), Stderr: capture(t)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := proc.Wait(); err != nil {
		t.Fatal(err)
	}
	out := captured(t)
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		if !strings.Contains(out, set+":\t0000000000000000\n") {
			t.Errorf("%s is not empty", set)
		}
	}
	if strings.Contains(out, "ESCAPED") || !strings.Contains(out, "moved") { // who may write a directory may rename in it
		t.Error("not as that user")
	}
	for _, name := range []string{"made", "dir"} {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(p.Dir, name), &st); err != nil || st.Uid != uid || st.Gid != uid {
			t.Errorf("%s: %v, owner %d:%d", name, err, st.Uid, st.Gid)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}
