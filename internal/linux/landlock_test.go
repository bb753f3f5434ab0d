//go:build linux

package linux

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/plan"
)

func TestLandlockLayout(t *testing.T) {
	if s := unsafe.Sizeof(landlockPathAttr{}); s != 12 {
		t.Errorf("a path rule has %d bytes, the kernel reads 12", s)
	}
	if o := unsafe.Offsetof(landlockPathAttr{}.fd); o != 8 {
		t.Errorf("the descriptor stands at %d, the kernel reads it at 8", o)
	}
	if s := unsafe.Sizeof(landlockRulesetAttr{}); s != 24 {
		t.Errorf("a ruleset has %d bytes, ABI 6 reads 24", s)
	}
	if r := landlockPath(1<<40 | 2).rights; r != [2]uint32{2, 1 << 8} {
		t.Errorf("rights are stored as %#x", r)
	}
}

func TestLandlockByABI(t *testing.T) {
	l := plan.Landlock{Scoped: []string{"signal", "abstract-unix-socket"}, TCP: true}
	for _, tt := range []struct {
		abi     int
		attr    landlockRulesetAttr
		size    uintptr
		flags   uintptr
		missing string
	}{
		{1, landlockRulesetAttr{0x1fff, 0, 0}, 8, 0,
			"refer truncate ioctl_dev resolve_unix bind_tcp connect_tcp bind_udp connect_send_udp abstract_unix_socket signal"},
		{2, landlockRulesetAttr{0x3fff, 0, 0}, 8, 0,
			"truncate ioctl_dev resolve_unix bind_tcp connect_tcp bind_udp connect_send_udp abstract_unix_socket signal"},
		{3, landlockRulesetAttr{0x7fff, 0, 0}, 8, 0,
			"ioctl_dev resolve_unix bind_tcp connect_tcp bind_udp connect_send_udp abstract_unix_socket signal"},
		{4, landlockRulesetAttr{0x7fff, 3, 0}, 16, 0, "ioctl_dev resolve_unix bind_udp connect_send_udp abstract_unix_socket signal"},
		{5, landlockRulesetAttr{0xffff, 3, 0}, 16, 0, "resolve_unix bind_udp connect_send_udp abstract_unix_socket signal"},
		{6, landlockRulesetAttr{0xffff, 3, 3}, 24, 0, "resolve_unix bind_udp connect_send_udp"},
		{7, landlockRulesetAttr{0xffff, 3, 3}, 24, 1, "resolve_unix bind_udp connect_send_udp"},
		{8, landlockRulesetAttr{0xffff, 3, 3}, 24, 1, "resolve_unix bind_udp connect_send_udp"},
		{9, landlockRulesetAttr{0x1ffff, 3, 3}, 24, 1, "bind_udp connect_send_udp"},
		{10, landlockRulesetAttr{0x1ffff, 15, 3}, 24, 1, ""},
		{11, landlockRulesetAttr{0x1ffff, 15, 3}, 24, 1, ""},
	} {
		r, err := newLandlockRuleset(l, true, tt.abi)
		if err != nil {
			t.Fatal(err)
		}
		if r.attr != tt.attr || r.size != tt.size || r.flags != tt.flags || strings.Join(r.Missing, " ") != tt.missing {
			t.Errorf("ABI %d: %+v", tt.abi, r)
		}
	}
	r, err := newLandlockRuleset(plan.Landlock{}, false, 7)
	if err != nil {
		t.Fatal(err)
	}
	if want := (landlockRulesetAttr{fs: 0xffff &^ (1<<2 | 1<<3 | 1<<14)}); r.attr != want {
		t.Errorf("not strict: %+v, want %+v", r.attr, want)
	}
}

// TestLandlockFailsClosed holds that less than the plan asks for is an error.
func TestLandlockFailsClosed(t *testing.T) {
	for _, tt := range []struct {
		l   plan.Landlock
		abi int
	}{
		{plan.Landlock{MinABI: 7}, 6},
		{plan.Landlock{MinABI: 1}, 0},
		{plan.Landlock{}, 0},
		{plan.Landlock{Scoped: []string{"signals"}}, 7},
	} {
		_, err := newLandlockRuleset(tt.l, false, tt.abi)
		var e *UnsupportedError
		if !errors.As(err, &e) {
			t.Errorf("%+v on ABI %d: %v", tt.l, tt.abi, err)
		}
	}
	r, err := newLandlockRuleset(plan.Landlock{}, true, 7)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := r.rights("everything", true); err == nil {
		t.Errorf("an unknown access gives %#x", v)
	}
}

