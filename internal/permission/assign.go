package permission

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// setting judges that a variable is set. Exported ones reach programs; others may
// be exported already.
func (a *analysis) setting(name, src string, exported bool) {
	switch {
	case name == "":
		a.note(kindVariable, src, "which variable is set is not known before it runs")
	case decides(name):
		a.note(kindVariable, src, name+" changes what other commands do")
	}
}

// declare looks at declare, export, local, readonly, typeset and nameref.
func (a *analysis) declare(d *syntax.DeclClause) {
	words := []word{static(d.Variant.Value)}
	for _, as := range d.Args {
		switch {
		case as.Name == nil:
			w := a.word(as.Value)
			a.descend(as.Value)
			words = append(words, w)
			switch {
			case w.exact && (strings.HasPrefix(w.alts[0], "-") || strings.HasPrefix(w.alts[0], "+")):
				if strings.ContainsAny(w.alts[0], "ni") {
					a.note(kindVariable, a.source(d), "a variable that stands for another one, or is evaluated, is not followed")
				}
			default:
				a.reference(w, a.source(as))
			}
		default:
			a.assignment(as, d.Variant.Value == "export")
			w := static(a.source(as))
			w.exact = as.Value == nil && as.Array == nil
			words = append(words, w)
		}
	}
	a.commands = append(a.commands, &command{words: words, src: a.source(d), apart: true})
}

// assignment looks at name=value.
func (a *analysis) assignment(as *syntax.Assign, exported bool) {
	if as.Name == nil {
		a.descend(as.Value)
		return
	}
	if !as.Naked || exported {
		a.setting(as.Name.Value, a.source(as), exported)
	}
	if as.Array != nil && integer(as.Name.Value) {
		a.evaluatedOnce(as.Name.Value, a.source(as))
	}
	if as.Value != nil && integer(as.Name.Value) {
		if w := a.word(as.Value); !w.exact || !digitsOnly(w.alts[0]) && w.alts[0] != "" {
			a.evaluatedOnce(as.Name.Value, a.source(as))
		}
	}
	a.arithm(as.Index)
	a.descend(as.Value)
	if as.Array != nil {
		for _, e := range as.Array.Elems {
			a.arithm(e.Index)
			a.descend(e.Value)
		}
	}
}

// integer reports whether a variable is one of the shell's own whose new value bash
// evaluates as arithmetic, so that what stands in a subscript there is run. Which do
// differs between versions.
func integer(name string) bool {
	switch name {
	case "OPTIND", "RANDOM", "SRANDOM", "SECONDS", "LINENO", "HISTCMD", "EPOCHSECONDS", "EPOCHREALTIME", "BASHPID", "BASH_SUBSHELL", "BASH_MONOSECONDS", "PPID", "UID", "EUID", "COMP_CWORD", "COMP_KEY", "COMP_POINT", "COMP_TYPE":
		return true
	}
	return false
}

func (a *analysis) evaluatedOnce(name, src string) {
	a.note(kindVariable, src, "the shell evaluates what "+name+" is set to")
}

// reference judges a word that a builtin takes for the name of a variable: what
// stands in a subscript there is run.
func (a *analysis) reference(w word, src string) {
	for _, alt := range w.alts {
		name, value, _ := strings.Cut(alt, "=")
		switch {
		case strings.ContainsAny(name, "[\x00\x01\x02\x03\x04"):
			a.note(kindVariable, src, "which variable is meant is not known before it runs")
		case decides(name):
			a.note(kindVariable, src, name+" changes what other commands do")
		case integer(name) && !digitsOnly(value):
			a.evaluatedOnce(name, src)
		case ranIn(value) && strings.ContainsAny(value, "["):
			a.note(kindVariable, src, "the value may be run")
		}
	}
}

// evaluated judges a word whose text the shell evaluates as arithmetic.
func (a *analysis) evaluated(w word, src string) {
	for _, alt := range w.alts {
		if ranIn(alt) || strings.ContainsAny(alt, "[\x00\x01\x02\x03\x04") {
			a.note(kindText, src, "what is evaluated as arithmetic here is not known before it runs")
			return
		}
		a.evaluatedText(alt, src, "", 0)
	}
}

// evaluatedText judges the variables in a text that the shell evaluates as arithmetic,
// and what it sets there. Own is the variable that the text is the value of.
func (a *analysis) evaluatedText(text, src, own string, depth int) {
	sets := strings.Contains(text, "=") || strings.Contains(text, "++") || strings.Contains(text, "--")
	for name := range strings.FieldsFuncSeq(text, func(r rune) bool { return r != '_' && (r > 127 || !isLetter(byte(r)) && !isDigit(byte(r))) }) {
		if !isName(name) {
			continue
		}
		if sets && decides(name) {
			a.setting(name, src, false)
		}
		if name != own {
			a.evaluatedName(name, src, depth)
		}
	}
}

