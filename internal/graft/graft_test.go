package graft

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestInsert(t *testing.T) {
	value := map[string]any{"x": 1}
	for _, c := range []struct {
		name, doc, want string
		front           bool
		path            []string
	}{
		{"nothing", "", "{\n  \"a\": {\n    \"b\": [\n      {\n        \"x\": 1\n      }\n    ]\n  }\n}\n", false, []string{"a", "b"}},
		{"beside", "{\n\t\"z\": 1\n}\n", "{\n\t\"z\": 1,\n\t\"a\": [\n\t\t{\n\t\t\t\"x\": 1\n\t\t}\n\t]\n}\n", false, []string{"a"}},
		{"end", "{\n  \"a\": [\n    2\n  ]\n}", "{\n  \"a\": [\n    2,\n    {\n      \"x\": 1\n    }\n  ]\n}", false, []string{"a"}},
		{"front", "{\n  \"a\": [\n    2\n  ]\n}", "{\n  \"a\": [\n    {\n      \"x\": 1\n    },\n    2\n  ]\n}", true, []string{"a"}},
		{"one line", `{"a": [2], "b": {}}`, `{"a": [2, {"x":1}], "b": {}}`, false, []string{"a"}},
		{"strings", `{"}": "]\"", "a": ["["]}`, `{"}": "]\"", "a": ["[", {"x":1}]}`, false, []string{"a"}},
		{"crlf", "{\r\n  \"a\": [\r\n    2\r\n  ]\r\n}", "{\r\n  \"a\": [\r\n    2,\r\n    {\r\n      \"x\": 1\r\n    }\r\n  ]\r\n}", false, []string{"a"}},
	} {
		out, made, err := Insert([]byte(c.doc), c.path, value, c.front)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff(c.want, string(out)); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
		back, n, err := Remove(out, c.path, isOurs, made)
		if err != nil || n != 1 {
			t.Errorf("%s: removed %d, %v", c.name, n, err)
		}
		if want := c.doc; want != "" {
			if diff := cmp.Diff(want, string(back)); diff != "" {
				t.Errorf("%s: not as it was:\n%s", c.name, diff)
			}
		}
	}
}

func isOurs(v []byte) bool {
	var is struct{ X int }
	return json.Unmarshal(v, &is) == nil && is.X == 1
}

func TestRefused(t *testing.T) {
	for doc, plain := range map[string]bool{"{ // x\n}": false, `{"a": [],}`: false, `{"a": {}}`: true, `[]`: true, `{"a": [], "a": []}`: true} {
		_, _, err := Insert([]byte(doc), []string{"a"}, 1, false)
		if err == nil || errors.Is(err, ErrNotJSON) == plain {
			t.Errorf("%s: %v", doc, err)
		}
	}
}

// FuzzGraft holds that what is put in is there, that the rest means what it meant,
// and that taking it out gives the same meaning again.
func FuzzGraft(f *testing.F) {
	for _, s := range []string{"", "{}", `{"a":[]}`, `{"a":[1,{"b":"]"}],"c":null}`, "{\n \"a\" : [ ] }", `{"\u0061":[1]}`, "[]", "1"} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, doc []byte, front bool) {
		path := []string{"a", "b"}
		out, made, err := Insert(doc, path, map[string]any{"x": 1}, front)
		if err != nil {
			return
		}
		if !json.Valid(out) {
			t.Fatalf("not JSON any more: %s", out)
		}
		back, n, err := Remove(out, path, isOurs, made)
		if err != nil || n == 0 {
			t.Fatalf("removed %d: %v", n, err)
		}
		if len(bytes.TrimSpace(doc)) == 0 {
			doc = []byte("{}")
		}
		if n == 1 {
			var was, is any
			if json.Unmarshal(doc, &was) != nil || json.Unmarshal(back, &is) != nil || !cmp.Equal(was, is) {
				t.Fatalf("was %s\nis %s", doc, back)
			}
		}
	})
}
