package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

func reportSchema(t *testing.T) *jsonschema.Resolved {
	t.Helper()
	b, err := os.ReadFile("../../docs/report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	r, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// reportBench is a project, and a bailey to run in it.
type reportBench struct {
	bin, project, report string
	env                  []string
}

func newReportBench(t *testing.T) *reportBench {
	t.Helper()
	if !walls() {
		t.Skip("no user namespaces")
	}
	dir := t.TempDir()
	b := &reportBench{bin: program(t), project: filepath.Join(dir, "project"), report: filepath.Join(dir, "report.json")}
	for _, d := range []string{b.project, filepath.Join(dir, "STATE"), filepath.Join(dir, "CONFIG"), filepath.Join(dir, "CACHE")} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	b.env = append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(dir, "STATE"), "XDG_CONFIG_HOME="+filepath.Join(dir, "CONFIG"), "XDG_CACHE_HOME="+filepath.Join(dir, "CACHE"))
	return b
}

func (b *reportBench) command(args ...string) *exec.Cmd {
	cmd := exec.Command(b.bin, append([]string{"run", "-q", "--report", b.report}, args...)...)
	cmd.Dir, cmd.Env = b.project, b.env
	return cmd
}

// read returns the report, which must be valid.
func (b *reportBench) read(t *testing.T, schema *jsonschema.Resolved) report {
	t.Helper()
	text, err := os.ReadFile(b.report)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if err := schema.Validate(v); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReportSchema(t *testing.T) {
	b, schema := newReportBench(t), reportSchema(t)
	// A file of the user's, so that sources are seen.
	config := filepath.Join(b.project, "..", "policy.toml")
	if err := os.WriteFile(config, []byte("[limits]\npids = 300\n[files]\nstrict = true\ndeny = [\"**/.env\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"--", "sh", "-c", "exit 7"},
		{"--config", config, "--", "true"},
		{"--mode", "read-only", "--timeout", "10s", "--", "true"},
		{"--mode", "danger-full-access", "--", "true"},
		{"--min-tier", "landlock", "--accept", "landlock.tcp", "--", "true"},
	} {
		out, _ := b.command(args...).CombinedOutput()
		r := b.read(t, schema)
		if r.State != "ended" {
			t.Errorf("%v: %s\n%s", args, r.State, out)
		}
		var ids []string
		for _, w := range r.Walls {
			ids = append(ids, w.ID)
			if w.How == plan.HowPredicted {
				t.Errorf("%v: %s of a box that ran is known by %q", args, w.ID, w.How)
			}
			if w.ID == policy.WallPids && slices.Contains(args, config) && (len(w.Sources) != 1 || w.Sources[0].File != config || w.Sources[0].Line != 2) {
				t.Errorf("%s is asked for at %+v", w.ID, w.Sources)
			}
		}
		if !slices.Equal(ids, policy.Walls()) {
			t.Errorf("%v: %v", args, ids)
		}
		os.Remove(b.report)
	}

	b.command("--", "no-such-program").Run()
	if r := b.read(t, schema); r.State != "failed" || r.Error == "" || *r.Exit != exitNotFound {
		t.Errorf("%+v", r)
	}

	bad := []string{
		`{"id":"network","status":"fine"}`,
		`{"id":"other","status":"not requested"}`,
		`{"id":"network","status":"enforced","requested":"x","mechanisms":[{"name":"y","held":true}],"achieved":"y","how":"self-check"}`,
		`{"id":"network","status":"missing","requested":"x","mechanisms":[]}`,
		`{"id":"network","status":"not requested","requested":"x"}`,
	}
	text, _ := os.ReadFile(b.report)
	for _, wall := range bad {
		var v map[string]any
		json.Unmarshal(text, &v)
		var w any
		if err := json.Unmarshal([]byte(wall), &w); err != nil {
			t.Fatal(err)
		}
		v["walls"] = []any{w}
		if schema.Validate(v) == nil {
			t.Errorf("accepted: %s", wall)
		}
	}
}

// TestReportOfTheKilled holds that the report says what stood although bailey had
// no time to write it at the end.
func TestReportOfTheKilled(t *testing.T) {
	b, schema := newReportBench(t), reportSchema(t)
	cmd := b.command("--", "sh", "-c", "echo up; sleep 1000")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		text, _ := os.ReadFile(b.report)
		if strings.Contains(string(text), `"running"`) && strings.HasSuffix(string(text), "}\n") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the report does not say that it runs:\n%s", text)
		}
	}
	cmd.Process.Kill()
	cmd.Wait()
	r := b.read(t, schema)
	if r.State != "running" || r.Session == "" || r.Exit != nil {
		t.Errorf("%+v", r)
	}
	read := 0
	for _, w := range r.Walls {
		if w.How == plan.HowRead {
			read++
		}
	}
	if read < 5 {
		t.Errorf("only %d walls were read back", read)
	}
}
