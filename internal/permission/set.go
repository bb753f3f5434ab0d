package permission

import (
	"errors"
	"strconv"
	"sync"

	"github.com/bailey-run/bailey/internal/policy"
	"mvdan.cc/sh/v3/syntax"
)

// Set is the rules of a policy, ready to be asked. It is immutable and safe for
// concurrent use.
type Set struct {
	approval policy.Approval
	rules    []*rule // the strongest list first, each in the order of the policy
	bare     bool    // no built-in lists: a rule's examples are about the rule alone
	parsers  *sync.Pool

	once  sync.Once
	shell []*rule // the rules for Bash, with the built-in ones; see shellRules
}

// New reads the rules of a policy and tries their examples. The error is a
// policy.Errors that names every rule that cannot be used.
func New(p *policy.Policy) (*Set, error) {
	s := &Set{approval: p.Approval.V, parsers: newParsers()}
	if s.approval == "" {
		s.approval = policy.OnRequest
	}
	var errs []*policy.Error
	for _, list := range [...]struct {
		verdict Verdict
		rules   []policy.Value[policy.Rule]
	}{{Deny, p.Permissions.Deny}, {Ask, p.Permissions.Ask}, {Allow, p.Permissions.Allow}} {
		for i := range list.rules {
			v := &list.rules[i]
			r, err := parseRule(list.verdict, v.V.Text, v.V.Base, p.Home)
			if err != nil {
				errs = append(errs, ruleError(list.verdict, v.From, err))
				continue
			}
			r.reason, r.from = v.V.Reason, v.From
			s.rules = append(s.rules, r)
			if problem := s.examples(r, &v.V, p); problem != "" {
				errs = append(errs, &policy.Error{File: v.From.File, Line: v.From.Line, Column: v.From.Column, Key: "permissions." + string(list.verdict), Problem: problem, Hint: "correct the rule or the example"})
			}
		}
	}
	if len(errs) > 0 {
		return nil, policy.Errors(errs)
	}
	return s, nil
}

// shellRules are the rules for Bash and the built-in ones. They are put together
// when the first text is judged: most starts of bailey judge none.
func (s *Set) shellRules() []*rule {
	s.once.Do(func() {
		for _, list := range [...]Verdict{Deny, Ask, Allow} {
			for _, r := range s.rules {
				if r.list == list && r.tool == toolBash {
					s.shell = append(s.shell, r)
				}
			}
			if list == Ask && !s.bare {
				s.shell = append(s.shell, destructive()...)
			}
		}
	})
	return s.shell
}

// newParsers keeps parsers between calls: each has a buffer of its own.
func newParsers() *sync.Pool {
	return &sync.Pool{New: func() any { return syntax.NewParser() }}
}

func ruleError(list Verdict, from policy.Source, err error) *policy.Error {
	e := &policy.Error{File: from.File, Line: from.Line, Column: from.Column, Key: "permissions." + string(list), Problem: err.Error()}
	var wrong *syntaxError
	if errors.As(err, &wrong) {
		e.Hint, e.Nearest = wrong.hint, wrong.near
	}
	return e
}

// examples tries what the writer of a rule says it matches and does not match. It
// returns what is wrong, "" when nothing is.
func (s *Set) examples(r *rule, written *policy.Rule, p *policy.Policy) string {
	if len(written.Match)+len(written.NotMatch) == 0 {
		return ""
	}
	alone := &Set{approval: policy.Untrusted, rules: []*rule{r}, bare: true, parsers: s.parsers}
	ctx := Context{Cwd: p.Workspace, Home: p.Home}
	if ctx.Cwd == "" {
		ctx.Cwd = "/"
	}
	try := func(text string) bool {
		c := Call{Tool: r.tool}
		switch r.tool {
		case toolBash:
			c.Input.Command = text
		case toolRead, toolEdit:
			c.Input.Path = text
		case toolFetch:
			c.Input.URL = text
		case toolMCP:
			c.Tool = text
		case toolAgent, toolSkill:
			c.Input.Name = text
		default:
			return text == r.tool
		}
		d := alone.Check(c, ctx)
		if r.list == Allow {
			return d.Verdict == Allow
		}
		for i := range d.Parts {
			if d.Parts[i].Rule == r.text && d.Parts[i].Verdict == r.list {
				return true
			}
		}
		return false
	}
	for _, text := range written.Match {
		if !try(text) {
			return "the rule " + r.text + " does not match its example " + strconv.Quote(text)
		}
	}
	for _, text := range written.NotMatch {
		if try(text) {
			return "the rule " + r.text + " matches " + strconv.Quote(text) + ", which it says it does not"
		}
	}
	return ""
}

// Approval is the approval policy that decides where no rule does.
func (s *Set) Approval() policy.Approval { return s.approval }

// Listed is one rule, for people who list them.
type Listed struct {
	List   Verdict       `json:"list"`
	Rule   string        `json:"rule"`
	From   policy.Source `json:"from"`
	Reason string        `json:"reason,omitempty"`
}

// Rules lists the rules of the policy in the order they are asked: deny, ask,
// allow.
func (s *Set) Rules() []Listed {
	list := []Listed{}
	for _, r := range s.rules {
		list = append(list, Listed{r.list, r.text, r.from, r.reason})
	}
	return list
}