func TestLandlockRights(t *testing.T) {
	r, err := newLandlockRuleset(plan.Landlock{}, true, 10)
	if err != nil {
		t.Fatal(err)
	}
	loose, err := newLandlockRuleset(plan.Landlock{}, false, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		r    *landlockRuleset
		a    plan.Access
		dir  bool
		want uint64
	}{
		{r, plan.List, true, 0x8},
		{r, plan.List, false, 0},
		{r, plan.Read, true, 0xc},
		{r, plan.Read, false, 0x4},
		{r, plan.ReadExec, true, 0xd},
		{r, plan.ReadWrite, true, 0x77be},
		{r, plan.ReadWrite, false, 0x4006},
		{r, plan.Full, true, 0x77bf},
		{r, plan.Devices, false, 0xc006},
		{loose, plan.Read, true, 0},
		{loose, plan.ReadExec, true, 0x1},
		{loose, plan.ReadWrite, true, 0x37b2},
		{loose, plan.Devices, false, 0x8002},
	} {
		if got, err := tt.r.rights(tt.a, tt.dir); err != nil || got != tt.want {
			t.Errorf("%s dir=%t: %#x %v, want %#x", tt.a, tt.dir, got, err, tt.want)
		}
	}
	for _, a := range []plan.Access{plan.List, plan.Read, plan.ReadExec, plan.ReadWrite, plan.Full, plan.Devices} {
		v, _ := r.rights(a, true)
		if v&(unix.LANDLOCK_ACCESS_FS_MAKE_CHAR|unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK|unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX) != 0 {
			t.Errorf("%s gives %#x", a, v)
		}
	}
}

// restricted runs f on a thread under the ruleset. The thread ends with it.
func restricted(t testing.TB, l plan.Landlock, strict bool, f func()) {
	t.Helper()
	abi, err := landlockABI()
	if err != nil {
		t.Fatal(err)
	}
	if abi == 0 {
		t.Skip("this kernel has no Landlock")
	}
	r, err := newLandlockRuleset(l, strict, abi)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		err := r.restrictThread(l.Paths)
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// restrictThread does what the launcher's list does, in Go, for this thread.
func (r *landlockRuleset) restrictThread(paths []plan.PathRule) error {
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&r.attr)), r.size, 0)
	if errno != 0 {
		return os.NewSyscallError("landlock_create_ruleset", errno)
	}
	defer unix.Close(int(fd))
	for _, p := range paths {
		beneath, err := unix.Open(p.Path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(beneath)
		fi, err := os.Stat(p.Path)
		if err != nil {
			return err
		}
		v, err := r.rights(p.Access, fi.IsDir())
		if err != nil {
			return err
		}
		if v == 0 {
			continue
		}
		a := landlockPath(v)
		a.fd = int32(beneath)
		if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, fd, unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(a)), 0, 0, 0); errno != 0 {
			return os.NewSyscallError("landlock_add_rule", errno)
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, r.flags, 0); errno != 0 {
		return os.NewSyscallError("landlock_restrict_self", errno)
	}
	return nil
}

