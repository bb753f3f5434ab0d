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
)

const (
	// delegateTimeout is how long the delegate program may think. A person who is
	// asked through it needs that long; who waits longer thinks the agent hangs.
	// Beyond it the call is denied.
	delegateTimeout = 60 * time.Second
	// delegateOutput is how much of what it says is kept, in bytes.
	delegateOutput = 4 << 10
)

// question is what the delegate program reads.
type question struct {
	Tool     json.RawMessage `json:"tool"`
	Input    json.RawMessage `json:"input"`
	Cwd      string          `json:"cwd"`
	Decision ToolDecision    `json:"answer"` // what the rules said, with the parts that are asked about
}

// delegate asks a program in place of a person: exit code 0 allows, 1 leaves it
// asked, everything else denies, as does a program that cannot be run, crashes or
// takes too long. What it writes to standard error is the reason.
func delegate(program, dir string, call []byte, d ToolDecision) ToolDecision {
	q := question{Cwd: dir, Decision: d}
	if err := json.Unmarshal(call, &q); err != nil {
		return answered(d, Deny, program, "the call cannot be passed on: "+err.Error())
	}
	q.Cwd, q.Decision = dir, d
	text, err := json.Marshal(q)
	if err != nil {
		return answered(d, Deny, program, "the call cannot be passed on: "+err.Error())
	}
	ctx, cancel := context.WithTimeout(context.Background(), delegateTimeout)
	defer cancel()
	said := &limited{left: delegateOutput}
	cmd := exec.CommandContext(ctx, program)
	cmd.Dir, cmd.Stdin, cmd.Stderr = dir, bytes.NewReader(text), said
	cmd.WaitDelay = time.Second // a child of it may hold its standard error open
	err = cmd.Run()
	reason := readable(said.String())
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return answered(d, Deny, program, fmt.Sprintf("it did not answer in %v", delegateTimeout))
	case err == nil:
		return answered(d, Allow, program, reason)
	case !errors.As(err, &exit):
		return answered(d, Deny, program, "it cannot be run: "+err.Error())
	case !exit.Exited():
		return answered(d, Deny, program, "it crashed: "+exit.String())
	case exit.ExitCode() == 1:
		return answered(d, Ask, program, reason)
	}
	return answered(d, Deny, program, reason)
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
