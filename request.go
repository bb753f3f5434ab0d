package bailey

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bailey-run/bailey/internal/approval"
	"github.com/bailey-run/bailey/internal/inside"
	"github.com/bailey-run/bailey/internal/layers"
	"github.com/bailey-run/bailey/internal/linux"
	"github.com/bailey-run/bailey/internal/plan"
)

const (
	// maxTalking is how many connections from inside are served at once; others wait
	// in the socket's queue, which is short. Each waits for a person.
	maxTalking = 8
	// maxAsked and askedTime bound how often a box may ask: a person who is asked
	// without an end says yes to the wrong thing.
	maxAsked  = 30
	askedTime = time.Minute
	// talkTime bounds how long a program may take to say what it wants, and to take
	// the answer.
	talkTime = 5 * time.Second
	// answerTime is how long a question waits for a person.
	answerTime = 2 * time.Minute
	// maxGrants is how many things are granted to one box.
	maxGrants = 1000
)

// requests serves what programs inside ask for.
type requests struct {
	box      *Box
	inner    *linux.Box
	listener net.Listener
	ctx      context.Context
	stop     context.CancelFunc
	slots    chan struct{}
	wait     sync.WaitGroup

	mu       sync.Mutex // guards what follows
	asked    []time.Time
	grants   []inside.Grant
	lent     []lent
	clock    *time.Timer   // of the next answer that ends
	patience time.Duration // for an answer: answerTime, less in tests

	show sync.Mutex // one at a time
}

// serveRequests begins to listen, where the box has a socket.
func (b *Box) serveRequests(lb *linux.Box) {
	f := lb.Requests()
	if f == nil {
		return
	}
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return // nobody can ask: the box can do without
	}
	r := &requests{box: b, inner: lb, listener: l, slots: make(chan struct{}, maxTalking), patience: answerTime}
	r.ctx, r.stop = context.WithCancel(context.Background())
	b.asks = r
	r.wait.Add(1)
	go r.serve()
}

func (r *requests) close() {
	if r == nil {
		return
	}
	r.stop()
	r.listener.Close()
	r.wait.Wait()
	r.mu.Lock()
	r.arm() // to nothing
	r.mu.Unlock()
}

func (r *requests) serve() {
	defer r.wait.Done()
	for {
		select {
		case r.slots <- struct{}{}:
		case <-r.ctx.Done():
			return
		}
		c, err := r.listener.Accept()
		if err != nil {
			if r.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			<-r.slots
			time.Sleep(10 * time.Millisecond) // out of descriptors, perhaps: not a busy loop
			continue
		}
		u, ok := c.(*net.UnixConn)
		var who asker
		if ok {
			who.pid, who.exe, ok = r.inner.Asker(u)
		}
		if !ok {
			c.Close()
			<-r.slots
			continue
		}
		r.wait.Add(1)
		go func() {
			defer r.wait.Done()
			defer func() { <-r.slots }()
			defer u.Close()
			r.talk(u, who)
		}()
	}
}

// asker is the program that asks; for messages.
type asker struct {
	pid int
	exe string
}

// talk answers one request.
func (r *requests) talk(c *net.UnixConn, who asker) {
	c.SetReadDeadline(time.Now().Add(talkTime))
	var a inside.Answer
	if q, err := inside.Read(c); err != nil {
		a.Error = err.Error()
	} else {
		ctx, cancel := context.WithTimeout(r.ctx, r.waits())
		defer cancel()
		c.SetReadDeadline(time.Time{})
		defer context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Now()) })()
		go func() {
			// A program that has gone away asks nothing any more; one that goes on
			// talking had its turn.
			var one [1]byte
			c.Read(one[:])
			cancel()
		}()
		a = r.answer(ctx, q, who)
	}
	c.SetWriteDeadline(time.Now().Add(talkTime))
	json.NewEncoder(c).Encode(a)
}

// waits is how long a question waits for a person.
func (r *requests) waits() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.patience
}

