// Package graft puts a value into a JSON document that a person keeps, and takes it
// out again, without touching any other byte of it. It takes plain JSON alone: a
// document with comments is refused, because a program that adds to it would
// have to guess what they are about.
package graft

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// ErrNotJSON says that a document is not plain JSON, perhaps because it has
// comments in it.
var ErrNotJSON = errors.New("it is not plain JSON; comments and trailing commas are not understood here")

// member is a value in an object or a list, with the bytes that it takes.
type member struct {
	name       string // in an object
	at         int    // where it begins, its name included
	start, end int    // the value
}

// Insert adds a value to the list at path, at its end or its front, and makes what
// is missing on the way. Made is how many lists and objects that were.
func Insert(doc []byte, path []string, value any, front bool) (out []byte, made int, err error) {
	if len(bytes.TrimSpace(doc)) == 0 {
		doc = []byte("{}\n")
	}
	if !json.Valid(doc) {
		return nil, 0, ErrNotJSON
	}
	unit := indentUnit(doc)
	at, depth := skip(doc, 0), 0
	for i, name := range path {
		if doc[at] != '{' {
			return nil, 0, fmt.Errorf("%s is not an object", where(path[:i]))
		}
		members, err := parts(doc, at)
		if err != nil {
			return nil, 0, err
		}
		found := -1
		for j := range members {
			if members[j].name == name {
				found = j
			}
		}
		if found < 0 {
			// Everything from here on is new.
			v := any([]any{value})
			for j := len(path) - 1; j > i; j-- {
				v = map[string]any{path[j]: v}
			}
			out, err := put(doc, at, members, name, v, depth, unit, false)
			return out, len(path) - i, err
		}
		at, depth = members[found].start, depth+1
	}
	if doc[at] != '[' {
		return nil, 0, fmt.Errorf("%s is not a list", where(path))
	}
	members, err := parts(doc, at)
	if err != nil {
		return nil, 0, err
	}
	out, err = put(doc, at, members, "", value, depth, unit, front)
	return out, 0, err
}

// Remove takes the values out of the list at path that match says are ours, and as
// many of the lists and objects around them as are empty then, at most prune.
func Remove(doc []byte, path []string, match func(value []byte) bool, prune int) (out []byte, removed int, err error) {
	if !json.Valid(doc) {
		return nil, 0, ErrNotJSON
	}
	for {
		list, _, err := find(doc, path)
		if err != nil || list < 0 {
			return doc, removed, err
		}
		if doc[list] != '[' {
			return doc, removed, fmt.Errorf("%s is not a list", where(path))
		}
		members, err := parts(doc, list)
		if err != nil {
			return nil, 0, err
		}
		hit := -1
		for i, m := range members {
			if match(doc[m.start:m.end]) {
				hit = i
				break
			}
		}
		if hit >= 0 {
			doc = cut(doc, list, members, hit)
			removed++
			continue
		}
		if removed == 0 {
			return doc, 0, nil
		}
		for ; prune > 0 && len(path) > 0; prune-- {
			at, parent, err := find(doc, path)
			if err != nil || at < 0 {
				return doc, removed, err
			}
			if inner, err := parts(doc, at); err != nil || len(inner) > 0 {
				return doc, removed, err
			}
			around, err := parts(doc, parent)
			if err != nil {
				return nil, 0, err
			}
			for i := range around {
				if around[i].start == at {
					doc = cut(doc, parent, around, i)
					break
				}
			}
			path = path[:len(path)-1]
		}
		return doc, removed, nil
	}
}

// Has reports whether the list at path has a value, however it is written.
func Has(doc []byte, path []string, value []byte) bool {
	if !json.Valid(doc) {
		return false
	}
	at, _, err := find(doc, path)
	if err != nil || at < 0 {
		return false
	}
	members, err := parts(doc, at)
	if err != nil {
		return false
	}
	for _, m := range members {
		if same(doc[m.start:m.end], value) {
			return true
		}
	}
	return false
}

