package agent

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
	"github.com/google/go-cmp/cmp"
)

func facts(t *testing.T, env ...string) *plan.Facts {
	t.Helper()
	dir := t.TempDir()
	f := &plan.Facts{UID: os.Getuid(), Home: dir + "/home", StateDir: dir + "/state", ConfigDir: dir + "/config", Env: env}
	f.Account = plan.Account{UID: f.UID, GID: os.Getgid(), Home: f.Home}
	f.Workspace.Root = dir + "/home/work"
	return f
}

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func use(t *testing.T, name string, f *plan.Facts) *Use {
	t.Helper()
	layers, err := Load(name, f.ConfigDir, os.ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	u, err := New(name, layers, f)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range u.Kept {
		if err := os.MkdirAll(k.Source, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return u
}

func TestPresets(t *testing.T) {
	files, err := presets.ReadDir("presets")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".toml"))
	}
	known := Names()
	slices.Sort(known)
	if diff := cmp.Diff(names, known); diff != "" {
		t.Error(diff)
	}
	for _, name := range Names() {
		u := use(t, name, facts(t))
		if u.Description == "" || len(u.Kept) == 0 {
			t.Errorf("%s says too little: %+v", name, u)
		}
		if len(u.Keys) > 0 {
			t.Errorf("%s: keys were found where there are none: %v", name, u.Keys)
		}
		if p := u.Presets[0]; len(p.Secrets()) > 0 {
			t.Errorf("%s: secrets without a value are left: %v", name, p.Secrets())
		}
		// Placeholders must be able to stand in a conversation.
		layers, _ := Load(name, "", os.ReadFile)
		for secret, v := range layers[0].Secrets() {
			if v.V.Body != "pass" {
				t.Errorf("%s: %s is blocked in bodies", name, secret)
			}
		}
		// No copy may hold what runs programs or what is secret.
		for _, f := range u.Files {
			if f.Copy != "" && f.fields == nil && !strings.HasSuffix(f.Copy, ".md") {
				t.Errorf("%s copies all of ~/%s", name, f.Copy)
			}
			for _, field := range f.fields {
				for _, bad := range []string{"hook", "mcp", "env", "helper", "command", "plugin", "notify", "provider.", "key"} {
					if strings.Contains(strings.ToLower(field), bad) {
						t.Errorf("%s copies %s of ~/%s", name, field, f.Copy)
					}
				}
			}
		}
	}
}

