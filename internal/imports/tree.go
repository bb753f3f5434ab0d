package imports

import (
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"
)

const (
	// maxDepth is how deep values may lie in each other. No agent's settings come
	// near it; beyond it the file is refused.
	maxDepth = 64
	// maxFile is the largest settings file, in bytes. Beyond it the file is refused.
	maxFile = 1 << 20
)

type kind int

const (
	null kind = iota
	boolean
	number
	text
	array
	object
)

// node is a value of a settings file with its place.
type node struct {
	kind    kind
	at      int // offset in the file
	yes     bool
	text    string // also of a number, as it is written
	items   []*node
	members []member
}

type member struct {
	key   string
	at    int
	value *node
}

// get is the member of that name; nil for none, and of what is no object.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for i := range n.members {
		if n.members[i].key == key {
			return n.members[i].value
		}
	}
	return nil
}

// syntaxError is a file that cannot be read.
type syntaxError struct {
	at      int
	problem string
}

func (e *syntaxError) Error() string { return e.problem }

// parseJSON reads JSON with comments and trailing commas. A key that stands twice
// is an error: agents differ in which of the two counts.
func parseJSON(src []byte) (n *node, err error) {
	p := &jsonParser{src: src}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*syntaxError)
			if !ok {
				panic(r)
			}
			n, err = nil, e
		}
	}()
	if len(src) > maxFile {
		p.fail(fmt.Sprintf("the file is larger than %d bytes", maxFile))
	}
	if !utf8.Valid(src) {
		p.fail("the file is not UTF-8")
	}
	if len(src) >= 3 && string(src[:3]) == "\xef\xbb\xbf" {
		p.i = 3
	}
	p.blank()
	n = p.value(0)
	p.blank()
	if p.i < len(src) {
		p.fail("there is text behind the value")
	}
	return n, nil
}

type jsonParser struct {
	src []byte
	i   int
}

func (p *jsonParser) fail(problem string) { panic(&syntaxError{p.i, problem}) }

func (p *jsonParser) peek() byte {
	if p.i < len(p.src) {
		return p.src[p.i]
	}
	return 0
}

// blank passes over white space and comments.
func (p *jsonParser) blank() {
	for p.i < len(p.src) {
		switch c := p.src[p.i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			p.i++
		case c == '/' && p.i+1 < len(p.src) && p.src[p.i+1] == '/':
			for p.i < len(p.src) && p.src[p.i] != '\n' {
				p.i++
			}
		case c == '/' && p.i+1 < len(p.src) && p.src[p.i+1] == '*':
			start := p.i
			for p.i += 2; ; p.i++ {
				if p.i+1 >= len(p.src) {
					p.i = start
					p.fail("the comment does not end")
				}
				if p.src[p.i] == '*' && p.src[p.i+1] == '/' {
					p.i += 2
					break
				}
			}
		default:
			return
		}
	}
}

func (p *jsonParser) value(depth int) *node {
	if depth > maxDepth {
		p.fail(fmt.Sprintf("values lie in each other deeper than %d", maxDepth))
	}
	n := &node{at: p.i}
	switch c := p.peek(); {
	case c == '{':
		n.kind = object
		p.list('}', func() {
			at := p.i
			if p.peek() != '"' {
				p.fail("expected a key in quotes")
			}
			key := p.str()
			if n.get(key) != nil {
				p.i = at
				p.fail("the key " + strconv.Quote(key) + " stands twice")
			}
			p.blank()
			if p.peek() != ':' {
				p.fail("expected a colon")
			}
			p.i++
			p.blank()
			n.members = append(n.members, member{key, at, p.value(depth + 1)})
		})
	case c == '[':
		n.kind = array
		p.list(']', func() { n.items = append(n.items, p.value(depth+1)) })
	case c == '"':
		n.kind, n.text = text, p.str()
	case c == '-' || c >= '0' && c <= '9':
		n.kind = number
		for p.i < len(p.src) && (p.src[p.i] >= '0' && p.src[p.i] <= '9' || p.src[p.i] == '-' || p.src[p.i] == '+' || p.src[p.i] == '.' || p.src[p.i]|0x20 == 'e') {
			p.i++
		}
		n.text = string(p.src[n.at:p.i])
	default:
		for _, w := range [...]struct {
			word string
			kind kind
			yes  bool
		}{{"true", boolean, true}, {"false", boolean, false}, {"null", null, false}} {
			if end := p.i + len(w.word); end <= len(p.src) && string(p.src[p.i:end]) == w.word {
				p.i, n.kind, n.yes = end, w.kind, w.yes
				return n
			}
		}
		p.fail("expected a value")
	}
	return n
}

// list reads what one pair of brackets holds; a comma may stand behind the last.
func (p *jsonParser) list(end byte, one func()) {
	p.i++
	for {
		p.blank()
		if p.peek() == end {
			p.i++
			return
		}
		one()
		p.blank()
		switch p.peek() {
		case ',':
			p.i++
		case end:
		default:
			p.fail("expected a comma or " + string(rune(end)))
		}
	}
}

