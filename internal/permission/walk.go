package permission

import (
	"fmt"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// The walk is closed: every node of the parser has its case, and one that is not
// known here is asked about.

func (a *analysis) stmts(list []*syntax.Stmt) {
	for _, s := range list {
		a.stmt(s)
	}
}

func (a *analysis) stmt(s *syntax.Stmt) {
	if s == nil || a.step() {
		return
	}
	var input *syntax.Redirect // the here-document or here-string
	defer func(fed bool) { a.fed = fed }(a.fed)
	for _, r := range s.Redirs {
		a.redirect(r)
		if c, ok := s.Cmd.(*syntax.CallExpr); a.fed && ok && len(c.Args) == 1 && c.Args[0].Lit() == "exec" && forInput(r) {
			a.note(kindText, a.source(s), "what the shell reads from there is run")
		}
		if a.fed && a.otherInput(r) {
			a.fed = false
		}
		switch r.Op {
		case syntax.Hdoc, syntax.DashHdoc, syntax.WordHdoc:
			input = r
		case syntax.RdrIn, syntax.RdrInOut, syntax.DplIn:
			input = nil // the last one counts
		}
	}
	switch c := s.Cmd.(type) {
	case nil:
	case *syntax.CallExpr:
		a.call(c, input)
	case *syntax.Subshell:
		a.stmts(c.Stmts)
	case *syntax.Block:
		a.stmts(c.Stmts)
	case *syntax.IfClause:
		for ; c != nil; c = c.Else {
			a.stmts(c.Cond)
			a.stmts(c.Then)
		}
	case *syntax.WhileClause:
		a.stmts(c.Cond)
		a.stmts(c.Do)
	case *syntax.ForClause:
		switch loop := c.Loop.(type) {
		case *syntax.WordIter:
			a.setting(loop.Name.Value, a.source(loop), false)
			if integer(loop.Name.Value) {
				a.evaluatedOnce(loop.Name.Value, a.source(loop))
			}
			if c.Select && a.fed {
				a.note(kindText, a.source(loop), eatsText)
			}
			a.descend(loop.Items...)
		case *syntax.CStyleLoop:
			a.arithm(loop.Init)
			a.arithm(loop.Cond)
			a.arithm(loop.Post)
		default:
			a.strange(loop)
		}
		a.stmts(c.Do)
	case *syntax.CaseClause:
		a.descend(c.Word)
		for _, item := range c.Items {
			a.descend(item.Patterns...)
			a.stmts(item.Stmts)
		}
	case *syntax.BinaryCmd:
		a.stmt(c.X)
		fed := a.fed
		a.fed = fed && c.Op != syntax.Pipe && c.Op != syntax.PipeAll
		a.stmt(c.Y)
		a.fed = fed
	case *syntax.FuncDecl:
		a.stmt(c.Body)
	case *syntax.ArithmCmd:
		a.arithm(c.X)
	case *syntax.LetClause:
		for _, x := range c.Exprs {
			a.arithm(x)
			if w, ok := x.(*syntax.Word); ok && w.Lit() == "" {
				a.evaluated(a.word(w), a.source(w))
			}
		}
	case *syntax.TestClause:
		a.test(c.X)
	case *syntax.DeclClause:
		a.declare(c)
	case *syntax.TimeClause:
		a.stmt(c.Stmt)
	case *syntax.CoprocClause:
		a.coproc(c)
	case *syntax.TestDecl:
		a.strange(c)
		a.stmt(c.Body)
	default:
		a.strange(c)
	}
}

// forInput reports whether a redirection is one of the standard input.
func forInput(r *syntax.Redirect) bool {
	switch r.Op {
	case syntax.RdrIn, syntax.RdrInOut, syntax.DplIn, syntax.Hdoc, syntax.DashHdoc, syntax.WordHdoc:
		return r.N == nil || r.N.Value == "0"
	}
	return false
}

// otherInput reports whether a redirection gives a command another standard input than
// the shell's. A copy of a descriptor may be the same one, and so may what the kernel
// shows of it.
func (a *analysis) otherInput(r *syntax.Redirect) bool {
	switch {
	case !forInput(r):
	case r.Hdoc != nil, r.Op == syntax.WordHdoc:
		return true
	case r.Op != syntax.DplIn:
		w := a.word(r.Word)
		return w.exact && (w.alts[0] == "/dev/null" || !strings.HasPrefix(w.alts[0], "/dev/") && !strings.HasPrefix(w.alts[0], "/proc/"))
	}
	return false
}

// coproc looks at coproc NAME COMMAND. Bash takes a name for one only in front of a
// compound command; the parser, in front of a redirection too.
func (a *analysis) coproc(c *syntax.CoprocClause) {
	a.descend(c.Name)
	if c.Name == nil {
		a.stmt(c.Stmt)
		return
	}
	a.setting(c.Name.Lit(), a.source(c.Name), false)
	call, simple := c.Stmt.Cmd.(*syntax.CallExpr)
	if c.Stmt.Cmd != nil && !simple {
		a.stmt(c.Stmt)
		return
	}
	whole := &syntax.CallExpr{Args: []*syntax.Word{c.Name}}
	if simple {
		whole.Assigns, whole.Args = call.Assigns, append(whole.Args, call.Args...)
	}
	again := *c.Stmt
	again.Cmd = whole
	a.stmt(&again)
	a.note(kindText, a.source(c), "which word is the command is not certain")
}

func (a *analysis) strange(n syntax.Node) {
	a.note(kindText, short(a.text), fmt.Sprintf("%T is not understood", n))
}

// descend looks at what runs inside words.
func (a *analysis) descend(words ...*syntax.Word) {
	for _, w := range words {
		if w != nil && !a.step() {
			a.descendParts(w.Parts)
		}
	}
}

func (a *analysis) descendParts(parts []syntax.WordPart) {
	for _, p := range parts {
		switch p := p.(type) {
		case *syntax.Lit, *syntax.SglQuoted:
		case *syntax.DblQuoted:
			a.descendParts(p.Parts)
		case *syntax.CmdSubst:
			if p.ReplyVar || p.TempFile {
				a.strange(p)
			}
			a.stmts(p.Stmts)
		case *syntax.ParamExp:
			a.expansion(p)
		case *syntax.ArithmExp:
			a.arithm(p.X)
		case *syntax.ProcSubst:
			a.stmts(p.Stmts)
		case *syntax.ExtGlob:
			// Its pattern is plain text to the parser; what would run in it is not
			// seen.
			if ranIn(p.Pattern.Value) {
				a.note(kindText, a.source(p), "a pattern that runs something is not understood")
			}
		case *syntax.BraceExp:
			for _, e := range p.Elems {
				a.descend(e)
			}
		default:
			a.strange(p)
		}
	}
}

// ranIn reports whether a text may run something when it is expanded.
func ranIn(text string) bool {
	for i := range len(text) {
		if text[i] == '`' || text[i] == '$' || (text[i] == '<' || text[i] == '>') && i+1 < len(text) && text[i+1] == '(' {
			return true
		}
	}
	return false
}

// expansion looks at ${…}.
func (a *analysis) expansion(p *syntax.ParamExp) {
	if a.step() {
		return
	}
	src := a.source(p)
	if p.Flags != nil || p.NestedParam != nil || len(p.Modifiers) > 0 {
		a.note(kindText, src, "this expansion is not understood")
		if p.NestedParam != nil {
			a.descendParts([]syntax.WordPart{p.NestedParam})
		}
	}
	if p.Excl && p.Index == nil {
		a.note(kindText, src, "which variable is meant is not known before it runs")
	}
	a.arithm(p.Index)
	if p.Slice != nil {
		a.arithm(p.Slice.Offset)
		a.arithm(p.Slice.Length)
	}
	if p.Repl != nil {
		a.descend(p.Repl.Orig, p.Repl.With)
		a.unquoted(p.Repl.Orig, p.Repl.With)
	}
	if p.Exp != nil {
		a.descend(p.Exp.Word)
		a.unquoted(p.Exp.Word)
		switch p.Exp.Op {
		case syntax.OtherParamOps:
			if p.Exp.Word == nil || p.Exp.Word.Lit() == "P" || p.Exp.Word.Lit() == "" {
				a.note(kindText, src, "the value of the variable is run")
			}
		case syntax.AssignUnset, syntax.AssignUnsetOrNull:
			if p.Param != nil {
				a.setting(p.Param.Value, src, false)
				if integer(p.Param.Value) {
					a.evaluatedOnce(p.Param.Value, src)
				}
			}
		}
	}
}

// unquoted looks at single quotes inside ${…}: in double quotes and here-documents
// they quote nothing, which the parser does not tell apart.
func (a *analysis) unquoted(words ...*syntax.Word) {
	for _, w := range words {
		if w == nil {
			continue
		}
		for _, p := range w.Parts {
			if q, ok := p.(*syntax.SglQuoted); ok && ranIn(q.Value) {
				a.note(kindText, a.source(q), "whether these quotes quote is not certain")
				a.quiet(": \"" + q.Value + "\"")
			}
		}
	}
}

// arithm looks at an arithmetic expression. The shell evaluates the values of the
// variables in it again, and runs what stands in their subscripts.
func (a *analysis) arithm(x syntax.ArithmExpr) {
	if a.step() {
		return
	}
	switch x := x.(type) {
	case nil:
	case *syntax.BinaryArithm:
		if assigns(x.Op) {
			if w, ok := x.X.(*syntax.Word); ok {
				a.setting(w.Lit(), a.source(x), false)
			}
		}
		a.arithm(x.X)
		a.arithm(x.Y)
	case *syntax.UnaryArithm:
		if w, ok := x.X.(*syntax.Word); ok && (x.Op == syntax.Inc || x.Op == syntax.Dec) && decides(w.Lit()) {
			a.setting(w.Lit(), a.source(x), false)
		}
		a.arithm(x.X)
	case *syntax.ParenArithm:
		a.arithm(x.X)
	case *syntax.FlagsArithm:
		a.note(kindText, a.source(x), "this subscript is not understood")
		a.arithm(x.X)
	case *syntax.Word:
		a.descend(x)
		a.evaluatedParts(x.Parts, 0)
	default:
		a.strange(x)
	}
}

func assigns(op syntax.BinAritOperator) bool {
	switch op {
	case syntax.Assgn, syntax.AddAssgn, syntax.SubAssgn, syntax.MulAssgn, syntax.QuoAssgn, syntax.RemAssgn, syntax.AndAssgn,
		syntax.OrAssgn, syntax.XorAssgn, syntax.ShlAssgn, syntax.ShrAssgn, syntax.AndBoolAssgn, syntax.OrBoolAssgn, syntax.XorBoolAssgn, syntax.PowAssgn:
		return true
	}
	return false
}

// test looks at [[ … ]].
func (a *analysis) test(x syntax.TestExpr) {
	if a.step() {
		return
	}
	switch x := x.(type) {
	case *syntax.BinaryTest:
		switch x.Op {
		case syntax.TsEql, syntax.TsNeq, syntax.TsLeq, syntax.TsGeq, syntax.TsLss, syntax.TsGtr:
			for _, side := range [...]syntax.TestExpr{x.X, x.Y} {
				if w, ok := side.(*syntax.Word); ok {
					a.evaluatedParts(w.Parts, 0)
				}
			}
		}
		a.test(x.X)
		a.test(x.Y)
	case *syntax.UnaryTest:
		if w, ok := x.X.(*syntax.Word); ok && (x.Op == syntax.TsVarSet || x.Op == syntax.TsRefVar) {
			a.reference(a.word(w), a.source(w))
		}
		a.test(x.X)
	case *syntax.ParenTest:
		a.test(x.X)
	case *syntax.Word:
		a.descend(x)
	default:
		a.strange(x)
	}
}

// redirect looks at one redirection.
func (a *analysis) redirect(r *syntax.Redirect) {
	src := a.source(r)
	if r.N != nil {
		if n := r.N.Value; n != "" && n[0] == '{' {
			a.setting(trimBraces(n), src, false)
		}
	}
	a.descend(r.Word)
	switch r.Op {
	case syntax.Hdoc, syntax.DashHdoc:
		a.descend(r.Hdoc)
	case syntax.WordHdoc:
	case syntax.DplIn, syntax.DplOut:
		w := a.word(r.Word)
		if w.exact && (isDigits(w.alts[0]) || w.alts[0] == "-" || isDigits(trimDash(w.alts[0]))) {
			return
		}
		a.open(r.Op == syntax.DplOut, w, src)
	case syntax.RdrIn:
		a.open(false, a.word(r.Word), src)
	case syntax.RdrOut, syntax.AppOut, syntax.RdrClob, syntax.AppClob, syntax.RdrAll, syntax.RdrAllClob, syntax.AppAll, syntax.AppAllClob:
		a.open(true, a.word(r.Word), src)
	case syntax.RdrInOut:
		w := a.word(r.Word)
		a.open(false, w, src)
		a.open(true, w, src)
	default:
		a.note(kindText, src, "this redirection is not understood")
	}
}

func trimBraces(s string) string {
	if len(s) > 2 && s[0] == '{' && s[len(s)-1] == '}' {
		return s[1 : len(s)-1]
	}
	return s
}

func trimDash(s string) string {
	if len(s) > 1 && s[len(s)-1] == '-' {
		return s[:len(s)-1]
	}
	return s
}

func isDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

// open notes that a file is opened. The devices that every box has are nothing to
// judge; the ones that are connections are.
func (a *analysis) open(write bool, w word, src string) {
	if w.exact {
		switch w.alts[0] {
		case "/dev/null", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/tty", "/dev/zero", "/dev/full", "/dev/fd/0", "/dev/fd/1", "/dev/fd/2", "":
			return
		}
	}
	for _, alt := range w.alts {
		if len(alt) > 8 && (alt[:9] == "/dev/tcp/" || alt[:9] == "/dev/udp/") {
			a.note(kindFetch, src, "the shell opens a connection itself")
		}
	}
	a.accesses = append(a.accesses, access{write, w, src, write})
}
