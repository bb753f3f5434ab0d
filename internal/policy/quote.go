package policy

import (
	"strconv"
	"unicode"
	"unicode/utf8"
)

// quoteOdd quotes text that holds a line break, another control character or a
// byte that is not UTF-8, so that a value cannot pretend to be several lines or
// talk to the terminal.
func quoteOdd(text string) string {
	for _, r := range text {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return strconv.Quote(text)
		}
	}
	return text
}
