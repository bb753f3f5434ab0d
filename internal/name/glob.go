package name

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// fold is ASCII lower case. Names are compared folded everywhere: a workspace
// may lie on a file system that folds case, and a second spelling of a
// protected name is worth nothing to honest work.
func fold(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// isGlob reports whether a pattern component needs glob to match.
func isGlob(s string) bool { return strings.ContainsAny(s, `*?[\`) }

// checkGlob says what is wrong with one component of a pattern.
func checkGlob(s string) error {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i++; i == len(s) {
				return fmt.Errorf("ends in a backslash")
			}
		case '[':
			n := classLen(s[i:])
			if n == 0 {
				return fmt.Errorf("has a [ without a ]")
			}
			i += n - 1
		}
	}
	return nil
}

// classLen is the length of the bracket expression s starts with, or 0.
func classLen(s string) int {
	i := 1
	if i < len(s) && (s[i] == '!' || s[i] == '^') {
		i++
	}
	for first := true; i < len(s); first = false {
		switch {
		case s[i] == ']' && !first:
			return i + 1
		case s[i] == '\\':
			i++
		}
		i++
	}
	return 0
}

// glob matches one component against one pattern component: * ? [a-z] [!a] and
// backslash. The question mark takes one UTF-8 character, or one byte where the
// name is not UTF-8. The pattern has passed checkGlob.
func glob(p string, s []byte) bool {
	var px, sx int
	starP, starS := -1, 0
	for sx < len(s) || px < len(p) {
		if px < len(p) {
			switch p[px] {
			case '*':
				starP, starS = px, sx
				px++
				continue
			case '?':
				if sx < len(s) {
					_, n := utf8.DecodeRune(s[sx:])
					px++
					sx += n
					continue
				}
			case '[':
				if sx < len(s) {
					n := classLen(p[px:])
					if class(p[px:px+n], fold(s[sx])) {
						px += n
						sx++
						continue
					}
				}
			case '\\':
				if sx < len(s) && fold(p[px+1]) == fold(s[sx]) {
					px += 2
					sx++
					continue
				}
			default:
				if sx < len(s) && fold(p[px]) == fold(s[sx]) {
					px++
					sx++
					continue
				}
			}
		}
		if starP < 0 || starS >= len(s) {
			return false
		}
		starS++
		px, sx = starP+1, starS
	}
	return true
}

// class matches the folded byte c against the bracket expression e.
func class(e string, c byte) bool {
	e = e[1 : len(e)-1]
	not := e[0] == '!' || e[0] == '^'
	if not {
		e = e[1:]
	}
	next := func() byte {
		if e[0] == '\\' && len(e) > 1 {
			e = e[1:]
		}
		b := fold(e[0])
		e = e[1:]
		return b
	}
	in := false
	for len(e) > 0 {
		lo := next()
		hi := lo
		if len(e) > 1 && e[0] == '-' {
			e = e[1:]
			hi = next()
		}
		if lo <= c && c <= hi {
			in = true
		}
	}
	return in != not
}

// Glob matches one component of a path against one component of a pattern, as
// the rules of this package do. CheckGlob must have accepted the pattern.
func Glob(pattern, component string) bool { return glob(pattern, []byte(component)) }

// CheckGlob says what is wrong with one component of a pattern.
func CheckGlob(pattern string) error { return checkGlob(pattern) }
