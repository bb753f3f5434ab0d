package permission

import (
	"strings"
	"unicode/utf8"

	"mvdan.cc/sh/v3/syntax"
)

// word is what a shell word may become.
type word struct {
	alts  []string // the values the text itself spells, with marks for what is not known
	exact bool     // there is one, and the shell will make exactly that of it
	src   string   // as it is written
}

const (
	// maxAlts bounds the values one word is followed for. A word with more is
	// unknown, which is asked about where it matters.
	maxAlts = 16
	// maxVarDepth bounds how far values of variables are followed through other
	// variables.
	maxVarDepth = 4
	// maxBrace bounds the words that one brace expansion may become.
	maxBrace = 256
)

// value is a set of texts on the way to a word.
type value struct {
	alts  []string
	exact bool
}

func known(text string) value   { return value{[]string{text}, true} }
func unknown(mark string) value { return value{[]string{mark}, false} }

// static is a word whose value is known.
func static(text string) word { return word{alts: []string{text}, exact: true, src: text} }

// join appends every text of w to every text of v.
func (v value) join(w value) value {
	if len(v.alts) == 1 && len(w.alts) == 1 {
		return value{[]string{v.alts[0] + w.alts[0]}, v.exact && w.exact}
	}
	if len(v.alts)*len(w.alts) > maxAlts {
		return unknown(string(markSplit))
	}
	out := make([]string, 0, len(v.alts)*len(w.alts))
	for _, a := range v.alts {
		for _, b := range w.alts {
			out = append(out, a+b)
		}
	}
	return value{out, false}
}

// or is either of two.
func (v value) or(w value) value {
	out := append([]string(nil), v.alts...)
next:
	for _, b := range w.alts {
		for _, a := range out {
			if a == b {
				continue next
			}
		}
		out = append(out, b)
	}
	if len(out) > maxAlts {
		return unknown(string(markSplit))
	}
	return value{out, false}
}

// word evaluates a word as an argument: braces, variables, quotes.
func (a *analysis) word(w *syntax.Word) word {
	out := word{src: a.source(w)}
	if lit := plain(w); lit != "" {
		out.alts, out.exact = []string{lit}, true
		return out
	}
	v := a.eval(w, 0)
	out.alts = v.alts
	out.exact = v.exact && len(v.alts) == 1 && !strings.ContainsAny(v.alts[0], allMarks)
	return out
}

// plain returns the text of a word that nothing expands in; "" for others.
func plain(w *syntax.Word) string {
	if len(w.Parts) != 1 {
		return ""
	}
	lit, ok := w.Parts[0].(*syntax.Lit)
	if !ok || strings.ContainsAny(lit.Value, "\\*?[{~") {
		return ""
	}
	return lit.Value
}

// eval evaluates a word that is subject to brace and tilde expansion.
func (a *analysis) eval(w *syntax.Word, depth int) value {
	if a.step() {
		return unknown(string(markSplit))
	}
	if hasBrace(w) {
		split := *w
		split.Parts = append([]syntax.WordPart(nil), w.Parts...)
		if syntax.SplitBraces(&split) {
			list, ok := a.braces(split.Parts)
			if !ok {
				return unknown(string(markSplit))
			}
			out := known("")
			for i, parts := range list {
				if i > 0 {
					out = out.join(known(string(markBreak)))
				}
				out = out.join(a.parts(parts, false, depth))
			}
			if !a.bash() {
				out = out.or(a.parts(w.Parts, false, depth)) // a shell without brace expansion
			}
			return out
		}
	}
	return a.parts(w.Parts, false, depth)
}

func hasBrace(w *syntax.Word) bool {
	for _, p := range w.Parts {
		if lit, ok := p.(*syntax.Lit); ok && strings.IndexByte(lit.Value, '{') >= 0 {
			return true
		}
	}
	return false
}

