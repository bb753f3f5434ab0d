//go:build linux

package bailey

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bailey-run/bailey/internal/approval"
	"github.com/bailey-run/bailey/internal/inside"
)

// scripted answers by subject; what it does not know it refuses.
type scripted struct {
	mu    sync.Mutex
	yes   map[string]Scope
	asked []Question
	first func(Question) // called before the answer
}

func (s *scripted) Ask(_ context.Context, q Question) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, q)
	if s.first != nil {
		s.first(q)
	}
	scope, ok := s.yes[q.Subject]
	return Answer{Allow: ok, Scope: scope, By: "test", Rule: "asked"}
}

// questions are those that came so far.
func (s *scripted) questions() []Question {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// asking is a shell in a box that does what it is told, line by line.
type asking struct {
	t   *testing.T
	box *Box
	in  io.WriteCloser
	out *bufio.Reader
}

func openAsking(t *testing.T, cfg Config) *asking {
	t.Helper()
	p, err := Prepare(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return askingIn(t, p)
}

func askingIn(t *testing.T, p *Plan) *asking {
	t.Helper()
	box, err := p.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	a := &asking{t: t, box: box}
	cmd := box.Command(context.Background(), "/bin/sh")
	if a.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	a.out = bufio.NewReader(out)
	t.Cleanup(func() {
		a.in.Close()
		cmd.Wait()
		box.Close()
	})
	return a
}

func (a *asking) do(line string) string {
	a.t.Helper()
	if _, err := io.WriteString(a.in, "{ "+line+"; } 2>&1\necho ::end::\n"); err != nil {
		a.t.Fatal(err)
	}
	var b strings.Builder
	for {
		l, err := a.out.ReadString('\n')
		if err != nil {
			a.t.Fatalf("after %q: %v", b.String()+l, err)
		}
		if l == "::end::\n" {
			return b.String()
		}
		b.WriteString(l)
	}
}

// ask sends one line to the socket, with a program that every box here has.
func (a *asking) ask(q inside.Request) inside.Answer {
	a.t.Helper()
	line, _ := json.Marshal(q)
	out := a.send(string(line))
	var x inside.Answer
	if err := json.Unmarshal([]byte(out), &x); err != nil {
		a.t.Fatalf("%v: %s", err, out)
	}
	return x
}

func (a *asking) send(line string) string {
	a.t.Helper()
	const client = `exec 2>&1; perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => $ENV{BAILEY_SOCKET}) or die "connect: $!"; print $s $ARGV[0], "\n"; print while <$s>' -- `
	return a.do("( " + client + "'" + strings.ReplaceAll(line, "'", `'\''`) + "' )")
}

// askingPlace is a project and a directory of the host that no box shows.
func askingPlace(t *testing.T) (project, outer string) {
	t.Helper()
	for _, d := range []*string{&project, &outer} {
		var err error
		if *d, err = filepath.EvalSymlinks(t.TempDir()); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string]string{"data/a": "content\n", "data/b.key": "secret\n", "data/sub/c": "secret\n", "one": "one file\n"} {
		p := filepath.Join(outer, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return project, outer
}

func TestRequestRead(t *testing.T) {
	dir, outer := askingPlace(t)
	data, one := filepath.Join(outer, "data"), filepath.Join(outer, "one")
	who := &scripted{yes: map[string]Scope{data: approval.Session}}
	a := openAsking(t, Config{Dir: dir, Ask: who, Deny: []string{"*.key", filepath.Join(data, "sub")}})
	if out := a.do("cat " + data + "/a"); !strings.Contains(out, "No such file") {
		t.Fatalf("there before: %s", out)
	}
	x := a.ask(inside.Request{Op: "request", Kind: "read", Subject: data, Why: "to test"})
	if !x.Granted || x.Holds != inside.Now {
		t.Fatalf("%+v", x)
	}
	if q := who.questions()[0]; q.Subject != data || q.Why != "to test" || q.PID == 0 || !strings.Contains(q.Exe, "perl") {
		t.Errorf("asked %+v", q)
	}
	if out := a.do("cat " + data + "/a"); out != "content\n" {
		t.Errorf("not shown: %s", out)
	}
	if out := a.do("cat " + data + "/b.key " + data + "/sub/c; echo x > " + data + "/a"); strings.Contains(out, "secret") || strings.Count(out, "ermission denied")+strings.Count(out, "ead-only") < 3 {
		t.Errorf("denied below what is granted: %s", out)
	}
	// The name does not change, which patterns go by.
	if out := a.do("mv " + data + " " + outer + "/x && echo DONE; rm -rf " + data + "; cat " + data + "/a"); strings.Contains(out, "DONE") || !strings.HasSuffix(out, "content\n") {
		t.Errorf("moved or taken away: %s", out)
	}
	// Refused: nothing changes. And what a rule denies is not even asked about.
	if x := a.ask(inside.Request{Op: "request", Kind: "read", Subject: one}); x.Granted {
		t.Errorf("%+v", x)
	}
	n := len(who.questions())
	for _, p := range []string{filepath.Join(data, "b.key"), filepath.Join(data, "sub/c"), "/proc/1/environ", "/etc", "/"} {
		if x := a.ask(inside.Request{Op: "request", Kind: "read", Subject: p}); x.Granted && p != "/etc" && p != "/" && !strings.HasPrefix(p, "/proc") {
			t.Errorf("%s: %+v", p, x)
		}
	}
	if len(who.questions()) != n {
		t.Errorf("a person was asked about what cannot be granted: %+v", who.questions()[n:])
	}
	if out := a.do("cat " + one); !strings.Contains(out, "No such file") {
		t.Errorf("refused and shown: %s", out)
	}
	// A write holds from the next run on, for a project alone.
	if x := a.ask(inside.Request{Op: "request", Kind: "write", Subject: data}); x.Granted {
		t.Errorf("%+v", x)
	}
	// Another box has none of it.
	other := openAsking(t, Config{Dir: dir, Ask: who})
	if out := other.do("cat " + data + "/a"); !strings.Contains(out, "No such file") {
		t.Errorf("another box: %s", out)
	}
}

// TestRequestSwap puts a link to something else in the place of a file while a
// person reads the question.
func TestRequestSwap(t *testing.T) {
	dir, outer := askingPlace(t)
	one, secret := filepath.Join(outer, "one"), filepath.Join(outer, "data/b.key")
	who := &scripted{yes: map[string]Scope{one: approval.Session}}
	who.first = func(Question) {
		os.Remove(one)
		os.Symlink(secret, one)
	}
	a := openAsking(t, Config{Dir: dir, Ask: who})
	if x := a.ask(inside.Request{Op: "request", Kind: "read", Subject: one}); x.Granted {
		t.Errorf("%+v", x)
	}
	if out := a.do("cat " + one + " " + secret); strings.Contains(out, "secret\n") {
		t.Errorf("shown: %s", out)
	}
}

// TestRequestLink asks for a link that the box has made itself: it opens nothing, and
// no answer tells whether there is anything at its end.
func TestRequestLink(t *testing.T) {
	dir, outer := askingPlace(t)
	one := filepath.Join(outer, "one")
	who := &scripted{yes: map[string]Scope{one: approval.Session, filepath.Join(dir, "there"): approval.Session}}
	a := openAsking(t, Config{Dir: dir, Ask: who})
	a.do("ln -s " + one + " there; ln -s " + outer + "/none gone; ln -s " + outer + " up; echo mine >file; ln -s file own")
	for name, open := range map[string]bool{"there": false, "gone": false, "up/one": false, "up/none": false, "own": true, "file": true, "new": true} {
		for _, kind := range []string{"read", "write"} {
			x := a.ask(inside.Request{Op: "request", Kind: kind, Subject: filepath.Join(dir, name)})
			if x.Granted != open || !open && (x.Hint != "ask for the path that it leads to" || x.By != "") {
				t.Errorf("%s %s: %+v", kind, name, x)
			}
		}
	}
	if list := who.questions(); len(list) != 0 {
		t.Errorf("a person was asked: %+v", list)
	}
	// What the box says of itself is no path of the host.
	for kind, open := range map[string]bool{"read": true, "write": false} {
		if x := a.ask(inside.Request{Op: "request", Kind: kind, Subject: inside.Readme}); x.Granted != open || x.By != "" {
			t.Errorf("%s: %+v", kind, x)
		}
	}
	// By the name of what it leads to, it is as ever.
	if x := a.ask(inside.Request{Op: "request", Kind: "read", Subject: one}); !x.Granted || who.questions()[0].Subject != one {
		t.Errorf("%+v", x)
	}
	if out := a.do("cat there"); out != "one file\n" {
		t.Errorf("not shown: %s", out)
	}
}

// TestRequestKeys asks a person who says yes to everything. Keys stay hidden: by their
// name, by where they really are, by a link in what is granted, and below it.
func TestRequestKeys(t *testing.T) {
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"w/a", "dots/keys/id", ".netrc", ".config/gh/hosts.yml", ".config/google-chrome/Cookies", ".config/fine", "docs/a"} {
		must(os.MkdirAll(filepath.Dir(filepath.Join(home, name)), 0o755))
		must(os.WriteFile(filepath.Join(home, name), []byte("content of "+name+"\n"), 0o644))
	}
	must(os.Symlink("dots/keys", home+"/.ssh"))
	must(os.Symlink("../.ssh", home+"/docs/link"))
	for _, kind := range []string{"STATE", "CONFIG", "CACHE"} {
		t.Setenv("XDG_"+kind+"_HOME", t.TempDir())
	}
	who := &scripted{yes: map[string]Scope{}}
	for _, name := range []string{".ssh", ".ssh/id", "dots/keys", "dots/keys/id", ".netrc", "dots", ".config", "docs", "docs/link"} {
		who.yes[filepath.Join(home, name)] = approval.Project
	}
	a := openAsking(t, Config{Dir: home + "/w", Home: home, Ask: who})
	for _, c := range []struct {
		name    string
		granted bool
	}{
		{".ssh", false}, {".ssh/id", false}, {"dots/keys", false}, {"dots/keys/id", false}, {".netrc", false},
		{"dots", true}, {".config", true}, {"docs", true}, {"docs/a", true}, {"docs/link", false}, {"docs/link/id", false}, {"dots/keys/id", false}, {".config/gh", false},
	} {
		if x := a.ask(inside.Request{Op: "request", Kind: "read", Subject: filepath.Join(home, c.name)}); x.Granted != c.granted {
			t.Errorf("%s: %+v", c.name, x)
		}
	}
	for _, q := range who.questions() {
		if name, _ := filepath.Rel(home, q.Subject); !slices.Contains([]string{"dots", ".config", "docs"}, name) {
			t.Errorf("a person was asked about %s", name)
		}
	}
	const read = "; cat dots/keys/id .ssh/id docs/link/id .netrc .config/gh/hosts.yml .config/google-chrome/Cookies .config/fine docs/a"
	// The answers are kept: the next box of the project is opened with them.
	for _, box := range []*asking{a, openAsking(t, Config{Dir: home + "/w", Home: home})} {
		if out := box.do("cd " + home + read); strings.Count(out, "content of") != 2 || !strings.Contains(out, "content of .config/fine\ncontent of docs/a\n") {
			t.Errorf("read: %s", out)
		}
	}
	// What the person's own policy gives is given.
	own := openAsking(t, Config{Dir: home + "/w", Home: home, Read: []string{home + "/.config/gh"}})
	if out := own.do("cd " + home + read); strings.Count(out, "content of") != 3 || !strings.Contains(out, "content of .config/gh/hosts.yml") {
		t.Errorf("read: %s", out)
	}
}

// TestRequestNobody: without anybody to ask the answer is no, and it says nothing
// about what is there.
func TestRequestNobody(t *testing.T) {
	dir, outer := askingPlace(t)
	a := openAsking(t, Config{Dir: dir})
	x := a.ask(inside.Request{Op: "request", Kind: "read", Subject: filepath.Join(outer, "one")})
	y := a.ask(inside.Request{Op: "request", Kind: "read", Subject: filepath.Join(outer, "none")})
	if x.Granted || x.By != "nobody" || x.Reason != y.Reason || x.Hint != y.Hint || y.By != x.By {
		t.Errorf("%+v and %+v", x, y)
	}
}

// TestRequestFlood asks without an end, and sends what is no request.
func TestRequestFlood(t *testing.T) {
	dir, outer := askingPlace(t)
	who := &scripted{}
	a := openAsking(t, Config{Dir: dir, Ask: who})
	for _, bad := range []string{"", "{}", "[]", "x", `{"op":"reload"}`, `{"op":"request","kind":"read","subject":"a"}`, strings.Repeat("x", 20000)} {
		out := a.send(bad)
		// What is too long is cut off: the sender may end by SIGPIPE before it reads why.
		if len(bad) > inside.MaxRequest && (strings.TrimSpace(out) == "" || strings.Contains(out, "ipe") || strings.Contains(out, "reset")) {
			continue
		}
		if !strings.Contains(out, `"error"`) {
			t.Errorf("%.40q: %s", bad, out)
		}
	}
	a.do(`perl -MIO::Socket::UNIX -e 'for (1..100) { $s = IO::Socket::UNIX->new(Peer => $ENV{BAILEY_SOCKET}) or next; print $s "{\"op\":\"request\",\"kind\":\"read\",\"subject\":\"` + outer + `/$_\"}\n"; $s->flush; <$s> }'`)
	if n := len(who.questions()); n == 0 || n > maxAsked {
		t.Errorf("%d questions reached a person", n)
	}
	// It still answers.
	if x := a.ask(inside.Request{Op: "denials"}); x.Error != "" {
		t.Errorf("%+v", x)
	}
}

// TestInside reads what the box says of itself, and tries to change it.
func TestInside(t *testing.T) {
	dir, _ := askingPlace(t)
	a := openAsking(t, Config{Dir: dir, Program: "/bin/true"})
	out := a.do("cat $BAILEY_README; cat /run/bailey/box.json; echo $BAILEY $BAILEY_SESSION $BAILEY_TIER $BAILEY_MODE $BAILEY_APPROVAL; command -v bailey; bailey && echo ran")
	for _, want := range []string{a.box.Session(), "workspace-write", "bailey request --read", `"socket": "/run/bailey/socket"`, "none but this box's own loopback", "/run/bailey/bin/bailey\nran", "full workspace-write on-request"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in: %s", want, out)
		}
	}
	for _, try := range []string{"echo x > /run/bailey/README", "rm /run/bailey/socket", "mv /run/bailey /run/x", "mkdir /run/bailey/x", "cp /bin/sh /run/bailey/bin/bailey", "ln -sf /bin/sh /run/bailey/bin/bailey", "rmdir /run/bailey", "chmod 777 /run/bailey"} {
		if out := a.do(try + " && echo DONE"); strings.Contains(out, "DONE") {
			t.Errorf("%s: %s", try, out)
		}
	}
	if out := a.do("bailey && echo ran"); out != "ran\n" {
		t.Errorf("after the attempts: %s", out)
	}
}

// TestRequestException: nothing is run outside for a box. The answer is what a
// person types, when the policy would let it run, and the session's log has it.
func TestRequestException(t *testing.T) {
	dir, outer := askingPlace(t)
	made := filepath.Join(outer, "made")
	text := "[exceptions.make]\ncommand = \"touch *\"\nreason = \"to test\"\n[exceptions.old]\ncommand = \"touch *\"\nreason = \"to test\"\nexpires = 2020-01-01\n"
	user := filepath.Join(outer, "user.toml")
	if err := os.WriteFile(user, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(outer, "log")
	who := &scripted{yes: map[string]Scope{"touch " + made: approval.Once, "make": approval.Once}}
	a := openAsking(t, Config{Dir: dir, Ask: who, PolicyFile: user, Log: log})
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"make", []string{"touch", made, "a b; c"}, "bailey run --exception make -- touch " + made + " 'a b; c'"},
		{"make", nil, "name the command"},
		{"make", []string{"rm", made}, "the exception make is for touch *"},
		{"make", []string{"touch", "$(id)"}, `-- touch '$(id)'`},
		{"old", []string{"touch", made}, "ended on 2020-01-01"},
		{"none", []string{"touch", made}, "there is no exception none"},
	} {
		x := a.ask(inside.Request{Op: "request", Kind: "exception", Subject: c.name, Args: c.args})
		if x.Granted || !strings.Contains(x.Reason+"\n"+x.Hint, c.want) {
			t.Errorf("%s %q: %+v", c.name, c.args, x)
		}
	}
	if n := len(who.questions()); n != 0 {
		t.Errorf("a person was asked %d times", n)
	}
	if _, err := os.Stat(made); err == nil {
		t.Error("it ran")
	}
	a.box.Close()
	events, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(events); strings.Count(s, `"kind":"exception"`) != 6 || strings.Count(s, `"by":"policy"`) != 6 {
		t.Errorf("the log has\n%s", s)
	}
}

// silent is a person who says nothing.
type silent struct {
	asked chan Question
	over  chan struct{} // a question was taken back
}

func (s *silent) Ask(ctx context.Context, q Question) Answer {
	s.asked <- q
	<-ctx.Done()
	s.over <- struct{}{}
	return Answer{Allow: true, Scope: ScopeSession, By: "test"} // too late
}

// TestRequestUnanswered: a question that nobody answers in time is a no, and so is an
// answer that comes after it. A program that ends takes its question back.
func TestRequestUnanswered(t *testing.T) {
	dir, outer := askingPlace(t)
	one, data := filepath.Join(outer, "one"), filepath.Join(outer, "data")
	who := &silent{asked: make(chan Question, 9), over: make(chan struct{}, 9)}
	p, err := Prepare(Config{Dir: dir, Ask: who})
	if err != nil {
		t.Fatal(err)
	}
	a := askingIn(t, p)
	wait := func() {
		t.Helper()
		<-who.asked
		select {
		case <-who.over:
		case <-time.After(time.Minute):
			t.Fatal("the question stays")
		}
	}
	a.do(`perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => $ENV{BAILEY_SOCKET}) or die; print $s qq({"op":"request","kind":"read","subject":"` + data + `"}\n); $s->flush; select undef, undef, undef, 0.2'`)
	wait()
	r := a.box.asks
	r.mu.Lock()
	r.patience = 100 * time.Millisecond
	r.mu.Unlock()
	x := a.ask(inside.Request{Op: "request", Kind: "read", Subject: one})
	if x.Granted || x.By != "nobody" || x.Reason != "nobody answered in time" {
		t.Errorf("%+v", x)
	}
	wait()
	if out := a.do("cat " + one + " " + data + "/a"); strings.Count(out, "No such file") != 2 {
		t.Errorf("shown: %s", out)
	}
	if x := a.ask(inside.Request{Op: "grants"}); len(x.Grants) > 0 {
		t.Errorf("%+v", x)
	}
}
