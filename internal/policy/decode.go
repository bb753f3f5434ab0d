package policy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"
)

// maxFile is the greatest policy file, in bytes: 10,000 entries of 400 bytes
// each. A greater one is refused before it is parsed.
const maxFile = 4 << 20

// maxErrors is how many errors one file may report: more of them only hide the
// first.
const maxErrors = 20

// entry is one value of one key: a scalar, or one element of a list.
type entry struct {
	key  *key
	text string // the word, path, pattern or name
	num  int64  // the number of a limit; 1 for true
	aux  string // kindVars: the value; kindCaches: the variable; kindRules: the base directory
	rule *extra // kindRules: what a table says beside the rule
	from Source
}

// document is one decoded layer, in the order of the file.
type document struct {
	layer   Layer
	file    string
	content []byte
	trust   Trust // "" until somebody asks
	entries []entry
}

// decoder turns the parser's syntax tree into entries. The parser is go-toml's
// low-level one, because it alone tells where every value stands, and because it
// needs no reflection at start-up. What it leaves to its caller is done here:
// duplicates, types, numbers.
type decoder struct {
	doc     *document
	place   place
	seen    map[string]seenKind
	records []*record // tables that become entries at the end
	errs    []*Error

	data            []byte
	text            string // data once more: values without escapes are parts of it
	at, line, start int    // a byte offset, the line it is on, characters since the line's start
}

// seenKind is what a dotted name was defined as (TOML 1.0, "Table": defining a
// name twice is invalid).
type seenKind uint8

const (
	seenNothing  seenKind = iota
	seenImplied           // by the header of a table below it
	seenTable             // by its own header
	seenDotted            // by a dotted key below it
	seenElements          // by [[name]]
	seenValue
)

// decode reads one TOML layer. The document is complete only when there are no
// errors. The parser is lent for its memory.
func decode(parser *unstable.Parser, layer Layer, file string, content []byte, at place) (*document, []*Error) {
	d := &decoder{
		doc:   &document{layer: layer, file: file, content: content},
		place: at,
		seen:  make(map[string]seenKind, 32),
		data:  content,
		line:  1,
	}
	if len(content) > maxFile {
		d.fail(Source{File: file}, "", fmt.Sprintf("the file has %d bytes, more than %d", len(content), maxFile), "", "")
		return d.doc, d.errs
	}
	d.text = string(content)
	d.doc.entries = make([]entry, 0, strings.Count(d.text, `"`)/2+8)
	parser.Reset(content)
	table, known, element := "", true, -1
	var rec *record
	for len(d.errs) < maxErrors && parser.NextExpression() {
		node := parser.Expression()
		switch node.Kind {
		case unstable.Table:
			table, known, rec = d.header(node)
			element = -1
		case unstable.ArrayTable:
			element, rec = d.arrayHeader(node)
			known = element >= 0
		case unstable.KeyValue:
			switch {
			case rec != nil:
				d.recordField(rec, d.recordName(rec), node)
			case known && table == "network.hosts":
				d.pin(node)
			case element >= 0:
				d.elementField(element, node)
			case known:
				d.keyValue(table, node)
			}
		}
	}
	if err := parser.Error(); err != nil && len(d.errs) < maxErrors {
		d.syntax(err)
	}
	d.finish()
	return d.doc, d.errs
}

// syntax reports a text that is not TOML.
func (d *decoder) syntax(err error) {
	from := Source{File: d.doc.file}
	var parse *unstable.ParserError
	if errors.As(err, &parse) {
		// The highlight is a slice of the input, so that its capacity tells
		// where it starts.
		if at := cap(d.data) - cap(parse.Highlight); at >= 0 && at <= len(d.data) {
			from = d.source(at)
		}
	}
	d.fail(from, "", "not valid TOML: "+err.Error(), "", "")
}

// header enters the table a [header] names. It reports false for one that is not
// legal, whose keys are then passed over.
func (d *decoder) header(node *unstable.Node) (string, bool, *record) {
	path, from, ok := d.path("", node.Key())
	if !ok || !d.define(path, from, seenTable) {
		return "", false, nil
	}
	if k, name := namedTable(path); k != nil && d.check(checkTableName, name, from, path) {
		return path, true, d.newRecord(k, name, from)
	}
	if !isSection(path) && !isTable(path) {
		if k := lookup(path); k != nil {
			d.wrongType(k, from, "a table")
		} else {
			d.unknown(path, from)
		}
		return "", false, nil
	}
	return path, d.placed(path, from), nil
}

