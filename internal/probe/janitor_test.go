//go:build linux

package probe

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// traces are all things of a run with that scratch directory that can be seen on this
// machine, and all shared memory and queues of this user's runs: those say not whose
// they are.
func traces(t *testing.T, scratch string) []string {
	t.Helper()
	all, _ := filepath.Glob(filepath.Join(scratch, "*"))
	shared, _ := filepath.Glob("/dev/shm/bailey-prove-*")
	for _, path := range shared {
		var st unix.Stat_t
		if unix.Lstat(path, &st) == nil && int(st.Uid) == os.Getuid() {
			all = append(all, path)
		}
	}
	for f, uid := range map[string]int{"shm": 7, "sem": 4, "msg": 7} { // the column of the owner
		b, _ := os.ReadFile("/proc/sysvipc/" + f)
		lines := strings.Split(string(b), "\n")
		for _, l := range lines[1:] {
			if w := strings.Fields(l); len(w) > uid && w[uid] == strconv.Itoa(os.Getuid()) {
				all = append(all, f+" "+w[1])
			}
		}
	}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		// The launcher has the directory in its arguments too, and is waited for.
		if b, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline"); bytes.Contains(b, []byte(scratch+"/"+scratchName)) {
			all = append(all, "process "+e.Name()+" "+string(bytes.ReplaceAll(b, []byte{0}, []byte(" "))))
		}
	}
	return all
}

// However a run ends, nothing of it stays: no file, process, memory or queue.
func TestNothingStays(t *testing.T) {
	program := baileyProgram(t)
	for _, end := range []struct {
		name   string
		signal syscall.Signal
		after  string // a trace that says how far it is
		args   []string
	}{
		{"SIGKILL while it plants", syscall.SIGKILL, scratchName, []string{"--self-check"}},
		{"SIGKILL while it attacks", syscall.SIGKILL, verbInside, nil},
		// What does not want to end is there from then on until the run's end.
		{"SIGKILL without walls", syscall.SIGKILL, verbLinger, []string{"--self-check", "--only", "leftovers"}},
		{"SIGINT", syscall.SIGINT, verbInside, nil},
		{"SIGTERM without walls", syscall.SIGTERM, verbInside, []string{"--self-check"}},
	} {
		t.Run(end.name, func(t *testing.T) {
			// A machine may be so busy that it has ended before it was looked at.
			for range 5 {
				if nothingStays(t, end.signal, end.after, append([]string{program, "prove"}, end.args...)) {
					return
				}
			}
			t.Errorf("it was never seen to get as far as %s", end.after)
		})
	}
}

// nothingStays runs a command, sends it a signal when a trace with that name is seen, and
// looks for what is left. It is false when the command had ended before.
func nothingStays(t *testing.T, signal syscall.Signal, after string, command []string) bool {
	// Not in /tmp: sandboxes have one of their own.
	scratch, err := os.MkdirTemp("/var/tmp", "probe-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(scratch)
	// A file, for a pipe would be held by what lives on.
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	said := func() string {
		b, _ := os.ReadFile(out.Name())
		return string(b)
	}
	before := traces(t, scratch)
	now := func() []string {
		return slices.DeleteFunc(traces(t, scratch), func(s string) bool { return slices.Contains(before, s) })
	}
	c := exec.Command(command[0], append(command[1:], "--scratch", scratch)...)
	c.Dir, c.Stdout, c.Stderr = t.TempDir(), out, out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { c.Wait(); close(ended) }()
	seen := false
	for over := false; !seen && !over; time.Sleep(2 * time.Millisecond) {
		select {
		case <-ended:
			over = true
		default:
			seen = slices.ContainsFunc(now(), func(s string) bool { return strings.Contains(s, scratch) && strings.Contains(s, after) })
		}
	}
	c.Process.Signal(signal)
	<-ended
	// After a SIGKILL the janitor works on its own, and other tests may run one too.
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		left := now()
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("left behind: %q\n%s", left, said())
		}
	}
	if !seen {
		t.Logf("it ended before it was seen at %s: %s", after, said())
	}
	return seen
}
