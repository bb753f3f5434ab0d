package imports

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bailey-run/bailey/internal/permission"
	"github.com/bailey-run/bailey/internal/policy"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// samples are testdata/AGENT/CASE/files, which are at those paths below / for the
// importer: home/me is the home directory, home/me/app the project.
func samples(t testing.TB) []string {
	t.Helper()
	dirs, err := filepath.Glob("testdata/*/*/home")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	for i := range dirs {
		dirs[i] = filepath.Dir(dirs[i])
	}
	return dirs
}

func input(t testing.TB, dir string) Input {
	t.Helper()
	in := Input{Agent: filepath.Base(filepath.Dir(dir)), Home: "/home/me", Project: "/home/me/app", Portable: strings.HasSuffix(dir, "-project")}
	err := filepath.WalkDir(filepath.Join(dir, "home"), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(name)
		at := "/" + strings.TrimPrefix(name, dir+"/")
		in.Files = append(in.Files, File{Path: at, Content: content, User: !strings.HasPrefix(at, in.Project+"/")})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(in.Files, func(a, b File) int {
		if a.User != b.User {
			if a.User {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Path, b.Path)
	})
	return in
}

func reportText(report []Line) string {
	var b strings.Builder
	for _, l := range report {
		fmt.Fprintf(&b, "%s:%d:%d: %s: %s: %s: %s\n", l.File, l.Line, l.Column, l.Setting, l.Outcome, l.As, l.Why)
	}
	return b.String()
}

func TestSamples(t *testing.T) {
	for _, dir := range samples(t) {
		t.Run(strings.TrimPrefix(dir, "testdata/"), func(t *testing.T) {
			in := input(t, dir)
			res, err := Import(in)
			if err != nil {
				t.Fatal(err)
			}
			for name, got := range map[string]string{"want.toml": res.Policy, "want.report": reportText(res.Report)} {
				name = filepath.Join(dir, name)
				if *update {
					if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
			calls, err := os.ReadFile(filepath.Join(dir, "calls"))
			if err != nil {
				t.Fatal(err)
			}
			set := load(t, in, res.Policy)
			for line := range strings.Lines(string(calls)) {
				var want, tool, text string
				if want, text, _ = strings.Cut(strings.TrimSpace(line), " "); want == "" || want == "#" {
					continue
				}
				tool, text, _ = strings.Cut(text, " ")
				call := permission.Call{Tool: tool}
				switch tool {
				case "Bash":
					call.Input.Command = text
				case "WebFetch":
					call.Input.URL = text
				default:
					call.Input.Path = text
				}
				d := set.Check(call, permission.Context{Cwd: in.Project, Home: in.Home})
				if string(d.Verdict) != want {
					t.Errorf("%s %s: %s (%s), want %s", tool, text, d.Verdict, d.Reason, want)
				}
			}
		})
	}
}

// load reads a policy as the project's, or the user's.
func load(t testing.TB, in Input, text string) *permission.Set {
	t.Helper()
	file := policy.File{Layer: policy.LayerUser, Path: in.Home + "/.config/bailey/config.toml"}
	if in.Portable {
		file = policy.File{Layer: policy.LayerProject, Path: in.Project + "/bailey.toml"}
	}
	p, err := policy.Load(policy.LoadInput{
		Files: []policy.File{file}, ReadFile: func(string) ([]byte, error) { return []byte(text), nil },
		Trusted: func(string, []byte) bool { return true }, Home: in.Home, StartDir: in.Project, Workspace: in.Project,
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	set, err := permission.New(p)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return set
}

// What cannot be read is an error with its place, and no half of a policy.
func TestUnreadable(t *testing.T) {
	for _, c := range []struct{ agent, name, content, want string }{
		{"claude", "s.json", `{"permissions": {"allow": ["a"`, "/s.json:1:31: expected a comma or ]"},
		{"claude", "s.json", "{\n  \"a\": 1,\n  \"a\": 2}", "/s.json:3:3: the key \"a\" stands twice"},
		{"claude", "s.json", "{} x", "behind the value"},
		{"claude", "s.json", "{ /* ", "does not end"},
		{"claude", "s.json", strings.Repeat("[", 1000), "deeper"},
		{"claude", "s.json", "{\"a\": \"\xff\"}", "not UTF-8"},
		{"claude", "s.json", strings.Repeat(" ", maxFile+1), "larger"},
		{"codex", "config.toml", "a = 1\na = 2\n", "/config.toml:2:1: the key \"a\" stands twice"},
		{"codex", "config.toml", "a = [\n", "/config.toml:"},
		{"codex", "d.rules", "prefix_rule(pattern = [x])", "/d.rules:1:24: expected a string"},
		{"codex", "d.rules", "prefix_rule(pattern = [\"rm\"], decision = \"maybe\")", "none of allow"},
		{"codex", "d.rules", "for x in y:\n  pass\n", "expected \"(\""},
		{"codex", "d.rules", "prefix_rule(decision = \"forbidden\")", "not a list of words"},
		{"vim", "x", "", "no importer"},
	} {
		res, err := Import(Input{Agent: c.agent, Home: "/home/me", Project: "/home/me/app", Files: []File{{Path: "/" + c.name, Content: []byte(c.content)}}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %.40q: %v, want %q", c.agent, c.content, err, c.want)
		}
		if res != nil {
			t.Errorf("%s %.40q: there is a policy", c.agent, c.content)
		}
	}
}

// TestLater holds that a file that counts more takes back what an earlier one allowed.
func TestLater(t *testing.T) {
	for _, c := range []struct{ agent, first, then, call, want string }{
		{"claude", `{"permissions": {"defaultMode": "acceptEdits"}}`, `{}`, "Edit", "allow"},
		{"claude", `{"permissions": {"defaultMode": "acceptEdits"}}`, `{"permissions": {"defaultMode": "default"}}`, "Edit", "ask"},
		{"claude", `{"permissions": {"defaultMode": "acceptEdits"}}`, `{"permissions": {"defaultMode": "dontAsk"}}`, "Edit", "ask"},
		{"claude", `{"permissions": {"defaultMode": "acceptEdits"}}`, `{"permissions": {"defaultMode": "bypassPermissions"}}`, "Edit", "allow"},
		{"claude", `{"permissions": {"allow": ["Edit(./**)"], "defaultMode": "acceptEdits"}}`, `{"permissions": {"defaultMode": "default"}}`, "Edit", "allow"},
		{"claude", `{"sandbox": {"enabled": true}}`, `{}`, "Bash", "allow"},
		{"claude", `{"sandbox": {"enabled": true}}`, `{"sandbox": {"enabled": false}}`, "Bash", "ask"},
		{"claude", `{"sandbox": {"enabled": true}}`, `{"sandbox": {"autoAllowBashIfSandboxed": false}}`, "Bash", "ask"},
		{"claude", `{"sandbox": {"autoAllowBashIfSandboxed": false}}`, `{"sandbox": {"enabled": true}}`, "Bash", "ask"},
		{"claude", `{"sandbox": {"enabled": false}}`, `{"sandbox": {"enabled": true}}`, "Bash", "allow"},
		{"gemini", `{"general": {"defaultApprovalMode": "auto_edit"}}`, `{"general": {"defaultApprovalMode": "default"}}`, "Edit", "ask"},
		{"opencode", `{"permission": "deny"}`, `{}`, "mcp__a__b", "deny"},
		{"opencode", `{"permission": {"my_srv_x": "deny"}}`, `{}`, "mcp__my_srv__x", "deny"},
		{"opencode", `{"tools": {"a_*": false}}`, `{}`, "mcp__a__b", "deny"},
	} {
		in := Input{Agent: c.agent, Home: "/home/me", Project: "/home/me/app", Files: []File{
			{Path: "/home/me/a.json", Content: []byte(c.first), User: true}, {Path: "/home/me/app/b.json", Content: []byte(c.then)},
		}}
		res, err := Import(in)
		if err != nil {
			t.Fatal(err)
		}
		call := permission.Call{Tool: c.call, Input: permission.Input{Path: "x"}}
		if c.call == "Bash" {
			call.Input = permission.Input{Command: "make"}
		}
		d := load(t, in, res.Policy).Check(call, permission.Context{Cwd: in.Project, Home: in.Home})
		if string(d.Verdict) != c.want {
			t.Errorf("%s %s, then %s: %s is %s, want %s\n%s", c.agent, c.first, c.then, c.call, d.Verdict, c.want, res.Policy)
		}
	}
}

func FuzzImport(f *testing.F) {
	for _, dir := range samples(f) {
		in := input(f, dir)
		for _, file := range in.Files {
			f.Add(in.Agent, file.Path, file.Content)
		}
	}
	f.Fuzz(func(t *testing.T, agent, name string, content []byte) {
		if len(content) > 4<<10 || !strings.HasPrefix(name, "/") {
			return
		}
		for _, portable := range []bool{false, true} {
			in := Input{Agent: agent, Home: "/home/me", Project: "/home/me/app", Portable: portable, Files: []File{{Path: name, Content: content, User: !portable}}}
			res, err := Import(in)
			if err != nil {
				if strings.Contains(err.Error(), "a fault of bailey") {
					t.Fatal(err)
				}
				continue
			}
			load(t, in, res.Policy)
			// Nothing of another agent lifts the walls.
			for _, bad := range []string{"danger-full-access", "\"never\""} {
				if strings.Contains(res.Policy, "mode = \""+bad) {
					t.Errorf("the policy says %s", bad)
				}
			}
		}
	})
}
