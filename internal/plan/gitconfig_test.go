package plan

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestSanitizeGitConfig(t *testing.T) {
	for _, tt := range []struct {
		name, in, want string
		dropped        int
	}{
		{"plain", "[user]\n  name = Ann B ; c\n\temail=a@b # c\n", "[user]\n\tname = \"Ann B\"\n\temail = \"a@b\"\n", 0},
		{"case", "[Init]\nDefaultBranch = main\n", "[init]\n\tdefaultbranch = \"main\"\n", 0},
		{"alone", "[color]\n ui\n", "[color]\n\tui = \"true\"\n", 0},
		{"one line", "[user] name = \"a;b\" c\n", "[user]\n\tname = \"a;b c\"\n", 0},
		{"continued", "[user]\nname = a\\\n b\n", "[user]\n\tname = \"a b\"\n", 0},
		{"branch", "[branch \"x\\\"y\"]\nremote = origin\nmerge = refs/heads/x\n", "[branch \"x\\\"y\"]\n\tremote = \"origin\"\n\tmerge = \"refs/heads/x\"\n", 0},
		{"color of status", "[color \"status\"]\nadded = red\n", "[color \"status\"]\n\tadded = \"red\"\n", 0},
		{"runs", "[core]\nfsmonitor = evil\npager = evil\nsshCommand = x\neditor = x\n[alias]\nx = !evil\n[diff \"d\"]\ncommand = x\n[include]\npath = x\n", "", 7},
		{"secrets", "[credential]\nhelper = store\n[http]\nextraHeader = Authorization: x\n[url \"https://a:b@c/\"]\ninsteadOf = x\n[branch \"m\"]\nremote = https://u:p@h/x\n", "", 4},
		{"userinfo with a comma", "[branch \"m\"]\nremote = https://u:p,q@h/x\n", "", 1},
		{"signing", "[commit]\ngpgSign = true\n[push]\ngpgSign = true\ndefault = current\n", "[commit]\n\tgpgsign = \"false\"\n[push]\n\tdefault = \"current\"\n", 1},
		{"newline in a value", "[user]\nname = a\\n[core]\n", "", 1},
		{"subsection of a plain section", "[user \"x\"]\nname = a\n", "", 1},
		{"broken", "[user]\nname = a\n[co re]\nx = 1\n", "[user]\n\tname = \"a\"\n", 1},
		{"open quote", "[user]\nname = \"a\nemail = b\n", "", 1},
		{"no section", "name = a\n", "", 1},
		{"dos", "\xef\xbb\xbf[user]\r\nname = a\r\n", "[user]\n\tname = \"a\"\n", 0},
	} {
		got, dropped := SanitizeGitConfig(tt.in)
		if got != tt.want || dropped != tt.dropped {
			t.Errorf("%s: %q, %d dropped; want %q, %d", tt.name, got, dropped, tt.want, tt.dropped)
		}
	}
}

// Git itself must read what was written as what it was.
func TestGitReadsItBack(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	file := filepath.Join(t.TempDir(), "config")
	for _, value := range []string{"a b", ` lead and trail `, `q"uote\back`, "semi;colon#hash", "tab\there"} {
		in := "[user]\n\tname = " + quoteGit(value) + "\n[branch " + quoteSubsection(value) + "]\n\tremote = o\n"
		out, dropped := SanitizeGitConfig(in)
		if dropped != 0 {
			t.Errorf("%q: %d dropped", value, dropped)
		}
		if err := os.WriteFile(file, []byte(out), 0o644); err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]string{"user.name": value, "branch." + value + ".remote": "o"} {
			b, err := exec.Command("git", "config", "-z", "--file", file, key).Output()
			if got := strings.TrimSuffix(string(b), "\x00"); err != nil || got != want {
				t.Errorf("%s: git reads %q, %v; want %q\n%s", key, got, err, want, out)
			}
		}
	}
}

func TestGitValue(t *testing.T) {
	if v, ok := GitValue("[core]\nworktree = a\nworkTree = \"../b\"\n[core \"x\"]\nworktree = c\n", "core", "worktree"); !ok || v != "../b" {
		t.Errorf("%q %v", v, ok)
	}
	if v, ok := GitValue("[core]\nworktree = a\n[broken\n", "core", "worktree"); ok {
		t.Errorf("a broken file says %q", v)
	}
}

// Whatever goes in: what comes out is understood, harmless, and stable.
func FuzzSanitizeGitConfig(f *testing.F) {
	f.Add("[user]\nname = a\n[alias]\nx = !y\n")
	f.Add("[branch \"a\\\"b\"]\nremote = \"x\\n\" ; c\n")
	f.Add("[push] default = \\\ncurrent")
	f.Add("[core.x]\nautocrlf\n")
	f.Fuzz(func(t *testing.T, in string) {
		out, _ := SanitizeGitConfig(in)
		settings, ok := parseGitConfig(out)
		if !ok {
			t.Fatalf("%q gave %q, which is not understood", in, out)
		}
		for _, s := range settings {
			name := s.section + "." + s.key
			if !gitPasses(s, name) && !has(gitForced[:], name) || hasUserinfo(s.value) {
				t.Fatalf("%q passed %q", in, name)
			}
		}
		if again, dropped := SanitizeGitConfig(out); again != out || dropped != 0 {
			t.Fatalf("%q gave %q, then %q", in, out, again)
		}
	})
}
