package name

import (
	"bytes"
	"fmt"
)

// ConfigError says why a git configuration may not be written.
type ConfigError struct {
	Line int    // in the new content, 1-based; 0 when an entry is missing from it
	Key  string // section.subsection.key as git prints it; empty when the text cannot be read
	Why  string
}

func (e *ConfigError) Error() string {
	switch {
	case e.Key == "":
		return fmt.Sprintf("git configuration line %d: %s", e.Line, e.Why)
	case e.Line == 0:
		return fmt.Sprintf("git configuration key %s: %s", e.Key, e.Why)
	}
	return fmt.Sprintf("git configuration key %s (line %d): %s", e.Key, e.Line, e.Why)
}

// MaxConfig is the largest git configuration that is looked at. A real one is a
// few kilobytes; a larger one is refused, so that reading it stays bounded.
const MaxConfig = 1 << 20

// CheckConfig decides whether a repository's configuration may go from old to
// new (either may be empty). Entries that cannot run code or redirect anything
// may come, go and change. All others must stand in new exactly as in old: the
// same entries, with the same text, in the same order. The error is a
// *ConfigError.
func CheckConfig(old, new []byte) error {
	if len(new) > MaxConfig {
		return &ConfigError{Line: 1, Why: fmt.Sprintf("larger than %d bytes", MaxConfig)}
	}
	was, err := parseConfig(old)
	if err != nil {
		return &ConfigError{Line: err.Line, Why: "the configuration in place cannot be read strictly (" + err.Why + "); change it outside the box"}
	}
	will, err := parseConfig(new)
	if err != nil {
		return err
	}
	had := make(map[string]bool) // remotes and submodules that have a URL already
	for _, e := range was {
		if e.isURL() {
			had[e.section+" "+e.sub] = true
		}
	}
	held := was[:0:0]
	for _, e := range was {
		if e.guarded(nil) != "" {
			held = append(held, e)
		}
	}
	for _, e := range will {
		if len(held) > 0 && e.same(held[0]) {
			held = held[1:]
			continue
		}
		if why := e.guarded(had); why != "" {
			return &ConfigError{Line: e.line, Key: e.name(), Why: why}
		}
	}
	if len(held) > 0 {
		return &ConfigError{Key: held[0].name(), Why: "may not be removed, changed or moved from inside the box"}
	}
	return nil
}

// entry is one setting as git reads it.
type entry struct {
	section string // lower case
	sub     string // exact
	hasSub  bool
	key     string // lower case
	value   string
	bare    bool   // no "=": git takes it as true
	odd     string // a spelling git itself never writes; refused unless it was there before
	text    string // the raw text from the header's and key's first byte to the line's end
	line    int
}

func (e *entry) name() string {
	if e.hasSub {
		return e.section + "." + e.sub + "." + e.key
	}
	return e.section + "." + e.key
}

func (e *entry) same(o entry) bool {
	return e.section == o.section && e.sub == o.sub && e.hasSub == o.hasSub && e.key == o.key &&
		e.value == o.value && e.bare == o.bare && e.text == o.text
}

// configReader reads as git's config.c does, byte by byte, so that it sees every
// entry git sees. Where git versions differ, or where the text is meant to be
// misread by people, it notes what is odd.
type configReader struct {
	b    []byte
	i    int
	line int
	eof  bool
	odd  string
}

// next is git's get_next_char: CR LF is LF, and the end of the file is a line end.
func (r *configReader) next() byte {
	if r.i >= len(r.b) {
		r.eof = true
		return '\n'
	}
	c := r.b[r.i]
	r.i++
	if c == '\r' {
		r.odd = "a carriage return"
		if r.i < len(r.b) && r.b[r.i] == '\n' {
			r.i++
			c = '\n'
		}
	}
	if c == '\n' {
		r.line++
	}
	return c
}

func (r *configReader) fail(why string) *ConfigError {
	return &ConfigError{Line: r.line, Why: why}
}

func parseConfig(b []byte) ([]entry, *ConfigError) {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return nil, &ConfigError{Line: 1 + bytes.Count(b[:i], slashN), Why: "a NUL byte"}
	}
	r := &configReader{b: b, line: 1}
	if bytes.HasPrefix(b, []byte("\xef\xbb\xbf")) {
		return nil, r.fail("a byte order mark")
	}
	var list []entry
	var head entry
	sectionLine := 0
	for {
		line, start := r.line, r.i
		r.odd = ""
		c := r.next()
		switch {
		case c == '\n' && r.eof:
			return list, nil
		case c == '\n' || c == ' ' || c == '\t':
			continue
		case c == '\r':
			return nil, r.fail("a carriage return")
		case c == '#' || c == ';':
			for c != '\n' {
				c = r.next()
			}
			continue
		case c == '[':
			h, err := r.header()
			if err != nil {
				return nil, err
			}
			head, sectionLine = h, line
			continue
		case !isAlpha(c):
			return nil, r.fail(fmt.Sprintf("unexpected character %q", c))
		case head.section == "":
			return nil, r.fail("a key before the first section")
		}
		e := head
		e.line = line
		if err := r.entry(&e, c); err != nil {
			return nil, err
		}
		e.text = string(bytes.TrimRight(b[start:r.i], "\r\n"))
		if sectionLine == line && e.odd == "" {
			e.odd = "a key on the line of its section"
		}
		list = append(list, e)
	}
}

