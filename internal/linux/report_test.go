//go:build linux

package linux

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

// ask adds a wall to a plan, as the compiler does.
func ask(p *plan.Plan, id string, mechanisms ...string) {
	w := plan.Wall{ID: id, Requested: "that it holds"}
	for _, m := range mechanisms {
		w.Mechanisms = append(w.Mechanisms, plan.Mechanism{Name: m, Held: true, How: plan.HowPredicted})
	}
	w.Judge()
	p.Walls = append(p.Walls, w)
}

// askAll asks for what a plan of tier full has.
func askAll(p *plan.Plan) {
	ask(p, policy.WallRead, plan.ByTree)
	ask(p, policy.WallWrite, plan.ByReadOnly, plan.ByLandlockWrite)
	ask(p, policy.WallNetwork, plan.ByNetNS)
	ask(p, policy.WallProcesses, plan.ByPidNS)
	ask(p, policy.WallLifetime, plan.ByInit)
	ask(p, policy.WallIPC, plan.ByIPCNS)
	ask(p, policy.WallKernel, plan.ByFilter)
	ask(p, policy.WallCapabilities, plan.ByCapset, plan.ByBounding)
	ask(p, policy.WallNoNewPrivs, plan.ByNoNewPrivs)
	ask(p, policy.WallEnvironment, plan.ByEnv)
	ask(p, policy.WallFDs, plan.ByCloseRange)
	ask(p, policy.WallKeyring, plan.ByFilterKeys, plan.ByKeyring)
	ask(p, policy.WallTerminal, plan.BySession, plan.ByFilterTerminal)
	ask(p, policy.WallOpenFiles, plan.ByNofile)
	ask(p, policy.WallScratch, plan.ByTmpfs)
}

func wallOf(t testing.TB, r Report, id string) plan.Wall {
	t.Helper()
	for _, w := range r.Walls {
		if w.ID == id {
			return w
		}
	}
	t.Fatalf("no wall %s in %+v", id, r)
	return plan.Wall{}
}

// sleeper starts a command that lives until the box is closed.
func sleeper(t testing.TB, p *plan.Plan, o Options) (*Box, *Process, error) {
	t.Helper()
	b, proc, err := Open(p, &Command{Path: "sleep", Args: []string{"sleep", "1000"}, Env: []string{"PATH=/usr/bin:/bin"}}, o)
	if err == nil {
		t.Cleanup(func() { b.Close() })
	}
	return b, proc, err
}

