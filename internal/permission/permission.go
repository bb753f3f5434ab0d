// Package permission answers allow, ask or deny for what an agent wants to do: a
// shell text, a file, an address, a tool. Its rules are guardrails in front of the
// walls: an allow lifts no wall, and a command can be written that no reader of
// text understands. What is not understood is asked about.
//
// The package is pure: it opens no file and makes no system call.
package permission

import (
	"slices"
	"strings"

	"github.com/bailey-run/bailey/internal/policy"
)

// Verdict is an answer.
type Verdict string

// The verdicts, in the order of their strength: a decision is the strongest one
// of its parts.
const (
	Allow Verdict = "allow"
	Ask   Verdict = "ask"
	Deny  Verdict = "deny"
)

func (v Verdict) strength() int {
	switch v {
	case Allow:
		return 0
	case Ask:
		return 1
	}
	return 2
}

// Decision is the answer to one call of a tool.
type Decision struct {
	Verdict Verdict `json:"decision"`
	Parts   []Part  `json:"parts"`
	Reason  string  `json:"reason"`
	Change  string  `json:"change,omitempty"` // what would change the answer
}

// Asked reports whether a question about a program that is executed is one that
// the call asked already: under the same rule, and in the same words but for the
// blanks between them. Another spelling of the same command is another question.
func (d *Decision) Asked(rule, where, subject string) bool {
	for i := range d.Parts {
		p := &d.Parts[i]
		if p.Verdict == Ask && p.Kind == kindCommand && p.Rule == rule && p.From.String() == where && slices.Equal(strings.Fields(p.Text), strings.Fields(subject)) {
			return true
		}
	}
	return false
}

// Part is one thing that the call would do, with its own answer.
type Part struct {
	Kind    string        `json:"kind"` // command, read, write, variable, text, fetch, tool
	Text    string        `json:"text"`
	Verdict Verdict       `json:"decision"`
	List    Verdict       `json:"list,omitempty"` // the list that holds the rule
	Rule    string        `json:"rule,omitempty"`
	From    policy.Source `json:"from,omitzero"` // where the rule is; none when the approval policy decided
	Reason  string        `json:"reason"`
	Change  string        `json:"change,omitempty"`
}

// Call is one call of a tool.
type Call struct {
	Tool  string
	Input Input
}

// Context is what the answer depends on beside the rules.
type Context struct {
	Cwd  string // where a relative path starts; absolute
	Home string // what ~ stands for, "" for none

	// Real resolves the symbolic links of a path; nil where nobody can look. A
	// path is judged as it is written and as it is.
	Real func(path string) string
}

// Part kinds.
const (
	kindCommand  = "command"
	kindRead     = "read"
	kindWrite    = "write"
	kindVariable = "variable"
	kindText     = "text" // shell text that is not understood
	kindFetch    = "fetch"
	kindTool     = "tool"
)

// conclude makes the decision of its parts under the approval policy.
func (s *Set) conclude(parts []Part) Decision {
	if s.approval == policy.Never {
		for i := range parts {
			if p := &parts[i]; p.Verdict == Ask {
				p.Verdict = Deny
				p.Reason += "; nobody is asked under approval = \"never\""
			}
		}
	}
	return Conclude(distinct(parts))
}

// distinct leaves out parts that are said already: what a wrapper runs is looked at
// behind the wrapper and by itself.
func distinct(parts []Part) []Part {
	if len(parts) < 2 {
		return parts
	}
	seen := make(map[Part]bool, len(parts))
	return slices.DeleteFunc(parts, func(p Part) bool {
		was := seen[p]
		seen[p] = true
		return was
	})
}

// Conclude makes the decision of its parts: the strongest one of theirs.
func Conclude(parts []Part) Decision {
	d := Decision{Verdict: Allow, Parts: parts, Reason: "nothing in it is refused or asked about"}
	if parts == nil {
		d.Parts = []Part{}
	}
	for i := range parts {
		p := &parts[i]
		if p.Verdict.strength() > d.Verdict.strength() {
			d.Verdict, d.Reason, d.Change = p.Verdict, p.Reason, p.Change
			if p.Kind != kindText {
				d.Reason = short(p.Text) + ": " + p.Reason
			}
		}
	}
	return d
}

// maxShown is how much of a part's text a reason repeats, in bytes.
const maxShown = 200

func short(text string) string {
	if len(text) <= maxShown {
		return text
	}
	cut := maxShown
	for cut > 0 && text[cut]&0xc0 == 0x80 {
		cut--
	}
	return text[:cut] + "…"
}
