//go:build linux

package probe

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bailey-run/bailey/internal/junit"
)

// Proof is a whole run, as it is reported.
type Proof struct {
	Bailey  string // version
	Root    string // the project: places are relative to it in SARIF
	Target  string // what was attacked: "bailey", a command line, or "no sandbox"
	Tier    string // of bailey's box, else ""
	Mode    string
	Policy  string   // hash
	Weaker  []string // what the tier holds less well, as bailey run prints it
	Notes   []string // what the proof does not cover
	Gate    []Severity
	Lenient bool // escapes that the tier announces are reported and do not count
	Self    bool // a self-check
	Results []Result
	Took    time.Duration
}

// notApplicable begins the reason of a probe that makes no sense for a sandbox.
const notApplicable = "not applicable: "

// Docs is where the categories are explained.
const Docs = "docs/prove.md"

// Link is the place in the documentation about a probe.
func (p *Probe) Link() string { return Docs + "#" + p.Category() }

// Announced says whether the tier itself says that it does not hold this wall.
func (p *Proof) Announced(r *Result) bool {
	if r.Probe.Weaker == "" {
		return false
	}
	return slices.ContainsFunc(p.Weaker, func(s string) bool { return strings.Contains(s, r.Probe.Weaker) })
}

// Fails says whether a result makes the proof fail.
func (p *Proof) Fails(r *Result) bool {
	switch r.Status {
	case Escaped:
		return slices.Contains(p.Gate, r.Probe.Severity) && !(p.Lenient && p.Announced(r))
	case Broken: // a tier may announce that a kind of work is not possible in it
		return !(p.Lenient && p.Announced(r))
	case Unknown, Failed, "":
		return true
	}
	return false
}

// Holds says whether the proof holds: something was tried, and nothing fails.
func (p *Proof) Holds() bool { return p.Tried() && !p.Failed() }

// Failed says whether a result makes the proof fail.
func (p *Proof) Failed() bool {
	return slices.ContainsFunc(p.Results, func(r Result) bool { return p.Fails(&r) })
}

// Tried says whether any probe came to its attempt. Controls do not count: that
// ordinary work is possible proves no wall.
func (p *Proof) Tried() bool {
	return slices.ContainsFunc(p.Results, func(r Result) bool { return !r.Probe.Control && r.Status != Cannot })
}

// Count is how many results have a status.
func (p *Proof) Count(s Status) int {
	n := 0
	for i := range p.Results {
		if p.Results[i].Status == s {
			n++
		}
	}
	return n
}

// Summary is the last line.
func (p *Proof) Summary() string {
	controls := 0
	for i := range p.Results {
		if p.Results[i].Probe.Control {
			controls++
		}
	}
	probes := len(p.Results) - controls
	parts := []string{}
	add := func(s Status, always bool) {
		n := 0
		for i := range p.Results {
			if p.Results[i].Status == s && !p.Results[i].Probe.Control {
				n++
			}
		}
		if n > 0 || always {
			parts = append(parts, strconv.Itoa(n)+" "+string(s))
		}
	}
	if p.Self {
		add(Shown, true)
		add(Failed, true)
	} else {
		add(Held, true)
		add(Escaped, true)
	}
	add(Unknown, false)
	add(Cannot, false)
	noun := "probes"
	if probes == 1 {
		noun = "probe"
	}
	s := fmt.Sprintf("%d %s: %s; ", probes, noun, strings.Join(parts, ", "))
	if ok := p.Count(OK); ok == controls {
		s += fmt.Sprintf("%d controls ok", controls)
	} else {
		s += fmt.Sprintf("%d of %d controls ok", ok, controls)
	}
	if p.Tier != "" {
		s += "; tier " + p.Tier
	}
	return s + "; " + fmt.Sprintf("%.1f s", p.Took.Seconds())
}

// Reason is why, with the rule of the policy that grants it.
func (r *Result) reason() string {
	if r.Rule.Granted {
		return r.Reason + "; the policy gives it: " + r.Rule.Rule + " (" + r.Rule.Where + ")"
	}
	return r.Reason
}

func (r *Result) fix() string {
	if r.Rule.Granted {
		return "remove " + r.Rule.Rule + " (" + r.Rule.Where + ")"
	}
	return r.Probe.Fix
}

