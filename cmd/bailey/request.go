package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/inside"
)

// exitRefused is the exit code of bailey request where the answer is no.
const exitRefused = 2

func requestVerb(a *app) *verb {
	var read, write, host, command, exception, why string
	granted := false
	return &verb{
		name: "request", args: "--read PATH|--write PATH|--net HOST:PORT|--run COMMAND|--exception NAME [--why TEXT] [-- CMD…]", words: "command",
		short: "inside a box: ask a person for something that a wall keeps away",
		long: `Run by a program inside a box. A person is shown exactly what is asked for, and
the reason, and the command waits for the answer. A path to read appears in the
running box at once; one to write holds from the next run on. What a rule
denies, and places for keys, cannot be asked for. An exception is never run for a
box: the answer is the line that a person types outside. The exit code is 0 when
it was granted and 2 when not.`,
		flags: []*flag{
			{name: "read", value: "PATH", help: "a file or directory to read", kind: "file", set: text(&read)},
			{name: "write", value: "PATH", help: "a file or directory to write to", kind: "file", set: text(&write)},
			{name: "net", value: "HOST:PORT", help: "a host and port to reach", set: text(&host)},
			{name: "run", value: "COMMAND", help: "a command that the rules ask about", set: text(&command)},
			{name: "exception", value: "NAME", help: "an exception of the policy", set: text(&exception)},
			{name: "why", value: "TEXT", help: "what it is needed for; the person reads it", set: text(&why)},
			{name: "list", help: "list what was granted to this box", set: toggle(&granted)},
			a.jsonFlag("the answer as JSON"),
		},
		run: func(words []string) error {
			q := inside.Request{Op: "request", Why: why}
			n := 0
			for _, one := range [...]struct{ kind, subject string }{{"read", read}, {"write", write}, {"network", host}, {"command", command}, {"exception", exception}} {
				if one.subject != "" {
					q.Kind, q.Subject = one.kind, one.subject
					n++
				}
			}
			if granted {
				q = inside.Request{Op: "grants"}
				n++
			}
			if q.Kind == "exception" {
				q.Args, words = words, nil
			}
			if n != 1 || len(words) > 0 {
				return &usageError{"bailey request needs one thing to ask for", "as in: bailey request --read /srv/data --why 'the test data is there'"}
			}
			if q.Kind == "read" || q.Kind == "write" {
				var err error
				if q.Subject, err = filepath.Abs(q.Subject); err != nil {
					return err
				}
			}
			x, err := a.askOutside(q)
			if err != nil {
				return err
			}
			if a.json {
				err = a.printJSON(x)
			} else if granted {
				err = a.printGrants(x.Grants)
			} else {
				a.tellAnswer(&q, &x)
			}
			if err == nil && !granted && !x.Granted {
				err = exitCode(exitRefused)
			}
			return err
		},
	}
}

func (a *app) tellAnswer(q *inside.Request, x *inside.Answer) {
	what := q.Kind + " " + quote(q.Subject)
	switch {
	case !x.Granted:
		a.say(message{Level: "info", Text: "refused: " + what + orNothing(x.Reason), Hint: x.Hint})
	case x.Holds == inside.NextRun:
		a.say(message{Level: "info", Text: "granted from the next run on: " + what + orNothing(x.Reason)})
	default:
		a.say(message{Level: "info", Text: "granted: " + what + orNothing(x.Scope)})
	}
}

func orNothing(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

func (a *app) printGrants(list []inside.Grant) error {
	var b strings.Builder
	for _, g := range list {
		b.WriteString(g.Kind + " " + quote(g.Subject) + " (" + g.Scope + ", " + g.Holds + ")\n")
	}
	_, err := a.out.WriteString(b.String())
	return err
}

func denialsVerb(a *app) *verb {
	return &verb{
		name:  "denials",
		short: "inside a box: list what was refused so far, by which rule, and what would allow it",
		long: `Run by a program inside a box, which so can tell a wall from a bug. What the
kernel alone refuses (a file that is not there, a read-only mount) is not seen
by bailey and is not in the list; bailey why PATH, outside, explains it.`,
		flags: []*flag{a.jsonFlag("one JSON object a line")},
		run: func(words []string) error {
			if len(words) > 0 {
				return &usageError{"bailey denials takes no words", "as in: bailey denials --json"}
			}
			x, err := a.askOutside(inside.Request{Op: "denials"})
			if err != nil {
				return err
			}
			var b strings.Builder
			for _, d := range sortDenials(x.Denials) {
				if a.json {
					b.WriteString(denialJSON(d))
					continue
				}
				b.WriteString(denialText(d) + "\n")
				if d.Hint != "" {
					b.WriteString("  " + printable(d.Hint) + "\n")
				}
			}
			_, err = a.out.WriteString(b.String())
			return err
		},
	}
}

// askOutside sends a request from inside.
func (a *app) askOutside(q inside.Request) (inside.Answer, error) {
	socket := os.Getenv("BAILEY_SOCKET")
	if os.Getenv("BAILEY_SESSION") == "" {
		return inside.Answer{}, &usageError{"this is not inside a box", "outside, a person names it: bailey run --read PATH -- CMD, or in the policy"}
	}
	if socket == "" {
		return inside.Answer{}, &usageError{"this box has no way to ask (tier " + os.Getenv("BAILEY_TIER") + ")", "a person can name it in the policy before the run"}
	}
	x, err := inside.Ask(socket, q)
	if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED) {
		return x, &usageError{"nobody listens at " + quote(socket), "the box may be closing"}
	}
	if err != nil {
		return x, &usageError{err.Error(), "bailey help request says what can be asked for"}
	}
	return x, nil
}

// alreadyInside refuses to make a box in a box, where the walls allow none.
func alreadyInside() error {
	if os.Getenv("BAILEY_SESSION") == "" {
		return nil
	}
	if _, err := os.Stat(inside.JSON); err != nil {
		return nil // a variable that was left over
	}
	return &usageError{"already inside a box (session " + printable(os.Getenv("BAILEY_SESSION")) + ")", "run the command as it is: it is behind the walls; to ask for more: bailey request"}
}

// sortDenials puts the most frequent first.
func sortDenials(list []bailey.Denial) []bailey.Denial {
	return slices.SortedStableFunc(slices.Values(list), func(a, b bailey.Denial) int { return b.Count - a.Count })
}

func denialJSON(d bailey.Denial) string {
	line, _ := json.Marshal(d) // strings and numbers alone: it cannot fail
	return string(line) + "\n"
}

func denialText(d bailey.Denial) string {
	s := "denied: " + d.Op + " " + quote(d.Target) + " (" + d.Rule + ")"
	if d.Count > 1 {
		s += ", " + strconv.Itoa(d.Count) + " times"
	}
	return s
}