// braces writes out the words that a word with brace expansions becomes. It
// reports false when there are too many.
func (a *analysis) braces(parts []syntax.WordPart) ([][]syntax.WordPart, bool) {
	if a.step() {
		return nil, false
	}
	for i, p := range parts {
		brace, ok := p.(*syntax.BraceExp)
		if !ok {
			continue
		}
		rest, ok := a.braces(parts[i+1:])
		if !ok {
			return nil, false
		}
		var middles [][]syntax.WordPart
		if brace.Sequence {
			seq, ok := sequence(brace)
			if !ok {
				return nil, false
			}
			for _, s := range seq {
				middles = append(middles, []syntax.WordPart{&syntax.Lit{Value: s}})
			}
		} else {
			for _, elem := range brace.Elems {
				inner, ok := a.braces(elem.Parts)
				if !ok {
					return nil, false
				}
				middles = append(middles, inner...)
			}
		}
		if len(middles)*len(rest) > maxBrace {
			return nil, false
		}
		var out [][]syntax.WordPart
		for _, m := range middles {
			for _, r := range rest {
				one := append([]syntax.WordPart(nil), parts[:i]...)
				out = append(out, append(append(one, m...), r...))
			}
		}
		return out, true
	}
	return [][]syntax.WordPart{parts}, true
}

// sequence writes out {a..f} and {1..9..2}; false for one that is too long or
// not understood.
func sequence(b *syntax.BraceExp) ([]string, bool) {
	var ends []string
	for _, e := range b.Elems {
		lit := e.Lit()
		if lit == "" {
			return nil, false
		}
		ends = append(ends, lit)
	}
	if len(ends) != 2 {
		return nil, false
	}
	if len(ends[0]) == 1 && len(ends[1]) == 1 && !isDigit(ends[0][0]) && !isDigit(ends[1][0]) {
		var out []string
		from, to := ends[0][0], ends[1][0]
		for c := from; ; {
			if !isLetter(c) {
				return nil, false // bash makes characters of their own of these
			}
			out = append(out, string(rune(c)))
			if c == to {
				return out, true
			}
			if from < to {
				c++
			} else {
				c--
			}
		}
	}
	from, ok1 := smallInt(ends[0])
	to, ok2 := smallInt(ends[1])
	if !ok1 || !ok2 || from-to > maxBrace || to-from > maxBrace {
		return nil, false
	}
	var out []string
	for n := from; ; {
		out = append(out, itoa(n))
		if n == to {
			return out, true
		}
		if from < to {
			n++
		} else {
			n--
		}
	}
}

// parts evaluates the parts of a word, in double quotes or not.
func (a *analysis) parts(parts []syntax.WordPart, quoted bool, depth int) value {
	out := known("")
	if len(parts) == 0 {
		return out
	}
	if !quoted && openBracket(parts) {
		return unknown(string(markRun)) // a bracket that is closed in a later part
	}
	var b strings.Builder // what is known so far, apart from out
	exact := true
	flush := func() {
		out = out.join(value{[]string{b.String()}, exact})
		b.Reset()
		exact = true
	}
	for i, p := range parts {
		var v value
		switch p := p.(type) {
		case *syntax.Lit:
			v = a.literal(p.Value, quoted, i == 0 && !quoted)
		case *syntax.SglQuoted:
			if p.Dollar {
				v = ansi(p.Value)
			} else {
				v = known(p.Value)
			}
		case *syntax.DblQuoted:
			v = a.parts(p.Parts, true, depth)
			v.exact = v.exact && !p.Dollar // $"…" is translated
		case *syntax.ParamExp:
			v = a.param(p, quoted, depth)
		case *syntax.CmdSubst:
			v = a.output(p, quoted, depth)
		case *syntax.ArithmExp:
			v = unknown(string(markUnknown))
		case *syntax.ProcSubst:
			v = value{[]string{"/dev/fd/63"}, false}
		case *syntax.ExtGlob:
			v = unknown(string(markRun))
		default:
			v = unknown(string(markSplit))
		}
		if len(v.alts) == 1 {
			b.WriteString(v.alts[0])
			exact = exact && v.exact
			continue
		}
		flush()
		out = out.join(v)
	}
	flush()
	return out
}

// openBracket reports whether a [ outside quotes may be closed in another part.
func openBracket(parts []syntax.WordPart) bool {
	open := false
	for i, p := range parts {
		lit, ok := p.(*syntax.Lit)
		if !ok {
			continue
		}
		if open && strings.IndexByte(lit.Value, ']') >= 0 {
			return true
		}
		if j := strings.LastIndexByte(lit.Value, '['); j >= 0 && strings.IndexByte(lit.Value[j:], ']') < 0 && i+1 < len(parts) {
			open = true
		}
	}
	return false
}

