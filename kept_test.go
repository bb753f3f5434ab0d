package bailey

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bailey-run/bailey/internal/approval"
	"github.com/bailey-run/bailey/internal/layers"
)

// A path that was granted for the project is there in its next box, and only while
// the grant holds and leads to what was shown.
func TestKeptPaths(t *testing.T) {
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_STATE_HOME", "")
	project, data := filepath.Join(home, "project"), filepath.Join(home, "data")
	for _, dir := range []string{project, data, filepath.Join(project, ".git")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cfg := Config{Dir: project, Home: home}
	reads := func() string {
		t.Helper()
		p, err := Prepare(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return p.Policy().Text()
	}
	if strings.Contains(reads(), data) {
		t.Fatal("the path is there before it is granted")
	}
	facts, err := layers.Look(project, home)
	if err != nil {
		t.Fatal(err)
	}
	store := approval.Open(facts.StateDir)
	g, err := store.Add(approval.Grant{Kind: approval.Read, Subject: data, Project: project, Allow: true, Scope: approval.Project, By: "terminal"})
	if err != nil {
		t.Fatal(err)
	}
	if got := reads(); !strings.Contains(got, data) && !strings.Contains(got, "~/data") || !strings.Contains(got, "grant "+g.ID) {
		t.Errorf("the granted path is not there, or does not say where it is from:\n%s", got)
	}
	if err := os.Rename(data, data+"2"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/var", data); err != nil {
		t.Fatal(err)
	}
	if got := reads(); strings.Contains(got, "grant "+g.ID) {
		t.Errorf("a link in place of the granted path is followed:\n%s", got)
	}
}

// A host that was granted for the project is there in its next box, a denied one is
// not whatever rules say, and what no rule can say is passed over.
func TestKeptHosts(t *testing.T) {
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_STATE_HOME", "")
	project := filepath.Join(home, "project")
	if err := os.MkdirAll(filepath.Join(project, ".git"), 0o755); err != nil {
		t.Fatal(err)
	}
	facts, err := layers.Look(project, home)
	if err != nil {
		t.Fatal(err)
	}
	store := approval.Open(facts.StateDir)
	for subject, allow := range map[string]bool{"kept.test:443": true, "refused.test:443": false, "host.bailey.internal:5432": true, "127.0.0.1:1": true, "no such host": true} {
		if _, err := store.Add(approval.Grant{Kind: approval.Network, Subject: subject, Project: project, Allow: allow, Scope: approval.Project, By: "terminal"}); err != nil {
			t.Fatal(err)
		}
	}
	verdict := func(cfg Config, target string) Verdict {
		t.Helper()
		cfg.Dir, cfg.Home = project, home
		p, err := Prepare(cfg)
		if err != nil {
			t.Fatal(err)
		}
		d := p.Decide("connect", target)
		if d.Verdict == Allow && target == "kept.test:443" && !strings.Contains(d.Where(), "grant g") {
			t.Errorf("it does not say where it is from: %+v", d)
		}
		return d.Verdict
	}
	allows := Config{AllowNet: []string{"refused.test", "other.test"}}
	for _, c := range []struct {
		cfg    Config
		target string
		want   Verdict
	}{
		{Config{}, "kept.test:443", Allow},
		{Config{}, "kept.test:80", Deny},
		{Config{}, "else.test:443", Deny},
		{Config{}, "host.bailey.internal:5432", Deny},
		{allows, "other.test:443", Allow},
		{allows, "refused.test:443", Deny},
		{allows, "refused.test:80", Allow},
		{Config{DenyNet: []string{"kept.test"}}, "kept.test:443", Deny},
		{Config{Set: []Setting{{Key: "permissions.grants", Value: "none"}}}, "kept.test:443", Deny},
		{Config{Approval: Never}, "kept.test:443", Allow},
	} {
		if got := verdict(c.cfg, c.target); got != c.want {
			t.Errorf("%+v: %s is %s, want %s", c.cfg, c.target, got, c.want)
		}
	}
}
