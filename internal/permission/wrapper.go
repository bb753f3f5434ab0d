package permission

import "strings"

// wrapper finds the command in the words of a wrapper.
func (a *analysis) wrapper(cmd *command, w *wrapper) {
	at := 1
	if w.after != "" {
		for at < len(cmd.words) && !listed(w.after, cmd.words[at].alts[0]) {
			at++
		}
		if at == len(cmd.words) {
			return
		}
		at++
	}
	if w.shells && cmd.input != nil {
		a.quiet(a.input(cmd.input).alts[0])
	}
	if w.unsure {
		if w.shells && (len(cmd.words) == at || w.name == "at" && !hasAny(cmd.words[1:], "-f -l -q -r -d -c -V")) {
			cmd.problem = w.name + " runs what it reads from its standard input"
		}
		a.anySuffix(cmd, w, at)
		return
	}
	look := w.look
	settings := func() {
		for w.assign && at < len(cmd.words) {
			// Any name counts for these programs, not only one of the shell's.
			name, value, ok := strings.Cut(cmd.words[at].alts[0], "=")
			if !ok || name == "" || name[0] == '-' || name[0] == '/' || strings.ContainsAny(name, allMarks) {
				return
			}
			if !digitsOnly(value) {
				a.variable(name).wild = true // as far as arithmetic is concerned
			}
			if decides(name) {
				a.note(kindVariable, cmd.src, name+" changes what other commands do")
			}
			look = look && harmlessVariable(name)
			at++
		}
	}
options:
	for settings(); at < len(cmd.words); settings() {
		if !cmd.words[at].exact {
			cmd.problem = "an option of " + w.name + " is not known before it runs"
			a.anySuffix(cmd, w, at)
			return
		}
		text := cmd.words[at].alts[0]
		if text == "--" {
			at++
			settings()
			break
		}
		if len(text) < 2 || text[0] != '-' {
			if text != "-" || !listed(w.flags, "-") {
				break
			}
			at++
			continue
		}
		switch kind, value := w.option(text); kind {
		case 't':
			a.optionText(cmd, w, value, at)
			return
		case 'v':
			if at++; value == "" {
				at++
			}
			if listed(w.moves, text) && at <= len(cmd.words) {
				a.cds = append(a.cds, cmd.words[at-1])
			} else if name, dir, ok := strings.Cut(text, "="); ok && listed(w.moves, name) {
				a.cds = append(a.cds, static(dir))
			}
			if w.name == "time" && (strings.HasPrefix(text, "-o") || strings.HasPrefix(text, "--o")) {
				look = false // it writes a file
			}
		case 'f':
			at++
		default:
			cmd.problem = "the option " + text + " of " + w.name + " is not understood"
			a.anySuffix(cmd, w, at)
			return
		}
		continue options
	}
	for range w.skip {
		if at < len(cmd.words) && !cmd.words[at].exact {
			look = false
			if strings.IndexByte(cmd.words[at].alts[0], markSplit) >= 0 {
				cmd.problem = "a word of " + w.name + " is not known before it runs"
				a.anySuffix(cmd, w, at)
				return
			}
		}
		at++
	}
	if at >= len(cmd.words) {
		if w.shells {
			cmd.problem = w.name + " runs what it reads from its standard input"
		}
		return
	}
	if w.text != "" && listed(w.text, cmd.words[at].alts[0]) { // flock FILE -c TEXT
		a.optionText(cmd, w, "", at)
		return
	}
	if w.joined {
		a.innerText(cmd, joined(cmd.words[at:]), "sh")
	}
	a.inside(cmd, at)
	cmd.look = look
}

