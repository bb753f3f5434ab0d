//go:build linux

package bailey_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/audit"
)

// answers says yes or no to everything, and keeps the questions.
type answers struct {
	mu     sync.Mutex
	answer bailey.Answer
	asked  []bailey.Question
}

func (a *answers) Ask(_ context.Context, q bailey.Question) bailey.Answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, q)
	return a.answer
}

// questions are those that came so far.
func (a *answers) questions() []bailey.Question {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.asked)
}

// rules writes a policy file with rules.
func rules(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// deployable makes a workspace with a program, "deploy", that leaves a trace, and
// scripts that start it.
func deployable(t *testing.T) string {
	t.Helper()
	d := dir(t)
	for name, text := range map[string]string{
		"deploy": "#!/bin/sh\necho deployed $1 >> " + d + "/trace\n",
		"inner":  "#!/bin/sh\n./deploy $1\n",
		"outer":  "#!/bin/sh\n./inner $1\n",
	} {
		if err := os.WriteFile(filepath.Join(d, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func traces(t *testing.T, d string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(d, "trace"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(b)
}

// TestDeepRules holds a rule deep inside scripts: without it they run, with deny
// they do not, with ask a person decides.
func TestDeepRules(t *testing.T) {
	for _, c := range []struct {
		name, policy string
		answer       bailey.Answer
		ran          bool
		asked        int
	}{
		{"none", "", bailey.Answer{}, true, 0},
		{"deny", `permissions.deny = ["Bash(deploy prod *)"]`, bailey.Answer{Allow: true}, false, 0},
		{"deny another", `permissions.deny = ["Bash(deploy test *)"]`, bailey.Answer{}, true, 0},
		{"ask, yes", `permissions.ask = ["Bash(deploy prod *)"]`, bailey.Answer{Allow: true, Scope: bailey.ScopeOnce}, true, 2},
		{"ask, yes for the session", `permissions.ask = ["Bash(deploy prod *)"]`, bailey.Answer{Allow: true, Scope: bailey.ScopeSession}, true, 1},
		{"ask, no", `permissions.ask = ["Bash(deploy prod *)"]`, bailey.Answer{By: "terminal"}, false, 2},
		{"switched off", "permissions.deny = [\"Bash(deploy prod *)\"]\nexec.supervise = \"off\"", bailey.Answer{}, true, 0},
		{"log", "permissions.deny = [\"Bash(deploy prod *)\"]\nexec.supervise = \"log\"", bailey.Answer{}, true, 0},
		{"never", "permissions.ask = [\"Bash(deploy prod *)\"]\napproval = \"never\"", bailey.Answer{Allow: true}, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, a := deployable(t), &answers{answer: c.answer}
			b := open(t, bailey.Config{Dir: d, PolicyFile: rules(t, c.policy), Ask: a})
			out, _ := sh(t, b, "./outer prod; echo $?; ./outer prod").CombinedOutput()
			if ran := traces(t, d) != ""; ran != c.ran {
				t.Errorf("ran %v: %s", ran, out)
			}
			if len(a.questions()) != c.asked {
				t.Errorf("asked %+v", a.questions())
			}
			for _, q := range a.questions() {
				if q.Kind != bailey.KindCommand || q.Subject != "./deploy prod" || q.Rule != "Bash(deploy prod *)" || !strings.Contains(q.Where, "config.toml:1:") || q.PID == 0 || q.Exe == "" || q.Session != b.Session() {
					t.Errorf("%+v", q)
				}
			}
			denials := b.Denials()
			if c.ran {
				if len(denials) != 0 {
					t.Errorf("denied %+v", denials)
				}
				return
			}
			if !strings.Contains(string(out), "126\n") || !strings.Contains(string(out), "ermission denied") {
				t.Errorf("%s", out)
			}
			if len(denials) != 1 || denials[0].Op != "exec" || denials[0].Target != "./deploy prod" || denials[0].Count != 2 || !strings.Contains(denials[0].Rule, "Bash(deploy prod *)") || !strings.Contains(denials[0].Hint, "config.toml:1:") {
				t.Errorf("denied %+v", denials)
			}
		})
	}
}

// TestDeepReload: rules for programs follow their file, with and without a word from
// outside; what was found to pass before passes no more.
func TestDeepReload(t *testing.T) {
	d, told := deployable(t), make(chan error, 16)
	file := rules(t, `permissions.deny = ["Bash(deploy prod *)"]`)
	b := open(t, bailey.Config{Dir: d, PolicyFile: file, Reloaded: func(_ bailey.Reloaded, err error) { told <- err }})
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	runs := func(arg string) bool {
		t.Helper()
		os.Remove(filepath.Join(d, "trace"))
		sh(t, b, "./outer "+arg).Run()
		return traces(t, d) != ""
	}
	if runs("prod") || !runs("test") {
		t.Fatal("the first rules do not hold")
	}
	write(`permissions.deny = ["Bash(deploy test *)"]`)
	if err := <-told; err != nil {
		t.Fatal(err)
	}
	if !runs("prod") || runs("test") {
		t.Error("the second rules do not hold")
	}
	write(`permissions.deny = ["Bash(deploy"]`)
	if err := <-told; err == nil {
		t.Error("a broken rule was taken")
	}
	if _, err := b.Reload(); err == nil {
		t.Error("a broken rule was taken")
	}
	if !runs("prod") || runs("test") {
		t.Error("a broken rule changed something")
	}
	write("")
	if r, err := b.Reload(); err != nil || !r.Changed {
		t.Errorf("%+v, %v", r, err)
	}
	if !runs("test") {
		t.Error("a rule that was taken back holds")
	}

	without := open(t, bailey.Config{Dir: d, PolicyFile: rules(t, "")})
	if _, err := without.Reload(); err == nil {
		t.Error("a box that follows nothing was reloaded")
	}
}

// TestDeepNames holds a rule for what is called by other names: a link that led to
// another program a moment ago, and scripts whose interpreter it is.
func TestDeepNames(t *testing.T) {
	d := deployable(t)
	for name, text := range map[string]string{"publish": "#!/bin/sh\nexit 7\n", "first": "#!" + d + "/deploy prod\n", "second": "#!" + d + "/first x\n"} {
		if err := os.WriteFile(filepath.Join(d, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script := "ln -s publish now; ./now prod; echo $?; ln -sf deploy now; ./now prod; echo $?; ./first; echo $?; ./second; echo $?"
	for policy, want := range map[string]string{"": "7\n0\n0\n0\n", `permissions.deny = ["Bash(deploy prod *)", "Bash(publish test *)"]`: "7\n126\n126\n126\n"} {
		out, _ := sh(t, open(t, bailey.Config{Dir: d, PolicyFile: rules(t, policy)}), "rm -f now trace; exec 2>/dev/null; "+script).Output()
		if string(out) != want || (traces(t, d) == "") != (policy != "") {
			t.Errorf("%q: %s%s", policy, out, traces(t, d))
		}
	}
}

// TestDeepAskedOnce holds that a program that is tried in several directories is
// asked about once.
func TestDeepAskedOnce(t *testing.T) {
	d, a := deployable(t), &answers{}
	for _, name := range []string{"a", "b", "c"} {
		if err := os.Mkdir(filepath.Join(d, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Link(filepath.Join(d, "deploy"), filepath.Join(d, name, "deploy")); err != nil {
			t.Fatal(err)
		}
	}
	b := open(t, bailey.Config{Dir: d, PolicyFile: rules(t, `permissions.ask = ["Bash(deploy *)"]`), Ask: a})
	for i, word := range []string{"x", strings.Repeat("x", 5000)} {
		out, err := sh(t, b, "PATH=$PWD/a:$PWD/b:$PWD/c:$PATH; env deploy "+word).CombinedOutput()
		if err == nil || traces(t, d) != "" || len(a.questions()) != i+1 || len(b.Denials()) != i+1 {
			t.Errorf("%v, asked %+v: %s", err, a.questions(), out)
		}
	}
}

// TestTopCommand holds the rules for the command that is started, before anything
// of it runs.
func TestTopCommand(t *testing.T) {
	d, a := deployable(t), &answers{}
	cfg := bailey.Config{Dir: d, PolicyFile: rules(t, "permissions.deny = [\"Bash(deploy prod *)\"]\npermissions.ask = [\"Bash(deploy test *)\"]"), Ask: a}
	start := func(b *bailey.Box, word string) error {
		if b != nil {
			return b.Command(t.Context(), "./deploy", word).Run()
		}
		return bailey.Command(t.Context(), cfg, "./deploy", word).Run()
	}
	for _, b := range []*bailey.Box{nil, open(t, cfg)} {
		for _, word := range []string{"prod", "test"} {
			var denied *bailey.DeniedError
			a.answer = bailey.Answer{}
			if err := start(b, word); !errors.As(err, &denied) || denied.Op != "exec" || denied.Hint == "" || traces(t, d) != "" {
				t.Errorf("%s: %v, %s", word, err, traces(t, d))
			}
		}
		a.answer = bailey.Answer{Allow: true, Scope: bailey.ScopeOnce}
		if err := start(b, "test"); err != nil || traces(t, d) != "deployed test\n" {
			t.Errorf("%v, %s", err, traces(t, d))
		}
		os.Remove(filepath.Join(d, "trace"))
	}
}

// TestProgramLog: with a log, each program is in it, and how it ended.
func TestProgramLog(t *testing.T) {
	t.Setenv("BAILEY_TEST_TOKEN", "geheim-geheim")
	var mu sync.Mutex
	var events []bailey.Event
	cfg := bailey.Config{Dir: deployable(t), Events: func(e bailey.Event) { mu.Lock(); defer mu.Unlock(); events = append(events, e) }}
	b := open(t, cfg)
	if out, err := sh(t, b, "./outer geheim-geheim && /usr/bin/env false; exit 0").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	var names []string
	codes := map[int]audit.ProgramExit{}
	last := 0
	for i, e := range events {
		switch d := e.Data.(type) {
		case audit.Program:
			names = append(names, filepath.Base(d.Path))
			if filepath.Base(d.Path) == "false" {
				last = d.PID
			}
			if d.Dir != cfg.Dir || d.Inside == 0 || d.Parent == 0 || d.By == "" {
				t.Errorf("%+v", d)
			}
			if strings.Contains(strings.Join(d.Args, " "), "geheim") {
				t.Errorf("a secret in %+v", d)
			}
		case audit.ProgramExit:
			codes[d.PID] = d
		case audit.SessionEnd:
			if d.Programs != 5 || i != len(events)-1 {
				t.Errorf("%+v", d)
			}
		}
	}
	if want := []string{"outer", "inner", "deploy", "env", "false"}; !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
	if x, ok := codes[last]; !ok || x.Known && x.Code != 1 {
		t.Errorf("false: %+v", codes)
	}

	events, cfg.PolicyFile = nil, rules(t, `exec.supervise = "off"`)
	b = open(t, cfg)
	sh(t, b, "./outer x").Run()
	b.Close()
	for _, e := range events {
		if e.Type == audit.TypeProgram {
			t.Errorf("%+v", e)
		}
	}
}
