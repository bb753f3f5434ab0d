package inside

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	for in, want := range map[string]string{
		`{"op":"request","kind":"read","subject":"/a","why":"x"}` + "\n": "",
		`{"op":"denials"}` + "\n":           "",
		`{"op":"denials"}`:                  "one line",
		"":                                  "one line",
		"\n":                                "one JSON object",
		`{"op":"denials"} {}` + "\n":        "nothing behind",
		`{"op":"denials","why":"x"}` + "\n": "takes nothing",
		`{"op":"reload"}` + "\n":            "no such request",
		`{"op":"request","kind":"root","subject":"/a"}` + "\n":                                          "kind is",
		`{"op":"request","kind":"read"}` + "\n":                                                         "subject is missing",
		`{"op":"request","kind":"read","subject":"/a","session":"x"}` + "\n":                            "unknown field",
		`{"op":"request","kind":"read","subject":"/a\u001b[2J"}` + "\n":                                 "control",
		`{"op":"request","kind":"read","subject":"/a","why":"a\nb"}` + "\n":                             "one line",
		`{"op":"request","kind":"read","subject":"/` + strings.Repeat("a", 5000) + `"}` + "\n":          "more than",
		`{"op":"request","kind":"read","subject":"/a","why":"` + strings.Repeat("a", 600) + `"}` + "\n": "at most",
		`{"op":"request","kind":"exception","subject":"a","args":["b","c d"]}` + "\n":                   "",
		`{"op":"request","kind":"exception","subject":"a","args":["b\u001b"]}` + "\n":                   "control",
		`{"op":"request","kind":"read","subject":"/a","args":["b"]}` + "\n":                             "for an exception",
		`{"op":"grants","args":[]}` + "\n":                                                              "takes nothing",
		strings.Repeat("x", MaxRequest+10):                                                              "at most",
	} {
		_, err := Read(strings.NewReader(in))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: %v, want %q", in, err, want)
		}
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"op":"request","kind":"read","subject":"/a","why":"x"}` + "\n"))
	f.Add([]byte(`{"op":"denials"}` + "\n{}"))
	f.Add([]byte("{\"op\":\"request\",\"kind\":\"network\",\"subject\":\"\\u0000\"}\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		q, err := Read(strings.NewReader(string(in)))
		if err != nil {
			return
		}
		if len(q.Subject) > maxSubject || len(q.Why) > maxWhy || !plain(q.Subject) || !plain(q.Why) {
			t.Errorf("taken: %+v", q)
		}
		line, _ := json.Marshal(q)
		again, err := Read(strings.NewReader(string(line) + "\n"))
		if second, _ := json.Marshal(again); err != nil || string(second) != string(line) {
			t.Errorf("%s: %s, %v", line, second, err)
		}
	})
}
