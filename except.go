package bailey

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/bailey-run/bailey/internal/approval"
	"github.com/bailey-run/bailey/internal/audit"
	"github.com/bailey-run/bailey/internal/inside"
	"github.com/bailey-run/bailey/internal/permission"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
	"mvdan.cc/sh/v3/syntax"
)

// Exception is what a policy says under [exceptions.NAME].
type Exception = policy.Exception

// notExcepted says why words may not run outside.
func notExcepted(words []string, rule, hint string) error {
	return &DeniedError{Op: "run outside the box", Target: strings.Join(words, " "), Rule: rule, Hint: hint}
}

// exception finds the exception called name and writes down the command, as far as
// the policy lets it run without walls when a person agrees.
func (p *Policy) exception(name string, words []string) (v policy.Value[Exception], text string, err error) {
	v, ok := p.p.Exceptions[name]
	where := plan.Where(v.From)
	switch {
	case !ok:
		return v, "", notExcepted(words, "there is no exception "+name, "write [exceptions."+name+"] with command and reason in your own configuration")
	case v.V.Over(time.Now()):
		return v, "", notExcepted(words, "the exception "+name+" ended on "+v.V.Expires, "look at whether it is still needed, at "+where)
	}
	text, covered := p.covers(&v.V, words)
	if text == "" {
		return v, "", notExcepted(words, "the command cannot be written down as it is", "leave out what is not text")
	}
	if d := p.CheckShell(text, ""); d.Verdict == Deny {
		return v, "", notExcepted(words, d.Reason, d.Change)
	}
	if !covered {
		return v, "", notExcepted(words, "the exception "+name+" is for "+v.V.Command+" ("+where+")", "run what it says, or write another exception")
	}
	return v, text, nil
}

// Except asks a person whether a command may run outside of the box, as the
// exception called name of the policy says, and then makes c the configuration of a
// run without walls. No rule and no program answers in place of the person. An error
// says why the command may not run, and leaves c as it was.
func (c *Config) Except(ctx context.Context, name string, words []string, person Asker) error {
	p, err := LoadPolicy(*c)
	if err != nil {
		return err
	}
	v, text, err := p.exception(name, words)
	if err != nil {
		return err
	}
	where := plan.Where(v.From)
	desk, done := askOutside(p.facts, p.p, person)
	defer done()
	q := Question{Kind: KindException, Subject: text, Why: v.V.Reason, Rule: "exceptions." + name, Where: where, Project: p.p.Workspace, Scopes: []Scope{ScopeProject}}
	a := desk.Ask(ctx, q)
	if !a.Allow {
		return notExcepted(words, a.Rule, "answer the question on a terminal, or with bailey approve")
	}
	c.Mode = DangerFullAccess
	event := approvalEvent(&q, a)
	c.excepted = &event
	return nil
}

// covers reports whether an exception is for a command, and writes the command as
// shell text; "" for one that cannot be.
func (p *Policy) covers(x *Exception, words []string) (text string, covered bool) {
	quoted := make([]string, len(words))
	for i, w := range words {
		q, err := syntax.Quote(w, syntax.LangBash)
		if err != nil {
			return "", false
		}
		quoted[i] = q
	}
	text = strings.Join(quoted, " ")
	rule := "Bash(" + x.Command + ")"
	alone := &policy.Policy{Home: p.p.Home, Workspace: p.p.Workspace}
	alone.Approval.V = policy.Untrusted
	alone.Permissions.Allow = []policy.Value[policy.Rule]{{V: policy.Rule{Text: rule}, Set: true}}
	set, err := permission.New(alone)
	if err != nil {
		return text, false
	}
	d := set.Check(permission.Call{Tool: "Bash", Input: permission.Input{Command: text}}, permission.Context{Cwd: p.dir, Home: p.p.Home})
	for i := range d.Parts {
		if part := &d.Parts[i]; part.Verdict != Allow || part.Kind == "command" && part.Rule != rule {
			return text, false
		}
	}
	return text, d.Verdict == Allow && len(d.Parts) > 0
}

// excepted writes down that a box has no walls because a person said so.
func (b *Box) excepted(e *audit.Approval) {
	if e != nil {
		b.denials.emitEvent(*e)
	}
}

// exception answers for a command that would run outside. It never does for a box:
// what it would do is in files that the box writes. The answer names what a person
// types, when the policy would let it run.
func (r *requests) exception(q approval.Question, words []string) inside.Answer {
	b, name := r.box, q.Subject
	out := inside.Answer{Reason: "a program inside cannot start one outside"}
	switch _, command, err := b.plan.Policy().exception(name, words); {
	case b.desk.Never != "":
		out.Reason = b.desk.Never
	case len(words) == 0:
		out.Hint = "name the command: bailey request --exception " + name + " -- CMD"
	case err != nil:
		var denied *DeniedError
		if errors.As(err, &denied) {
			out.Reason, out.Hint = denied.Rule, denied.Hint
		}
	default:
		q.Subject, q.Rule = command, "exceptions."+name
		out.Hint = "a person can, outside, in " + plan.Show(b.plan.Workspace()) + ": bailey run --exception " + name + " -- " + command
	}
	b.desk.Told(q, approval.Answer{Scope: approval.Once, By: "policy", Rule: out.Reason})
	return out
}
