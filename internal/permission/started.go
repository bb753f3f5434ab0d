package permission

import (
	"strings"

	"github.com/bailey-run/bailey/internal/policy"
	"mvdan.cc/sh/v3/syntax"
)

// Programs that are executed, however deep inside a script. What is judged there is
// no text that somebody wants to run but one program with its arguments, and there
// may be thousands in a build. So less holds than for a call of a tool: the deny and
// ask rules for Bash that somebody wrote, with a pattern. The built-in lists, rules
// for Bash as a whole, and what the approval policy says where no rule does are about
// what an agent wants.

// Deep are the rules that hold for programs that are executed. It is immutable and
// safe for concurrent use.
type Deep struct {
	set   *Set
	rules []*rule
	names map[string]bool
	all   bool // a pattern leaves open which program it is about
	deny  bool // one of the rules denies
}

// Deep returns the rules that hold for programs that are executed; nil for none.
func (s *Set) Deep() *Deep {
	d := &Deep{set: s, names: map[string]bool{}}
	for _, r := range s.rules {
		if r.list == Allow || r.tool != toolBash || r.all || r.from.Layer == policy.LayerBuiltin {
			continue
		}
		d.rules = append(d.rules, r)
		d.deny = d.deny || r.list == Deny
		if r.shell.base == "" {
			d.all = true
		} else {
			d.names[r.shell.base] = true
		}
	}
	if len(d.rules) == 0 {
		return nil
	}
	return d
}

// Concerns says whether a rule may be about a program of this name, without its
// directory. Where it says no, Check would too.
func (d *Deep) Concerns(name string) bool {
	return d.all || d.names[name] || isMany(name) || d.deny && isShell(name)
}

// isMany says whether a program is many in one, and runs them without executing
// another.
func isMany(name string) bool {
	return name == "busybox" || name == "toybox" || name == "coreutils" || isLinker(name)
}

// Check judges a program with its arguments, the program first. It returns the part
// that a rule decides, and false where none does.
//
// A deny rule holds for the program, and for what the text of sh -c would run. An
// ask rule holds for the program alone: what a shell or a wrapper executes comes
// here by itself, and would be asked about twice.
func (d *Deep) Check(words []string, ctx Context) (Part, bool) {
	if len(words) == 0 {
		return Part{}, false
	}
	cmd := &command{words: make([]word, len(words)), src: Quote(words)}
	for i, w := range words {
		cmd.words[i] = static(w)
	}
	a := &analysis{ctx: &ctx, parsers: d.set.parsers}
	name := cmd.name()
	switch {
	case isShell(name) && d.deny:
		a.shellCommand(cmd, name, nil)
	case isMany(name):
		a.wrapper(cmd, findWrapper(name))
	}
	for _, r := range d.rules { // deny comes first
		m := r.shell.hits(cmd)
		if m != yes && (r.list == Deny || isMany(name)) {
			m = deepest(r.shell, cmd, 0)
			for i := 0; i < len(a.commands) && m != yes; i++ {
				m = deepest(r.shell, a.commands[i], 0)
			}
		}
		if m != yes {
			continue
		}
		p := r.by(kindCommand, cmd.src)
		if p.Verdict == Ask && d.set.approval == policy.Never {
			p.Verdict = Deny
			p.Reason += "; nobody is asked under approval = \"never\""
		}
		return p, true
	}
	return Part{}, false
}

// Quote writes words as one command of a shell. What no shell can be given in one
// word is left as it is.
func Quote(words []string) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		if q, err := syntax.Quote(w, syntax.LangBash); err == nil {
			w = q
		}
		b.WriteString(w)
	}
	return b.String()
}
