package main

import (
	"context"
	"os"
	"sync"

	"github.com/bailey-run/bailey"
	"golang.org/x/term"
)

// asker asks about unknown hosts on the terminal, where the command does not read
// from it: what is typed would else be the command's. Everywhere else the answer
// is no, at once.
type asker struct {
	in   *os.File // the command's standard input
	once sync.Once
	tty  bailey.Asker
}

// Ask is bailey.Asker's.
func (a *asker) Ask(ctx context.Context, q bailey.Question) bailey.Answer {
	a.once.Do(func() {
		if term.IsTerminal(int(a.in.Fd())) {
			return
		}
		if f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err == nil {
			a.tty = bailey.AskOn(f, f)
		}
	})
	if a.tty == nil {
		return bailey.Answer{Rule: "nobody to ask: no terminal, or the command reads from it"}
	}
	return a.tty.Ask(ctx, q)
}
