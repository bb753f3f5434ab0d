package bailey

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"

	"github.com/bailey-run/bailey/internal/layers"
	"github.com/bailey-run/bailey/internal/permission"
)

// Verdict is an answer: allow, ask or deny.
type Verdict = permission.Verdict

// The verdicts. A decision is the strongest of its parts, Deny over Ask over
// Allow.
const (
	Allow = permission.Allow
	Ask   = permission.Ask
	Deny  = permission.Deny
)

// ToolDecision is the answer to one call of a tool, with the parts it is made of
// and the rule that decided each.
type ToolDecision = permission.Decision

// ToolPart is one thing that a call would do.
type ToolPart = permission.Part

// ListedRule is one rule with the place it is written at.
type ListedRule = permission.Listed

// LoadPolicyFile makes the policy that one file alone says, with the built-in
// profiles below it: no file of the user, the project or the machine's owner
// counts. Dir is as in Config.
func LoadPolicyFile(dir, file string) (*Policy, error) {
	facts, err := layers.Collect(dir, "")
	if err != nil {
		return nil, err
	}
	p, err := layers.LoadAlone(facts, file)
	if err != nil {
		return nil, err
	}
	return &Policy{p: p, facts: facts, dir: facts.StartDir}, nil
}

// Check judges one call of a tool by the rules of the policy: input is the JSON
// object that the tool is called with, as in {"command": "ls"} for Bash. Input
// that cannot be read, and a tool that is not known, is denied. Grants count: they
// answer what the rules ask. Check asks nobody and runs nothing; it looks where the
// symbolic links of paths lead.
//
// The rules are guardrails: an Allow lifts no wall.
func (p *Policy) Check(tool string, input []byte) ToolDecision {
	in, err := permission.ParseInput(tool, input)
	if err != nil {
		return permission.Refuse(err.Error())
	}
	return p.check(permission.Call{Tool: tool, Input: in}, false)
}

// CheckLine is Check for {"tool": …, "input": {…}}.
func (p *Policy) CheckLine(line []byte) ToolDecision {
	c, err := permission.ParseCall(line)
	if err != nil {
		return permission.Refuse(err.Error())
	}
	return p.check(c, false)
}

// CheckShell is Check for a text of the named shell; "" is bash.
func (p *Policy) CheckShell(text, shell string) ToolDecision {
	return p.check(permission.Call{Tool: "Bash", Input: permission.Input{Command: text, Shell: shell}}, false)
}

// Decide is Check, with the use of grants counted, and the delegate program asked
// where the answer would be Ask and the policy names one. Call is the whole of {"tool": …, "input": {…}}.
func (p *Policy) Decide(call []byte) ToolDecision {
	c, err := permission.ParseCall(call)
	if err != nil {
		return permission.Refuse(err.Error())
	}
	d := p.check(c, true)
	if program := p.p.Permissions.Delegate; d.Verdict == Ask && program.Set {
		return delegate(program.V, p.dir, call, d)
	}
	return d
}

// At is the policy for calls that start in another directory, which is absolute:
// relative paths of a call, and patterns that start in its directory, count from
// there. The rules and the grants stay the same.
func (p *Policy) At(dir string) *Policy {
	return &Policy{p: p.p, facts: p.facts, dir: filepath.Clean(dir), grants: p.grants, presets: p.presets}
}

// Rules are the rules of the policy in the order they are asked, without the
// built-in ones.
func (p *Policy) Rules() []ListedRule { return p.set().Rules() }

// BuiltinRules are the commands that are always asked about, and the ones that
// are allowed under approval = "untrusted" because they only read.
func BuiltinRules() []ListedRule { return permission.Builtin() }

// check judges a call. Should the analysis fail on a text, which no text should
// make it do, that text is denied: the caller may be a hook that must not fail
// open.
func (p *Policy) check(c permission.Call, use bool) (d ToolDecision) {
	defer func() {
		if problem := recover(); problem != nil {
			d = permission.Refuse(fmt.Sprintf("the analysis failed, which is a fault of bailey: %v", problem))
		}
	}()
	d = p.set().Check(c, permission.Context{Cwd: p.dir, Home: p.p.Home, Real: real})
	return p.granted(c.Tool, d, use)
}

// set reads the rules when they are asked for the first time.
func (p *Policy) set() *permission.Set {
	p.once.Do(func() {
		set, err := permission.New(p.p)
		if err != nil {
			panic("bailey: rules that were read cannot be read again: " + err.Error()) // layers.Load has read them
		}
		p.rules = set
	})
	return p.rules
}

// lazyRules are the rules of a policy, read once.
type lazyRules struct {
	once  sync.Once
	rules *permission.Set
}

// real resolves the links of a path whose last parts may not exist. It returns ""
// for a path that nobody could open.
func real(file string) string {
	rest := ""
	for dir := file; ; {
		found, err := filepath.EvalSymlinks(dir)
		if err == nil {
			return filepath.Join(found, rest)
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == "/" || dir == "." {
			return ""
		}
		// The path stays as it is written: a .. behind a link leads to where the link
		// does.
		at := strings.LastIndexByte(dir, '/')
		rest = filepath.Join(dir[at+1:], rest)
		dir = dir[:max(at, 1)]
	}
}

// Call writes a call of a tool as Decide and CheckLine read it.
func Call(tool string, input map[string]string) []byte {
	return encode(map[string]any{"tool": tool, "input": input})
}

// CallInput writes the input of a call alone.
func CallInput(input map[string]string) []byte { return encode(input) }

func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("bailey: encode a call: " + err.Error()) // strings only
	}
	return text
}
