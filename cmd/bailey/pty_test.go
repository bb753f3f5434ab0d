//go:build linux

package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// session is a program on a terminal of the test's.
type session struct {
	t     *testing.T
	cmd   *exec.Cmd
	tty   *os.File // the person's side
	slave *os.File // kept open, to look at the terminal's state
	done  chan error

	mu  sync.Mutex
	out strings.Builder
	at  int // what expect has seen
}

// onTerminal starts a shell command on a new terminal, in a new project, with
// bailey on its PATH.
func onTerminal(t *testing.T, script string) *session {
	t.Helper()
	if !walls() {
		t.Skip("no user namespaces")
	}
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "bin")
	work := filepath.Join(dir, "work")
	for _, d := range []string{bin, work} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(exe, filepath.Join(bin, "bailey")); err != nil {
		t.Fatal(err)
	}
	s := &session{t: t, done: make(chan error, 1)}
	if s.tty, s.slave, err = pty.Open(); err != nil {
		t.Fatal(err)
	}
	pty.Setsize(s.tty, &pty.Winsize{Rows: 24, Cols: 80})
	s.cmd = exec.Command("/bin/sh", "-c", script)
	s.cmd.Dir = work
	s.cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "TERM=xterm", "SHELL=/bin/sh",
		"XDG_STATE_HOME="+dir+"/state", "XDG_CONFIG_HOME="+dir+"/config")
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = s.slave, s.slave, s.slave
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := s.tty.Read(buf)
			s.mu.Lock()
			s.out.Write(buf[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	go func() { s.done <- s.cmd.Wait() }()
	t.Cleanup(func() {
		s.cmd.Process.Kill()
		s.slave.Close()
		s.tty.Close()
	})
	return s
}

// shown is all that the terminal has shown so far.
func (s *session) shown() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}

// patience is how long a test waits for what is to come: machines are busy.
const patience = 2 * time.Minute

// expect waits until the terminal shows text, after what was expected before.
func (s *session) expect(text string) string {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		all := s.shown()
		if i := strings.Index(all[s.at:], text); i >= 0 {
			before := all[s.at : s.at+i]
			s.at += i + len(text)
			return before
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%q does not come; the terminal shows %q", text, all[s.at:])
		}
	}
}

func (s *session) typed(text string) {
	s.t.Helper()
	if _, err := s.tty.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}

// ended waits for the end.
func (s *session) ended() error {
	s.t.Helper()
	select {
	case err := <-s.done:
		return err
	case <-time.After(patience):
		s.t.Fatalf("it does not end; the terminal shows %q", s.shown()[s.at:])
		return nil
	}
}

func (s *session) state() *unix.Termios {
	s.t.Helper()
	t, err := unix.IoctlGetTermios(int(s.slave.Fd()), unix.TCGETS)
	if err != nil {
		s.t.Fatal(err)
	}
	return t
}

func TestShell(t *testing.T) {
	s := onTerminal(t, "exec bailey shell -q")
	before := s.state()
	s.expect("(bailey) ")
	if diff := cmp.Diff(before, s.state()); diff == "" {
		t.Error("the terminal is not in raw mode")
	}
	s.typed("tty; stty size\n")
	s.expect("/dev/pts/0\r\n24 80\r\n")
	pty.Setsize(s.tty, &pty.Winsize{Rows: 30, Cols: 100})
	syscall.Kill(s.cmd.Process.Pid, syscall.SIGWINCH) // as the kernel sends it to the foreground job
	s.typed(`until test "$(stty size)" = "30 100"; do sleep 0.05; done; echo re''sized` + "\n")
	s.expect("resized\r\n")

	// Ctrl-C ends what runs, and not the shell.
	s.typed("sleep 1234562\n")
	running(t, "sleep", "1234562")
	s.typed("\x03")
	s.typed("echo alive $((1 + 1))\n")
	s.expect("alive 2\r\n")

	s.typed("exit 5\n")
	var exit *exec.ExitError
	if err := s.ended(); !errors.As(err, &exit) || exit.ExitCode() != 5 {
		t.Errorf("ended with %v", err)
	}
	if diff := cmp.Diff(before, s.state()); diff != "" {
		t.Errorf("the terminal is left changed:\n%s", diff)
	}
}

