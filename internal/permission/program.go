package permission

import "strings"

// program says which options of a program execute or write. An allow rule with a
// star does not cover them, unless it names them. Lists have blanks between; long
// options match when they are abbreviated, short ones inside a cluster.
type program struct {
	names string // several programs may share one entry; "git log" is a subcommand
	bad   string // options that execute or write, or have others read from a file
	takes string // options with a value in the next word
	same  string // options that mean the same: "-f=--force"
	safe  bool   // apart from bad ones, it only reads: allowed under untrusted
	whole bool   // options are whole words with one dash, as find's
	stops bool   // options end at the first operand, which is a program
	most  int    // the most operands for which it only reads; 0 for any number

	// look says what else about the arguments runs or writes, "" for nothing.
	look func(args []word) string

	// The files that it opens; see opened.go.
	reads  string // "all", "rest" (all but the first) operands are files that are read
	writes string // "all", "rest", "last" operands are files that are written
	given  string // options that stand for the first operand, which then is a file like the others
	turns  string // options that make it write what it reads
	from   string // options whose value is a file that is read
	to     string // options whose value is a file or a directory that is written
	at     string // options whose value names a file that is read behind an @
	moves  string // options whose value is the directory it works in
}

// find looks a command up in the tables.
func (c *command) find() {
	if c.looked {
		return
	}
	c.looked = true
	if len(c.words) == 0 || !c.words[0].exact {
		return
	}
	name := baseName(c.words[0].alts[0])
	c.whole = lookupProgram(name)
	c.prog, c.args = c.whole, c.words[1:]
	if isTar(name) {
		c.args = tarOptions(c.args)
	}
	at := subcommand(c.whole, c.words)
	if at > 0 && (c.whole != nil || at == 1) && strings.IndexByte(c.words[at].alts[0], ' ') < 0 {
		c.sub = c.words[at].alts[0]
	}
	if at > 0 && c.whole != nil && hasSubcommands(name) {
		if sub := lookupProgram(name + " " + c.words[at].alts[0]); sub != nil {
			c.prog, c.args = sub, c.words[at+1:]
		}
	}
}

func (c *command) subcommand() string {
	c.find()
	return c.sub
}

// hasSubcommands reports whether the tables have entries of their own for what
// stands behind the name.
func hasSubcommands(name string) bool { return name == "git" || name == "go" }

func lookupProgram(name string) *program {
	for _, family := range [...][]program{textPrograms[:], filePrograms[:], systemPrograms[:], gitPrograms[:], buildPrograms[:]} {
		for i := range family {
			if names := family[i].names; names == name || len(names) > len(name) && strings.Contains(names, name) && among(names, name) {
				return &family[i]
			}
		}
	}
	return nil
}

// among reports whether a word is one of a list with commas between.
func among(list, word string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if one == word {
			return true
		}
	}
	return false
}

// subcommand is the index of the first word that is no option; 0 for none, or one
// that is not known.
func subcommand(p *program, words []word) int {
	for i := 1; i < len(words); i++ {
		if !words[i].exact {
			return 0
		}
		text := words[i].alts[0]
		if len(text) < 2 || text[0] != '-' {
			return i
		}
		if p != nil && listed(p.takes, text) {
			i++
		}
	}
	return 0
}

// badOption returns the first option that executes or writes, "" for none.
func (p *program) badOption(args []word) string {
	if p.bad == "" {
		return ""
	}
	for i := 0; i < len(args); i++ {
		w := &args[i]
		text := w.alts[0]
		if text == "" {
			continue
		}
		if !w.exact && strings.IndexByte(allMarks, text[0]) >= 0 {
			return w.src // it may become an option
		}
		if text == "--" && !p.whole {
			return ""
		}
		if p.stops && text[0] != '-' {
			return ""
		}
		if text[0] != '-' && !(text[0] == '+' && strings.Contains(p.bad, "+")) || len(text) == 1 {
			continue
		}
		if !w.exact && (len(text) < 3 || text[1] != '-' || strings.IndexAny(text, allMarks) < strings.IndexByte(text+"=", '=')) {
			return w.src
		}
		if bad := p.isBad(text); bad != "" {
			return bad
		}
		if listed(p.takes, text) || p.valued(text) && text[1] != '-' {
			i++ // abbreviated, it may be another option, which has no value
		}
	}
	return ""
}

// valued reports whether the next word is an option's value.
func (p *program) valued(text string) bool {
	return takesNext(p.takes, text) || listed(p.from, text) || listed(p.to, text) || listed(p.moves, text)
}

