package approval

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bailey-run/bailey/internal/statefile"
)

func add(t *testing.T, s *Grants, g Grant) Grant {
	t.Helper()
	out, err := s.Add(g)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestGrants(t *testing.T) {
	dir, project, other := filepath.Join(t.TempDir(), "state"), t.TempDir(), t.TempDir()
	s := Open(dir)
	if _, ok, err := s.Find(project, Network, "a.test:443"); ok || err != nil {
		t.Error("an empty store grants", err)
	}
	if _, err := os.Lstat(dir); err == nil {
		t.Error("looking made the directory")
	}
	kept := add(t, s, Grant{Kind: Network, Subject: "a.test:443", Allow: true, Scope: Project, Project: project, By: "terminal"})
	find := func(project, subject string) string {
		g, ok, err := Open(dir).Find(project, Network, subject)
		switch {
		case err != nil:
			return err.Error()
		case !ok:
			return "nothing"
		case g.Allow:
			return "allow"
		}
		return "deny"
	}
	for _, c := range []struct{ project, subject, want string }{
		{project, "a.test:443", "allow"}, {other, "a.test:443", "nothing"}, {"", "a.test:443", "nothing"}, {project, "a.test:80", "nothing"}, {project, "b.a.test:443", "nothing"},
	} {
		if got := find(c.project, c.subject); got != c.want {
			t.Errorf("%s: %s, want %s", c.subject, got, c.want)
		}
	}
	// A denial wins, whichever is older or wider.
	add(t, s, Grant{Kind: Network, Subject: "a.test:443", Scope: Always, By: "terminal"})
	if got := find(project, "a.test:443"); got != "deny" {
		t.Errorf("beside a denial: %s", got)
	}
	// The same again takes the place of the old one.
	add(t, s, Grant{Kind: Network, Subject: "a.test:443", Allow: true, Scope: Always, By: "terminal"})
	if list, err := s.List(); err != nil || len(list) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
	// Uses are counted, and survive a change.
	for range 3 {
		s.Use(kept.ID)
	}
	add(t, s, Grant{Kind: Read, Subject: "/etc/x", Allow: true, Scope: Always, By: "approve"})
	s.Use(kept.ID)
	if list, _ := s.List(); list[0].ID != kept.ID || list[0].Uses != 4 || list[0].Used.IsZero() {
		t.Errorf("%+v", list[0])
	}
	if held, err := Held(dir, other, Read, Write); err != nil || len(held) != 1 || held[0].Subject != "/etc/x" {
		t.Errorf("held %+v, %v", held, err)
	}
	// Another directory at the place of the project is another project.
	if err := os.Rename(project, project+"2"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(project, 0o755); err != nil {
		t.Fatal(err)
	}
	if g := list(t, s)[0]; g.Scope != Project || g.Holds(project, time.Now()) {
		t.Errorf("%+v holds for another directory", g)
	}
	if gone, err := s.Remove(false, kept.ID, "g00000000"); err != nil || len(gone) != 1 {
		t.Errorf("removed %v, %v", gone, err)
	}
	if gone, err := s.Remove(true); err != nil || len(gone) != 2 || len(list(t, s)) != 0 {
		t.Errorf("removed %v, %v", gone, err)
	}
}

func list(t *testing.T, s *Grants) []Grant {
	t.Helper()
	out, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestGrantExpires(t *testing.T) {
	s := Open(t.TempDir())
	add(t, s, Grant{Kind: Tool, Subject: "mcp__a__b", Allow: true, Scope: Always, By: "terminal", Expires: time.Now().Add(-time.Second)})
	add(t, s, Grant{Kind: Tool, Subject: "mcp__a__c", Allow: true, Scope: Always, By: "terminal", Expires: time.Now().Add(time.Hour)})
	for subject, want := range map[string]bool{"mcp__a__b": false, "mcp__a__c": true} {
		if _, ok, err := s.Find("", Tool, subject); ok != want || err != nil {
			t.Errorf("%s: %v, %v", subject, ok, err)
		}
	}
	if l := list(t, s); len(l) != 1 {
		t.Errorf("what has expired is still there: %+v", l)
	}
}

// TestGrantRefused: what cannot be shown is not kept.
func TestGrantRefused(t *testing.T) {
	s := Open(t.TempDir())
	for _, g := range []Grant{
		{Kind: "all", Subject: "x", Scope: Always}, {Kind: Tool, Subject: "", Scope: Always}, {Kind: Tool, Subject: "x", Scope: Session}, {Kind: Tool, Subject: "x"},
		{Kind: Command, Subject: "rm\x1b[2K x", Scope: Always}, {Kind: Command, Subject: "a\nb", Scope: Always}, {Kind: Command, Subject: "a\u202eb", Scope: Always},
		{Kind: Command, Subject: "a\u200bb", Scope: Always}, {Kind: Command, Subject: "a\xff", Scope: Always}, {Kind: Command, Subject: strings.Repeat("x", maxSubject+1), Scope: Always},
		{Kind: Tool, Subject: "x", Scope: Project}, {Kind: Tool, Subject: "x", Scope: Project, Project: "rel"}, {Kind: Tool, Subject: "x", Scope: Always, Project: "/x"},
		{Kind: Tool, Subject: "x", Scope: Always, Note: strings.Repeat("x", maxNote+1)},
	} {
		if _, err := s.Add(g); err == nil {
			t.Errorf("%+v is kept", g)
		}
	}
}

// TestGrantsBroken: a store that is not understood, or not a person's own, is an
// error and grants nothing.
func TestGrantsBroken(t *testing.T) {
	good := `{"version":1,"grants":[{"id":"g00000000","kind":"tool","subject":"x","allow":true,"scope":"always","made":"2026-03-01T12:00:00Z","by":"terminal","uses":0}]}`
	for name, text := range map[string]string{
		"fine": good, "empty": "", "cut": good[:50], "more": good + "{}", "version": strings.Replace(good, "1", "2", 1), "field": strings.Replace(good, `"uses"`, `"used_up"`, 1),
		"id": strings.Replace(good, "g0", "x0", 1), "kind": strings.Replace(good, `"tool"`, `"all"`, 1), "scope": strings.Replace(good, "always", "once", 1), "subject": strings.Replace(good, `"x"`, `"\u202e"`, 1),
		"uses": strings.Replace(good, `"uses":0`, `"uses":-1`, 1),
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, storeName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := Open(dir)
		_, ok, err := s.Find("", Tool, "x")
		var broken *statefile.Error
		if name == "fine" {
			if !ok || err != nil {
				t.Errorf("%s: %v, %v", name, ok, err)
			}
			continue
		}
		if ok || !errors.As(err, &broken) {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
		if _, err := s.Add(Grant{Kind: Tool, Subject: "y", Scope: Always}); err == nil {
			t.Errorf("%s: it was written", name)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, storeName), []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, storeName), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := Open(dir).Find("", Tool, "x"); ok || err == nil {
		t.Errorf("one that others may write: %v, %v", ok, err)
	}
}

// TestGrantsManyWriters: none loses another's grant.
func TestGrantsManyWriters(t *testing.T) {
	dir := t.TempDir()
	var wait sync.WaitGroup
	for i := range 16 {
		wait.Go(func() {
			if _, err := Open(dir).Add(Grant{Kind: Tool, Subject: "t" + string(rune('a'+i)), Scope: Always, By: "terminal"}); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if l := list(t, Open(dir)); len(l) != 16 {
		t.Errorf("%d grants", len(l))
	}
}

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"git push": `"git push"`, "a\"b\\": `"a\"b\\"`, "a\x1b[2K\r\n": `"a\x1b[2K\r\n"`, "\u202e\u200b\ufeff": `"\u202e\u200b\ufeff"`, "\xff": `"\xff"`, "é": `"é"`, "e\u0301": `"e\u0301"`, "\u00a0": `"\u00a0"`,
		"\u3164": `"\u3164"`,
	} {
		if got := Quote(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func FuzzStore(f *testing.F) {
	f.Add([]byte(`{"version":1,"grants":[]}`))
	f.Add([]byte(`{"version":1,"grants":[{"id":"g00000000","kind":"tool","subject":"x","allow":true,"scope":"project","project":"/p","inode":3,"made":"2026-03-01T12:00:00Z","by":"terminal","expires":"2027-03-01T12:00:00Z","note":"n","uses":2}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		grants, err := Open("/s").parse(raw)
		if err != nil && grants != nil {
			t.Error("grants came with an error")
		}
		for i := range grants {
			if g := &grants[i]; g.check() != "" || !Plain(g.Subject) || strings.ContainsAny(Quote(g.Subject+g.Note), "\x1b\n\r\u202e") {
				t.Errorf("%+v", g)
			}
		}
	})
}
