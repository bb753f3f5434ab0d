package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/expect"
)

// A decision that a box does not bear out is the most important thing that a
// test can find. Here the engine is made to lie, both ways, about each thing that can be tried.
func TestMismatch(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(dir, "outside")
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{outside, filepath.Join(work, "file")} {
		if err := os.WriteFile(name, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	config := bailey.Config{Dir: work}
	t.Setenv("PT_SET", "1")
	p, err := bailey.Prepare(config)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"deny read " + outside, "allow read file", "deny write " + outside, "allow write file", "allow write new", "deny write bailey.test",
		"allow exec env", "deny exec ./file", "deny env PT_SET", "allow env HOME", "deny connect 127.0.0.1:1",
	} {
		c, err := expect.ParseCase("--case", text)
		if err != nil {
			t.Fatal(err)
		}
		for _, lie := range []bool{false, true} {
			tr := newTrial(p, []testCase{{c, work}}, false)
			r := &tr.Cases[0]
			if lie {
				d := &r.Decision
				r.Want = bailey.Allow
				if d.Verdict == bailey.Allow {
					r.Want = bailey.Deny
				}
				d.Verdict, d.Own = r.Want, false
			}
			if err := tr.try(config); err != nil {
				t.Fatal(err)
			}
			tr.judge()
			refused := c.Op == "connect" && lie // nobody listens: that shows nothing
			if r.Mismatch != (lie && !refused) {
				t.Errorf("%s, lie %v: mismatch %v, %+v", text, lie, r.Mismatch, r.Real)
			}
			if lie && !refused && (tr.Failed != 1 || !strings.Contains(tr.text(false), "expected and decided "+string(r.Want))) {
				t.Errorf("%s: %s", text, tr.text(true))
			}
			if !lie && tr.Passed != 1 {
				t.Errorf("%s: %s", text, tr.text(true))
			}
		}
	}
	if entries, _ := os.ReadDir(work); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

// Rules about commands and the gate answer cases of their own, and "ask" is an
// answer. A rule about commands is no wall: in a box the program starts, and the
// case does not pass for shown.
func TestRulesAndGate(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	work, file := filepath.Join(dir, "work"), filepath.Join(dir, "policy.toml")
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if err := os.WriteFile(file, []byte(`[permissions]
deny = ["Bash(env -i *)"]
ask = ["Bash(ls *)"]
[network]
localhost = [`+port+`]
default = "ask"
deny = ["denied.example"]
`), 0o644); err != nil {
		t.Fatal(err)
	}
	config := bailey.Config{Dir: work, PolicyFile: file}
	p, err := bailey.Prepare(config)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		text    string
		outcome outcome // with a box; without one each passes
	}{
		{"deny exec env -i true", passed},
		{"ask exec ls x", notShown},
		{"allow exec env true", passed},
		{"allow connect host.bailey.internal:" + port, passed},
		{"deny connect denied.example:443", passed},
		{"ask connect other.example:443", notShown},
	} {
		c, err := expect.ParseCase("--case", tt.text)
		if err != nil {
			t.Fatal(err)
		}
		for _, real := range []bool{false, true} {
			tr := newTrial(p, []testCase{{c, work}}, false)
			want := passed
			if real {
				want = tt.outcome
				if err := tr.try(config); err != nil {
					t.Fatal(err)
				}
			}
			tr.judge()
			if got := tr.Cases[0].Outcome; got != want {
				t.Errorf("%s, tried %v: %s, want %s\n%s", tt.text, real, got, want, tr.text(true))
			}
		}
	}
}
