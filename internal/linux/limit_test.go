//go:build linux

package linux

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestProcessLimit starts more processes than the plan allows: some must be
// refused, as an ordinary user (RLIMIT_NPROC) and as root (pid_max).
func TestProcessLimit(t *testing.T) {
	if os.Geteuid() == 0 && !kernelAtLeast(6, 14) {
		t.Skip("kernel feature missing: pid_max of a pid namespace (Linux 6.14)")
	}
	before, err := os.ReadFile("/proc/sys/kernel/pid_max")
	if err != nil {
		t.Fatal(err)
	}
	p := testPlan(t)
	p.Limits.Pids = 40
	// dash, unlike bash, does not try again for half a minute.
	out, st := output(t, p, "sh", "-c", `i=0; while [ $i -lt 600 ]; do echo $i; sleep 20 & i=$((i+1)); done; echo all`)
	if strings.Contains(out, "all") || !strings.Contains(strings.ToLower(out), "cannot fork") {
		t.Errorf("600 processes ran in a box for 40: %v %s", st, out)
	}
	if _, err := os.Stat("/proc/sys/kernel/ns_last_pid"); (err == nil || os.Geteuid() != 0) && strings.Contains(out, "\n42\n") {
		t.Errorf("more than 40 processes ran: %s", out)
	}
	if after, _ := os.ReadFile("/proc/sys/kernel/pid_max"); string(after) != string(before) {
		t.Errorf("the machine's pid_max changed from %s to %s", before, after)
	}
}

// TestMemoryLimit lets a process take more memory than the plan allows: the box
// must be ended, and the caller told why.
func TestMemoryLimit(t *testing.T) {
	p := testPlan(t)
	p.Limits.Memory = 64 << 20
	hit := make(chan string, 1)
	b, proc, err := Open(p, &Command{Path: "/usr/bin/perl", Args: []string{"perl", "-e", `$x = "x" x (256 << 20); sleep 30`}},
		Options{Limit: func(name string, limit, used int64) { hit <- name }})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	st, err := proc.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if ws := st.Sys().(syscall.WaitStatus); ws.Signal() != syscall.SIGKILL {
		t.Errorf("the command ended with %v", st)
	}
	if name := <-hit; name != "memory" {
		t.Errorf("limit %q reported", name)
	}
}
