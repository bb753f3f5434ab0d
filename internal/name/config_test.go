package name

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const baseConfig = `[core]
	repositoryformatversion = 0
	filemode = true
	bare = false
	logallrefupdates = true
[remote "origin"]
	url = https://example.com/x.git
	fetch = +refs/heads/*:refs/remotes/origin/*
[branch "main"]
	remote = origin
	merge = refs/heads/main
`

func TestCheckConfig(t *testing.T) {
	dangerous := baseConfig + "[core]\n\tfsmonitor = x.sh\n[alias]\n\tst = !sh\n"
	for _, c := range []struct {
		what, old, new string
		key            string // of the error; "" means allowed; "*" any
	}{
		{"nothing changes", baseConfig, baseConfig, ""},
		{"track a branch", baseConfig, baseConfig + "[branch \"x\"]\n\tremote = origin\n\tmerge = refs/heads/x\n", ""},
		{"branch with odd name", baseConfig, baseConfig + "[branch \"a \\\"b\\\\\"]\n\tremote = .\n\tmerge = refs/heads/a\n", ""},
		{"remove a branch", baseConfig, strings.Split(baseConfig, "[branch")[0], ""},
		{"name", baseConfig, baseConfig + "[user]\n\tname = \"A; B\"\n\temail = a@b\n", ""},
		{"new remote", baseConfig, baseConfig + "[remote \"fork\"]\n\turl = git@github.com:me/x.git\n\tfetch = +refs/heads/*:refs/remotes/fork/*\n", ""},
		{"init", "", baseConfig, ""},
		{"comment", baseConfig, "# hello\n" + baseConfig, ""},
		{"submodule", baseConfig, baseConfig + "[submodule \"s\"]\n\tactive = true\n\turl = https://example.com/s.git\n", ""},
		{"no final newline", baseConfig, strings.TrimSuffix(baseConfig, "\n"), ""},
		{"dangerous but old", dangerous, dangerous + "[user]\n\tname = x\n", ""},
		{"odd but old", "[core] bare\n", "[core] bare\n[user]\n\tname = x\n", ""},

		{"fsmonitor", baseConfig, baseConfig + "[core]\n\tfsmonitor = true\n", "core.fsmonitor"},
		{"case", baseConfig, baseConfig + "[CORE]\n\tFsMonitor = x\n", "core.fsmonitor"},
		{"hookspath", baseConfig, baseConfig + "[core]\n\thooksPath = /tmp\n", "core.hookspath"},
		{"alias", baseConfig, baseConfig + "[alias]\n\tst = !sh\n", "alias.st"},
		{"alias subsection", baseConfig, baseConfig + "[alias \"st\"]\n\tcommand = !sh\n", "alias.st.command"},
		{"dotted", baseConfig, baseConfig + "[filter.x]\n\tclean = sh\n", "filter.x.clean"},
		{"dotted branch", baseConfig, baseConfig + "[branch.x]\n\tremote = origin\n", "branch.x.remote"},
		{"include", baseConfig, baseConfig + "[include]\n\tpath = x\n", "include.path"},
		{"includeif", baseConfig, baseConfig + "[includeIf \"gitdir:/\"]\n\tpath = x\n", "includeif.gitdir:/.path"},
		{"textconv", baseConfig, baseConfig + "[diff \"x\"]\n\ttextconv = sh\n", "diff.x.textconv"},
		{"driver", baseConfig, baseConfig + "[merge \"x\"]\n\tdriver = sh\n", "merge.x.driver"},
		{"worktree", baseConfig, baseConfig + "[core]\n\tworktree = /\n", "core.worktree"},
		{"bare", baseConfig, strings.Replace(baseConfig, "bare = false", "bare = true", 1), "core.bare"},
		{"uploadpack", baseConfig, baseConfig + "[remote \"origin\"]\n\tuploadpack = sh\n", "remote.origin.uploadpack"},
		{"redirect", baseConfig, strings.Replace(baseConfig, "example.com", "evil.example", 1), "remote.origin.url"},
		{"remote removed", baseConfig, "[core]\n\tbare = false\n", "remote.origin.url"},
		{"second url", baseConfig, baseConfig + "[remote \"origin\"]\n\turl = https://evil.example/x\n", "remote.origin.url"},
		{"pushurl", baseConfig, baseConfig + "[remote \"origin\"]\n\tpushurl = https://evil.example/x\n", "remote.origin.pushurl"},
		{"ext", baseConfig, baseConfig + "[remote \"x\"]\n\turl = ext::sh -c x\n", "remote.x.url"},
		{"path", baseConfig, baseConfig + "[remote \"x\"]\n\turl = /tmp/x\n", "remote.x.url"},
		{"file", baseConfig, baseConfig + "[remote \"x\"]\n\turl = file:///tmp/x\n", "remote.x.url"},
		{"option host", baseConfig, baseConfig + "[remote \"x\"]\n\turl = ssh://-oProxyCommand=x/y\n", "remote.x.url"},
		{"option user", baseConfig, baseConfig + "[remote \"x\"]\n\turl = -ux@host:y\n", "remote.x.url"},
		{"branch remote url", baseConfig, baseConfig + "[branch \"x\"]\n\tremote = ext::sh\n", "branch.x.remote"},
		{"branch remote path", baseConfig, baseConfig + "[branch \"x\"]\n\tremote = ../x\n", "branch.x.remote"},
		{"mergeoptions", baseConfig, baseConfig + "[branch \"x\"]\n\tmergeoptions = -s x\n", "branch.x.mergeoptions"},
		{"submodule update", baseConfig, baseConfig + "[submodule \"s\"]\n\tupdate = !sh\n", "submodule.s.update"},
		{"removed held", dangerous, baseConfig, "core.fsmonitor"},
		{"moved held", dangerous, baseConfig + "[alias]\n\tst = !sh\n[core]\n\tfsmonitor = x.sh\n", "alias.st"},
		{"doubled held", dangerous, dangerous + "[alias]\n\tst = !sh\n", "alias.st"},
		{"continuation", baseConfig, baseConfig + "[user]\n\tname = a\\\n b\n", "user.name"},
		{"hidden by continuation", baseConfig, baseConfig + "# \\\n[core]\n\tpager = sh\n", "core.pager"},
		{"valueless", baseConfig, baseConfig + "[core]\n\tfilemode\n", "core.filemode"},
		{"same line", baseConfig, baseConfig + "[user] name = x\n", "user.name"},
		{"carriage return", baseConfig, baseConfig + "[user]\n\tname = x\r\n", "user.name"},
		{"escape", baseConfig, baseConfig + "[user]\n\tname = \"a\\n\"\n", "user.name"},
		{"unknown", baseConfig, baseConfig + "[x]\n\ty = z\n", "x.y"},
		{"fetch into heads", baseConfig, baseConfig + "[remote \"o\"]\n\tfetch = +refs/heads/*:refs/heads/*\n", "remote.o.fetch"},
		{"nul", baseConfig, baseConfig + "\x00", "*"},
		{"bom", baseConfig, "\xef\xbb\xbf" + baseConfig, "*"},
		{"bad escape", baseConfig, baseConfig + "[user]\n\tname = \\x\n", "*"},
		{"open quote", baseConfig, baseConfig + "[user]\n\tname = \"x\n", "*"},
		{"bad header", baseConfig, baseConfig + "[user x]\n", "*"},
		{"key first", "", "name = x\n", "*"},
		{"too large", baseConfig, baseConfig + strings.Repeat("#", MaxConfig), "*"},
		{"old unreadable", "[x\n", baseConfig, "*"},
	} {
		err := CheckConfig([]byte(c.old), []byte(c.new))
		var ce *ConfigError
		switch {
		case c.key == "":
			if err != nil {
				t.Errorf("%s: %v", c.what, err)
			}
		case !errors.As(err, &ce):
			t.Errorf("%s: allowed", c.what)
		case c.key != "*" && ce.Key != c.key:
			t.Errorf("%s: %v, want key %s", c.what, err, c.key)
		}
	}
}