func TestLoad(t *testing.T) {
	f := facts(t)
	for _, name := range []string{"nobody", "../claude", "", "a/b", "-x", "A"} {
		var unknown *UnknownError
		if _, err := Load(name, f.ConfigDir, os.ReadFile); !errors.As(err, &unknown) {
			t.Errorf("%q: %v", name, err)
		}
		if Exists(name, f.ConfigDir) {
			t.Errorf("%q exists", name)
		}
	}
	put(t, f.ConfigDir+"/agents/mine.toml", "[agent]\nkeep = [\".mine\"]\n[network]\nallow = [\"model.example.org\"]\n")
	if !Exists("mine", f.ConfigDir) || !slices.Contains(All(f.ConfigDir), "mine") {
		t.Error("the person's own preset is not found")
	}
	if u := use(t, "mine", f); len(u.Kept) != 1 || u.Kept[0].Name != ".mine" {
		t.Errorf("%+v", u.Kept)
	}
	put(t, f.ConfigDir+"/agents/claude.toml", "[agent]\nkeep = [\".more\"]\n")
	if u := use(t, "claude", f); len(u.Presets) != 2 || len(u.Kept) != 3 {
		t.Errorf("%+v", u)
	}
	for text, want := range map[string]string{
		"[agent]\nkeeps = [\".x\"]\n":                                            "unknown key",
		"[agent]\nkeep = [\"/etc\"]\n":                                           "not a name below HOME",
		"[agent]\nkeep = [\"../x\"]\n":                                           "not a name below HOME",
		"[agent]\nkeep = [\".claude/x\"]\n":                                      "lie in each other",
		"[agent]\ncopy = [\".x/a\"]\n":                                           "no directory that is kept",
		"[agent]\nkeep = [\".x\"]\ncopy = [\".x/a fileds=b\"]\n":                 "none of the words",
		"[agent]\nkeep = [\".x\"]\ncopy = [\"a as=../../.ssh/authorized_keys\"]": "not a name below HOME",
		"[agent]\nset = [\".x/a b=1\"]\n":                                        "no directory that is kept",
	} {
		put(t, f.ConfigDir+"/agents/claude.toml", text)
		layers, err := Load("claude", f.ConfigDir, os.ReadFile)
		if err == nil {
			_, err = New("claude", layers, f)
		}
		var errs policy.Errors
		if err == nil || !errors.As(err, &errs) || !strings.Contains(errs.Error(), want) || errs[0].Line == 0 {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := policy.DecodePreset(policy.LayerUser, "x", []byte("[managed]\nlock = [\"env.set\"]\n")); err == nil {
		t.Error("a preset locks keys")
	}
}

func TestKeys(t *testing.T) {
	f := facts(t, "ANTHROPIC_API_KEY=sk-ant-api03-xxxxxxxxxxxxxxxxxxxxxxxx", "ANTHROPIC_BASE_URL=https://proxy.example.org:8443/v1")
	u := use(t, "claude", f)
	if diff := cmp.Diff([]string{"anthropic-key"}, u.Keys); diff != "" {
		t.Error(diff)
	}
	s := u.Presets[0].Secrets()["anthropic-key"].V
	if diff := cmp.Diff([]string{"api.anthropic.com", "proxy.example.org"}, s.Hosts); diff != "" {
		t.Error(diff)
	}
}

// TestSeed: what an earlier box has put into the kept directories leads nowhere else,
// and stops nothing.
func TestSeed(t *testing.T) {
	f := facts(t)
	victim := f.Home + "/victim"
	put(t, victim, "untouched")
	put(t, f.Home+"/.claude/settings.json", `{"model":"opus","hooks":{"Stop":[]},"env":{"KEY":"secret"},"apiKeyHelper":"/bin/x","permissions":{"deny":["Bash(rm *)"]}}`)
	put(t, f.Home+"/.claude/CLAUDE.md", "be kind\n")
	put(t, f.Home+"/.claude.json", `{"theme":"dark","mcpServers":{"x":{"env":{"KEY":"secret"}}},"numStartups":12345678901234567890}`)
	u := use(t, "claude", f)
	k, _ := u.kept(".claude/x")
	dir := k.Source
	settings := dir + "/settings.json"
	want := "{\n  \"model\": \"opus\",\n  \"permissions\": {\n    \"deny\": [\n      \"Bash(rm *)\"\n    ]\n  },\n  \"sandbox\": {\n    \"enabled\": false\n  }\n}\n"
	for name, plant := range map[string]func() error{
		"nothing":           func() error { return nil },
		"another file":      func() error { return os.WriteFile(settings, []byte(`{"hooks":{"Stop":["evil"]}}`), 0o600) },
		"a link out":        func() error { return os.Symlink(victim, settings) },
		"a dangling link":   func() error { return os.Symlink(f.Home+"/new", settings) },
		"a fifo":            func() error { return syscall.Mkfifo(settings, 0o600) },
		"a directory":       func() error { return os.MkdirAll(settings+"/x", 0o700) },
		"a hard link":       func() error { return os.Link(victim, settings) },
		"a file of no mode": func() error { return os.WriteFile(settings, nil, 0) },
		"a link for .claude.json": func() error {
			os.Remove(dir + "/.claude.json")
			return os.Symlink(victim, dir+"/.claude.json")
		},
	} {
		os.RemoveAll(settings)
		if err := plant(); err != nil {
			t.Fatal(name, err)
		}
		if _, err := u.Seed("s"); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := os.ReadFile(settings)
		if err != nil {
			t.Error(name, err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if b, _ := os.ReadFile(victim); string(b) != "untouched" {
			t.Fatalf("%s: a file outside was written", name)
		}
		if _, err := os.Lstat(f.Home + "/new"); err == nil {
			t.Fatalf("%s: a file outside was made", name)
		}
	}
	if b, _ := os.ReadFile(dir + "/CLAUDE.md"); string(b) != "be kind\n" {
		t.Errorf("CLAUDE.md: %q", b)
	}
	state, _ := os.ReadFile(dir + "/.claude.json")
	if s := string(state); strings.Contains(s, "secret") || !strings.Contains(s, `"autoUpdates": false`) {
		t.Error(s)
	}
	// State is the agent's; settings that the person has removed are gone.
	put(t, dir+"/.claude.json", `{"theme":"light","projects":{"x":1}}`)
	os.Remove(f.Home + "/.claude/CLAUDE.md")
	if _, err := u.Seed("s"); err != nil {
		t.Fatal(err)
	}
	if s, _ := os.ReadFile(dir + "/.claude.json"); !strings.Contains(string(s), `"projects"`) || !strings.Contains(string(s), "light") {
		t.Errorf("state is lost: %s", s)
	}
	if _, err := os.Lstat(dir + "/CLAUDE.md"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("CLAUDE.md is still there")
	}
	if left, _ := filepath.Glob(dir + "/*.bailey-*"); len(left) > 0 {
		t.Error(left)
	}
}

func TestAuth(t *testing.T) {
	f := facts(t)
	put(t, f.Home+"/.codex/auth.json", `{"auth_mode":"chatgpt","OPENAI_API_KEY":null,"tokens":{"id_token":"eyJh.eyJw.SIGNATURE","access_token":"eyJREALACCESS","refresh_token":"REALREFRESH","account_id":"acc"},"more":"UNKNOWN"}`)
	u := use(t, "codex", f)
	if len(u.Auth) != 1 {
		t.Fatalf("%+v", u.Auth)
	}
	if diff := cmp.Diff([]string{"codex-login"}, u.Keys); diff != "" {
		t.Error(diff)
	}
	text := u.Auth[0].Text(func(name string) string { return "PLACE-" + name })
	for _, bad := range []string{"REAL", "SIGNATURE", "UNKNOWN"} {
		if strings.Contains(text, bad) {
			t.Errorf("%s is in %s", bad, text)
		}
	}
	for _, good := range []string{`"PLACE-codex-login"`, `"acc"`, `"eyJh.eyJw.`, `"kept-outside-of-the-box"`} {
		if !strings.Contains(text, good) {
			t.Errorf("%s is not in %s", good, text)
		}
	}
	put(t, f.Home+"/.codex/auth.json", `not json REAL`)
	if u := use(t, "codex", f); len(u.Auth) != 0 || len(u.Notes) != 2 || strings.Contains(strings.Join(u.Notes, ""), "REAL") {
		t.Errorf("%+v", u)
	}
}

func TestOnlyTOML(t *testing.T) {
	got, err := onlyTOML([]byte("model = \"o3\" # mine\nnotify = [\"evil\"]\n\"approval_policy\" = 'never'\nn.model = 1\nfast = true\n[mcp_servers.x]\nmodel = \"evil\"\n"), []string{"model", "approval_policy", "fast", "notify"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("model = \"o3\"\napproval_policy = 'never'\nfast = true\n", string(got)); diff != "" {
		t.Error(diff)
	}
	if _, err := onlyTOML([]byte("model = "), []string{"model"}); err == nil {
		t.Error("no error")
	}
}

// TestAnswer: what the person has said about a key holds for its placeholder, in each
// box anew.
func TestAnswer(t *testing.T) {
	const key = "sk-ant-api03-0123456789abcdefghijklmnop"
	for _, c := range []struct{ name, said, login, field string }{
		{"nothing said", "", "", "approved"},
		{"yes", `{"customApiKeyResponses":{"approved":["` + key[len(key)-20:] + `"]}}`, "", "approved"},
		{"no", `{"customApiKeyResponses":{"approved":["other"],"rejected":["` + key[len(key)-20:] + `"]}}`, "", "rejected"},
		{"nothing said, with a login", `{"customApiKeyResponses":{"approved":["other"]}}`, `{"claudeAiOauth":{"accessToken":"sk-ant-oat01-x"}}`, ""},
		{"not JSON", "[", "", "approved"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := facts(t, "ANTHROPIC_API_KEY="+key)
			if c.said != "" {
				put(t, f.Home+"/.claude.json", c.said)
			}
			if c.login != "" {
				put(t, f.Home+"/.claude/.credentials.json", c.login)
			}
			for _, placeholder := range []string{"placeholder-first-0123456789abcdef", "placeholder-second-0123456789abcdef"} {
				u := use(t, "claude", f)
				if _, err := u.Seed("s"); err != nil {
					t.Fatal(err)
				}
				if err := u.Answer("s", func(secret string) string {
					if secret != "anthropic-key" {
						t.Errorf("asked for %s", secret)
					}
					return placeholder
				}); err != nil {
					t.Fatal(err)
				}
				k, _ := u.kept(".claude/.claude.json")
				text, err := os.ReadFile(k.Source + "/.claude.json")
				if err != nil {
					t.Fatal(err)
				}
				doc, err := parse(text)
				if err != nil {
					t.Fatal(err)
				}
				for _, field := range []string{"approved", "rejected"} {
					list, _ := doc.get("customApiKeyResponses." + field)
					var want any
					if field == c.field {
						want = []any{placeholder[len(placeholder)-20:]}
					}
					if diff := cmp.Diff(want, list); diff != "" {
						t.Errorf("%s: %s", field, diff)
					}
				}
				if strings.Contains(string(text), key[len(key)-20:]) {
					t.Error("letters of the real key are in the box")
				}
			}
		})
	}
}

// TestLoopback: a model on this machine is a port of the host inside.
func TestLoopback(t *testing.T) {
	for address, want := range map[string]string{
		"http://127.0.0.1:4000/v1": "http://host.bailey.internal:4000/v1",
		"http://localhost":         "http://host.bailey.internal:80",
		"https://[::1]:8443":       "https://host.bailey.internal:8443",
		"https://model.example":    "",
		"http://127.0.0.1.example": "",
		"http://192.168.1.2:4000":  "",
	} {
		f := facts(t, "ANTHROPIC_API_KEY=k", "ANTHROPIC_BASE_URL="+address)
		u := use(t, "claude", f)
		p, err := policy.Load(policy.LoadInput{Home: f.Home, StartDir: f.Workspace.Root, Workspace: f.Workspace.Root, Presets: u.Presets})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Env.Set["ANTHROPIC_BASE_URL"].V; got != want || (len(p.Network.Localhost) > 0) != (want != "") {
			t.Errorf("%s is %q inside, ports %v", address, p.Env.Set["ANTHROPIC_BASE_URL"].V, p.Network.Localhost)
		}
	}
}
