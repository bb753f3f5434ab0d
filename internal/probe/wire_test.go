//go:build linux

package probe

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A report goes through a terminal and back; what is no report is told apart.
func TestReport(t *testing.T) {
	want := &Report{Nonce: "nonce-1", Ended: "done", Claimed: true, Err: "x", Loot: []byte("a\x00b\n")}
	got, err := parseReport(append([]byte("\x1b[0mnoise "), encodeReport(want)...))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, s := range []string{"", "hello", mark, mark + "!!!", mark + "e30", mark + "eyJlbmRlZCI6ImRvbmUifXt9", strings.Repeat("x", maxLine+20)} {
		if r, err := parseReport([]byte(s)); err == nil {
			t.Errorf("%q is %v", s, r)
		}
	}
}

// What comes from inside may be anything.
func FuzzReport(f *testing.F) {
	f.Add(encodeReport(&Report{Nonce: "nonce-1", Ended: "done", Claimed: true}))
	f.Add(encodeReport(&Report{Nonce: "nonce-2", Ended: "signal", Signal: 31, Loot: []byte("secret")}))
	f.Add(encodeReport(&Report{Ended: "crash", Err: strings.Repeat("x", maxErr)}))
	f.Add([]byte(mark + "e30"))
	f.Add([]byte(mark + mark))
	f.Add([]byte("noise\r\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := parseReport(line)
		if err != nil {
			return
		}
		if len(r.Nonce) > 64 || len(r.Loot) > maxLoot || len(r.Err) > maxErr {
			t.Errorf("too much: %v", r)
		}
		again, err := parseReport(encodeReport(r))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r, again); d != "" {
			t.Error(d)
		}
	})
}
