package bailey

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bailey-run/bailey/internal/approval"
	"github.com/bailey-run/bailey/internal/audit"
	"github.com/bailey-run/bailey/internal/gate"
	"github.com/bailey-run/bailey/internal/linux"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

// maxApprovals is how many approval events a session writes.
const maxApprovals = 10_000

// newDesk makes the desk that a box's questions come to.
func (b *Box) newDesk() *approval.Desk {
	p := b.plan
	d := &approval.Desk{Session: b.session, Project: p.Workspace(), Person: p.config.Ask, Others: b.others}
	d.Never, d.NoKeep = unasked(p.policy), unkept(p.policy)
	d.Grants = openGrants(p.facts)
	if program := p.policy.Permissions.Delegate; program.Set {
		d.Program = &delegateAsker{program.V, p.facts.StartDir}
	}
	var told atomic.Int64
	d.Told = func(q approval.Question, a approval.Answer) {
		switch n := told.Add(1); {
		case n < maxApprovals:
			b.denials.emitEvent(approvalEvent(&q, a))
		case n == maxApprovals:
			b.denials.emitEvent(audit.Limit{Limit: "approvals", Value: maxApprovals, Unit: "count"})
		}
	}
	return d
}

// unasked says why nobody is asked under a policy, "" where somebody may be.
func unasked(p *policy.Policy) string {
	if p.Approval.V != policy.Never {
		return ""
	}
	return `nobody is asked under approval = "never" (` + plan.Where(p.Approval.From) + ")"
}

// unkept says why grants do not count under a policy, "" where they do.
func unkept(p *policy.Policy) string {
	g := &p.Permissions.Grants
	if g.V != "none" {
		return ""
	}
	return `permissions.grants = "none" (` + plan.Where(g.From) + ")"
}

func approvalEvent(q *approval.Question, a approval.Answer) audit.Approval {
	e := audit.Approval{
		Kind: string(q.Kind), Subject: text(q.Subject), Verdict: string(Deny), Scope: string(a.Scope), By: a.By, Rule: text(a.Rule), Note: text(a.Note),
		Why: text(q.Why), Asks: text(q.Rule), PID: q.PID, Exe: text(q.Exe),
	}
	if a.Allow {
		e.Verdict = string(Allow)
	}
	if e.Scope == "" {
		e.Scope = string(approval.Once)
	}
	if !a.Expires.IsZero() {
		e.Expires = a.Expires.UTC().Format(time.RFC3339)
	}
	return e
}

// ask brings a question of this box to whoever may answer it: what is granted
// already, then a person. Where nobody can be asked the answer is no, at once. It
// is called from many goroutines, and may take minutes.
func (b *Box) ask(ctx context.Context, q approval.Question) approval.Answer {
	return b.desk.Ask(ctx, q)
}

// gateAsker brings the gate's questions to the box.
type gateAsker struct{ box *Box }

func (g gateAsker) Ask(ctx context.Context, q gate.Question) gate.Answer {
	a, ok := g.box.desk.Held(approval.Network, q.Target())
	if !ok {
		full := approval.Question{Kind: approval.Network, Subject: q.Target(), Rule: `network.default = "ask"`}
		from := g.box.plan.policy.Network.Default
		if from.V != "ask" {
			full.Rule, from.From = `approval = "on-failure"`, g.box.plan.policy.Approval.From
		}
		if from.From.File != "" {
			full.Where = plan.Where(from.From)
		}
		full.PID, full.Exe = q.Owner()
		a = g.box.ask(ctx, full)
	}
	return gate.Answer{Allow: a.Allow, Rule: a.Rule}
}

// approversDir is where those who wait to answer have their sockets.
func approversDir(f *plan.Facts) string {
	if f.StateDir == "" {
		return ""
	}
	return filepath.Join(f.StateDir, "approvers")
}

// others lets answers in from elsewhere, and says whether somebody waits there.
func (b *Box) others(ctx context.Context) <-chan struct{} {
	if b.startControl() == nil {
		return nil
	}
	return attended(ctx, approversDir(b.plan.facts))
}

// attended returns a channel that is closed when nobody waits any more to answer
// questions; nil when nobody does now.
func attended(ctx context.Context, dir string) <-chan struct{} {
	list, err := linux.Sessions(dir)
	if err != nil {
		return nil
	}
	var here []<-chan struct{}
	for _, name := range list {
		conn, err := linux.DialSession(dir, name)
		if err != nil {
			continue
		}
		if !linux.SamePeer(conn) {
			conn.Close()
			continue
		}
		gone := make(chan struct{})
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		go func() {
			defer close(gone)
			defer stop()
			defer conn.Close()
			conn.Read(make([]byte, 1)) // it says nothing until it goes
		}()
		here = append(here, gone)
	}
	if here == nil {
		return nil
	}
	all := make(chan struct{})
	go func() {
		defer close(all)
		for _, gone := range here {
			<-gone
		}
	}()
	return all
}

// outside names the sessions that are questions of no box.
const outside = "question-"

// askOutside makes a desk for questions that no box asks: about what an agent
// does outside of one, and about what happens before or after one is there. done
// is called when there are no more.
func askOutside(f *plan.Facts, p *policy.Policy, person Asker) (d *approval.Desk, done func()) {
	d = &approval.Desk{Session: outside + newSession(), Project: p.Workspace, Never: unasked(p), NoKeep: unkept(p), Grants: openGrants(f), Person: person}
	var once sync.Once
	c := &control{session: d.Session, desk: d, dir: sessionsDir(f), stop: make(chan struct{})}
	d.Others = func(ctx context.Context) <-chan struct{} {
		once.Do(func() { c.listen() })
		if c.listener == nil {
			return nil
		}
		return attended(ctx, approversDir(f))
	}
	return d, func() {
		d.Close()
		once.Do(func() {})
		c.close()
	}
}
