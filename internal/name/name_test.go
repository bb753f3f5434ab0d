package name

import (
	"fmt"
	"strings"
	"testing"
)

func compile(t testing.TB, r Rules) *Matcher {
	t.Helper()
	m, err := Compile(r)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var testRules = Rules{
	Roots: []Root{
		{Path: "/w", TopGit: true},
		{Path: "/common/repo.git", Git: true},
		{Path: "/home/u/deep/root"},
		{Path: "/odd/.git/modules/m"},
	},
	Protect: []string{".envrc", ".vscode", "*.code-workspace", ".claude/settings.json", "/Makefile", "ci/**/run.sh", "**/.husky/_", "docs/**"},
}

// git is what each line means: the operations refused, guarded, allowed.
func TestCheckGit(t *testing.T) {
	deny := compile(t, testRules)
	hold := testRules
	hold.NestedGit = "hold"
	held := compile(t, hold)
	for _, c := range []struct {
		op   Op
		path string
		want string // allow, refuse, config, pointer; "allow/refuse" under deny/hold
	}{
		// Ordinary work, and paths outside.
		{Create, "/w/main.go", "allow"},
		{Mkdir, "/w/a/b", "allow"},
		{RenameTo, "/w/a/b", "allow"},
		{Create, "/tmp/x/.git/config", "allow"},
		{Mkdir, "/tmp/x/.git", "allow"},
		{Create, "/w2/.git/config", "allow"},
		{Create, "/w/.gitignore", "allow"},
		{Create, "/w/.gitmodules", "allow"},
		{Create, "/w/git", "allow"},
		{Create, "/w/.github/workflows/x.yml", "allow"},
		// .git itself.
		{Mkdir, "/w/sub/.git", "refuse/allow"},
		{Mkdir, "/w/sub/.GIT", "refuse/allow"},
		{Symlink, "/w/sub/.git", "refuse"},
		{Symlink, "/w/sub/.Git", "refuse"},
		{Symlink, "/w/sub/git~1", "refuse"},
		{Symlink, "/w/sub/.g\u200cit", "refuse"},
		{Symlink, "/w/sub/\ufeff.git", "refuse"},
		{Symlink, "/w/sub/.g\u00efit", "allow"},
		{Link, "/w/sub/.git", "refuse"},
		{LinkFrom, "/w/sub/.git", "refuse"},
		{RenameTo, "/w/sub/.git", "refuse"},
		{RenameFrom, "/w/.git", "refuse"},
		{Exchange, "/w/.git", "refuse"},
		{Mknod, "/w/sub/.git", "refuse"},
		{Write, "/w/sub/.git", "refuse"},
		{Unlink, "/w/.git", "refuse"},
		{Rmdir, "/w/.git", "allow"},
		{Unlink, "/w/sub/.git", "allow"},
		{Create, "/w/sub/.git", "pointer"},
		{Read, "/w/.git/config", "allow"},
		// What git itself does.
		{Create, "/w/.git/index.lock", "allow"},
		{RenameTo, "/w/.git/index", "allow"},
		{Create, "/w/.git/HEAD.lock", "allow"},
		{RenameTo, "/w/.git/HEAD", "allow"},
		{Create, "/w/.git/refs/heads/config", "allow"},
		{Create, "/w/.git/refs/heads/hooks/x", "allow"},
		{Mkdir, "/w/.git/refs/heads/hooks", "allow"},
		{Mkdir, "/w/.git/refs/heads/info", "allow"},
		{Create, "/w/.git/logs/refs/heads/config", "allow"},
		{Mkdir, "/w/.git/objects/ab", "allow"},
		{Link, "/w/.git/objects/ab/cdef", "allow"},
		{Create, "/w/.git/objects/info/packs", "allow"},
		{Create, "/w/.git/info/exclude", "allow"},
		{Create, "/w/.git/info/sparse-checkout", "allow"},
		{Mkdir, "/w/.git/rebase-merge", "allow"},
		{Create, "/w/.git/rebase-merge/git-rebase-todo", "allow"},
		{Rmdir, "/w/.git/rebase-merge", "allow"},
		{Create, "/w/.git/COMMIT_EDITMSG", "allow"},
		{Create, "/w/.git/shallow", "allow"},
		{Mkdir, "/w/.git/worktrees", "allow"},
		{Mkdir, "/w/.git/worktrees/x", "allow"},
		{Create, "/w/.git/worktrees/x/HEAD", "allow"},
		{Create, "/w/.git/worktrees/x/gitdir", "allow"},
		{Create, "/w/.git/worktrees/x/refs/heads/config", "allow"},
		{Create, "/w/.git/config.lock", "allow"},
		{Unlink, "/w/.git/config.lock", "allow"},
		{RenameFrom, "/w/.git/config.lock", "allow"},
		{Create, "/w/.git/worktrees/x/config.worktree.lock", "allow"},
		{Mkdir, "/w/.git/hooks", "allow"},
		{Create, "/w/.git/hooks/pre-commit.sample", "allow"},
		// Git's execution surface.
		{Create, "/w/.git/hooks/pre-commit", "refuse"},
		{Create, "/w/.GIT/HOOKS/pre-commit", "refuse"},
		{Mkdir, "/w/.git/hooks/pre-commit", "refuse"},
		{RenameTo, "/w/.git/hooks/pre-commit", "refuse"},
		{RenameFrom, "/w/.git/hooks/pre-commit", "refuse"},
		{Link, "/w/.git/hooks/pre-commit", "refuse"},
		{LinkFrom, "/w/.git/hooks/pre-commit", "refuse"},
		{Create, "/w/.git/hooks/pre-commit.sample/x", "refuse"},
		{Symlink, "/w/.git/hooks", "refuse"},
		{RenameTo, "/w/.git/hooks", "refuse"},
		{Exchange, "/w/.git/hooks", "refuse"},
		{Write, "/w/.git/config", "refuse"},
		{Create, "/w/.git/config", "refuse"},
		{Truncate, "/w/.git/config", "refuse"},
		{Unlink, "/w/.git/config", "refuse"},
		{LinkFrom, "/w/.git/config", "refuse"},
		{Link, "/w/.git/config", "refuse"},
		{Exchange, "/w/.git/config", "refuse"},
		{Mkdir, "/w/.git/config", "refuse"},
		{RenameTo, "/w/.git/config", "config"},
		{RenameTo, "/w/.git/config.worktree", "config"},
		{RenameTo, "/w/.git/worktrees/x/config.worktree", "config"},
		{RenameTo, "/w/.git/modules/a/b/config", "config"},
		{Create, "/w/.git/commondir", "refuse"},
		{RenameTo, "/w/.git/commondir", "refuse"},
		{Create, "/w/.git/gitdir", "refuse"},
		{Create, "/w/.git/worktrees/x/commondir", "pointer"},
		{RenameTo, "/w/.git/worktrees/x/commondir", "refuse"},
		{Write, "/w/.git/worktrees/x/commondir", "refuse"},
		{RenameTo, "/w/.git/worktrees/x", "refuse"},
		{Symlink, "/w/.git/worktrees", "refuse"},
		{Create, "/w/.git/info/attributes", "refuse"},
		{RenameTo, "/w/.git/info", "refuse"},
		{Symlink, "/w/.git/info", "refuse"},
		{Create, "/w/.git/objects/info/alternates", "refuse"},
		{Create, "/w/.git/objects/info/http-alternates", "refuse"},
		{RenameTo, "/w/.git/objects", "refuse"},
		{RenameTo, "/w/.git/objects/info", "refuse"},
		{Create, "/w/.git/remotes/origin", "refuse"},
		{Create, "/w/.git/branches/x", "refuse"},
		{Create, "/w/.git/x/.git/hooks/y", "refuse"},
		// Submodules, with slashes in their names.
		{Create, "/w/.git/modules/a/hooks/x", "refuse"},
		{Create, "/w/.git/modules/a/b/hooks/x", "refuse"},
		{Create, "/w/.git/modules/a/b/modules/c/hooks/x", "refuse"},
		{Create, "/w/.git/modules/a/b/info/attributes", "refuse"},
		{Create, "/w/.git/modules/a/index.lock", "allow"},
		{RenameTo, "/w/.git/modules/a/index", "allow"},
		{Create, "/w/.git/modules/a/refs/heads/config", "allow"},
		{Mkdir, "/w/.git/modules/a/refs/heads/objects", "refuse"},
		{Create, "/w/.git/modules/a/refs/heads/commondir", "refuse"},
		{Mkdir, "/w/.git/modules/a/objects/ab", "allow"},
		{Mkdir, "/w/.git/modules/a/objects/ab/objects", "refuse"},
		{Symlink, "/w/.git/modules/a", "refuse"},
		{Create, "/w/.git/worktrees/x/modules/a/hooks/y", "refuse"},
		// Roots that are git directories, or lie in one.
		{Create, "/common/repo.git/hooks/x", "refuse"},
		{RenameTo, "/common/repo.git/config", "config"},
		{Create, "/common/repo.git/index", "allow"},
		{Create, "/common/repo.git/worktrees/x/commondir", "pointer"},
		{Create, "/common/repo.git/HEAD", "allow"},
		{Create, "/odd/.git/modules/m/hooks/x", "refuse"},
		// A bare repository, by its HEAD.
		{Create, "/w/x.git/HEAD", "refuse/allow"},
		{RenameTo, "/w/x.git/HEAD", "refuse/allow"},
		{Create, "/w/HEAD", "refuse/allow"},
		{Write, "/w/HEAD", "allow"},
		{Mkdir, "/w/HEAD", "allow"},
		{Create, "/w/head", "allow"},
		// Above a writable root.
		{RenameFrom, "/home/u/deep", "refuse"},
		{RenameTo, "/home/u", "refuse"},
		{RenameFrom, "/home/u/deeper", "allow"},
		{Mkdir, "/home/u/deep", "allow"},
	} {
		want, wantHold, ok := strings.Cut(c.want, "/")
		if !ok {
			wantHold = want
		}
		if got := act(deny.Check(c.op, []byte(c.path), false)); got != want {
			t.Errorf("nested deny: %s %q: %s, want %s", c.op, c.path, got, want)
		}
		if got := act(held.Check(c.op, []byte(c.path), false)); got != wantHold {
			t.Errorf("nested hold: %s %q: %s, want %s", c.op, c.path, got, wantHold)
		}
	}
	if v := deny.Check(RenameTo, []byte("/w/.git/modules/a"), true); v.Act != Refuse {
		t.Error("a directory may be moved to .git/modules/a")
	}
	if v := deny.Check(RenameTo, []byte("/w/a"), true); v.Act != Allow {
		t.Error("an ordinary directory may not be moved")
	}
}

func act(v Verdict) string {
	return [...]string{Allow: "allow", Refuse: "refuse", GuardConfig: "config", GuardPointer: "pointer"}[v.Act]
}

func TestCheckProtect(t *testing.T) {
	m := compile(t, testRules)
	for _, c := range []struct {
		op   Op
		path string
		dir  bool
		rule string
	}{
		{Create, "/w/.envrc", false, ".envrc"},
		{Create, "/w/a/b/.envrc", false, ".envrc"},
		{Create, "/w/a/.ENVRC", false, ".envrc"},
		{Create, "/w/.envrc.local", false, ""},
		{Unlink, "/w/.envrc", false, ".envrc"},
		{LinkFrom, "/w/.envrc", false, ".envrc"},
		{RenameFrom, "/w/.envrc", false, ".envrc"},
		{Create, "/w/x/.vscode/tasks.json", false, ".vscode"},
		{Mkdir, "/w/x/.vscode", false, ".vscode"},
		{Create, "/w/a.code-workspace", false, "*.code-workspace"},
		{Create, "/w/.code-workspace", false, "*.code-workspace"},
		{Create, "/w/Makefile", false, "/Makefile"},
		{Create, "/w/sub/Makefile", false, ""},
		// A part of a longer pattern: only an empty directory may take the name.
		{Mkdir, "/w/.claude", false, ""},
		{Create, "/w/.claude/notes", false, ""},
		{Create, "/w/.claude/settings.json", false, ".claude/settings.json"},
		{Create, "/w/.claude", false, ".claude/settings.json"},
		{Symlink, "/w/.claude", false, ".claude/settings.json"},
		{RenameTo, "/w/.claude", true, ".claude/settings.json"},
		{RenameFrom, "/w/.claude", true, ".claude/settings.json"},
		{Exchange, "/w/.claude", true, ".claude/settings.json"},
		{RenameTo, "/w/x/.claude", true, ""}, // anchored
		{Create, "/w/ci/a/b/run.sh", false, "ci/**/run.sh"},
		{Create, "/w/ci/run.sh", false, "ci/**/run.sh"},
		{Create, "/w/ci/a/x", false, ""},
		{RenameTo, "/w/ci/a", false, ""},
		{RenameTo, "/w/ci/a", true, "ci/**/run.sh"},
		{Symlink, "/w/ci/a", false, "ci/**/run.sh"},
		{RenameTo, "/w/ci", true, "ci/**/run.sh"},
		{Create, "/w/x/.husky/_/h", false, "**/.husky/_"},
		{RenameTo, "/w/x/.husky", true, "**/.husky/_"},
		{RenameTo, "/w/x/y", true, ""},
		{Create, "/w/docs/a", false, "docs/**"},
		{RenameTo, "/w/docs", true, "docs/**"},
		// Bytes of any kind.
		{Create, "/w/\xff\xfe/.envrc", false, ".envrc"},
		{Create, "/w/a\nb", false, ""},
		{Create, "/w/" + strings.Repeat("x", 300) + "/.envrc", false, ".envrc"},
		// Outside.
		{Create, "/tmp/.envrc", false, ""},
	} {
		v := m.Check(c.op, []byte(c.path), c.dir)
		if v.Rule != c.rule || (v.Act == Allow) != (c.rule == "") {
			t.Errorf("%s %q (dir %v): rule %q, want %q", c.op, c.path, c.dir, v.Rule, c.rule)
		}
		if v.Act != Allow && (v.Hint == "" || v.Errno == 0) {
			t.Errorf("%s %q: no hint or errno: %+v", c.op, c.path, v)
		}
	}
}

func TestCheckDeny(t *testing.T) {
	m := compile(t, Rules{Roots: []Root{{Path: "/w"}}, Deny: []string{".env", "/home/u/.ssh", "secret/*.pem"}})
	for _, c := range []struct {
		op   Op
		path string
		want string
	}{
		{Read, "/w/a/.env", "refuse"},
		{Read, "/anywhere/.env", "refuse"},
		{Create, "/w/.env", "refuse"},
		{RenameFrom, "/w/.env", "refuse"},
		{LinkFrom, "/w/.env", "refuse"},
		{Read, "/w/.envrc", "allow"},
		{Read, "/home/u/.ssh/id", "refuse"},
		{Read, "/x/home/u/.ssh/id", "allow"},
		{RenameFrom, "/home/u", "refuse"},
		{Read, "/w/x/secret/a.pem", "refuse"},
		{RenameFrom, "/w/x/secret", "refuse"},
		{Read, "/w/x/secret/a.txt", "allow"},
	} {
		if got := act(m.Check(c.op, []byte(c.path), false)); got != c.want {
			t.Errorf("%s %q: %s, want %s", c.op, c.path, got, c.want)
		}
	}
}

func TestCompileErrors(t *testing.T) {
	for _, r := range []Rules{
		{NestedGit: "maybe"},
		{Roots: []Root{{Path: "w"}}},
		{Roots: []Root{{Path: "/w/../x"}}},
		{Roots: []Root{{Path: ""}}},
		{Protect: []string{""}},
		{Protect: []string{"!x"}},
		{Protect: []string{"**"}},
		{Protect: []string{"/"}},
		{Protect: []string{"a//b"}},
		{Protect: []string{"a/../b"}},
		{Protect: []string{"[a"}},
		{Deny: []string{"x\\"}},
		{Deny: []string{"a\nb"}},
	} {
		if _, err := Compile(r); err == nil {
			t.Errorf("no error for %+v", r)
		}
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		p, s string
		want bool
	}{
		{"*", "", true}, {"*", "x", true}, {"a*b", "ab", true}, {"a*b", "axxb", true}, {"a*b", "axxc", false},
		{"*.pem", "a.PEM", true}, {"?", "é", true}, {"??", "é", false}, {"?", "\xff", true}, {"?", "", false},
		{"[a-c]x", "bx", true}, {"[!a-c]x", "bx", false}, {"[]]", "]", true}, {`\*`, "*", true}, {`\*`, "x", false},
		{"[a-", "a", false}, {"a**b", "ab", true}, {`[\]]`, "]", true},
		{strings.Repeat("a*", 30) + "b", strings.Repeat("a", 200), false},
	} {
		if checkGlob(c.p) != nil {
			if c.want {
				t.Errorf("%q is not a pattern", c.p)
			}
			continue
		}
		if got := glob(c.p, []byte(c.s)); got != c.want {
			t.Errorf("glob(%q, %q) = %v", c.p, c.s, got)
		}
	}
}

// A policy of ten thousand patterns must not cost an ordinary path more.
func TestManyPatterns(t *testing.T) {
	r := testRules
	for i := range 10000 {
		r.Protect = append(r.Protect, fmt.Sprintf("dir%d/file%d", i, i))
	}
	m := compile(t, r)
	if v := m.Check(Create, []byte("/w/dir77/file77"), false); v.Rule != "dir77/file77" {
		t.Errorf("got %+v", v)
	}
}

func TestCheckAllocates(t *testing.T) {
	m := compile(t, testRules)
	p := []byte("/w/node_modules/some-package/dist/esm/index.js")
	q := []byte("/w/.git/hooks/pre-commit")
	if n := testing.AllocsPerRun(100, func() {
		m.Check(Create, p, false)
		m.Check(Create, q, false)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCheck(b *testing.B) {
	m := compile(b, testRules)
	p := []byte("/w/node_modules/some-package/dist/esm/index.js")
	for b.Loop() {
		m.Check(Create, p, false)
	}
}

// Whatever the bytes: no panic, no verdict without its text, and the guard holds
// wherever .git/hooks appears below a root.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{"/w/.git/hooks/x", "/w/a/.git/./hooks", "/w/.git/modules/a/b/config", "//w//.git//hooks", "/w/.g\u200cit", "/w/ci/**/run.sh", "/", ""} {
		f.Add(s, uint8(Create))
	}
	m, err := Compile(testRules)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path string, op uint8) {
		o := Op(op % uint8(Chmod+1))
		v := m.Check(o, []byte(path), true)
		if v.Act != Allow && (v.Rule == "" || v.Hint == "" || v.Errno == 0) {
			t.Fatalf("%s %q: %+v", o, path, v)
		}
		if strings.HasPrefix(path, "/w/") && o == Create && !strings.Contains(path, "\x00") {
			if v := m.Check(o, []byte(path+"/.git/hooks/x"), true); v.Act != Refuse {
				t.Fatalf("%q/.git/hooks/x: %+v", path, v)
			}
		}
	})
}

// What a directory holds is not looked at when it moves, so it may move only to
// where everything in it means the same.
func TestSamePlace(t *testing.T) {
	m := compile(t, Rules{Roots: []Root{{Path: "/w", TopGit: true}, {Path: "/v"}}})
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"/w/a", "/w/b/c", true},
		{"/w/.git/rebase-apply", "/w/.git/rebase-old", true},
		{"/w/.git/refs/a", "/w/.git/logs/a", true},
		{"/tmp/a", "/home/a", true},
		{"/w/.git/refs/a", "/w/a", false},
		{"/w/a", "/w/.git/refs/a", false},
		{"/w/a", "/w/.git/modules/m/refs/a", false},
		{"/w/.git/refs/a", "/w/.git/modules/m/refs/a", false},
		{"/w/.git/modules/m/refs/a", "/w/.git/refs/a", false},
		{"/w/.git/worktrees/x/a", "/w/a", false},
		{"/tmp/a", "/w/a", false},
		{"/w/a", "/tmp/a", false},
		{"/w/a", "/v/a", false},
	} {
		if got := m.SamePlace([]byte(c.from), []byte(c.to)); got != c.want {
			t.Errorf("SamePlace(%s, %s) = %v", c.from, c.to, got)
		}
	}
}
