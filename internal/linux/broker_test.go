//go:build linux

package linux

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/name"
	"github.com/bailey-run/bailey/internal/seccomp"
)

// A filter cannot be taken off, so what is tested runs in a copy of the test
// binary: it loads the filter, hands the listener over, and becomes the program.
const brokerVar = "BAILEY_TEST_BROKER"

// brokerChild is what the copy is told.
type brokerChild struct {
	Args    []string
	Profile seccomp.Profile
	Umask   bool // the filter sends umask too
}

func TestBrokerChild(t *testing.T) {
	spec := os.Getenv(brokerVar)
	if spec == "" {
		t.Skip("only in a child")
	}
	if err := becomeBrokerChild(spec); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
	}
	os.Exit(99)
}

func becomeBrokerChild(spec string) error {
	var c brokerChild
	if err := json.Unmarshal([]byte(spec), &c); err != nil {
		return err
	}
	os.Unsetenv(brokerVar)
	runtime.LockOSThread()
	path, err := exec.LookPath(c.Args[0])
	if err != nil {
		return err
	}
	prog, err := seccomp.Compile(c.Profile, runtime.GOARCH, 0)
	if err != nil {
		return err
	}
	if c.Umask {
		// Before all else: umask to the listener.
		head := []seccomp.Instruction{
			{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS},
			{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_UMASK},
			{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
		}
		prog = append(head, prog...)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	f := unix.SockFprog{Len: uint16(len(prog)), Filter: (*unix.SockFilter)(unsafe.Pointer(&prog[0]))}
	fd, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, uintptr(unsafe.Pointer(&f)))
	if e != 0 {
		return fmt.Errorf("load filter: %w", e)
	}
	if err := unix.Sendmsg(3, []byte{0}, unix.UnixRights(int(fd)), nil, 0); err != nil {
		return err
	}
	unix.Close(int(fd))
	if _, err := unix.Read(3, make([]byte, 1)); err != nil {
		return err
	}
	unix.Close(3)
	return syscall.Exec(path, c.Args, os.Environ())
}

// box is a program under a broker, without any other wall.
type brokerBox struct {
	t       testing.TB
	dir     string // the writable root
	rules   name.Rules
	profile seccomp.Profile
	umask   bool
	userns  bool // in a user namespace of its own; for root as nobody
	env     []string
	write   []string // the only places that may be written; nil for all

	mu      sync.Mutex
	denials []Denial
}

func newBrokerBox(t testing.TB) *brokerBox {
	t.Helper()
	outermost(t)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &brokerBox{t: t, dir: dir, profile: seccomp.Profile{Broker: true},
		rules: name.Rules{Roots: []name.Root{{Path: dir, TopGit: true}}, Protect: []string{".envrc", ".vscode", ".claude/settings.json"}}}
}

// run runs args in the box and returns its output and exit status.
func (b *brokerBox) run(args ...string) (string, error) {
	b.t.Helper()
	var out bytes.Buffer
	cmd := b.command(&out, args...)
	err := b.start(cmd)
	return out.String(), err
}

func (b *brokerBox) command(out *bytes.Buffer, args ...string) *exec.Cmd {
	b.t.Helper()
	spec, err := json.Marshal(brokerChild{Args: args, Profile: b.profile, Umask: b.umask})
	if err != nil {
		b.t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestBrokerChild$")
	cmd.Env = append(os.Environ(), brokerVar+"="+string(spec), "GIT_CONFIG_NOSYSTEM=1", "HOME="+b.dir+"-home",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
	cmd.Env = append(cmd.Env, b.env...)
	cmd.Dir = b.dir
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = 5 * time.Second
	if b.userns {
		uid, gid := os.Getuid(), os.Getgid()
		if uid == 0 {
			uid, gid = 65534, 65534
			b.chown(uid, gid)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: uid, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: gid, Size: 1}},
			Credential:  &syscall.Credential{Uid: 1000, Gid: 1000, NoSetGroups: true},
		}
	}
	return cmd
}

// chown gives the root to the box's user, and lets that user reach it.
func (b *brokerBox) chown(uid, gid int) {
	filepath.Walk(b.dir, func(p string, _ os.FileInfo, err error) error {
		if err == nil {
			os.Lchown(p, uid, gid)
		}
		return nil
	})
	for p := filepath.Dir(b.dir); strings.HasPrefix(p, os.TempDir()) && p != os.TempDir(); p = filepath.Dir(p) {
		os.Chmod(p, 0o755)
	}
}

func (b *brokerBox) start(cmd *exec.Cmd) error {
	b.t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "theirs")
	defer unix.Close(pair[0])
	if len(cmd.ExtraFiles) == 0 {
		cmd.ExtraFiles = make([]*os.File, 1)
	}
	cmd.ExtraFiles[0] = theirs
	if err := cmd.Start(); err != nil {
		theirs.Close()
		if b.userns && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC)) {
			b.t.Skip("no user namespaces: ", err)
		}
		b.t.Fatal(err)
	}
	theirs.Close()
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(pair[0], make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil || n == 0 {
		b.t.Fatalf("no listener (%v): %v, %s", err, cmd.Wait(), cmd.Stdout)
	}
	msgs, _ := unix.ParseSocketControlMessage(oob[:n])
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil {
		b.t.Fatal(err)
	}
	root, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	proc, err := openProc()
	if err != nil {
		b.t.Fatal(err)
	}
	m, err := name.Compile(b.rules)
	if err != nil {
		b.t.Fatal(err)
	}
	everywhere := []string{"/"}
	write := b.write
	if write == nil {
		write = everywhere
	}
	cfg := brokerConfig{Root: root, Proc: proc, Names: m, Write: write, Read: everywhere, Umask: b.umask, Denied: func(d Denial) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.denials = append(b.denials, d)
	}}
	if b.userns && os.Getuid() == 0 {
		cfg.DropCreds, cfg.HostUID, cfg.HostGID = true, 65534, 65534
	}
	br, err := startBroker(fds[0], cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	unix.Write(pair[0], []byte{0})
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err = <-done:
	case <-time.After(2 * time.Minute):
		cmd.Process.Kill()
		err = errors.New("timed out")
		<-done
	}
	br.Close()
	if err := br.Err(); err != nil {
		b.t.Error("broker: ", err)
	}
	return err
}

