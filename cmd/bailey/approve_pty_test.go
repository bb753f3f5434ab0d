//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bailey-run/bailey"
)

// reach is shell text that says whether a host was reached.
func reach(host, port string) string {
	return "{ exec 3<>/dev/tcp/" + host + "/" + port + " && read -r line <&3 && echo " + host + " $line; } 2>/dev/null || echo " + host + " refused"
}

// TestQuestionHasTheTerminal: while a question is shown the box does not draw, and
// its keys are not the box's; afterwards both are as before.
func TestQuestionHasTheTerminal(t *testing.T) {
	policy, port := asking(t)
	script := filepath.Join(t.TempDir(), "noise")
	text := `printf '\033[31m\033[?1000h'; (while :; do printf 'noise answer: fake\n'; sleep 0.02; done) & noise=$!
while ! [ -e go ]; do sleep 0.02; done
` + reach("a.test", port) + `
kill $noise; wait $noise 2>/dev/null; read -r line; echo "line=$line."
`
	if err := os.WriteFile(script, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s := onTerminal(t, "exec bailey run -q --read "+script+" --config "+policy+" -- bash "+script)
	s.expect("noise")
	if err := os.WriteFile(filepath.Join(s.cmd.Dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.expect("\x1b[?1049h")
	s.expect(`wants to connect to`)
	s.expect("kept until it is taken back")
	s.answer("y", "note: ")
	s.expect("\x1b[?1049l")
	s.expect("\x1b[?1000h") // the mouse reports again
	s.expect("a.test reached")
	all := s.shown()
	enter, leave := strings.Index(all, "\x1b7"), strings.Index(all, "\x1b[?1049l")
	if shown := all[enter:leave]; strings.Contains(shown, "noise") || !strings.Contains(shown, "\x1b[?1000l") {
		t.Errorf("while it was asked: %q", shown)
	}
	s.typed("mine\r")
	// Keys typed after the answer was taken are the command's.
	before := s.expect("mine.")
	if !strings.Contains(before, "line=") {
		t.Errorf("the command read %q", before)
	}
	s.ended()
}

// TestFullScreen: a program that has the second screen draws anew.
func TestFullScreen(t *testing.T) {
	policy, port := asking(t)
	script := filepath.Join(t.TempDir(), "full")
	text := `trap 'printf "drawn anew\n"' WINCH; printf '\033[?1049h'
while ! [ -e go ]; do sleep 0.02; done
` + reach("a.test", port) + `
for i in $(seq 100); do sleep 0.1; done
`
	if err := os.WriteFile(script, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s := onTerminal(t, "exec bailey run -q --read "+script+" --config "+policy+" -- bash "+script)
	s.expect("\x1b[?1049h") // else the question may be there first
	if err := os.WriteFile(filepath.Join(s.cmd.Dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.expect(`wants to connect to`)
	s.answer("n", "note: ")
	s.expect("drawn anew")
	if strings.Contains(s.shown(), "\x1b[?1049l") {
		t.Error("the program lost its screen")
	}
	s.typed("\x03")
	s.ended()
}

// headless runs bailey with the state of a session's and no terminal.
func (s *session) headless(arg ...string) *exec.Cmd {
	exe := filepath.Join(filepath.Dir(s.cmd.Dir), "bin", "bailey")
	cmd := exec.Command(exe, arg...)
	cmd.Dir, cmd.Env = s.cmd.Dir, s.cmd.Env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// TestApproveElsewhere: a box without a terminal waits for bailey approve, an
// answer for the project is kept, and counts no more when it is taken back. With
// nobody there the answer is no.
func TestApproveElsewhere(t *testing.T) {
	policy, port := asking(t)
	s := onTerminal(t, "exec bailey approve")
	box := func() (*exec.Cmd, *bytes.Buffer) {
		var out bytes.Buffer
		cmd := s.headless("run", "-q", "--config", policy, "--", "bash", "-c", reach("a.test", port))
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, &out
	}
	s.expect("waiting for questions")
	cmd, out := box()
	s.expect(`"a.test:` + port + `"`)
	s.expect("in this project, kept until it is taken back")
	s.answer("p", "note: ")
	if err := cmd.Wait(); err != nil || out.String() != "a.test reached\n" {
		t.Fatalf("%q, %v", out, err)
	}
	s.typed("\x03")
	s.ended()
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(s.cmd.Dir), "state", "bailey", "approvers", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}

	// It is kept, for who comes later without anybody there.
	cmd, out = box()
	if err := cmd.Wait(); err != nil || out.String() != "a.test reached\n" {
		t.Errorf("%q, %v", out, err)
	}
	raw, err := s.headless("grants", "ls", "--json").Output()
	var list []bailey.Grant
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].By != "approve" || list[0].Subject != "a.test:"+port || list[0].Scope != bailey.ScopeProject || list[0].Uses == 0 {
		t.Fatalf("%+v, %v", list, err)
	}
	if out, err := s.headless("grants", "revoke", list[0].ID).CombinedOutput(); err != nil {
		t.Errorf("%s, %v", out, err)
	}
	cmd, out = box()
	if err := cmd.Wait(); err != nil || out.String() != "a.test refused\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// TestApproveByID: a question that a terminal shows can be answered from another
// one; the terminal is given back then.
func TestApproveByID(t *testing.T) {
	policy, port := asking(t)
	s := onTerminal(t, "exec bailey run -q --config "+policy+" -- bash -c '"+reach("a.test", port)+"'")
	s.expect(`"a.test:` + port + `"`)
	var list []bailey.Waiting
	for deadline := time.Now().Add(patience); len(list) == 0; time.Sleep(20 * time.Millisecond) {
		raw, err := s.headless("approve", "--list", "--json").Output()
		if err := json.Unmarshal(raw, &list); err != nil || time.Now().After(deadline) {
			t.Fatalf("%s, %v", raw, err)
		}
		_ = err
	}
	if q := list[0]; q.Kind != bailey.KindNetwork || q.Subject != "a.test:"+port {
		t.Errorf("%+v", q)
	}
	if out, err := s.headless("approve", list[0].ID, "--allow", "--scope", "session", "--for", "1h", "--note", "by hand").CombinedOutput(); err != nil {
		t.Errorf("%s, %v", out, err)
	}
	s.expect("\x1b[?1049l")
	s.expect("a.test reached")
	s.ended()
	if out, err := s.headless("approve", list[0].ID, "--deny").CombinedOutput(); err == nil || !strings.Contains(string(out), "waits") {
		t.Errorf("%s, %v", out, err)
	}
}

// TestExceptionOnTerminal: outside of the box only after a person said so.
func TestExceptionOnTerminal(t *testing.T) {
	policy := filepath.Join(t.TempDir(), "p.toml")
	if err := os.WriteFile(policy, []byte("[exceptions.see]\ncommand = \"cat *\"\nreason = \"to see what the box hides\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("geheim\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"y": "geheim", "n": "denied by"} {
		s := onTerminal(t, "exec bailey run -q --config "+policy+" --exception see -- cat "+secret)
		s.expect("OUTSIDE the box")
		s.expect(`"cat ` + secret + `"`)
		s.expect("to see what the box hides")
		s.answer(key, "answer: ")
		s.expect(want)
		s.ended()
		if said := strings.Contains(s.shown(), "OUTSIDE THE BOX, without walls: exception see"); said != (key == "y") {
			t.Errorf("%s: %q", key, s.shown())
		}
	}
}

// TestHookAsksElsewhere: what an agent without a prompt of its own wants is asked
// at bailey approve, and what was allowed as a whole is not asked about again in the
// box, while what it hides is.
func TestHookAsksElsewhere(t *testing.T) {
	s := onTerminal(t, "exec bailey approve")
	config := filepath.Join(filepath.Dir(s.cmd.Dir), "config", "bailey", "config.toml")
	if err := os.MkdirAll(filepath.Dir(config), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, []byte("[permissions]\nallow = [\"Bash\"]\nask = [\"Bash(touch *)\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.cmd.Dir, "hidden"), []byte("touch hidden-made\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	hook := func(command string) (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
		in, err := json.Marshal(map[string]any{"hook_event_name": "PreToolUse", "cwd": s.cmd.Dir, "tool_name": "Bash", "tool_input": map[string]string{"command": command}})
		if err != nil {
			t.Fatal(err)
		}
		var out, said bytes.Buffer
		cmd := s.headless("hook", "codex")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, &out, &said
	}
	exists := func(name string) bool {
		_, err := os.Stat(filepath.Join(s.cmd.Dir, name))
		return err == nil
	}
	s.expect("waiting for questions")

	cmd, out, said := hook("touch made; sh hidden")
	s.expect("outside of a box")
	s.expect(`"touch made"`)
	s.answer("y", "note: ")
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v, %s", err, said)
	}
	var reply struct {
		HookSpecificOutput struct{ UpdatedInput struct{ Command string } }
	}
	if err := json.Unmarshal(out.Bytes(), &reply); err != nil {
		t.Fatalf("%v, %s", err, out)
	}
	run := s.headless("policy", "check") // for its directory and environment
	run.Path, run.Args = "/bin/sh", []string{"sh", "-c", reply.HookSpecificOutput.UpdatedInput.Command}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	s.expect(`"touch hidden-made"`)
	if !exists("made") {
		t.Error("what was allowed did not run, or was asked about again")
	}
	s.answer("n", "answer: ")
	run.Wait()
	if exists("hidden-made") {
		t.Error("what was hidden in a script ran")
	}

	cmd, _, said = hook("touch other")
	s.expect(`"touch other"`)
	s.answer("n", "answer: ")
	if cmd.Wait(); cmd.ProcessState.ExitCode() != 2 {
		t.Errorf("exit code %d, %s", cmd.ProcessState.ExitCode(), said)
	}

	s.typed("\x03")
	s.ended()
	cmd, _, said = hook("touch alone")
	if cmd.Wait(); cmd.ProcessState.ExitCode() != 2 || !strings.Contains(said.String(), "nobody to ask") {
		t.Errorf("exit code %d, %s", cmd.ProcessState.ExitCode(), said)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(s.cmd.Dir), "state", "bailey", "sessions", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestGeminiAsks: with a terminal Gemini CLI asks by itself.
func TestGeminiAsks(t *testing.T) {
	in := `{"hook_event_name":"BeforeTool","cwd":"CWD","tool_name":"run_shell_command","tool_input":{"command":"rm -rf x"}}`
	s := onTerminal(t, "printf '%s' '"+in+"' | sed \"s|CWD|$PWD|\" > in; timeout 60 bailey hook gemini < in | cat; echo over")
	if said := s.expect("over"); !strings.Contains(said, `"decision":"ask"`) {
		t.Error(said)
	}
	s.ended()
}

// TestOutOfReach: a box reaches neither the sockets at which answers are given nor
// what is kept of them, also with a directory around them named.
func TestOutOfReach(t *testing.T) {
	policy, port := asking(t)
	s := onTerminal(t, "exec bailey approve")
	s.expect("waiting for questions")
	state := filepath.Join(filepath.Dir(s.cmd.Dir), "state")
	script := "ls -R " + state + " 2>&1; echo x > " + state + "/bailey/grants.json; bailey approve --list 2>&1; " + reach("b.test", port)
	var out bytes.Buffer
	cmd := s.headless("run", "-q", "--config", policy, "--read", state, "--", "bash", "-c", script)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.expect(`"b.test:` + port + `"`)
	s.answer("n", "answer: ")
	cmd.Wait()
	if text := out.String(); strings.Contains(text, ".sock") || strings.Contains(text, `"id"`) || !strings.Contains(text, "b.test refused") {
		t.Errorf("the box saw\n%s", text)
	}
	if _, err := os.Stat(filepath.Join(state, "bailey", "grants.json")); err == nil {
		t.Error("the box wrote the grants")
	}
	s.typed("\x03")
	s.ended()
}
