//go:build linux

package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bailey-run/bailey"
)

// askPolicy writes a policy for one test.
func askPolicy(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "p.toml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// hostFile makes a file of the host that no box shows.
func hostFile(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("host content\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// gone waits until the question is off the screen.
func (s *session) gone() {
	s.t.Helper()
	s.expect("\x1b[?1049l")
}

// asks starts a box that runs a script, on a terminal. What the script prints goes to a
// file: on the terminal it may come before a question or after it.
func asks(t *testing.T, flags, script string) *session {
	t.Helper()
	file := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(file, []byte("exec >out 2>&1\n"+script), 0o644); err != nil {
		t.Fatal(err)
	}
	return onTerminal(t, "exec bailey run -q --read "+file+" "+flags+" -- bash "+file)
}

// printed is what the script has printed when the box has ended.
func (s *session) printed() string {
	s.t.Helper()
	s.ended()
	out, err := os.ReadFile(filepath.Join(s.cmd.Dir, "out"))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(out)
}

// questions is how often the terminal was taken for some.
func (s *session) questions() int { return strings.Count(s.shown(), "\x1b[?1049h") }

// TestRequestNet: a host that the policy does not name is reached once a person has
// said so, and no other.
func TestRequestNet(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("reached")) }))
	defer web.Close()
	_, port, _ := net.SplitHostPort(web.Listener.Addr().String())
	policy := askPolicy(t, "[network]\nallow = [\"c.test\"]\n[network.hosts]\n\"a.test\" = \"127.0.0.1\"\n\"b.test\" = \"127.0.0.1\"\n")
	// A protocol that names its host: a rule of a host and a port is for those.
	get := func(host string) string {
		return "{ exec 3<>/dev/tcp/" + host + "/" + port + " && printf 'GET / HTTP/1.0\\r\\nHost: " + host + ":" + port + "\\r\\n\\r\\n' >&3 && tail -n 1 <&3 && echo; } 2>/dev/null || echo refused"
	}
	a := get("a.test")
	s := asks(t, "--config "+policy, a+"\nbailey request --net a.test:"+port+" --why tests; echo code $?\n"+a+"\n"+get("b.test")+"\nbailey request --list\n")
	s.expect("wants to connect to")
	s.expect(`"a.test:` + port + `"`)
	s.expect(`it says  "tests"`)
	s.expect("once is until the box ends")
	s.answer("s", "note: ")
	at := "a.test:" + port
	want := "refused\nbailey: granted: network " + at + " (session)\ncode 0\nreached\nrefused\nnetwork " + at + " (session, now)\n"
	if got := s.printed(); got != want {
		t.Errorf("printed\n%s, not\n%s", got, want)
	}
	if n := s.questions(); n != 1 {
		t.Errorf("%d questions", n)
	}
}

// TestRequestRun: what an ask rule names is asked about, what a rule allows or denies is
// not, and a yes holds for the command itself.
func TestRequestRun(t *testing.T) {
	policy := askPolicy(t, "[permissions]\nask = [\"Bash(touch *)\"]\nallow = [\"Bash(ls *)\"]\ndeny = [\"Bash(rm *)\"]\n")
	s := asks(t, "--config "+policy, `for c in "ls -l" "rm x" "touch a" "touch b" "touch a"; do bailey request --run "$c" --why tests --json | grep granted; echo "$c: ${PIPESTATUS[0]}"; done; touch a && echo ran
`)
	s.expect("wants to run")
	s.expect(`"touch a"`)
	s.answer("s", "note: ")
	s.gone()
	s.expect(`"touch b"`)
	s.answer("n", "note: ")
	yes, no := "  \"granted\": true,\n", "  \"granted\": false,\n"
	if got, want := s.printed(), yes+"ls -l: 0\n"+no+"rm x: 2\n"+yes+"touch a: 0\n"+no+"touch b: 2\n"+yes+"touch a: 0\nran\n"; got != want {
		t.Errorf("printed\n%s, not\n%s", got, want)
	}
	if n := s.questions(); n != 2 {
		t.Errorf("%d questions", n)
	}
}

// TestRequestRefused: a no shows nothing, and one for the session is not asked about
// again.
func TestRequestRefused(t *testing.T) {
	file := hostFile(t)
	s := asks(t, "", "for i in 1 2 3; do bailey request --read "+file+" --why tests 2>&1 | grep -c 'hint: go on without it'; echo ${PIPESTATUS[0]}; done; cat "+file+"\n")
	s.expect("wants to read")
	s.answer("n", "note: ")
	s.gone()
	s.expect("wants to read")
	s.answer("v", "note: ")
	if got := s.printed(); !strings.HasPrefix(got, strings.Repeat("1\n2\n", 3)) || !strings.Contains(got, "No such file") {
		t.Errorf("printed\n%s", got)
	}
	if n := s.questions(); n != 2 {
		t.Errorf("%d questions", n)
	}
}

