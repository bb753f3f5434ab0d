//go:build linux

package linux

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The same calls outside and inside must end the same way.
const errnoVar = "BAILEY_TEST_ERRNO"

func TestBrokerErrnoChild(t *testing.T) {
	if os.Getenv(errnoVar) == "" {
		t.Skip("only in a child")
	}
	runtime.LockOSThread()
	json.NewEncoder(os.NewFile(9, "")).Encode(everyCall())
	os.Exit(0)
}

// everyCall makes calls of all kinds in the working directory and says how each
// ended: an errno, or what it left behind.
func everyCall() map[string]string {
	out := map[string]string{}
	wd := mustWd()
	rec := func(name string, err error) { out[name] = fmt.Sprint(err) }
	long := strings.Repeat("n", 256)
	deep := strings.Repeat("d/", 2100)
	os.Mkdir("dir", 0o755)
	os.Mkdir("full", 0o755)
	os.WriteFile("full/x", nil, 0o644)
	os.WriteFile("file", []byte("hello"), 0o644)
	os.Symlink("file", "link")
	os.Symlink("dir", "dirlink")
	os.Symlink("nowhere", "dangling")
	os.Symlink("loop", "loop")
	os.Symlink(strings.Repeat("../", 60)+"etc/hostname", "up")
	unix.Mkfifo("fifo", 0o600)
	s, _ := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	unix.Bind(s, &unix.SockaddrUnix{Name: "sock"})
	dirfd, _ := unix.Open("dir", unix.O_RDONLY, 0)
	filefd, _ := unix.Open("file", unix.O_RDONLY, 0)

	type o = struct {
		path  string
		flags int
	}
	for _, c := range []o{
		{"file", unix.O_WRONLY}, {"file/", unix.O_WRONLY}, {"file/x", unix.O_WRONLY}, {"dir", unix.O_WRONLY}, {"dir/", unix.O_WRONLY}, {".", unix.O_RDWR}, {"..", unix.O_RDWR}, {"/", unix.O_RDWR}, {"", unix.O_WRONLY},
		{"none", unix.O_WRONLY}, {"none/x", unix.O_WRONLY | unix.O_CREAT}, {"new/", unix.O_WRONLY | unix.O_CREAT}, {"dir/.", unix.O_WRONLY | unix.O_CREAT}, {"dir/..", unix.O_WRONLY | unix.O_CREAT},
		{"file", unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL}, {"link", unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL}, {"dangling", unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL},
		{"link", unix.O_WRONLY | unix.O_NOFOLLOW}, {"dirlink", unix.O_WRONLY}, {"dirlink/", unix.O_WRONLY}, {"dirlink", unix.O_WRONLY | unix.O_DIRECTORY}, {"link", unix.O_WRONLY | unix.O_DIRECTORY},
		{"link", unix.O_WRONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW}, {"loop", unix.O_WRONLY}, {"loop", unix.O_WRONLY | unix.O_CREAT}, {"loop/x", unix.O_WRONLY}, {"dangling", unix.O_WRONLY}, {"dangling/", unix.O_WRONLY | unix.O_CREAT},
		{"link/", unix.O_WRONLY}, {"file", unix.O_RDONLY | unix.O_TRUNC}, {"file", unix.O_RDONLY | unix.O_CREAT}, {"dir", unix.O_RDONLY | unix.O_CREAT}, {"dir", unix.O_RDONLY | unix.O_CREAT | unix.O_DIRECTORY}, {"file", unix.O_ACCMODE},
		{"sock", unix.O_WRONLY}, {"sock", unix.O_RDWR}, {"fifo", unix.O_WRONLY | unix.O_NONBLOCK}, {"fifo", unix.O_RDWR}, {long, unix.O_WRONLY | unix.O_CREAT}, {deep + "x", unix.O_WRONLY | unix.O_CREAT}, {"dir/" + long, unix.O_WRONLY},
		{"/dev/null", unix.O_WRONLY}, {"/dev/null/", unix.O_WRONLY}, {"/dev/null", unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL}, {"//" + mustWd() + "//file", unix.O_WRONLY}, {"./dir/../file", unix.O_WRONLY}, {"dirlink/../file", unix.O_WRONLY},
		{".", unix.O_TMPFILE | unix.O_RDWR}, {"file", unix.O_TMPFILE | unix.O_RDWR}, {"dirlink", unix.O_TMPFILE | unix.O_WRONLY}, {".", unix.O_TMPFILE}, {"none", unix.O_TMPFILE | unix.O_RDWR}, {"up", unix.O_WRONLY | unix.O_EXCL},
		{"file", unix.O_WRONLY | unix.O_APPEND}, {"file", unix.O_WRONLY | unix.O_DIRECT}, {"file", unix.O_PATH | unix.O_WRONLY}, {"/proc/self/fd/9999", unix.O_WRONLY}, {"/proc/self/fd/x", unix.O_WRONLY}, {"/dev/fd/9999", unix.O_WRONLY},
	} {
		key := fmt.Sprintf("open %.40q %#o", strings.ReplaceAll(c.path, mustWd(), "WD"), c.flags)
		fd, err := unix.Open(c.path, c.flags, 0o640)
		rec(key, err)
		if err == nil {
			fl, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
			var st unix.Stat_t
			unix.Fstat(fd, &st)
			out[key] += fmt.Sprintf(" flags %#o mode %#o", fl, st.Mode)
			unix.Close(fd)
			os.Remove("new")
		}
	}
	at := func(name string, dir int, path string) {
		fd, err := unix.Openat(dir, path, unix.O_WRONLY|unix.O_CREAT, 0o600)
		rec("openat "+name, err)
		if err == nil {
			unix.Close(fd)
		}
	}
	at("dir", dirfd, "x")
	at("file as dir", filefd, "x")
	at("bad fd", 999, "x")
	at("negative fd", -7, "x")
	at("bad fd absolute", 999, mustWd()+"/abs")
	at("dir ..", dirfd, "../y")
	_, _, e := unix.Syscall6(unix.SYS_OPENAT, uintptr(0xffffffffffffff9c), 8, unix.O_WRONLY, 0, 0, 0)
	rec("bad pointer", e)
	_, _, e = unix.Syscall6(unix.SYS_OPENAT, uintptr(0xffffff9c), uintptr(unsafe.Pointer(&[]byte("z\x00")[0])), unix.O_WRONLY|unix.O_CREAT, 0o600, 0, 0)
	rec("32-bit AT_FDCWD", e)
	_, _, e = unix.Syscall(unix.SYS_MKDIRAT, uintptr(0xffffffffffffff9c), 0, 0)
	rec("null pointer", e)
	for _, p := range []string{"dir", "dir/", "file", "link", "dangling", "dangling/", "dirlink/", ".", "..", "/", "", "none/x", "m1/", "full/x/y", "m2/.", long, "loop/x", "dir/.."} {
		rec(fmt.Sprintf("mkdir %.40q", p), unix.Mkdir(p, 0o751))
	}
	for _, p := range []string{"n1", "file", "n2/", "dir", "none/x", ""} {
		rec(fmt.Sprintf("mknod %q", p), unix.Mknod(p, unix.S_IFREG|0o640, 0))
		rec(fmt.Sprintf("mkfifo %q", p), unix.Mkfifo(p+"f", 0o640))
		rec(fmt.Sprintf("symlink %q", p), unix.Symlink("t", p+"s"))
		rec(fmt.Sprintf("symlink/ %q", p), unix.Symlink("t", p))
	}
	rec("symlink empty", unix.Symlink("", "se"))
	rec("symlink /", unix.Symlink("t", "/"))
	rec("mknod /", unix.Mknod("/", unix.S_IFREG, 0))
	rec("unlink //", unix.Unlink("//"))
	for _, p := range [][2]string{{"file", "l1"}, {"file", "l1"}, {"dir", "l2"}, {"link", "l3"}, {"none", "l4"}, {"file", "none/x"}, {"file", "l5/"}, {"file/", "l6"}, {"dir/", "l7"}, {"dirlink/", "l8"}, {"", "l9"}, {".", "l10"}, {"file", "."}, {"/", "l11"}} {
		rec(fmt.Sprintf("link %q", p), unix.Link(p[0], p[1]))
		rec(fmt.Sprintf("link follow %q", p), unix.Linkat(unix.AT_FDCWD, p[0], unix.AT_FDCWD, p[1]+"F", unix.AT_SYMLINK_FOLLOW))
	}
	rec("link flags", unix.Linkat(unix.AT_FDCWD, "file", unix.AT_FDCWD, "lf", 1))
	if fd, err := unix.Open(".", unix.O_TMPFILE|unix.O_RDWR, 0o600); err == nil {
		rec("link tmpfile", unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, "tmp1", unix.AT_SYMLINK_FOLLOW))
		rec("link tmpfile nofollow", unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, "tmp2", 0))
		rec("link empty bad", unix.Linkat(999, "", unix.AT_FDCWD, "tmp3", unix.AT_EMPTY_PATH))
	}
	if fd, err := unix.Open(".", unix.O_TMPFILE|unix.O_RDWR|unix.O_EXCL, 0o600); err == nil {
		rec("link exclusive tmpfile", unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, "tmp4", unix.AT_SYMLINK_FOLLOW))
	}
	os.Mkdir("e1", 0o755)
	os.Mkdir("e2", 0o755)
	os.WriteFile("r1", nil, 0o644)
	for _, p := range []struct {
		a, b  string
		flags uint
	}{
		{"r1", "r2", 0}, {"r2", "r2", 0}, {"none", "r3", 0}, {"r2", "dir", 0}, {"dir", "r2", 0}, {"e1", "full", 0}, {"e1", "e2", 0}, {"e2/", "e3/", 0}, {"r2/", "r4", 0}, {"r2", "r4/", 0}, {"dirlink/", "r5", 0},
		{"e3", "e3/sub", 0}, {".", "x", 0}, {"r2", ".", 0}, {"r2", "..", 0}, {"..", "x", 0}, {"/", "x", 0}, {"r2", "", 0}, {"r2", "none/x", 0}, {"r2", "file", unix.RENAME_NOREPLACE}, {"r2", "r6", unix.RENAME_NOREPLACE},
		{"r6", "e3", unix.RENAME_EXCHANGE}, {"r6", "none", unix.RENAME_EXCHANGE}, {"r6", "e3", unix.RENAME_EXCHANGE | unix.RENAME_NOREPLACE}, {"r6", "e3", 64}, {"link", "link2", 0}, {"e3", "/dev/shm/e3", 0}, {"fifo", "fifo2", 0},
	} {
		rec(fmt.Sprintf("rename %q %q %d", p.a, p.b, p.flags), unix.Renameat2(unix.AT_FDCWD, p.a, unix.AT_FDCWD, p.b, p.flags))
	}
	for _, p := range []string{"file", "link2", "dir", "none", "sock", "link2/", "file/", "", ".", "dangling", "loop"} {
		var st unix.Stat_t
		rec(fmt.Sprintf("truncate %q", p), unix.Truncate(p, 3))
		if unix.Stat(p, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
			out["truncate "+p] = fmt.Sprint(st.Size)
		}
		rec(fmt.Sprintf("chmod %q", p), unix.Chmod(p, 0o755))
		rec(fmt.Sprintf("fchmodat nofollow %q", p), unix.Fchmodat(unix.AT_FDCWD, p, 0o711, unix.AT_SYMLINK_NOFOLLOW))
		rec(fmt.Sprintf("setxattr %q", p), unix.Setxattr(p, "user.x", []byte("v"), 0))
		rec(fmt.Sprintf("lsetxattr %q", p), unix.Lsetxattr(p, "user.y", []byte("v"), unix.XATTR_CREATE))
	}
	rec("truncate negative", unix.Truncate("file", -1))
	rec("fchmod", unix.Fchmod(filefd, 0o777))
	rec("fchmod bad", unix.Fchmod(999, 0o777))
	rec("fsetxattr", unix.Fsetxattr(filefd, "user.z", []byte("v"), 0))
	rec("setxattr name", unix.Setxattr("file", "", nil, 0))
	rec("setxattr long", unix.Setxattr("file", "user."+long, nil, 0))
	rec("setxattr class", unix.Setxattr("file", "nonsense", nil, 0))
	for _, p := range []string{"dir/x", "dir", "none", "file/", ".", "..", "/", "", "l1/x", "link2", "sock", "dirlink/"} {
		rec(fmt.Sprintf("rmdir %q", p), unix.Rmdir(p))
		rec(fmt.Sprintf("unlink %q", p), unix.Unlink(p))
	}
	rec("unlinkat flags", unix.Unlinkat(unix.AT_FDCWD, "file", 1))
	// A working directory that is gone.
	os.Mkdir("gone", 0o755)
	unix.Chdir("gone")
	unix.Rmdir("../gone")
	at("deleted cwd", unix.AT_FDCWD, "x")
	at("deleted cwd ..", unix.AT_FDCWD, "../x9")
	rec("mkdir in deleted", unix.Mkdir("m", 0o755))
	unix.Chdir(wd)
	// A directory that may not be searched.
	os.Mkdir("closed", 0o000)
	at("closed", unix.AT_FDCWD, "closed/x")
	// No descriptor left.
	var lim unix.Rlimit
	unix.Getrlimit(unix.RLIMIT_NOFILE, &lim)
	low := lim
	low.Cur = 12
	unix.Setrlimit(unix.RLIMIT_NOFILE, &low)
	var fds []int
	for range 20 {
		fd, err := unix.Open("emfile", unix.O_WRONLY|unix.O_CREAT, 0o600)
		rec("emfile", err)
		if err != nil {
			break
		}
		fds = append(fds, fd)
	}
	for _, fd := range fds {
		unix.Close(fd)
	}
	unix.Setrlimit(unix.RLIMIT_NOFILE, &lim)
	return out
}