// optionText reads the shell text that an option of a wrapper has for a value:
// joined to it, or in the next word.
func (a *analysis) optionText(cmd *command, w *wrapper, value string, at int) {
	cmd.problem = w.name + " runs a text"
	text, next := static(value), at+1
	if value == "" {
		if next == len(cmd.words) {
			return
		}
		text, next = cmd.words[next], next+1
	}
	a.innerText(cmd, text, "sh")
	if w.name != "env" {
		a.anySuffix(cmd, w, next)
		return
	}
	// env -S makes words of it, and goes on with the next ones.
	var words []word
	for f := range strings.FieldsSeq(strings.NewReplacer(`\_`, " ", `"`, "", `'`, "", `\`, "").Replace(text.alts[0])) {
		words = append(words, word{alts: []string{f}, exact: text.exact})
	}
	words = append(words, cmd.words[next:]...)
	a.runs(cmd, append([]word{static("env")}, words...))
}

// maxSuffixes bounds how many words of a wrapper are tried as the command.
const maxSuffixes = 16

// anySuffix takes every word from at on for the command, because the options in
// front of it are not known. Nothing of it counts for an allow rule.
func (a *analysis) anySuffix(cmd *command, w *wrapper, at int) {
	if len(cmd.words)-at > maxSuffixes && cmd.problem == "" {
		cmd.problem = "there are more words behind " + w.name + " than are followed"
	}
	for i := at; i < len(cmd.words) && i < at+maxSuffixes; i++ {
		one := &cmd.words[i]
		text := one.alts[0]
		if one.exact && strings.HasPrefix(text, "-") {
			if value, ok := w.hasText(text); ok {
				if value != "" {
					a.innerText(cmd, static(value), "sh")
				} else if i+1 < len(cmd.words) {
					a.innerText(cmd, cmd.words[i+1], "sh")
				}
			}
			continue
		}
		if w.joined && strings.ContainsAny(text, " ;|&\n") {
			a.innerText(cmd, *one, "sh")
		}
		in := &command{words: cmd.words[i:], src: cmd.src, wrapped: cmd.wrapped + 1}
		cmd.spelled = append(cmd.spelled, in)
		if in.wrapped > maxWrapped || a.weigh(in.words) {
			cmd.problem = "there are more commands inside each other than are followed"
			return
		}
		if text == "exec" && !w.joined {
			continue // a word of docker and kubectl: outside a shell there is no such program
		}
		if name := in.name(); name != "" && (isShell(name) || findWrapper(name) != nil || runsOthers(name)) {
			if in.wrapped > 2 {
				cmd.problem = "there are more commands inside each other than are followed"
				return
			}
			a.lookThrough(in, cmd.input)
		}
		if in.problem != "" && cmd.problem == "" {
			cmd.problem = in.problem
		}
	}
}

// runsOthers reports whether a command that is no wrapper may run others.
func runsOthers(name string) bool {
	switch name {
	case "eval", "exec", "command", "builtin", "trap", "find", "xargs", "git", "tar", "rsync", "make":
		return true
	}
	return false
}

// hasAny reports whether one of a list of options begins a word.
func hasAny(words []word, options string) bool {
	for _, w := range words {
		for one := range strings.FieldsSeq(options) {
			if strings.HasPrefix(w.alts[0], one) {
				return true
			}
		}
	}
	return false
}

// option says what an option of a wrapper is: 'v' with a value, 'f' a flag, 't'
// with a shell text, 0 not known. Value is what is joined to it.
func (w *wrapper) option(text string) (kind byte, value string) {
	name, rest, has := strings.Cut(text, "=")
	if strings.HasPrefix(text, "--") {
		switch {
		case listed(w.text, name):
			return 't', rest
		case listed(w.values, name) && has:
			return 'v', text
		case listed(w.values, name):
			return 'v', ""
		case listed(w.flags, name) && (!has || name == "--preserve-env"):
			return 'f', ""
		}
		return 0, ""
	}
	if listed(w.flags, text) || w.name == "nice" && isDigits(text[1:]) {
		return 'f', ""
	}
	for i := 1; i < len(text); i++ {
		one := "-" + text[i:i+1]
		switch {
		case listed(w.text, one):
			return 't', text[i+1:]
		case listed(w.values, one):
			return 'v', text[i+1:]
		case !listed(w.flags, one):
			return 0, ""
		}
	}
	return 'f', ""
}

// hasText reports whether an option of which not all is understood may have a
// shell text, and returns what is joined to it.
func (w *wrapper) hasText(text string) (value string, ok bool) {
	if w.text == "" {
		return "", false
	}
	if kind, value := w.option(text); kind == 't' {
		return value, true
	}
	if strings.HasPrefix(text, "--") {
		name, value, _ := strings.Cut(text, "=")
		for option := range strings.FieldsSeq(w.text) {
			if len(name) > 3 && strings.HasPrefix(option, name) {
				return value, true
			}
		}
		return "", false
	}
	for i := 1; i < len(text); i++ {
		if listed(w.text, "-"+text[i:i+1]) {
			return text[i+1:], true
		}
	}
	return "", false
}

// listed reports whether a word is one of a list with blanks between.
func listed(list, word string) bool {
	for one := range strings.FieldsSeq(list) {
		if one == word {
			return true
		}
	}
	return false
}
