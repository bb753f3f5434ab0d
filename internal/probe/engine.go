//go:build linux

package probe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Options say what is attacked, and how.
type Options struct {
	Probes []Probe
	// Self is this program: it is copied into the scratch world and runs inside.
	Self string
	// Scratch are directories to make the scratch world in: the first that will do.
	// None is below /tmp.
	Scratch []string
	// Command is put in front of the probe program; nil for no sandbox at all.
	Command func(World) []string
	// Prepare, when not nil, adds to a world that was planted: policy files.
	Prepare func(World) error
	// ReadOnly says that the workspace is not to be written: controls that write are
	// not shown then.
	ReadOnly bool
	// Explain, when not nil, names the rules that grant paths of a world, or variables
	// ($NAME).
	Explain func(w World, paths []string) []Rule
	// Patience is how long a sandbox may take to come up; 0 is startLimit.
	Patience time.Duration
	// Gate, when not nil, is Command for a box that has a network: that of the grants.
	// It places what they need and says why there can be no such box, "" when there
	// can. Without it probes about bailey's gate are not shown.
	Gate func(World, Grants) (command []string, why string, err error)
	// Policy is what there is to know of the policy that is proved.
	Policy Policy
	// Progress, when not nil, is called when a probe is done, one call at a time.
	Progress func(done, total int, r *Result)
	// SelfCheck turns the meaning round: without walls each probe must happen.
	SelfCheck bool
}

// Policy says which probes make no sense under a policy, and why; "" where they do.
type Policy struct {
	Answered     string // what may answer questions in place of a person
	Unsupervised string // what keeps programs inside from being held against rules
}

// lacks says why a probe makes no sense for what is attacked.
func (o *Options) lacks(p *Probe, a access) string {
	switch {
	case p.Asks && o.Policy.Answered != "":
		return o.Policy.Answered
	case p.Supervised && o.Policy.Unsupervised != "":
		return o.Policy.Unsupervised
	case (p.OwnBox || p.NeedsBox) && a == accessPrefix:
		return notApplicable + "it is about the boxes of bailey, and this is another sandbox"
	case p.NeedsBox && a == accessDirect:
		return "without a box there is nothing to attack"
	}
	return ""
}

// Rule is what of a policy grants a path.
type Rule struct {
	Granted bool   // the policy gives it
	Rule    string // the pattern or path
	Where   string // file and line
}

// Status is what became of a probe.
type Status string

// The statuses. Controls are ok or broken; in a self-check probes are shown, or
// failed.
const (
	Held    Status = "held"
	Escaped Status = "escaped"
	Unknown Status = "unknown"
	Cannot  Status = "not shown" // this machine lacks what it needs
	OK      Status = "ok"
	Broken  Status = "broken control"
	Shown   Status = "shown"
	Failed  Status = "failed"
)

// Result is what became of one probe.
type Result struct {
	Probe    Probe
	Status   Status
	Reason   string
	Evidence string // host or probe
	Took     time.Duration
	Path     string // what was attacked, when it is a path, or $NAME
	Reads    bool   // it was attacked by reading
	Rule     Rule
	World    World
}

// StartError is a sandbox under which no probe ran.
type StartError struct{ What, Said string }

// Error prints what happened and the last words of the sandbox.
func (e *StartError) Error() string {
	if e.Said == "" {
		return e.What
	}
	return e.What + "; it said: " + e.Said
}

// ErrNothing is a run without a probe.
var ErrNothing = errors.New("no probe is selected")

// runLimit is for everything: several times what a slow machine takes.
const runLimit = 15 * time.Minute

// scenes are the scenarios in the order they are started: the longest first.
func scenes() []string {
	return []string{sceneSlow, sceneMain, sceneGate, sceneWeb, sceneSecond, sceneAsk, sceneKill, sceneEnd, sceneTTY, sceneFDs, sceneStdin, sceneStdinFile}
}

// slow are the categories that go into a box of their own, so that two processors
// have something to do: git is run by the judge, package managers inside.
func slow(category string) bool { return category == "git" || category == "lifecycle" }

