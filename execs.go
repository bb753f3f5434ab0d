package bailey

import (
	"context"
	"crypto/sha256"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/bailey-run/bailey/internal/approval"
	"github.com/bailey-run/bailey/internal/audit"
	"github.com/bailey-run/bailey/internal/linux"
	"github.com/bailey-run/bailey/internal/permission"
)

const (
	// maxPrograms is how many programs a session writes events of: a build of many
	// hours starts some ten thousand.
	maxPrograms = 100_000
	// maxPassed is how many programs that no rule is about are remembered, each with
	// its arguments, of at most maxPassedBytes.
	maxPassed, maxPassedBytes = 1024, 1024
	// maxRefused is how many refused programs are remembered, and sameTry for how long
	// the same process is refused the same without another question: execvp goes on in
	// the next directory of PATH, where the same program may be.
	maxRefused = 64
	sameTry    = 10 * time.Second
)

// execs is what a box does with the programs that are executed inside.
type execs struct {
	started atomic.Int64
	told    atomic.Int64 // of them, as events

	once  sync.Once // reads the first rules
	rules atomic.Pointer[permission.Deep]

	mu      sync.Mutex // guards what follows
	passed  map[string]struct{}
	refused []refusal
}

type refusal struct {
	key   [sha256.Size]byte
	until time.Time
}

// recorded says whether programs that are executed inside are told of.
func (c *Config) recorded() bool { return c.Log != "" || c.Events != nil }

// supervision is what the backend does with programs.
func (b *Box) supervision() *linux.Supervision {
	if !b.box.Syscalls.Exec {
		return nil
	}
	s := &linux.Supervision{}
	if b.judges() {
		s.Concerns = func(name string) bool {
			d := b.deep()
			return d != nil && d.Concerns(name)
		}
		s.Judge = b.judge
	}
	if b.plan.config.recorded() {
		s.Started, s.Ended, s.Missed = b.programStarted, b.programEnded, b.programsMissed
	}
	return s
}

// deep are the rules for programs, read when they are asked for the first time; nil
// for none.
func (b *Box) deep() *permission.Deep {
	b.execs.once.Do(func() { b.execs.rules.Store(b.plan.Policy().set().Deep()) })
	return b.execs.rules.Load()
}

// judges says whether the box was opened with rules for programs. Without, nobody
// looks at them, and new rules find nobody.
func (b *Box) judges() bool { return b.box.Syscalls.Exec && b.plan.policy.Deep() }

// follow takes the rules for programs of another policy.
func (b *Box) follow(p *Policy) {
	next := p.set().Deep()
	b.deep() // else the first would come in its place later
	b.execs.rules.Store(next)
	b.execs.mu.Lock()
	defer b.execs.mu.Unlock()
	b.execs.passed, b.execs.refused = nil, nil
}

// rule is the rule that decides about a program, for any of the names that it goes
// by. The first list of words is what a person is shown.
func (b *Box) rule(d *permission.Deep, lists [][]string) (permission.Part, bool) {
	if d == nil {
		return permission.Part{}, false
	}
	var found permission.Part
	any := false
	for _, words := range lists {
		p, ruled := d.Check(words, permission.Context{Cwd: b.plan.Dir(), Home: b.plan.policy.Home})
		if ruled && (!any || p.Verdict == Deny && found.Verdict != Deny) {
			found, any = p, true
		}
	}
	return found, any
}

// programNames are the ways to read what is executed: as it is called, where that leads,
// by the name that it is given, and as its interpreter runs it.
func programNames(e *linux.Exec) [][]string {
	var rest []string
	if len(e.Args) > 0 {
		rest = e.Args[1:]
	}
	with := func(first ...string) []string { return append(first, rest...) }
	lists := [][]string{with(shown(e.Path))}
	if e.Real != "" && path.Base(e.Real) != path.Base(e.Path) {
		lists = append(lists, with(e.Real))
	}
	if len(e.Args) > 0 && e.Args[0] != "" && path.Base(e.Args[0]) != path.Base(e.Path) {
		lists = append(lists, e.Args)
	}
	run := with(e.Path)
	for i := range e.Scripts {
		s := &e.Scripts[i]
		run = append(slices.Clone(s.Words), run...)
		lists = append(lists, run)
		if s.Real != "" && path.Base(s.Real) != path.Base(s.Words[0]) {
			lists = append(lists, append([]string{s.Real}, run[1:]...))
		}
	}
	return lists
}

// programKey is all that the answer of the rules hangs on: a link that leads to another
// program by now is another key.
func programKey(e *linux.Exec) string {
	parts := append([]string{e.Path, e.Real}, e.Args...)
	for i := range e.Scripts {
		parts = append(append(parts, "#!", e.Scripts[i].Real), e.Scripts[i].Words...)
	}
	return strings.Join(parts, "\x00")
}

// shown is how a program is written: by its name alone where only the owner of the
// machine puts programs, as a person would type it.
func shown(program string) string {
	switch dir, name := path.Split(program); dir {
	case "/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/", "/usr/local/bin/":
		if name != "" {
			return name
		}
	}
	return program
}

// maxShown is how much of a command a refusal shows, in bytes.
const maxShown = 300

// cut writes words as a command, as many as a refusal shows. None is cut in two: a
// part of a secret would not be known for one.
func cut(words []string) string {
	n := 0
	for i, w := range words {
		if n += len(w) + 1; n > maxShown {
			return text(permission.Quote(words[:i])) + " …"
		}
	}
	return text(permission.Quote(words))
}

