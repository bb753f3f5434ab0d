package bailey_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/bailey-run/bailey"
)

// TestAgentLogin: a box sees that its agent is logged in, works with what stands for
// the token, and finds the token nowhere.
func TestAgentLogin(t *testing.T) {
	home := dir(t)
	work := home + "/work"
	write := func(name, text string) {
		t.Helper()
		must(0, os.MkdirAll(filepath.Dir(name), 0o755))
		must(0, os.WriteFile(name, []byte(text), 0o600))
	}
	write(work+"/bailey.toml", "")
	const token = "sk-ant-oat01-TheRealTokenOfTheLogin0123456789"
	const refresh = "sk-ant-ort01-TheRealRefreshToken0123456789"
	login := home + "/.claude/.credentials.json"
	write(login, `{"claudeAiOauth":{"accessToken":"`+token+`","refreshToken":"`+refresh+`","expiresAt":1,"scopes":["user:inference"],"subscriptionType":"max"},"mcpOAuth":{"x":{"accessToken":"TheRealOther"}}}`)
	write(home+"/.claude/settings.json", `{"env":{"X":"TheRealOther"},"model":"opus"}`)
	t.Setenv("XDG_STATE_HOME", home+"/xdg/state")
	t.Setenv("XDG_CACHE_HOME", home+"/xdg/cache")
	t.Setenv("XDG_CONFIG_HOME", home+"/xdg/config")
	cfg := bailey.Config{Dir: work, Home: home, Agent: "claude", Resolve: []string{"api.anthropic.com=127.0.0.1"}}
	p, err := bailey.Prepare(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if a := p.Agent(); a == nil || len(a.Keys) != 1 || a.Keys[0] != "claude-login" {
		t.Fatalf("%+v", a)
	}
	run := func(script string) string {
		t.Helper()
		out, err := p.Command(context.Background(), "sh", "-c", script).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	seen := run(`cat "$CLAUDE_CONFIG_DIR"/.credentials.json "$CLAUDE_CONFIG_DIR"/settings.json; echo mine > ~/.claude/session
		cat /proc/*/environ 2>/dev/null; (echo x > ~/.claude/.credentials.json) 2>/dev/null && echo WRITTEN; true`)
	for _, want := range []string{`"accessToken": "sk-ant-oat01-`, "4102444800000", `"subscriptionType": "max"`, `"model": "opus"`} {
		if !strings.Contains(seen, want) {
			t.Errorf("%s is not in %s", want, seen)
		}
	}
	for _, bad := range []string{"TheReal", "mcpOAuth", "WRITTEN"} {
		if strings.Contains(seen, bad) {
			t.Errorf("%s is in %s", bad, seen)
		}
	}
	// Everything that a program can read, but for programs themselves.
	if found := run(`grep -rsl "TheRe[a]l" ~ /tmp /run /etc /dev/shm /var . /proc/self/environ /proc/self/cmdline 2>/dev/null; true`); found != "" {
		t.Errorf("a token is in %s", found)
	}
	if got := run(`cat ~/.claude/session; ls ~/.local 2>/dev/null; true`); got != "mine\n" {
		t.Errorf("the next box of the project sees %q", got)
	}
	if b, _ := os.ReadFile(login); !strings.Contains(string(b), token) {
		t.Error("the person's login was changed")
	}
	// Nothing of it is left on the host, beside the person's own.
	filepath.WalkDir(home+"/xdg", func(name string, _ os.DirEntry, _ error) error {
		if b, err := os.ReadFile(name); err == nil && strings.Contains(string(b), "TheReal") {
			t.Errorf("a token is in %s", name)
		}
		return nil
	})
	if left, _ := filepath.Glob(home + "/xdg/state/bailey/sessions/*.auth*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	// Another agent's directories are out of reach.
	cfg.Agent = "codex"
	if p, err = bailey.Prepare(cfg); err != nil {
		t.Fatal(err)
	}
	if got := run(`ls ~/.claude ~/.local/state/bailey 2>/dev/null; true`); got != "" {
		t.Errorf("another agent sees %q", got)
	}
}

// TestAgentMountPoints: what is kept for an agent, and its login in there, are mount
// points of the box. None is moved, replaced or removed, by no way: the file that
// stands for the login must not uncover another, and a directory that has moved would
// be another place with the rights of this one.
func TestAgentMountPoints(t *testing.T) {
	home := dir(t)
	work := home + "/work"
	for name, text := range map[string]string{
		"work/bailey.toml":                "",
		".local/share/opencode/auth.json": `{"anthropic":{"type":"api","key":"sk-ant-api03-TheRealKeyOfTheLogin0123456789"}}`,
	} {
		must(0, os.MkdirAll(filepath.Dir(home+"/"+name), 0o755))
		must(0, os.WriteFile(home+"/"+name, []byte(text), 0o600))
	}
	t.Setenv("XDG_STATE_HOME", home+"/xdg/state")
	t.Setenv("XDG_CACHE_HOME", home+"/xdg/cache")
	t.Setenv("XDG_CONFIG_HOME", home+"/xdg/config")
	p, err := bailey.Prepare(bailey.Config{Dir: work, Home: home, Agent: "opencode"})
	if err != nil {
		t.Fatal(err)
	}
	run := func(script string) string {
		t.Helper()
		out, _ := p.Command(context.Background(), "sh", "-c", script).CombinedOutput()
		return string(out)
	}
	kept := home + "/.local/share/opencode"
	if out := run("echo one >" + kept + "/x; mkdir " + kept + "/sub; cat " + kept + "/auth.json"); !strings.Contains(out, `"key": "sk-ant-api03-`) || strings.Contains(out, "TheReal") {
		t.Fatalf("the login is not there: %s", out)
	}
	exchange := map[string]string{"amd64": "316", "arm64": "276"}[runtime.GOARCH] // renameat2
	for _, c := range []struct{ what, try string }{
		{"moved", "mv -T $K $K.old"},
		{"moved away", "mv -T $K " + work + "/k"},
		{"removed", "rmdir $K"},
		{"emptied and removed", "rm -f $K/x; rmdir $K/sub $K"},
		{"replaced", "mkdir /tmp/o ~/o; mv -T ~/o $K"},
		{"exchanged", `mkdir ~/p; perl -e 'exit(syscall(` + exchange + `, -100, $x = "$ENV{HOME}/p", -100, $y = "$ENV{K}", 2) != 0)'`},
		{"a link", "ln -sfT /tmp $K"},
		{"the login moved", "mv $K/auth.json $K/y"},
		{"the login removed", "rm -f $K/auth.json"},
		{"the login replaced", "echo x >$K/y; mv $K/y $K/auth.json"},
		{"the login linked", "ln $K/auth.json $K/z"},
		{"the login exchanged", `echo x >$K/y; perl -e 'exit(syscall(` + exchange + `, -100, $x = "$ENV{K}/y", -100, $y = "$ENV{K}/auth.json", 2) != 0)'`},
		{"the login written", "echo x >$K/auth.json"},
	} {
		if strings.Contains(c.try, "perl") && exchange == "" {
			continue
		}
		out := run("export K=" + kept + "; echo one >$K/x; { " + c.try + "; } && echo DONE; ls ~/.local/share; cat $K/auth.json; echo two >$K/after")
		if strings.Contains(out, "DONE") || !strings.Contains(out, `"key": "sk-ant-api03-`) || strings.Contains(out, "TheReal") {
			t.Errorf("%s: %s", c.what, out)
		}
		if found, _ := filepath.Glob(home + "/xdg/state/bailey/agents/opencode/*/.local/share/opencode/after"); len(found) != 1 || os.Remove(found[0]) != nil {
			t.Errorf("%s: the directory is not what is kept any more: %s", c.what, out)
		}
	}
	// What lies in it is the box's own to move.
	if out := run("cd " + kept + " && mkdir -p sub && mv sub sub2 && rmdir sub2 && echo DONE"); out != "DONE\n" {
		t.Error(out)
	}
}
