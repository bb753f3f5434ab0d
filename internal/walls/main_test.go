//go:build linux

package walls

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/nouserns"
)

// program is bailey, the program under test, bin the directory with a copy of this test,
// which is the program that attacks.
var program, bin, self string

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && strings.HasPrefix(os.Args[1], "walls-") {
		os.Exit(attackMain(os.Args[1], os.Args[2:]))
	}
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "walls")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	os.Chmod(dir, 0o755)
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	program, bin, self = filepath.Join(dir, "bailey"), filepath.Join(dir, "bin"), filepath.Join(dir, "bin", "attack")
	build := exec.Command("go", "build", "-o", program, "../../cmd/bailey")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build bailey: %v\n%s", err, out)
		return 1
	}
	exe, err := os.Executable()
	if err == nil {
		var b []byte
		if b, err = os.ReadFile(exe); err == nil {
			os.Mkdir(bin, 0o755)
			err = os.WriteFile(self, b, 0o755)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if nested() {
		flag.Parse()
		flag.Set("test.run", "^TestNested$")
	}
	return m.Run()
}

// nested says whether this test runs in a box already, which allows no second.
func nested() bool {
	mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0)
	return err == nil && mode == 2 && os.Getenv("BAILEY") != "" && exec.Command(program, "run", "-q", "--", "true").Run() != nil
}

// TestNested stands for all others where go test itself runs in a box.
func TestNested(t *testing.T) {
	if nested() {
		t.Skip("no test of the walls was made: they are tested from outside, and this is inside a box")
	}
}

// canary is what every planted secret holds.
const canary = "canary-7d1f"

// world is what stands outside the box, as an attack is told about it.
type world struct {
	Base, Home, WS, Out string
	RO                  string // a directory the box may read
	Victim              int    // a process of the same user
	TCP, TCP6, UDP      int    // ports on loopback
	Unix, Abstract      string
	DevShm              string
	Shm                 int
	Started             time.Time
}

func (w *world) secret() string { return filepath.Join(w.Base, "secret") }

// newWorld plants it.
func newWorld(t testing.TB) *world {
	t.Helper()
	base, err := os.MkdirTemp("", "world")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	if base, err = filepath.EvalSymlinks(base); err != nil {
		t.Fatal(err)
	}
	w := &world{Base: base, Home: filepath.Join(base, "home"), Out: filepath.Join(base, "out"), RO: filepath.Join(base, "ro")}
	w.WS = filepath.Join(w.Home, "project")
	for _, f := range []string{"secret", "home/.ssh/id", "home/.aws/credentials", "home/.bash_history", "home/.netrc", "home/sibling/secret", "home/sibling/target", "out/file", "out/target", "ro/file", "ro/target", "ro/dir/file", "home/.config/bailey/config.toml"} {
		text := canary + "\n"
		if strings.HasSuffix(f, ".toml") {
			text = "# " + text
		}
		write(t, filepath.Join(base, f), text)
	}
	if err := os.Mkdir(w.WS, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(w.WS, "file"), "workspace\n")
	return w
}

// listen adds what listens, lives and is shared.
func (w *world) listen(t testing.TB) {
	t.Helper()
	serve := func(network, addr string) net.Addr {
		l, err := net.Listen(network, addr)
		if err != nil {
			t.Logf("listen on %s: %v", addr, err)
			return nil
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Write([]byte(canary))
				c.Close()
			}
		}()
		return l.Addr()
	}
	if a, ok := serve("tcp4", "127.0.0.1:0").(*net.TCPAddr); ok {
		w.TCP = a.Port
	}
	if a, ok := serve("tcp6", "[::1]:0").(*net.TCPAddr); ok {
		w.TCP6 = a.Port
	}
	w.Unix = filepath.Join(w.Base, "sock")
	serve("unix", w.Unix)
	w.Abstract = "@" + w.Base
	serve("unix", w.Abstract)
	u, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close() })
	w.UDP = u.LocalAddr().(*net.UDPAddr).Port
	go func() {
		b := make([]byte, 64)
		for {
			_, from, err := u.ReadFrom(b)
			if err != nil {
				return
			}
			u.WriteTo([]byte(canary), from)
		}
	}()
	victim := exec.Command("sleep", "300")
	victim.Env = append(os.Environ(), "VICTIM="+canary)
	if err := victim.Start(); err != nil {
		t.Fatal("program missing: sleep")
	}
	t.Cleanup(func() { victim.Process.Kill(); victim.Wait() })
	w.Victim = victim.Process.Pid
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, 4096, unix.IPC_CREAT|0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.SysvShmCtl(id, unix.IPC_RMID, nil) })
	mem, err := unix.SysvShmAttach(id, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	copy(mem, canary)
	unix.SysvShmDetach(mem)
	w.Shm = id
	w.DevShm = fmt.Sprintf("/dev/shm/walls-%d-%d", os.Getpid(), id)
	if err := os.WriteFile(w.DevShm, []byte(canary), 0o666); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(w.DevShm) })
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// box is one run of bailey.
type box struct {
	flags []string
	env   []string
	tier  string // "full" or "landlock"
	stdin *os.File
	extra []*os.File
	other *world // where attempts are made outside, when not in the same world
}

// tiers runs a test in each tier.
func tiers(t *testing.T, f func(t *testing.T, b box)) {
	for _, tier := range []string{"full", "landlock"} {
		t.Run(tier, func(t *testing.T) {
			t.Parallel()
			f(t, box{tier: tier})
		})
	}
}