// TestRequestForAnHour: an answer with an end, from another terminal, is kept with it;
// taken back it closes the file in the running box.
func TestRequestForAnHour(t *testing.T) {
	file := hostFile(t)
	logFile := filepath.Join(t.TempDir(), "log")
	s := asks(t, "--log "+logFile, "bailey request --read "+file+" --why tests; cat "+file+"; touch shown; read -r line; cat "+file+"\n")
	s.expect("wants to read")
	var list []bailey.Waiting
	raw, err := s.headless("approve", "--list", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &list); err != nil || len(list) != 1 {
		t.Fatalf("%s, %v", raw, err)
	}
	if list[0].Kind != bailey.KindRead || list[0].Subject != file || list[0].Why != "tests" {
		t.Errorf("%+v", list[0])
	}
	if out, err := s.headless("approve", list[0].ID, "--allow", "--scope", "project", "--for", "1h").CombinedOutput(); err != nil {
		t.Fatalf("%s, %v", out, err)
	}
	s.gone()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(s.cmd.Dir, "shown")); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if raw, err = s.headless("grants", "ls", "--json").Output(); err != nil {
		t.Fatal(err)
	}
	var kept []bailey.Grant
	if err := json.Unmarshal(raw, &kept); err != nil || len(kept) != 1 || kept[0].Expires.Before(time.Now()) || kept[0].Expires.After(time.Now().Add(2*time.Hour)) {
		t.Fatalf("%s, %v", raw, err)
	}
	out, err := s.headless("grants", "revoke", kept[0].ID).CombinedOutput()
	if err != nil || !regexp.MustCompile(`session .* has it no more: read `+file+`; files that are open there stay open`).Match(out) || !strings.Contains(string(out), "started with a path keeps it") {
		t.Errorf("%s, %v", out, err)
	}
	s.typed("\r")
	if got := s.printed(); !strings.HasPrefix(got, "bailey: granted: read "+file+" (project)\nhost content\n") || !strings.HasSuffix(got, "Permission denied\n") {
		t.Errorf("printed\n%s", got)
	}
	log, err := os.ReadFile(logFile)
	if err != nil || !regexp.MustCompile(`"kind":"read".*"verdict":"allow".*"scope":"project".*"expires":`).Match(log) || !strings.Contains(string(log), "holds no more") {
		t.Errorf("%s, %v", log, err)
	}
}

// TestRequestWrite: a writable path holds from the next run on, and says so.
func TestRequestWrite(t *testing.T) {
	dir := filepath.Dir(hostFile(t))
	s := onTerminal(t, "bailey run -q -- bash -c 'bailey request --write "+dir+" --why tests; echo code $?; echo x > "+dir+"/new || echo not yet'; exec bailey run -q -- bash -c 'echo x > "+dir+"/new && echo written'")
	s.expect("wants to write")
	shown := s.expect("note: ")
	if strings.Contains(shown, "in this session") || !strings.Contains(shown, "in this project") || !strings.Contains(shown, "once opens nothing") {
		t.Errorf("offered: %q", shown)
	}
	s.answer("p", "answer: ")
	s.gone()
	s.expect("granted from the next run on: write " + dir + " (a running box gets no new writable path)")
	s.expect("code 0")
	s.expect("not yet")
	s.expect("written")
	s.ended()
}

// TestOnFailure: what a command was refused is asked about when it has failed, and the
// next run has it.
func TestOnFailure(t *testing.T) {
	dir := filepath.Dir(hostFile(t))
	run := "bailey run -q --full-auto --read " + dir + " -- bash -c 'echo x > " + dir + "/new && echo written; '; "
	s := onTerminal(t, run+run+"bailey grants")
	s.expect("wants to write")
	s.expect(`"` + dir + `"`)
	s.expect("was refused")
	if _, err := os.Stat(filepath.Join(dir, "new")); err == nil {
		t.Error("it was written before anybody was asked")
	}
	s.answer("p", "note: ")
	s.gone()
	s.expect("written")
	s.expect("write")
	s.ended()
}

// TestHundredQuestions: many at once come as lists, and what was not shown is not
// answered with what was.
func TestHundredQuestions(t *testing.T) {
	policy := askPolicy(t, "[permissions]\nask = [\"Bash(touch *)\"]\n")
	logFile := filepath.Join(t.TempDir(), "log")
	s := asks(t, "--log "+logFile+" --config "+policy, "for i in $(seq 100); do { touch f$i 2>/dev/null || echo refused; } & done; wait\n: >over\n")
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(s.cmd.Dir, "over")); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("it does not end; the terminal shows %q", s.shown())
		}
		s.typed("n") // it is the same key for one and for a list
	}
	if got := s.printed(); got != strings.Repeat("refused\n", 100) {
		t.Errorf("printed\n%s", got)
	}
	lists := regexp.MustCompile(`bailey: (\d+) questions wait`).FindAllString(s.shown(), -1)
	if n := s.questions(); len(lists) < 5 || n > 40 {
		t.Errorf("%d times on the screen, lists: %q", n, lists)
	}
	log, err := os.ReadFile(logFile)
	if n := strings.Count(string(log), `"by":"terminal"`); err != nil || n != 100 {
		t.Errorf("%d answers, %v", n, err)
	}
}