func mustWd() string { d, _ := os.Getwd(); return d }

func TestBrokerErrnos(t *testing.T) {
	args := []string{"/proc/self/exe", "-test.run=^TestBrokerErrnoChild$"}
	result := func(start func(b *brokerBox, cmd *exec.Cmd) error) map[string]string {
		b := newBrokerBox(t)
		var out bytes.Buffer
		cmd := exec.Command(args[0], args[1:]...)
		if start != nil {
			b.env = []string{errnoVar + "=1"}
			cmd = b.command(&out, args...)
		} else {
			start = func(_ *brokerBox, cmd *exec.Cmd) error { return cmd.Run() }
			cmd.Env = append(os.Environ(), errnoVar+"=1")
			cmd.Dir = b.dir
			cmd.Stderr = &out
		}
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		got := make(chan map[string]string, 1)
		go func() {
			var m map[string]string
			json.NewDecoder(r).Decode(&m)
			got <- m
		}()
		// The child writes to descriptor 9; 3 is the listener's.
		for len(cmd.ExtraFiles) < 6 {
			cmd.ExtraFiles = append(cmd.ExtraFiles, os.Stderr)
		}
		cmd.ExtraFiles = append(cmd.ExtraFiles, w)
		err = start(b, cmd)
		w.Close()
		if err != nil {
			t.Fatal(err, out.String())
		}
		return <-got
	}
	outside := result(nil)
	inside := result(func(b *brokerBox, cmd *exec.Cmd) error { return b.start(cmd) })
	if len(outside) < 200 {
		t.Fatalf("only %d results", len(outside))
	}
	for k, want := range outside {
		if inside[k] != want {
			t.Errorf("%s: inside %s, outside %s", k, inside[k], want)
		}
	}
}
