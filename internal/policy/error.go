package policy

import (
	"strconv"
	"strings"
)

// Error is one thing wrong with the policy, at the place a person must edit.
type Error struct {
	File    string // a path, "profile:NAME" or "--flag"
	Line    int    // 1-based; 0 where there are no lines
	Column  int    // 1-based, in characters
	Key     string // dotted, as in "files.write"; "" for a syntax error
	Problem string
	Hint    string // what to do about it, or ""
	Nearest string // the known name that the unknown one resembles, or ""
}

// Error prints the error on one line: place, key, problem, then the hint.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(Source{File: e.File, Line: e.Line, Column: e.Column}.String())
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	if e.Key != "" {
		b.WriteString(quoteOdd(e.Key))
		b.WriteString(": ")
	}
	b.WriteString(e.Problem)
	if e.Nearest != "" {
		b.WriteString(" (did you mean ")
		b.WriteString(e.Nearest)
		b.WriteString("?)")
	}
	if e.Hint != "" {
		b.WriteString("; ")
		b.WriteString(e.Hint)
	}
	return b.String()
}

// Errors is what Load returns: every error found, at least one. errors.As finds
// the first *Error in it.
type Errors []*Error

// Error prints one error a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the single errors to errors.Is and errors.As.
func (e Errors) Unwrap() []error {
	list := make([]error, len(e))
	for i, one := range e {
		list[i] = one
	}
	return list
}

// String prints the place as FILE:LINE:COLUMN, without the parts that are not
// known.
func (s Source) String() string {
	text := quoteOdd(s.File)
	if s.Line == 0 {
		return text
	}
	text += ":" + strconv.Itoa(s.Line)
	if s.Column != 0 {
		text += ":" + strconv.Itoa(s.Column)
	}
	return text
}