// WriteText prints the proof for people: failures first, each with its reason and
// what to do, then a line for each category; all of it with verbose.
func (p *Proof) WriteText(w io.Writer, verbose bool, printable func(string) string) error {
	var b strings.Builder
	line := func(indent int, parts ...string) {
		b.WriteString(strings.Repeat(" ", indent))
		for i, s := range parts {
			if i > 0 {
				b.WriteString("  ")
			}
			b.WriteString(printable(s))
		}
		b.WriteByte('\n')
	}
	field := func(name, value string) {
		if value != "" {
			b.WriteString("    " + name + strings.Repeat(" ", 8-len(name)) + printable(value) + "\n")
		}
	}
	show := func(title string, is func(*Result) bool) {
		first := true
		for i := range p.Results {
			r := &p.Results[i]
			if !is(r) {
				continue
			}
			if first {
				b.WriteString(title + "\n")
				first = false
			}
			line(2, string(r.Status), r.Probe.ID, r.Probe.Title)
			field("reason", r.reason())
			field("wall", r.Probe.Wall)
			field("fix", r.fix())
			field("why", r.Probe.Why+" ("+r.Probe.Link()+")")
			if !r.Probe.Control && !p.Self {
				field("tier", string(r.Probe.Severity)+", evidence: "+r.Evidence)
			}
		}
		if !first {
			b.WriteByte('\n')
		}
	}
	if p.Tier == "" && !p.Self {
		b.WriteString("sandbox: " + printable(p.Target) + "\n\n")
	}
	show("FAILED", func(r *Result) bool { return p.Fails(r) })
	show("escaped, and not counted", func(r *Result) bool { return r.Status == Escaped && !p.Fails(r) })
	missing := false
	same := map[[2]string]int{} // those of a category that do not apply, by the reason
	for i := range p.Results {
		if r := &p.Results[i]; r.Status == Cannot {
			if !missing {
				b.WriteString("cannot be shown here\n")
				missing = true
			}
			if strings.HasPrefix(r.Reason, notApplicable) {
				same[[2]string{r.Probe.Category(), r.Reason}]++
				continue
			}
			line(2, r.Probe.ID, r.Reason)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(same), func(a, b [2]string) int { return strings.Compare(a[0]+a[1], b[0]+b[1]) }) {
		line(2, key[0]+", "+strconv.Itoa(same[key])+" of them", key[1])
	}
	if missing {
		b.WriteByte('\n')
	}
	for _, category := range Categories() {
		total, good := 0, 0
		for i := range p.Results {
			if r := &p.Results[i]; r.Probe.Category() == category && !(r.Status == Cannot && strings.HasPrefix(r.Reason, notApplicable)) {
				total++
				switch r.Status {
				case Held, OK, Shown:
					good++
				}
			}
		}
		if total == 0 {
			continue
		}
		word := "held"
		switch {
		case category == "controls":
			word = "ok"
		case p.Self:
			word = "shown"
		}
		b.WriteString(category + strings.Repeat(" ", 12-len(category)) + fmt.Sprintf("%3d of %3d %s\n", good, total, word))
		for i := range p.Results {
			if r := &p.Results[i]; verbose && r.Probe.Category() == category {
				line(2, fmt.Sprintf("%-9s %-34s", r.Status, r.Probe.ID), r.Probe.Title)
				if r.Reason != "" && r.Status == Held {
					line(14, r.Reason)
				}
			}
		}
	}
	b.WriteByte('\n')
	for _, n := range p.Weaker {
		line(0, "weaker: "+n)
	}
	for _, n := range p.Notes {
		line(0, "note: "+n)
	}
	line(0, p.Summary())
	_, err := io.WriteString(w, b.String())
	return err
}

// jsonProof is the form for programs, described in docs/prove.schema.json.
type jsonProof struct {
	V        int          `json:"v"`
	Bailey   string       `json:"bailey"`
	Target   string       `json:"target"`
	Tier     string       `json:"tier,omitempty"`
	Mode     string       `json:"mode,omitempty"`
	Policy   string       `json:"policy,omitempty"`
	Weaker   []string     `json:"weaker,omitempty"`
	Notes    []string     `json:"notes,omitempty"`
	Self     bool         `json:"self_check,omitempty"`
	Gate     []Severity   `json:"gate"`
	Holds    bool         `json:"holds"`
	Duration int64        `json:"duration_ms"`
	Counts   jsonCounts   `json:"counts"`
	Results  []jsonResult `json:"results"`
}

type jsonCounts struct {
	Held    int `json:"held"`
	Escaped int `json:"escaped"`
	Unknown int `json:"unknown"`
	Cannot  int `json:"not_shown"`
	OK      int `json:"controls_ok"`
	Broken  int `json:"controls_broken"`
	Shown   int `json:"shown,omitempty"`
	Failed  int `json:"failed,omitempty"`
}

type jsonResult struct {
	ID        string   `json:"id"`
	Category  string   `json:"category"`
	Severity  Severity `json:"severity,omitempty"`
	Control   bool     `json:"control,omitempty"`
	Status    Status   `json:"status"`
	Fails     bool     `json:"fails"`
	Announced bool     `json:"announced,omitempty"`
	Title     string   `json:"title"`
	Why       string   `json:"why"`
	Docs      string   `json:"docs"`
	Wall      string   `json:"wall,omitempty"`
	Reason    string   `json:"reason,omitempty"`
	Fix       string   `json:"fix,omitempty"`
	Rule      string   `json:"rule,omitempty"`
	Where     string   `json:"where,omitempty"`
	Evidence  string   `json:"evidence"`
	Duration  int64    `json:"duration_ms"`
}

// WriteJSON prints the proof for programs.
func (p *Proof) WriteJSON(w io.Writer) error {
	out := jsonProof{V: 1, Bailey: p.Bailey, Target: p.Target, Tier: p.Tier, Mode: p.Mode, Policy: p.Policy, Weaker: p.Weaker, Notes: p.Notes, Self: p.Self,
		Gate: p.Gate, Holds: p.Holds(), Duration: p.Took.Milliseconds(), Results: []jsonResult{},
		Counts: jsonCounts{p.Count(Held), p.Count(Escaped), p.Count(Unknown), p.Count(Cannot), p.Count(OK), p.Count(Broken), p.Count(Shown), p.Count(Failed)}}
	for i := range p.Results {
		r := &p.Results[i]
		j := jsonResult{ID: r.Probe.ID, Category: r.Probe.Category(), Severity: r.Probe.Severity, Control: r.Probe.Control, Status: r.Status, Fails: p.Fails(r), Announced: p.Announced(r), Title: r.Probe.Title,
			Why: r.Probe.Why, Docs: r.Probe.Link(), Wall: r.Probe.Wall, Reason: r.reason(), Evidence: r.Evidence, Duration: r.Took.Milliseconds()}
		if p.Fails(r) || r.Status == Escaped {
			j.Fix = r.fix()
		}
		if r.Rule.Granted {
			j.Rule, j.Where = r.Rule.Rule, r.Rule.Where
		}
		out.Results = append(out.Results, j)
	}
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}

// WriteJUnit prints the proof as test results: a suite a category.
func (p *Proof) WriteJUnit(w io.Writer) error {
	var suites []junit.Suite
	for _, category := range Categories() {
		s := junit.Suite{Name: "bailey prove: " + category}
		for i := range p.Results {
			r := &p.Results[i]
			if r.Probe.Category() != category {
				continue
			}
			c := junit.Case{Class: "prove." + category, Name: r.Probe.ID + ": " + r.Probe.Title, Seconds: r.Took.Seconds()}
			switch {
			case p.Fails(r):
				c.Failure = string(r.Status) + ": " + r.reason() + "\nwall: " + r.Probe.Wall + "\nfix: " + r.fix() + "\nwhy: " + r.Probe.Why + "\n" + r.Probe.Link()
			case r.Status == Cannot, r.Status == Escaped:
				c.Skipped = string(r.Status) + ": " + r.reason()
			}
			s.Cases = append(s.Cases, c)
		}
		if len(s.Cases) > 0 {
			suites = append(suites, s)
		}
	}
	return junit.Write(w, suites...)
}
