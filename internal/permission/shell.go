package permission

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"mvdan.cc/sh/v3/syntax"
)

const (
	// maxText is the longest shell text that is read, in bytes: a line of a
	// person has some hundred, a script that an agent writes in place some
	// thousand. A longer one is refused.
	maxText = 1 << 16
	// maxNesting bounds brackets inside brackets, so that no text costs more than
	// its length allows. A deeper one is asked about.
	maxNesting = 60
	// maxSteps bounds the words and nodes that are looked at, with everything they
	// may become. Beyond it the text is asked about.
	maxSteps = 8000
	// maxTextDepth is how deep texts inside texts are read (sh -c, eval).
	maxTextDepth = 3
	// maxWrapped is how many wrappers around one command are seen through.
	maxWrapped = 12
)

// analysis is what one shell text would do, as far as it can be read.
type analysis struct {
	ctx     *Context
	parsers parserSource
	shell   string // the shell that runs it
	text    string // what is parsed now; positions are in it

	vars     map[string]*variable
	cds      []word // where the text changes directory to
	commands []*command
	accesses []access
	notes    []note
	executed []execution

	steps   int
	nested  int  // texts inside texts, now
	tooMuch bool // maxSteps was reached
	without bool // a text is read without its continued lines
	fed     bool // the shell reads this text from its standard input while it runs it
}

type parserSource interface {
	Get() any
	Put(any)
}

// command is one simple command. Its words are the ones that the shell makes, as
// far as they are known; a word with marks is not.
type command struct {
	words   []word
	src     string
	problem string     // why it is asked about, "" when it is understood
	spelled []*command // what else it may become
	inner   []*command // what a wrapper runs
	reach   int        // where the first inner command starts in words
	look    bool       // allow may look through to inner
	apart   bool       // what it runs was read as a text of its own: its parts stand beside it
	setting string     // a variable in front of it that changes it, for allow
	joined  string     // the words in one string, once asked for

	respelled bool       // other is known
	other     []*command // the same in other words; see others

	// What the tables say, once asked for; see find.
	looked  bool
	whole   *program // of the name
	prog    *program // of the subcommand, if it has one of its own
	args    []word   // behind the name, or the subcommand
	sub     string   // the first word that is no option; "" where that is not sure
	wrapped int
	input   *syntax.Redirect // the here-document or here-string, for what a wrapper runs
}

// access is a file that a redirection or a program opens.
type access struct {
	write bool
	path  word
	src   string
	fills bool // it gives the file another content
}

// execution is a file that a command runs, by its name.
type execution struct {
	cmd  *command
	file string
}

// ownFiles asks about commands that run a file which the text itself writes: what
// is in it is not known.
func (a *analysis) ownFiles() {
	for _, x := range a.executed {
		for _, w := range a.accesses {
			if !w.fills {
				continue
			}
			for _, alt := range w.path.alts {
				if baseName(alt) == x.file && x.cmd.problem == "" {
					x.cmd.problem = "it runs a file that this text writes"
				}
			}
		}
	}
}

// note is something that is not understood, or asks for a person on its own.
type note struct{ kind, text, reason string }

// refused says why a text is not even parsed; "" when it is. The parser would
// pass over NUL and carriage return in silence; other control characters and
// blanks that look like none make a text something else than what is shown.
func refused(text string) string {
	if len(text) > maxText {
		return fmt.Sprintf("the text has %d bytes, more than %d", len(text), maxText)
	}
	ascii := true
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ' && c != '\t' && c != '\n', c == 0x7f:
			return fmt.Sprintf("the text holds the control character %#02x", c)
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	if ascii {
		return ""
	}
	if !utf8.ValidString(text) {
		return "the text is not UTF-8"
	}
	for _, r := range text {
		switch {
		case r < utf8.RuneSelf:
		case unicode.IsSpace(r), r >= 0x80 && r < 0xa0, r == 0xad, r == 0x180e, r == 0x200b, r == 0x200e, r == 0x200f,
			r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r == 0x3164, r == 0xfeff, r >= 0xfff9 && r <= 0xfffb, r >= 0xe0000 && r <= 0xe007f:
			return fmt.Sprintf("the text holds U+%04X, which looks like a blank or like nothing", r)
		}
	}
	return ""
}

// continued reports whether a backslash in front of a line break stands behind
// something else than a blank.
func continued(text string) bool {
	for i := 0; ; {
		j := strings.Index(text[i:], "\\\n")
		if j < 0 {
			return false
		}
		if i += j; i > 0 && text[i-1] != ' ' && text[i-1] != '\t' && text[i-1] != '\n' {
			return true
		}
		i += 2
	}
}

