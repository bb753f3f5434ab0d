package bailey_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bailey-run/bailey"
)

// dir makes an empty workspace.
func dir(t testing.TB) string {
	t.Helper()
	d, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// open opens a box in a workspace of its own.
func open(t testing.TB, cfg bailey.Config) *bailey.Box {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = dir(t)
	}
	b, err := bailey.Open(t.Context(), cfg)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

func sh(t testing.TB, b *bailey.Box, script string) *bailey.Cmd {
	t.Helper()
	return b.Command(context.Background(), "sh", "-c", script)
}

func output(t testing.TB, c *bailey.Cmd) string {
	t.Helper()
	var stderr bytes.Buffer
	if c.Stderr == nil {
		c.Stderr = &stderr
	}
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", c, err, &stderr)
	}
	return strings.TrimSuffix(string(out), "\n")
}

func TestExit(t *testing.T) {
	b := open(t, bailey.Config{})
	if err := sh(t, b, "exit 0").Run(); err != nil {
		t.Error(err)
	}
	err := sh(t, b, "exit 7").Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 7 || exit.Exited() != true {
		t.Errorf("exit 7: %#v", err)
	}
	c := sh(t, b, "kill -TERM $$")
	err = c.Run()
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("signal: %v", err)
	}
	if c.ProcessState == nil || c.ProcessState.Pid() != c.Process.Pid {
		t.Errorf("state %v, process %v", c.ProcessState, c.Process)
	}
	if err := c.Run(); err == nil {
		t.Error("a command ran twice")
	}
	if err := c.Wait(); err == nil {
		t.Error("waited twice")
	}
}

func TestOutput(t *testing.T) {
	b := open(t, bailey.Config{})
	if got := output(t, sh(t, b, "echo out; echo err >&2")); got != "out" {
		t.Errorf("output %q", got)
	}
	both, err := sh(t, b, "echo 1; echo 2 >&2; echo 3; echo 4 >&2").CombinedOutput()
	if err != nil || string(both) != "1\n2\n3\n4\n" {
		t.Errorf("combined %q, %v", both, err)
	}
	_, err = sh(t, b, "echo why >&2; exit 1").Output()
	var exit *bailey.ExitError
	if !errors.As(err, &exit) || string(exit.Stderr) != "why\n" {
		t.Errorf("stderr of %v", err)
	}
	c := sh(t, b, "true")
	c.Stdout = io.Discard
	if _, err := c.Output(); err == nil {
		t.Error("Output with a Stdout")
	}
}

func TestInput(t *testing.T) {
	b := open(t, bailey.Config{})
	big := strings.Repeat("0123456789abcde\n", 1<<16) // more than any pipe holds
	c := b.Command(t.Context(), "cat")
	c.Stdin = strings.NewReader(big)
	if got, err := c.Output(); err != nil || string(got) != big {
		t.Errorf("cat: %d bytes, %v", len(got), err)
	}
	c = b.Command(t.Context(), "true") // ends without reading
	c.Stdin = strings.NewReader(big)
	if err := c.Run(); err != nil {
		t.Error(err)
	}
	if got := output(t, b.Command(t.Context(), "cat")); got != "" { // no input is an empty one
		t.Errorf("%q", got)
	}
}

