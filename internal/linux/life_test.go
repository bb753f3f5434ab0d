//go:build linux

package linux

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain lets the test binary play other parts: a supervisor that is killed.
func TestMain(m *testing.M) {
	if part, ok := testParts[os.Getenv("BAILEY_TEST_PART")]; ok {
		part()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var testParts = map[string]func(){"victim": victim}

// victim opens a box whose command detaches a grandchild, says so, and waits to be killed.
func victim() {
	p := testPlan(&testing.B{})
	_, proc, err := Open(p, &Command{Path: "/bin/sh", Args: []string{"sh", "-c", "setsid sleep 7777 & echo up; sleep 7777"}, Env: []string{"PATH=/usr/bin:/bin"}, Stdout: os.Stdout, Stderr: os.Stderr}, Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	proc.Wait()
}

func sleepers(t *testing.T, arg string) int {
	t.Helper()
	n := 0
	dirs, _ := os.ReadDir("/proc")
	for _, d := range dirs {
		b, _ := os.ReadFile("/proc/" + d.Name() + "/cmdline")
		if string(b) == "sleep\x00"+arg+"\x00" {
			n++
		}
	}
	return n
}

// await waits until n processes run sleep arg.
func await(t *testing.T, arg string, n int) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for sleepers(t, arg) != n {
		if time.Now().After(deadline) {
			t.Fatalf("%d processes run sleep %s, want %d", sleepers(t, arg), arg, n)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestNothingSurvivesTheSupervisor(t *testing.T) {
	outermost(t)
	for _, sig := range []unix.Signal{unix.SIGKILL, unix.SIGTERM, unix.SIGSEGV} {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), "BAILEY_TEST_PART=victim", "TMPDIR="+t.TempDir())
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if line, _ := bufio.NewReader(out).ReadString('\n'); line != "up\n" {
			t.Fatalf("victim said %q", line)
		}
		await(t, "7777", 2)
		cmd.Process.Signal(sig)
		cmd.Wait()
		await(t, "7777", 0)
	}
}

// TestKilledWhileStarting kills a supervisor at many moments of a start. Whatever
// was there of the box must notice.
func TestKilledWhileStarting(t *testing.T) {
	dir := t.TempDir()
	for i := range 60 {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), "BAILEY_TEST_PART=victim", "TMPDIR="+dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i) * 300 * time.Microsecond)
		cmd.Process.Kill()
		cmd.Wait()
	}
	deadline := time.Now().Add(time.Minute)
	for {
		left := withEnvironment("TMPDIR="+dir) + sleepers(t, "7777")
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d processes are left", left)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// withEnvironment counts the processes that have a variable: those of a box that
// has not become anything yet still have the supervisor's.
func withEnvironment(v string) int {
	n := 0
	dirs, _ := os.ReadDir("/proc")
	for _, d := range dirs {
		b, _ := os.ReadFile("/proc/" + d.Name() + "/environ")
		if strings.Contains("\x00"+string(b), "\x00"+v+"\x00") {
			n++
		}
	}
	return n
}

func TestNothingSurvivesTheCommand(t *testing.T) {
	out, st := output(t, testPlan(t), "sh", "-c", "setsid sh -c 'trap \"\" TERM HUP INT; sleep 7778' & echo started")
	if !strings.Contains(out, "started") || !st.Success() {
		t.Fatalf("%v: %s", st, out)
	}
	if n := sleepers(t, "7778"); n != 0 {
		t.Fatalf("%d processes outlived the box", n)
	}
}

func TestManyCommands(t *testing.T) {
	p := testPlan(t)
	b, _, err := Open(p, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	done := make(chan error)
	const n = 16
	for i := range n {
		go func() {
			proc, err := b.Start(&Command{Path: "sh", Args: []string{"sh", "-c", fmt.Sprintf("test $(cat /proc/1/comm) = bailey && test ! -e /proc/1/exe && exit %d", i)}, Env: []string{"PATH=/usr/bin:/bin"}})
			if err != nil {
				done <- err
				return
			}
			st, err := proc.Wait()
			if err == nil && st.ExitCode() != i {
				err = fmt.Errorf("command %d: %v", i, st)
			}
			done <- err
		}()
	}
	for range n {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestTerminal(t *testing.T) {
	p := testPlan(t)
	b, proc, err := Open(p, &Command{Path: "sh", Args: []string{"sh", "-c", "tty; stty size; test -t 0 && echo isatty; exec 3</dev/tty && echo ctty; read x; echo got $x"}, Env: []string{"PATH=/usr/bin:/bin"}, TTY: [3]bool{true, true, true}, Rows: 33, Cols: 99}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	defer proc.Terminal.Close()
	proc.Terminal.WriteString("line\n")
	var out strings.Builder
	buf := make([]byte, 1024)
	for {
		n, err := proc.Terminal.Read(buf)
		out.Write(buf[:n])
		if err != nil {
			break
		}
	}
	proc.Wait()
	for _, want := range []string{"/dev/pts/0", "33 99", "isatty", "ctty", "got line"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %q", want, out.String())
		}
	}
}