// takesNext reports whether an option, which may be abbreviated, is one of a list of
// options with a value in the next word. Some options without one begin another's name.
func takesNext(takes, text string) bool {
	for one := range strings.FieldsSeq(takes) {
		if one == text || len(text) > 3 && strings.HasPrefix(text, "--") && strings.HasPrefix(one, text) && !listed("--head --binary", text) {
			return true
		}
	}
	return false
}

func (p *program) isBad(text string) string {
	name, _, _ := strings.Cut(text, "=")
	if p.whole {
		one := name
		if strings.HasPrefix(name, "--") {
			one = name[1:] // Go, openssl, gcc and sqlite3 take either
		}
		if listed(p.bad, one) || listed(p.bad, name) || listed(p.bad, text) {
			return name
		}
		return ""
	}
	if text[0] == '+' && listed(p.bad, "+") {
		return "+"
	}
	if strings.HasPrefix(text, "--") {
		for bad := range strings.FieldsSeq(p.bad) {
			if strings.HasPrefix(bad, "--") && (bad == name || strings.HasPrefix(bad, name) && !p.stops) { // interpreters take no abbreviations
				return bad // abbreviated, or the option itself
			}
		}
		return ""
	}
	if listed(p.bad, text) {
		return text
	}
	for i := 1; i < len(text); i++ {
		one := text[:1] + text[i:i+1]
		if listed(p.bad, one) {
			return one
		}
		if listed(p.takes, one) {
			return "" // the rest is its value
		}
	}
	return ""
}

// operands are the arguments that are no options.
func (p *program) operands(args []word) []word {
	return operandsOf(args, p.takes+" "+p.from+" "+p.to+" "+p.moves, p.whole)
}

func operandsOf(args []word, takes string, whole bool) []word {
	var out []word
	for i := 0; i < len(args); i++ {
		w := args[i]
		text := w.alts[0]
		switch {
		case w.exact && text == "--" && !whole:
			return append(out, args[i+1:]...)
		case w.exact && len(text) > 1 && text[0] == '-':
			if takesNext(takes, text) {
				i++
			}
		default:
			out = append(out, w)
		}
	}
	return out
}

// readOnly reports whether a command only reads, by the built-in list.
func (c *command) readOnly() bool {
	c.find()
	if c.prog == nil || !c.prog.safe {
		return false
	}
	if name := c.words[0].alts[0]; name != baseName(name) && !systemPath(name) {
		return false
	}
	if c.prog != c.whole {
		// The options in front of a subcommand are the program's.
		before := c.before()
		if c.whole.badOption(before) != "" || c.whole.look != nil && c.whole.look(before) != "" || hasOption(before, "-C") {
			return false
		}
	}
	if c.prog.badOption(c.args) != "" || c.prog.look != nil && c.prog.look(c.args) != "" {
		return false
	}
	if c.prog.most == 0 {
		return true
	}
	list := c.prog.operands(c.args)
	for _, w := range list {
		if !w.exact {
			return false // it may be several words
		}
	}
	return len(list) <= c.prog.most
}

// before is what stands between the name and the subcommand.
func (c *command) before() []word { return c.words[1 : len(c.words)-len(c.args)-1] }

// hasOption reports whether an option is among words: git -C leads to another
// repository, whose configuration may be anybody's.
func hasOption(words []word, option string) bool {
	for _, w := range words {
		if strings.HasPrefix(w.alts[0], option) {
			return true
		}
	}
	return false
}

// systemPath reports whether a program lies where only the owner of the machine
// puts programs.
func systemPath(name string) bool {
	for _, dir := range [...]string{"/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/"} {
		if rest, ok := strings.CutPrefix(name, dir); ok {
			return rest != "" && strings.IndexByte(rest, '/') < 0
		}
	}
	return false
}

// sameOption reports whether two options mean the same to a program.
func (p *program) sameOption(a, b string) bool {
	if a == b {
		return true
	}
	if strings.HasPrefix(a, "--") && len(b) > 2 && strings.HasPrefix(a, b) {
		return true // b is an abbreviation
	}
	if p == nil {
		return false
	}
	for group := range strings.FieldsSeq(p.same) {
		hasA, hasB := false, false
		for one := range strings.SplitSeq(group, "=") {
			hasA = hasA || one == a
			hasB = hasB || one == b || strings.HasPrefix(one, "--") && len(b) > 2 && strings.HasPrefix(one, b)
		}
		if hasA && hasB {
			return true
		}
	}
	return false
}

func splitNames(names string) []string { return strings.Split(names, ",") }
