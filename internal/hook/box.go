package hook

import (
	"strings"
)

// Box says how a command is run in a box: the program, and what stands between it
// and the text.
type Box struct {
	Program string   // the absolute path of bailey
	Args    []string // run and its flags, without the --
}

// Wrap writes a command that runs a shell text in a box. The text is one word of
// it, whatever is in the text. asked says that a person is asked about the text
// before it runs, so that its programs need not be asked about again.
func (b *Box) Wrap(text string, asked bool) string { return b.before(asked) + Quote(text) }

func (b *Box) before(asked bool) string {
	var s strings.Builder
	s.WriteString(Quote(b.Program))
	for _, a := range b.Args {
		s.WriteByte(' ')
		s.WriteString(Quote(a))
	}
	if asked {
		s.WriteString(" --asked")
	}
	s.WriteString(" -- bash -c ")
	return s.String()
}

// Unwrap is the text of a command that Wrap wrote. It is ours only when Wrap
// writes the same, byte by byte: nothing stands before it, behind it or between.
func (b *Box) Unwrap(command string) (text string, ours bool) {
	command = strings.TrimSpace(command)
	for _, asked := range [...]bool{false, true} {
		quoted, ok := strings.CutPrefix(command, b.before(asked))
		if !ok || len(quoted) < 2 || quoted[0] != '\'' || quoted[len(quoted)-1] != '\'' {
			continue
		}
		text = strings.ReplaceAll(quoted[1:len(quoted)-1], `'\''`, `'`)
		if b.Wrap(text, asked) == command {
			return text, true
		}
	}
	return "", false
}

// Quote writes a word for a POSIX shell.
func Quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