// evaluatedParts judges the parts of a word inside an arithmetic expression,
// where the parser has looked for operators already.
func (a *analysis) evaluatedParts(parts []syntax.WordPart, depth int) {
	for _, p := range parts {
		switch p := p.(type) {
		case *syntax.Lit:
			if strings.ContainsAny(p.Value, "`$") { // behind a backslash
				a.note(kindText, p.Value, "what is evaluated as arithmetic here is run")
			}
			a.evaluatedText(p.Value, p.Value, "", depth)
		case *syntax.SglQuoted:
			if strings.ContainsAny(p.Value, "[`$") {
				a.note(kindText, a.source(p), "what is evaluated as arithmetic here is run")
			}
			a.evaluatedText(p.Value, a.source(p), "", depth)
		case *syntax.DblQuoted:
			a.evaluatedParts(p.Parts, depth)
		case *syntax.ParamExp:
			switch {
			case p.Param == nil:
			case p.Exp != nil || p.Repl != nil || p.Slice != nil:
				if p.Exp != nil && p.Exp.Word != nil && digitsOnly(p.Exp.Word.Lit()) {
					a.evaluatedName(p.Param.Value, a.source(p), depth)
				} else {
					a.note(kindText, a.source(p), "what is evaluated as arithmetic here is not known before it runs")
				}
			case !p.Length && isName(p.Param.Value):
				a.evaluatedName(p.Param.Value, a.source(p), depth)
			case !p.Length && (isDigits(p.Param.Value) || p.Param.Value == "@" || p.Param.Value == "*"):
				a.note(kindText, a.source(p), "what is evaluated as arithmetic here is not known before it runs")
			}
		case *syntax.CmdSubst:
			if !counts(p) {
				a.note(kindText, a.source(p), "what is evaluated as arithmetic here is not known before it runs")
			}
		}
	}
}

func digitsOnly(s string) bool { return isDigits(strings.TrimPrefix(s, "-")) }

// shellSets reports whether the shell gives a variable a text by itself.
func shellSets(name string) bool {
	switch name {
	case "_", "REPLY", "MAPFILE", "OPTARG", "BASH_REMATCH", "BASH_ARGV", "BASH_ARGV0", "BASH_COMMAND", "BASH_EXECUTION_STRING", "READLINE_LINE":
		return true
	}
	return false
}

// evaluatedName judges a variable in an arithmetic expression by what the text
// assigns to it.
func (a *analysis) evaluatedName(name, src string, depth int) {
	v := a.vars[name]
	if v == nil {
		if shellSets(name) {
			a.note(kindText, src, "what is evaluated as arithmetic here is not known before it runs")
		}
		return // from the environment, which the text does not set
	}
	if depth > maxVarDepth || v.wild {
		a.note(kindText, src, "what is evaluated as arithmetic here is not known before it runs")
		return
	}
	for _, w := range v.words {
		if a.step() {
			return
		}
		if len(w.Parts) == 1 {
			switch p := w.Parts[0].(type) {
			case *syntax.ArithmExp:
				continue // a number
			case *syntax.CmdSubst:
				if counts(p) {
					continue
				}
			case *syntax.DblQuoted:
				if len(p.Parts) == 1 {
					if c, ok := p.Parts[0].(*syntax.CmdSubst); ok && counts(c) {
						continue
					}
				}
			case *syntax.ParamExp:
				if p.Length || p.Param != nil && p.Exp == nil && p.Index == nil && p.Slice == nil && p.Repl == nil && p.Param.Value != name && isName(p.Param.Value) {
					if !p.Length {
						a.evaluatedName(p.Param.Value, src, depth+1)
					}
					continue
				}
			}
		}
		one := a.parts(w.Parts, true, 1)
		for _, alt := range one.alts {
			switch {
			case digitsOnly(alt) || alt == "":
			case isName(alt):
				if alt != name {
					a.evaluatedName(alt, src, depth+1)
				}
			case strings.ContainsAny(alt, "[`$\x00\x01\x02\x03\x04"):
				a.note(kindText, src, "what is evaluated as arithmetic here is not known before it runs")
				return
			default:
				a.evaluatedText(alt, src, name, depth+1)
			}
		}
	}
}
