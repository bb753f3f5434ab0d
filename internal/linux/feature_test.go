//go:build linux

package linux

import (
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/seccomp"
)

func TestProbeHere(t *testing.T) {
	k := Probe(t.TempDir())
	t.Logf("%+v", k)
	if k.Release == "" {
		t.Error("no release")
	}
	if k.UserNS == (k.UserNSWhy != "") {
		t.Errorf("user namespaces: %t, why not: %q", k.UserNS, k.UserNSWhy)
	}
	if (k.CgroupV2 == "") == (k.CgroupWhy == "") {
		t.Errorf("cgroup %q, why not: %q", k.CgroupV2, k.CgroupWhy)
	}
	// What a kernel is new enough to have, and this machine does not forbid, must
	// be found: a probe that always says no would pass everything else.
	if !kernelAtLeast(6, 12) || filtered() {
		t.Skip("an old kernel, or a sandbox around this test")
	}
	forbidden := container() != "" // its engine may, without leaving a trace
	for path, off := range map[string]int{sysctlMax: 0, sysctlDebian: 0, sysctlAppArmor: 1} {
		if n, ok := readNumber(path); ok && n == off {
			forbidden = true
		}
	}
	if !k.UserNS && !forbidden {
		t.Errorf("no user namespaces: %s", k.UserNSWhy)
	}
	if !k.SeccompNotify {
		t.Errorf("no syscall listener: %v", tryNotify())
	}
	if k.UserNS && k.Overlay == "" {
		t.Errorf("no overlay: %v; %v", tryOverlay(t.TempDir(), false), tryOverlay(t.TempDir(), true))
	}
}

func TestProbeLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	Probe(dir)
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// onFilteredThread runs f on a thread, and in children forked from it, under a
// filter.
func onFilteredThread(t *testing.T, prog []seccomp.Instruction, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		if err == nil {
			fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: (*unix.SockFilter)(unsafe.Pointer(&prog[0]))}
			if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&fprog))); errno != 0 {
				err = errno
			}
		}
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// noUserNS refuses clone and unshare of user namespaces, as container engines do.
func noUserNS() []seccomp.Instruction {
	const eperm, allow = 0x0005_0001, 0x7fff_0000
	return []seccomp.Instruction{
		{Code: 0x20, K: 0}, // the number
		{Code: 0x15, Jt: 1, K: uint32(unix.SYS_CLONE)},
		{Code: 0x15, Jt: 0, Jf: 3, K: uint32(unix.SYS_UNSHARE)},
		{Code: 0x20, K: 16}, // the flags
		{Code: 0x45, Jf: 1, K: unix.CLONE_NEWUSER},
		{Code: 0x06, K: eperm},
		{Code: 0x06, K: allow},
	}
}

func TestProbeWithoutUserNamespaces(t *testing.T) {
	dir := t.TempDir()
	var k plan.Kernel
	var features []Feature
	onFilteredThread(t, noUserNS(), func() {
		k = Probe(dir)
		features = Features(dir)
	})
	if k.UserNS || !strings.HasPrefix(k.UserNSWhy, "make namespaces: operation not permitted") {
		t.Errorf("user namespaces: %t %q", k.UserNS, k.UserNSWhy)
	}
	if k.Overlay != "" || k.FreshProc {
		t.Errorf("found what needs user namespaces: %+v", k)
	}
	if here := Probe(dir); k.LandlockABI != here.LandlockABI || k.SeccompNotify != here.SeccompNotify {
		t.Errorf("lost what does not need user namespaces: %+v, outside %+v", k, here)
	}
	seen := false
	for _, f := range features {
		if f.Name == "user namespaces" {
			seen = true
			if f.Have != No || f.Fix == "" || f.Detail == "" {
				t.Errorf("doctor would say: %+v", f)
			}
		}
		if f.Name == "fresh /proc" && f.Have != Unknown {
			t.Errorf("doctor would claim to know: %+v", f)
		}
	}
	if !seen {
		t.Error("doctor would not mention user namespaces")
	}
}

// TestProbeInsideABox holds that a probe under a box's own filter, which refuses
// about everything that is asked, ends with answers.
func TestProbeInsideABox(t *testing.T) {
	prog, err := seccomp.Compile(seccomp.Profile{}, runtime.GOARCH, 0)
	if err != nil {
		t.Fatal(err)
	}
	var k plan.Kernel
	onFilteredThread(t, prog, func() { k = Probe(t.TempDir()) })
	if k.UserNS || k.SeccompNotify || k.Overlay != "" || k.FreshProc {
		t.Errorf("%+v", k)
	}
}

func TestFeatures(t *testing.T) {
	names := map[string]bool{}
	for _, f := range Features(t.TempDir()) {
		t.Log(f)
		if names[f.Name] {
			t.Errorf("%s twice", f.Name)
		}
		names[f.Name] = true
		if f.Have != Yes && f.Have != No && f.Have != Unknown {
			t.Errorf("%s: %q", f.Name, f.Have)
		}
		if f.Have == Yes && f.Fix != "" {
			t.Errorf("%s is there and has a fix", f.Name)
		}
		if f.Have == No && f.For != "" && (f.Fix == "" || f.Detail == "" && f.Name != "Landlock") {
			t.Errorf("%s is missing without a reason or a fix", f.Name)
		}
	}
}

