package policy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/pelletier/go-toml/v2"
)

func resolved(t *testing.T) *jsonschema.Resolved {
	t.Helper()
	var schema jsonschema.Schema
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatalf("the schema is not a schema: %v", err)
	}
	r, err := schema.Resolve(nil)
	if err != nil {
		t.Fatalf("resolve schema: %v", err)
	}
	return r
}

// tree turns TOML into what a JSON parser would have made of the same document.
// It reports false for text that is no TOML document, about which a schema has
// nothing to say.
func tree(t *testing.T, text string) (any, bool) {
	t.Helper()
	doc := map[string]any{}
	if err := toml.Unmarshal([]byte(text), &doc); err != nil {
		return nil, false
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v, true
}

// samples are values to put at every key: each is right for some kind of key and
// wrong for the others.
var samples = []string{
	`true`, `false`, `1`, `-1`, `4503599627370496`, `4503599627370497`, `4000000000`, `4000000001`, `1.5`, `"x"`, `""`, `[]`, `{}`, `[1]`, `[true]`, `[[]]`, `[{}]`, `[""]`, `["x"]`, `["x", 1]`,
	`"read-only"`, `"full"`, `"never"`, `"skip"`, `"deny"`, `"none"`, `"None"`,
	`"4GiB"`, `"04GiB"`, `"4 GiB"`, `"4gib"`, `"4G"`, `"999999999GiB"`, `"1000000000GiB"`, `"999999TiB"`, `"1000000TiB"`, `"1B"`, `"0B"`, `"1.5GiB"`, `"GiB"`,
	`"10m"`, `"1h30m5s"`, `"1h5s"`, `"5s1h"`, `"0s"`, `"10ms"`, `"1h0m"`, `"h"`, `"99999999s"`, `"999999999s"`, `"1hm"`, `"m"`, `"1m "`,
	`["/x"]`, `["~"]`, `["~/x"]`, `["$HOME"]`, `["a*b"]`, `["a?b"]`, `["*"]`, `["!x"]`, `["a\u0000b"]`, `["a\nb"]`, `["a..b"]`, `[".."]`, `["a/.."]`, `["../a"]`, `["a/../b"]`, `["..a"]`, `["ä$"]`,
	`["go"]`, `["default", "rust"]`, `["Go"]`, `["A_1"]`, `["1A"]`, `["LC_*"]`, `["A-B"]`, `["A="]`,
	`[{path = "/x"}]`, `[{path = "/x", env = "X"}]`, `[{path = ""}]`, `[{env = "X"}]`, `[{path = "/x", env = ""}]`, `[{path = "/x", env = "X*"}]`, `[{path = "/x", y = 1}]`, `[{path = 1}]`, `["/x", {path = "/y"}]`,
	`{A = "x"}`, `{A = ""}`, `{A = 1}`, `{"A*" = "x"}`, `{"" = "x"}`, `{A = "\u0000"}`, `{A = {B = "x"}}`, `{_a1 = "\n"}`,
}

// meaning says that all errors are about what a host, a rule or a secret is, of
// which a schema knows the shape alone: it may accept those, and never refuse
// what the decoder accepts.
func meaning(errs []*Error) bool {
	for _, e := range errs {
		if k := lookup(e.Key); strings.HasPrefix(e.Key, "secrets.") || strings.HasPrefix(e.Key, "exceptions.") || k != nil && (k.kind == kindAllow || k.kind == kindRefuse || k.kind == kindPins || k.kind == kindSecrets) {
			continue
		}
		return false
	}
	return true
}

// TestSchemaAgrees holds that an editor with the schema and bailey with the
// decoder say the same of a document's shape.
func TestSchemaAgrees(t *testing.T) {
	r := resolved(t)
	var docs []string
	for _, c := range wrong {
		docs = append(docs, c.text)
	}
	docs = append(docs, right...)
	docs = append(docs, Init("go", "c"), typical)
	for i := range keys {
		for _, sample := range samples {
			docs = append(docs, keys[i].name+" = "+sample)
		}
		docs = append(docs, keys[i].name+"x = 1")
	}
	for _, section := range []string{"files", "env", "limits", "process", "network", "secrets", "profile", "managed", "other"} {
		for _, sample := range samples {
			docs = append(docs, section+" = "+sample)
		}
	}
	docs = append(docs, "files.read = [\""+strings.Repeat("a", maxPath)+"\"]", "files.read = [\""+strings.Repeat("ä", maxPath)+"\"]", "files.deny = [\""+strings.Repeat("a", maxPath+1)+"\"]")
	valid, invalid := 0, 0
	for _, text := range docs {
		value, ok := tree(t, text)
		if !ok {
			continue
		}
		_, errs := parse(text)
		err := r.Validate(value)
		if (len(errs) == 0) != (err == nil) && !(err == nil && meaning(errs)) {
			t.Errorf("%.200q:\ndecoder: %v\n schema: %v", text, Errors(errs), err)
		}
		if err == nil {
			valid++
		} else {
			invalid++
		}
	}
	t.Logf("%d valid and %d invalid documents", valid, invalid)
	if valid < 100 || invalid < 1000 {
		t.Errorf("%d valid and %d invalid documents are too few to say anything", valid, invalid)
	}
}

// FuzzSchema looks for documents on which the two differ.
func FuzzSchema(f *testing.F) {
	for _, c := range wrong {
		f.Add(c.text)
	}
	for _, text := range right {
		f.Add(text)
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		f.Fatal(err)
	}
	r, err := schema.Resolve(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc := map[string]any{}
		if err := toml.Unmarshal([]byte(text), &doc); err != nil {
			return
		}
		raw, err := json.Marshal(doc)
		if err != nil || strings.Contains(string(raw), "e+") {
			return // infinities; numbers that only JSON takes for integers
		}
		for _, part := range strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune(" =,[]{}\n\t", c) }) {
			if strings.Contains(part, ".") || strings.ContainsAny(part, "eE") && part[0] <= '9' {
				return // 4.0 is an integer to JSON
			}
		}
		var value any
		if err := json.Unmarshal(raw, &value); err != nil {
			t.Fatal(err)
		}
		_, errs := parse(text)
		if verdict := r.Validate(value); (len(errs) == 0) != (verdict == nil) && !(verdict == nil && meaning(errs)) {
			t.Errorf("decoder: %v\nschema: %v", Errors(errs), verdict)
		}
	})
}

func TestSchemaDescribesEveryKey(t *testing.T) {
	text := string(Schema())
	for i := range keys {
		if keys[i].doc == "" {
			t.Errorf("%s has no description", keys[i].name)
		}
		if shown := strings.Contains(text, keys[i].doc); shown != (keys[i].place == anywhere) {
			t.Errorf("%s in the schema: %v", keys[i].name, shown)
		}
	}
}
