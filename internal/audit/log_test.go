package audit

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
)

// samples has one of every type, with every field set.
func samples() []Data {
	layers := []Layer{{Layer: "project", File: "/w/bailey.toml", Hash: "ab", Trusted: true}}
	status := Status{Code: 137, Signal: "killed", Duration: 5, User: 1, System: 2, MaxRSS: 3}
	return []Data{
		SessionStart{Bailey: "1", Policy: "h", Layers: layers, Profiles: []string{"go"}, Tier: "full", Mode: "read-only",
			Dir: "/w", Writable: []string{"/w"}, Weaker: []string{"x"}, Walls: json.RawMessage(`[{"id":"network","status":"enforced"}]`)},
		Exec{PID: 1, Args: []string{"bash", "-c", "true"}, Dir: "/w"},
		Exit{PID: 1, Status: status},
		Decision{Op: "write", Target: "/x", Verdict: "deny", Rule: "r", Layer: "user", File: "f", Line: 3, PID: 4},
		Denial{Op: "create", Target: "/w/.envrc", Rule: "r", Hint: "h", PID: 9, Exe: "/usr/bin/touch", Count: 1},
		Limit{Limit: "timeout", Value: 5, Unit: "ns", PID: 9},
		Flow{ID: 3, State: "end", Network: "tcp", Via: "direct", Protocol: "tls", Host: "example.test", Port: 443, Addr: "192.0.2.1:443",
			Verdict: "allow", Rule: "example.test", Layer: "flag", File: "--allow-net", Up: 1, Down: 2, Duration: 3, PID: 4, Exe: "/usr/bin/curl"},
		Approval{Kind: "network", Subject: "a.test:443", Verdict: "allow", Scope: "always", By: "terminal", Rule: "r", Expires: "2026-03-01T12:00:00Z", Note: "n", Why: "w", Asks: "q", PID: 4, Exe: "/x"},
		PolicyChange{Policy: "h", Layers: layers, Why: "w"},
		SessionEnd{Status: &status, Duration: 7, Commands: 1, Denials: 2, Error: "e"},
	}
}