func TestKernelCodec(t *testing.T) {
	full := plan.Kernel{Release: "6.18 x", UserNS: true, UserNSWhy: "a \"b\"\nc\xff", LandlockABI: 7, SeccompNotify: true,
		Overlay: "upper", FreshProc: true, CgroupV2: "/sys/fs/cgroup/ä", CgroupWhy: "none"}
	// A field that is added to Kernel and not kept would come back empty.
	v := reflect.ValueOf(full)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Fatalf("field %s is not set in this test", v.Type().Field(i).Name)
		}
	}
	b := encodeKernel("key", full)
	if k, ok := decodeKernel("key", b); !ok || k != full {
		t.Errorf("%+v came back as %t %+v", full, ok, k)
	}
	if _, ok := decodeKernel("other", b); ok {
		t.Error("the answers for another key were taken")
	}
	for n := range len(b) - 1 { // the last byte is a newline
		if _, ok := decodeKernel("key", b[:n]); ok {
			t.Fatalf("the first %d bytes of %d were taken", n, len(b))
		}
	}
}

func TestProbeCached(t *testing.T) {
	dir := t.TempDir()
	first, kept := probeCached(dir)
	if kept {
		t.Fatal("kept answers in an empty directory")
	}
	file := onlyFile(t, dir)
	if fi, err := os.Stat(file); err != nil || fi.Mode() != 0o600 {
		t.Fatalf("%v %v", fi.Mode(), err)
	}
	if k, kept := probeCached(dir); !kept || k != first {
		t.Fatalf("asked again: %t %+v, at first %+v", kept, k, first)
	}

	poison := func() { // answers that only the file has
		key, _ := probeKey(dir)
		k := first
		k.UserNS, k.Release = true, "poison"
		if err := os.WriteFile(file, encodeKernel(key, k), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	poison()
	if k, kept := probeCached(dir); !kept || k.Release != "poison" {
		t.Fatalf("the file of this test is not read: %t %+v", kept, k)
	}
	for name, spoil := range map[string]func() error{
		"writable by the group": func() error { return os.Chmod(file, 0o620) },
		"writable by all":       func() error { return os.Chmod(file, 0o602) },
		"in a directory of all": func() error { return os.Chmod(filepath.Dir(file), 0o777) },
		"hard link":             func() error { return os.Link(file, file+"x") },
		"symbolic link":         func() error { return symlinked(file) },
		"cut short":             func() error { return os.Truncate(file, 100) },
		"too long":              func() error { return os.Truncate(file, maxCache+1) },
		"another's":             func() error { return os.Chown(file, 65534, -1) },
	} {
		poison()
		if err := spoil(); err != nil {
			if os.Getuid() != 0 && name == "another's" {
				continue
			}
			t.Fatal(err)
		}
		if k, kept := probeCached(dir); kept || k.Release == "poison" {
			t.Errorf("a file %s is believed", name)
		}
		os.Chmod(filepath.Dir(file), 0o700)
		os.RemoveAll(filepath.Dir(file))
		os.Mkdir(filepath.Dir(file), 0o700)
	}
}

func symlinked(file string) error {
	if err := os.Rename(file, file+"x"); err != nil {
		return err
	}
	return os.Symlink(file+"x", file)
}

func onlyFile(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "kernel", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q %v", files, err)
	}
	return files[0]
}

// TestProbeCachedNo holds that "no user namespaces" is not kept for good.
func TestProbeCachedNo(t *testing.T) {
	if k := Probe(t.TempDir()); !k.UserNS {
		t.Skip(k.UserNSWhy)
	}
	dir := t.TempDir()
	key, ok := probeKey(dir)
	if !ok {
		t.Fatal("no key")
	}
	keepKernel(filepath.Join(dir, "kernel", keyName(key)), encodeKernel(key, plan.Kernel{UserNSWhy: "an old reason"}))
	if k, kept := probeCached(dir); kept || !k.UserNS {
		t.Errorf("kept %t %+v", kept, k)
	}
}

// TestFeaturesKeep holds that what doctor found is what run uses.
func TestFeaturesKeep(t *testing.T) {
	dir := t.TempDir()
	Features(dir)
	if _, kept := probeCached(dir); !kept {
		t.Error("probed again")
	}
}

func TestProbeCachedUnwritable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file", "below")
	if err := os.WriteFile(filepath.Dir(dir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if k := ProbeCached(dir); k.Release == "" {
		t.Error("no answers where none can be kept")
	}
}

// Every run pays for this.
func BenchmarkProbeCached(b *testing.B) {
	dir := b.TempDir()
	ProbeCached(dir)
	for b.Loop() {
		if _, kept := probeCached(dir); !kept {
			b.Fatal("not kept")
		}
	}
}

func BenchmarkProbe(b *testing.B) {
	dir := b.TempDir()
	for b.Loop() {
		Probe(dir)
	}
}