func (r *requests) answer(ctx context.Context, q inside.Request, who asker) inside.Answer {
	switch q.Op {
	case "denials":
		return inside.Answer{Denials: r.box.Denials()}
	case "grants":
		r.mu.Lock()
		defer r.mu.Unlock()
		return inside.Answer{Grants: slices.Clone(r.grants)}
	}
	if !r.mayAsk() {
		return inside.Answer{Reason: "this box has asked " + strconv.Itoa(maxAsked) + " times within a minute", Hint: "go on without, and ask again later for what matters"}
	}
	question := approval.Question{Kind: approval.Kind(q.Kind), Subject: q.Subject, Why: q.Why, Rule: "asked for from inside", PID: who.pid, Exe: text(who.exe)}
	switch question.Kind {
	case approval.Read, approval.Write:
		return r.path(ctx, question)
	case approval.Network:
		question.Rule = untilEnd
		return r.host(ctx, question)
	case approval.Exception:
		return r.exception(question, q.Args)
	}
	command, _ := json.Marshal(map[string]string{"command": q.Subject})
	switch r.box.plan.Policy().Check("Bash", command).Verdict {
	case Deny:
		return inside.Answer{Reason: "the rules refuse it", Hint: "bailey check says which part and which rule"}
	case Allow:
		return inside.Answer{Granted: true, Holds: inside.Now, Reason: "the rules allow it"}
	}
	return r.said(question, r.box.ask(ctx, question), inside.Now)
}

// mayAsk counts.
func (r *requests) mayAsk() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.asked = slices.DeleteFunc(r.asked, func(t time.Time) bool { return now.Sub(t) > askedTime })
	if len(r.asked) >= maxAsked || len(r.grants) >= maxGrants {
		return false
	}
	r.asked = append(r.asked, now)
	return true
}

// said turns what a person said into the answer, and notes a grant.
func (r *requests) said(q approval.Question, a approval.Answer, holds string) inside.Answer {
	out := inside.Answer{Granted: a.Allow, Scope: string(a.Scope), By: a.By, Reason: a.Rule}
	if !a.Allow {
		out.Hint = "go on without it"
		if a.By == "nobody" {
			out.Hint = "nobody can be asked here; a person can name it in the policy before the run"
		}
		return out
	}
	out.Holds = holds
	g := inside.Grant{Kind: string(q.Kind), Subject: q.Subject, Scope: out.Scope, Holds: holds}
	r.mu.Lock()
	fresh := !slices.Contains(r.grants, g)
	if fresh {
		r.grants = append(r.grants, g)
	}
	r.mu.Unlock()
	if fresh && holds == inside.Now && q.Kind != approval.Command {
		r.lend(g, a.Expires)
	}
	return out
}

// granted says whether p was shown to the box already.
func (r *requests) granted(p string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.grants, func(g inside.Grant) bool {
		return g.Kind == string(approval.Read) && g.Holds == inside.Now && (p == g.Subject || strings.HasPrefix(p, g.Subject+"/"))
	})
}

// untilEnd tells a person what a yes to something that a running box gets is: there is
// no single use of a path or a host that it could be for.
const untilEnd = "asked for from inside; once is until the box ends"

// nextRun tells a person that a yes for once would open nothing.
const nextRun = "asked for from inside; it holds from the next run on, so once opens nothing"

const notGranted = "the policy keeps it, or what it leads to, from being granted"