// judge holds a program that is about to be executed against the rules.
func (b *Box) judge(ctx context.Context, e *linux.Exec) syscall.Errno {
	rules := b.deep()
	key := programKey(e)
	if b.execs.passes(key) {
		return 0
	}
	lists := programNames(e)
	p, ruled := b.rule(rules, lists)
	if !ruled {
		b.passed(rules, key)
		return 0
	}
	subject := permission.Quote(lists[0])
	// The directory is left out: it is what execvp changes from one try to the next.
	again := sha256.Sum256([]byte(strconv.Itoa(e.PID) + "\x00" + path.Base(e.Path) + "\x00" + strings.Join(e.Args, "\x00")))
	if b.execs.again(again) {
		return syscall.EACCES
	}
	d := Denial{Op: "exec", Target: cut(lists[0]), Rule: ruleText(&p), Hint: p.Change, PID: e.PID, Exe: text(e.By)}
	if p.Verdict == Ask {
		a := b.ask(ctx, approval.Question{Kind: approval.Command, Subject: text(subject), Rule: p.Rule, Where: p.From.String(), PID: e.PID, Exe: text(e.By),
			Scopes: []approval.Scope{approval.Once, approval.Session, approval.Project, approval.Always}})
		if a.Allow {
			return 0
		}
		if ctx.Err() != nil {
			return syscall.EACCES // nobody is there to be refused
		}
		d.Rule = "asked by " + d.Rule + "; " + answeredBy(&a)
	}
	b.execs.refuse(again)
	b.denials.add(d)
	return syscall.EACCES
}

// answeredBy says who said no, or why nobody did.
func answeredBy(a *approval.Answer) string {
	s := a.Rule
	if a.Note != "" && a.By != "grant" { // a grant's rule has the note
		s += ": " + a.Note
	}
	return text(s)
}

// ruleText names a rule with its place and its reason.
func ruleText(p *permission.Part) string { return p.Reason }

// topCommand holds the command that somebody starts in the box against the rules for
// programs: what they refuse inside, they refuse here.
func (b *Box) topCommand(ctx context.Context, words []string) error {
	if !b.plan.policy.Deep() {
		return nil
	}
	p, ruled := b.rule(b.deep(), [][]string{words})
	if !ruled {
		return nil
	}
	subject := text(permission.Quote(words))
	e := &DeniedError{Op: "exec", Target: cut(words), Rule: ruleText(&p), Hint: p.Change}
	if p.Verdict == Ask {
		a := b.ask(ctx, approval.Question{Kind: approval.Command, Subject: subject, Rule: p.Rule, Where: p.From.String(),
			Scopes: []approval.Scope{approval.Once, approval.Session, approval.Project, approval.Always}})
		if a.Allow {
			return nil
		}
		e.Rule = "asked by " + e.Rule + "; " + answeredBy(&a)
	}
	b.denials.add(Denial{Op: e.Op, Target: e.Target, Rule: e.Rule, Hint: e.Hint})
	return e
}

func (x *execs) passes(key string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	_, ok := x.passed[key]
	return ok
}

// passed notes a program that none of the rules is about, unless there are others
// meanwhile.
func (b *Box) passed(rules *permission.Deep, key string) {
	if len(key) > maxPassedBytes {
		return
	}
	x := &b.execs
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.rules.Load() != rules {
		return
	}
	if x.passed == nil || len(x.passed) >= maxPassed {
		x.passed = map[string]struct{}{}
	}
	x.passed[key] = struct{}{}
}

func (x *execs) again(key [sha256.Size]byte) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := time.Now()
	return slices.ContainsFunc(x.refused, func(r refusal) bool { return r.key == key && now.Before(r.until) })
}

func (x *execs) refuse(key [sha256.Size]byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.refused) >= maxRefused {
		x.refused = slices.Delete(x.refused, 0, 1)
	}
	x.refused = append(x.refused, refusal{key, time.Now().Add(sameTry)})
}

// programStarted writes the event of a program.
func (b *Box) programStarted(e *linux.Exec) {
	b.execs.started.Add(1)
	switch told := b.execs.told.Add(1); {
	case told == maxPrograms+1:
		b.denials.emitEvent(audit.Limit{Limit: "programs", Value: maxPrograms, Unit: "count"})
		return
	case told > maxPrograms:
		return
	}
	p := audit.Program{PID: e.PID, Inside: e.Inside, Parent: e.Parent, Path: text(e.Path), Dir: text(e.Dir), By: text(e.By), More: e.More, Args: make([]string, len(e.Args))}
	if e.Real != e.Path {
		p.Real = text(e.Real)
	}
	for i, a := range e.Args {
		p.Args[i] = text(a)
	}
	b.denials.emitEvent(p)
}

// programEnded writes how a process ended.
func (b *Box) programEnded(e *linux.ExecEnd) {
	if b.execs.told.Load() > maxPrograms {
		return
	}
	x := audit.ProgramExit{PID: e.PID, Inside: e.Inside, Known: e.Known}
	switch {
	case !e.Known:
	case e.Status.Signaled():
		x.Code, x.Signal = 128+int(e.Status.Signal()), e.Status.Signal().String()
	default:
		x.Code = e.Status.ExitStatus()
	}
	b.denials.emitEvent(x)
}

// programsMissed notes programs that came too fast to be told one by one.
func (b *Box) programsMissed(n int) {
	b.execs.started.Add(int64(n))
	b.denials.emitEvent(audit.Limit{Limit: "program-queue", Value: int64(n), Unit: "count"})
}

// Programs is how many programs the box has executed, as far as they are recorded:
// with Config.Log or Config.Events, and without exec.supervise = "off".
func (b *Box) Programs() int { return int(b.execs.started.Load()) }