func readEvents(t *testing.T, path string) []Event {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var events []Event
	for s := bufio.NewScanner(f); s.Scan(); {
		var e Event
		if err := json.Unmarshal(s.Bytes(), &e); err != nil {
			t.Fatalf("%s: %v", s.Text(), err)
		}
		events = append(events, e)
	}
	return events
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f, err := OpenFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	var sunk []Event
	l := New("s1", Options{File: f, Sink: func(e Event) { sunk = append(sunk, e) }})
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("x", 3600))
	l.now = func() time.Time { return at }
	for _, d := range samples() {
		if err := l.Add(d); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var want []Event
	for i, d := range samples() {
		want = append(want, Event{Version, uint64(i + 1), at.UTC(), "s1", d.Type(), d})
	}
	if diff := cmp.Diff(want, readEvents(t, path)); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, sunk); diff != "" {
		t.Errorf("sink (-want +got):\n%s", diff)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestSchema(t *testing.T) {
	b, err := os.ReadFile("../../docs/events.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	schema, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	validate := func(e Event) error {
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		return schema.Validate(v)
	}
	l := New("s", Options{Sink: func(e Event) {
		if err := validate(e); err != nil {
			t.Errorf("%s: %v", e.Type, err)
		}
		e.Type = "other"
		if validate(e) == nil {
			t.Errorf("an unknown type was accepted")
		}
	}})
	zero := []Data{SessionStart{Tier: "none", Mode: "read-only"}, Exec{}, Exit{}, Decision{Verdict: "ask"}, Denial{Count: 1},
		Limit{Unit: "ns"}, Flow{State: "start", Network: "tcp", Verdict: "deny"}, PolicyChange{}, SessionEnd{}}
	for _, d := range append(samples(), zero...) {
		l.Add(d)
	}
	if validate(Event{Version: 1, Seq: 1, Session: "s", Type: TypeExec, Data: Denial{Count: 1}}) == nil {
		t.Error("an exec with a denial's fields was accepted")
	}
}

func TestScrub(t *testing.T) {
	secrets := Secrets([]string{"API_TOKEN=sekret-1\n", "LONG_TOKEN=sekret-1\n-and-more", "X=visible-value", "D=denied-value", "A_KEY=short", "bad"},
		func(name string) bool { return name != "X" })
	var got Event
	l := New("s", Options{Secrets: secrets, Sink: func(e Event) { got = e }})
	args := []string{"curl", "-Hsekret-1\n", "sekret-1\n-and-more", "visible-value", "denied-value", "short"}
	l.Add(Exec{Args: args, Dir: "/denied-value"})
	want := Exec{Args: []string{"curl", "-H[redacted]", "[redacted]", "visible-value", "[redacted]", "short"}, Dir: "/[redacted]"}
	if diff := cmp.Diff(Data(want), got.Data); diff != "" {
		t.Error(diff)
	}
	if args[2] != "sekret-1\n-and-more" {
		t.Error("the caller's slice was changed")
	}
	for _, d := range samples() { // every free text of every type goes through the scrubber
		b, _ := json.Marshal(d.scrubbed(func(string) string { return "#" }))
		for _, leak := range []string{"/w", "/x", "/usr", "bash", ".envrc"} {
			if strings.Contains(string(b), leak) {
				t.Errorf("%s keeps %q: %s", d.Type(), leak, b)
			}
		}
	}
}

func TestOpenFileRefuses(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "root")
	os.Mkdir(root, 0o700)
	os.WriteFile(filepath.Join(dir, "target"), nil, 0o600)
	os.Symlink("target", filepath.Join(dir, "link"))
	os.Symlink("root", filepath.Join(dir, "linked"))
	os.WriteFile(filepath.Join(dir, "one"), nil, 0o600)
	os.Link(filepath.Join(dir, "one"), filepath.Join(dir, "two"))
	for _, p := range []string{"root/log", "linked/log", "link", "two", "root", "missing/log", ""} {
		f, err := OpenFile(filepath.Join(dir, p), []string{root})
		if err == nil {
			f.Close()
			t.Errorf("%q was opened", p)
		}
	}
	if names, _ := os.ReadDir(root); len(names) != 0 {
		t.Errorf("left behind: %v", names)
	}
	f, err := OpenFile(filepath.Join(dir, "rootlog"), []string{root}) // a name that only begins alike
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

func TestFailureIsKept(t *testing.T) {
	f, err := os.Open(os.DevNull) // for reading: a write fails
	if err != nil {
		t.Fatal(err)
	}
	l := New("s", Options{File: f})
	first := l.Add(Exec{})
	if first == nil {
		t.Fatal("no error")
	}
	if second := l.Add(Exec{}); second != first {
		t.Errorf("second: %v", second)
	}
	if err := l.Close(); err != first {
		t.Errorf("close: %v", err)
	}
	var none *Log
	if none.Add(Exec{}) != nil || none.Close() != nil || New("s", Options{}) != nil {
		t.Error("a nil log is not silent")
	}
}

func TestConcurrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f, err := OpenFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := New("s", Options{File: f})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				l.Add(Exec{Args: []string{"x"}})
			}
		})
	}
	wg.Wait()
	l.Close()
	for i, e := range readEvents(t, path) {
		if e.Seq != uint64(i+1) {
			t.Fatalf("line %d has seq %d", i+1, e.Seq)
		}
	}
}

func TestUnknownType(t *testing.T) {
	var e Event
	if err := json.Unmarshal([]byte(`{"v":1,"type":"later","data":{}}`), &e); err == nil || !strings.Contains(err.Error(), "later") {
		t.Errorf("err = %v", err)
	}
}