// namedTable takes "secrets.NAME" and its like apart; nil for other paths.
func namedTable(path string) (*key, string) {
	if table, name, ok := strings.Cut(path, "."); ok {
		if k := lookup(table); k != nil && k.kind.named() {
			return k, name
		}
	}
	return nil, ""
}

// recordName is what a record is called in messages.
func (d *decoder) recordName(r *record) string {
	e := &d.doc.entries[r.entry]
	if e.key.kind.named() {
		return e.key.name + "." + e.text
	}
	return e.key.name
}

// arrayHeader starts a new element of a list of tables: files.caches, a network
// rule or a permission rule.
func (d *decoder) arrayHeader(node *unstable.Node) (int, *record) {
	path, from, ok := d.path("", node.Key())
	if !ok || !d.define(path, from, seenElements) {
		return -1, nil
	}
	k := lookup(path)
	switch {
	case (k == nil || k.kind == kindPins || k.kind.named()) && (isSection(path) || isTable(path)):
		d.fail(from, path, "expected a table, not a list of tables", "write ["+path+"]", "")
		return -1, nil
	case k == nil:
		d.unknown(path, from)
		return -1, nil
	case k.kind == kindAllow || k.kind == kindRefuse:
		r := d.newRecord(k, "", from)
		return r.entry, r
	case k.kind != kindCaches && k.kind != kindRules:
		d.wrongType(k, from, "a list of tables")
		return -1, nil
	}
	d.doc.entries = append(d.doc.entries, entry{key: k, from: from})
	return len(d.doc.entries) - 1, nil
}

// elementField reads one line below [[files.caches]] and its like.
func (d *decoder) elementField(element int, node *unstable.Node) {
	e := &d.doc.entries[element]
	path, from, ok := d.path(e.key.name, node.Key())
	if ok && d.defineBelow(e.key.name, path, from) {
		d.elementPart(e, strings.TrimPrefix(path, e.key.name+"."), from, node.Value())
	}
}

// elementPart reads one field of an element that is a table.
func (d *decoder) elementPart(e *entry, field string, from Source, value *unstable.Node) {
	if e.key.kind == kindRules {
		d.rulePart(e, field, from, value)
		return
	}
	d.cachePart(e, field, from, value)
}

// cachePart reads path or env of a cache.
func (d *decoder) cachePart(e *entry, field string, from Source, value *unstable.Node) {
	name := e.key.name + "." + field
	if field != "path" && field != "env" {
		d.fail(from, name, "unknown key", "", nearest(field, []string{"path", "env"}))
		return
	}
	if value.Kind != unstable.String {
		d.fail(from, name, "expected a string, not "+describe(value.Kind), "", "")
		return
	}
	from = d.source(int(value.Raw.Offset))
	if field == "path" {
		e.text, e.from = d.string(value), from
		d.check(checkPath, e.text, from, name)
		return
	}
	e.aux = d.string(value)
	d.check(checkVar, e.aux, from, name)
}

// keyValue reads one key = value line below a table.
func (d *decoder) keyValue(table string, node *unstable.Node) {
	path, from, ok := d.path(table, node.Key())
	if !ok || !d.defineBelow(table, path, from) {
		return
	}
	d.value(path, from, node.Value())
}

// value reads the value of the dotted name path.
func (d *decoder) value(path string, from Source, value *unstable.Node) {
	if variable, ok := strings.CutPrefix(path, "env.set."); ok {
		d.variable(variable, from, value)
		return
	}
	if k, name := namedTable(path); k != nil {
		switch {
		case value.Kind != unstable.InlineTable:
			d.fail(from, path, "expected a table, not "+describe(value.Kind), "write ["+k.name+".NAME] and the fields below it", "")
		case d.check(checkTableName, name, from, path):
			d.inline(d.newRecord(k, name, from), path, value)
		}
		return
	}
	if isSection(path) || isTable(path) {
		if value.Kind != unstable.InlineTable {
			d.fail(from, path, "expected a table, not "+describe(value.Kind), "", "")
			return
		}
		if !d.placed(path, from) {
			return
		}
		for it := value.Children(); it.Next(); {
			if path == "network.hosts" {
				d.pin(it.Node())
				continue
			}
			inner, at, ok := d.path(path, it.Node().Key())
			if ok && d.defineBelow(path, inner, at) {
				d.value(inner, at, it.Node().Value())
			}
		}
		return
	}
	k := lookup(path)
	if k == nil || !d.place.allows(k) {
		d.unknown(path, from)
		return
	}
	if k.kind.list() {
		d.elements(k, from, value)
		return
	}
	e := entry{key: k, from: from}
	var problem, hint string
	switch {
	case value.Kind == unstable.String:
		e.from = d.source(int(value.Raw.Offset))
		problem, hint = e.setText(d.string(value))
	case value.Kind == unstable.Integer && (k.kind == kindSize || k.kind == kindCount || k.kind == kindTime):
		e.from = d.source(int(value.Raw.Offset))
		n, err := strconv.ParseInt(d.string(value), 0, 64)
		if err != nil {
			n = maxNumber + 1
			if value.Data[0] == '-' {
				n = -n
			}
		}
		problem, hint = e.setNumber(n)
	case value.Kind == unstable.Bool && k.kind == kindBool:
		e.from = d.source(int(value.Raw.Offset))
		if value.Data[0] == 't' {
			e.num = 1
		}
	default:
		d.wrongType(k, from, describe(value.Kind))
		return
	}
	if problem != "" {
		near := ""
		if k.kind == kindEnum {
			near = nearest(e.text, k.words)
		}
		d.fail(e.from, k.name, problem, hint, near)
		return
	}
	d.doc.entries = append(d.doc.entries, e)
}

