package agent

import (
	"path"
	"strconv"
	"strings"

	"github.com/bailey-run/bailey/internal/policy"
)

// line is one value of a preset: a name, and words behind it.
type line struct {
	name  string
	words []word
	from  policy.Source
}

// word is KEY=VALUE, or KEY alone.
type word struct{ key, value string }

func parseLine(v policy.Value[string]) line {
	parts := strings.Fields(v.V)
	l := line{from: v.From}
	for i, p := range parts {
		if i == 0 {
			l.name = p
			continue
		}
		key, value, _ := strings.Cut(p, "=")
		l.words = append(l.words, word{key, value})
	}
	return l
}

// bad is an error at the line.
func (l line) bad(key, problem, hint string) error {
	return policy.Errors{&policy.Error{File: l.from.File, Line: l.from.Line, Column: l.from.Column, Key: "agent." + key, Problem: problem, Hint: hint}}
}

// file checks that the line names a file below HOME, and only words that are known.
func (l line) file(key string, known ...string) error {
	if err := l.below(key, l.name); err != nil {
		return err
	}
	for _, w := range l.words {
		ok := false
		for _, k := range known {
			ok = ok || k == w.key || k == "*"
		}
		if !ok {
			return l.bad(key, strconv.Quote(w.key)+" is none of the words that may stand here: "+strings.Join(known, ", "), "")
		}
	}
	return nil
}

func (l line) below(key, name string) error {
	if name == "" || name == "." || path.IsAbs(name) || path.Clean(name) != name || strings.HasPrefix(name, "../") || name == ".." {
		return l.bad(key, strconv.Quote(name)+" is not a name below HOME", `write it without ~/, as in ".config/example"`)
	}
	return nil
}

// list is the value of a word with commas.
func (l line) list(key string) []string {
	for _, w := range l.words {
		if w.key == key && w.value != "" {
			return strings.Split(w.value, ",")
		}
	}
	return nil
}

func (l line) has(key string) bool {
	for _, w := range l.words {
		if w.key == key {
			return true
		}
	}
	return false
}
