package policy

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHash(t *testing.T) {
	base := Hash(world{}.load(t))
	if base != Hash(world{}.load(t)) || len(base) != 64 {
		t.Errorf("hash %s", base)
	}
	order := world{files: map[string]string{userFile: "[files]\ndeny=[\"a\",\"b\"]"}}.load(t)
	other := world{files: map[string]string{projFile: "\n\n[files]\ndeny=[\"b\",\"a\"]"}}.load(t)
	if Hash(order) != Hash(other) {
		t.Errorf("the hash depends on order or source")
	}
	seen := map[string]string{base: "nothing"}
	for _, text := range []string{
		"mode = \"read-only\"", "approval = \"never\"", "min-tier = \"none\"", "extends = [\"go\"]",
		"[files]\nread=[\"/a\"]", "[files]\nread=[\"/b\"]", "[files]\nwrite=[\"/a\"]", "[files]\ndeny=[\"/a\"]", "[files]\nprotect=[\"/a\"]", "[files]\ncaches=[\"/a\"]", "[files]\ncaches=[{path=\"/a\",env=\"A\"}]",
		"[files]\netc=[\"a\"]", "[files]\nsystem=[\"/a\"]", "files.missing=\"error\"", "files.nested-git=\"hold\"", "files.strict=true",
		"env.allow=[\"A\"]", "env.deny=[\"A\"]", "env.set.A=\"\"", "env.set.A=\"1\"", "limits.memory=1", "limits.pids=1", "limits.cpu=1", "limits.file-size=1", "limits.open-files=1",
		"limits.scratch=1", "limits.timeout=1", "limits.timeout=\"none\"", "limits.output=1", "limits.output-rate=1", "process.debug=true", "exec.supervise=\"off\"", "files.read=[\"/a\", \"/b\"]",
	} {
		h := Hash(world{files: map[string]string{userFile: text}}.load(t))
		if was, ok := seen[h]; ok {
			t.Errorf("%q and %q have one hash", text, was)
		}
		seen[h] = text
	}
}

func TestLint(t *testing.T) {
	if found := Lint(world{names: []string{"go.mod", "package.json", "Cargo.toml", "pom.xml", "Gemfile", "setup.py", "Makefile"}}.load(t)); len(found) != 0 {
		t.Errorf("the built-in profiles have findings: %+v", found)
	}
	for _, c := range []struct{ text, key, value, says string }{
		{"[files]\nread=[\"~/a/b\"]\ndeny=[\"~/a\"]", "files.read", "/home/ann/a/b", "never in force: /home/ann/a"},
		{"[files]\nwrite=[\"~/a\"]\ndeny=[\"~/a\"]", "files.write", "/home/ann/a", "never in force"},
		{"[files]\ncaches=[\"~/a\"]\ndeny=[\"~/a\"]", "files.caches", "/home/ann/a", "never in force"},
		{"[files]\ndeny=[\"~/src\"]", "files.deny", "/home/ann/src", "hides the workspace"},
		{"[files]\ndeny=[\"~/a\", \"~/a/b\"]", "files.deny", "/home/ann/a/b", "already hidden by /home/ann/a"},
		{"[files]\ndeny=[\"**/*.*\"]", "files.deny", "**/*.*", "nearly everything"},
		{"[files]\nwrite=[\"~/x/.vscode/y\"]", "files.write", "/home/ann/x/.vscode/y", "inside .vscode, which is protected"},
		{"[files]\nwrite=[\"~/z/.config/fish\"]", "files.write", "/home/ann/z/.config/fish", "inside **/.config/fish"},
		{"[files]\nwrite=[\"~/x\", \"~/x/y\"]", "files.write", "/home/ann/x/y", "already writable through"},
		{"[files]\nread=[\"~/x\"]\nwrite=[\"~/x\"]", "files.read", "/home/ann/x", "already writable through"},
		{"[files]\nread=[\"~\"]", "files.read", "/home/ann", "whole home directory"},
		{"[files]\nread=[\"/home\"]", "files.read", "/home", "whole home directory"},
		{"[env]\nallow=[\"*\"]", "env.allow", "*", "whole environment"},
		{"[env]\nallow=[\"FOO_*\"]", "env.allow", "FOO_*", "a pattern for names"},
		{"[env]\nallow=[\"FOO\"]\ndeny=[\"F*\"]", "env.allow", "FOO", "never in force: F*"},
		{"[env]\nallow=[\"FOO_TOKEN\"]", "env.allow", "FOO_TOKEN", "looks like a secret"},
		{"[env]\nset={FOO_TOKEN=\"x\"}", "env.set", "FOO_TOKEN", "read by everybody"},
		{"[env]\nset={FOO=\"x\"}\ndeny=[\"FOO\"]", "env.set", "FOO", "never in force"},
		{"mode=\"danger-full-access\"", "mode", "danger-full-access", "no walls"},
		{"min-tier=\"none\"", "min-tier", "none", "nothing can be enforced"},
		{"limits.pids=\"none\"", "limits.pids", "none", "use up"},
	} {
		found := Lint(world{files: map[string]string{userFile: c.text}}.load(t))
		if len(found) != 1 || found[0].Key != c.key || found[0].Value != c.value || !strings.Contains(found[0].Problem, c.says) || found[0].From.File != userFile {
			t.Errorf("%q: findings %+v", c.text, found)
		}
	}
}

