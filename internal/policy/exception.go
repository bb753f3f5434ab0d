package policy

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Exception is one [exceptions.NAME]: a command that may run outside of the box
// when a person approves it, apart from every rule.
type Exception struct {
	Command string `json:"command"`           // a pattern as in Bash(…)
	Reason  string `json:"reason"`            // shown with the question
	Expires string `json:"expires,omitempty"` // the last day that it counts, as 2006-01-02; "" is no end
}

// Over reports whether the exception counts no more.
func (x *Exception) Over(now time.Time) bool {
	if x.Expires == "" {
		return false
	}
	day, err := time.ParseInLocation(time.DateOnly, x.Expires, now.Location())
	return err != nil || !now.Before(day.AddDate(0, 0, 1))
}

// exceptionFields are the keys of an exception.
func exceptionFields() []string { return []string{"command", "reason", "expires"} }

// exceptionField reads one field of an exception.
func (d *decoder) exceptionField(r *record, path, field string, from Source, value *unstable.Node) {
	x := &r.exception
	if field == "expires" && value.Kind == unstable.LocalDate {
		x.Expires = string(value.Data)
		return
	}
	to := map[string]*string{"command": &x.Command, "reason": &x.Reason, "expires": &x.Expires}[field]
	if to == nil {
		d.fail(from, path, "unknown key", "", nearest(field, exceptionFields()))
		return
	}
	texts, ok := d.strings(path, from, value, false, false)
	if !ok {
		return
	}
	*to = texts[0]
	problem, hint := checkText(*to)
	switch {
	case problem != "":
	case strings.IndexFunc(*to, func(c rune) bool { return c < ' ' || c == 0x7f }) >= 0:
		problem = "control characters are not allowed here"
	case field == "command":
		if problem, hint = checkRule("Bash(" + *to + ")"); problem == "" && strings.Trim(*to, "* :") == "" {
			problem, hint = strconv.Quote(*to)+" would let everything run outside the box", "name the command"
		}
	case field == "expires":
		if _, err := time.Parse(time.DateOnly, *to); err != nil {
			problem, hint = strconv.Quote(*to)+" is not a date", "as in 2026-12-31"
		}
	}
	if problem != "" {
		d.fail(from, path, problem, hint, "")
	}
}

// check looks at the whole.
func (x *Exception) check() (problem, hint string) {
	switch {
	case x.Command == "":
		return "an exception needs its command", `as in command = "docker compose up"`
	case x.Reason == "":
		return "an exception needs a reason", "whoever is asked reads it"
	}
	return "", ""
}

func (x *Exception) text() string {
	b, _ := json.Marshal(x) // strings only: it cannot fail
	return string(b)
}
