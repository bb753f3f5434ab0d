package bailey

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/bailey-run/bailey/internal/approval"
)

const (
	// delegateTimeout is how long the delegate program may think. A person who is
	// asked through it needs that long; who waits longer thinks the agent hangs.
	// Beyond it the call is denied.
	delegateTimeout = 60 * time.Second
	// delegateOutput is how much of what it says is kept, in bytes.
	delegateOutput = 4 << 10
)

// question is what the delegate program reads: for a call of a tool, or for what a
// box asks.
type question struct {
	Tool     json.RawMessage `json:"tool,omitempty"`
	Input    json.RawMessage `json:"input,omitempty"`
	Cwd      string          `json:"cwd"`
	Decision *ToolDecision   `json:"answer,omitempty"` // what the rules said, with the parts that are asked about

	Kind    Kind   `json:"kind,omitempty"`
	Subject string `json:"subject,omitempty"`
	Why     string `json:"why,omitempty"`
	Rule    string `json:"rule,omitempty"`
	Where   string `json:"where,omitempty"`
	Project string `json:"project,omitempty"`
	Session string `json:"session,omitempty"`
	PID     int    `json:"pid,omitempty"`
	Exe     string `json:"exe,omitempty"`
}

// delegate asks a program about a call in place of a person.
func delegate(program, dir string, call []byte, d ToolDecision) ToolDecision {
	q := question{}
	if err := json.Unmarshal(call, &q); err != nil {
		return answered(d, Deny, program, "the call cannot be passed on: "+err.Error())
	}
	v, reason := q.put(context.Background(), program, dir, &d)
	return answered(d, v, program, reason)
}

// put hands a question to the program: exit code 0 allows, 1 leaves it asked,
// everything else denies, as does a program that cannot be run, crashes or takes too
// long. What it writes to standard error is the reason.
func (q *question) put(ctx context.Context, program, dir string, d *ToolDecision) (v Verdict, reason string) {
	q.Cwd, q.Decision = dir, d
	text, err := json.Marshal(q)
	if err != nil {
		return Deny, "the call cannot be passed on: " + err.Error()
	}
	ctx, cancel := context.WithTimeout(ctx, delegateTimeout)
	defer cancel()
	said := &limited{left: delegateOutput}
	cmd := exec.CommandContext(ctx, program)
	cmd.Dir, cmd.Stdin, cmd.Stderr = dir, bytes.NewReader(text), said
	cmd.WaitDelay = time.Second // a child of it may hold its standard error open
	err = cmd.Run()
	reason = readable(said.String())
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return Deny, fmt.Sprintf("it did not answer in %v", delegateTimeout)
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // it ended well, and left something running
		return Allow, reason
	case !errors.As(err, &exit):
		return Deny, "it cannot be run: " + err.Error()
	case !exit.Exited():
		return Deny, "it crashed: " + exit.String()
	case exit.ExitCode() == 1:
		return Ask, reason
	}
	return Deny, reason
}

// delegateAsker asks the program what a box asks. It answers for this once, and
// never about what would run without walls.
type delegateAsker struct{ program, dir string }

// Ask is Asker's.
func (d *delegateAsker) Ask(ctx context.Context, q Question) Answer {
	if q.Kind == KindException {
		return Answer{By: approval.Nobody, Rule: "nobody to ask: a program may not answer for an exception"}
	}
	out := question{Kind: q.Kind, Subject: q.Subject, Why: q.Why, Rule: q.Rule, Where: q.Where, Project: q.Project, Session: q.Session, PID: q.PID, Exe: q.Exe}
	v, reason := out.put(ctx, d.program, d.dir, nil)
	rule := d.program + " answers " + string(v)
	if reason != "" {
		rule += ": " + reason
	}
	if v == Ask {
		return Answer{By: approval.Nobody, Rule: "nobody to ask: " + rule}
	}
	return Answer{Allow: v == Allow, Scope: ScopeOnce, By: "delegate", Rule: rule}
}

// answered puts the delegate's answer in place of what was asked.
func answered(d ToolDecision, v Verdict, program, reason string) ToolDecision {
	text := program + " answers " + string(v)
	if reason != "" {
		text += ": " + reason
	}
	parts := make([]ToolPart, len(d.Parts))
	copy(parts, d.Parts)
	for i := range parts {
		if p := &parts[i]; p.Verdict == Ask {
			p.Verdict = v
			p.Reason += "; " + text
			if v == Allow {
				p.Change = ""
			}
		}
	}
	d.Parts, d.Verdict, d.Reason = parts, v, text
	if v == Allow {
		d.Change = ""
	}
	return d
}

// readable is what a program said, on one line.
func readable(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if strings.ContainsFunc(s, func(r rune) bool { return r == 0xfffd || !strconv.IsPrint(r) }) {
		s = strconv.Quote(s)
	}
	return s
}

// limited keeps the first bytes and takes the rest.
type limited struct {
	bytes.Buffer
	left int
}

func (l *limited) Write(b []byte) (int, error) {
	n := min(len(b), l.left)
	l.left -= n
	l.Buffer.Write(b[:n])
	return len(b), nil
}