func same(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// find is where the value at path begins, and the object that holds it; at is -1
// when there is none.
func find(doc []byte, path []string) (at, parent int, err error) {
	at, parent = skip(doc, 0), -1
	for i, name := range path {
		if doc[at] != '{' {
			return -1, -1, fmt.Errorf("%s is not an object", where(path[:i]))
		}
		members, err := parts(doc, at)
		if err != nil {
			return -1, -1, err
		}
		found := -1
		for j := range members {
			if members[j].name == name {
				found = j
			}
		}
		if found < 0 {
			return -1, -1, nil
		}
		at, parent = members[found].start, at
	}
	return at, parent, nil
}

// put writes a new member into the object or list that begins at at.
func put(doc []byte, at int, members []member, name string, value any, depth int, unit string, front bool) ([]byte, error) {
	outer := strings.Repeat(unit, depth)
	inner := outer + unit
	lines := true
	if len(members) > 0 {
		before := doc[at+1 : members[0].at]
		nl := bytes.LastIndexByte(before, '\n')
		if lines = nl >= 0; lines {
			inner = string(before[nl+1:])
		}
	}
	text, err := render(value, inner, unit, lines)
	if err != nil {
		return nil, err
	}
	if name != "" {
		key, err := render(name, "", "", false)
		if err != nil {
			return nil, err
		}
		text = key + ": " + text
	}
	newline := "\n"
	if bytes.Contains(doc, []byte("\r\n")) {
		newline = "\r\n"
		text = strings.ReplaceAll(text, "\n", newline)
	}
	gap := " "
	if lines {
		gap = newline + inner
	}
	switch {
	case len(members) == 0:
		return splice(doc, at+1, end(doc, at)-1, newline+inner+text+newline+outer), nil
	case front:
		return splice(doc, members[0].at, members[0].at, text+","+gap), nil
	}
	last := members[len(members)-1].end
	return splice(doc, last, last, ","+gap+text), nil
}

// cut takes one member and its comma out.
func cut(doc []byte, at int, members []member, i int) []byte {
	switch {
	case i+1 < len(members):
		return splice(doc, members[i].at, members[i+1].at, "")
	case i > 0:
		return splice(doc, members[i-1].end, members[i].end, "")
	}
	return splice(doc, at+1, end(doc, at)-1, "")
}

func splice(doc []byte, from, to int, text string) []byte {
	out := make([]byte, 0, len(doc)+len(text))
	out = append(out, doc[:from]...)
	out = append(out, text...)
	return append(out, doc[to:]...)
}

func render(v any, prefix, unit string, lines bool) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if lines {
		enc.SetIndent(prefix, unit)
	}
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// indentUnit is how the document indents its first level.
func indentUnit(doc []byte) string {
	at := skip(doc, 0)
	if members, err := parts(doc, at); err == nil && len(members) > 0 {
		before := doc[at+1 : members[0].at]
		if nl := bytes.LastIndexByte(before, '\n'); nl >= 0 && nl+1 < len(before) {
			return string(before[nl+1:])
		}
	}
	return "  "
}

// parts are the members of the object or list that begins at at, in a document
// that is valid. A name that stands twice is an error: which one counts differs
// from reader to reader.
func parts(doc []byte, at int) ([]member, error) {
	object := doc[at] == '{'
	if !object && doc[at] != '[' {
		return nil, nil
	}
	var out []member
	for i := skip(doc, at+1); doc[i] != '}' && doc[i] != ']'; {
		m := member{at: i, start: i}
		if object {
			after := end(doc, i)
			if err := json.Unmarshal(doc[i:after], &m.name); err != nil {
				return nil, err
			}
			for j := range out {
				if out[j].name == m.name {
					return nil, fmt.Errorf("it has the key %q twice", m.name)
				}
			}
			m.start = skip(doc, skip(doc, after)+1) // past the colon
		}
		m.end = end(doc, m.start)
		out = append(out, m)
		if i = skip(doc, m.end); doc[i] == ',' {
			i = skip(doc, i+1)
		}
	}
	return out, nil
}

// skip is the first byte from i on that is no blank.
func skip(doc []byte, i int) int {
	for i < len(doc) && strings.IndexByte(" \t\r\n", doc[i]) >= 0 {
		i++
	}
	return i
}

// end is the first byte behind the value that begins at i, in a document that is
// valid.
func end(doc []byte, i int) int {
	switch doc[i] {
	case '"':
		for i++; doc[i] != '"'; i++ {
			if doc[i] == '\\' {
				i++
			}
		}
		return i + 1
	case '{', '[':
		for depth := 0; ; i++ {
			switch doc[i] {
			case '"':
				i = end(doc, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	for i < len(doc) && strings.IndexByte(" \t\r\n,]}", doc[i]) < 0 {
		i++
	}
	return i
}

func where(path []string) string {
	if len(path) == 0 {
		return "the document"
	}
	return strings.Join(path, ".")
}