// Run makes all attempts. The results are in the order of o.Probes. Everything
// planted is gone when it returns.
func Run(ctx context.Context, o Options) (results []Result, err error) {
	if len(o.Probes) == 0 {
		return nil, ErrNothing
	}
	if os.Getenv(inRun) != "" {
		return nil, errors.New("this process was started by a run: it must call Hidden")
	}
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	jan, err := startJanitor(o.Self)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, jan.finish()) }()
	base, err := newBase(jan, o.Scratch)
	if err != nil {
		return nil, err
	}
	r := &run{o: o, jan: jan, base: base, results: make([]Result, len(o.Probes))}
	at := map[string][]int{}
	for i := range o.Probes {
		scene := o.Probes[i].Scene
		if scene == sceneMain && slow(o.Probes[i].Category()) {
			scene = sceneSlow
		}
		at[scene] = append(at[scene], i)
	}
	var wg sync.WaitGroup
	errs := make([]error, len(scenes()))
	room := make(chan struct{}, max(2, runtime.NumCPU()))
	for i, scene := range scenes() {
		if len(at[scene]) == 0 {
			continue
		}
		wg.Add(1)
		room <- struct{}{}
		go func() {
			defer wg.Done()
			defer func() { <-room }()
			// What is planted in the thread's session keyring is inherited by what it
			// starts. The thread is not used for anything else: it ends with this.
			runtime.LockOSThread()
			if errs[i] = r.scene(ctx, scene, at[scene]); errs[i] != nil && !isRefusal(scene, errs[i]) {
				cancel()
			}
		}()
	}
	wg.Wait()
	reported := false
	for i := range r.results {
		switch r.results[i].Status {
		case Cannot, Unknown, "":
		default:
			reported = true
		}
	}
	for i, scene := range scenes() {
		if errs[i] != nil && isRefusal(scene, errs[i]) && reported {
			errs[i] = nil
		}
	}
	var start *StartError
	for _, e := range errs {
		if errors.As(e, &start) { // the others were only cancelled
			return nil, start
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if !reported {
		return nil, &StartError{What: "no probe reported"}
	}
	r.explain()
	return r.results, nil
}

// isRefusal says whether an error is that a sandbox did not start on something
// that it may well refuse.
func isRefusal(scene string, err error) bool {
	var start *StartError
	return (scene == sceneFDs || scene == sceneStdin || scene == sceneStdinFile) && errors.As(err, &start)
}

// run is one run.
type run struct {
	o    Options
	jan  *janitor
	base string

	mu      sync.Mutex
	done    int
	results []Result
}

// scene runs the probes of one scenario in a world of their own.
func (r *run) scene(ctx context.Context, scene string, at []int) error {
	name := "main"
	if scene != sceneMain {
		name = scene
	}
	h, err := newHost(r.jan, r.base, name, r.o.Self)
	if err != nil {
		return err
	}
	defer h.close()
	if _, _, e := unix.Syscall(unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0); e != 0 { // a new one, without a name
		h.noKeys = e.Error()
	}
	noTTY := ""
	if scene == sceneTTY {
		if m, s, err := openPTY(); err != nil {
			noTTY = "no terminals: " + err.Error()
		} else {
			m.Close()
			s.Close()
		}
	}
	gated := scene == sceneGate || scene == sceneWeb
	if gated {
		h.access, h.secretive = r.access(), scene == sceneGate
	}
	var cases []*Case
	var indices []int
	for _, i := range at {
		if err := ctx.Err(); err != nil {
			return err
		}
		c := newCase(h, r.o.Probes[i])
		if noTTY != "" {
			r.finish(i, c, Cannot, noTTY, 0)
			continue
		}
		if gated {
			if why := h.access.lacks(&c.Probe); why != "" {
				r.finish(i, c, Cannot, why, 0)
				continue
			}
		}
		if why := r.o.lacks(&c.Probe, r.access()); why != "" {
			r.finish(i, c, Cannot, why, 0)
			continue
		}
		if c.Writes && r.o.ReadOnly {
			r.finish(i, c, Cannot, "the mode is read-only", 0)
			continue
		}
		if c.Needs != nil {
			if why := c.Needs(c); why != "" {
				r.finish(i, c, Cannot, why, 0)
				continue
			}
		}
		if c.Plant != nil {
			err := c.Plant(c)
			if why := missing(err); why != "" {
				r.finish(i, c, Cannot, why, 0)
				continue
			}
			if err != nil {
				return fmt.Errorf("%s: %w", c.ID, err)
			}
		}
		cases, indices = append(cases, c), append(indices, i)
	}
	if len(cases) == 0 {
		return nil
	}
	if r.o.Prepare != nil {
		if err := r.o.Prepare(h.World); err != nil {
			return err
		}
		for _, c := range cases {
			c.lookAgain() // the policy files are ours
		}
	}
	if err := h.keep(); err != nil {
		return fmt.Errorf("keep the workspace: %w", err)
	}
	h.cases = cases
	if gated && h.access == accessGate {
		why := ""
		if h.command, why, err = r.o.Gate(h.World, h.grants()); err != nil {
			return err
		}
		if why != "" {
			for k, c := range cases {
				r.finish(indices[k], c, Cannot, why, 0)
			}
			return nil
		}
	}
	s := &stage{run: r, host: h, name: scene, cases: cases, indices: indices}
	switch scene {
	case sceneMain, sceneSlow, sceneAsk:
		return s.oneByOne(ctx)
	case sceneGate, sceneWeb:
		if err := s.oneByOne(ctx); err != nil {
			return err
		}
		s.lookBack()
		return nil
	case sceneSecond:
		return s.twice(ctx)
	}
	return s.allAtOnce(ctx)
}

// missing says what the kernel lacks when a thing could not be planted for that; ""
// for every other error, and for none.
func missing(err error) string {
	for _, e := range [...]unix.Errno{unix.ENOSYS, unix.EAFNOSUPPORT, unix.EPROTONOSUPPORT, unix.ESOCKTNOSUPPORT, unix.EADDRNOTAVAIL} {
		if errors.Is(err, e) {
			return "kernel feature missing: " + err.Error()
		}
	}
	return ""
}

// request is how a case is handed to the program inside.
func (c *Case) request() request {
	return request{ID: c.ID, Nonce: c.Nonce, World: c.World, Args: c.Args, Limit: c.limit().Milliseconds()}
}

// judge decides about a probe. rep is nil when none came.
func (r *run) judge(i int, c *Case, rep *Report, took time.Duration, why string) {
	happened, what := false, ""
	if c.Judge != nil {
		happened, what = c.Probe.Judge(c, rep)
	} else if rep != nil && rep.Claimed {
		happened, what = true, "it was not refused"
	}
	status, reason := Held, ""
	if rep != nil {
		reason = rep.Err
	}
	switch {
	case happened:
		status, reason = Escaped, what
	case rep == nil:
		status, reason = Unknown, "it did not report: "+why
	case rep.Lack != "" && c.MayLack:
		status, reason = Cannot, "program missing inside: "+rep.Lack
	case rep.Ended == "crash":
		status, reason = Unknown, "the probe itself failed: "+rep.Err
	case rep.Ended == "signal" && rep.Signal == int(unix.SIGSYS):
		reason = "it was ended for the system call"
	case rep.Ended == "signal":
		status, reason = Unknown, fmt.Sprintf("it was ended by signal %d", rep.Signal)
	case rep.Ended == "timeout":
		// It may have been refused, or never have come to its attempt.
		status, reason = Unknown, "it did not end in "+c.limit().String()
	}
	if c.Control {
		switch status {
		case Escaped:
			status = OK
		case Held:
			status = Broken
			if reason == "" {
				reason = "what should work does not"
			}
		}
	} else if r.o.SelfCheck {
		switch {
		case status == Escaped:
			status = Shown
		case status == Cannot:
		case c.NeedsRoot && os.Geteuid() != 0:
			status, reason = Cannot, "only root can do it without walls: "+reason
		default:
			status = Failed
		}
	}
	c.judged = true
	if happened {
		if c.Undo != nil {
			c.Undo(c)
		}
		if c.Dirty {
			if err := c.restore(); err != nil {
				status, reason = Unknown, "put the workspace back: "+err.Error()
			}
		}
	}
	r.finish(i, c, status, reason, took)
}

func (r *run) finish(i int, c *Case, status Status, reason string, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results[i] = Result{Probe: c.Probe, Status: status, Reason: plain(reason), Evidence: c.Evidence(), Took: took, Path: c.aim(), Reads: c.reads, World: c.World}
	r.done++
	if r.o.Progress != nil {
		r.o.Progress(r.done, len(r.o.Probes), &r.results[i])
	}
}

// plain keeps what a box has said from acting on a terminal, whatever form it is
// printed in.
func plain(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || !strconv.IsPrint(r) }) {
		return s
	}
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// explain asks which rule of the policy gives what got out.
func (r *run) explain() {
	if r.o.Explain == nil {
		return
	}
	worlds := map[World][]int{}
	for i := range r.results {
		if res := &r.results[i]; res.Status == Escaped && res.Path != "" {
			worlds[res.World] = append(worlds[res.World], i)
		}
	}
	for w, at := range worlds {
		paths := make([]string, len(at))
		for k, i := range at {
			paths[k] = r.results[i].Path
		}
		rules := r.o.Explain(w, paths)
		for k, i := range at {
			if k < len(rules) {
				rule := rules[k]
				rule.Rule, rule.Where = plain(rule.Rule), plain(rule.Where)
				r.results[i].Rule = rule
			}
		}
	}
}

// Listed are probes that nobody ran.
func Listed(probes []Probe) []Result {
	out := make([]Result, len(probes))
	for i := range probes {
		out[i] = Result{Probe: probes[i], Evidence: probes[i].Evidence(), Status: "listed"}
	}
	return out
}
