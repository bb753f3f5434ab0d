package bailey

import (
	"context"
	"sync"

	"github.com/bailey-run/bailey/internal/approval"
	"github.com/bailey-run/bailey/internal/gate"
)

// maxAnswers for the session are kept; beyond, a person is asked again.
const maxAnswers = 4096

// questionKey is what answers are kept by.
type questionKey struct {
	kind    approval.Kind
	subject string
}

// answers are those that hold for the session.
type answers struct {
	mu   sync.Mutex
	kept map[questionKey]approval.Answer
}

func (a *answers) get(q *approval.Question) (approval.Answer, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	found, ok := a.kept[questionKey{q.Kind, q.Subject}]
	return found, ok
}

func (a *answers) keep(q *approval.Question, x approval.Answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept == nil {
		a.kept = map[questionKey]approval.Answer{}
	}
	if len(a.kept) < maxAnswers {
		a.kept[questionKey{q.Kind, q.Subject}] = x
	}
}

// ask brings a question of this box to whoever may answer it: what is granted
// already, then a person. Where nobody can be asked the answer is no, at once. It
// is called from many goroutines, and may take minutes.
func (b *Box) ask(ctx context.Context, q approval.Question) approval.Answer {
	q.Session, q.Project = b.session, b.plan.Workspace()
	if a, ok := b.answers.get(&q); ok {
		return a
	}
	asker := b.plan.config.Ask
	if asker == nil {
		return approval.Answer{By: "nobody", Rule: "nobody to ask"}
	}
	a := asker.Ask(ctx, q)
	if a.Scope != approval.Once && a.Scope != "" {
		b.answers.keep(&q, a)
	}
	return a
}

// gateAsker brings the gate's questions to the box.
type gateAsker struct{ box *Box }

func (g gateAsker) Ask(ctx context.Context, q gate.Question) gate.Answer {
	full := approval.Question{Kind: approval.Network, Subject: q.Target(), Rule: `network.default = "ask"`}
	a, ok := g.box.answers.get(&full)
	if !ok {
		full.PID, full.Exe = q.Owner()
		a = g.box.ask(ctx, full)
	}
	return gate.Answer{Allow: a.Allow, Rule: a.Rule}
}
