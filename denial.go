package bailey

import (
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/bailey-run/bailey/internal/audit"
	"github.com/bailey-run/bailey/internal/linux"
)

const (
	// maxDistinct is how many different denials a box remembers for Denials; a
	// program that tries a million names must not fill the supervisor's memory.
	maxDistinct = 1000
	// maxEvents is how many denial events a session writes.
	maxEvents = 10000
)

// Denial is something a box tried and was refused.
type Denial = audit.Denial

// denials counts what was refused.
type denials struct {
	mu      sync.Mutex // guards what follows
	known   map[denialKey]*Denial
	order   []denialKey
	total   int
	events  int
	pending []audit.Data // those from before the session's start was written
	write   func(audit.Data)
}

type denialKey struct{ op, target, rule string }

// add counts d and writes its event, at its first, tenth, hundredth … time.
func (s *denials) add(d Denial) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total++
	k := denialKey{d.Op, d.Target, d.Rule}
	was, ok := s.known[k]
	if !ok {
		if len(s.known) >= maxDistinct {
			was = &Denial{} // counted in total only
		} else {
			was = &Denial{Op: d.Op, Target: d.Target, Rule: d.Rule, Hint: d.Hint}
			if s.known == nil {
				s.known = map[denialKey]*Denial{}
			}
			s.known[k] = was
			s.order = append(s.order, k)
		}
	}
	was.Count++
	was.PID = d.PID
	if !powerOfTen(was.Count) || s.events > maxEvents {
		return
	}
	if s.events++; s.events > maxEvents {
		s.emit(audit.Limit{Limit: "denials", Value: maxEvents, Unit: "count"})
		return
	}
	d.Count = was.Count
	s.emit(d)
}

// denied receives what the name broker refuses.
func (b *Box) denied(d linux.Denial) {
	b.denials.lost(d.Lost)
	b.denials.add(Denial{Op: d.Op, Target: text(d.Path), Rule: d.Rule, Hint: d.Hint, PID: d.PID, Exe: text(d.Exe)})
}

// text makes a name fit for JSON and for people: bytes that are no UTF-8 become
// \xNN, which a name with a backslash of its own is not mistaken for often enough
// to matter in a message.
func text(name string) string {
	if utf8.ValidString(name) {
		return name
	}
	var b strings.Builder
	for len(name) > 0 {
		r, n := utf8.DecodeRuneInString(name)
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, `\x%02x`, name[0])
		} else {
			b.WriteString(name[:n])
		}
		name = name[n:]
	}
	return b.String()
}

// lost counts refusals that came too fast to be told one by one.
func (s *denials) lost(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total += n
}

// emit writes an event, or keeps it until the session has begun. Before that a
// box has no time to produce many.
func (s *denials) emit(d audit.Data) {
	if s.write != nil {
		s.write(d)
	} else if len(s.pending) < maxDistinct {
		s.pending = append(s.pending, d)
	}
}

// emitEvent writes an event in order with the denials.
func (s *denials) emitEvent(d audit.Data) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.emit(d)
}

// begin writes what was kept, and from now on writes at once.
func (s *denials) begin(write func(audit.Data)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write = write
	for _, d := range s.pending {
		write(d)
	}
	s.pending = nil
}

// list returns the distinct denials in the order they first came.
func (s *denials) list() []Denial {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Denial, 0, len(s.order))
	for _, k := range s.order {
		out = append(out, *s.known[k])
	}
	return out
}

func (s *denials) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

func powerOfTen(n int) bool {
	for n%10 == 0 && n > 0 {
		n /= 10
	}
	return n == 1
}