// literal reads text outside or inside double quotes: backslashes go, wildcards
// become marks.
func (a *analysis) literal(text string, quoted, first bool) value {
	if !strings.ContainsAny(text, "\\*?[~") {
		return known(text)
	}
	var b strings.Builder
	exact := true
	if first && strings.HasPrefix(text, "~") {
		user, rest, _ := strings.Cut(text, "/")
		switch {
		case strings.Contains(user, `\`):
		case user == "~" && a.ctx.Home != "" && !a.assigned("HOME"):
			b.WriteString(a.ctx.Home)
			text = text[1:]
		default:
			b.WriteByte(markUnknown)
			exact = false
			text = rest
			if len(user) < len(user)+len(rest) && rest != "" {
				text = "/" + rest
			}
		}
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && quoted:
			if i+1 < len(text) && strings.IndexByte("$`\"\\\n", text[i+1]) >= 0 {
				i++
				if text[i] != '\n' {
					b.WriteByte(text[i])
				}
				continue
			}
			b.WriteByte(c)
		case c == '\\':
			if i++; i < len(text) && text[i] != '\n' {
				b.WriteByte(text[i])
			}
		case quoted:
			b.WriteByte(c)
		case c == '*':
			b.WriteByte(markRun)
			exact = false
		case c == '?':
			b.WriteByte(markOne)
			exact = false
		case c == '[' && strings.LastIndexByte(text[i:], ']') > 1:
			b.WriteByte(markRun) // up to the last ], so that two brackets are covered
			exact = false
			i += strings.LastIndexByte(text[i:], ']')
		default:
			b.WriteByte(c)
		}
	}
	return value{[]string{b.String()}, exact}
}

// ansi decodes $'…'.
func ansi(s string) value {
	var b strings.Builder
	exact := true
	put := func(n rune, isByte bool) bool {
		switch {
		case n == 0:
			return false // the string ends here
		case n < ' ' && n != '\t' && n != '\n':
			b.WriteByte(markUnknown)
			exact = false
		case isByte:
			b.WriteByte(byte(n))
		default:
			b.WriteString(string(n))
		}
		return true
	}
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		number := func(base rune, most int) rune {
			n := rune(0)
			for k := 0; k < most && i+1 < len(s); k++ {
				d := hexDigit(s[i+1])
				if d < 0 || d >= base {
					break
				}
				n = n*base + d
				i++
			}
			return n
		}
		goOn := true
		switch c := s[i]; c {
		case 'n':
			goOn = put('\n', true)
		case 't':
			goOn = put('\t', true)
		case 'a', 'b', 'e', 'E', 'f', 'r', 'v':
			goOn = put(1, true)
		case '\\', '\'', '"', '?':
			b.WriteByte(c)
		case 'x':
			if i+1 < len(s) && hexDigit(s[i+1]) < 0 {
				exact = false // bash keeps \x; others do not
				b.WriteString(`\x`)
				continue
			}
			if i+1 < len(s) && s[i+1] == '{' {
				exact = false
				b.WriteByte(markUnknown)
				continue
			}
			goOn = put(number(16, 2), true)
		case 'u':
			goOn = put(number(16, 4), false)
		case 'U':
			goOn = put(number(16, 8), false)
		case 'c':
			i++
			goOn = put(1, true)
		case '0', '1', '2', '3', '4', '5', '6', '7':
			i--
			goOn = put(number(8, 3)&0xff, true)
		default:
			b.WriteByte('\\')
			b.WriteByte(c)
		}
		if !goOn {
			break
		}
	}
	text := b.String()
	if !utf8.ValidString(text) {
		exact = false
	}
	return value{[]string{text}, exact}
}

func hexDigit(c byte) rune {
	switch {
	case isDigit(c):
		return rune(c - '0')
	case c >= 'a' && c <= 'f':
		return rune(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return rune(c-'A') + 10
	}
	return -1
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// isName reports whether s can name a variable.
func isName(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '_' && !isLetter(c) && (i == 0 || !isDigit(c)) {
			return false
		}
	}
	return s != ""
}

func smallInt(s string) (int, bool) {
	neg := strings.HasPrefix(s, "-")
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || len(digits) > 6 || len(digits) > 1 && digits[0] == '0' {
		return 0, false
	}
	n := 0
	for i := range len(digits) {
		if !isDigit(digits[i]) {
			return 0, false
		}
		n = n*10 + int(digits[i]-'0')
	}
	if neg {
		n = -n
	}
	return n, true
}

func itoa(n int) string {
	if n < 0 {
		return "-" + itoa(-n)
	}
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}
