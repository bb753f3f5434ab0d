package permission

import (
	"slices"
	"strings"
)

// match says whether a rule is about a command.
type match uint8

const (
	no    match = iota
	maybe       // it depends on what is not known before the command runs
	yes
)

// hits says whether a pattern of deny or ask is about a command, however it is
// spelled: in any directory, with options in another order, joined, long or
// abbreviated, with options in front of a subcommand, and by the other names of what it does.
func (p *shellPattern) hits(c *command) match {
	if len(c.words) == 0 {
		return no
	}
	if name := &c.words[0]; p.base != "" && name.exact && baseName(name.alts[0]) != p.base {
		return no
	}
	best := p.hitsAs(c)
	for _, other := range c.others() {
		best = max(best, p.hitsAs(other))
	}
	if best != no && p.not != nil && p.not(c) {
		return no
	}
	return best
}

// hitsAs is hits for one spelling of a command.
func (p *shellPattern) hitsAs(c *command) match {
	if p.sub != "" && p.base != "" && c.words[0].exact {
		if sub := c.subcommand(); sub != "" && sub != p.sub {
			return no
		}
	}
	best := no
	text := c.text()
	for _, t := range [...]string{text, bareName(text)} {
		for _, q := range [...]string{p.text, bareName(p.text)} {
			if m := p.spelled(q, t); m > best {
				best = m
			}
		}
		if best == yes {
			return yes
		}
	}
	if m := p.structure(c); m > best {
		best = m
	}
	return best
}

// maxMeetText is the longest command with unknown words in it that is compared in
// full, in bytes. A longer one may be anything.
const maxMeetText = 4096

// bareName takes the directory off the first word.
func bareName(text string) string {
	name, rest, _ := strings.Cut(text, string(rune(markBreak)))
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		return name[i+1:] + text[len(name):]
	}
	_ = rest
	return text
}

// spelled compares the words in order.
func (p *shellPattern) spelled(pattern, text string) match {
	open := pattern + string(rune(markBreak)) + string(rune(markRun))
	if wild(pattern, text) || p.open && wild(open, text) {
		return yes
	}
	blank := strings.ReplaceAll(text, " ", string(rune(markBreak)))
	if blank != text && (wild(pattern, blank) || p.open && wild(open, blank)) {
		return yes
	}
	if !strings.ContainsAny(text, "\x00\x01\x02\x04") {
		return no
	}
	if len(text) > maxMeetText {
		return maybe
	}
	if meet(pattern, text) || p.open && meet(open, text) {
		if !strings.ContainsAny(text, "\x00\x04") {
			return yes // wildcards: whether the file is there is not asked
		}
		return maybe
	}
	return no
}

// structure compares name, operands and options apart.
func (p *shellPattern) structure(c *command) match {
	words := c.words
	if len(p.words) == 1 && !p.open || !p.open && len(p.words) > 1 && !slices.ContainsFunc(p.words[1:], isOption) {
		// Without a star at its end a pattern is about these words alone; options in
		// front of a subcommand are seen through all the same.
		if len(p.words) < 2 {
			return no
		}
	}
	if !words[0].exact || !wild(bareName(p.words[0]), baseName(words[0].alts[0])) {
		return no
	}
	c.find()
	prog, sub, takes := c.whole, c.prog, ""
	if prog != nil {
		takes = prog.takes
	}
	want := arrange(p.words[1:], takes, sub, true)
	plain := make([]string, len(words)-1)
	unknown := false
	for i, w := range words[1:] {
		plain[i] = w.alts[0]
		unknown = unknown || !w.exact
	}
	var have arranged
	if prog != nil || len(want.operands) == 0 {
		have = arrange(plain, takes, sub, false)
		return want.within(have, p.open, unknown, sub)
	}
	// Which options of an unknown program take a value is not known: either.
	a := want.within(arrange(plain, "", nil, false), p.open, unknown, nil)
	b := want.within(arrangeAll(plain), p.open, unknown, nil)
	return max(a, b)
}

func isOption(w string) bool { return len(w) > 1 && w[0] == '-' }

// arranged are the words of a command by what they are.
type arranged struct {
	operands []string
	options  []string // "-f", "--force", "-X=POST"
}

// arrange takes words apart. Clusters of letters become one option each.
func arrange(words []string, takes string, p *program, pattern bool) arranged {
	var out arranged
	whole := p != nil && p.whole
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch {
		case w == "--" && !pattern:
			out.operands = append(out.operands, words[i+1:]...)
			return out
		case !isOption(w):
			out.operands = append(out.operands, w)
			continue
		}
		valued := listed(takes, w) || p != nil && listed(p.takes, w)
		switch {
		case valued && i+1 < len(words):
			i++
			out.options = append(out.options, w+"="+words[i])
		case strings.HasPrefix(w, "--") || whole || len(w) == 2:
			out.options = append(out.options, w)
		default:
			for j := 1; j < len(w); j++ {
				one := "-" + w[j:j+1]
				if p != nil && listed(p.takes, one) {
					if rest := w[j+1:]; rest != "" {
						one += "=" + strings.TrimPrefix(rest, "=")
					}
					out.options = append(out.options, one)
					break
				}
				out.options = append(out.options, one)
			}
			if !pattern || p == nil { // of a known program, rm -rf is rm -f -r too
				out.options = append(out.options, w)
			}
		}
	}
	return out
}

// arrangeAll is arrange for a program whose options all take the next word.
func arrangeAll(words []string) arranged {
	var out arranged
	for i := 0; i < len(words); i++ {
		if w := words[i]; isOption(w) {
			out.options = append(out.options, w)
			if !strings.Contains(w, "=") && i+1 < len(words) && !isOption(words[i+1]) {
				i++
			}
			continue
		}
		out.operands = append(out.operands, words[i])
	}
	return out
}

// within says whether a command has everything that a pattern names.
func (want arranged) within(have arranged, open, unknown bool, p *program) match {
	result := yes
	for i, w := range want.operands {
		switch {
		case i < len(have.operands) && operand(w, have.operands[i]):
		case i < len(have.operands) && strings.ContainsAny(have.operands[i], allMarks) && meet(w, have.operands[i]):
			result = maybe
			if strings.IndexByte(have.operands[i], markSplit) >= 0 {
				return maybe // it may be several words, or none: what follows is not known
			}
		case i >= len(have.operands) && unknown:
			result = maybe
		default:
			return no
		}
	}
	if !open && len(have.operands) > len(want.operands) {
		return no
	}
	for _, w := range want.options {
		if !slices.ContainsFunc(have.options, func(h string) bool { return sameOption(p, w, h) }) {
			if !unknown {
				return no
			}
			result = maybe
		}
	}
	return result
}

// operand matches one word of a pattern. A pattern's star reaches over words, so
// that here it may take the whole of one.
func operand(pattern, text string) bool { return wild(pattern, text) }

// sameOption compares an option of a pattern, which may hold stars, with one of a
// command. The value counts when the pattern names it.
func sameOption(p *program, want, have string) bool {
	if wild(want, have) {
		return true
	}
	w, wv, wHas := strings.Cut(want, "=")
	h, hv, hHas := strings.Cut(have, "=")
	if wHas && (!hHas || !wild(wv, hv)) {
		return false
	}
	return p.sameOption(w, h)
}
