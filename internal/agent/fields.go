package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

// A document is a JSON object. Its fields are named with dots between the parts.
type document map[string]any

// parse reads an object. The text is the person's, or a box's.
func parse(text []byte) (document, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // numbers stay as they are written
	var doc document
	if err := d.Decode(&doc); err != nil || doc == nil {
		return nil, errors.New("it is not a JSON object")
	}
	return doc, nil
}

func (d document) get(field string) (any, bool) {
	var v any = map[string]any(d)
	for part := range strings.SplitSeq(field, ".") {
		m, is := v.(map[string]any)
		if !is {
			return nil, false
		}
		if v, is = m[part]; !is {
			return nil, false
		}
	}
	return v, true
}

// set puts a value, and makes the objects above it.
func (d document) set(field string, v any) {
	m := map[string]any(d)
	parts := strings.Split(field, ".")
	for _, part := range parts[:len(parts)-1] {
		below, is := m[part].(map[string]any)
		if !is {
			below = map[string]any{}
			m[part] = below
		}
		m = below
	}
	m[parts[len(parts)-1]] = v
}

// pick returns a document with the named fields alone.
func (d document) pick(fields []string) document {
	out := document{}
	for _, f := range fields {
		if v, ok := d.get(f); ok {
			out.set(f, v)
		}
	}
	return out
}

func (d document) text() []byte {
	b, _ := json.MarshalIndent(d, "", "  ") // it came from JSON
	return append(b, '\n')
}

// jsonValue reads a value of a preset; what is no JSON is text.
func jsonValue(s string) any {
	var v any
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	if err := d.Decode(&v); err != nil || d.More() {
		return s
	}
	return v
}

// unsigned takes the signature off a token that a program reads for the name and
// the plan in it: without it no server takes it.
func unsigned(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	return parts[0] + "." + parts[1] + ".bm8tc2lnbmF0dXJl"
}