// variable reads one variable of env.set.
func (d *decoder) variable(name string, from Source, value *unstable.Node) {
	k := lookup("env.set")
	if !d.check(checkVar, name, from, "env.set."+name) {
		return
	}
	if value.Kind != unstable.String {
		d.fail(from, "env.set."+name, "expected a string, not "+describe(value.Kind), "", "")
		return
	}
	from = d.source(int(value.Raw.Offset))
	if d.check(checkText, d.string(value), from, "env.set."+name) {
		d.doc.entries = append(d.doc.entries, entry{key: k, text: name, aux: d.string(value), from: from})
	}
}

// elements reads the value of a list key.
func (d *decoder) elements(k *key, from Source, value *unstable.Node) {
	if value.Kind != unstable.Array {
		d.wrongType(k, from, describe(value.Kind))
		return
	}
	for it := value.Children(); it.Next(); {
		item := it.Node()
		switch {
		case item.Kind == unstable.String, item.Kind == unstable.Integer && k.kind == kindPorts:
			e := entry{key: k, text: d.string(item), from: d.source(int(item.Raw.Offset))}
			if d.check(k.check(), e.text, e.from, k.name) {
				if k.kind == kindAllow || k.kind == kindRefuse {
					e.text = canonicalRule(e.text)
				}
				d.doc.entries = append(d.doc.entries, e)
			}
		case item.Kind == unstable.InlineTable && (k.kind == kindAllow || k.kind == kindRefuse):
			d.inline(d.newRecord(k, "", from), k.name, item)
		case item.Kind == unstable.InlineTable && (k.kind == kindCaches || k.kind == kindRules):
			d.element(k, item)
		default:
			if item.Raw.Length > 0 {
				from = d.source(int(item.Raw.Offset))
			}
			d.fail(from, k.name, "expected a string in the list, not "+describe(item.Kind), "", "")
		}
		if len(d.errs) >= maxErrors {
			return
		}
	}
}

// element reads one inline table of a list, as in {path = …, env = …}.
func (d *decoder) element(k *key, item *unstable.Node) {
	e := entry{key: k, from: d.source(int(item.Raw.Offset))}
	fields := make(map[string]bool, 2)
	for it := item.Children(); it.Next(); {
		path, from, ok := d.path(k.name, it.Node().Key())
		if !ok {
			continue
		}
		if fields[path] {
			d.fail(from, path, "the key is defined twice", "", "")
			continue
		}
		fields[path] = true
		d.elementPart(&e, strings.TrimPrefix(path, k.name+"."), from, it.Node().Value())
	}
	d.doc.entries = append(d.doc.entries, e)
}

// finish looks for what only the whole document shows.
func (d *decoder) finish() {
	if len(d.errs) > 0 {
		return
	}
	for i := range d.doc.entries {
		switch e := &d.doc.entries[i]; {
		case e.text != "":
		case e.key.kind == kindCaches:
			d.fail(e.from, e.key.name, "a cache needs a path", `write {path = "~/…"}`, "")
		case e.key.kind == kindRules:
			d.fail(e.from, e.key.name, "a rule needs its text", `write {rule = "Bash(rm *)"}`, "")
		}
	}
	d.finishRecords()
}

