package permission

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// variable is what the text itself assigns to a name, anywhere in it. The order
// of assignments is not followed: every one counts everywhere.
type variable struct {
	words []*syntax.Word
	wild  bool // also something that is not known: read, a part of something
}

// maxAssigned bounds the assignments of one name that are followed.
const maxAssigned = 8

func (a *analysis) variable(name string) *variable {
	v := a.vars[name]
	if v == nil {
		if a.vars == nil {
			a.vars = make(map[string]*variable)
		}
		v = &variable{}
		a.vars[name] = v
	}
	return v
}

func (a *analysis) assigned(name string) bool { return a.vars[name] != nil }

// assign notes that a name takes the value of a word; nil is the empty value.
func (a *analysis) assign(name string, w *syntax.Word) {
	v := a.variable(name)
	switch {
	case len(v.words) >= maxAssigned:
		v.wild = true
	case w != nil:
		v.words = append(v.words, w)
	}
}

// collect notes every assignment below a node.
func (a *analysis) collect(node syntax.Node) {
	syntax.Walk(node, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Assign:
			switch {
			case n.Name == nil:
				a.mayAssign(n.Value)
			case n.Append || n.Index != nil || n.Array != nil || n.Naked && n.Value != nil:
				a.variable(n.Name.Value).wild = true
				a.assign(n.Name.Value, n.Value)
			case n.Naked:
			default:
				a.assign(n.Name.Value, n.Value)
			}
		case *syntax.ForClause:
			switch loop := n.Loop.(type) {
			case *syntax.WordIter:
				if !loop.InPos.IsValid() || n.Select {
					a.variable(loop.Name.Value).wild = true
				}
				for _, w := range loop.Items {
					a.assign(loop.Name.Value, w)
				}
			}
		case *syntax.ParamExp:
			if n.Exp != nil && n.Param != nil && (n.Exp.Op == syntax.AssignUnset || n.Exp.Op == syntax.AssignUnsetOrNull) {
				a.assign(n.Param.Value, n.Exp.Word)
			}
		case *syntax.CoprocClause:
			if n.Name != nil {
				a.variable(n.Name.Lit()).wild = true
			}
		case *syntax.CallExpr:
			a.collectCall(n)
		}
		return true
	})
}

// collectCall notes the names that a builtin sets.
func (a *analysis) collectCall(n *syntax.CallExpr) {
	if len(n.Args) == 0 {
		return
	}
	for i, w := range n.Args {
		switch spelled(w) {
		case "read", "mapfile", "readarray", "getopts", "printf", "wait", "declare", "typeset", "local", "export", "readonly":
		default:
			if i > 3 {
				return // a wrapper has few words
			}
			continue
		}
		for _, arg := range n.Args[i+1:] {
			a.mayAssign(arg)
		}
		return
	}
}

// mayAssign notes the name in a word that a builtin may take for one: the word, what
// stands before its =, or what is joined to an option.
func (a *analysis) mayAssign(w *syntax.Word) {
	if w == nil {
		return
	}
	name, _, _ := strings.Cut(spelled(w), "=")
	if isName(name) {
		a.variable(name).wild = true
	}
	if strings.HasPrefix(name, "-") {
		for i := 2; i < len(name); i++ {
			if isName(name[i:]) {
				a.variable(name[i:]).wild = true
			}
		}
	}
}