func TestShow(t *testing.T) {
	p := world{trusted: true, names: []string{"go.mod"}, files: map[string]string{
		userFile: "[env.set]\nMY_TOKEN = \"hush\"\nPLAIN = \"seen\"\n[limits]\npids = \"none\"\n",
		projFile: "[files]\nread = [\"a\\nb\"]\n",
	}, flags: Overrides{Mode: "read-only"}}.load(t)
	text := Show(p)
	for _, want := range []string{
		"# project " + projFile + " (trusted)\n", "mode = read-only ", "# --mode\n", "detected:go.mod", "profile:default:", "limits.memory = 8GiB", "limits.pids = none",
		"MY_TOKEN=(hidden)", "PLAIN=seen", `"/home/ann/src/app/a\nb"`, "files.strict = false",
	} {
		wantIn(t, text, want)
	}
	if strings.Contains(text, "hush") || strings.Contains(text, "\x1b") {
		t.Errorf("the secret is printed:\n%s", text)
	}
	raw, err := json.Marshal(Redact(p))
	if err != nil || strings.Contains(string(raw), "hush") {
		t.Errorf("json %v: %s", err, raw)
	}
	if p.Env.Set["MY_TOKEN"].V != "hush" {
		t.Errorf("redacting changed the policy itself")
	}
}

// The JSON of a policy is read by other programs: what went in comes out.
func TestJSON(t *testing.T) {
	p := world{names: []string{"go.mod"}, flags: Overrides{Deny: []string{"x"}}}.load(t)
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), "null") {
		t.Errorf("an empty list is null: %s", raw)
	}
	var back Policy
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*p, back); diff != "" {
		t.Error(diff)
	}
}

func TestInit(t *testing.T) {
	for _, profiles := range [][]string{nil, {"go"}, {"go", "node"}} {
		text := Init(profiles...)
		w := world{files: map[string]string{projFile: text}}
		p := w.load(t)
		if found := Lint(p); len(found) != 0 {
			t.Errorf("findings %+v", found)
		}
		if !has(p.Files.Deny, ".env") {
			t.Errorf("deny %v", p.Files.Deny)
		}
		// With every comment taken off that holds a key, it still decodes.
		var on strings.Builder
		for _, line := range strings.Split(text, "\n") {
			if rest, ok := strings.CutPrefix(line, "# "); ok && strings.Contains(rest, " = ") {
				line = rest
			}
			on.WriteString(line + "\n")
		}
		w = world{trusted: true, files: map[string]string{projFile: on.String()}}
		if p := w.load(t); p.Files.NestedGit.V != "hold" {
			t.Errorf("nested-git %v", p.Files.NestedGit)
		}
	}
}

// docs/policy.md names every key.
func TestDocument(t *testing.T) {
	raw, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	for i := range keys {
		if keys[i].place != inProfile && keys[i].place != inPreset && !strings.Contains(string(raw), "`"+keys[i].name+"`") {
			t.Errorf("docs/policy.md does not have `%s`", keys[i].name)
		}
		for _, word := range keys[i].words {
			if !strings.Contains(string(raw), word) {
				t.Errorf("docs/policy.md does not have %q of %s", word, keys[i].name)
			}
		}
	}
}