// path joins the parts of a dotted key below a table. It also tells where the
// first part stands.
func (d *decoder) path(table string, parts unstable.Iterator) (string, Source, bool) {
	path, from, first := table, Source{}, true
	for parts.Next() {
		part := parts.Node()
		if first {
			from, first = d.source(int(part.Raw.Offset)), false
		}
		name := string(part.Data)
		if name == "" || strings.ContainsAny(name, ".\x00") {
			// A quoted part with a dot inside names no key of ours, and must
			// not look like one once joined.
			d.fail(from, join(path, strconv.Quote(name)), "unknown key", "", "")
			return "", from, false
		}
		path = join(path, name)
	}
	return path, from, true
}

func join(table, name string) string {
	if table == "" {
		return name
	}
	return table + "." + name
}

// placed reports whether the section may stand in this file.
func (d *decoder) placed(path string, from Source) bool {
	switch {
	case path == "profile" && d.place != inProfile:
		d.fail(from, path, "only a built-in profile may describe itself", "", "")
	case path == "managed" && d.place != inManaged:
		d.fail(from, path, "only /etc/bailey/managed.toml and managed.d may lock keys", "", "")
	case path == "agent" && d.place != inPreset:
		d.fail(from, path, "only the preset of an agent may describe it", "write it to agents/NAME.toml in bailey's configuration directory", "")
	default:
		return true
	}
	return false
}

func (d *decoder) unknown(path string, from Source) {
	d.fail(from, path, "unknown key", "", suggest(path, d.place))
}

func (d *decoder) wrongType(k *key, from Source, got string) {
	d.fail(from, k.name, "expected "+k.kind.String()+", not "+got, "", "")
}

func (d *decoder) fail(from Source, key, problem, hint, near string) {
	if len(d.errs) < maxErrors {
		d.errs = append(d.errs, &Error{
			File: from.File, Line: from.Line, Column: from.Column,
			Key: key, Problem: problem, Hint: hint, Nearest: near,
		})
	}
}

// check runs one rule on a string and reports what it says.
func (d *decoder) check(rule func(string) (problem, hint string), text string, from Source, key string) bool {
	problem, hint := rule(text)
	if problem != "" {
		near := ""
		if key == "extends" {
			near = nearest(text, Profiles())
		}
		d.fail(from, key, problem, hint, near)
	}
	return problem == ""
}

// source tells the line and column of a byte offset. Offsets mostly grow, so it
// counts on from the last one.
func (d *decoder) source(offset int) Source {
	if offset < d.at {
		d.at, d.line, d.start = 0, 1, 0
	}
	for _, c := range d.data[d.at:offset] {
		switch {
		case c == '\n':
			d.line, d.start = d.line+1, 0
		case utf8.RuneStart(c):
			d.start++
		}
	}
	d.at = offset
	return Source{Layer: d.doc.layer, File: d.doc.file, Line: d.line, Column: d.start + 1}
}

// string returns the value of a string or number, without a copy where the text
// of the file holds it as it is.
func (d *decoder) string(value *unstable.Node) string {
	at := cap(d.data) - cap(value.Data)
	if end := at + len(value.Data); at > 0 && end <= len(d.text) && at >= int(value.Raw.Offset) && end <= int(value.Raw.Offset+value.Raw.Length) && d.text[at:end] == string(value.Data) {
		return d.text[at:end]
	}
	return string(value.Data)
}

// describe names a TOML type in a sentence.
func describe(kind unstable.Kind) string {
	switch kind {
	case unstable.String:
		return "a string"
	case unstable.Bool:
		return "true or false"
	case unstable.Integer, unstable.Float:
		return "a number"
	case unstable.Array:
		return "a list"
	case unstable.InlineTable:
		return "a table"
	}
	return "a date or time"
}

// String names the kind in a sentence.
func (k kind) String() string {
	switch k {
	case kindEnum, kindText, kindProgram:
		return "a string"
	case kindBool:
		return "true or false"
	case kindSize:
		return `a size such as "4GiB"`
	case kindCount:
		return "a whole number"
	case kindTime:
		return `a time such as "10m"`
	case kindVars:
		return "a table of strings"
	case kindCaches:
		return "a list of paths or {path, env} tables"
	case kindAllow, kindRefuse:
		return "a list of network rules"
	case kindPorts:
		return "a list of ports"
	case kindPins:
		return "a table of host names and addresses"
	case kindSecrets:
		return "a table of secrets"
	case kindExceptions:
		return "a table of exceptions"
	case kindRules:
		return "a list of rules or {rule, reason, match, not-match} tables"
	}
	return "a list of strings"
}