var slashN = []byte("\n")

// header reads a section header after its "[".
func (r *configReader) header() (entry, *ConfigError) {
	var h entry
	var name []byte
	for {
		c := r.next()
		switch {
		case r.eof:
			return h, r.fail("a section without a ]")
		case c == ']':
			h.section = string(name)
			// [a.b] is an old spelling of [a "b"], with b in lower case.
			if i := bytes.IndexByte(name, '.'); i >= 0 {
				h.section, h.sub, h.hasSub = string(name[:i]), string(name[i+1:]), true
				h.odd = "a section with a dot, which git reads as a subsection"
			}
			if h.section == "" {
				return h, r.fail("a section without a name")
			}
			if r.odd != "" {
				h.odd = r.odd
			}
			return h, nil
		case c == ' ' || c == '\t':
			if bytes.IndexByte(name, '.') >= 0 || len(name) == 0 {
				return h, r.fail("a section git reads in more than one way")
			}
			return r.subsection(name, c)
		case !isKey(c) && c != '.':
			return h, r.fail(fmt.Sprintf("unexpected character %q in a section name", c))
		}
		name = append(name, fold(c))
	}
}

func (r *configReader) subsection(section []byte, c byte) (entry, *ConfigError) {
	h := entry{section: string(section), hasSub: true}
	spaces := 0
	for c == ' ' || c == '\t' {
		if spaces++; spaces > 1 || c == '\t' {
			h.odd = "space in a section header"
		}
		c = r.next()
	}
	if c != '"' {
		return h, r.fail("a section header git does not read")
	}
	var sub []byte
	for {
		c = r.next()
		switch {
		case c == '\n' || c == '\r':
			return h, r.fail("a section header that does not end on its line")
		case c == '"':
			if r.next() != ']' {
				return h, r.fail("a section header git does not read")
			}
			h.sub = string(sub)
			if bad := control(h.sub); bad {
				h.odd = "a control character"
			}
			return h, nil
		case c == '\\':
			if c = r.next(); c != '"' && c != '\\' {
				h.odd = "an escape git does not write"
				if c == '\n' || c == '\r' {
					return h, r.fail("a section header that does not end on its line")
				}
			}
		}
		sub = append(sub, c)
	}
}

// entry reads a key, whose first letter is c, and its value.
func (r *configReader) entry(e *entry, c byte) *ConfigError {
	key := []byte{fold(c)}
	for {
		c = r.next()
		if r.eof || !isKey(c) {
			break
		}
		key = append(key, fold(c))
	}
	e.key = string(key)
	for c == ' ' || c == '\t' {
		c = r.next()
	}
	if c == '\n' {
		e.bare = true
		if e.odd == "" {
			e.odd = "a key without a value"
		}
	} else if c != '=' {
		return r.fail(fmt.Sprintf("unexpected character %q after a key", c))
	} else if err := r.value(e); err != nil {
		return err
	}
	if r.odd != "" {
		e.odd = r.odd
	}
	return nil
}

// value reads a value up to the end of its (continued) line.
func (r *configReader) value(e *entry) *ConfigError {
	note := func(s string) {
		if e.odd == "" {
			e.odd = s
		}
	}
	var v []byte
	quote, comment, started, space := false, false, false, 0
	for {
		c := r.next()
		if c == '\n' {
			if quote {
				return r.fail("a quote that does not end on its line")
			}
			e.value = string(v)
			if control(e.value) {
				note("a control character")
			}
			return nil
		}
		if comment {
			continue
		}
		if !quote && (c == ' ' || c == '\t' || c == '\r') {
			if started {
				// Git before 2.45 turns each into a space, later git keeps them.
				if c != ' ' {
					note("a tab inside a value")
				}
				space++
			}
			continue
		}
		if !quote && (c == ';' || c == '#') {
			note("a comment after a value")
			comment = true
			continue
		}
		for ; space > 0; space-- {
			v = append(v, ' ')
		}
		switch c {
		case '\\':
			switch c = r.next(); c {
			case '\n':
				if r.eof {
					return r.fail("a backslash at the end of the file")
				}
				note("a line that continues on the next")
				continue
			case 't':
				c = '\t'
			case 'b':
				c = '\b'
			case 'n':
				c = '\n'
			case '\\', '"':
			default:
				return r.fail("an escape git does not read")
			}
			v = append(v, c)
			started = true
		case '"':
			// Whether an empty quote ends leading space depends on git's version.
			if !quote && len(v) == 0 && r.i < len(r.b) && r.b[r.i] == '"' {
				note("an empty quote")
			}
			quote = !quote
		default:
			v = append(v, c)
			started = true
		}
	}
}

func isAlpha(c byte) bool { return 'a' <= fold(c) && fold(c) <= 'z' }

func isKey(c byte) bool { return isAlpha(c) || '0' <= c && c <= '9' || c == '-' }

// control reports whether s holds bytes that no configuration needs and that
// would make a message lie on a terminal.
func control(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] == 0x7f {
			return true
		}
	}
	return false
}