// listGit is what git reads from a configuration file.
func listGit(t testing.TB, dir, text string) ([]string, bool) {
	file := filepath.Join(dir, "c")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("git", "config", "-f", file, "--list", "-z")
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "HOME="+dir)
	out, err := cmd.Output()
	if err != nil {
		return nil, false
	}
	if len(out) == 0 {
		return nil, true
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"), true
}

func listOurs(text string) ([]string, bool) {
	list, err := parseConfig([]byte(text))
	if err != nil {
		return nil, false
	}
	var out []string
	for _, e := range list {
		s := e.name()
		if !e.bare {
			s += "\n" + e.value
		}
		if e.odd == "a tab inside a value" { // git versions differ; refused anyway
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}

// sameAsGit: when our parser reads a text, git reads the same entries.
func sameAsGit(t testing.TB, dir, text string) {
	ours, ok := listOurs(text)
	if !ok {
		return
	}
	git, ok := listGit(t, dir, text)
	if !ok {
		return // git refuses to start: nothing runs
	}
	if strings.Join(ours, "\x00") != strings.Join(git, "\x00") {
		t.Fatalf("%q:\nours %q\ngit  %q", text, ours, git)
	}
}

var configSeeds = []string{
	baseConfig,
	"[a.B]\nc=d\n[a.B \"c\"]\nx=y\n",
	"[a \"b\\\"c\\d\"] k = v ; x\n k2 = \"a;b\" c\\\n d # e\n",
	"[a]\nk\nk =\nk = \"\"\nk=a  b\tc  \n",
	"[a]\r\nk = v\r\nk2 = v\rw\r\n",
	"[a]\nk = \\t\\b\\n\\\\\\\" x\n",
	"\xef\xbb\xbf[a]\nk=v",
	"[a  \"b\"]k=v#\\\nz=w\n[c]",
	"[a]\nk = \" x \"  y\"\" \n",
	"[a]\n\x0bk=v\n", "[a]k=\"\\\nb\"\n", "[a]k=v\\",
}

func TestConfigAsGit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git")
	}
	dir := t.TempDir()
	for _, s := range configSeeds {
		sameAsGit(t, dir, s)
	}
	bits := []string{"[", "]", "\"", "\\", "\n", "\r", "\r\n", " ", "\t", "=", "#", ";", "a", "B", "core", "fsmonitor", ".", "-", "x y", "\\\n", "\\\"", "[a]\n", "[b \"C\"]\n", "k = v\n", "é", "\x0b", "1"}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		s := configSeeds[rng.IntN(len(configSeeds))]
		for range 1 + rng.IntN(4) {
			i := rng.IntN(len(s) + 1)
			j := i + rng.IntN(min(4, len(s)-i+1))
			s = s[:i] + bits[rng.IntN(len(bits))] + s[j:]
		}
		sameAsGit(t, dir, s)
	}
	// The differential test must be able to see something.
	if list, ok := listGit(t, dir, baseConfig); !ok || len(list) != 8 {
		t.Fatalf("git lists %q", list)
	}
}

func FuzzConfig(f *testing.F) {
	for _, s := range configSeeds {
		f.Add(s)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, s string) {
		if !strings.ContainsRune(s, 0) {
			sameAsGit(t, dir, s)
		}
		// What is accepted over nothing may hold no key outside the free ones.
		if CheckConfig(nil, []byte(s)) == nil {
			for _, bad := range []string{"core.fsmonitor", "core.hookspath", "include.path", "alias.a"} {
				list, _ := listOurs(s)
				for _, e := range list {
					if strings.HasPrefix(e, bad) {
						t.Fatalf("%q accepted", s)
					}
				}
			}
		}
		if err := CheckConfig([]byte(s), []byte(s)); err != nil {
			if _, perr := parseConfig([]byte(s)); perr == nil {
				t.Fatalf("%q: not equal to itself: %v", s, err)
			}
		}
	})
}

func ExampleCheckConfig() {
	fmt.Println(CheckConfig(nil, []byte("[core]\n\tpager = sh -c evil\n")))
	// Output: git configuration key core.pager (line 2): could run code or redirect git outside the box; change it outside
}
