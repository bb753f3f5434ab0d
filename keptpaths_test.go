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