func TestPipes(t *testing.T) {
	b := open(t, bailey.Config{})
	c := b.Command(t.Context(), "cat")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.StdoutPipe(); err == nil {
		t.Error("two pipes for one stream")
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(in, "through")
	in.Close()
	got, err := io.ReadAll(out)
	if err != nil || string(got) != "through" {
		t.Errorf("read %q, %v", got, err)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := c.StdinPipe(); err == nil {
		t.Error("pipe after start")
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("BAILEY_TEST_TOKEN", "geheim")
	t.Setenv("BAILEY_TEST_NAME", "open")
	b := open(t, bailey.Config{Env: []string{"BAILEY_TEST_NAME"}, SetEnv: []string{"MADE=up"}})
	env := "\n" + output(t, b.Command(t.Context(), "env")) + "\n"
	for _, want := range []string{"\nBAILEY_TEST_NAME=open\n", "\nMADE=up\n", "\nBAILEY=1\n"} {
		if !strings.Contains(env, want) {
			t.Errorf("%q is missing in %s", want, env)
		}
	}
	if strings.Contains(env, "geheim") {
		t.Error("a variable that nobody let in is inside")
	}

	c := b.Command(t.Context(), "env")
	c.Env = append(b.Environ(), "X=1", "X=2")
	if got := output(t, c); !strings.Contains(got, "X=2") || strings.Contains(got, "X=1") {
		t.Errorf("Env: %s", got)
	}
	c = b.Command(t.Context(), "env")
	c.Env = append(os.Environ(), "X=1")
	var denied *bailey.DeniedError
	if err := c.Run(); !errors.As(err, &denied) || denied.Op != "setenv" {
		t.Errorf("os.Environ: %v", err)
	}
}

func TestDir(t *testing.T) {
	d := dir(t)
	if err := os.Mkdir(filepath.Join(d, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	b := open(t, bailey.Config{Dir: d})
	for in, want := range map[string]string{"": d, "sub": d + "/sub", d + "/sub": d + "/sub", "/usr": "/usr"} {
		c := sh(t, b, "pwd; echo $PWD")
		c.Dir = in
		if got := output(t, c); got != want+"\n"+want {
			t.Errorf("Dir %q: %q", in, got)
		}
	}
}

func TestNotStarted(t *testing.T) {
	d := dir(t)
	os.WriteFile(filepath.Join(d, "data"), []byte("x"), 0o644)
	b := open(t, bailey.Config{Dir: d})
	var name *exec.Error
	if err := b.Command(t.Context(), "no-such-program").Run(); !errors.Is(err, exec.ErrNotFound) || !errors.As(err, &name) {
		t.Errorf("name: %v", err)
	}
	var path *fs.PathError
	if err := b.Command(t.Context(), "/no/such/program").Run(); !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &path) {
		t.Errorf("path: %v", err)
	}
	if err := b.Command(t.Context(), "./data").Run(); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("not executable: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Command(ctx, "true").Run(); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := b.Command(t.Context(), "").Run(); err == nil {
		t.Error("no name")
	}
	b.Close()
	if err := b.Command(t.Context(), "true").Run(); !errors.Is(err, bailey.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func TestCancel(t *testing.T) {
	b := open(t, bailey.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	c := b.Command(ctx, "sleep", "60")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	cancel()
	err := c.Wait()
	var exit *bailey.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("killed: %v", err)
	}

	ctx, cancel = context.WithCancel(t.Context())
	c = sh(t, b, `trap "exit 0" TERM; echo; while :; do sleep 0.01; done`)
	c = b.Command(ctx, c.Args[0], c.Args[1:]...)
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	out, _ := c.StdoutPipe()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	out.Read(make([]byte, 1))
	cancel()
	if err := c.Wait(); !errors.Is(err, context.Canceled) {
		t.Errorf("ended by itself: %v", err)
	}
}

func TestWaitDelay(t *testing.T) {
	b := open(t, bailey.Config{})
	c := sh(t, b, "sleep 60 & echo done")
	c.WaitDelay = 50 * time.Millisecond
	begin := time.Now()
	out, err := c.Output()
	if !errors.Is(err, bailey.ErrWaitDelay) || string(out) != "done\n" {
		t.Errorf("%q, %v", out, err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestOwnBox: what a command leaves running does not survive it, and does not
// keep Wait from returning.
func TestOwnBox(t *testing.T) {
	p, err := bailey.Prepare(bailey.Config{Dir: dir(t)})
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	out, err := p.Command(t.Context(), "sh", "-c", "sleep 60 & echo done").Output()
	if err != nil || string(out) != "done\n" {
		t.Errorf("%q, %v", out, err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	c := bailey.Command(t.Context(), bailey.Config{Dir: dir(t), Mode: "wrong"}, "true")
	var wrong *bailey.PolicyError
	if err := c.Run(); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "Config.mode") {
		t.Errorf("wrong mode: %v", err)
	}
}

func TestConcurrent(t *testing.T) {
	b := open(t, bailey.Config{})
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			want := strings.Repeat(strconv.Itoa(i)+"\n", 1000)
			c := b.Command(context.Background(), "cat")
			c.Stdin = strings.NewReader(want)
			if out, err := c.Output(); err != nil || string(out) != want {
				t.Errorf("%d: %d bytes, %v", i, len(out), err)
			}
		})
	}
	wg.Wait()
}

func TestCloseKills(t *testing.T) {
	b := open(t, bailey.Config{})
	c := sh(t, b, "sleep 60 & sleep 60")
	var out bytes.Buffer
	c.Stdout = &out // a pipe that the background process holds too
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, func() { b.Close() })
	var exit *bailey.ExitError
	if err := c.Wait(); !errors.As(err, &exit) {
		t.Errorf("%v", err)
	}
}

func TestLimits(t *testing.T) {
	b := open(t, bailey.Config{Timeout: "1s"})
	var limit *bailey.LimitError
	if err := b.Command(t.Context(), "sleep", "60").Run(); !errors.As(err, &limit) || limit.Limit != "timeout" {
		t.Errorf("timeout: %v", err)
	}
	var exit *exec.ExitError
	if !errors.As(limit, &exit) {
		t.Errorf("how it ended: %v", limit.Err)
	}

	b = open(t, bailey.Config{Set: []bailey.Setting{{Key: "limits.output", Value: "100KiB"}}})
	c := b.Command(t.Context(), "yes")
	out, err := c.Output()
	if !errors.As(err, &limit) || limit.Limit != "output" || len(out) != 100<<10 {
		t.Errorf("output: %d bytes, %v", len(out), err)
	}
	if got := limit.Error(); got != "output limit of 100 KiB reached" {
		t.Error(got)
	}
	// The total is the box's, not each command's.
	if _, err := b.Command(t.Context(), "echo", "x").Output(); !errors.As(err, &limit) {
		t.Errorf("after the limit: %v", err)
	}

	b = open(t, bailey.Config{Set: []bailey.Setting{{Key: "limits.output-rate", Value: "200KiB"}}})
	begin := time.Now()
	out, err = sh(t, b, "head -c 300K /dev/zero").Output()
	if took := time.Since(begin); err != nil || len(out) != 300<<10 || took < 400*time.Millisecond {
		t.Errorf("rate: %d bytes, %v, %v", len(out), err, took)
	}
}

// TestStreams: only descriptors that give nothing but bytes get in.
func TestStreams(t *testing.T) {
	d := dir(t)
	b := open(t, bailey.Config{Dir: d})
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	root, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()

	c := sh(t, b, "readlink /proc/self/fd/1 >&2; chmod 777 /proc/self/fd/1; echo text")
	var stderr bytes.Buffer
	c.Stdout, c.Stderr = file, &stderr
	c.Run()
	if !strings.HasPrefix(stderr.String(), "pipe:") {
		t.Errorf("a file got in: %s", &stderr)
	}
	text, _ := os.ReadFile(file.Name())
	if info, _ := file.Stat(); string(text) != "text\n" || info.Mode().Perm() == 0o777 {
		t.Errorf("%q, mode %v", text, info.Mode())
	}

	c = sh(t, b, "ls /proc/self/fd/0/; cat; echo end")
	c.Stdin = root
	out, _ := c.CombinedOutput()
	if strings.Contains(string(out), "etc\n") || !strings.HasSuffix(string(out), "end\n") {
		t.Errorf("a directory got in: %s", out)
	}

	// Both streams to one file keep their order.
	both, err := os.Create(filepath.Join(t.TempDir(), "both"))
	if err != nil {
		t.Fatal(err)
	}
	defer both.Close()
	second := os.NewFile(uintptr(must(syscall.Dup(int(both.Fd())))), "second")
	defer second.Close()
	c = sh(t, b, "for i in 1 2 3 4 5 6 7 8; do echo $i; echo $i >&2; done")
	c.Stdout, c.Stderr = both, second
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(both.Name()); string(text) != "1\n1\n2\n2\n3\n3\n4\n4\n5\n5\n6\n6\n7\n7\n8\n8\n" {
		t.Errorf("order: %q", text)
	}

	// An input that never ends does not keep Wait from returning.
	r, w, _ := os.Pipe()
	defer r.Close()
	defer w.Close()
	c = b.Command(t.Context(), "true")
	c.Stdin = r
	if err := c.Run(); err != nil {
		t.Error(err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestTerminal(t *testing.T) {
	b := open(t, bailey.Config{})
	c := sh(t, b, "tty; stty size; read line; echo got $line; test -t 2 || echo no terminal at 2")
	var out bytes.Buffer
	c.Stdout = &out
	c.TTY = &bailey.TTY{Stdin: true, Stdout: true, Rows: 12, Cols: 34, Passive: true, Keys: strings.NewReader("typed\n")}
	if err := c.Run(); err != nil {
		t.Fatalf("%v: %s", err, &out)
	}
	want := "/dev/pts/0\n12 34\ngot typed\nno terminal at 2\n"
	// Passive may come into force after the first line.
	if got := strings.ReplaceAll(out.String(), "\r", ""); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	c = b.Command(t.Context(), "sh", "-c", "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.01; done")
	r, w, _ := os.Pipe()
	c.Stdout = w
	c.TTY = &bailey.TTY{Stdin: true, Stdout: true, Rows: 1, Cols: 1}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	r.Read(make([]byte, 100))
	if err := c.Resize(40, 50); err != nil {
		t.Error(err)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	w.Close()
	if rest, _ := io.ReadAll(r); string(rest) != "40 50\r\n" {
		t.Errorf("resized: %q", rest)
	}
}

func TestWithoutWalls(t *testing.T) {
	b := open(t, bailey.Config{Mode: bailey.DangerFullAccess})
	if tier := b.Report().Tier; tier != "none" {
		t.Errorf("tier %s", tier)
	}
	if got := output(t, sh(t, b, "id -u")); got != strconv.Itoa(os.Getuid()) {
		t.Errorf("uid %s", got)
	}
	if err := b.Command(t.Context(), "no-such-program").Run(); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("%v", err)
	}
	c := b.Command(t.Context(), "true")
	c.TTY = &bailey.TTY{}
	if err := c.Run(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("terminal: %v", err)
	}
}

// TestEvents: a session tells what it is, what ran, what was denied and how it
// ended, without any secret.
func TestEvents(t *testing.T) {
	t.Setenv("BAILEY_TEST_TOKEN", "geheim-geheim")
	var events []bailey.Event
	d := dir(t)
	cfg := bailey.Config{Dir: d, Events: func(e bailey.Event) { events = append(events, e) }}
	b := open(t, cfg)
	sh(t, b, "true > .envrc; true geheim-geheim; exit 4").Run()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	var types []string
	for i, e := range events {
		if e.Type != "denial" { // may come before or after the exit
			types = append(types, string(e.Type))
		}
		if e.Seq != uint64(i+1) || e.Session != b.Session() {
			t.Errorf("event %d: %+v", i, e)
		}
		if strings.Contains(fmt.Sprint(e), "geheim") {
			t.Errorf("a secret in %v", e)
		}
	}
	if got := strings.Join(types, " "); got != "session.start exec exit session.end" {
		t.Error(got)
	}
	denials := b.Denials()
	if len(denials) != 1 || denials[0].Target != d+"/.envrc" || denials[0].Op != "create" || denials[0].Hint == "" {
		t.Errorf("%+v", denials)
	}
	if len(events) != 5 {
		t.Errorf("%d events", len(events))
	}

	// Without walls there are no denials, but the same events.
	events = nil
	cfg.Mode = bailey.DangerFullAccess
	bailey.Command(t.Context(), cfg, "true").Run()
	if len(events) != 4 {
		t.Errorf("%d events without walls", len(events))
	}
}

func TestLog(t *testing.T) {
	d := dir(t)
	var denied *bailey.DeniedError
	_, err := bailey.Open(t.Context(), bailey.Config{Dir: d, Log: filepath.Join(d, "log")})
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if !errors.As(err, &denied) {
		t.Errorf("in the workspace: %v", err)
	}
	if names, _ := os.ReadDir(d); len(names) != 0 {
		t.Errorf("left behind: %v", names)
	}
	// A log that cannot be written ends the box.
	small := &syscall.Rlimit{}
	log := filepath.Join(t.TempDir(), "log")
	b, err := bailey.Open(t.Context(), bailey.Config{Dir: d, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	syscall.Getrlimit(syscall.RLIMIT_FSIZE, small)
	info, _ := os.Stat(log)
	limit := *small
	limit.Cur = uint64(info.Size()) + 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Skip(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_FSIZE, small)
	err = b.Command(t.Context(), "sleep", "60").Run()
	syscall.Setrlimit(syscall.RLIMIT_FSIZE, small)
	if !errors.Is(err, syscall.EFBIG) {
		t.Errorf("with a full log: %v", err)
	}
	if err := b.Close(); err == nil {
		t.Error("closed without an error")
	}
}