// nesting is the deepest nesting of brackets that the text may have, whatever its
// quotes mean. It stops soon after maxNesting.
func nesting(text string) int {
	depth, most := 0, 0
	for i := range len(text) {
		switch text[i] {
		case '(', '{', '[':
			if depth++; depth > most {
				if most = depth; most > maxNesting {
					return most
				}
			}
		case ')', '}', ']':
			if depth > 0 {
				depth--
			}
		}
	}
	return most + strings.Count(text, "`")/2
}

// variant is the dialect of a shell; false for one that is not read.
func variant(shell string) (syntax.LangVariant, bool) {
	switch baseName(shell) {
	case "", "bash", "rbash":
		return syntax.LangBash, true
	case "sh", "dash", "ash":
		return syntax.LangPOSIX, true
	case "ksh", "mksh", "lksh", "oksh":
		return syntax.LangMirBSDKorn, true
	case "zsh", "rzsh":
		return syntax.LangZsh, true
	}
	return 0, false
}

// bash reports whether the shell surely is bash, and understood in full.
func (a *analysis) bash() bool {
	v, ok := variant(a.shell)
	return ok && v == syntax.LangBash
}

// shellText reads one text for a shell, and everything in it.
func (a *analysis) shellText(text, shell string) {
	if why := refused(text); why != "" {
		a.note(kindText, short(text), why)
		return
	}
	if a.nested >= maxTextDepth+1 {
		a.note(kindText, short(text), fmt.Sprintf("shell texts inside each other are read to a depth of %d", maxTextDepth))
		return
	}
	lang, ok := variant(shell)
	if !ok {
		a.note(kindText, short(text), "the text is for "+baseName(shell)+", whose language is not read here")
		lang = syntax.LangBash
	}
	if strings.Contains(text, "#\\\n") {
		// The parser joins the line to the next one, where bash has a comment.
		a.note(kindText, short(text), "a comment that ends in a backslash is read differently by different shells")
		a.quiet(strings.ReplaceAll(text, "#\\\n", "#\n"))
	}
	if continued(text) {
		// Bash takes the two characters out before it reads words and operators; the
		// parser does so in fewer places.
		a.note(kindText, short(text), "a line that is continued inside a word is not read alike everywhere")
		if !a.without {
			a.without = true
			a.quiet(strings.ReplaceAll(text, "\\\n", ""))
			a.without = false
		}
	}
	if n := nesting(text); n > maxNesting {
		a.note(kindText, short(text), fmt.Sprintf("brackets are nested deeper than %d", maxNesting))
		return
	}
	wasText, wasShell := a.text, a.shell
	a.nested++
	a.text, a.shell = text, shell
	a.parse(text, lang)
	if lang == syntax.LangPOSIX && ok {
		a.parse(text, syntax.LangBash) // many systems' sh is bash, and reads more into a text
	}
	if lang == syntax.LangMirBSDKorn || lang == syntax.LangZsh {
		a.note(kindText, short(text), "the language of "+baseName(shell)+" is not understood in full")
	}
	a.text, a.shell = wasText, wasShell
	a.nested--
}

func (a *analysis) parse(text string, lang syntax.LangVariant) {
	parser := a.parsers.Get().(*syntax.Parser)
	defer a.parsers.Put(parser)
	syntax.Variant(lang)(parser)
	file, err := parser.Parse(strings.NewReader(text), "")
	if err != nil {
		a.note(kindText, short(text), "this does not parse: "+err.Error())
	}
	if file == nil {
		return
	}
	// What was parsed before an error would run: it is judged all the same.
	a.collect(file)
	a.stmts(file.Stmts)
}

func (a *analysis) note(kind, text, reason string) {
	for _, n := range a.notes {
		if n.text == text && n.reason == reason {
			return
		}
	}
	a.notes = append(a.notes, note{kind, text, reason})
}

// step counts work. It reports true when there has been too much.
func (a *analysis) step() bool {
	if a.steps++; a.steps > maxSteps && !a.tooMuch {
		a.tooMuch = true
		a.note(kindText, short(a.text), "there is more in this than is followed")
	}
	return a.tooMuch
}

// weigh counts a command that another one runs, or may become: as much as it has
// words. It reports true when there has been too much.
func (a *analysis) weigh(words []word) bool {
	a.steps += len(words) / 4
	return a.step()
}

// source is the text of a node.
func (a *analysis) source(n syntax.Node) string {
	from, to := int(n.Pos().Offset()), int(n.End().Offset())
	if from > to || to > len(a.text) {
		return ""
	}
	return a.text[from:to]
}
