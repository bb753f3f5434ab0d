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

// traces are all things of this user's runs that can be seen on this machine.
func traces(t *testing.T) []string {
	t.Helper()
	var all []string
	mine := func(path string) bool {
		var st unix.Stat_t
		return unix.Lstat(path, &st) == nil && int(st.Uid) == os.Getuid()
	}
	for _, glob := range []string{"/var/tmp/.bailey-prove-*", "/dev/shm/bailey-prove-*"} {
		list, _ := filepath.Glob(glob)
		for _, path := range list {
			if mine(path) {
				all = append(all, path)
			}
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
		if b, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline"); bytes.Contains(b, []byte("/.bailey-prove-")) && mine("/proc/"+e.Name()) {
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
		{"SIGKILL while it plants", syscall.SIGKILL, "/.bailey-prove-", []string{"--self-check"}},
		{"SIGKILL while it attacks", syscall.SIGKILL, "prove-inside", nil},
		{"SIGKILL without walls", syscall.SIGKILL, "prove-linger", []string{"--self-check"}},
		{"SIGINT", syscall.SIGINT, "prove-inside", nil},
		{"SIGTERM without walls", syscall.SIGTERM, "prove-inside", []string{"--self-check"}},
	} {
		t.Run(end.name, func(t *testing.T) {
			before := traces(t)
			c := exec.Command(program, append([]string{"prove"}, end.args...)...)
			c.Dir = t.TempDir()
			var out bytes.Buffer
			c.Stdout, c.Stderr = &out, &out
			c.WaitDelay = 10 * time.Second
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			seen := func() bool {
				return slices.ContainsFunc(traces(t), func(s string) bool { return !slices.Contains(before, s) && strings.Contains(s, end.after) })
			}
			for i := 0; !seen(); i++ {
				if i > 2000 {
					t.Fatalf("it did not get as far as %s: %s", end.after, &out)
				}
				time.Sleep(2 * time.Millisecond)
			}
			c.Process.Signal(end.signal)
			c.Wait()
			var left []string
			for range 1500 { // after a SIGKILL the janitor works on its own, and other tests may run one too
				left = slices.DeleteFunc(traces(t), func(s string) bool { return slices.Contains(before, s) })
				if len(left) == 0 {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
			t.Errorf("left behind: %q\n%s", left, &out)
		})
	}
}
