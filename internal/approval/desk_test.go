package approval

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// person is an asker made of a function.
type person func(ctx context.Context, q Question) Answer

func (p person) Ask(ctx context.Context, q Question) Answer { return p(ctx, q) }

func host(name string) Question { return Question{Kind: Network, Subject: name + ":443"} }

// TestDeskOrder: the policy, grants, the answers of the session, a person, a program.
func TestDeskOrder(t *testing.T) {
	dir, project := t.TempDir(), t.TempDir()
	asked := map[string]int{}
	desk := func() *Desk {
		return &Desk{Project: project, Grants: Open(dir), Person: person(func(_ context.Context, q Question) Answer {
			asked[q.Subject]++
			name, _, _ := strings.Cut(q.Subject, ".")
			return map[string]Answer{
				"once": {Allow: true, Scope: Once}, "session": {Allow: true, Scope: Session}, "project": {Allow: true, Scope: Project}, "never": {Scope: Always},
				"short": {Allow: true, Scope: Session, Expires: time.Now().Add(-time.Second)},
			}[name]
		})}
	}
	d := desk()
	for _, c := range []struct {
		name  string
		allow bool
		asked int // by two questions of this box and one of another
	}{{"once.test", true, 3}, {"session.test", true, 2}, {"project.test", true, 1}, {"never.test", false, 1}, {"short.test", true, 3}, {"other.test", false, 3}} {
		for range 2 {
			if a := d.Ask(t.Context(), host(c.name)); a.Allow != c.allow || a.Rule == "" {
				t.Errorf("%s: %+v", c.name, a)
			}
		}
		if a := desk().Ask(t.Context(), host(c.name)); a.Allow != c.allow {
			t.Errorf("%s in another box: %+v", c.name, a)
		}
		if n := asked[c.name+":443"]; n != c.asked {
			t.Errorf("%s: asked %d times, not %d", c.name, n, c.asked)
		}
	}
	// Taken back while the box runs.
	if _, err := Open(dir).Remove(true); err != nil {
		t.Fatal(err)
	}
	if d.Ask(t.Context(), host("project.test")); asked["project.test:443"] != 2 {
		t.Error("a grant that was taken back counts")
	}
	// A denial that is kept beats the answers of the session.
	if _, err := Open(dir).Add(Grant{Kind: Network, Subject: "session.test:443", Scope: Always, By: "terminal"}); err != nil {
		t.Fatal(err)
	}
	if a := d.Ask(t.Context(), host("session.test")); a.Allow || a.By != "grant" {
		t.Errorf("%+v", a)
	}
	never := desk()
	never.Never = "because"
	if a := never.Ask(t.Context(), host("once.test")); a.Allow || a.Rule != "because" {
		t.Errorf("%+v", a)
	}
	none := desk()
	none.NoKeep = "because"
	if a := none.Ask(t.Context(), host("project.test")); a.Scope != Once {
		t.Errorf("kept against the policy: %+v", a)
	}
	// A store that cannot be read denies.
	if err := os.WriteFile(Open(dir).file.Path(), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if a := d.Ask(t.Context(), host("once.test")); a.Allow || !strings.Contains(a.Rule, "cannot be understood") {
		t.Errorf("%+v", a)
	}
}

// TestDeskNobody: without anybody the answer is no, at once; a program may answer
// in place of a person, and a person who cannot be reached makes room.
func TestDeskNobody(t *testing.T) {
	program := person(func(_ context.Context, q Question) Answer { return Answer{Allow: true, By: "delegate"} })
	gone := person(func(context.Context, Question) Answer { return Answer{By: Nobody, Rule: "nobody to ask: gone"} })
	for _, c := range []struct {
		desk *Desk
		want string
	}{{&Desk{}, "nobody to ask"}, {&Desk{Program: program}, "asked: yes by delegate"}, {&Desk{Person: gone}, "nobody to ask: gone"}, {&Desk{Person: gone, Program: program}, "asked: yes by delegate"}} {
		if a := c.desk.Ask(t.Context(), host("a.test")); a.Rule != c.want || a.Allow != strings.Contains(c.want, "yes") {
			t.Errorf("%+v, want %s", a, c.want)
		}
	}
	deaf := person(func(ctx context.Context, _ Question) Answer { <-ctx.Done(); return Answer{Allow: true} })
	d := &Desk{Person: deaf, patience: 50 * time.Millisecond}
	if a := d.Ask(t.Context(), host("a.test")); a.Allow || a.Rule != "nobody answered in time" {
		t.Errorf("%+v", a)
	}
}

// TestDeskElsewhere: the first answer counts, and when the last one who waits
// elsewhere has gone there is nobody.
func TestDeskElsewhere(t *testing.T) {
	left := make(chan struct{})
	d := &Desk{Others: func(context.Context) <-chan struct{} { return left }, Person: person(func(ctx context.Context, _ Question) Answer { <-ctx.Done(); return Answer{} })}
	answer := make(chan Answer)
	go func(d *Desk) { answer <- d.Ask(t.Context(), host("a.test")) }(d)
	for len(d.Pending()) == 0 {
		time.Sleep(time.Millisecond)
	}
	id := d.Pending()[0].ID
	if err := d.Give("q00000000", Answer{Allow: true}); err == nil {
		t.Error("a question that does not wait was answered")
	}
	if err := d.Give(id, Answer{Allow: true, Scope: Always}); err == nil {
		t.Error("a scope that is not offered was taken")
	}
	if err := d.Give(id, Answer{Allow: true, Scope: Session, By: "approve"}); err != nil {
		t.Error(err)
	}
	if a := <-answer; !a.Allow || a.By != "approve" {
		t.Errorf("%+v", a)
	}
	d = &Desk{Others: func(context.Context) <-chan struct{} { return left }} // without a person
	go func(d *Desk) { answer <- d.Ask(t.Context(), host("b.test")) }(d)
	for len(d.Pending()) == 0 {
		time.Sleep(time.Millisecond)
	}
	close(left)
	if a := <-answer; a.Allow || a.Rule != "nobody to ask" {
		t.Errorf("%+v", a)
	}
}

// TestDeskShares: the same question is asked once, a flood is bounded, and Close
// denies what waits.
func TestDeskShares(t *testing.T) {
	var asked atomic.Int64
	open := make(chan struct{})
	d := &Desk{Person: person(func(ctx context.Context, _ Question) Answer {
		asked.Add(1)
		select {
		case <-open:
		case <-ctx.Done():
		}
		return Answer{Allow: true}
	})}
	var wait sync.WaitGroup
	var yes atomic.Int64
	for range 20 {
		wait.Go(func() {
			if d.Ask(t.Context(), host("a.test")).Allow {
				yes.Add(1)
			}
		})
	}
	for {
		d.mu.Lock()
		n := 0
		if len(d.pending) > 0 {
			n = d.pending[0].waiters
		}
		d.mu.Unlock()
		if n == 20 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	close(open)
	wait.Wait()
	if asked.Load() != 1 || yes.Load() != 20 {
		t.Errorf("asked %d times, %d allowed", asked.Load(), yes.Load())
	}
	d.Person = person(func(ctx context.Context, _ Question) Answer { <-ctx.Done(); return Answer{} })
	var many atomic.Int64
	for i := range maxPending + 40 {
		wait.Go(func() {
			if a := d.Ask(t.Context(), host(fmt.Sprint("h", i))); a.Rule == "too many questions wait for an answer" {
				many.Add(1)
			} else if a.Allow {
				t.Errorf("%+v", a)
			}
		})
	}
	for many.Load() < 40 || len(d.Pending()) < maxPending {
		time.Sleep(time.Millisecond)
	}
	d.Close()
	wait.Wait()
	if a := d.Ask(t.Context(), host("late")); a.Allow {
		t.Error("a closed desk allows")
	}
}

// TestNotKept: what cannot be shown exactly is answered for this once.
func TestNotKept(t *testing.T) {
	d := &Desk{Project: t.TempDir(), Grants: Open(t.TempDir()), Person: person(func(_ context.Context, q Question) Answer {
		if len(q.Scopes) > 0 {
			t.Errorf("%q is offered for %v", q.Subject, q.Scopes)
		}
		return Answer{Allow: true, Scope: Always}
	})}
	for _, q := range []Question{
		{Kind: Command, Subject: "a\nb"}, {Kind: Command, Subject: "a\x1b[2K"}, {Kind: Command, Subject: "a\u202eb"}, {Kind: Command, Subject: strings.Repeat("x", maxShown+1)},
		{Kind: Command, Subject: "rm $x", Unclear: true},
	} {
		if a := d.Ask(t.Context(), q); !a.Allow || a.Scope != Once {
			t.Errorf("%.20q: %+v", q.Subject, a)
		}
	}
	if l := list(t, d.Grants); len(l) != 0 {
		t.Errorf("kept: %+v", l)
	}
}

// board is a terminal of a test: it keeps what is drawn and types what it is told.
type board struct {
	rows, cols int
	keys       chan string
	drawn      chan string
	left       atomic.Int64
}

func (b *board) Enter(context.Context) (Show, error) { return b, nil }
func (b *board) Draw(text string)                    { b.drawn <- text }
func (b *board) Size() (int, int)                    { return b.rows, b.cols }
func (b *board) Keys() <-chan string                 { return b.keys }
func (b *board) Leave()                              { b.left.Add(1) }

// TestHundred: a hundred questions at once are one list; only what was shown is
// answered by one key.
func TestHundred(t *testing.T) {
	b := &board{rows: 40, cols: 80, keys: make(chan string), drawn: make(chan string, 200)}
	d := &Desk{Person: NewTerminal(b)}
	var allowed atomic.Int64
	var wait sync.WaitGroup
	ask := func(name string) {
		wait.Go(func() {
			if d.Ask(t.Context(), host(name)).Allow {
				allowed.Add(1)
			}
		})
	}
	ask("first")
	if text := <-b.drawn; !strings.Contains(text, `"first:443"`) {
		t.Fatalf("drawn %q", text)
	}
	for i := range 100 {
		ask(fmt.Sprintf("host%d.test", i))
	}
	term := d.Person.(*Terminal)
	for {
		term.mu.Lock()
		n := len(term.queue)
		term.mu.Unlock()
		if n == 101 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	b.keys <- "n"
	shown := 0
	for prompts := 0; shown < 100; prompts++ {
		text := <-b.drawn
		n := strings.Count(text, "connect to")
		if !strings.Contains(text, "questions wait") {
			// The last two are asked one by one.
			n = 1
			shown++
			b.keys <- "y"
			continue
		}
		if strings.Count(text, "\n") > b.rows {
			t.Errorf("it does not fit:\n%s", text)
		}
		if prompts == 0 && !strings.HasPrefix(text, "bailey: 100 questions wait") {
			t.Errorf("drawn %q", text)
		}
		if prompts > 20 {
			t.Fatalf("%d prompts", prompts)
		}
		shown += n
		b.keys <- "Y"
	}
	wait.Wait()
	if allowed.Load() != 100 {
		t.Errorf("%d allowed", allowed.Load())
	}
}

// TestPromptShows: the subject whole, nothing that can act on a terminal, and what
// each answer grants.
func TestPromptShows(t *testing.T) {
	b := &board{rows: 24, cols: 80, keys: make(chan string), drawn: make(chan string, 10)}
	project := t.TempDir()
	d := &Desk{Project: project, Grants: Open(t.TempDir()), Person: NewTerminal(b)}
	answer := make(chan Answer)
	ask := func(q Question) string {
		go func() { answer <- d.Ask(t.Context(), q) }()
		return <-b.drawn
	}
	text := ask(Question{Kind: Command, Subject: "git push", Why: "trust me\x1b[2J\r\u202e y allows nothing", Exe: "/bin/\x1b]0;x\a", Rule: "Bash(git push *)", Where: "/p/bailey.toml:2:1"})
	if strings.ContainsAny(text, "\x1b\r\a\u202e") {
		t.Errorf("drawn %q", text)
	}
	for _, want := range []string{`"git push"`, `it says  "trust me\x1b[2J`, `"Bash(git push *)" at "/p/bailey.toml:2:1"`, "s  yes, in this session", "p  yes, in this project", "a  yes, always", "A  never and nowhere"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	for _, key := range []string{"x", "yy", "\x1b[A", ""} {
		b.keys <- key
		<-b.drawn
	}
	b.keys <- "e"
	if text := <-b.drawn; !strings.Contains(text, "ends in 1 hour") {
		t.Errorf("drawn %q", text)
	}
	b.keys <- "w"
	<-b.drawn
	b.keys <- "okx\x7f\r"
	if text := <-b.drawn; !strings.Contains(text, `a note: "ok"`) {
		t.Errorf("drawn %q", text)
	}
	b.keys <- "p"
	if a := <-answer; !a.Allow || a.Scope != Project || a.Note != "ok" || a.Expires.Before(time.Now().Add(30*time.Minute)) {
		t.Errorf("%+v", a)
	}
	// More than fits: there is no yes.
	text = ask(Question{Kind: Command, Subject: strings.Repeat("long ", 400) + "end"})
	if strings.Contains(text, "  y  ") || !strings.Contains(text, "does not fit") {
		t.Errorf("drawn %q", text)
	}
	b.keys <- "y"
	<-b.drawn
	b.keys <- "n"
	if a := <-answer; a.Allow {
		t.Errorf("%+v", a)
	}
}

// TestPromptFits: on a screen where not all of a question is in sight, nothing is
// granted by a key, whether it was small before the question came or became so.
func TestPromptFits(t *testing.T) {
	for _, size := range [...]struct {
		rows, cols int
		yes, kept  bool
	}{{24, 80, true, true}, {12, 80, true, false}, {12, 30, false, false}, {5, 20, false, false}, {3, 10, false, false}, {1, 1, false, false}} {
		b := &board{rows: size.rows, cols: size.cols, keys: make(chan string), drawn: make(chan string, 10)}
		d := &Desk{Project: t.TempDir(), Grants: Open(t.TempDir()), Person: NewTerminal(b)}
		answer := make(chan Answer)
		go func() {
			answer <- d.Ask(t.Context(), Question{Kind: Command, Subject: "git push", Why: "to help", Exe: "/usr/bin/dash", Rule: "Bash(git push *)", Where: "/p/bailey.toml:2:1"})
		}()
		text := <-b.drawn
		if strings.Contains(text, "\n  y  ") != size.yes || strings.Contains(text, "\n  p  ") != size.kept {
			t.Errorf("%dx%d: drawn\n%s", size.rows, size.cols, text)
		}
		if (size.yes || size.kept) && !fits(text, size.rows, size.cols) {
			t.Errorf("%dx%d does not fit:\n%s", size.rows, size.cols, text)
		}
		if !size.yes {
			b.keys <- "y"
			<-b.drawn
		}
		if !size.kept {
			b.keys <- "p"
			<-b.drawn
		}
		b.keys <- "n"
		if a := <-answer; a.Allow {
			t.Errorf("%dx%d: %+v", size.rows, size.cols, a)
		}
	}

	b := &board{rows: 24, cols: 80, keys: make(chan string), drawn: make(chan string, 10)}
	d := &Desk{Person: NewTerminal(b)}
	answer := make(chan Answer)
	go func() { answer <- d.Ask(t.Context(), host("h.test")) }()
	<-b.drawn
	b.rows = 4
	b.keys <- "y"
	if text := <-b.drawn; strings.Contains(text, "\n  y  ") {
		t.Errorf("drawn\n%s", text)
	}
	b.keys <- "n"
	if a := <-answer; a.Allow {
		t.Errorf("%+v", a)
	}
}
