package bailey

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bailey-run/bailey/internal/approval"
	"github.com/bailey-run/bailey/internal/layers"
)

// TestGranted holds what kept answers change in a decision: what rules ask they
// answer, what rules allow they can take back, and nothing that a rule denies do they
// give.
func TestGranted(t *testing.T) {
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_STATE_HOME", "")
	project, other := filepath.Join(home, "project"), filepath.Join(home, "other")
	for _, dir := range []string{filepath.Join(project, "sub"), filepath.Join(project, ".git"), other} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(home, "policy.toml")
	rules := "[permissions]\nallow = [\"Bash(make *)\"]\nask = [\"Bash(deploy *)\"]\ndeny = [\"Bash(deploy prod)\"]\n"
	facts, err := layers.Look(project, home)
	if err != nil {
		t.Fatal(err)
	}
	command := func(subject string, allow bool) approval.Grant {
		return approval.Grant{Kind: approval.Command, Subject: subject, Allow: allow, Scope: approval.Project, Project: project, By: "terminal"}
	}
	elsewhere, over := command("deploy test", true), command("deploy test", true)
	elsewhere.Project = other
	over.Expires = time.Now().Add(-time.Hour)
	always := command("deploy test", true)
	always.Scope, always.Project = approval.Always, ""
	for _, c := range []struct {
		name  string
		grant approval.Grant
		more  string // of the policy
		text  string
		want  Verdict
	}{
		{"no grant is about it", command("deploy other", true), "", "deploy test", Ask},
		{"asked and granted", command("deploy test", true), "", "deploy test", Allow},
		{"always", always, "", "deploy test", Allow},
		{"asked and denied", command("deploy test", false), "", "deploy test", Deny},
		{"allowed and denied", command("make all", false), "", "make all", Deny},
		{"a part of it", command("deploy test", true), "", "deploy test && deploy live", Ask},
		{"with what is allowed", command("deploy test", true), "", "make all && deploy test", Allow},
		{"with what is denied", command("deploy test", true), "", "deploy test; deploy prod", Deny},
		{"denied by a rule", command("deploy prod", true), "", "deploy prod", Deny},
		{"not all in the text", command("deploy $x", true), "", "deploy $x", Ask},
		{"a word more", command("deploy test", true), "", "deploy test now", Ask},
		{"of another project", elsewhere, "", "deploy test", Ask},
		{"over", over, "", "deploy test", Ask},
		{"no grants wanted", command("deploy test", true), "grants = \"none\"\n", "deploy test", Ask},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(rules+c.more), 0o600); err != nil {
				t.Fatal(err)
			}
			store := approval.Open(facts.StateDir)
			if _, err := store.Remove(true); err != nil {
				t.Fatal(err)
			}
			if _, err := store.Add(c.grant); err != nil {
				t.Fatal(err)
			}
			p, err := LoadPolicy(Config{Dir: project, Home: home, PolicyFile: file})
			if err != nil {
				t.Fatal(err)
			}
			if d := p.CheckShell(c.text, ""); d.Verdict != c.want {
				t.Errorf("%+v", d)
			}
			if d := p.At(filepath.Join(project, "sub")).CheckShell(c.text, ""); d.Verdict != c.want {
				t.Errorf("in another directory: %+v", d)
			}
			alone, err := LoadPolicyFile(project, file)
			if err != nil {
				t.Fatal(err)
			}
			if d := alone.CheckShell(c.text, ""); c.want == Allow && d.Verdict == Allow {
				t.Errorf("by the file alone: %+v", d)
			}
		})
	}
}
