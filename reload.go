package bailey

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bailey-run/bailey/internal/approval"
	"github.com/bailey-run/bailey/internal/audit"
	"github.com/bailey-run/bailey/internal/layers"
	"github.com/bailey-run/bailey/internal/linux"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

// Reloaded says what became of a new generation of a session's policy.
type Reloaded struct {
	Session string `json:"session"`
	Policy  string `json:"policy"`         // hash of what is now in force
	Changed bool   `json:"changed"`        // the network changed
	Note    string `json:"note,omitempty"` // what of the change does not hold in the running session
}

// Reload makes the box read its policy anew. The network changes as one, at once:
// connections that the new policy would not allow are closed. The rules for programs
// change too, in a box that was opened with some. An error changes nothing. Everything
// else stays as it was when the box was opened.
func (b *Box) Reload() (Reloaded, error) { return b.reload("reload") }

func (b *Box) reload(why string) (Reloaded, error) {
	if !b.changes() {
		return Reloaded{}, errors.New("reload the policy: the box was opened without a network and without rules for programs, and gets none while it runs")
	}
	b.controlling.reloading.Lock()
	defer b.controlling.reloading.Unlock()
	facts, err := layers.Look(b.plan.config.Dir, b.plan.config.Home)
	if err != nil {
		return Reloaded{}, err
	}
	p, err := prepare(b.plan.config, facts)
	if err != nil {
		return Reloaded{}, err
	}
	r := Reloaded{Session: b.session, Policy: p.Hash()}
	if !sameBut(b.plan.plan, p.plan) {
		r.Note = "what changed beside the network and the rules holds from the next run"
	}
	if b.network != nil {
		if err := b.reloadNetwork(p.plan.Network, &r); err != nil {
			return Reloaded{}, err
		}
	}
	b.reloadRules(p, &r)
	if r.Changed {
		b.denials.emitEvent(audit.PolicyChange{Policy: r.Policy, Layers: auditLayers(p.policy), Why: why})
	}
	return r, nil
}

// changes says whether anything of the box follows its policy.
func (b *Box) changes() bool { return b.network != nil || b.judges() }

// reloadRules makes programs be judged by the rules of p.
func (b *Box) reloadRules(p *Plan, r *Reloaded) {
	was := b.controlling.rules
	if was == nil {
		was = b.plan.policy
	}
	if equal(&was.Permissions, &p.policy.Permissions) && was.Approval.V == p.policy.Approval.V && was.Exec == p.policy.Exec {
		return
	}
	if !b.judges() {
		if p.policy.Deep() {
			r.Note = "rules for programs hold from the next run"
		}
		return
	}
	b.follow(p.Policy())
	b.controlling.rules, r.Changed = p.policy, true
}

// reloadNetwork puts another network in the place of the box's.
func (b *Box) reloadNetwork(next *plan.Network, r *Reloaded) error {
	now := b.network.plan.Load()
	if next == nil {
		next = &plan.Network{Default: "deny"} // everything was taken back
	}
	for _, rule := range b.network.granted {
		// What a person has granted to this session stays, below what is denied.
		if with, err := next.With(rule, grantedRule); err == nil {
			next = with
		}
	}
	if equal(now, next) {
		return nil
	}
	if !alike(now.Publish, next.Publish) {
		r.Note = "published ports change with the next run"
	}
	if looksInside(next) && b.network.inspector == nil {
		r.Note = "hosts that are looked into are refused in this session, because its programs do not trust an authority"
	}
	if b.network.secrets != nil {
		// The new hosts of a secret count before the new rules do, the other way round
		// when the rules do not load.
		if err := b.network.secrets.Update(context.Background(), next.Secrets); err != nil {
			return err
		}
	}
	if err := b.network.gate.Swap(next); err != nil {
		if b.network.secrets != nil {
			err = errors.Join(err, b.network.secrets.Update(context.Background(), now.Secrets))
		}
		return err
	}
	b.network.plan.Store(next)
	r.Changed = true
	if lb, ok := b.backend.(linuxBox); ok {
		if err := b.network.again(lb.Box, next); err != nil {
			// The gate decides as the new policy says; what it newly allows does not reach it.
			r.Note = "hosts and ports that are new are not reachable in this session: " + err.Error()
		}
	}
	return nil
}

func auditLayers(p *policy.Policy) []audit.Layer {
	out := []audit.Layer{}
	for _, l := range p.Layers {
		out = append(out, audit.Layer{Layer: string(l.Layer), File: l.File, Trusted: l.Trust == policy.TrustGiven})
	}
	return out
}

func equal(a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && string(x) == string(y)
}

// sameBut compares two plans without their networks.
func sameBut(a, b *plan.Plan) bool {
	x, y := *a, *b
	x.Network, y.Network, x.Notes, y.Notes = nil, nil, nil, nil
	return alike(&x, &y)
}