// TestLandlockHolds tries what the rules forbid, and what they must leave.
func TestLandlockHolds(t *testing.T) {
	outermost(t)
	abi, err := landlockABI()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, d := range []string{"rw", "ro", "out"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, d, "f"), []byte("x"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	rw, ro, out := filepath.Join(dir, "rw"), filepath.Join(dir, "ro"), filepath.Join(dir, "out")
	abstract, err := net.Listen("unix", "@bailey-test-"+filepath.Base(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer abstract.Close()
	parent := os.Getppid()

	type try struct {
		name          string
		abi           int // which holds it
		do            func() error
		strict, loose error
	}
	open := func(path string, flags int) func() error {
		return func() error {
			fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0o644)
			if err == nil {
				unix.Close(fd)
			}
			return err
		}
	}
	dial := func() error {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Connect(fd, &unix.SockaddrUnix{Name: abstract.Addr().String()})
	}
	tcp := func(bind bool) func() error {
		return func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if bind {
				return unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
			}
			return unix.Connect(fd, &unix.SockaddrInet4{Port: 1, Addr: [4]byte{127, 0, 0, 1}})
		}
	}
	tries := []try{
		{"write rw", 1, open(rw+"/f", unix.O_WRONLY), nil, nil},
		{"make in rw", 1, open(rw+"/new", unix.O_WRONLY|unix.O_CREAT), nil, nil},
		{"make dir in rw", 1, func() error { return unix.Mkdir(rw+"/d", 0o755) }, nil, nil},
		{"move in rw", 1, func() error { return unix.Rename(rw+"/new", rw+"/d/new") }, nil, nil},
		{"device in rw", 1, func() error { return unix.Mknod(rw+"/null", unix.S_IFCHR|0o666, 0) }, unix.EACCES, unix.EACCES},
		{"read ro", 1, open(ro+"/f", unix.O_RDONLY), nil, nil},
		{"write ro", 1, open(ro+"/f", unix.O_WRONLY), unix.EACCES, unix.EACCES},
		{"make in ro", 1, open(ro+"/new", unix.O_WRONLY|unix.O_CREAT), unix.EACCES, unix.EACCES},
		{"remove in ro", 1, func() error { return unix.Unlink(ro + "/f") }, unix.EACCES, unix.EACCES},
		{"link into rw", 1, func() error { return unix.Link(ro+"/f", rw+"/link") }, unix.EXDEV, unix.EXDEV},
		{"truncate ro", 3, func() error { return unix.Truncate(ro+"/f", 1) }, unix.EACCES, nil},
		{"read out", 1, open(out+"/f", unix.O_RDONLY), unix.EACCES, nil},
		{"list out", 1, open(out, unix.O_RDONLY|unix.O_DIRECTORY), unix.EACCES, nil},
		{"write out", 1, open(out+"/f", unix.O_WRONLY), unix.EACCES, unix.EACCES},
		{"execute out", 1, func() error { return unix.Exec(out+"/f", []string{"f"}, nil) }, unix.EACCES, unix.EACCES},
		{"rename out", 1, func() error { return unix.Rename(out+"/f", out+"/g") }, unix.EACCES, unix.EACCES},
		{"bind", 4, tcp(true), unix.EACCES, unix.EACCES},
		{"connect", 4, tcp(false), unix.EACCES, unix.EACCES},
		{"abstract socket", 6, dial, unix.EPERM, unix.EPERM},
		{"signal", 6, func() error { return unix.Kill(parent, 0) }, unix.EPERM, unix.EPERM},
	}
	for _, strict := range []bool{true, false} {
		os.Remove(rw + "/new")
		os.RemoveAll(rw + "/d")
		got := make([]error, len(tries))
		l := plan.Landlock{
			Paths: []plan.PathRule{{Path: rw, Access: plan.ReadWrite}, {Path: ro, Access: plan.Read}, {Path: ro + "/f", Access: plan.Read}},
			TCP:   true, Scoped: []string{"signal", "abstract-unix-socket"},
		}
		restricted(t, l, strict, func() {
			for i, tt := range tries {
				got[i] = tt.do()
			}
		})
		for i, tt := range tries {
			want := tt.loose
			if strict {
				want = tt.strict
			}
			if abi < tt.abi {
				continue // TestLandlockByABI holds that this is reported
			}
			if got[i] != want {
				t.Errorf("strict=%t: %s gives %v, want %v", strict, tt.name, got[i], want)
			}
		}
	}
}

func TestLandlockReport(t *testing.T) {
	r, err := newLandlockRuleset(plan.Landlock{MinABI: 6}, false, 7)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(r.Handled, "write_file") || slices.Contains(r.Handled, "read_file") {
		t.Errorf("handled: %q", r.Handled)
	}
	if want := "not held: resolve_unix"; !strings.HasSuffix(r.String(), want) {
		t.Errorf("%q does not end in %q", r, want)
	}
}

// BenchmarkLandlockOpen is what one open for reading costs below each ruleset.
func BenchmarkLandlockOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "f")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		b.Fatal(err)
	}
	run := func(n int) time.Duration {
		start := time.Now()
		for range n {
			if fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
				unix.Close(fd)
			}
		}
		return time.Since(start)
	}
	l := plan.Landlock{Paths: []plan.PathRule{{Path: "/", Access: plan.Read}}}
	b.Run("none", func(b *testing.B) { b.ReportMetric(float64(run(b.N))/float64(b.N), "ns/open") })
	for name, strict := range map[string]bool{"writes": false, "strict": true} {
		b.Run(name, func(b *testing.B) {
			restricted(b, l, strict, func() { b.ReportMetric(float64(run(b.N))/float64(b.N), "ns/open") })
		})
	}
}