// refused reports whether a denial of rule was recorded.
func (b *brokerBox) refused(rule string) bool {
	for range 6000 {
		b.mu.Lock()
		for _, d := range b.denials {
			if d.Rule == rule && d.Hint != "" && d.Path != "" && d.Exe != "" {
				b.mu.Unlock()
				return true
			}
		}
		b.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// sh runs a script and fails the test when it fails.
func (b *brokerBox) sh(script string) string {
	b.t.Helper()
	out, err := b.run("sh", "-euc", script)
	if err != nil {
		b.t.Fatalf("%v\n%s\ndenials: %+v", err, out, b.denials)
	}
	return out
}

func gitInit(t testing.TB, dir string) {
	t.Helper()
	host(t, dir, "git", "init", "-q", "-b", "main")
	host(t, dir, "git", "-c", "user.name=x", "-c", "user.email=x@y", "commit", "-q", "--allow-empty", "-m", "first")
}

// host runs a command outside.
func host(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "HOME="+dir+"-home", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

func TestBrokerShell(t *testing.T) {
	for _, userns := range []bool{false, true} {
		for _, umask := range []bool{false, true} {
			t.Run(fmt.Sprintf("userns=%v,umask=%v", userns, umask), func(t *testing.T) {
				b := newBrokerBox(t)
				b.userns, b.umask = userns, umask
				out := b.sh(`
mkdir -p a/b/c; mkdir d/ ; echo hi > a/b/f; echo more >> a/b/f; cat a/b/f
ln -s a/b l; echo through > l/g; cat a/b/g; ln -s ../f a/b/up; ln a/b/f hard
cp a/b/f a/copy; mv a/copy a/moved; mv a/b a/bb; rm -r a/bb/c; rmdir d
ln -s nowhere dangling; echo made > dangling; cat nowhere
ln -s "$PWD/abs" absl; echo x > absl; cat abs
umask 077; touch private; umask 002; touch shared; mkdir sharedd; stat -c '%a %n' private shared sharedd
printf x > 'sp ace
nl'; ls | wc -l
if [ -w /dev/stdout ]; then echo out > /dev/stdout; echo err > /dev/stderr; echo fd 3>&1 > /dev/fd/3; else echo out; echo err; fi; echo null > /dev/null
(cd a && echo rel > ../rel2 && cat ../rel2); mkfifo p; (cat p &) ; echo fifo > p; sleep 0.1
truncate -s 3 abs; wc -c < abs; chmod 755 abs; stat -c %a abs
set +e; mkdir a 2>&1; rmdir a 2>&1; > a 2>&1; ln -s x abs 2>&1; rm nope 2>&1; mv nope x 2>&1; > nodir/x; (: > abs/); true
`)
				for _, want := range []string{"hi\nmore\n", "through\n", "made\n", "600 private\n664 shared\n775 sharedd\n", "out\nerr\n", "rel\n", "fifo\n", "3\n755\n",
					"mkdir: cannot create directory ‘a’: File exists", "Directory not empty", "cannot create a: Is a directory", "No such file", "cannot create abs/: Is a directory"} {
					if !strings.Contains(strings.ReplaceAll(out, "'a'", "‘a’"), want) {
						t.Errorf("no %q in output:\n%s", want, out)
					}
				}
				if len(b.denials) != 0 {
					t.Errorf("denials: %+v", b.denials)
				}
				var st unix.Stat_t
				if err := unix.Stat(b.dir+"/shared", &st); err != nil {
					t.Fatal(err)
				}
				want := os.Getuid()
				if userns && want == 0 {
					want = 65534
				}
				if int(st.Uid) != want {
					t.Errorf("file belongs to %d, want %d", st.Uid, want)
				}
			})
		}
	}
}

// Programs without openat name things below their own descriptors in /proc.
func TestBrokerOwnDescriptors(t *testing.T) {
	b := newBrokerBox(t)
	out := b.sh(`mkdir d; exec 5<d; echo a > /proc/self/fd/5/x; mkdir /dev/fd/5/y; mv /dev/fd/5/x /proc/self/fd/5/y/z; cat d/y/z; echo c > /proc/self/cwd/here; cat here
exec 6<.; set +e; mkdir /proc/self/fd/6/.git; mkdir /proc/self/cwd/.git; mkdir /dev/fd/6/d/../.git; mkdir /proc/self/fd/9/q; mkdir /proc/$PPID/cwd/q; mkdir /proc/self/fd/5/; ls -A`)
	for _, want := range []string{"a\n", "c\n", "fd/9/q’: No such file", "fd/5/’: File exists"} {
		if !strings.Contains(strings.NewReplacer("'/proc", "‘/proc", "':", "’:").Replace(out), want) {
			t.Errorf("no %q in output:\n%s", want, out)
		}
	}
	for _, no := range []string{"fd/6/.git", "cwd/.git", "d/../.git", "cwd/q"} {
		if !strings.Contains(out, no) {
			t.Errorf("%s was made:\n%s", no, out)
		}
	}
	if _, err := os.Lstat(b.dir + "/.git"); err == nil {
		t.Error(".git was made")
	}
}

// Every way to a protected name, by shell.
func TestBrokerRefuses(t *testing.T) {
	b := newBrokerBox(t)
	gitInit(t, b.dir)
	os.WriteFile(b.dir+"/.envrc", []byte("old"), 0o644)
	os.WriteFile(b.dir+"/.git/hooks/pre-push", []byte("old"), 0o644)
	config, _ := os.ReadFile(b.dir + "/.git/config")
	os.Mkdir(b.dir+"/sub", 0o777)
	os.Chmod(b.dir, 0o777)
	for _, script := range []string{
		"echo x > .envrc", "echo x >> .envrc", "echo x > sub/.envrc", "rm .envrc", "mv .envrc e", "touch e; mv e .envrc", "touch e; ln e sub/.envrc", "ln .envrc e2",
		"ln -s /tmp sub/.envrc", "truncate -s 0 .envrc", "mkdir sub/.envrc", "mkfifo sub/.envrc", "chmod 755 .envrc", "cp /bin/true sub/.envrc",
		"mkdir .vscode", "mkdir x; mv x .vscode", "mkdir -p .claude && echo > .claude/settings.json", "rmdir .claude; mkdir c; echo > c/settings.json; mv c .claude2; mv .claude2 .claude",
		"ln -s .envrc link1; echo x > link1", "ln -s .git/hooks h; echo x > h/pre-commit", "ln -s .git g; echo x > g/config", "cd .git/hooks; echo x > pre-commit",
		"echo x > .git/./hooks/../hooks//pre-commit", "echo x > .git/hooks/pre-commit", "mkdir .git/hooks/x", "mv .git/hooks h2", "mv .git g2", "mv .git/hooks/pre-push p",
		"chmod 755 .git/hooks/pre-push", "chmod +x .git/hooks/pre-push", "echo x > .git/config", "echo x >> .git/config", "rm .git/config", "ln .git/config c2", "echo x > e3; mv e3 .git/config",
		"git config core.fsmonitor x", "git config alias.x '!sh'", "git config core.bare true", "git config core.hooksPath /tmp", "git init -q nested", "git init -q --bare nested2",
		"mkdir n; touch n/HEAD", "mkdir n3; mkdir n3/.git", "mkdir n4; ln -s ../.git n4/.git", "echo 'gitdir: /tmp' > sub/.git", "echo x > .git/info/attributes", "mkdir -p .git/objects/info; echo /tmp > .git/objects/info/alternates",
		"echo x > .git/commondir", "mkdir -p .git/worktrees/x; mkdir y; mv y .git/worktrees/y", "mkdir -p .git/modules/m; touch .git/modules/m/HEAD; mkdir .git/modules/m/hooks; echo > .git/modules/m/hooks/x",
		"exec 3< .envrc; echo x > /proc/self/fd/3", "exec 3< .envrc; echo x > /dev/fd/3",
		"python3 -c 'import os; os.link(\"/proc/self/fd/%d\" % os.open(\".envrc\", 0), \"stolen\", follow_symlinks=True)'",
		"python3 -c 'import os; os.chmod(os.open(\".git/hooks/pre-push\", 0), 0o755)'",
		"python3 -c 'import os; os.setxattr(\".git/hooks/pre-push\", \"user.x\", b\"y\")'",
		"python3 -c 'import os,ctypes; r=ctypes.CDLL(None,use_errno=True).renameat2(-100,b\".envrc\",-100,b\"sub\",2); exit(r!=0)'",
		"python3 -c 'import os; f=os.open(\".\", os.O_TMPFILE|os.O_RDWR); os.link(\"/proc/self/fd/%d\" % f, \"sub/.envrc\", follow_symlinks=True)'",
		"echo 1 > /proc/sys/vm/drop_caches", "echo 1 > /proc/self/oom_score_adj", "python3 -c 'open(\"/proc/self/mem\",\"r+b\")'",
	} {
		if out, err := b.run("sh", "-ec", script); err == nil {
			t.Errorf("%s: succeeded\n%s", script, out)
		}
	}
	if got, _ := os.ReadFile(b.dir + "/.git/config"); !bytes.Equal(got, config) {
		t.Errorf("configuration changed to %s", got)
	}
	if got, _ := os.ReadFile(b.dir + "/.envrc"); string(got) != "old" {
		t.Errorf(".envrc changed to %s", got)
	}
	if st, err := os.Stat(b.dir + "/.git/hooks/pre-push"); err != nil || st.Mode() != 0o644 {
		t.Errorf("hook changed: %v %v", st, err)
	}
	for _, rule := range []string{".envrc", ".vscode", ".claude/settings.json", "git: hooks", "git: configuration", "git: nested repository", "git: .git"} {
		if !b.refused(rule) {
			t.Errorf("no denial of %q in %d", rule, len(b.denials))
		}
	}
}

// Without mounts of its own a box is held to places, by the broker alone.
func TestBrokerPlaces(t *testing.T) {
	b := newBrokerBox(t)
	b.profile.Metadata = true
	b.write = []string{b.dir + "/in", "/dev/null"}
	os.Mkdir(b.dir+"/in", 0o755)
	os.WriteFile(b.dir+"/out", nil, 0o644)
	out := b.sh(`cd in; echo x > f; echo > /dev/null; mkdir d; mv f d/g; ln d/g h; touch -d 2020-01-01 h; chmod 600 h; chown "$(id -u)" h; stat -c '%y %a' h; cp -p h i; rm i`)
	if !strings.Contains(out, "2020-01-01 00:00:00.000000000 +0000 600") {
		t.Error(out)
	}
	for _, script := range []string{"echo x > new", "echo x >> out", "chmod 600 out", "touch out", "mv out in", "mv in/h h", "ln out in/o", "ln in/h o", "rm out", "mkdir inn", "ln -s x in2", "truncate -s 1 out",
		"python3 -c 'import os; os.open(\".\", os.O_TMPFILE|os.O_RDWR)'", "exec 3<out; echo x > /proc/self/fd/3", "mv in in3", "chmod 700 ."} {
		if out, err := b.run("sh", "-ec", script); err == nil {
			t.Errorf("%s succeeded: %s", script, out)
		}
	}
}

func TestBrokerNeedsPlaces(t *testing.T) {
	m, err := name.Compile(name.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	root, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(root)
	proc, err := openProc()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(proc)
	if _, err := startBroker(-1, brokerConfig{Root: root, Proc: proc, Names: m}); err == nil || !strings.Contains(err.Error(), "places") {
		t.Errorf("got %v", err)
	}
}

// A broker leaves no descriptor open, and closes none twice.
func TestBrokerDescriptors(t *testing.T) {
	count := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	b := newBrokerBox(t)
	b.sh("true")
	before := count()
	b.sh(`mkdir -p a/b; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do mkdir -p d$i/e; echo x > d$i/e/f; ln -s d$i/e l$i; echo y > l$i/g; ln -s g l$i/h; echo z >> l$i/h; mv d$i/e/f a/b; rm l$i/h; done
mkfifo p; (echo x > p &) ; sleep 0.05; cat p; (echo x > p) >/dev/null 2>&1 & chmod 700 a; truncate -s 1 a/b/f; ln a/b/f k; cd a/b; cd ../..; > a/b/../c`)
	if after := count(); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}
