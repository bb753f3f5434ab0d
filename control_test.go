package bailey

import (
	"encoding/json"
	"testing"

	"github.com/bailey-run/bailey/internal/approval"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

// FuzzControl: no request to a session crashes it, answers a question that does
// not wait, or gets an answer that is not JSON.
func FuzzControl(f *testing.F) {
	f.Add([]byte(`{"op":"questions"}`))
	f.Add([]byte(`{"op":"answer","id":"q00000000","allow":true,"scope":"always","expires":"2026-12-31T00:00:00Z","note":"n"}`))
	f.Add([]byte(`{"op":"answer","id":"","scope":"no such"}`))
	f.Add([]byte(`{"op":"reload"}`))
	f.Add([]byte(`{"op":"grants"}`))
	f.Add([]byte(`{"op":"grants" }`))
	f.Add([]byte("{\"op\":\"answer\",\"note\":\"\xff\"}\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		c := &control{session: "s", desk: &approval.Desk{}, box: &Box{plan: &Plan{policy: &policy.Policy{}}, box: &plan.Plan{}}}
		if len(line)%2 == 0 {
			c.box = nil
		}
		a := c.request(line)
		out, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if a.Error == "" && a.Session == "" {
			t.Errorf("%q is answered with %s", line, out)
		}
	})
}