func TestJobControl(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip(err)
	}
	s := onTerminal(t, "exec bailey run -q -- bash --norc --noprofile -i")
	s.expect("(bailey) ")
	s.typed("sleep 1234563\n")
	running(t, "sleep", "1234563")
	s.typed("\x1a")
	s.expect("Stopped")
	s.typed("jobs; kill %1; fg; echo over\n")
	s.expect("over\r\n")
	s.typed("exit\n")
	if err := s.ended(); err != nil && !strings.Contains(err.Error(), "exit status") {
		t.Errorf("ended with %v", err)
	}
}

func TestFilteredTerminal(t *testing.T) {
	s := onTerminal(t, `exec bailey run -q -- printf 'a\033[1mb\033]52;c;eA==\007c\033[21td\033[?1003he\n'`)
	if got := s.expect("e\r\n"); got != "a\x1b[1mbcd\x1b[?1003h" {
		t.Errorf("the terminal got %q", got)
	}
	s.expect("\x1b[?1003l") // what the box left switched on
	s.expect("\x1b[0m")
	if err := s.ended(); err != nil {
		t.Error(err)
	}
}

// TestInterrupt: Ctrl-C ends a command and bailey by the same signal, so that the
// shell around them stops its loop.
func TestInterrupt(t *testing.T) {
	s := onTerminal(t, "for i in 1 2 3; do bailey run -q -- sh -c 'sleep 1234564; true'; done; echo not reached")
	running(t, "sleep", "1234564")
	s.typed("\x03")
	err := s.ended()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Errorf("ended with %v", err)
	}
	if strings.Contains(s.shown(), "not reached") {
		t.Error("the loop went on")
	}
}

// TestTerminated: the terminal is given back when bailey is told to end.
func TestTerminated(t *testing.T) {
	s := onTerminal(t, "exec bailey run -q -- sh -c 'echo ready; sleep 60'")
	before := s.state()
	s.expect("ready\r\n")
	s.cmd.Process.Signal(syscall.SIGTERM)
	var exit *exec.ExitError
	if err := s.ended(); !errors.As(err, &exit) || exit.ExitCode() != 143 {
		t.Errorf("ended with %v", err)
	}
	before.Lflag |= unix.ICANON | unix.ECHO // it may have been raw already
	if after := s.state(); after.Lflag&(unix.ICANON|unix.ECHO) != unix.ICANON|unix.ECHO {
		t.Error("the terminal is left in raw mode")
	}
}

// TestPipeline: with its output in a pipe bailey leaves the terminal's mode to the
// rest of the pipeline, and the command still reads lines from it.
func TestPipeline(t *testing.T) {
	s := onTerminal(t, `bailey run -q -- sh -c 'test -t 0 && test ! -t 1 && test -t 2 && echo ready >&2; read x; echo "got $x"' | sed 's/^/| /'`)
	before := s.state()
	s.expect("ready\r")
	if diff := cmp.Diff(before, s.state()); diff != "" {
		t.Errorf("the terminal was changed:\n%s", diff)
	}
	s.typed("line\n")
	s.expect("| got line\r\n")
	if err := s.ended(); err != nil {
		t.Error(err)
	}
	if n := strings.Count(s.shown(), "line"); n != 2 {
		t.Errorf("the line is shown %d times: %q", n, s.shown())
	}
}

// TestKeysWithInput: the input comes from a pipe and the keys from the terminal.
func TestKeysWithInput(t *testing.T) {
	s := onTerminal(t, `echo data | bailey run -q -- sh -c 'cat; read x </dev/tty; echo "key $x"'`)
	s.expect("data\r\n")
	s.typed("pressed\r")
	s.expect("key pressed\r\n")
	if err := s.ended(); err != nil {
		t.Error(err)
	}
}