// alike is equal, wherever in their files the two were written: a line more moves
// everything below it.
func alike(a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	var from, to any
	if err1 != nil || err2 != nil || json.Unmarshal(x, &from) != nil || json.Unmarshal(y, &to) != nil {
		return false
	}
	return reflect.DeepEqual(placeless(from), placeless(to))
}

// placeless takes the places in files off decoded JSON.
func placeless(v any) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "from")
		delete(v, "sources")
		for _, x := range v {
			placeless(x)
		}
	case []any:
		for _, x := range v {
			placeless(x)
		}
	}
	return v
}

// again makes the inside follow a new generation.
func (w *network) again(box *linux.Box, n *plan.Network) error {
	if w.proxy != nil {
		return nil
	}
	w.mu.Lock()
	perPort := w.box != nil
	w.mu.Unlock()
	if perPort {
		w.listen()
		return nil
	}
	next := &network{inside: &linux.Network{}}
	next.layout(n)
	return box.Redirect(next.inside.Local, next.inside.Redirect)
}

// sessionsDir is where running sessions have their sockets.
func sessionsDir(f *plan.Facts) string {
	if f.StateDir == "" {
		return ""
	}
	return filepath.Join(f.StateDir, "sessions")
}

const (
	// watchTime is how late an edited policy file is seen.
	watchTime = time.Second
	// controlTime bounds a conversation with a session.
	controlTime = 10 * time.Second
	// maxControl bounds a request, in bytes. A longer one is cut off, and then is no
	// JSON.
	maxControl = 16 << 10
	// maxAnswer bounds an answer: as many questions as can wait, with long subjects.
	maxAnswer = 8 << 20
	// maxNote bounds a person's own words about an answer.
	maxNote = 1000
)

// controlling starts the control of a box when it is needed, once.
type controlling struct {
	mu      sync.Mutex // guards what follows
	over    bool
	control *control

	reloading sync.Mutex     // guards what follows
	rules     *policy.Policy // whose rules for programs hold; nil for the box's own
}

// stop ends the control; none starts any more.
func (c *controlling) stop() {
	c.mu.Lock()
	c.over = true
	running := c.control
	c.mu.Unlock()
	running.close()
}

// control lets the policy of a running session change, by request and when one of
// its files does, and lets its questions be answered from elsewhere.
type control struct {
	session  string
	desk     *approval.Desk
	box      *Box // nil for questions that no box asks
	listener *net.UnixListener
	dir      string
	stop     chan struct{}
	wait     sync.WaitGroup
	once     sync.Once
}

type controlRequest struct {
	Op string `json:"op"` // reload, grants, questions or answer

	// For answer:
	ID      string         `json:"id,omitempty"`
	Allow   bool           `json:"allow,omitempty"`
	Scope   approval.Scope `json:"scope,omitempty"`
	Expires time.Time      `json:"expires,omitzero"`
	Note    string         `json:"note,omitempty"`
}

type controlAnswer struct {
	Reloaded
	Followed  *Followed `json:"followed,omitempty"`
	Questions []Waiting `json:"questions,omitempty"`
	Error     string    `json:"error,omitempty"`
	Hint      string    `json:"hint,omitempty"`
}

// startControl begins to listen, and to watch the policy of a box that follows it.
// It returns nil where there is no place for the socket, which a box can do
// without, and when the box is being closed.
func (b *Box) startControl() *control {
	b.controlling.mu.Lock()
	defer b.controlling.mu.Unlock()
	if b.controlling.over || b.controlling.control != nil {
		if b.controlling.control != nil && b.controlling.control.listener != nil && !b.controlling.over {
			return b.controlling.control
		}
		return nil
	}
	c := &control{session: b.session, desk: b.desk, box: b, dir: sessionsDir(b.plan.facts), stop: make(chan struct{})}
	listens := c.listen()
	b.controlling.control = c
	if b.changes() {
		c.wait.Add(1)
		go c.watch()
	}
	if !listens {
		return nil
	}
	return c
}

// listen makes the socket, and answers there. It reports false where there is no
// place for it.
func (c *control) listen() bool {
	if c.dir == "" {
		return false
	}
	var err error
	if c.listener, err = linux.ListenSession(c.dir, c.session); err != nil {
		c.listener = nil
		return false
	}
	c.wait.Add(1)
	go c.serve()
	return true
}

func (c *control) close() {
	if c == nil {
		return
	}
	c.once.Do(func() {
		close(c.stop)
		if c.listener != nil {
			c.listener.Close()
			linux.RemoveSession(c.dir, c.session)
		}
		c.wait.Wait()
	})
}

