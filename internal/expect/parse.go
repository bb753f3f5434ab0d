package expect

import (
	"strings"
	"unicode/utf8"

	"github.com/bailey-run/bailey/internal/policy"
)

// maxErrors bounds what is told about one file: a file of another kind would
// give an error a line.
const maxErrors = 20

// Parse reads the cases of one file. The error, when there is one, is a
// policy.Errors with all that is wrong: a file is read whole or not at all. A file
// without any case is an error too, for nothing would be tested.
func Parse(file string, content []byte) ([]Case, error) {
	var cases []Case
	var errs policy.Errors
	number := 0
	for text := range strings.Lines(strings.TrimPrefix(string(content), "\ufeff")) {
		number++
		l := &line{file: file, number: number, text: strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")}
		c, ok, err := l.parse()
		switch {
		case err != nil:
			if errs = append(errs, err); len(errs) == maxErrors {
				return nil, errs
			}
		case ok:
			cases = append(cases, c)
		}
	}
	if len(errs) > 0 {
		return nil, errs
	}
	if len(cases) == 0 {
		return nil, policy.Errors{{File: file, Problem: "there is no case in it", Hint: "one a line, as in: deny read ~/.ssh/id_ed25519"}}
	}
	return cases, nil
}

// ParseCase reads one case that does not stand in a file; from says where it
// does, as "--case".
func ParseCase(from, text string) (Case, error) {
	l := &line{file: from, number: 1, text: text}
	c, ok, err := l.parse()
	switch {
	case err != nil:
		err.Line = 0 // there are no lines
		return Case{}, policy.Errors{err}
	case !ok:
		return Case{}, policy.Errors{{File: from, Problem: "there is no case in it", Hint: "as in: --case 'deny read ~/.ssh/id_ed25519'"}}
	}
	c.Line, c.Column = 0, 0
	return c, nil
}

// line is one line being read.
type line struct {
	file   string
	number int
	text   string
	at     int // bytes
}

// word is one word of a line. It is bare when no quote or backslash is in it.
type word struct {
	text   string
	column int
	bare   bool
}

// parse reads the line; ok is false for one without a case.
func (l *line) parse() (c Case, ok bool, err *policy.Error) {
	if err := l.characters(); err != nil {
		return Case{}, false, err
	}
	var words []word
	for {
		l.at += len(l.text[l.at:]) - len(strings.TrimLeft(l.text[l.at:], " \t"))
		if l.at == len(l.text) || l.text[l.at] == '#' {
			break
		}
		w, err := l.word()
		if err != nil {
			return Case{}, false, err
		}
		words = append(words, w)
	}
	if len(words) == 0 {
		return Case{}, false, nil
	}
	reason := strings.TrimSpace(strings.TrimLeft(l.text[l.at:], "#"))
	c, err = l.check(words)
	c.Reason = reason
	return c, err == nil, err
}

// characters refuses what would act on a terminal, or be two things to two
// readers.
func (l *line) characters() *policy.Error {
	for i, r := range l.text {
		at := word{column: 1 + utf8.RuneCountInString(l.text[:i])}
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(l.text[i:], string(utf8.RuneError)):
			return l.fault(at, "a byte that is no UTF-8")
		case r < ' ' && r != '\t', r >= 0x7f && r < 0xa0:
			return l.fault(at, "a control character")
		}
	}
	return nil
}

// word reads the word that begins here, quoted as in a shell.
func (l *line) word() (word, *policy.Error) {
	var b strings.Builder
	w := word{column: l.column(), bare: true}
	quote, from := byte(0), word{}
	for ; l.at < len(l.text); l.at++ {
		c := l.text[l.at]
		switch {
		case c == '\\' && quote != '\'':
			next := byte(0)
			if l.at+1 < len(l.text) {
				next = l.text[l.at+1]
			}
			switch {
			case quote == 0 && next == 0:
				return w, l.fault(word{column: l.column()}, "a backslash with nothing behind it")
			case quote == 0 || next == '"' || next == '\\':
				l.at++
				b.WriteByte(next) // of a longer character the first byte; the rest follows
			default:
				b.WriteByte(c)
			}
			w.bare = false
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, from, w.bare = c, word{column: l.column()}, false
		case quote == 0 && (c == ' ' || c == '\t'):
			w.text = b.String()
			return w, nil
		default:
			b.WriteByte(c)
		}
	}
	if quote != 0 {
		e := l.fault(from, "this quote is not closed")
		return w, e
	}
	w.text = b.String()
	return w, nil
}

func (l *line) column() int { return 1 + utf8.RuneCountInString(l.text[:l.at]) }

// end is the place behind the last word.
func (l *line) end() word {
	text := strings.TrimRight(l.text[:l.at], " \t")
	return word{column: 1 + utf8.RuneCountInString(text)}
}

func (l *line) fault(at word, problem string) *policy.Error {
	return &policy.Error{File: l.file, Line: l.number, Column: at.column, Problem: problem, Hint: "one case a line, as in: deny read ~/.ssh/id_ed25519"}
}
