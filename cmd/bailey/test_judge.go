package main

import (
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/attempt"
)

// outcome is what became of a case.
type outcome string

// The outcomes. Vacuous and not shown are passes that nobody should rely on.
const (
	passed   outcome = "passed"
	failed   outcome = "failed"
	vacuous  outcome = "vacuous"   // denied, and not there anyway
	notShown outcome = "not shown" // decided as expected, and it could not be tried
)

// trial is a run of cases, and with --json what is printed, version 1: new
// fields do not change it.
type trial struct {
	Version int          `json:"v"`
	Policy  string       `json:"policy"`
	Mode    bailey.Mode  `json:"mode"`
	Tier    bailey.Tier  `json:"tier"`
	Real    bool         `json:"real"`
	Strict  bool         `json:"strict"`
	Passed  int          `json:"passed"`
	Failed  int          `json:"failed"`
	Vacuous int          `json:"vacuous"`
	Unshown int          `json:"not_shown"`
	Cases   []caseResult `json:"cases"`

	plan  *bailey.Plan
	cases []testCase
}

// caseResult is one case with what was decided, and what a box could really do.
type caseResult struct {
	File     string          `json:"file"`
	Line     int             `json:"line,omitempty"`
	Column   int             `json:"column,omitempty"`
	Case     string          `json:"case"`
	Reason   string          `json:"reason,omitempty"`
	Want     bailey.Verdict  `json:"want"`
	Got      bailey.Verdict  `json:"got"`
	Outcome  outcome         `json:"outcome"`
	Mismatch bool            `json:"mismatch,omitempty"` // policy and reality differ
	Note     string          `json:"note,omitempty"`     // why it is vacuous, not shown or a mismatch
	Decision bailey.Decision `json:"decision"`
	Real     *realResult     `json:"real,omitempty"`
	Micros   int64           `json:"duration_us"` // to decide, and to try
}

// realResult is what came of trying.
type realResult struct {
	Verdict bailey.Verdict `json:"verdict,omitempty"` // "" when nothing follows
	How     string         `json:"how"`
}

// newTrial decides every case.
func newTrial(p *bailey.Plan, cases []testCase, strict bool) *trial {
	t := &trial{Version: 1, Policy: p.Hash(), Mode: p.Mode(), Tier: p.Tier(), Strict: strict, plan: p, cases: cases}
	for _, c := range cases {
		began := time.Now()
		r := caseResult{
			File: c.File, Line: c.Line, Column: c.Column, Case: c.Text(), Reason: c.Reason,
			Want: bailey.Verdict(c.Want), Decision: p.Decide(c.Op, c.words()...),
		}
		r.Micros = time.Since(began).Microseconds()
		t.Cases = append(t.Cases, r)
	}
	return t
}

// words is the target with its path made absolute, as far as it is one.
func (c *testCase) words() []string {
	words := append([]string(nil), c.Target...)
	if p := c.Path(c.dir); p != "" {
		words[0] = p
	}
	return words
}

// judge compares what was wanted, what was decided and what was tried.
func (t *trial) judge() {
	for i := range t.Cases {
		r := &t.Cases[i]
		r.judge()
		if t.Strict && (r.Outcome == vacuous || r.Outcome == notShown) {
			r.Note = string(r.Outcome) + ": " + r.Note
			r.Outcome = failed
		}
		switch r.Outcome {
		case passed:
			t.Passed++
		case vacuous:
			t.Vacuous++
		case notShown:
			t.Unshown++
		default:
			r.Outcome = failed
			t.Failed++
		}
	}
}

func (r *caseResult) judge() {
	d := &r.Decision
	r.Got, r.Outcome = d.Verdict, failed
	real := bailey.Verdict("")
	if r.Real != nil {
		real = r.Real.Verdict
	}
	if d.Loose && d.Verdict == bailey.Allow && real == bailey.Deny {
		r.Got = real
		d.Why += "; this file the kernel itself keeps closed"
	}
	if real != "" && real != r.Got && !(d.Guardrail && real == bailey.Allow) {
		r.Mismatch = true
		r.Note = "the policy says " + string(r.Got) + ", and a box in fact says " + string(real) + ": " + r.Real.How
		return
	}
	switch {
	case r.Got != r.Want:
	case r.Want == bailey.Deny && d.Absent && (d.Op == "read" || d.Op == "exec"):
		r.Outcome, r.Note = vacuous, "it is not on this machine, so denying it shows nothing"
	case r.Real != nil && real == "":
		r.Outcome, r.Note = notShown, r.Real.How
	case real != "" && real != r.Got: // a guardrail, and no wall behind it
		r.Outcome, r.Note = notShown, "a rule about commands says so, which is advice: it starts in a box"
	default:
		r.Outcome = passed
	}
}

// weigh says what follows from an answer that came from inside.
func weigh(d *bailey.Decision, a attempt.Answer) *realResult {
	r := &realResult{How: a.Step}
	errno := syscall.Errno(a.Errno)
	switch {
	case a.Skip != "":
		r.How = a.Skip
	case a.Done:
		r.Verdict = bailey.Allow
		// What the box opens in a place of its own is not the host's file,
		// unless it is: that is what the numbers say.
		if d.Own && (d.Op == "read" || d.Op == "write") && !same(d, a) {
			r.Verdict, r.How = bailey.Deny, a.Step+" reached the box's own file, not the host's"
		}
	case (errno == syscall.ENOENT || errno == syscall.ENOTDIR) && d.Op == "read" && d.Absent:
		r.How = "it is not on this machine"
	case (errno == syscall.ENOENT || errno == syscall.ENOTDIR) && d.Op == "write" && d.Absent && d.Verdict == bailey.Allow:
		r.How = "the directory to make it in is not there"
	case d.Verdict == bailey.Deny:
		r.Verdict, r.How = bailey.Deny, a.Step+": "+errno.Error()
	case d.Op == "connect" && (errno == syscall.ECONNREFUSED || errno == syscall.EHOSTUNREACH || errno == syscall.ECONNRESET):
		r.How = a.Step + ": " + errno.Error() + "; whether anything is there is not the policy's business"
	case d.Op == "env" && d.Absent:
		r.How = "the caller has no such variable"
	default:
		r.Verdict, r.How = bailey.Deny, a.Step+": "+errno.Error()
	}
	return r
}

// same says whether what was opened inside is the host's file, or a new file was
// made in the host's directory.
func same(d *bailey.Decision, a attempt.Answer) bool {
	for _, p := range []string{d.Host, filepath.Dir(d.Host)} {
		info, err := os.Stat(p)
		if err != nil {
			continue
		}
		if dev, ino := attempt.Identity(info); dev == a.Dev && ino == a.Ino {
			return true
		}
		if d.Op == "read" {
			return false
		}
	}
	return false
}
