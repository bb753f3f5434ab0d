package bailey

import (
	"bytes"
	"os"
	"path"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/bailey-run/bailey/internal/host"
	"github.com/bailey-run/bailey/internal/plan"
)

// ruling asks the rules about commands. A rule may deny, or ask, what the walls
// allow, and never the other way. What no rule names is not its business: whether
// a person is asked then, the approval policy says, to whoever calls the tool.
func (p *Plan) ruling(words []string) (Decision, bool) {
	text := make([]string, len(words))
	for i, w := range words {
		q, err := syntax.Quote(w, syntax.LangBash)
		if err != nil {
			return Decision{Verdict: Deny, Why: "the command cannot be written down: " + err.Error()}, true
		}
		text[i] = q
	}
	var ruled *ToolPart
	d := p.Policy().CheckShell(strings.Join(text, " "), "")
	for i, part := range d.Parts {
		if part.Rule != "" && part.Verdict != Allow && (ruled == nil || part.Verdict == Deny && ruled.Verdict != Deny) {
			ruled = &d.Parts[i]
		}
	}
	if ruled == nil {
		return Decision{}, false
	}
	r := Decision{Verdict: ruled.Verdict, Why: ruled.Reason, Hint: ruled.Change}
	r.from(ruled.Rule, ruled.From)
	return r, true
}

// exec decides whether the box may start a program: what a rule says, whether
// the program is there, and whether it may be executed.
func (x *decider) exec(d *Decision, words []string) {
	x.program(d, words[0])
	if d.Verdict != Allow {
		return
	}
	if r, ok := x.p.ruling(words); ok && r.Verdict != Allow {
		d.Verdict, d.Why, d.Hint, d.Guardrail = r.Verdict, r.Why, r.Hint, true
		d.Rule, d.Layer, d.File, d.Line = r.Rule, r.Layer, r.File, r.Line
	}
}

// program finds a program as the launcher does, and says whether it starts.
func (x *decider) program(d *Decision, name string) {
	if strings.Contains(name, "/") {
		x.executable(d, x.p.Resolve(name), 0)
		return
	}
	search := variable(x.p.Environ(), "PATH")
	found := false
	for dir := range strings.SplitSeq(search, ":") {
		if !path.IsAbs(dir) {
			continue
		}
		var at Decision
		if x.executable(&at, path.Join(dir, name), 0); at.Verdict == Allow {
			at.Op, at.Target = d.Op, d.Target
			*d = at
			return
		}
		// The first that is there and cannot be executed is what a person asks about.
		if !at.Absent && !found {
			found = true
			at.Op, at.Target = d.Op, d.Target
			*d = at
		}
	}
	if found {
		return
	}
	d.Absent = true
	d.Why = "no directory in PATH of the box has it: " + search
	for dir := range strings.SplitSeq(variable(x.p.facts.Env, "PATH"), ":") {
		if p := path.Join(dir, name); path.IsAbs(dir) && executable(p) {
			d.Absent, d.Host = false, p
			d.Why = plan.Show(p) + " of the host is not in PATH of the box"
			d.Hint = "--read " + plan.Typed(dir)
			return
		}
	}
}

// startsAnyway is what a denied pattern does not do.
const startsAnyway = "; that keeps it from being opened and not from being started"

// maxInterpreters is how many #! lines the kernel follows before it says ELOOP
// (exec_binprm in fs/exec.c).
const maxInterpreters = 5

func (x *decider) executable(d *Decision, name string, depth int) {
	w := x.walk(name)
	e := x.Explain(w.real)
	d.Path, d.Host, d.Own = w.real, e.Host, e.Own
	if d.Host == "" || e.Own {
		d.Host = w.real
	}
	d.from(e.Rule, e.From)
	d.Why, d.Hint = e.Why, e.Allow
	info, err := os.Stat(d.Host)
	d.Absent = missing(w.err) || missing(err)
	switch {
	case d.Absent:
		if e.Read {
			d.Why, d.Hint = plan.Show(name)+" is not there", ""
		}
		return
	case e.Own:
		return
	case !e.Starts:
		if e.Read {
			d.Why += ", without the right to execute"
		}
		return
	case err != nil:
		d.Why, d.Hint = err.Error(), ""
		return
	case !info.Mode().IsRegular():
		d.Why, d.Hint = plan.Show(name)+" is no program", ""
		return
	case !e.Exec:
		d.Why += startsAnyway
	}
	d.Verdict, d.Hint = Allow, ""
	if info.Mode()&0o111 == 0 { // this holds even for a root with all its power
		w.blocked = plan.Show(w.real) + " has mode " + info.Mode().String()
		d.Verdict, d.Hint, d.Why = Deny, "chmod +x", "the policy allows it, and the file system does not: "+w.blocked
		return
	}
	if x.blocked(d, w, e.Host, host.CanExec) {
		return
	}
	by, known := interpreter(e.Host)
	d.Loose = !known // only the kernel can look into it
	switch {
	case by == "":
	case depth == maxInterpreters:
		d.Verdict, d.Why = Deny, "too many interpreters of interpreters"
	default:
		var in Decision
		if x.executable(&in, path.Clean(by), depth+1); in.Verdict != Allow {
			d.Verdict = Deny
			d.Why = "its interpreter " + plan.Show(by) + " does not start: " + in.Why
			d.Hint = in.Hint
		}
		d.Loose = in.Loose
	}
}

// maxShebang is how much of a #! line the kernel reads (BINPRM_BUF_SIZE).
const maxShebang = 256

// interpreter is the program of a file's #! line, or "". known is false when the
// file may not be read, which does not keep it from being started.
func interpreter(name string) (by string, known bool) {
	f, err := os.Open(name) // a regular file: it cannot block
	if err != nil {
		return "", false
	}
	defer f.Close()
	var b [maxShebang]byte
	n, _ := f.Read(b[:])
	line, ok := bytes.CutPrefix(b[:n], []byte("#!"))
	if !ok {
		return "", true
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	if words := strings.Fields(string(line)); len(words) > 0 && path.IsAbs(words[0]) {
		by = words[0]
	}
	return by, true
}

func executable(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// variable is the value of a variable in an environment; the last of several wins.
func variable(env []string, name string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(env[i], name+"="); ok {
			return v
		}
	}
	return ""
}
