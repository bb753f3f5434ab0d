package permission

import "strings"

// Which files a program opens is told by the tables: its operands, and the values of
// options. Where an option's value is taken for an operand, or a mode for a file, a
// rule that names it so is asked once too often; the other way round it would be
// passed by.

// files notes the files that a command opens, so that the rules for Read and Edit see
// them.
func (a *analysis) files(cmd *command) {
	cmd.find()
	p := cmd.prog
	if p == nil {
		return
	}
	if cmd.whole != p {
		a.moved(cmd.whole, cmd.before())
	}
	a.moved(p, cmd.args)
	fill := fills(cmd.name())
	for _, w := range p.values(cmd.args, p.from) {
		a.accesses = append(a.accesses, access{path: w, src: cmd.src})
	}
	for _, w := range p.values(cmd.args, p.to) {
		a.accesses = append(a.accesses, access{true, w, cmd.src, fill})
	}
	for _, w := range p.values(cmd.args, p.at) {
		if file := behindAt(w.alts[0]); file != "" {
			a.accesses = append(a.accesses, access{path: word{alts: []string{file}, exact: w.exact}, src: cmd.src})
		}
	}
	reads, writes := p.reads, p.writes
	if p.given != "" && reads == "rest" && p.has(cmd.args, p.given) {
		reads = "all"
	}
	if p.turns != "" && p.has(cmd.args, p.turns) {
		writes = orElse(reads, "all")
	}
	if isTar(cmd.name()) {
		out := p.has(cmd.args, "-x --extract --get")
		if out {
			reads, writes = "", "all" // the names are of what comes out
		}
		for _, w := range p.values(cmd.args, "-f --file") {
			a.accesses = append(a.accesses, access{write: !out && !p.has(cmd.args, "-t --list -d --diff"), path: w, src: cmd.src})
		}
	}
	if reads == "" && writes == "" {
		return
	}
	list := p.operands(cmd.args)
	for i, w := range list {
		if cmd.whole != p {
			w = behindColon(w)
		}
		last := i == len(list)-1 && i > 0
		switch {
		case writes == "all", writes == "rest" && i > 0, writes == "last" && last:
			a.accesses = append(a.accesses, access{true, w, cmd.src, fill})
		case reads == "all", reads == "rest" && i > 0:
			a.accesses = append(a.accesses, access{path: w, src: cmd.src})
		}
	}
}

// moved notes the directory that an option makes a program work in.
func (a *analysis) moved(p *program, args []word) {
	if p != nil && p.moves != "" {
		a.cds = append(a.cds, p.values(args, p.moves)...)
	}
}

// has reports whether one of a list of options is among the arguments.
func (p *program) has(args []word, options string) bool {
	found := false
	p.each(args, options, func(word, bool) { found = true })
	return found
}

// values are the values that a list of options have.
func (p *program) values(args []word, options string) []word {
	var out []word
	if options != "" {
		p.each(args, options, func(w word, ok bool) {
			if ok {
				out = append(out, w)
			}
		})
	}
	return out
}

// each calls f for every option of a list: alone, abbreviated, or in a cluster. The
// word is its value, when it has one; NAME= is an operand of dd.
func (p *program) each(args []word, options string, f func(value word, ok bool)) {
	for i := 0; i < len(args); i++ {
		text := args[i].alts[0]
		next := func() {
			if i+1 < len(args) {
				f(args[i+1], true)
			} else {
				f(word{}, false)
			}
		}
		rest := func(from int) {
			f(word{alts: []string{strings.TrimPrefix(text[from:], "=")}, exact: args[i].exact, src: args[i].src}, true)
		}
		switch {
		case text == "--" && !p.whole:
			return
		case strings.HasPrefix(text, "--") || p.whole:
			name, _, has := strings.Cut(text, "=")
			for one := range strings.FieldsSeq(options) {
				if one == name || p.whole && "-"+one == name || len(name) > 2 && strings.HasPrefix(name, "--") && strings.HasPrefix(one, name) {
					if has {
						rest(len(name))
					} else {
						next()
					}
					break
				}
			}
		case len(text) > 1 && text[0] == '-':
			p.cluster(text, options, next, rest)
		default:
			for one := range strings.FieldsSeq(options) {
				if strings.HasSuffix(one, "=") && strings.HasPrefix(text, one) {
					rest(len(one))
				}
			}
			if p.stops {
				return
			}
		}
		if p.valued(text) && !listed(options, text) {
			i++
		}
	}
}

// cluster looks for options of one letter in a word with several of them.
func (p *program) cluster(text, options string, next func(), rest func(from int)) {
	for j := 1; j < len(text); j++ {
		one := "-" + text[j:j+1]
		switch {
		case listed(options, one) && j+1 < len(text):
			rest(j + 1)
		case listed(options, one):
			next()
		case !p.valued(one):
			continue
		}
		return // the rest is its value
	}
}

// behindAt is the file in NAME@FILE, @FILE, NAME=@FILE and NAME=<FILE; "" for none.
func behindAt(value string) string {
	i := strings.IndexAny(value, "@<")
	if i < 0 {
		return ""
	}
	file, _, _ := strings.Cut(value[i+1:], ";")
	return file
}

// behindColon is the path in REVISION:PATH, beside what stands there.
func behindColon(w word) word {
	if _, file, ok := strings.Cut(w.alts[0], ":"); ok && file != "" {
		w.alts = append([]string{file}, w.alts...)
	}
	return w
}

// fills reports whether a program that changes files puts something into them that
// could be run. What a compiler makes is run all the time.
func fills(name string) bool {
	switch name {
	case "cp", "mv", "ln", "install", "rsync", "tee", "sort", "uniq", "shuf", "iconv", "xxd", "dd", "split", "curl", "wget", "scp", "sed", "gsed":
		return true
	}
	return false
}

func isTar(name string) bool { return name == "tar" || name == "gtar" || name == "bsdtar" }

// tarValued are the letters of tar's options that have a value.
const tarValued = "bfgCFHIKLNTVX"

// tarOptions writes out tar's options one by one. The first word needs no dash: its
// letters take their values from the words behind it, in their order.
func tarOptions(args []word) []word {
	if len(args) == 0 || !args[0].exact || args[0].alts[0] == "" {
		return args
	}
	var out []word
	if first := args[0].alts[0]; first[0] != '-' {
		args = args[1:]
		for i := range len(first) {
			out = append(out, static("-"+first[i:i+1]))
			if strings.IndexByte(tarValued, first[i]) >= 0 && len(args) > 0 {
				out, args = append(out, args[0]), args[1:]
			}
		}
	}
	for i, w := range args {
		text := w.alts[0]
		if text == "--" {
			return append(out, args[i:]...)
		}
		if !w.exact || len(text) < 3 || text[0] != '-' || text[1] == '-' {
			out = append(out, w)
			continue
		}
		for j := 1; j < len(text); j++ {
			out = append(out, static("-"+text[j:j+1]))
			if strings.IndexByte(tarValued, text[j]) >= 0 {
				if j+1 < len(text) {
					out = append(out, static(text[j+1:]))
				}
				break
			}
		}
	}
	return out
}
