package seccomp

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The tests here load filters into this kernel. A filter cannot be taken off
// again, so each runs in a copy of the test binary, told what to do by this
// variable.
const helperVar = "BAILEY_TEST_SECCOMP"

type helper struct {
	Do      string // exec, attempt, notify
	Profile Profile
	Args    []string
	User    bool // give up root first
}

func TestMain(m *testing.M) {
	if spec := os.Getenv(helperVar); spec != "" {
		os.Unsetenv(helperVar)
		if err := runHelper(spec); err != nil {
			fmt.Fprintln(os.Stderr, "helper:", err)
			os.Exit(99)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func runHelper(spec string) error {
	var h helper
	if err := json.Unmarshal([]byte(spec), &h); err != nil {
		return err
	}
	if h.User && os.Getuid() == 0 {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(65534), syscall.Setuid(65534)); err != nil {
			return err
		}
	}
	switch h.Do {
	case "exec":
		path, err := exec.LookPath(h.Args[0])
		if err != nil {
			return err
		}
		runtime.LockOSThread()
		if _, err := install(h.Profile, unix.SECCOMP_FILTER_FLAG_TSYNC); err != nil {
			return err
		}
		return syscall.Exec(path, h.Args, os.Environ())
	case "attempt":
		dir, err := os.MkdirTemp("", "")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if _, err := install(h.Profile, unix.SECCOMP_FILTER_FLAG_TSYNC); err != nil {
			return err
		}
		results := map[string]string{}
		for _, a := range attempts(h.Profile, dir) {
			results[a.name] = errnoName(a.do())
		}
		return json.NewEncoder(os.Stdout).Encode(results)
	case "notify":
		return notifyHelper(h.Profile)
	}
	return fmt.Errorf("unknown helper %q", h.Do)
}

// install loads the filter of p into the calling thread, or all of them.
func install(p Profile, flags uintptr) (int, error) {
	prog, err := Compile(p, runtime.GOARCH, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return -1, err
	}
	return load(prog, flags)
}

func load(prog []Instruction, flags uintptr) (int, error) {
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: (*unix.SockFilter)(unsafe.Pointer(&prog[0]))}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return -1, fmt.Errorf("seccomp: %w", errno)
	}
	return int(fd), nil
}

func helperCommand(t testing.TB, h helper) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	spec, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), helperVar+"="+string(spec))
	return cmd
}

func errnoName(err error) string {
	var errno syscall.Errno
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &errno):
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

// BenchmarkLoad is what loading a filter costs a start, each into a fresh
// thread.
func BenchmarkLoad(b *testing.B) {
	prog, err := Compile(Profile{Broker: true}, runtime.GOARCH, 0)
	if err != nil {
		b.Fatal(err)
	}
	var total time.Duration
	for range b.N {
		done := make(chan error)
		go func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
			if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
				done <- err
				return
			}
			start := time.Now()
			_, err := load(prog, 0)
			total += time.Since(start)
			done <- err
		}()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(total.Microseconds())/float64(b.N), "us/load")
}
