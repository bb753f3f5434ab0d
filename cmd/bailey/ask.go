package main

import (
	"context"
	"errors"
	"os"
	"sync"

	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/approval"
	"github.com/bailey-run/bailey/internal/terminal"
	"golang.org/x/sys/unix"
)

// stage is where a running command's person is asked: on the terminal that bailey
// and the command share.
type stage struct {
	s    *streams
	once sync.Once
	tty  *os.File
}

// errNoTerminal also keeps bailey off a terminal that it does not share: an agent
// that starts it with pipes draws there itself.
var errNoTerminal = errors.New("there is no terminal, or the command has none of its streams on it")

// Enter is approval.Stage's.
func (t *stage) Enter(ctx context.Context) (approval.Show, error) {
	a := t.s.app
	t.once.Do(func() {
		if terminal.Is(a.in) || terminal.Is(a.out) || terminal.Is(a.err) {
			t.tty, _ = os.OpenFile("/dev/tty", os.O_RDWR|unix.O_NOCTTY, 0)
		}
	})
	if t.tty == nil {
		return nil, errNoTerminal
	}
	p := &terminal.Prompt{TTY: t.tty, Filter: t.s.filter, Keys: t.s.keyboard, Redraw: t.s.redraw, Plain: plainTerminal()}
	show, err := p.Enter(ctx)
	if err != nil {
		return nil, err
	}
	return show, nil
}

// plainTerminal: these have no second screen.
func plainTerminal() bool {
	switch os.Getenv("TERM") {
	case "", "dumb", "linux", "vt52", "vt100":
		return true
	}
	return false
}

// redraw makes a full-screen program draw anew: the kernel tells it of a size only
// when that has changed.
func (s *streams) redraw() {
	if rows, cols := terminal.Size(s.screen); rows > 1 && cols > 0 {
		s.cmd.Resize(rows-1, cols)
		s.cmd.Resize(rows, cols)
	}
}

// seen answers what a person was asked about the whole of a command before it
// began; the rest is next's.
type seen struct {
	command bailey.ToolDecision
	next    bailey.Asker
}

// Ask is bailey.Asker's.
func (s *seen) Ask(ctx context.Context, q bailey.Question) bailey.Answer {
	if q.Kind == bailey.KindCommand && s.command.Asked(q.Rule, q.Where, q.Subject) {
		return bailey.Answer{Allow: true, Scope: bailey.ScopeOnce, By: "asked", Rule: "allowed with the whole command"}
	}
	return s.next.Ask(ctx, q)
}
