package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/junit"
	"github.com/bailey-run/bailey/internal/plan"
)

// text prints the results for people: what failed, what shows nothing, and with
// all the rest too.
func (t *trial) text(all bool) string {
	var b strings.Builder
	for i := range t.Cases {
		r := &t.Cases[i]
		if r.Outcome != passed || all {
			b.WriteString(r.text(t.plan, all))
		}
	}
	b.WriteString(t.summary() + "\n")
	return b.String()
}

func (t *trial) summary() string {
	n := len(t.Cases)
	s := strconv.Itoa(n) + " case"
	if n != 1 {
		s += "s"
	}
	s += fmt.Sprintf(": %d passed, %d failed", t.Passed, t.Failed)
	if t.Vacuous > 0 {
		s += fmt.Sprintf(", %d vacuous", t.Vacuous)
	}
	if t.Unshown > 0 {
		s += fmt.Sprintf(", %d not shown", t.Unshown)
	}
	if t.Passed == 0 && t.Failed == 0 {
		s += ": nothing was shown (--strict makes that a failure)"
	}
	s += "; mode " + string(t.Mode) + ", tier " + string(t.Tier)
	if t.Real {
		return s + ", tried in a box"
	}
	return s + ", decided by the policy alone (--real tries them)"
}

// at is where the case stands.
func (r *caseResult) at() string {
	if r.Line == 0 {
		return printable(r.File)
	}
	return printable(r.File) + ":" + strconv.Itoa(r.Line)
}

// subject is the case without what was wanted.
func (r *caseResult) subject() string {
	_, rest, _ := strings.Cut(r.Case, " ")
	return printable(rest)
}

// headline says in one line what became of the case.
func (r *caseResult) headline() string {
	switch {
	case r.Outcome == passed:
		return "ok: " + printable(r.Case)
	case r.Outcome != failed:
		return string(r.Outcome) + ": " + printable(r.Case)
	case r.Got != r.Want:
		return "expected " + string(r.Want) + ", got " + string(r.Got) + ": " + r.subject()
	case r.Mismatch:
		return "expected and decided " + string(r.Want) + ", got " + string(r.Real.Verdict) + " in a box: " + r.subject()
	}
	return "expected " + string(r.Want) + ", and it shows nothing: " + r.subject()
}

func (r *caseResult) text(p *bailey.Plan, all bool) string {
	var b strings.Builder
	b.WriteString(r.at() + ": " + r.headline() + "\n")
	line := func(name, text string) {
		if text != "" {
			b.WriteString("  " + name + strings.Repeat(" ", 8-len(name)) + printable(text) + "\n")
		}
	}
	line("note", r.Note)
	if r.Outcome != failed && !all {
		return b.String()
	}
	d := &r.Decision
	line("reason", r.Reason)
	line("why", d.Why)
	if rule := d.Rule; rule != "" {
		line("rule", rule+" ("+d.Where()+")")
	} else {
		line("rule", "none")
	}
	if r.Real != nil && !r.Mismatch {
		verdict := string(r.Real.Verdict)
		if verdict == "" {
			verdict = "nothing shown"
		}
		line("real", verdict+" ("+r.Real.How+")")
	}
	if r.Outcome == failed {
		line("change", r.change(p))
	}
	return b.String()
}

// change says what would make the policy as expected.
func (r *caseResult) change(p *bailey.Plan) string {
	d := &r.Decision
	switch {
	case r.Mismatch && r.Got == r.Want:
		return "nothing in the policy: please report this, a wall is not what bailey says it is"
	case r.Want == r.Got:
		return "make what the case speaks of exist, or leave --strict out"
	case r.Want == bailey.Allow:
		return d.Hint
	case r.Want == bailey.Ask:
		return "a rule that asks; the walls alone never do"
	}
	switch d.Op {
	case "read":
		return "files.deny in the policy, or --deny " + plan.Show(d.Path)
	case "write":
		return "files.protect or files.deny in the policy, or --protect " + plan.Show(d.Path) + ", or --mode read-only"
	case "exec":
		if command := r.subject(); strings.HasPrefix(command, "exec ") && strings.Contains(d.Target, " ") {
			return "permissions.deny in the policy with Bash(" + strings.TrimPrefix(command, "exec ") + "), which is advice; to hide the program: --deny " + plan.Show(d.Path)
		}
		if p.Decide("write", d.Path).Verdict == bailey.Allow {
			return "nothing: what lies where the box may write can be started, in this place or another"
		}
		return "a program that is not to be started must not be seen: --deny " + plan.Show(d.Path)
	case "env":
		return "env.deny in the policy"
	}
	return "a mode with walls"
}

// writeJUnit writes the results for continuous integration. The file is
// replaced as a whole, so that a link in its place leads nowhere.
func (t *trial) writeJUnit(name string) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".bailey-junit-")
	if err != nil {
		return fmt.Errorf("write junit: %w", err)
	}
	defer os.Remove(f.Name())
	err = junit.Write(f, t.suite())
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Chmod(f.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("write junit: %w", err)
	}
	return nil
}

func (t *trial) suite() junit.Suite {
	s := junit.Suite{Name: "bailey test"}
	for i := range t.Cases {
		r := &t.Cases[i]
		c := junit.Case{Class: r.File, Name: r.Case, Seconds: float64(r.Micros) / 1e6}
		text := strings.TrimSuffix(r.text(t.plan, true), "\n")
		switch r.Outcome {
		case failed:
			c.Failure = text
		case passed:
			c.Output = text
		default: // nobody should rely on it
			c.Skipped = text
		}
		s.Cases = append(s.Cases, c)
	}
	return s
}
