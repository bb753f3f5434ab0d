package permission

import (
	"strconv"
	"strings"
)

// Bytes that stand for something else in patterns and in words. Control bytes are
// refused in shell text, so that none of them can come from there.
const (
	markUnknown = '\x00' // any text that is one word
	markRun     = '\x01' // an active * (or a pattern's)
	markOne     = '\x02' // an active ?
	markBreak   = '\x03' // between two words
	markSplit   = '\x04' // any text, which may be no word or several
)

// allMarks are the bytes for which a word is not exactly what it will be.
const allMarks = "\x00\x01\x02\x03\x04"

// shellPattern is the specifier of a Bash rule. Words are separated by blanks;
// quotes and backslashes keep blanks and stars as they are. A * stands for any
// text, over word boundaries too. A last " *" or ":*" stands for any more words,
// or none.
type shellPattern struct {
	text  string   // words with markBreak between and markRun for each *
	words []string // the same, apart
	open  bool     // any more words may follow
	base  string   // the first word without its directory; "" when it holds a star
	sub   string   // the second word; "" when it is an option, or holds a star

	not func(*command) bool // what a built-in rule is not about
}

func parseShellPattern(spec string) (*shellPattern, error) {
	p := &shellPattern{}
	if rest, ok := strings.CutSuffix(spec, ":*"); ok {
		if strings.TrimSpace(rest) == "" {
			return nil, &syntaxError{problem: strconv.Quote(spec) + " names no command", hint: "write Bash for every command"}
		}
		spec, p.open = rest, true
	}
	var word strings.Builder
	has := false
	quote := byte(0)
	flush := func() {
		if has {
			p.words = append(p.words, word.String())
			word.Reset()
			has = false
		}
	}
	for i := 0; i < len(spec); i++ {
		switch c := spec[i]; {
		case c == quote && quote != 0:
			quote = 0
		case c == '\\' && quote != '\'':
			if i++; i == len(spec) {
				return nil, &syntaxError{problem: strconv.Quote(spec) + " ends in a backslash", hint: `write \\ for a backslash`}
			}
			word.WriteByte(spec[i])
			has = true
		case quote == 0 && (c == '\'' || c == '"'):
			quote, has = c, true
		case quote == 0 && c == ' ':
			flush()
		case c == '*' && quote != '\'':
			if s := word.String(); s == "" || s[len(s)-1] != markRun {
				word.WriteByte(markRun)
			}
			has = true
		default:
			word.WriteByte(c)
			has = true
		}
	}
	if quote != 0 {
		return nil, &syntaxError{problem: strconv.Quote(spec) + " has a quote that is not closed", hint: `write \" for a quote`}
	}
	flush()
	if n := len(p.words); n > 1 && p.words[n-1] == string(rune(markRun)) && !p.open {
		p.words, p.open = p.words[:n-1], true
	}
	if len(p.words) == 0 {
		return nil, &syntaxError{problem: strconv.Quote(spec) + " names no command"}
	}
	if strings.ContainsAny(p.words[0], "=") && strings.IndexByte(p.words[0], '=') > 0 && !strings.ContainsAny(p.words[0][:strings.IndexByte(p.words[0], '=')], "/*.-") {
		return nil, &syntaxError{problem: strconv.Quote(spec) + " starts with an assignment, and rules are about the command behind it", hint: "write the command alone"}
	}
	for _, sep := range [...]string{"&&", "||", ";", "|", "&"} {
		for _, w := range p.words {
			if w == sep {
				return nil, &syntaxError{problem: strconv.Quote(spec) + " holds " + sep + ", and a rule is about one command", hint: "write a rule for each command"}
			}
		}
	}
	if p.base = baseName(p.words[0]); strings.IndexByte(p.base, markRun) >= 0 {
		p.base = ""
	}
	if len(p.words) > 1 && !isOption(p.words[1]) && strings.IndexByte(p.words[1], markRun) < 0 {
		p.sub = p.words[1]
	}
	p.text = strings.Join(p.words, string(rune(markBreak)))
	return p, nil
}

// everything reports whether the pattern leaves open which command it is about.
func (p *shellPattern) everything() bool { return strings.HasPrefix(p.text, string(rune(markRun))) }

// literal is how many of the pattern's first words hold no star.
func (p *shellPattern) literal() int {
	for i, w := range p.words {
		if strings.IndexByte(w, markRun) >= 0 {
			return i
		}
	}
	return len(p.words)
}

// covers reports whether the pattern matches the words exactly, in the sense of an
// allow rule: what is not known of a word only a star takes.
func (p *shellPattern) covers(text string) bool {
	return wild(p.text, text) || p.open && wild(p.text+string(rune(markBreak))+string(rune(markRun)), text)
}

// wild matches text against a pattern in which markRun stands for any text. All
// other bytes stand for themselves, other marks in text too.
func wild(pattern, text string) bool {
	px, tx, starP, starT := 0, 0, -1, 0
	for tx < len(text) {
		switch {
		case px < len(pattern) && pattern[px] == markRun:
			starP, starT = px, tx
			px++
		case px < len(pattern) && pattern[px] == text[tx]:
			px++
			tx++
		case starP >= 0:
			starT++
			px, tx = starP+1, starT
		default:
			return false
		}
	}
	for px < len(pattern) && pattern[px] == markRun {
		px++
	}
	return px == len(pattern)
}

// maxMeet bounds the work of meet: a greater product counts as a match.
const maxMeet = 1 << 20

// meet reports whether some text is matched by both patterns: a has markRun
// alone, b may hold every mark.
func meet(a, b string) bool {
	if len(a)*len(b) > maxMeet {
		return true
	}
	// reach[j]: the part of a read so far, and b[:j], can be made equal.
	reach := make([]bool, len(b)+1)
	next := make([]bool, len(b)+1)
	spread := func(set []bool) {
		for j := range b {
			if set[j] && run(b[j]) {
				set[j+1] = true
			}
		}
	}
	reach[0] = true
	spread(reach)
	for i := range len(a) {
		clear(next)
		any := false
		for j := range reach {
			if !reach[j] {
				continue
			}
			if a[i] == markRun {
				// Everything from here on in b may be eaten.
				for k := j; k <= len(b); k++ {
					next[k] = true
				}
				any = true
				break
			}
			if j < len(b) && (b[j] == a[i] || b[j] == markOne || b[j] == markSplit || a[i] != markBreak && run(b[j])) {
				if run(b[j]) {
					next[j] = true
				}
				next[j+1] = true
				any = true
			}
		}
		if !any {
			return false
		}
		spread(next)
		reach, next = next, reach
	}
	return reach[len(b)]
}

// run reports whether a mark stands for any run of characters.
func run(c byte) bool { return c == markUnknown || c == markRun || c == markSplit }
