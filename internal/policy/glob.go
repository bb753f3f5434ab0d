package policy

import "strings"

// maxAlternatives is how many patterns one entry with {a,b} may stand for. The
// alternatives multiply; beyond this number the entry is an error.
const maxAlternatives = 256

// Literal returns the one path that an entry of files.deny or files.protect
// spells. It reports false for a pattern, which stands for more: one with *, ? or
// [, and one that holds at any depth.
func Literal(text string) (string, bool) {
	if text == "" || text[0] != '/' {
		return "", false
	}
	if !strings.ContainsAny(text, `*?[\`) {
		return text, true
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '*', '?', '[':
			return "", false
		case '\\':
			i++
		}
		b.WriteByte(text[i])
	}
	return b.String(), true
}

// escape writes a path as a pattern that matches only that path.
func escape(path string) string {
	const special = `*?[]{}\`
	if !strings.ContainsAny(path, special) {
		return path
	}
	var b strings.Builder
	for i := range len(path) {
		if strings.IndexByte(special, path[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(path[i])
	}
	return b.String()
}

// validGlob reports whether every bracket and brace is closed and every backslash
// has a character after it. A slash inside brackets or after a backslash is
// refused, so that a pattern may be split at its slashes.
func validGlob(text string) bool {
	braces := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			if i++; i == len(text) || text[i] == '/' {
				return false
			}
		case '[':
			if i = classEnd(text, i); i < 0 {
				return false
			}
		case '{':
			braces++
		case '}':
			if braces--; braces < 0 {
				return false
			}
		}
	}
	return braces == 0
}

// classEnd returns the index of the bracket that closes the class at text[i], or
// -1 when the class is empty, open, or holds a slash, a backslash or a brace
// (whose meaning inside brackets differs from matcher to matcher).
func classEnd(text string, i int) int {
	i++
	if i < len(text) && (text[i] == '!' || text[i] == '^') {
		i++
	}
	end := strings.IndexByte(text[i:], ']')
	if end < 1 || strings.ContainsAny(text[i:i+end], `/\{}[`) {
		return -1
	}
	return i + end
}

// alternatives writes out every {a,b} of a valid pattern. It stops soon after
// maxAlternatives.
func alternatives(text string) []string {
	open := -1
	for i := 0; i < len(text) && open < 0; i++ {
		switch text[i] {
		case '\\':
			i++
		case '{':
			open = i
		}
	}
	if open < 0 {
		return []string{text}
	}
	var list []string
	depth, start := 0, open+1
	var parts []string
	for i := open; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '{':
			depth++
		case ',':
			if depth == 1 {
				parts, start = append(parts, text[start:i]), i+1
			}
		case '}':
			if depth--; depth > 0 {
				continue
			}
			for _, part := range append(parts, text[start:i]) {
				list = append(list, alternatives(text[:open]+part+text[i+1:])...)
				if len(list) > maxAlternatives {
					break
				}
			}
			return list
		}
	}
	return list
}

// Alternatives writes out every {a,b} of a gitignore-like pattern. It reports
// false for a pattern that is not valid, or that stands for too many.
func Alternatives(pattern string) ([]string, bool) {
	if !validGlob(pattern) {
		return nil, false
	}
	list := alternatives(pattern)
	return list, len(list) <= maxAlternatives
}
