//go:build linux

package probe

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
)

func proof() *Proof {
	p := func(id string, s Severity, control bool) Probe {
		return Probe{ID: id, Severity: s, Title: "try it", Why: "it matters", Wall: "a wall", Fix: "mend it", Control: control}
	}
	return &Proof{Bailey: "test", Target: "bailey", Tier: "full", Root: "/p", Gate: []Severity{Boundary}, Took: 1500 * time.Millisecond, Results: []Result{
		{Probe: p("files.a", Boundary, false), Status: Held, Reason: "EACCES", Evidence: "host"},
		{Probe: p("files.b", Boundary, false), Status: Escaped, Reason: "out: \x1b]52;c;evil\x07\x00\xff", Evidence: "host", Rule: Rule{true, "~/.b", "/p/bailey.toml:3"}},
		{Probe: p("resources.c", Resource, false), Status: Escaped, Reason: "no limit", Evidence: "probe"},
		{Probe: p("lifecycle.d", Boundary, false), Status: Cannot, Reason: "program missing: d", Evidence: "host"},
		{Probe: p("controls.e", "", true), Status: OK, Evidence: "host"},
	}}
}

// One failure is enough, nothing tried is no proof, and the gate decides.
func TestHolds(t *testing.T) {
	p := proof()
	if p.Holds() {
		t.Error("an escape in the gate")
	}
	p.Results[1].Status = Held
	if !p.Holds() {
		t.Error("an escape outside of the gate")
	}
	for _, s := range []Status{Unknown, Broken, Failed, ""} {
		p.Results[4].Status = s
		if p.Holds() {
			t.Errorf("status %q", s)
		}
	}
	if (&Proof{}).Holds() || (&Proof{Results: []Result{{Status: Cannot}}}).Holds() {
		t.Error("nothing was tried")
	}
	if (&Proof{Results: []Result{{Status: Cannot}, {Probe: Probe{Control: true}, Status: OK}}}).Holds() {
		t.Error("only a control was tried")
	}
	// What the tier announces counts, unless it is accepted.
	p = proof()
	p.Weaker = []string{"the memory of a is open"}
	p.Results[1].Probe.Weaker = "memory of a"
	if p.Holds() {
		t.Error("announced, and not accepted")
	}
	p.Lenient = true
	if !p.Holds() {
		t.Error("announced, and accepted")
	}
	p.Weaker = nil
	if p.Holds() {
		t.Error("not announced")
	}
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	if err := proof().WriteText(&b, true, func(s string) string { return strings.ReplaceAll(s, "\x1b", "ESC") }); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if strings.Contains(text, "\x1b") {
		t.Error("a control character comes through")
	}
	for _, want := range []string{"FAILED\n  escaped  files.b", "the policy gives it: ~/.b (/p/bailey.toml:3)", "fix     remove ~/.b (/p/bailey.toml:3)", "docs/prove.md#files", "escaped, and not counted\n  escaped  resources.c", "cannot be shown here\n  lifecycle.d  program missing: d",
		"files         1 of   2 held", "4 probes: 1 held, 2 escaped, 1 not shown; 1 controls ok; tier full; 1.5 s"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if strings.Index(text, "FAILED") > strings.Index(text, "held") {
		t.Error("failures come first")
	}
}

// The forms for programs are what they say they are, whatever a reason holds.
func TestForms(t *testing.T) {
	p := proof()
	var b bytes.Buffer
	if err := p.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var schema jsonschema.Schema
	text, err := os.ReadFile("../../docs/prove.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(b.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	if err := resolved.Validate(v); err != nil {
		t.Error(err)
	}
	b.Reset()
	if err := p.WriteSARIF(&b); err != nil {
		t.Fatal(err)
	}
	var log sarifLog
	if err := json.Unmarshal(b.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	if len(log.Runs) != 1 || len(log.Runs[0].Tool.Driver.Rules) != len(p.Results) || len(log.Runs[0].Results) != 2 {
		t.Fatalf("%+v", log)
	}
	for _, r := range log.Runs[0].Results {
		if log.Runs[0].Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID || len(r.Locations) != 1 {
			t.Errorf("%+v", r)
		}
	}
	if at := log.Runs[0].Results[0].Locations[0].Physical; at.Artifact.URI != "bailey.toml" || at.Region.StartLine != 3 || log.Runs[0].Results[0].Level != "error" || log.Runs[0].Results[1].Level != "warning" {
		t.Errorf("%+v", log.Runs[0].Results)
	}
	b.Reset()
	if err := p.WriteJUnit(&b); err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(&b)
	failures, skipped := 0, 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "failure" {
			failures++
		} else if ok && e.Name.Local == "skipped" {
			skipped++
		}
	}
	if failures != 1 || skipped != 2 {
		t.Errorf("%d failures, %d skipped", failures, skipped)
	}
}

// Each category has a place in the documentation, which results link to.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../" + Docs)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range Categories() {
		if !strings.Contains(string(text), "\n### "+c+"\n") {
			t.Errorf("%s has no heading for %s", Docs, c)
		}
	}
}

// A place in SARIF is a URI, whatever the file is called.
func TestArtifact(t *testing.T) {
	for path, want := range map[string]string{
		"bailey.toml": "bailey.toml", "a b/bailey.toml": "a%20b/bailey.toml", "a:b": "./a:b",
		"/home/ann/.config/bailey/config.toml": "file:///home/ann/.config/bailey/config.toml", "/x#y/100%": "file:///x%23y/100%25",
	} {
		if got := artifact(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}