// TestReportReadsBack holds that a box's report is the kernel's word where that
// can be had.
func TestReportReadsBack(t *testing.T) {
	p := testPlan(t)
	askAll(p)
	b, _, err := sleeper(t, p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := b.Report()
	for _, w := range r.Walls {
		if w.Status != plan.Enforced {
			t.Errorf("%s is %s: %s", w.ID, w.Status, w.Detail)
		}
		if w.How == "" || w.How == plan.HowPredicted {
			t.Errorf("%s of a running command is known by %q", w.ID, w.How)
		}
	}
	for _, id := range []string{policy.WallRead, policy.WallNetwork, policy.WallProcesses, policy.WallIPC, policy.WallKernel, policy.WallCapabilities, policy.WallNoNewPrivs, policy.WallOpenFiles, policy.WallScratch} {
		if w := wallOf(t, r, id); w.How != plan.HowRead {
			t.Errorf("%s is known by %q", id, w.How)
		}
	}
	b.Close()
	for _, w := range b.Report().Walls {
		if w.Status != plan.Enforced || w.How == plan.HowRead {
			t.Errorf("after the end, %s is %s, known by %q", w.ID, w.Status, w.How)
		}
	}
}

// TestReportOfNoCommand holds that nothing is claimed to have been seen that was
// not.
func TestReportOfNoCommand(t *testing.T) {
	p := testPlan(t)
	askAll(p)
	ask(p, policy.WallLandlockScope, plan.ByLandlockScope, plan.ByPidNS)
	b, _, err := Open(p, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if w := wallOf(t, b.Report(), policy.WallKernel); w.Status != plan.Enforced || w.How != plan.HowPredicted {
		t.Errorf("before a command: %+v", w)
	}
	if w := wallOf(t, b.Report(), policy.WallNetwork); w.How != plan.HowRead {
		t.Errorf("the box's own: %+v", w)
	}
	proc, err := b.Start(&Command{Path: "sleep", Args: []string{"sleep", "1000"}, Env: []string{"PATH=/usr/bin:/bin"}})
	if err != nil {
		t.Fatal(err)
	}
	r := b.Report()
	if w := wallOf(t, r, policy.WallKernel); w.How != plan.HowRead {
		t.Errorf("with a command: %+v", w)
	}
	if w := wallOf(t, r, policy.WallLandlockScope); w.Status != plan.Weakened || !strings.Contains(w.Detail, "several commands") {
		t.Errorf("a box for several commands: %+v", w)
	}
	proc.Signal(unix.SIGKILL)
	proc.Wait()
	if w := wallOf(t, b.Report(), policy.WallKernel); w.Status != plan.Enforced || w.How != plan.HowSelfCheck {
		t.Errorf("after the command: %+v", w)
	}
}

// TestBrokenWallStopsTheStart lets steps that put up walls do nothing and say
// that they succeeded. Something must notice before the command runs.
func TestBrokenWallStopsTheStart(t *testing.T) {
	p := testPlan(t)
	marker := filepath.Join(p.Dir, "ran")
	cmd := &Command{Path: "/bin/touch", Args: []string{"touch", marker}}
	for _, tt := range []struct{ skip, noticed string }{
		{"install the syscall filter", "self-check: syscall filter"},
		{"set mount attributes of /usr", "self-check: /usr is read-only"},
		{"set mount attributes of the new root", "self-check: the root"},
		{"drop capabilities", "self-check: capabilities"},
		{"drop a capability from the bounding set", "self-check: bounding set"},
		{"start a keyring", "self-check: keyring"},
		// Not "enter a pid namespace": nothing but a namespace holds what a pid 1 does.
		{"set no_new_privs", ""},
		{"bound the root file system", ""},
	} {
		b, proc, err := Open(p, cmd, Options{fault: fault{skip: tt.skip}})
		if tt.skip == "bound the root file system" {
			// Nothing inside can see it, so the report must.
			if err != nil {
				t.Fatal(err)
			}
			p := *p
			ask(&p, policy.WallScratch, plan.ByTmpfs)
			b.plan = &p
			w := wallOf(t, b.Report(), policy.WallScratch)
			if w.Status != plan.Missing || w.Accepted != nil || plan.Refuse(b.Report().Walls) == nil {
				t.Errorf("%s: %+v", tt.skip, w)
			}
			proc.Wait()
			b.Close()
			continue
		}
		var setup *SetupError
		if err == nil {
			proc.Wait()
			b.Close()
			t.Errorf("without %q the command ran", tt.skip)
		} else if !errors.As(err, &setup) || !strings.HasPrefix(setup.Step, tt.noticed) {
			t.Errorf("without %q: %v", tt.skip, err)
		}
		if _, err := os.Stat(marker); err == nil {
			t.Fatalf("without %q the command ran", tt.skip)
		}
	}
}

// TestLostListenerStopsTheStart is about a broker that nobody could serve.
func TestLostListenerStopsTheStart(t *testing.T) {
	p := testPlan(t)
	p.Syscalls.Broker = true
	b, _, err := Open(p, &Command{Path: "/bin/sleep", Args: []string{"sleep", "1000"}}, Options{fault: fault{skip: "hand over the filter's listener"}})
	var setup *SetupError
	if err == nil {
		b.Close()
	}
	if !errors.As(err, &setup) || setup.Step != "receive the filter's listener" {
		t.Errorf("%v", err)
	}
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("a child stays: pid %d, %v", pid, err)
	}
}

// skipLandlock opens a box in which one of Landlock's rulesets is not in force.
func skipLandlock(t *testing.T, p *plan.Plan, step, noticed string) {
	t.Helper()
	marker := filepath.Join(p.Dir, "ran")
	b, proc, err := Open(p, &Command{Path: "/bin/touch", Args: []string{"touch", marker}}, Options{fault: fault{skip: step}})
	var setup *SetupError
	if err == nil {
		proc.Wait()
		t.Errorf("tier %s, %s: the command ran", p.Tier, step)
		b.Close()
	} else if !errors.As(err, &setup) || setup.Step != noticed {
		t.Errorf("tier %s, %s: %v", p.Tier, step, err)
	}
	if _, err := os.Stat(marker); err == nil {
		t.Errorf("tier %s, %s: the command ran", p.Tier, step)
	}
}

func TestBrokenLandlockStopsTheStart(t *testing.T) {
	if abi, _ := landlockABI(); abi < scopeABI {
		t.Skipf("this kernel's Landlock has %s", haveABI(abi))
	}
	skipLandlock(t, weakPlan(t), "enforce the Landlock ruleset", "self-check: Landlock on writing")
	if os.Geteuid() != 0 { // root's box has another user than its pid 1
		skipLandlock(t, testPlan(t), "enforce the Landlock ruleset", "self-check: Landlock")
	}
}

// TestLooseGuardStopsTheStart holds that no guard runs outside a domain: what it
// does at the end reaches every process it can. So the test runs in a pid
// namespace, where that is not much.
func TestLooseGuardStopsTheStart(t *testing.T) {
	if abi, _ := landlockABI(); abi < scopeABI {
		t.Skipf("this kernel's Landlock has %s", haveABI(abi))
	}
	if os.Getenv("BAILEY_TEST_GUARD") != "" {
		if os.Getpid() != 1 {
			t.Fatal("not in a pid namespace of its own")
		}
		skipLandlock(t, weakPlan(t), "enforce the guard's Landlock ruleset", "self-check: the guard's domain")
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestLooseGuardStopsTheStart$", "-test.v")
	cmd.Env = append(os.Environ(), "BAILEY_TEST_GUARD=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}
	if uid, gid := os.Geteuid(), os.Getegid(); uid != 0 {
		outermost(t)
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestLooseGuardStopsTheStart") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestMissingWallStopsTheStart asks for what the plan gives nothing for.
func TestMissingWallStopsTheStart(t *testing.T) {
	for _, tt := range []struct {
		name   string
		id     string
		by     string
		change func(*plan.Plan)
	}{
		{"no broker", policy.WallNames, plan.ByBroker, func(p *plan.Plan) { p.Syscalls.Broker = false }},
		{"TCP not handled", policy.WallLandlockTCP, plan.ByLandlockTCP, func(p *plan.Plan) { p.Landlock.TCP = false }},
		{"no cgroup", policy.WallMemory, plan.ByCgroupMemory, func(p *plan.Plan) { p.Limits.Memory = 1 << 30 }},
		{"no such thing", "future", "magic", func(*plan.Plan) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := testPlan(t)
			tt.change(p)
			ask(p, tt.id, tt.by)
			marker := filepath.Join(p.Dir, "ran")
			cmd := &Command{Path: "/bin/touch", Args: []string{"touch", marker}}
			b, _, err := Open(p, cmd, Options{})
			var e *plan.WallError
			if err == nil {
				b.Close()
			}
			if !errors.As(err, &e) || e.Walls[0].ID != tt.id {
				t.Fatalf("%v", err)
			}
			if _, err := os.Stat(marker); err == nil {
				t.Fatal("the command ran")
			}
			if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
				t.Fatalf("a child stays: pid %d, %v", pid, err)
			}
			p.Accept = []policy.Value[string]{{V: tt.id, Set: true, From: policy.Source{Layer: policy.LayerFlag, File: "--accept"}}}
			b, proc, err := Open(p, cmd, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			proc.Wait()
			w := wallOf(t, b.Report(), tt.id)
			if w.Status != plan.Missing || w.Accepted == nil || w.Accepted.File != "--accept" || w.Achieved != "" {
				t.Errorf("%+v", w)
			}
		})
	}
}

// TestWatchOnPids holds a box whose processes no rlimit counts.
func TestWatchOnPids(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: only its processes are not counted by RLIMIT_NPROC")
	}
	p := testPlan(t)
	p.Limits.Pids = 20
	ask(p, policy.WallPids, plan.ByPidMax, plan.ByWatch)
	limit := make(chan string, 1)
	b, proc, err := Open(p, &Command{Path: "sh", Args: []string{"sh", "-c", "for i in $(seq 60); do sleep 1000 & done; wait"}, Env: []string{"PATH=/usr/bin:/bin"}},
		Options{fault: fault{oldKernel: true}, Limit: func(name string, limit_, used int64) { limit <- name }})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if w := wallOf(t, b.Report(), policy.WallPids); w.Status != plan.Weakened || w.How != plan.HowBailey {
		t.Errorf("%+v", w)
	}
	st, err := proc.Wait()
	if err != nil || st.Success() {
		t.Errorf("%v, %v", st, err)
	}
	if name := <-limit; name != "pids" {
		t.Errorf("ended by the limit on %s", name)
	}
}

// TestCgroupOfEveryCommand holds that each command of a box is in the box's cgroup.
func TestCgroupOfEveryCommand(t *testing.T) {
	parent := testCgroup(t)
	p := testPlan(t)
	p.Limits.Cgroup, p.Limits.Pids = parent, 0
	first, proc, err := sleeper(t, p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	inCgroup(t, first, proc)
	b, _, err := Open(p, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	proc, err = b.Start(&Command{Path: "sleep", Args: []string{"sleep", "1000"}, Env: []string{"PATH=/usr/bin:/bin"}})
	if err != nil {
		t.Fatal(err)
	}
	inCgroup(t, b, proc)
}

func inCgroup(t *testing.T, b *Box, p *Process) {
	t.Helper()
	text, err := os.ReadFile(b.cgroup + "/cgroup.procs")
	if err != nil {
		t.Fatal(err)
	}
	for pid := range strings.FieldsSeq(string(text)) {
		if pid == strconv.Itoa(p.PID) {
			return
		}
	}
	t.Errorf("pid %d is not among %q", p.PID, text)
}

// testCgroup makes a cgroup v2 to be taken for a delegated one. Its controllers do
// not matter here.
func testCgroup(t *testing.T) string {
	t.Helper()
	dir, why := newCgroup(t)
	if dir == "" {
		t.Skip("needs root, and cgroup v2: " + why)
	}
	return dir
}

func newCgroup(t *testing.T) (dir, why string) {
	t.Helper()
	why = "cgroup v2 is not mounted"
	for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var st unix.Statfs_t
		if unix.Statfs(root, &st) != nil || st.Type != unix.CGROUP2_SUPER_MAGIC {
			continue
		}
		dir, err := os.MkdirTemp(root, "test-bailey-")
		if err != nil {
			return "", err.Error()
		}
		t.Cleanup(func() { unix.Rmdir(dir) })
		return dir, ""
	}
	return "", why
}
