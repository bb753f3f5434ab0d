package gate

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
)

// question is what answers are kept by.
type question struct {
	host string
	port uint16
	udp  bool
}

// asked is a question on its way. Connections that wait for the same one share
// its answer, also when it is for once: programs race two addresses of a name.
type asked struct {
	done   chan struct{}
	answer Answer
}

// maxAnswers for the session are kept; beyond, a person is asked again.
const maxAnswers = 4096

// ask turns the verdict Ask into Allow or Deny.
func (g *Gate) ask(f *flow, d *decision) {
	q := question{d.host.String(), d.port, d.udp}
	g.mu.Lock()
	if a, ok := g.answers[q]; ok {
		g.mu.Unlock()
		d.answered(a)
		return
	}
	if g.held >= g.limits.Asks {
		g.mu.Unlock()
		d.verdict, d.hint = Deny, "too many connections wait for an answer"
		return
	}
	g.held++
	w := g.asking[q]
	if w == nil {
		w = &asked{done: make(chan struct{})}
		g.asking[q] = w
		g.mu.Unlock()
		pid, exe := f.owner() // looks at processes: not under the lock
		go g.question(w, q, Question{Host: q.host, Port: q.port, UDP: q.udp, PID: pid, Exe: exe})
		g.mu.Lock()
	}
	g.mu.Unlock()
	select {
	case <-w.done:
		d.answered(w.answer)
	case <-f.ctx.Done():
		d.verdict, d.hint = Deny, "nobody answered"
	}
	g.mu.Lock()
	g.held--
	g.mu.Unlock()
}

func (g *Gate) question(w *asked, key question, q Question) {
	ctx, cancel := context.WithTimeout(g.ctx, g.limits.AskTime)
	defer cancel()
	answer := make(chan Answer, 1)
	go func() { answer <- g.opts.Ask.Ask(ctx, q) }() // an asker that does not look at ctx holds nobody
	select {
	case w.answer = <-answer:
	case <-ctx.Done():
		w.answer = Answer{Rule: "nobody answered in time"}
	}
	g.mu.Lock()
	delete(g.asking, key)
	if (w.answer.Scope == Session || w.answer.Scope == Project) && len(g.answers) < maxAnswers {
		g.answers[key] = w.answer
	}
	g.mu.Unlock()
	close(w.done)
}

func (d *decision) answered(a Answer) {
	d.rule = a.Rule
	if d.rule == "" {
		d.rule = "asked"
	}
	if a.Allow {
		d.verdict, d.granted = Allow, true
		return
	}
	d.verdict, d.hint = Deny, allowHint(d.host, d.port, d.udp)
}

// DenyAll answers every question with no: nobody is there.
type DenyAll struct{}

// Ask is Asker's.
func (DenyAll) Ask(context.Context, Question) Answer { return Answer{Rule: "nobody to ask"} }

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

// Ask is Asker's. A question that is given up leaves the terminal to the next one.
func (t *Terminal) Ask(ctx context.Context, q Question) Answer {
	no := Answer{Rule: "not answered"}
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
	proto := ""
	if q.UDP {
		proto = " (udp)"
	}
	defer t.listen(nil)
	for {
		lines := make(chan string, 1)
		t.listen(lines) // before it is shown: an answer may come at once
		fmt.Fprintf(t.out, "bailey: %s wants to connect to %s port %d%s\nbailey: allow? [y]es once, for the [s]ession, for the [p]roject; [n]o, ne[v]er in this session: ", who, q.Host, q.Port, proto)
		select {
		case <-ctx.Done():
			fmt.Fprintln(t.out, "\nbailey: no answer: denied")
			return no
		case <-t.over:
			return no
		case line := <-lines:
			switch strings.ToLower(strings.TrimSpace(line)) {
			case "y", "yes":
				return Answer{Allow: true, Scope: Once}
			case "s", "session":
				return Answer{Allow: true, Scope: Session}
			case "p", "project":
				return Answer{Allow: true, Scope: Project}
			case "n", "no":
				return Answer{Rule: "asked: no"}
			case "v", "never":
				return Answer{Scope: Session, Rule: "asked: never"}
			}
		}
	}
}
