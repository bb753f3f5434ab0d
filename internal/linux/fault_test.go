//go:build linux

package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/inside"
	"github.com/bailey-run/bailey/internal/plan"
)

// A setup is one way to come to a running command. try opens what it is about
// with faults; after an error nothing may be left of it. A box that stands already
// stays.
type setup struct {
	name  string
	least int // steps that there must be at the least
	// prepare makes the place. dirs are watched for what is left behind.
	prepare func(t *testing.T) (try func(f fault) (*Box, *Process, error), dirs []string)
}

func marker(p *plan.Plan) *Command {
	return &Command{Path: "/bin/touch", Args: []string{"touch", filepath.Join(p.Dir, "ran")}}
}

// opening is a setup whose box is opened anew for each fault.
func opening(change func(t *testing.T, p *plan.Plan, c *Command) (*Command, []string)) func(*testing.T) (func(fault) (*Box, *Process, error), []string) {
	return func(t *testing.T) (func(fault) (*Box, *Process, error), []string) {
		p := testPlan(t)
		cmd, dirs := change(t, p, marker(p))
		return func(f fault) (*Box, *Process, error) { return Open(p, cmd, Options{fault: f}) }, append(dirs, p.Dir)
	}
}

var setups = []setup{
	{"first command", 150, opening(func(_ *testing.T, _ *plan.Plan, c *Command) (*Command, []string) { return c, nil })},
	{"network", 150, func(t *testing.T) (func(fault) (*Box, *Process, error), []string) {
		p, n := testPlan(t), testNetwork(true)
		n.Fallback = nil // its steps are not run here
		// What is made beside the gate: its names, and the socket at which is asked.
		n.Names = "198.18.0.2 example.org\n"
		p.Tree = append(p.Tree, plan.Node{Kind: plan.Data, Path: "/etc/hosts", Content: "127.0.0.1 localhost\n"},
			plan.Node{Kind: plan.Socket, Path: inside.Socket})
		return func(f fault) (*Box, *Process, error) { return Open(p, marker(p), Options{fault: f, Network: n}) }, []string{p.Dir}
	}},
	{"no command", 80, opening(func(*testing.T, *plan.Plan, *Command) (*Command, []string) { return nil, nil })},
	{"network without nf_tables", 150, func(t *testing.T) (func(fault) (*Box, *Process, error), []string) {
		p, n := testPlan(t), testNetwork(true)
		n.PerPort = true
		return func(f fault) (*Box, *Process, error) { return Open(p, marker(p), Options{fault: f, Network: n}) }, []string{p.Dir}
	}},
	{"all at once", 150, func(t *testing.T) (func(fault) (*Box, *Process, error), []string) {
		// One list with all the steps that not every command has: begun before there
		// is a plan, with a terminal, a cache, and a cgroup where one can be had.
		p := testPlan(t)
		cmd := marker(p)
		cmd.TTY, cmd.Rows, cmd.Cols = [3]bool{true, true, true}, 24, 80
		dirs := []string{p.Dir}
		if k := Probe(t.TempDir()); k.Overlay == "upper" {
			dir := t.TempDir()
			n := plan.Node{Kind: plan.Overlay, Path: "/cache", Source: filepath.Join(dir, "lower"), Upper: filepath.Join(dir, "upper"), Work: filepath.Join(dir, "work"), Exec: true}
			for _, d := range []string{n.Source, n.Upper, n.Work} {
				if err := os.Mkdir(d, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			p.Tree = append(p.Tree, n)
			slices.SortFunc(p.Tree, func(a, b plan.Node) int { return strings.Compare(a.Path, b.Path) })
			// The overlay driver makes work/work when it mounts, and keeps it.
			dirs = append(dirs, n.Source, n.Upper)
		} else {
			t.Log("without a cache: no overlayfs with a lasting upper directory")
		}
		if parent, why := newCgroup(t); parent != "" {
			p.Limits.Cgroup, p.Limits.Pids = parent, 0
			dirs = append(dirs, parent)
		} else {
			t.Log("without a cgroup: " + why)
		}
		return func(f fault) (*Box, *Process, error) {
			g, err := begin(p.Identity, f, plan.Fixed(present, false))
			if err != nil {
				return nil, nil, err
			}
			return Open(p, cmd, Options{Begun: g, fault: f})
		}, dirs
	}},
	{"second command", 80, func(t *testing.T) (func(fault) (*Box, *Process, error), []string) {
		p := testPlan(t)
		b, _, err := Open(p, nil, Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		return func(f fault) (*Box, *Process, error) {
			b.options.fault = f
			proc, err := b.Start(marker(p))
			return nil, proc, err
		}, []string{p.Dir}
	}},
	{"tier landlock", 60, func(t *testing.T) (func(fault) (*Box, *Process, error), []string) {
		p := weakPlan(t)
		place := filepath.Dir(p.Private.Dir)
		p.Private.Nodes = append(p.Private.Nodes, plan.Node{Kind: plan.Symlink, Path: filepath.Join(p.Private.Dir, "link"), Source: "/usr"})
		if err := os.Mkdir(p.Private.Dir, 0o711); err != nil { // bailey's own, which stays
			t.Fatal(err)
		}
		return func(f fault) (*Box, *Process, error) { return Open(p, marker(p), Options{fault: f}) }, []string{p.Dir, place}
	}},
	{"second command of tier landlock", 60, func(t *testing.T) (func(fault) (*Box, *Process, error), []string) {
		p := weakPlan(t)
		b, _, err := Open(p, nil, Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		return func(f fault) (*Box, *Process, error) {
			b.options.fault = f
			proc, err := b.Start(marker(p))
			return nil, proc, err
		}, []string{p.Dir}
	}},
}

// steps are the names of the steps so far.
func (i *injector) steps() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.seen)
}

// children are the processes whose parent we are.
func ownChildren(t *testing.T) []int {
	t.Helper()
	var out []int
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, task := range tasks {
		text, err := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
		if errors.Is(err, fs.ErrNotExist) {
			continue // the thread has ended
		}
		for word := range strings.FieldsSeq(string(text)) {
			n, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// snapshot lists everything below dirs.
func snapshot(t *testing.T, dirs []string) []string {
	t.Helper()
	var out []string
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			var st unix.Stat_t
			if err := unix.Lstat(p, &st); err != nil {
				return err
			}
			line := fmt.Sprintf("%s %o %d:%d", p, st.Mode, st.Uid, st.Gid)
			if d.Type().IsRegular() && !strings.HasPrefix(dir, "/sys/") {
				text, err := os.ReadFile(p)
				if err != nil {
					return err
				}
				line += " " + string(text)
			}
			out = append(out, line)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func descriptors(t *testing.T) []string {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		// The one that reads the list is gone.
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			out = append(out, e.Name()+" "+target)
		}
	}
	return out
}

// scene is what must be the same after a set-up that failed.
type scene struct {
	dirs []string
	tree []string
	pids []int
	fds  []string
}

func newScene(t *testing.T, dirs []string) *scene {
	return &scene{dirs, snapshot(t, dirs), ownChildren(t), descriptors(t)}
}

func (s *scene) check(t *testing.T, what string) {
	t.Helper()
	if now := ownChildren(t); !slices.Equal(now, s.pids) {
		t.Fatalf("%s: processes stay: %v, were %v", what, now, s.pids)
	}
	if now := snapshot(t, s.dirs); !slices.Equal(now, s.tree) {
		t.Fatalf("%s: left in the host's tree:\n%s\nwas\n%s", what, strings.Join(now, "\n"), strings.Join(s.tree, "\n"))
	}
	if now := descriptors(t); !slices.Equal(now, s.fds) {
		t.Fatalf("%s: descriptors stay:\n%s\nwere\n%s", what, strings.Join(now, "\n"), strings.Join(s.fds, "\n"))
	}
}

// finish ends what came of a set-up without an error, and takes away what the
// command made.
func finish(t *testing.T, b *Box, proc *Process, dirs []string) {
	t.Helper()
	if proc != nil {
		if st, err := proc.Wait(); err != nil || !st.Success() {
			t.Errorf("the command without a fault: %v, %v", st, err)
		}
		if proc.Terminal != nil {
			proc.Terminal.Close()
		}
	}
	if b != nil {
		b.Close()
	}
	for _, d := range dirs {
		os.Remove(filepath.Join(d, "ran"))
	}
	settle(t)
}

// settle waits until the goroutines of brokers have closed what they had.
func settle(t *testing.T) {
	t.Helper()
	for range 12_000 {
		open := false
		for _, fd := range descriptors(t) {
			open = open || strings.Contains(fd, "seccomp notify")
		}
		if !open {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// eachFault tries with each fault that list gives, until the set-up succeeds.
// It returns how many there were.
func eachFault(t *testing.T, s setup, stride int, with func(n int) fault, fatal bool) int {
	t.Helper()
	try, dirs := s.prepare(t)
	// The first one makes what stays: the poller's descriptors, the probes' caches.
	b, proc, err := try(fault{})
	if err != nil {
		t.Fatal(err)
	}
	finish(t, b, proc, dirs)
	before := newScene(t, dirs)
	if testing.Short() {
		stride *= 7
	}
	misses := 0
	for n := 1; ; n += stride {
		f := with(n)
		b, proc, err := try(f)
		var failed *SetupError
		var cannot *ExecError
		switch {
		case err == nil:
			finish(t, b, proc, dirs)
			before.check(t, fmt.Sprintf("fault %d, without an error", n))
			if misses++; fatal || misses > 8 { // that many calls in a row are not judged
				return n - 1
			}
			continue
		case errors.As(err, &cannot) && !fatal:
		case !errors.As(err, &failed) || failed.Step == "" || failed.Step == "unknown step":
			t.Fatalf("fault %d: %v", n, err)
		case fatal && failed.Errno != f.errno && (f.own == nil || failed.Errno != f.own.errno):
			t.Fatalf("fault %d (%s): %v", n, failed.Step, failed.Errno)
		}
		misses = 0
		for _, d := range dirs {
			if _, err := os.Lstat(filepath.Join(d, "ran")); err == nil {
				t.Fatalf("fault %d: %v, and the command ran", n, err)
			}
		}
		before.check(t, fmt.Sprintf("fault %d: %v", n, err))
	}
}

// TestEveryStepIsFatal fails each step of each set-up in turn: the command never
// runs, the error names the step and the errno, no process and no descriptor
// stays, and nothing is left in the host's tree.
func TestEveryStepIsFatal(t *testing.T) {
	for _, s := range setups {
		t.Run(s.name, func(t *testing.T) {
			n := eachFault(t, s, 1, func(n int) fault { return fault{step: n, errno: unix.ENOMEDIUM} }, true)
			if n < s.least {
				t.Errorf("only %d steps could be made to fail", n)
			}
			t.Logf("%d steps", n)
		})
	}
}

// TestErrnosThatMean lets the calls of a set-up give errors that some of them
// accept. Whatever comes of it, it is a box with all its walls, or nothing.
func TestErrnosThatMean(t *testing.T) {
	errnos := []unix.Errno{unix.EPERM, unix.ENOSYS, unix.EINTR, unix.EINVAL, unix.EAGAIN}
	for _, s := range setups {
		for i, errno := range errnos {
			// Every call once is what TestEveryStepIsFatal does; here some of each kind.
			stride, main := 7, s.name == "first command" || s.name == "tier landlock"
			switch {
			case !main && i > 1 || testing.Short() && i > 0:
				continue
			case main && i < 2:
				stride = 2
			}
			t.Run(s.name+"/"+unix.ErrnoName(errno), func(t *testing.T) {
				eachFault(t, s, stride, func(n int) fault { return fault{step: n + i%stride, errno: errno, soft: true} }, false)
			})
		}
	}
}

// TestSupervisorSteps fails what the supervisor itself does.
func TestSupervisorSteps(t *testing.T) {
	least := map[string][]string{
		"first command":                   {"create the file of pid 1", "make the control socket", "make the lifeline", "clone with new namespaces", "let the command go on", "open pid 1"},
		"second command":                  {"make the control socket", "clone"},
		"tier landlock":                   {"create the file of pid 1", "make the private directory", "lock the private directory", "fill the private directory", "make the lifeline", "clone", "let the command go on"},
		"second command of tier landlock": {"make the lifeline"},
	}
	for _, s := range setups {
		for _, errno := range []unix.Errno{unix.EMFILE, unix.EAGAIN} {
			t.Run(s.name+"/"+unix.ErrnoName(errno), func(t *testing.T) {
				if testing.Short() && errno == unix.EAGAIN {
					t.Skip("short")
				}
				seen := map[string]bool{}
				var last *injector
				eachFault(t, s, 1, func(n int) fault {
					last = &injector{fail: n, errno: errno}
					return fault{own: last}
				}, true)
				for _, step := range last.steps() {
					seen[step] = true
				}
				for _, step := range least[s.name] {
					if !seen[step] {
						t.Errorf("%q is not a step: %q", step, last.steps())
					}
				}
			})
		}
	}
}

// TestBrokerThatCannotStart ends a command whose first name would have to wait for
// ever.
func TestBrokerThatCannotStart(t *testing.T) {
	p := testPlan(t)
	p.Syscalls.Broker = true
	for n := 1; n < 20; n++ {
		own := &injector{fail: n, errno: unix.EMFILE}
		failed := make(chan error, 1)
		b, proc, err := Open(p, marker(p), Options{fault: fault{own: own}, Failed: func(err error) { failed <- err }})
		if err != nil {
			continue
		}
		if seen := own.steps(); slices.Contains(seen, "start the name broker") && len(seen) < n {
			proc.Wait()
			b.Close()
			t.Fatal("the broker was never the one to fail")
		}
		st, err := proc.Wait()
		if err != nil || st.Success() {
			t.Fatalf("%v, %v", st, err)
		}
		if err := <-failed; !errors.Is(err, unix.EMFILE) {
			t.Error(err)
		}
		b.Close()
		if _, err := os.Lstat(filepath.Join(p.Dir, "ran")); err == nil {
			t.Error("a name was made without a broker")
		}
		return
	}
	t.Fatal("the broker never started")
}