// spelled is the text of a word without its quotes, up to the first part that is not
// known.
func spelled(w *syntax.Word) string {
	var b strings.Builder
	for _, p := range w.Parts {
		switch p := p.(type) {
		case *syntax.Lit:
			b.WriteString(strings.ReplaceAll(p.Value, `\`, ""))
		case *syntax.SglQuoted:
			if p.Dollar {
				b.WriteString(ansi(p.Value).alts[0])
			} else {
				b.WriteString(p.Value)
			}
		case *syntax.DblQuoted:
			for _, in := range p.Parts {
				lit, ok := in.(*syntax.Lit)
				if !ok {
					return b.String()
				}
				b.WriteString(lit.Value)
			}
		default:
			return b.String()
		}
	}
	return b.String()
}

// param evaluates $x and ${x…}.
func (a *analysis) param(p *syntax.ParamExp, quoted bool, depth int) value {
	mark := string(markSplit)
	if quoted {
		mark = string(markUnknown)
	}
	if p.Length || p.Width {
		return unknown(string(markUnknown))
	}
	if p.Param == nil || depth >= maxVarDepth || p.Flags != nil || p.Excl || p.IsSet || p.NestedParam != nil || p.Index != nil ||
		len(p.Modifiers) > 0 || p.Slice != nil || p.Repl != nil || p.Names != 0 || p.Split != syntax.OptUnset || p.GlobSubst != syntax.OptUnset || p.RcExpand != syntax.OptUnset {
		return unknown(mark)
	}
	base := a.named(p.Param.Value, quoted, depth, mark)
	if p.Exp == nil {
		return base
	}
	switch p.Exp.Op {
	case syntax.DefaultUnset, syntax.DefaultUnsetOrNull, syntax.AssignUnset, syntax.AssignUnsetOrNull, syntax.AlternateUnset, syntax.AlternateUnsetOrNull:
		if p.Exp.Word == nil {
			return base.or(known(""))
		}
		other := a.parts(p.Exp.Word.Parts, quoted, depth+1)
		if !quoted {
			other = fields(other)
		}
		if p.Exp.Op == syntax.AlternateUnset || p.Exp.Op == syntax.AlternateUnsetOrNull {
			return known("").or(other)
		}
		return base.or(other)
	case syntax.ErrorUnset, syntax.ErrorUnsetOrNull:
		return base
	}
	return unknown(mark)
}

// named evaluates a variable by its name.
func (a *analysis) named(name string, quoted bool, depth int, mark string) value {
	switch name {
	case "?", "#", "$", "!", "RANDOM", "LINENO", "SECONDS", "UID", "EUID", "PPID", "BASHPID":
		if a.vars[name] == nil {
			return unknown(string(markUnknown))
		}
	case "HOME":
		if a.vars[name] == nil && a.ctx.Home != "" {
			return value{[]string{a.ctx.Home}, false}
		}
	case "PWD":
		if a.vars[name] == nil && len(a.cds) == 0 {
			return value{[]string{a.ctx.Cwd}, false}
		}
	}
	v := a.vars[name]
	if v == nil {
		return unknown(mark)
	}
	// The name may be unset, or empty, where it is used.
	out := known("")
	for _, w := range v.words {
		one := a.parts(w.Parts, true, depth+1)
		if !literalWord(w) {
			one = a.eval(w, depth+1).or(one) // a loop's item is expanded, an assignment's value is not
		}
		if !quoted {
			one = fields(one)
		}
		out = out.or(one)
	}
	if v.wild {
		out = out.or(unknown(mark))
	}
	out.exact = false
	return out
}

func literalWord(w *syntax.Word) bool {
	for _, p := range w.Parts {
		switch p := p.(type) {
		case *syntax.Lit:
			if strings.ContainsAny(p.Value, "\\*?[{~") {
				return false
			}
		case *syntax.SglQuoted:
		default:
			return false
		}
	}
	return true
}

// fields splits texts at blanks, as an expansion outside quotes is; wildcards in
// them become active.
func fields(v value) value {
	out := value{make([]string, len(v.alts)), false}
	for i, text := range v.alts {
		text = strings.Map(func(r rune) rune {
			switch r {
			case ' ', '\t', '\n':
				return markBreak
			case '*':
				return markRun
			case '?':
				return markOne
			case '[':
				return markRun
			case markUnknown:
				return markSplit
			}
			return r
		}, text)
		out.alts[i] = text
	}
	return out
}

// output evaluates a command substitution: what a plain echo or printf says is
// among its values.
func (a *analysis) output(c *syntax.CmdSubst, quoted bool, depth int) value {
	mark := string(markSplit)
	if quoted {
		mark = string(markUnknown)
	}
	out := unknown(mark)
	if len(c.Stmts) != 1 || depth >= maxVarDepth || len(c.Stmts[0].Redirs) > 0 {
		return out
	}
	call, ok := c.Stmts[0].Cmd.(*syntax.CallExpr)
	if !ok || len(call.Args) < 2 {
		return out
	}
	switch call.Args[0].Lit() {
	case "echo", "printf":
	default:
		return out
	}
	text := known("")
	for i, w := range call.Args[1:] {
		if i > 0 {
			text = text.join(known(" "))
		}
		text = text.join(a.parts(w.Parts, true, depth+1))
	}
	last := a.parts(call.Args[len(call.Args)-1].Parts, true, depth+1) // printf %s rm
	if !quoted {
		text, last = fields(text), fields(last)
	}
	return out.or(text).or(last)
}

// counts reports whether a command substitution says a number.
func counts(c *syntax.CmdSubst) bool {
	if len(c.Stmts) != 1 {
		return false
	}
	cmd := c.Stmts[0].Cmd
	for {
		pipe, ok := cmd.(*syntax.BinaryCmd)
		if !ok {
			break
		}
		cmd = pipe.Y.Cmd
	}
	call, ok := cmd.(*syntax.CallExpr)
	if !ok || len(call.Args) == 0 {
		return false
	}
	switch call.Args[0].Lit() {
	case "wc", "nproc":
		return true
	case "date":
		return len(call.Args) == 2 && (call.Args[1].Lit() == "+%s" || call.Args[1].Lit() == "+%s%N")
	case "grep":
		return len(call.Args) > 1 && call.Args[1].Lit() == "-c"
	}
	return false
}