func (p *jsonParser) str() string {
	var out []byte
	for p.i++; ; {
		if p.i >= len(p.src) {
			p.fail("the string does not end")
		}
		c := p.src[p.i]
		switch {
		case c == '"':
			p.i++
			return string(out)
		case c < ' ':
			p.fail("a control character in a string")
		case c != '\\':
			out = append(out, c)
			p.i++
			continue
		}
		p.i++
		switch c := p.peek(); c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r := p.hex()
			if utf16.IsSurrogate(r) {
				if p.i+2 < len(p.src) && p.src[p.i+1] == '\\' && p.src[p.i+2] == 'u' {
					p.i += 2
					r = utf16.DecodeRune(r, p.hex())
				} else {
					r = utf8.RuneError
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			p.fail("an escape that JSON does not have")
		}
		p.i++
	}
}

// hex reads the four digits behind \u, and stops at the last.
func (p *jsonParser) hex() rune {
	if p.i+4 >= len(p.src) {
		p.fail("an escape that does not end")
	}
	v, err := strconv.ParseUint(string(p.src[p.i+1:p.i+5]), 16, 32)
	if err != nil {
		p.fail("an escape that is no number")
	}
	p.i += 4
	return rune(v)
}

// parseTOML reads TOML into the same tree.
func parseTOML(src []byte) (*node, error) {
	switch {
	case len(src) > maxFile:
		return nil, &syntaxError{0, fmt.Sprintf("the file is larger than %d bytes", maxFile)}
	case !utf8.Valid(src):
		return nil, &syntaxError{0, "the file is not UTF-8"}
	}
	root := &node{kind: object}
	table := root
	p := new(unstable.Parser)
	p.Reset(src)
	for p.NextExpression() {
		e := p.Expression()
		var err error
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table, err = openTable(root, e, e.Kind == unstable.ArrayTable)
		case unstable.KeyValue:
			err = setKey(table, e, 0)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := p.Error(); err != nil {
		at := 0
		if pe, ok := err.(*unstable.ParserError); ok && len(pe.Highlight) > 0 {
			at = int(p.Range(pe.Highlight).Offset)
		}
		return nil, &syntaxError{at, err.Error()}
	}
	return root, nil
}

// step goes to the table of a name, making it when it is not there.
func step(n *node, key string, at int) (*node, error) {
	next := n.get(key)
	if next == nil {
		next = &node{kind: object, at: at}
		n.members = append(n.members, member{key, at, next})
	}
	if next.kind == array && len(next.items) > 0 {
		next = next.items[len(next.items)-1]
	}
	if next.kind != object {
		return nil, &syntaxError{at, "the key " + strconv.Quote(key) + " stands twice"}
	}
	return next, nil
}

func openTable(root *node, e *unstable.Node, list bool) (*node, error) {
	n := root
	depth := 0
	for it := e.Key(); it.Next(); {
		part := it.Node()
		at := int(part.Raw.Offset)
		if depth++; depth > maxDepth {
			return nil, &syntaxError{at, fmt.Sprintf("tables lie in each other deeper than %d", maxDepth)}
		}
		if list && it.IsLast() {
			all := n.get(string(part.Data))
			if all == nil {
				all = &node{kind: array, at: at}
				n.members = append(n.members, member{string(part.Data), at, all})
			}
			if all.kind != array {
				return nil, &syntaxError{at, "the key " + strconv.Quote(string(part.Data)) + " stands twice"}
			}
			one := &node{kind: object, at: at}
			all.items = append(all.items, one)
			return one, nil
		}
		var err error
		if n, err = step(n, string(part.Data), at); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func setKey(n *node, e *unstable.Node, depth int) error {
	if depth > maxDepth {
		return &syntaxError{n.at, fmt.Sprintf("values lie in each other deeper than %d", maxDepth)}
	}
	for it := e.Key(); it.Next(); {
		part := it.Node()
		key, at := string(part.Data), int(part.Raw.Offset)
		if !it.IsLast() {
			var err error
			if n, err = step(n, key, at); err != nil {
				return err
			}
			continue
		}
		if n.get(key) != nil {
			return &syntaxError{at, "the key " + strconv.Quote(key) + " stands twice"}
		}
		v, err := tomlValue(e.Value(), at, depth+1)
		if err != nil {
			return err
		}
		n.members = append(n.members, member{key, at, v})
	}
	return nil
}

func tomlValue(v *unstable.Node, at, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, &syntaxError{at, fmt.Sprintf("values lie in each other deeper than %d", maxDepth)}
	}
	if v.Raw.Length > 0 {
		at = int(v.Raw.Offset)
	}
	n := &node{at: at, text: string(v.Data)}
	switch v.Kind {
	case unstable.String:
		n.kind = text
	case unstable.Bool:
		n.kind, n.yes = boolean, n.text == "true"
	case unstable.Array:
		n.kind = array
		for it := v.Children(); it.Next(); {
			item, err := tomlValue(it.Node(), at, depth+1)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, item)
		}
	case unstable.InlineTable:
		n.kind = object
		for it := v.Children(); it.Next(); {
			if err := setKey(n, it.Node(), depth+1); err != nil {
				return nil, err
			}
		}
	default:
		n.kind = number // and dates, which no agent's settings hold
	}
	return n, nil
}
