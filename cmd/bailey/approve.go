package main

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/approval"
	"github.com/bailey-run/bailey/internal/terminal"
)

type approveOptions struct {
	list, allow, deny bool
	scope, span, note string
}

func approveVerb(a *app) *verb {
	o := &approveOptions{}
	return &verb{
		name: "approve", args: "[--list | ID --allow|--deny]", short: "answer the questions of your boxes from another terminal",
		long: `Without arguments it shows the questions of all your running boxes as they come and
takes answers by key; a box that has no terminal of its own waits for them. Ctrl-C
leaves. The first answer to a question counts, wherever it is given.

With an ID it answers one question, for this once unless --scope says more.`,
		flags: []*flag{
			{name: "list", help: "list what waits, and end", set: toggle(&o.list)},
			{name: "allow", help: "allow what ID asks", set: toggle(&o.allow)},
			{name: "deny", help: "deny what ID asks", set: toggle(&o.deny)},
			{name: "scope", value: "SCOPE", help: "how long the answer holds: once, session, project or always (default once)", offer: []string{"once", "session", "project", "always"}, set: text(&o.scope)},
			{name: "for", value: "TIME", help: "the answer ends after TIME, such as 30m, 1h or 7d", set: text(&o.span)},
			{name: "note", value: "TEXT", help: "words of your own, kept with the answer", set: text(&o.note)},
			a.jsonFlag("what waits as JSON"),
		},
		mixed: true,
		run:   func(words []string) error { return a.approve(o, words) },
	}
}

func (a *app) approve(o *approveOptions, words []string) error {
	one := o.allow || o.deny
	switch {
	case o.allow && o.deny, o.list && (one || len(words) > 0):
		return &usageError{"--list, --allow and --deny exclude each other", "bailey help approve"}
	case one != (len(words) == 1), len(words) > 1:
		return &usageError{"an answer needs one id and --allow or --deny", "bailey approve --list shows the ids"}
	case !one && (o.scope != "" || o.span != "" || o.note != ""):
		return &usageError{"--scope, --for and --note belong to an answer", "as in: bailey approve ID --allow --scope session"}
	case o.list:
		return a.approveList()
	case one:
		return a.approveOne(o, words[0])
	}
	return a.approveLive()
}

func (a *app) approveList() error {
	w, err := bailey.NewApprover(false)
	if err != nil {
		return err
	}
	list, err := w.Waiting()
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(list)
	}
	for i := range list {
		q := &list[i]
		line := q.ID + "  " + pad(string(q.Kind), 9) + "  " + approval.Quote(q.Subject)
		if q.Why != "" {
			line += "  it says " + approval.Shorten(q.Why)
		}
		if _, err := a.out.WriteString(line + "\n"); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) approveOne(o *approveOptions, id string) error {
	x := bailey.Answer{Allow: o.allow, Scope: bailey.Scope(o.scope), Note: o.note}
	if x.Scope == "" {
		x.Scope = bailey.ScopeOnce
	}
	if !slices.Contains([]bailey.Scope{bailey.ScopeOnce, bailey.ScopeSession, bailey.ScopeProject, bailey.ScopeAlways}, x.Scope) {
		return &usageError{"there is no scope " + quote(o.scope), "once, session, project or always"}
	}
	if o.span != "" {
		d, ok := span(o.span)
		if !ok {
			return &usageError{quote(o.span) + " is not a time", "such as 30m, 1h or 7d"}
		}
		if x.Scope == bailey.ScopeOnce {
			return &usageError{"--for needs a scope that lasts", "as in: --scope session --for 1h"}
		}
		x.Expires = time.Now().Add(d)
	}
	w, err := bailey.NewApprover(false)
	if err != nil {
		return err
	}
	list, err := w.Waiting()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(q bailey.Waiting) bool { return q.ID == id })
	if i < 0 {
		return &usageError{"no question " + quote(id) + " waits", "bailey approve --list shows what does; it may have been answered, or given up"}
	}
	if !slices.Contains(list[i].Scopes, x.Scope) {
		return &usageError{"the scope " + string(x.Scope) + " is not offered for this question", "only what can be shown exactly is kept; try --scope once"}
	}
	return w.Answer(list[i], x)
}

// span reads a time as people write it.
func span(s string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		d, err := time.ParseDuration(days + "h")
		return 24 * d, err == nil && d > 0 && d < 100*365*time.Hour
	}
	d, err := time.ParseDuration(s)
	return d, err == nil && d > 0
}

// approveLive shows questions as they come, until Ctrl-C.
func (a *app) approveLive() error {
	if !terminal.Is(a.in) || !terminal.Is(a.out) {
		return &usageError{"bailey approve needs a terminal", "without one: bailey approve --list, and bailey approve ID --allow"}
	}
	w, err := bailey.NewApprover(true)
	if err != nil {
		return err
	}
	defer w.Close()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer tty.Close()
	asker := approval.NewTerminal(&approveStage{tty})
	a.info("waiting for questions of your boxes; Ctrl-C leaves")
	asked := map[string]context.CancelFunc{}
	done := make(chan string)
	running := 0
	for {
		list, err := w.Waiting()
		if err != nil {
			return err
		}
		for _, q := range list {
			if _, is := asked[q.ID]; is {
				continue
			}
			one, cancel := context.WithCancel(ctx)
			asked[q.ID] = cancel
			running++
			go func() {
				defer func() { done <- q.ID }()
				x := asker.Ask(one, q.Question())
				if one.Err() != nil || x.By == approval.Nobody {
					return // answered elsewhere, given up, or we leave
				}
				if err := w.Answer(q, x); err != nil {
					a.say(message{Level: "warning", Text: err.Error()})
				}
			}()
		}
		for id, cancel := range asked {
			if !slices.ContainsFunc(list, func(q bailey.Waiting) bool { return q.ID == id }) {
				cancel()
			}
		}
		select {
		case id := <-done:
			running--
			asked[id]() // it stays known, so that it is not asked again while its answer travels
			if !slices.ContainsFunc(list, func(q bailey.Waiting) bool { return q.ID == id }) {
				delete(asked, id)
			}
		case <-time.After(approvePause):
		case <-ctx.Done():
			for ; running > 0; running-- {
				<-done // each gives the terminal back
			}
			return nil
		}
	}
}

// approvePause is how late a new question is seen.
const approvePause = 250 * time.Millisecond

// approveStage is the terminal of bailey approve.
type approveStage struct{ tty *os.File }

// Enter is approval.Stage's.
func (s *approveStage) Enter(ctx context.Context) (approval.Show, error) {
	show, err := (&terminal.Prompt{TTY: s.tty, Plain: plainTerminal()}).Enter(ctx)
	if err != nil {
		return nil, err
	}
	return show, nil
}
