package bailey

import (
	"errors"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bailey-run/bailey/internal/approval"
	"github.com/bailey-run/bailey/internal/layers"
	"github.com/bailey-run/bailey/internal/linux"
)

// Waiting is a question of some box of this user that waits for an answer.
type Waiting struct {
	ID      string    `json:"id"`
	Session string    `json:"session"`
	Kind    Kind      `json:"kind"`
	Subject string    `json:"subject"` // exactly what an answer grants
	Why     string    `json:"why,omitempty"`
	Rule    string    `json:"rule,omitempty"`
	Where   string    `json:"where,omitempty"`
	Project string    `json:"project,omitempty"`
	PID     int       `json:"pid,omitempty"`
	Exe     string    `json:"exe,omitempty"`
	Unclear bool      `json:"unclear,omitempty"` // some of it is known only when it runs
	Scopes  []Scope   `json:"scopes"`            // that an answer may have
	Since   time.Time `json:"since"`
}

func waiting(p approval.Pending) Waiting {
	q := &p.Question
	return Waiting{ID: p.ID, Session: q.Session, Kind: q.Kind, Subject: text(q.Subject), Why: text(q.Why), Rule: text(q.Rule), Where: q.Where, Project: q.Project,
		PID: q.PID, Exe: text(q.Exe), Unclear: q.Unclear, Scopes: append([]Scope{ScopeOnce}, q.Scopes...), Since: p.Since.UTC()}
}

// Question is what waits, as askers read it.
func (w *Waiting) Question() Question {
	return Question{Kind: w.Kind, Subject: w.Subject, Why: w.Why, Rule: w.Rule, Where: w.Where, Session: w.Session, Project: w.Project, PID: w.PID, Exe: w.Exe, Unclear: w.Unclear, Scopes: w.Scopes}
}

// Approver answers the questions of this user's boxes from another terminal. As
// long as one is open, boxes that have no terminal wait for its answers.
type Approver struct {
	sessions string
	dir      string
	name     string
	listener *net.UnixListener
	close    sync.Once

	mu    sync.Mutex
	conns []net.Conn
}

// errInside keeps answers from being given by what asks for them.
var errInside = errors.New("questions cannot be answered from inside a box")

// NewApprover makes this process known to the boxes. Without attend it only looks
// and answers: boxes do not wait for it.
func NewApprover(attend bool) (*Approver, error) {
	if os.Getenv("BAILEY") != "" {
		return nil, errInside
	}
	facts, err := layers.Collect("", "")
	if err != nil {
		return nil, err
	}
	if facts.StateDir == "" {
		return nil, errors.New("find the questions: there is no home directory")
	}
	a := &Approver{sessions: sessionsDir(facts), dir: approversDir(facts)}
	if !attend {
		return a, nil
	}
	a.name = strconv.Itoa(os.Getpid())
	linux.RemoveSession(a.dir, a.name) // of a process that had this id and was killed
	if a.listener, err = linux.ListenSession(a.dir, a.name); err != nil {
		return nil, err
	}
	go a.serve()
	return a, nil
}

// maxAttended bounds the connections that are held: one for each question that
// waits.
const maxAttended = 1024

// serve holds connections open: that is all a box wants to know.
func (a *Approver) serve() {
	for {
		c, err := a.listener.AcceptUnix()
		if err != nil {
			return
		}
		a.mu.Lock()
		// Those whose question is answered are closed on the other side.
		a.conns = slices.DeleteFunc(a.conns, func(c net.Conn) bool {
			c.SetReadDeadline(time.Now().Add(-time.Second))
			_, err := c.Read(make([]byte, 1))
			var timeout net.Error
			over := !(errors.As(err, &timeout) && timeout.Timeout())
			if over {
				c.Close()
			}
			return over
		})
		if linux.SamePeer(c) && len(a.conns) < maxAttended {
			a.conns = append(a.conns, c)
		} else {
			c.Close()
		}
		a.mu.Unlock()
	}
}

// Close lets the boxes know that nobody waits here any more.
func (a *Approver) Close() {
	a.close.Do(func() {
		if a.listener == nil {
			return
		}
		a.listener.Close()
		linux.RemoveSession(a.dir, a.name)
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, c := range a.conns {
			c.Close()
		}
	})
}

// Waiting lists the questions that wait, the oldest first.
func (a *Approver) Waiting() ([]Waiting, error) {
	list, err := linux.Sessions(a.sessions)
	if err != nil {
		return nil, err
	}
	out := []Waiting{}
	for _, session := range list {
		// One that does not answer is ending, or is an older bailey.
		if got, err := call(a.sessions, session, controlRequest{Op: "questions"}); err == nil {
			out = append(out, got.Questions...)
		}
	}
	slices.SortStableFunc(out, func(x, y Waiting) int { return x.Since.Compare(y.Since) })
	return out, nil
}

// Answer answers a question that waits. The first answer that a question gets
// counts; a later one is an error.
func (a *Approver) Answer(w Waiting, x Answer) error {
	if strings.ContainsAny(w.Session, "/\x00") || w.Session == "" {
		return errors.New("answer the question: there is no such session")
	}
	got, err := call(a.sessions, w.Session, controlRequest{Op: "answer", ID: w.ID, Allow: x.Allow, Scope: x.Scope, Expires: x.Expires, Note: x.Note})
	if err == nil && got.Error != "" {
		err = errors.New("answer the question: " + got.Error)
	}
	return err
}
