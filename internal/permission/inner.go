package permission

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// isShell reports whether a program runs shell text.
func isShell(name string) bool {
	switch name {
	case "sh", "bash", "rbash", "dash", "ash", "hush", "zsh", "rzsh", "ksh", "ksh93", "mksh", "lksh", "oksh", "fish", "yash", "tcsh", "csh", "posh", "elvish", "nu", "xonsh", "osh":
		return true
	}
	return false
}

// shellCommand looks into sh -c and its like.
func (a *analysis) shellCommand(cmd *command, name string, input *syntax.Redirect) {
	isText, stdin, at := false, false, 1
	if len(cmd.words) == 2 && (cmd.words[1].alts[0] == "--version" || cmd.words[1].alts[0] == "--help") {
		cmd.apart = cmd.words[1].exact // it tells something and ends
		return
	}
options:
	for ; at < len(cmd.words); at++ {
		w := &cmd.words[at]
		if !w.exact {
			break
		}
		text := w.alts[0]
		switch {
		case text == "--" || text == "-":
			at++
			break options
		case strings.HasPrefix(text, "--"):
			switch text {
			case "--norc", "--noprofile", "--posix", "--login", "--noediting", "--restricted":
			case "--rcfile", "--init-file":
				at++
				cmd.problem = "what is in a start-up file is not read"
			case "--command": // fish
				isText = true
			default:
				cmd.problem = "the option " + text + " of " + name + " is not understood"
			}
		case len(text) > 1 && (text[0] == '-' || text[0] == '+'):
			for j := 1; j < len(text); j++ {
				switch text[j] {
				case 'c':
					isText = isText || text[0] == '-'
				case 'o', 'O':
					at++
					if at >= len(cmd.words) || !cmd.words[at].exact {
						cmd.problem = "which option of " + name + " is set is not known before it runs"
					} else if why := shellOption(cmd.words[at].alts[0]); why != "" {
						cmd.problem = why
					}
				case 's':
					stdin = true
				case 'H', 'k':
					cmd.problem = shellOption(text[j : j+1])
				case 'e', 'u', 'x', 'v', 'f', 'n', 'l', 'r', 'h', 'm', 'b', 'B', 'E', 'T', 'C', 'P':
				default:
					cmd.problem = "the option " + text + " of " + name + " is not understood"
				}
			}
		default:
			break options
		}
	}
	if at < len(cmd.words) && !cmd.words[at].exact && !isText {
		cmd.problem = "what " + name + " runs is not known before it runs"
		for i := at; i < len(cmd.words); i++ {
			a.innerText(cmd, cmd.words[i], name) // -c may be among what is not known
		}
		return
	}
	switch {
	case isText && at < len(cmd.words):
		cmd.apart, cmd.reach = true, at
		a.innerText(cmd, cmd.words[at], name)
		if text := cmd.words[at].alts[0]; at+1 < len(cmd.words) && strings.ContainsAny(text, "$") {
			// The words behind are the text's own arguments, and it may run them.
			for k := at + 1; k < len(cmd.words); k++ {
				in := &command{words: cmd.words[k:], src: cmd.src, wrapped: cmd.wrapped + 1}
				cmd.spelled = append(cmd.spelled, in)
				if in.wrapped <= maxWrapped && !a.weigh(in.words) {
					a.lookThrough(in, nil)
				}
			}
		}
	case isText:
		cmd.problem = "the text of " + name + " is missing"
	case at < len(cmd.words) && !stdin:
		a.script(cmd, name, at)
	case input != nil:
		cmd.apart = true
		fed := a.fed
		a.fed = true
		a.innerText(cmd, a.input(input), name)
		a.fed = fed
	default:
		cmd.problem = name + " runs what it reads from its standard input"
	}
}

const eatsText = "it reads from the text that the shell has still to run, which then starts somewhere else"