// serve answers one request after the other.
func (c *control) serve() {
	defer c.wait.Done()
	for {
		conn, err := c.listener.AcceptUnix()
		if err != nil {
			return
		}
		if linux.SamePeer(conn) {
			conn.SetDeadline(time.Now().Add(controlTime))
			c.answer(conn)
		}
		conn.Close()
	}
}

func (c *control) answer(conn io.ReadWriter) {
	line, err := bufio.NewReader(io.LimitReader(conn, maxControl)).ReadBytes('\n')
	if err != nil {
		return
	}
	json.NewEncoder(conn).Encode(c.request(line))
}

// request answers one request. Whoever sent it is this user outside of every box,
// or root; still it may be anything.
func (c *control) request(line []byte) (a controlAnswer) {
	var q controlRequest
	err := json.Unmarshal(line, &q)
	switch {
	case err != nil:
		a.Error = "the session does not understand the request"
	case q.Op == "reload" && c.box == nil:
		a.Error = "this is a question, and no box that has a policy"
	case q.Op == "reload":
		if a.Reloaded, err = c.box.reload("reload"); err != nil {
			a.Error = err.Error()
			var one *policy.Error
			if errors.As(err, &one) {
				a.Hint = one.Hint
			}
		}
	case q.Op == "grants":
		a.Session = c.session
		if c.box != nil {
			a.Followed = c.box.followGrants()
		}
	case q.Op == "questions":
		a.Session = c.session
		for _, p := range c.desk.Pending() {
			a.Questions = append(a.Questions, waiting(p))
		}
	case q.Op == "answer" && len(q.Note) > maxNote:
		a.Error = "the note is too long"
	case q.Op == "answer":
		answer := approval.Answer{Allow: q.Allow, Scope: q.Scope, Expires: q.Expires, Note: q.Note, By: "approve"}
		if err := c.desk.Give(q.ID, answer); err != nil {
			a.Error = err.Error()
		}
	default:
		a.Error = "the session knows no such request"
	}
	return a
}

// watch looks at the policy's files. A change that does not load is told and
// changes nothing.
func (c *control) watch() {
	defer c.wait.Done()
	names := layers.Files(c.box.plan.facts, c.box.plan.config.overrides())
	look := func() string {
		var b strings.Builder
		for _, n := range names {
			if fi, err := os.Stat(n); err == nil {
				fmt.Fprintf(&b, "%s %d %d\n", n, fi.ModTime().UnixNano(), fi.Size())
			}
		}
		return b.String()
	}
	last := look()
	t := time.NewTicker(watchTime)
	defer t.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-t.C:
		}
		c.box.knocked()
		now := look()
		if now == last {
			continue
		}
		last = now
		r, err := c.box.reload("a policy file changed")
		if tell := c.box.plan.config.Reloaded; tell != nil && (err != nil || r.Changed) {
			tell(r, err)
		}
	}
}

// Sessions are the running sessions of this user whose policy can change.
func Sessions() ([]string, error) {
	facts, err := layers.Look("", "")
	if err != nil {
		return nil, err
	}
	list, err := linux.Sessions(sessionsDir(facts))
	list = slices.DeleteFunc(list, func(name string) bool { return strings.HasPrefix(name, outside) })
	slices.Sort(list)
	return list, err
}

// ReloadSession makes a running session of this user read its policy anew.
func ReloadSession(session string) (Reloaded, error) {
	if strings.ContainsAny(session, "/\x00") || session == "" {
		return Reloaded{}, &ReloadError{Session: session, What: "there is no such session"}
	}
	facts, err := layers.Look("", "")
	if err != nil {
		return Reloaded{}, err
	}
	a, err := call(sessionsDir(facts), session, controlRequest{Op: "reload"})
	if err == nil && a.Error != "" {
		err = &ReloadError{Session: session, What: a.Error, Hint: a.Hint}
	}
	if err != nil {
		return Reloaded{}, err
	}
	return a.Reloaded, nil
}

// call sends one request to a session.
func call(dir, session string, q controlRequest) (a controlAnswer, err error) {
	conn, err := linux.DialSession(dir, session)
	if err != nil {
		return a, &ReloadError{Session: session, What: "there is no such session"}
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(controlTime))
	if err := json.NewEncoder(conn).Encode(q); err != nil {
		return a, fmt.Errorf("ask session %s: %w", session, err)
	}
	if err := json.NewDecoder(io.LimitReader(conn, maxAnswer)).Decode(&a); err != nil {
		return a, fmt.Errorf("ask session %s: %w", session, err)
	}
	return a, nil
}

// ReloadError is a session that keeps the policy it had.
type ReloadError struct {
	Session string
	What    string
	Hint    string
}

func (e *ReloadError) Error() string { return "session " + e.Session + ": " + e.What }
