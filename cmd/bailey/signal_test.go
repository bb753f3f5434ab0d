//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// output is what bailey prints, to be read line by line.
type output struct {
	*bufio.Reader
	io.Closer
}

// start runs bailey in a project of its own, and returns it with its output.
func start(t *testing.T, args ...string) (*exec.Cmd, output) {
	t.Helper()
	if !walls() {
		t.Skip("no user namespaces")
	}
	cmd := exec.Command(os.Args[0], args...)
	cmd.Args[0] = "bailey" // the test binary is bailey by that name
	cmd.Dir = t.TempDir()
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	return cmd, output{bufio.NewReader(out), out}
}

func line(t *testing.T, r output) string {
	t.Helper()
	l, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(l)
}

// TestForward: signals reach the command and what it started, and bailey ends
// when the command has.
func TestForward(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		n := strconv.Itoa(int(sig))
		// Under nohup SIGHUP is ignored, and what a shell is started with ignored it cannot
		// trap. A signal that is caught here has its default in a child.
		caught := make(chan os.Signal, 1)
		signal.Notify(caught, sig)
		defer signal.Stop(caught)
		inner := `trap "echo inner; done=1" ` + n + `; echo ready; until test $done; do sleep 0.05; done`
		outer := `trap "echo outer; done=1" ` + n + `; sh -c '` + inner + `'; until test $done; do sleep 0.05; done; exit 9`
		cmd, out := start(t, "run", "-q", "--", "sh", "-c", outer)
		line(t, out)
		cmd.Process.Signal(sig)
		got := []string{line(t, out), line(t, out)}
		slices.Sort(got)
		if want := []string{"inner", "outer"}; !slices.Equal(got, want) {
			t.Errorf("%v: %q", sig, got)
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 9 {
			t.Errorf("%v: %v", sig, err)
		}
	}
}

// running waits until a program runs with just these arguments. A child that dash has
// forked and not yet executed handles a signal as dash does, and forgets it.
func running(t *testing.T, args ...string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if countRunning(args...) > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%q does not run", args)
		}
	}
}

// countRunning counts the processes that run with just these arguments.
func countRunning(args ...string) (n int) {
	want := strings.Join(args, "\x00") + "\x00"
	procs, _ := os.ReadDir("/proc")
	for _, p := range procs {
		if b, _ := os.ReadFile("/proc/" + p.Name() + "/cmdline"); string(b) == want {
			n++
		}
	}
	return n
}

// TestUncaught: a signal that ends the command is told as 128+n.
func TestUncaught(t *testing.T) {
	cmd, _ := start(t, "run", "-q", "--", "sh", "-c", "sleep 1234561; true")
	running(t, "sleep", "1234561")
	cmd.Process.Signal(syscall.SIGINT)
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Errorf("%v", err)
	}
}

// TestReaderGone: a reader that has enough ends the command as in any pipeline.
func TestReaderGone(t *testing.T) {
	cmd, out := start(t, "run", "-q", "--", "yes")
	line(t, out)
	r := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer r.Stop()
	out.Close()
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 128+int(syscall.SIGPIPE) {
		t.Errorf("%v", err)
	}
}

// TestKilled: when bailey is killed, nothing in the box survives it.
func TestKilled(t *testing.T) {
	cmd, out := start(t, "run", "-q", "--", "sh", "-c", "sleep 1234567 & (setsid sleep 1234567 &) ; echo ready; wait")
	line(t, out)
	cmd.Process.Kill()
	cmd.Wait()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		left := countRunning("sleep", "1234567")
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d processes are left", left)
		}
	}
}

// TestGroupsStay: as root of a user namespace where nobody may change groups (unshare
// -r) there are boxes too.
func TestGroupsStay(t *testing.T) {
	if !walls() {
		t.Skip("no user namespaces")
	}
	dir := t.TempDir()
	state := t.TempDir()
	cmd := exec.Command(os.Args[0], "run", "-q", "--", "sh", "-c", "echo in >x; mkdir .vscode; cat x; test -d .vscode || echo held; cat "+state+"/key || echo hidden")
	cmd.Args[0] = "bailey"
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+state, "XDG_CONFIG_HOME="+state, "XDG_STATE_HOME="+state)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	if err := os.WriteFile(state+"/key", []byte("key"), 0o600); err != nil {
		t.Fatal(err)
	}
	var report bytes.Buffer
	cmd.Stderr = &report
	out, err := cmd.Output()
	if string(out) != "in\nheld\nhidden\n" || err != nil {
		t.Errorf("%q, %v\n%s", out, err, &report)
	}
}
