package bailey

import (
	"slices"
	"time"

	"github.com/bailey-run/bailey/internal/approval"
	"github.com/bailey-run/bailey/internal/inside"
	"github.com/bailey-run/bailey/internal/layers"
	"github.com/bailey-run/bailey/internal/linux"
)

// lent is what a running box was given: a path that was shown or a host that was
// added, as long as the answer holds.
type lent struct {
	inside.Grant
	expires time.Time // zero: when the scope ends
}

// Followed says what a running box made of grants that were taken back.
type Followed struct {
	Session string   `json:"session"`
	Gone    []string `json:"gone,omitempty"` // what it has no more
	Kept    []string `json:"kept,omitempty"` // what it keeps until it is closed, because taking it back failed
}

// FollowGrants makes the running boxes of this user let go of the paths and hosts that
// they were given while they ran and no answer allows any more. What a box was opened
// with it keeps.
func FollowGrants() ([]Followed, error) {
	facts, err := layers.Look("", "")
	if err != nil {
		return nil, err
	}
	dir := sessionsDir(facts)
	list, err := linux.Sessions(dir)
	if err != nil {
		return nil, err
	}
	var out []Followed
	for _, session := range list {
		// One that does not answer is ending, or is an older bailey.
		if a, err := call(dir, session, controlRequest{Op: "grants"}); err == nil && a.Followed != nil {
			out = append(out, *a.Followed)
		}
	}
	return out, nil
}

// followGrants takes back what the box was given while it runs, and the hosts that it
// was opened with.
func (b *Box) followGrants() *Followed {
	f := Followed{Session: b.session}
	if b.asks != nil {
		f = b.asks.review()
	}
	if b.network == nil {
		return &f
	}
	if _, err := b.reload("grants changed"); err != nil {
		f.Kept = append(f.Kept, "hosts that it was opened with ("+err.Error()+")")
	}
	return &f
}

// lend notes what a box was given, to be taken back when the answer holds no more.
func (r *requests) lend(g inside.Grant, expires time.Time) {
	r.box.startControl() // where it is told that a grant was taken back
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lent = append(r.lent, lent{g, expires})
	r.arm()
}

// arm sets the clock to the next answer that ends. The caller holds the lock.
func (r *requests) arm() {
	var next time.Time
	for _, l := range r.lent {
		if !l.expires.IsZero() && (next.IsZero() || l.expires.Before(next)) {
			next = l.expires
		}
	}
	if r.clock != nil {
		r.clock.Stop()
		r.clock = nil
	}
	if !next.IsZero() && r.ctx.Err() == nil {
		r.clock = time.AfterFunc(max(time.Until(next), minClock), func() { r.review() })
	}
}

// minClock keeps what cannot be taken back from being tried without a pause.
const minClock = time.Second

// review takes back what no answer allows any more.
func (r *requests) review() (f Followed) {
	f.Session = r.box.session
	r.show.Lock()
	defer r.show.Unlock()
	r.mu.Lock()
	list := slices.Clone(r.lent)
	r.mu.Unlock()
	for _, l := range list {
		if r.ctx.Err() != nil || r.holds(&l) {
			continue
		}
		what := l.Kind + " " + l.Subject
		if err := r.takeBack(&l); err != nil {
			f.Kept = append(f.Kept, what+" ("+err.Error()+")")
			continue
		}
		f.Gone = append(f.Gone, what)
		r.mu.Lock()
		r.lent = slices.DeleteFunc(r.lent, func(o lent) bool { return o == l })
		r.grants = slices.DeleteFunc(r.grants, func(o inside.Grant) bool { return o == l.Grant })
		r.mu.Unlock()
		r.box.desk.Told(approval.Question{Kind: approval.Kind(l.Kind), Subject: l.Subject}, approval.Answer{Scope: approval.Scope(l.Scope), By: "grant", Rule: "the answer holds no more"})
	}
	r.mu.Lock()
	r.arm()
	r.mu.Unlock()
	return f
}

// holds says whether the answer by which the box has something still counts.
func (r *requests) holds(l *lent) bool {
	if l.Scope == string(approval.Once) {
		return l.expires.IsZero() || time.Now().Before(l.expires)
	}
	a, ok := r.box.desk.Held(approval.Kind(l.Kind), l.Subject)
	return ok && a.Allow
}

func (r *requests) takeBack(l *lent) error {
	if l.Kind == string(approval.Network) {
		return r.box.denyHost(l.Subject)
	}
	return r.inner.Hide(l.Subject)
}
