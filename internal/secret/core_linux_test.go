package secret

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// coreMarker is in the memory of a child that dumps core, put together at run
// time so that it is in no file. It is longer than all registers together: a dump
// has those.
func coreMarker() []byte {
	return bytes.Repeat(bytes.Join([][]byte{[]byte("marker"), []byte("of"), []byte("a"), []byte("value"), []byte("0815")}, []byte("-")), 400)
}

// TestCoreChild is the child of TestNoCore.
func TestCoreChild(t *testing.T) {
	how := os.Getenv("BAILEY_TEST_CORE")
	if how == "" {
		t.Skip("only in a child")
	}
	v := NewValue(coreMarker())
	if how == "guarded" {
		if _, err := NoCore(); err != nil {
			t.Fatal(err)
		}
	}
	signalReset()
	syscall.Kill(os.Getpid(), syscall.SIGABRT)
	t.Fatal("still alive", v.Len())
}

// TestNoCore: without the guard a core dump holds the value, with it it does not.
// Where dumps do not become files of the working directory it looks at what the
// kernel would write instead.
func TestNoCore(t *testing.T) {
	undo, err := NoCore()
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile("/proc/self/coredump_filter"); strings.Trim(string(got), "0\n") != "" {
		t.Errorf("the filter is %q", got)
	}
	undo()
	if got, _ := os.ReadFile("/proc/self/coredump_filter"); strings.Trim(string(got), "0\n") == "" {
		t.Errorf("after all the filter is %q", got)
	}
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	if err != nil || len(pattern) == 0 || pattern[0] == '|' || pattern[0] == '/' {
		return // dumps go elsewhere
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"open", "guarded"} {
		dir := t.TempDir()
		cmd := exec.Command("/bin/sh", "-c", "ulimit -c unlimited && exec \"$0\" -test.run=^TestCoreChild$", exe)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "BAILEY_TEST_CORE="+how, "GOTRACEBACK=crash")
		cmd.Run()
		state, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if !ok || !state.Signaled() || !state.CoreDump() {
			return // cores are limited
		}
		files, err := filepath.Glob(filepath.Join(dir, "core*"))
		if err != nil || len(files) != 1 {
			return
		}
		core, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		if has := bytes.Contains(core, coreMarker()); has != (how == "open") {
			t.Errorf("%s: the dump of %d bytes holds the value: %v", how, len(core), has)
		}
		t.Logf("%s: a dump of %d bytes", how, len(core))
	}
}

// signalReset gives SIGABRT its default action, so that the kernel dumps at once.
func signalReset() {
	type action struct {
		handler, flags, restorer uintptr
		mask                     uint64
	}
	a := action{}
	unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(syscall.SIGABRT), uintptr(unsafe.Pointer(&a)), 0, 8, 0, 0)
}
