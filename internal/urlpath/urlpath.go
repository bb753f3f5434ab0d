// Package urlpath gives the path of a request one form, and matches that form
// with the path patterns of rules. It is pure.
package urlpath

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// Canonical is the one form of a request's path that rules are asked about:
// percent signs decoded once, nothing else changed. What servers read in more
// than one way is an error: dot segments, empty segments, encoded slashes,
// backslashes, doubly encoded bytes, parameters behind a semicolon, control
// characters, what is no UTF-8, and characters that some servers fold into one
// of those. raw is the path as it was sent, without the query.
func Canonical(raw string) (string, error) {
	if raw == "" || raw[0] != '/' {
		return "", errors.New("it does not begin with a slash")
	}
	if len(raw) > maxPath {
		return "", errors.New("it is too long")
	}
	var b strings.Builder
	b.Grow(len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		encoded := c == '%'
		if encoded {
			if i+2 >= len(raw) || unhex(raw[i+1]) > 15 || unhex(raw[i+2]) > 15 {
				return "", errors.New("a percent sign in it encodes nothing")
			}
			c = unhex(raw[i+1])<<4 | unhex(raw[i+2])
			i += 2
		}
		switch {
		case encoded && c == '/':
			return "", errors.New("it has an encoded slash")
		case c == '\\':
			return "", errors.New("it has a backslash")
		case c == ';':
			return "", errors.New("it has a semicolon, behind which some servers ignore what follows")
		case encoded && c == '%':
			return "", errors.New("it has an encoded percent sign, which some servers decode twice")
		case c < 0x20 || c == 0x7f:
			return "", errors.New("it has a control character")
		case !encoded && (c == ' ' || c == '#' || c == '?' || c >= 0x80):
			return "", errors.New("it has a character that must be encoded")
		}
		b.WriteByte(c)
	}
	path := b.String()
	if !utf8.ValidString(path) {
		return "", errors.New("it is not UTF-8")
	}
	// Division and fraction slashes, full-width and other dots, slashes,
	// percent signs and semicolons.
	if strings.ContainsAny(path, "\u2044\u2215\u29f8\uff0f\ufe68\uff3c\u29f5\u2216\uff0e\u2024\ufe52\uff05\ufe6a\uff1b\ufe54") {
		return "", errors.New("it has a character that some servers take for another")
	}
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		switch {
		case s == "" && i < len(segments)-1:
			return "", errors.New("it has an empty segment")
		case strings.Trim(s, ". ") == "" && s != "":
			return "", errors.New("it has a segment of dots")
		}
	}
	return path, nil
}

// maxPath is the longest path that rules are asked about, in bytes. A longer one
// is an error, so that it is denied.
const maxPath = 8 << 10

// CheckPattern says why a path pattern of a rule is none. Patterns are written
// in the canonical form: "*" stands for any characters within a segment, and a
// segment "**" for any number of segments, also none.
func CheckPattern(pattern string) error {
	plain := strings.ReplaceAll(pattern, "*", "x")
	switch {
	case strings.ContainsRune(pattern, '%'):
		return errors.New("a path pattern is written decoded, without percent signs")
	case strings.ContainsAny(pattern, "?#"):
		return errors.New("a path pattern does not look at the query")
	case len(pattern) > maxPath:
		return errors.New("it is too long")
	}
	for _, s := range strings.Split(pattern, "/") {
		if strings.Contains(s, "**") && s != "**" {
			return errors.New("** stands for whole segments, between slashes")
		}
	}
	var escaped strings.Builder
	for i := range len(plain) {
		if c := plain[i]; c == ' ' || c >= 0x80 {
			const digits = "0123456789abcdef"
			escaped.Write([]byte{'%', digits[c>>4], digits[c&15]})
		} else {
			escaped.WriteByte(c)
		}
	}
	_, err := Canonical(escaped.String())
	return err
}

// Match says whether a pattern matches a canonical path. It takes time in
// proportion to the product of their lengths at most.
func Match(pattern, path string) bool {
	ps, ss := strings.Split(pattern, "/"), strings.Split(path, "/")
	// row[j]: the patterns so far match the first j segments.
	row := make([]bool, len(ss)+1)
	row[0] = true
	for _, p := range ps {
		if p == "**" {
			for j := 1; j <= len(ss); j++ {
				row[j] = row[j] || row[j-1]
			}
			continue
		}
		for j := len(ss); j > 0; j-- {
			row[j] = row[j-1] && matchSegment(p, ss[j-1])
		}
		row[0] = false
	}
	return row[len(ss)]
}

// MatchDeny is Match for patterns that refuse, which must not be missed because a
// server does not tell capitals apart, or ignores a slash at the end.
func MatchDeny(pattern, path string) bool {
	pattern, path = strings.ToLower(pattern), strings.ToLower(path)
	short := path
	if len(path) > 1 {
		short = strings.TrimSuffix(path, "/")
	}
	if len(pattern) > 1 {
		pattern = strings.TrimSuffix(pattern, "/")
	}
	return Match(pattern, path) || Match(pattern, short)
}

// matchSegment matches one segment with "*" for any characters.
func matchSegment(p, s string) bool {
	i, j, star, mark := 0, 0, -1, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && p[i] == s[j]:
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(p[i:], "*") == ""
}

func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}
