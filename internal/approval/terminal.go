package approval

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
)

// Terminal asks on a terminal, one question at a time.
type Terminal struct {
	in    io.Reader
	out   io.Writer
	turn  chan struct{} // whose question is shown
	start sync.Once
	over  chan struct{} // closed at the end of in

	mu    sync.Mutex
	lines chan string // of the question that is shown; nil: lines are dropped
}

// NewTerminal returns an asker that writes to out and reads lines from in. At the
// end of in every answer is no.
func NewTerminal(in io.Reader, out io.Writer) *Terminal {
	return &Terminal{in: in, out: out, turn: make(chan struct{}, 1), over: make(chan struct{})}
}

// maxAnswer is the longest line that is read as an answer; a longer one is the end.
const maxAnswer = 256

// read hands lines to the question that is shown. What was typed before it was
// shown does not answer it.
func (t *Terminal) read() {
	defer close(t.over)
	s := bufio.NewScanner(t.in)
	s.Buffer(nil, maxAnswer)
	for s.Scan() {
		t.mu.Lock()
		select {
		case t.lines <- s.Text():
		default:
		}
		t.mu.Unlock()
	}
}

func (t *Terminal) listen(lines chan string) {
	t.mu.Lock()
	t.lines = lines
	t.mu.Unlock()
}

// verbs say what a program wants, by kind.
func (k Kind) verb() string {
	switch k {
	case Network:
		return "connect to"
	case Read:
		return "read"
	case Write:
		return "write"
	case Command:
		return "run"
	case Tool:
		return "use the tool"
	}
	return "run, outside the box,"
}

// Ask is Asker's. A question that is given up leaves the terminal to the next one.
func (t *Terminal) Ask(ctx context.Context, q Question) Answer {
	no := Answer{By: "terminal", Rule: "not answered"}
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return no
	}
	t.start.Do(func() { go t.read() })
	who := "a program"
	if q.Exe != "" {
		who = fmt.Sprintf("%.120q", q.Exe)
	}
	defer t.listen(nil)
	for {
		lines := make(chan string, 1)
		t.listen(lines) // before it is shown: an answer may come at once
		fmt.Fprintf(t.out, "bailey: %s wants to %s %+q\nbailey: allow? [y]es once, for the [s]ession; [n]o, ne[v]er in this session: ", who, q.Kind.verb(), q.Subject)
		select {
		case <-ctx.Done():
			fmt.Fprintln(t.out, "\nbailey: no answer: denied")
			return no
		case <-t.over:
			return no
		case line := <-lines:
			switch strings.ToLower(strings.TrimSpace(line)) {
			case "y", "yes":
				return Answer{Allow: true, Scope: Once, By: "terminal", Rule: "asked: yes"}
			case "s", "session":
				return Answer{Allow: true, Scope: Session, By: "terminal", Rule: "asked: yes"}
			case "n", "no":
				return Answer{Scope: Once, By: "terminal", Rule: "asked: no"}
			case "v", "never":
				return Answer{Scope: Session, By: "terminal", Rule: "asked: never"}
			}
		}
	}
}
