package policy

import (
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// record is a table of fields that becomes one entry when the file has been read:
// an element of network.allow or network.deny, one secret or one exception.
type record struct {
	entry  int
	fields map[string]Source
	host   string
	ports  []string
	proto  string
	words  []string
	reason string
	secret Secret

	exception Exception
}

// newRecord appends an entry whose fields follow.
func (d *decoder) newRecord(k *key, name string, from Source) *record {
	d.doc.entries = append(d.doc.entries, entry{key: k, text: name, from: from})
	r := &record{entry: len(d.doc.entries) - 1, fields: map[string]Source{}}
	d.records = append(d.records, r)
	return r
}

// inline reads the fields of an inline table.
func (d *decoder) inline(r *record, name string, table *unstable.Node) {
	for it := table.Children(); it.Next(); {
		d.recordField(r, name, it.Node())
	}
}

// recordField reads one field = value.
func (d *decoder) recordField(r *record, name string, node *unstable.Node) {
	path, from, ok := d.path(name, node.Key())
	if !ok {
		return
	}
	field := strings.TrimPrefix(path, name+".")
	if _, twice := r.fields[field]; twice {
		d.twice(path, from)
		return
	}
	r.fields[field] = from
	value := node.Value()
	switch d.doc.entries[r.entry].key.kind {
	case kindSecrets:
		d.secretField(r, path, field, from, value)
	case kindExceptions:
		d.exceptionField(r, path, field, from, value)
	default:
		d.ruleField(r, path, field, from, value)
	}
}

// strings returns a string, or a list of strings; numbers too where they may stand.
func (d *decoder) strings(path string, from Source, value *unstable.Node, many, numbers bool) ([]string, bool) {
	one := func(n *unstable.Node) (string, bool) {
		if n.Kind == unstable.String || numbers && n.Kind == unstable.Integer {
			return d.string(n), true
		}
		d.fail(from, path, "expected a string, not "+describe(n.Kind), "", "")
		return "", false
	}
	if value.Kind != unstable.Array || !many {
		s, ok := one(value)
		return []string{s}, ok
	}
	var out []string
	for it := value.Children(); it.Next(); {
		s, ok := one(it.Node())
		if !ok {
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}

func netFields() []string {
	return []string{"host", "ports", "protocol", "inspect", "private", "broad", "methods", "paths", "preset", "max-upload", "max-download", "reason"}
}

func (d *decoder) ruleField(r *record, path, field string, from Source, value *unstable.Node) {
	switch field {
	case "inspect", "private", "broad":
		if value.Kind != unstable.Bool {
			d.fail(from, path, "expected true or false, not "+describe(value.Kind), "", "")
		} else if value.Data[0] == 't' {
			r.words = append(r.words, field)
		}
		return
	case "host", "protocol", "reason", "ports", "methods", "paths", "preset", "max-upload", "max-download":
	default:
		d.fail(from, path, "unknown key", "", nearest(field, netFields()))
		return
	}
	list := field == "ports" || field == "methods" || field == "paths"
	texts, ok := d.strings(path, from, value, list, field == "ports")
	if !ok {
		return
	}
	for _, s := range texts {
		if strings.ContainsAny(s, "#") || field != "reason" && (s == "" || strings.ContainsAny(s, " \t")) {
			d.fail(from, path, strconv.Quote(s)+" cannot stand here", "", "")
			return
		}
	}
	joined := strings.Join(texts, ",")
	switch field {
	case "host":
		r.host = joined
		d.doc.entries[r.entry].from = d.source(int(value.Raw.Offset))
	case "ports":
		r.ports = texts
	case "protocol":
		if joined != protocolWeb && joined != protocolTCP && joined != protocolUDP {
			d.fail(from, path, strconv.Quote(joined)+" is not one of web, tcp, udp", "", nearest(joined, []string{protocolWeb, protocolTCP, protocolUDP}))
			return
		}
		r.proto = joined
	case "reason":
		r.reason = joined
	default:
		if len(texts) == 0 {
			d.fail(from, path, "an empty list allows nothing", "leave it out, or remove the rule", "")
			return
		}
		r.words = append(r.words, field+"="+joined)
	}
}

// line puts the fields of a rule into its one-line form.
func (r *record) line() string {
	text := r.host
	if len(r.ports) > 0 {
		if strings.Count(text, ":") > 1 && text[0] != '[' {
			text = "[" + text + "]"
		}
		text += ":" + strings.Join(r.ports, ",")
	}
	if r.proto != "" {
		text += "/" + r.proto
	}
	for _, w := range r.words {
		text += " " + w
	}
	if r.reason != "" {
		text += " # " + r.reason
	}
	return text
}

func (d *decoder) secretField(r *record, path, field string, from Source, value *unstable.Node) {
	known := false
	for _, f := range secretFields() {
		known = known || f == field
	}
	if !known {
		d.fail(from, path, "unknown key", "", nearest(field, secretFields()))
		return
	}
	texts, ok := d.strings(path, from, value, field == "hosts", false)
	if !ok {
		return
	}
	for _, s := range texts {
		if problem, hint := r.secret.set(field, s); problem != "" {
			d.fail(from, path, problem, hint, "")
			return
		}
	}
}

// finishRecords makes entries of the records, when the whole file has been read.
func (d *decoder) finishRecords() {
	for _, r := range d.records {
		e := &d.doc.entries[r.entry]
		if e.key.kind == kindSecrets {
			if problem, hint := r.secret.check(); problem != "" {
				d.fail(e.from, e.key.name+"."+e.text, problem, hint, "")
			}
			e.aux = r.secret.text()
			continue
		}
		if e.key.kind == kindExceptions {
			if problem, hint := r.exception.check(); problem != "" {
				d.fail(e.from, e.key.name+"."+e.text, problem, hint, "")
			}
			e.aux = r.exception.text()
			continue
		}
		if r.host == "" {
			d.fail(e.from, e.key.name, "a rule needs a host", `write {host = "example.org"}`, "")
			continue
		}
		line := r.line()
		if d.check(e.key.check(), line, e.from, e.key.name) {
			e.text = canonicalRule(line)
		}
	}
}

// pin reads the names of network.hosts, which have dots in them.
func (d *decoder) pin(node *unstable.Node) {
	k := lookup("network.hosts")
	parts := node.Key()
	var name string
	var from Source
	count := 0
	for parts.Next() {
		if count == 0 {
			name, from = string(parts.Node().Data), d.source(int(parts.Node().Raw.Offset))
		}
		count++
	}
	if count > 1 {
		d.fail(from, k.name, "a host name has dots, and must be quoted", `as in "example.test" = "127.0.0.1"`, "")
		return
	}
	texts, ok := d.strings(k.name, from, node.Value(), true, false)
	if !ok {
		return
	}
	addresses := strings.Join(texts, ",")
	if problem, hint := checkPin(name, addresses); problem != "" {
		d.fail(from, k.name, problem, hint, "")
		return
	}
	name = canonicalHost(name)
	seen := "network.hosts\x00" + name
	if d.seen[seen] != seenNothing {
		d.twice(k.name, from)
		return
	}
	d.seen[seen] = seenValue
	d.doc.entries = append(d.doc.entries, entry{key: k, text: name, aux: addresses, from: from})
}
