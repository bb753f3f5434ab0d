package permission

import "strings"

// builtin handles the shell's own commands that reinterpret their words. It
// reports false for every other command.
func (a *analysis) builtin(cmd *command, name string) bool {
	if strings.IndexByte(cmd.words[0].alts[0], '/') >= 0 {
		return false
	}
	args := cmd.words[1:]
	switch name {
	case "eval":
		cmd.apart = true
		if len(args) > 0 && args[0].alts[0] == "--" {
			args = args[1:]
		}
		a.innerText(cmd, joined(args), a.shell)
	case "trap":
		for len(args) > 0 && len(args[0].alts[0]) > 1 && args[0].alts[0][0] == '-' {
			args = args[1:]
		}
		if len(args) > 1 {
			cmd.apart = true
			if args[0].exact && args[0].alts[0] == "-" {
				break // as it was
			}
			a.innerText(cmd, args[0], a.shell)
		}
	case ".", "source":
		if len(args) == 0 || !args[0].exact || strings.HasPrefix(args[0].alts[0], "/dev/") || strings.HasPrefix(args[0].alts[0], "/proc/") {
			cmd.problem = "what is in the file is not known before it runs"
		} else {
			a.accesses = append(a.accesses, access{path: args[0], src: cmd.src})
			a.executed = append(a.executed, execution{cmd, baseName(args[0].alts[0])})
		}
	case "alias":
		if len(args) > 0 {
			cmd.problem = "what an alias stands for is not followed"
		}
		for _, w := range args {
			if _, text, ok := strings.Cut(w.alts[0], "="); ok {
				a.innerText(cmd, word{alts: []string{text}, exact: w.exact}, a.shell)
			}
		}
	case "exec":
		a.wrapper(cmd, &wrapper{name: name, values: "-a", flags: "-c -l"})
		cmd.apart = len(cmd.inner) == 0 && cmd.problem == "" // only its redirections
	case "command", "builtin":
		if len(args) > 0 {
			switch args[0].alts[0] {
			case "-v", "-V", "-pv", "-pV":
				return true
			}
		}
		a.wrapper(cmd, &wrapper{name: name, flags: "-p", look: true})
	case "nocorrect", "noglob": // zsh
		a.wrapper(cmd, &wrapper{name: name})
	case "jobs":
		for i, w := range args {
			if strings.HasPrefix(w.alts[0], "-") && strings.ContainsAny(w.alts[0], "x") {
				a.inside(cmd, i+2)
				break
			}
		}
	case "cd", "pushd", "popd":
		target := word{alts: []string{"~"}, exact: true}
		for _, w := range args {
			if !w.exact || !strings.HasPrefix(w.alts[0], "-") || w.alts[0] == "-" {
				target = w
			}
		}
		if name == "popd" || target.exact && (target.alts[0] == "-" || strings.HasPrefix(target.alts[0], "+")) {
			target = word{alts: []string{string(rune(markUnknown))}}
		}
		a.cds = append(a.cds, target)
	case "fc", "bind", "complete", "compgen", "enable":
		if len(args) > 0 {
			cmd.problem = name + " can run what it is given"
			for _, w := range args {
				if w.exact {
					a.shellText(w.alts[0], a.shell)
				}
			}
		}
	case "hash":
		if len(args) > 0 && (len(args) > 1 || args[0].alts[0] != "-r") {
			cmd.problem = "hash changes what a name stands for"
			for k := range args {
				cmd.spelled = append(cmd.spelled, &command{words: args[k:], src: cmd.src})
			}
		}
	case "shopt", "set":
		for _, w := range args {
			if w.alts[0] == "--" {
				break // the rest are arguments
			}
			if !w.exact {
				cmd.problem = "which option of the shell changes is not known before it runs"
			} else if why := shellOption(w.alts[0]); why != "" {
				cmd.problem = why
			} else if letters, ok := strings.CutPrefix(w.alts[0], "-"); ok && name == "set" {
				for i := range letters {
					if why := shellOption(letters[i : i+1]); why != "" {
						cmd.problem = why
					}
				}
			}
		}
	default:
		return a.names(cmd, name, args)
	}
	return true
}

// shellOption says how an option of the shell, by its name or letter, changes what the
// texts behind it are; "" for not at all.
func shellOption(name string) string {
	switch name {
	case "expand_aliases":
		return "what an alias stands for is not followed"
	case "keyword", "k":
		return "with this, words behind a command change variables"
	case "history", "histexpand", "H":
		return "with this, the shell writes lines anew from earlier ones"
	}
	return ""
}

// joined puts words together with a blank between, as eval does.
func joined(words []word) word {
	var b strings.Builder
	exact := true
	for i := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(words[i].alts[0])
		exact = exact && words[i].exact
	}
	return word{alts: []string{b.String()}, exact: exact}
}

