package approval

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"time"
)

const (
	// Patience is how long a question waits for a person. A program that is held
	// longer looks as if it hung.
	Patience = 2 * time.Minute
	// maxPending questions wait at a time. A person reads a list of some hundred;
	// more is a box that floods, and is denied.
	maxPending = 256
	// maxAnswers are kept for a session; beyond, a person is asked again.
	maxAnswers = 4096
)

// Desk brings the questions of one box to whoever may answer them: the policy,
// what is granted already, the answers of this session, then a person, in this
// order. Set its fields before the first question.
type Desk struct {
	Session string
	Project string
	Never   string // why nobody is asked; "" where somebody may be
	Grants  *Grants
	NoKeep  string // why grants are neither kept nor counted; "" where they are

	// Person is the terminal, or what a program puts in its place; nil: there is none.
	Person Asker
	// Others opens the door for answers from elsewhere. It returns nil where nobody
	// waits there, else a channel that is closed when the last one has gone. Nil:
	// there is no such door.
	Others func(ctx context.Context) <-chan struct{}
	// Program answers in place of a person when there is none; nil: there is none.
	Program Asker
	// Told is called with every answer and whether it is a new one; nil tells nobody.
	Told func(q Question, a Answer)

	patience time.Duration // for tests; 0 is Patience

	mu      sync.Mutex // guards what follows
	closed  bool
	answers map[key]Answer
	pending []*pending
	told    map[string]bool // ids of grants
	work    sync.WaitGroup
	ctx     context.Context
	stop    context.CancelFunc
}

// key is what answers are kept by.
type key struct {
	kind    Kind
	subject string
}

// pending is a question on its way.
type pending struct {
	Pending
	waiters int
	cancel  context.CancelFunc
	given   chan Answer // from elsewhere
	done    chan struct{}
	answer  Answer
}

// Pending is a question that waits for its answer.
type Pending struct {
	ID       string
	Question Question
	Since    time.Time
}

func denied(by, rule string) Answer { return Answer{Scope: Once, By: by, Rule: rule} }

// Held looks for an answer that holds already.
func (d *Desk) Held(kind Kind, subject string) (Answer, bool) {
	q := Question{Kind: kind, Subject: subject}
	a, ok := d.held(&q)
	return a, ok
}

func (d *Desk) held(q *Question) (Answer, bool) {
	d.mu.Lock()
	kept, ok := d.answers[key{q.Kind, q.Subject}]
	d.mu.Unlock()
	ok = ok && (kept.Expires.IsZero() || time.Now().Before(kept.Expires))
	if ok && !kept.Allow {
		return kept, true
	}
	if d.NoKeep == "" {
		g, found, err := d.Grants.Find(d.Project, q.Kind, q.Subject)
		if err != nil {
			return denied("grant", err.Error()), true
		}
		if found && (!g.Allow || !ok) {
			d.Grants.Use(g.ID)
			a := Answer{Allow: g.Allow, Scope: g.Scope, Expires: g.Expires, Note: g.Note, By: "grant", Rule: g.Origin()}
			d.mu.Lock()
			first := !d.told[g.ID]
			if d.told == nil {
				d.told = map[string]bool{}
			}
			d.told[g.ID] = true
			d.mu.Unlock()
			if first {
				d.tell(q, a)
			}
			return a, true
		}
	}
	return kept, ok
}

func (d *Desk) tell(q *Question, a Answer) {
	if d.Told != nil {
		d.Told(*q, a)
	}
}

// Ask is Asker's.
func (d *Desk) Ask(ctx context.Context, q Question) Answer {
	q.Session, q.Project = d.Session, d.Project
	if d.Never != "" {
		a := denied("policy", d.Never)
		d.tell(&q, a)
		return a
	}
	if a, ok := d.held(&q); ok {
		return a
	}
	q.Scopes = d.scopes(&q)
	d.mu.Lock()
	p := d.find(&q)
	if p == nil {
		why := ""
		switch {
		case d.closed:
			why = "the box is being closed"
		case len(d.pending) >= maxPending:
			why = "too many questions wait for an answer"
		}
		if why != "" {
			d.mu.Unlock()
			a := denied(Nobody, why)
			d.tell(&q, a)
			return a
		}
		p = d.begin(q)
	}
	p.waiters++
	d.mu.Unlock()
	select {
	case <-p.done:
		return p.answer
	case <-ctx.Done():
	}
	d.mu.Lock()
	if p.waiters--; p.waiters == 0 {
		p.cancel() // nobody wants to know any more
	}
	d.mu.Unlock()
	return denied(Nobody, "nobody answered in time")
}

// scopes are those that an answer to q may have.
func (d *Desk) scopes(q *Question) []Scope {
	if !q.Keepable() {
		return nil
	}
	out := []Scope{Session}
	if d.NoKeep == "" && d.Grants != nil {
		if d.Project != "" {
			out = append(out, Project)
		}
		if q.Kind != Exception { // what runs without walls is never everywhere
			out = append(out, Always)
		}
	}
	return slices.DeleteFunc(out, func(s Scope) bool { return len(q.Scopes) > 0 && !slices.Contains(q.Scopes, s) })
}