// TestBackground: a background job does not touch the terminal.
func TestBackground(t *testing.T) {
	s := onTerminal(t, `set -m; bailey run -q -- sh -c 'sleep 0.3; echo done' & wait; read x; echo "shell got $x"`)
	before := s.state()
	s.typed("mine\n")
	s.expect("done\r")
	if diff := cmp.Diff(before, s.state()); diff != "" {
		t.Errorf("the terminal was changed:\n%s", diff)
	}
	s.expect("shell got mine\r\n")
	if err := s.ended(); err != nil {
		t.Error(err)
	}
}

// TestLiveDenials: with -v a refusal is shown while the command runs, on a line of its
// own, and not where a program has the whole screen; once more at the end, in any case.
func TestLiveDenials(t *testing.T) {
	// Each refusal waits until what comes before it is on the terminal: they come by two
	// ways, and neither waits for the other. No echo, for it would end the line.
	s := onTerminal(t, "exec bailey run -v -- sh -c 'stty -echo; printf text; read a; mkdir .vscode 2>/dev/null; read a; printf \"\\033[?1049hfull\"; read a; mkdir .idea 2>/dev/null; read a; printf \"\\033[?1049ldone\"'")
	s.expect("text")
	s.typed("\r")
	s.expect("\r\nbailey: denied: mkdir ")
	s.expect(".vscode is protected")
	s.typed("\r")
	s.expect("full")
	s.typed("\r")
	time.Sleep(200 * time.Millisecond) // it would be shown now
	s.typed("\r")
	if shown := s.expect("done"); strings.Contains(shown, ".idea") {
		t.Errorf("in the middle of a screen: %q", shown)
	}
	s.expect("work/.idea")
	s.ended()
}

// TestTrustAsks: trust shows the file and asks on the terminal.
func TestTrustAsks(t *testing.T) {
	for answer, want := range map[string]string{"yes\n": "trusted", "no\n": "untrusted", "\n": "untrusted", "\x04": "untrusted"} {
		s := onTerminal(t, "echo 'mode = \"read-only\"' > bailey.toml; bailey trust < /dev/null; bailey trust show")
		s.expect(`  mode = "read-only"`)
		s.expect("Type yes: ")
		s.typed(answer)
		s.expect("\n" + want + " ")
		s.ended()
	}
}

// TestAsksOnTerminal: what is typed answers the question, and is not the command's
// whose output is shown on the same terminal.
func TestAsksOnTerminal(t *testing.T) {
	policy, port := asking(t)
	try := "for h in a a b; do { exec 3<>/dev/tcp/$h.test/" + port + " && read -r line <&3 && echo $h $line; } || echo $h refused; done; test -t 1 && echo terminal"
	s := onTerminal(t, "exec bailey run -q --config "+policy+" -- bash -c '"+try+"' </dev/null")
	s.expect(`"a.test:` + port + `"`)
	s.answer("s", "answer: ")
	s.expect(`"b.test:` + port + `"`)
	s.answer("n", "answer: ")
	s.expect("b refused")
	s.expect("terminal")
	s.ended()
	// What the command says comes when it comes, questions between its lines.
	if all := s.shown(); strings.Count(all, "a reached") != 2 || strings.Count(all, `"a.test:`) != 1 {
		t.Errorf("the terminal shows %q", all)
	}
}

// asking is a policy that asks about hosts, and the port at which those that it
// pins answer.
func asking(t *testing.T) (policy, port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("reached\n"))
			c.Close()
		}
	}()
	policy = filepath.Join(t.TempDir(), "p.toml")
	text := "[network]\ndefault = \"ask\"\n[network.hosts]\n\"a.test\" = \"127.0.0.1\"\n\"b.test\" = \"127.0.0.1\"\n"
	if err := os.WriteFile(policy, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return policy, strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// answer types a key at a question until the terminal is given back: keys are
// dropped at first, as those of somebody who was typing when it came up.
func (s *session) answer(key, prompt string) {
	s.t.Helper()
	s.expect(prompt)
	at := len(s.shown())
	for deadline := time.Now().Add(patience); !strings.Contains(s.shown()[at:], "\x1b[2J"); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("no answer is taken; the terminal shows %q", s.shown()[at:])
		}
		s.typed(key)
	}
}
