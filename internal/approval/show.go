package approval

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Plain reports whether a text shows as what it is, on one line: no control
// characters, none that show as nothing or turn the direction of writing round,
// no blank but the plain one, nothing that is not UTF-8.
func Plain(s string) bool {
	if !utf8.ValidString(s) || s != strings.TrimSpace(s) {
		return false
	}
	for _, r := range s {
		if r != ' ' && !plainRune(r) {
			return false
		}
	}
	return true
}

// plainRune: strconv.IsPrint leaves out controls, blanks, and the characters of
// direction and of no width; marks that combine hide in the letter before them.
func plainRune(r rune) bool {
	return strconv.IsPrint(r) && !unicode.Is(unicode.Mn, r) && !unicode.Is(unicode.Me, r) && r != 0x115f && r != 0x1160 && r != 0x3164 && r != 0xffa0 && r != 0x2800
}

// Quote writes a text so that it cannot hide any of itself: in quotes, with what
// is not plain escaped.
func Quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == utf8.RuneError && n == 1:
			const hex = "0123456789abcdef"
			b.WriteString(`\x` + string(hex[s[0]>>4]) + string(hex[s[0]&15]))
		case r == ' ' || plainRune(r):
			b.WriteRune(r)
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
		s = s[n:]
	}
	b.WriteByte('"')
	return b.String()
}

// Keepable reports whether an answer to q may hold for longer than this one call:
// only what can be shown whole can be.
func (q *Question) Keepable() bool {
	return q.Subject != "" && len(q.Subject) <= maxShown && Plain(q.Subject) && !q.Unclear
}

// maxShown is the longest subject, in bytes, that a person reads to its end.
const maxShown = 1000