func (d *Desk) find(q *Question) *pending {
	for _, p := range d.pending {
		if p.Question.Kind == q.Kind && p.Question.Subject == q.Subject && p.Question.Unclear == q.Unclear {
			return p
		}
	}
	return nil
}

// begin sends a question on its way. The caller holds the lock.
func (d *Desk) begin(q Question) *pending {
	if d.ctx == nil {
		d.ctx, d.stop = context.WithCancel(context.Background())
	}
	patience := d.patience
	if patience == 0 {
		patience = Patience
	}
	ctx, cancel := context.WithTimeout(d.ctx, patience)
	var random [4]byte
	rand.Read(random[:])
	p := &pending{Pending: Pending{ID: "q" + hex.EncodeToString(random[:]), Question: q, Since: time.Now()}, cancel: cancel, given: make(chan Answer, 1), done: make(chan struct{})}
	d.pending = append(d.pending, p)
	d.work.Go(func() {
		defer cancel()
		a := d.fetch(ctx, p)
		a = d.keep(&p.Question, a)
		d.mu.Lock()
		d.pending = slices.DeleteFunc(d.pending, func(o *pending) bool { return o == p })
		d.mu.Unlock()
		p.answer = a
		close(p.done)
		d.tell(&p.Question, a)
	})
	return p
}

// fetch waits for the first who answers.
func (d *Desk) fetch(ctx context.Context, p *pending) Answer {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	why := "nobody to ask"
	var person chan Answer
	if d.Person != nil {
		person = make(chan Answer, 1)
		d.work.Go(func() { person <- d.Person.Ask(ctx, p.Question) })
	}
	var others <-chan struct{}
	if d.Others != nil {
		others = d.Others(ctx)
	}
	for person != nil || others != nil {
		select {
		case a := <-p.given:
			return a
		case a := <-person:
			if ctx.Err() != nil {
				continue // it says that the time is over
			}
			if a.By != Nobody {
				return a
			}
			person, why = nil, a.Rule
		case <-others:
			others = nil
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return denied(Nobody, "nobody answered in time")
			}
			return denied(Nobody, "the question was given up")
		}
	}
	if d.Program != nil {
		if a := d.Program.Ask(ctx, p.Question); a.By != Nobody {
			return a
		}
	}
	return denied(Nobody, why)
}

// keep makes an answer hold as long as it says, as far as that is offered.
func (d *Desk) keep(q *Question, a Answer) Answer {
	if a.Scope == "" || !q.Offers(a.Scope) {
		// A program that answers with a wider scope than was offered gets the
		// narrowest.
		a.Scope = Once
	}
	if a.By == "" {
		a.By = "program"
	}
	if a.Rule == "" {
		a.Rule = "asked: " + a.word() + " by " + a.By
	}
	switch a.Scope {
	case Session:
		d.mu.Lock()
		if d.answers == nil {
			d.answers = map[key]Answer{}
		}
		if _, is := d.answers[key{q.Kind, q.Subject}]; is || len(d.answers) < maxAnswers {
			d.answers[key{q.Kind, q.Subject}] = a
		}
		d.mu.Unlock()
	case Project, Always:
		g := Grant{Kind: q.Kind, Subject: q.Subject, Allow: a.Allow, Scope: a.Scope, By: a.By, Expires: a.Expires, Note: a.Note}
		if a.Scope == Project {
			g.Project = q.Project
		}
		kept, err := d.Grants.Add(g)
		if err != nil {
			a.Scope = Once
			a.Rule += "; it is not kept: " + err.Error()
			return a
		}
		a.Rule = kept.Origin()
		d.mu.Lock()
		if d.told == nil {
			d.told = map[string]bool{}
		}
		d.told[kept.ID] = true
		// An older answer of this session is over.
		delete(d.answers, key{q.Kind, q.Subject})
		d.mu.Unlock()
	}
	return a
}

func (a *Answer) word() string {
	if a.Allow {
		return "yes"
	}
	return "no"
}

// Pending are the questions that wait, the oldest first.
func (d *Desk) Pending() []Pending {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]Pending, len(d.pending))
	for i, p := range d.pending {
		out[i] = p.Pending
	}
	return out
}

// Give answers a waiting question from elsewhere. The first answer counts.
func (d *Desk) Give(id string, a Answer) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range d.pending {
		if p.ID != id {
			continue
		}
		if a.Scope != "" && !p.Question.Offers(a.Scope) {
			return errors.New("the scope " + string(a.Scope) + " is not offered for this question")
		}
		select {
		case p.given <- a:
			return nil
		default:
		}
	}
	return errors.New("no such question waits; it may have been answered already")
}

// closeTime is how long Close waits for those who were being asked, to give their
// terminals back. Who does not look at its context keeps nobody.
const closeTime = 5 * time.Second

// Close denies what waits and returns when nobody is asked any more.
func (d *Desk) Close() {
	d.mu.Lock()
	d.closed = true
	asked := d.stop != nil
	if asked {
		d.stop()
	}
	d.mu.Unlock()
	if !asked {
		return
	}
	done := make(chan struct{})
	go func() {
		d.work.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(closeTime):
	}
}
