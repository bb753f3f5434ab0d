package plan

import (
	"strconv"
	"strings"

	"github.com/bailey-run/bailey/internal/policy"
)

// Error says why there is no plan, and what a person can do about it.
type Error struct {
	What string        // what is wrong, lower case, no full stop
	Path string        // the host path it is about, if any
	Wall string        // the wall that cannot be held on this machine, if that is it: "namespaces", "landlock", "name broker", "proc", "backend"
	From policy.Source // the rule that asked for it; zero when no rule did
	Hint string        // what to do
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.From != (policy.Source{}) && e.From.Layer != policy.LayerBuiltin {
		b.WriteString(Where(e.From))
		b.WriteString(": ")
	}
	b.WriteString(e.What)
	if e.Path != "" {
		b.WriteString(": ")
		b.WriteString(Show(e.Path))
	}
	return b.String()
}

// Where renders a source for people: "file:line", "--flag" or "built in".
func Where(s policy.Source) string {
	switch {
	case s.File == "" && (s.Layer == policy.LayerBuiltin || s.Layer == ""):
		return "built in"
	case s.File == "":
		return string(s.Layer)
	case s.Line > 0:
		return s.File + ":" + strconv.Itoa(s.Line)
	}
	return s.File
}

// Show renders a path for people: as it is when that is safe to print on a
// terminal and unambiguous, quoted otherwise.
func Show(p string) string {
	q := strconv.Quote(p)
	if q[1:len(q)-1] == p && p != "" && !strings.Contains(p, " ") {
		return p
	}
	return q
}

// builtin is the source of what the compiler itself puts into a plan.
func builtin(why string) policy.Source {
	return policy.Source{Layer: policy.LayerBuiltin, File: why}
}
