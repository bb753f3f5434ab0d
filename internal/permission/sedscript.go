package permission

import "strings"

// sed looks at the commands of sed's scripts that run something, and at the files that
// they write.
func (a *analysis) sed(cmd *command) {
	// What is not known of them is no question here: allow rules do not cover it.
	var scripts []string
	for _, w := range sedScripts(cmd.words[1:]) {
		scripts = append(scripts, w.alts[0])
	}
	script := strings.Join(scripts, "\n") // as sed reads them
	runs, writes, ok := sedCommands(script)
	if at := strings.IndexByte(script, 'e'); !ok && at >= 0 {
		cmd.problem = "the script is not understood, and may run something"
		a.quiet(script[at+1:])
	}
	for _, text := range runs {
		cmd.problem = "the script may run something"
		a.quiet(text)
	}
	for _, file := range writes {
		a.accesses = append(a.accesses, access{true, static(file), cmd.src, true})
	}
}

// sedCommands reads a script of GNU sed. It returns the commands of the shell that it
// runs, "" for ones that come from its input, and the files that it writes; false for
// a script that is not understood.
func sedCommands(s string) (runs, writes []string, ok bool) {
	line := func() string {
		text, rest, _ := strings.Cut(s, "\n")
		s = rest
		return strings.TrimSpace(text)
	}
	for {
		s = strings.TrimLeft(s, " \t\n;{}")
		if s == "" {
			return runs, writes, true
		}
		if s = sedAddress(s); s == "" {
			return runs, writes, false
		}
		c := s[0]
		s = s[1:]
		switch c {
		case '{', '}':
		case '=', 'd', 'D', 'g', 'G', 'h', 'H', 'n', 'N', 'p', 'P', 'x', 'z', 'F', 'l', 'L', 'q', 'Q':
			s = strings.TrimLeft(s, " \t0123456789")
			if s != "" && strings.IndexByte(";}\n#", s[0]) < 0 {
				return runs, writes, false
			}
		case '#', 'r', 'R':
			line()
		case 'b', 't', 'T', ':', 'v':
			s = strings.TrimLeft(s, " \t")
			if i := strings.IndexAny(s, ";\n"); i >= 0 {
				s = s[i:]
			} else {
				s = ""
			}
		case 'a', 'i', 'c':
			for strings.HasSuffix(line(), `\`) && s != "" {
			}
		case 'w', 'W':
			writes = append(writes, line())
		case 'e':
			runs = append(runs, line())
		case 'y', 's':
			one, two, sure := -1, -1, false
			if s != "" {
				if one, sure = pattern(s[1:], s[0]); one >= 0 {
					two = delimited(s[1+one+1:], s[0])
					sure = sure || cut(s[1:], s[0])
				}
			}
			if two < 0 || !sure {
				return runs, writes, false
			}
			with := s[1+one+1 : 1+one+1+two]
			s = s[1+one+1+two+1:]
			for c == 's' && s != "" && strings.IndexByte("gpiIeMm0123456789", s[0]) >= 0 {
				if s[0] == 'e' {
					runs = append(runs, with)
				}
				s = s[1:]
			}
			if c == 's' && s != "" && s[0] == 'w' {
				s = s[1:]
				writes = append(writes, line())
			}
		default:
			return runs, writes, false
		}
	}
}

// sedAddress takes the addresses in front of a command away; "" for ones that do not
// end.
func sedAddress(s string) string {
	for s != "" {
		switch c := s[0]; {
		case isDigit(c), strings.IndexByte("$,!~+ \t", c) >= 0:
			s = s[1:]
		case c == '/', c == '\\' && len(s) > 1:
			if c == '\\' {
				s = s[1:]
			}
			end, sure := pattern(s[1:], s[0])
			if !sure {
				return ""
			}
			s = strings.TrimLeft(s[1+end+1:], "IM")
		default:
			return s
		}
	}
	return ""
}
