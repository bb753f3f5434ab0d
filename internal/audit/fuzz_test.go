package audit

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzEvent holds that reading a log, into which a box's own words go, never
// panics, and that what is read is what would be written.
func FuzzEvent(f *testing.F) {
	l := New("s", Options{Sink: func(e Event) {
		if line, err := json.Marshal(e); err == nil {
			f.Add(line)
		}
	}})
	for _, d := range samples() {
		l.Add(d)
	}
	f.Add([]byte(`{"v":1,"seq":1,"type":"denial","data":null}`))
	f.Add([]byte(`{"type":"exec","data":{"argv":["\ud800"]}}`))
	f.Add([]byte(`{"type":"nothing"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		var e Event
		if json.Unmarshal(line, &e) != nil {
			return
		}
		out, err := json.Marshal(e)
		if err != nil {
			// Raw JSON inside may be what cannot be written again; a year beyond 9999 too.
			return
		}
		var again Event
		if err := json.Unmarshal(out, &again); err != nil {
			t.Fatalf("%s becomes %s: %v", line, out, err)
		}
		third, err := json.Marshal(again)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(out), string(third)); diff != "" {
			t.Errorf("%s:\n%s", line, diff)
		}
	})
}