// path answers for a path. What a person is shown is what the path leads to on the
// host, without links; the file found there is held open, and only that file is
// shown to the box.
func (r *requests) path(ctx context.Context, q approval.Question) inside.Answer {
	b, write := r.box, q.Kind == approval.Write
	facts, pol := b.plan.facts, b.plan.policy
	if !path.IsAbs(q.Subject) {
		return inside.Answer{Error: "a path is absolute"}
	}
	q.Subject = path.Clean(q.Subject)
	refused := inside.Answer{Reason: notGranted, Hint: "go on without it"}
	if ownPath(q.Subject) && write {
		refused.Reason = inside.Dir + " is the box's own, and read-only"
		return refused
	}
	if b.opens(q.Subject, write) {
		return r.already(q.Subject, write)
	}
	if why := plan.RefuseGrant(pol, facts, q.Subject, write); why != "" {
		refused.Reason += ": " + why
		return refused
	}
	if plan.LeadsHidden(pol, facts, q.Subject, look) {
		return refused
	}
	if !write && r.granted(q.Subject) {
		return r.already(q.Subject, write)
	}
	// Whether something is there is not for the box to know before a person said yes.
	f, real, err := linux.Find(q.Subject)
	if err == nil {
		defer f.Close()
		q.Subject = real
		if plan.RefuseGrant(pol, facts, real, write) != "" || plan.LeadsHidden(pol, facts, real, look) || ownPath(real) || !path.IsAbs(real) {
			return refused
		}
	}
	cfg := b.plan.config
	if write {
		cfg.Write = append(slices.Clip(cfg.Write), q.Subject)
	} else {
		cfg.Read = append(slices.Clip(cfg.Read), q.Subject)
	}
	if b.loosens(cfg) != nil {
		return refused
	}
	holds, why := inside.Now, ""
	if write {
		holds, why = inside.NextRun, "a running box gets no new writable path"
		q.Scopes = []approval.Scope{approval.Project, approval.Always}
	} else if why = plan.GrantLater(b.box, q.Subject); why != "" {
		holds = inside.NextRun
		q.Scopes = []approval.Scope{approval.Project, approval.Always}
	} else {
		q.Rule = untilEnd
	}
	if holds == inside.NextRun {
		q.Rule = nextRun
	}
	a := b.ask(ctx, q)
	if !a.Allow {
		return r.said(q, a, "")
	}
	failed := func(reason string) inside.Answer {
		return inside.Answer{Scope: string(a.Scope), By: a.By, Reason: reason}
	}
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return failed("it was granted, but there is nothing at that path")
		}
		return failed("it was granted, but cannot be opened")
	}
	info, err := f.Stat()
	if err != nil || !info.IsDir() && !info.Mode().IsRegular() {
		return failed("it was granted, but it is neither a file nor a directory")
	}
	if holds == inside.NextRun {
		if a.Scope != approval.Project && a.Scope != approval.Always {
			return failed("it was granted for once alone, and " + why + ": it would hold for the project from the next run on")
		}
		out := r.said(q, a, holds)
		out.Reason = why
		return out
	}
	s := linux.Show{Path: q.Subject, File: f, Dir: info.IsDir()}
	if s.Dir {
		s.Masks = plan.GrantMasks(pol, facts, q.Subject, look)
	}
	r.show.Lock()
	err = r.inner.Show(s)
	r.show.Unlock()
	switch {
	case errors.Is(err, linux.ErrChanged):
		return failed(err.Error())
	case err != nil:
		return failed("it was granted, but could not be shown: " + err.Error())
	}
	return r.said(q, a, holds)
}

// ownPath says whether a path is what the box says of itself, which is no path of the
// host.
func ownPath(p string) bool { return p == inside.Dir || strings.HasPrefix(p, inside.Dir+"/") }

// opens says whether the plan opens a path, as it is spelled.
func (b *Box) opens(p string, write bool) bool {
	e := b.plan.Explain(p)
	return e.Write || !write && (e.Read || ownPath(p))
}

// already answers for a path that is open, as it is spelled. A link, which the box may
// have made, leads where it likes: then the end of it must be open too, and the answer
// is the same whether anything is there.
func (r *requests) already(p string, write bool) inside.Answer {
	if !straight(p) && !r.leadsOpen(p, write) {
		return inside.Answer{Reason: "it is a link to what is not open to this box", Hint: "ask for the path that it leads to"}
	}
	return inside.Answer{Granted: true, Holds: inside.Now, Reason: "it is open to this box already"}
}

// leadsOpen says whether what a path leads to is there, and open.
func (r *requests) leadsOpen(p string, write bool) bool {
	f, real, err := linux.Find(p)
	if err != nil {
		return false
	}
	f.Close()
	pol, facts := r.box.plan.policy, r.box.plan.facts
	return r.box.opens(real, write) || !write && r.granted(real) && plan.RefuseGrant(pol, facts, real, false) == "" && !plan.LeadsHidden(pol, facts, real, look)
}

// straight says that no part of a path is a symbolic link.
func straight(p string) bool {
	for ; p != "/"; p = path.Dir(p) {
		if info, err := os.Lstat(p); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return false
		}
	}
	return true
}

// look says what a path of the host leads to.
func look(p string) plan.Path {
	f, real, err := linux.Find(p)
	if err != nil {
		return plan.Path{}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return plan.Path{}
	}
	return plan.Path{Exists: true, Real: real, IsDir: info.IsDir(), Regular: info.Mode().IsRegular()}
}

// loosens says why the layers of the policy would not have cfg: the machine's owner
// may have locked what it adds.
func (b *Box) loosens(cfg Config) error {
	facts, err := layers.Look(cfg.Dir, cfg.Home)
	if err != nil {
		return err
	}
	_, err = layers.Load(facts, cfg.overrides())
	return err
}