// eats reports whether a command reads from the standard input of a shell that reads
// its text there: what the shell goes on with is not what was parsed.
func (c *command) eats(name string) bool {
	switch name {
	case "read", "mapfile", "readarray", "dd":
		return true
	}
	c.find()
	if c.prog == nil || c.prog.reads == "" {
		return false
	}
	list := c.prog.operands(c.args)
	if c.prog.reads == "rest" && len(list) > 0 && !c.prog.has(c.args, c.prog.given) {
		list = list[1:]
	}
	for _, w := range list {
		if w.exact && w.alts[0] != "-" && !strings.HasPrefix(w.alts[0], "/dev/") && !strings.HasPrefix(w.alts[0], "/proc/") {
			continue
		}
		return true
	}
	return len(list) == 0
}

// script looks at a shell that runs a file: that file is a program in its own
// right.
func (a *analysis) script(cmd *command, name string, at int) {
	w := cmd.words[at]
	if strings.HasPrefix(w.alts[0], "/dev/") || strings.HasPrefix(w.alts[0], "/proc/") {
		cmd.problem = "what " + name + " runs is not known before it runs"
		return
	}
	a.accesses = append(a.accesses, access{path: w, src: cmd.src})
	a.executed = append(a.executed, execution{cmd, baseName(w.alts[0])})
	in := &command{words: cmd.words[at:], src: cmd.src, wrapped: cmd.wrapped + 1}
	cmd.spelled = append(cmd.spelled, in)
	cmd.reach = at // the star of a rule does not cover which file is run
}

// innerText reads a word as shell text.
func (a *analysis) innerText(cmd *command, w word, shell string) {
	if !w.exact {
		cmd.problem = "the text that " + baseName(orBash(shell)) + " runs is not known before it runs"
	}
	for i, alt := range w.alts {
		if i == 4 {
			break
		}
		if w.exact {
			a.shellText(alt, shell)
			continue
		}
		// What is known of it is read all the same, for what is refused in it.
		a.shellText(strings.Map(func(r rune) rune {
			switch r {
			case markBreak:
				return ' '
			case markRun:
				return '*'
			case markOne:
				return '?'
			case markUnknown, markSplit:
				return 'x'
			}
			return r
		}, alt), shell)
	}
}

func orBash(shell string) string {
	if shell == "" {
		return "bash"
	}
	return shell
}

// input is the text of a here-document or here-string.
func (a *analysis) input(r *syntax.Redirect) word {
	var v value
	switch {
	case r.Op == syntax.WordHdoc:
		v = a.parts(r.Word.Parts, false, 0)
	case r.Hdoc == nil:
		v = known("")
	case quotedDelimiter(r.Word):
		v = known(a.source(r.Hdoc))
		if lit := r.Hdoc.Lit(); lit != "" {
			v = known(lit)
		}
	default:
		v = known("")
		for _, p := range r.Hdoc.Parts {
			if lit, ok := p.(*syntax.Lit); ok {
				v = v.join(known(unescapeHeredoc(lit.Value)))
				continue
			}
			v = v.join(a.parts([]syntax.WordPart{p}, true, 0))
		}
	}
	out := word{alts: v.alts, src: a.source(r)}
	if r.Op == syntax.DashHdoc {
		out.alts = append([]string(nil), v.alts...)
		for i, alt := range out.alts {
			for strings.Contains(alt, "\n\t") {
				alt = strings.ReplaceAll(alt, "\n\t", "\n")
			}
			out.alts[i] = strings.TrimLeft(alt, "\t")
		}
	}
	out.exact = v.exact && len(v.alts) == 1 && !strings.ContainsAny(v.alts[0], allMarks)
	return out
}

// quotedDelimiter reports whether the delimiter of a here-document is quoted, so
// that nothing is expanded in it.
func quotedDelimiter(w *syntax.Word) bool {
	for _, p := range w.Parts {
		if lit, ok := p.(*syntax.Lit); !ok || strings.IndexByte(lit.Value, '\\') >= 0 {
			return true
		}
	}
	return false
}

// unescapeHeredoc takes the backslashes away that a here-document does.
func unescapeHeredoc(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte("$`\\\n", s[i+1]) >= 0 {
			if i++; s[i] == '\n' {
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
