package gate

import "context"

// question is what connections that wait share an answer by.
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

// ask turns the verdict Ask into Allow or Deny.
func (g *Gate) ask(f *flow, d *decision) {
	q := question{d.host.String(), d.port, d.udp}
	g.mu.Lock()
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
		go g.question(w, q, Question{Host: q.host, Port: q.port, UDP: q.udp, Owner: f.owner})
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