// command builds a run of args in a box over w.
func (b box) command(ctx context.Context, w *world, args ...string) *exec.Cmd {
	var argv []string
	if b.tier == "landlock" {
		argv = append(argv, self, "walls-nouserns", program, "run", "--min-tier", "landlock")
	} else {
		argv = append(argv, program, "run")
	}
	argv = append(argv, "--quiet", "--read", bin)
	argv = append(argv, b.flags...)
	argv = append(argv, "--")
	argv = append(argv, args...)
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.WaitDelay = time.Second
	c.Dir = w.WS
	c.Env = append(environ(w), b.env...)
	if b.stdin != nil {
		c.Stdin = b.stdin
	}
	c.ExtraFiles = b.extra
	return c
}

func environ(w *world) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.Home, "TERM=xterm", "AWS_SECRET_ACCESS_KEY=" + canary, "GITHUB_TOKEN=" + canary, "XDG_CACHE_HOME=" + filepath.Join(w.Base, "cache")}
}

// runLimit is far more than any run here takes, and less than go test's patience.
const runLimit = 2 * time.Minute

// appears waits for a file.
func appears(t *testing.T, path string) {
	t.Helper()
	for deadline := time.Now().Add(runLimit); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not appear", path)
		}
	}
}

// run runs args in a box and returns what came out.
func (b box) run(t testing.TB, w *world, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), runLimit)
	defer cancel()
	c := b.command(ctx, w, args...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 125 {
		t.Fatalf("bailey failed: %s", &out)
	}
	if ctx.Err() != nil {
		t.Fatalf("bailey hung: %s", &out)
	}
	return out.String(), err
}

func (b box) sh(t testing.TB, w *world, script string) string {
	t.Helper()
	out, _ := b.run(t, w, "sh", "-c", script)
	return out
}

// attempt is one attack: the function's name in attacks, an argument, and whether
// it must work outside.
type attempt struct {
	kind, arg string
	control   bool
	only      string // a tier; empty is both
}

func (a attempt) String() string {
	if a.arg == "" {
		return a.kind
	}
	return a.kind + " " + a.arg
}

type result struct {
	Escaped bool
	Text    string
}

// assault makes all attempts inside a box and asserts that each fails, and that
// those with a control work outside.
func assault(t *testing.T, b box, w *world, list []attempt) {
	t.Helper()
	spec, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	var mine []attempt
	for _, a := range list {
		if a.only == "" || a.only == b.tier {
			names = append(names, a.kind+"\x01"+a.arg)
			mine = append(mine, a)
		}
	}
	write(t, filepath.Join(w.WS, "attempts"), strings.Join(names, "\x02"))
	write(t, filepath.Join(w.WS, "spec"), string(spec))
	out, err := b.run(t, w, self, "walls-all", filepath.Join(w.WS, "spec"), filepath.Join(w.WS, "attempts"))
	if err != nil {
		t.Fatalf("attacks: %v\n%s", err, out)
	}
	var inside []result
	if err := json.Unmarshal([]byte(out), &inside); err != nil || len(inside) != len(mine) {
		t.Fatalf("attacks: %v\n%s", err, out)
	}
	controls := make([]result, len(mine))
	if b.other != nil {
		other, err := json.Marshal(b.other)
		if err != nil {
			t.Fatal(err)
		}
		spec = other
	}
	var wg sync.WaitGroup
	n := runtime.NumCPU()
	if b.other != nil {
		n = 1 // they undo what they did
	}
	sem := make(chan struct{}, n)
	for i, a := range mine {
		if a.control {
			wg.Add(1)
			go func() {
				defer wg.Done()
				sem <- struct{}{}
				controls[i] = one(string(spec), a.kind, a.arg, environ(w))
				<-sem
			}()
		}
	}
	wg.Wait()
	for i, a := range mine {
		t.Run(a.String(), func(t *testing.T) {
			if inside[i].Escaped {
				t.Errorf("inside it worked: %s", inside[i].Text)
			}
			if strings.Contains(inside[i].Text, "no such attack") {
				t.Error(inside[i].Text)
			}
			if a.control && !controls[i].Escaped {
				t.Errorf("outside it failed, so this proves nothing: %s", controls[i].Text)
			}
		})
	}
}

// one makes one attempt in a process of its own, here.
func one(spec, kind, arg string, env []string) result {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	exe, err := os.Executable()
	if err != nil {
		return result{Text: err.Error()}
	}
	c := exec.CommandContext(ctx, exe, "walls-one", spec, kind, arg)
	c.Env = env
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	c.WaitDelay = time.Second
	err = c.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it ended well; something it started still has its output
	}
	if err != nil {
		return result{Text: fmt.Sprintf("%v: %s", err, out.String())}
	}
	return result{Escaped: true, Text: out.String()}
}

// attackMain is this program as the attacker.
func attackMain(verb string, args []string) int {
	fail := func(err error) int { fmt.Println(err); return 1 }
	switch verb {
	case "walls-nouserns":
		if err := nouserns.Forbid(); err != nil {
			return fail(err)
		}
		return fail(syscall.Exec(args[0], args, os.Environ()))
	case "walls-all":
		spec, err := os.ReadFile(args[0])
		if err != nil {
			return fail(err)
		}
		list, err := os.ReadFile(args[1])
		if err != nil {
			return fail(err)
		}
		var all []result
		for _, s := range strings.Split(string(list), "\x02") {
			kind, arg, _ := strings.Cut(s, "\x01")
			all = append(all, one(string(spec), kind, arg, os.Environ()))
		}
		json.NewEncoder(os.Stdout).Encode(all)
		return 0
	case "walls-one":
		var w world
		if err := json.Unmarshal([]byte(args[0]), &w); err != nil {
			return fail(err)
		}
		f := attacks[args[1]]
		if f == nil {
			return fail(fmt.Errorf("no such attack: %s", args[1]))
		}
		runtime.LockOSThread()
		if err := f(&w, args[2]); err != nil {
			return fail(err)
		}
		return 0
	}
	return 2
}
