package permission

import (
	"path"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// maxSpelled bounds what one command with variables in it may become.
const maxSpelled = 32

// call looks at a simple command. Input is its here-document or here-string.
func (a *analysis) call(c *syntax.CallExpr, input *syntax.Redirect) {
	setting := ""
	for _, as := range c.Assigns {
		a.assignment(as, len(c.Args) > 0)
		if len(c.Args) > 0 && as.Name != nil && !harmlessVariable(as.Name.Value) {
			setting = as.Name.Value
		}
	}
	if len(c.Args) == 0 {
		return
	}
	a.descend(c.Args...)
	words := make([]word, 0, len(c.Args))
	several := false
	for _, w := range c.Args {
		one := a.word(w)
		if len(one.alts) > 1 {
			several = true
		}
		if one.exact {
			words = append(words, one)
			continue
		}
		words = append(words, split(one)...)
	}
	if len(words) > 1 && words[0].exact && words[0].alts[0] == "--" {
		words = words[1:] // behind the word time
	}
	if len(words) == 0 {
		return
	}
	cmd := &command{words: words, src: a.source(c), setting: setting}
	a.commands = append(a.commands, cmd)
	if !words[0].exact {
		cmd.problem = unknownName
	}
	if several || !words[0].exact {
		a.spell(cmd, input)
		return
	}
	a.lookThrough(cmd, input)
}

const unknownName = "the name of the command is not known before it runs"

// split takes apart a word that surely becomes several, as {a,b} does.
func split(w word) []word {
	if len(w.alts) != 1 || strings.IndexByte(w.alts[0], markBreak) < 0 || strings.ContainsAny(w.alts[0], "\x00\x01\x02\x04") {
		return []word{w}
	}
	var out []word
	for part := range strings.SplitSeq(w.alts[0], string(rune(markBreak))) {
		if part != "" {
			out = append(out, word{alts: []string{part}, exact: true, src: w.src})
		}
	}
	return out
}

// spell follows everything that a command with variables in it may become.
func (a *analysis) spell(cmd *command, input *syntax.Redirect) {
	lists := [][]string{nil}
	for _, w := range cmd.words {
		if len(lists)*len(w.alts) > maxSpelled {
			for i := range lists {
				lists[i] = append(lists[i], string(rune(markSplit)))
			}
			continue
		}
		var next [][]string
		for _, alt := range w.alts {
			for _, list := range lists {
				if a.step() {
					return
				}
				one := append([]string(nil), list...)
				if alt == "" && !w.exact {
					next = append(next, one)
					continue
				}
				for part := range strings.SplitSeq(alt, string(rune(markBreak))) {
					if part != "" || w.exact {
						one = append(one, part)
					}
				}
				next = append(next, one)
			}
		}
		lists = next
	}
	for _, list := range lists {
		for len(list) > 0 {
			one := &command{src: cmd.src, wrapped: cmd.wrapped + 1}
			if one.wrapped > maxWrapped || a.weigh(cmd.words) {
				return
			}
			for _, text := range list {
				one.words = append(one.words, word{alts: []string{text}, exact: !strings.ContainsAny(text, allMarks), src: text})
			}
			cmd.spelled = append(cmd.spelled, one)
			a.lookThrough(one, input)
			if one.words[0].exact || len(list) > 64 {
				break
			}
			list = list[1:] // the first word may become nothing
		}
	}
	// A word that is not known stands for all of its values in the command itself.
	words := append([]word(nil), cmd.words...)
	for i := range words {
		if w := &words[i]; len(w.alts) > 1 {
			w.alts = []string{string(rune(markSplit))}
		}
	}
	cmd.words = words
}

// name is the name of a command, without the directory; "" for one that is not
// known.
func (c *command) name() string {
	if len(c.words) == 0 || !c.words[0].exact {
		return ""
	}
	return baseName(c.words[0].alts[0])
}

func baseName(name string) string {
	if strings.IndexByte(name, '/') >= 0 {
		name = path.Base(name)
	}
	return name
}

// text is the words in one string, for the patterns of rules.
func (c *command) text() string {
	if len(c.words) == 1 {
		return c.words[0].alts[0]
	}
	if c.joined != "" {
		return c.joined
	}
	var b strings.Builder
	for i := range c.words {
		if i > 0 {
			b.WriteByte(markBreak)
		}
		b.WriteString(c.words[i].alts[0])
	}
	c.joined = b.String()
	return c.joined
}

// inside adds the command that the words of cmd from at on are.
func (a *analysis) inside(cmd *command, at int, more ...word) {
	if at >= len(cmd.words) {
		return
	}
	words := append(append(make([]word, 0, len(cmd.words)-at+len(more)), cmd.words[at:]...), more...)
	if cmd.reach == 0 || at < cmd.reach {
		cmd.reach = at
	}
	a.runs(cmd, words)
}

// runs adds a command that cmd runs.
func (a *analysis) runs(cmd *command, words []word) {
	in := &command{words: words, src: cmd.src, wrapped: cmd.wrapped + 1, input: cmd.input}
	cmd.inner = append(cmd.inner, in)
	if in.wrapped > maxWrapped || a.weigh(words) {
		in.problem = "there are more commands inside each other than are followed"
		return
	}
	if !words[0].exact {
		in.problem = unknownName
		a.spell(in, in.input)
		return
	}
	a.lookThrough(in, in.input)
}

// standsForOther reports whether the name of a program is a link of the kernel's: to
// the shell itself, or to an open file.
func standsForOther(name string) bool {
	name = path.Clean(name)
	return strings.HasPrefix(name, "/dev/fd/") || strings.HasPrefix(name, "/proc/") && (strings.HasSuffix(name, "/exe") || strings.Contains(name, "/fd/"))
}

// lookThrough finds what a command runs beside itself, and which files it opens.
func (a *analysis) lookThrough(cmd *command, input *syntax.Redirect) {
	name := cmd.name()
	if name == "" || a.step() {
		return
	}
	if path := cmd.words[0].alts[0]; strings.IndexByte(path, '/') >= 0 {
		a.executed = append(a.executed, execution{cmd, name})
		if standsForOther(path) {
			cmd.problem = "which program " + path + " is is not known before it runs"
			a.shellCommand(cmd, "bash", input) // it may be the shell itself
			return
		}
	}
	if a.fed && cmd.eats(name) {
		cmd.problem = eatsText
	}
	switch {
	case a.builtin(cmd, name):
	case isShell(name):
		a.shellCommand(cmd, name, input)
	default:
		if w := findWrapper(name); w != nil {
			cmd.input = input
			a.wrapper(cmd, w)
			a.options(cmd, name, input)
			return
		}
		a.special(cmd, name, input)
		a.files(cmd)
	}
}