// names judges the words that a builtin takes for names of variables, which it
// evaluates: what stands in a subscript there is run. It reports false for other
// commands.
func (a *analysis) names(cmd *command, name string, args []word) bool {
	switch name {
	case "read":
		a.namesBehind(cmd, args, "adinNptu", "a")
	case "mapfile", "readarray":
		a.namesBehind(cmd, args, "dnOsuCc", "")
		for i, w := range args {
			_, text, ok := strings.Cut(w.alts[0], "C")
			if !ok || w.alts[0][0] != '-' {
				continue
			}
			if text == "" && i+1 < len(args) {
				text = args[i+1].alts[0]
			}
			cmd.problem = "a callback is run"
			a.innerText(cmd, word{alts: []string{text}}, a.shell)
		}
	case "getopts":
		if len(args) > 1 {
			a.reference(args[1], cmd.src)
		}
	case "unset":
		a.namesBehind(cmd, args, "", "")
	case "wait":
		a.namesBehind(cmd, args, "p", "p")
	case "printf":
		const option = "-v"
		a.counted(cmd, args)
		for i, w := range args {
			if !w.exact && (strings.IndexAny(w.alts[0], allMarks) == 0 && i == 0 || strings.HasPrefix(w.alts[0], "-")) {
				cmd.problem = "an option of " + name + " is not known before it runs"
			}
			if !w.exact || !strings.HasPrefix(w.alts[0], "-") || w.alts[0] == "--" {
				break
			}
			if rest, ok := strings.CutPrefix(w.alts[0], option); ok {
				if rest != "" {
					a.reference(static(rest), cmd.src)
				} else if i+1 < len(args) {
					a.reference(args[i+1], cmd.src)
				}
				break
			}
		}
	case "test", "[":
		for i, w := range args {
			// A word that is not known may be -v, before one that is a subscript.
			if i+1 < len(args) && (w.alts[0] == "-v" || w.alts[0] == "-R" || !w.exact && strings.IndexByte(args[i+1].alts[0], '[') >= 0) {
				a.reference(args[i+1], cmd.src)
			}
		}
	case "declare", "typeset", "local", "export", "readonly":
		// Behind command or builtin: the parser took it for a plain command.
		for _, w := range args {
			if w.exact && (strings.HasPrefix(w.alts[0], "-") || strings.HasPrefix(w.alts[0], "+")) {
				if strings.ContainsAny(w.alts[0], "ni") {
					cmd.problem = "a variable that stands for another one, or is evaluated, is not followed"
				}
				continue
			}
			a.reference(w, cmd.src)
		}
	case "let":
		for _, w := range args {
			a.evaluated(w, cmd.src)
		}
	case "vared", "zmodload", "autoload", "emulate", "sched", "zle", "print", "zcompile", "functions", "aliases":
		return !a.bash() // zsh, which is asked about anyway
	default:
		return false
	}
	return true
}

// namesBehind judges the words behind the options. Valued are the letters of the
// options that take a value, named of the ones whose value is a name.
func (a *analysis) namesBehind(cmd *command, args []word, valued, named string) {
	for i := 0; i < len(args); i++ {
		text := args[i].alts[0]
		if !args[i].exact || len(text) < 2 || text[0] != '-' {
			a.reference(args[i], cmd.src)
			continue
		}
		at := strings.IndexAny(text[1:], valued) + 1
		if at == 0 || valued == "" {
			continue
		}
		value := static(text[at+1:])
		if at == len(text)-1 {
			if i++; i == len(args) {
				return
			}
			value = args[i]
		}
		if strings.IndexByte(named, text[at]) >= 0 {
			a.reference(value, cmd.src)
		}
	}
}

// counted judges the words behind a format of printf with %n, which sets a variable to
// how much was printed.
func (a *analysis) counted(cmd *command, args []word) {
	for len(args) > 0 && len(args[0].alts[0]) > 1 && args[0].alts[0][0] == '-' {
		if args[0].alts[0] == "-v" && len(args) > 1 {
			args = args[1:]
		}
		args = args[1:]
	}
	if len(args) < 2 {
		return
	}
	for _, format := range args[0].alts {
		if !countsIn(format) {
			continue
		}
		for _, w := range args[1:] {
			a.reference(w, cmd.src)
		}
		return
	}
}

// countsIn reports whether a format of printf has %n in it, or may have.
func countsIn(format string) bool {
	if strings.ContainsAny(format, allMarks) {
		return true
	}
	for {
		_, rest, ok := strings.Cut(format, "%")
		if !ok {
			return false
		}
		rest = strings.TrimLeft(rest, "#0- +'123456789.*hlLjtz")
		if rest == "" {
			return false
		}
		if rest[0] == 'n' {
			return true
		}
		format = rest[1:]
	}
}
