package name

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// reference writes a component of a pattern as a regular expression: another
// matcher, slow and plain.
func reference(p string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString(`(?is)\A`)
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '*':
			b.WriteString(`.*`)
		case '?':
			b.WriteString(`.`)
		case '\\':
			i++
			b.WriteString(regexp.QuoteMeta(p[i : i+1]))
		case '[':
			n := classLen(p[i:])
			b.WriteString(classReference(p[i+1 : i+n-1]))
			i += n - 1
		default:
			b.WriteString(regexp.QuoteMeta(p[i : i+1]))
		}
	}
	b.WriteString(`\z`)
	return regexp.Compile(b.String())
}

func classReference(body string) string {
	not := body[0] == '!' || body[0] == '^'
	if not {
		body = body[1:]
	}
	var set [128]bool
	next := func() byte {
		if body[0] == '\\' && len(body) > 1 {
			body = body[1:]
		}
		c := body[0]
		body = body[1:]
		return fold(c)
	}
	for body != "" {
		lo := next()
		hi := lo
		if len(body) > 1 && body[0] == '-' {
			body = body[1:]
			hi = next()
		}
		for c := int(lo); c <= int(hi); c++ {
			set[c] = true
		}
	}
	out := ""
	for c := range 128 {
		if set[c] != not && fold(byte(c)) == byte(c) {
			out += fmt.Sprintf(`\x%02x`, c)
		}
	}
	if out == "" {
		return `[^\x00-\x7f]`
	}
	return "[" + out + "]"
}

// FuzzGlob compares the matcher of one component with a regular expression.
func FuzzGlob(f *testing.F) {
	for _, s := range [][2]string{{"*.pem", "a.PEM"}, {"a*b*c", "aXbYc"}, {"[a-c]?", "Bz"}, {"[!a]", "b"}, {`\*`, "*"}, {"[]]", "]"}, {"**", ""}, {"*a", "baa"}, {"[z-a]", "m"}, {"[A-Z]", "["}, {"[^-a]", "-"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, p, s string) {
		if p == "" || len(p) > 60 || len(s) > 60 || !ascii(p+s) || strings.ContainsAny(p+s, "/") || checkGlob(p) != nil {
			return
		}
		re, err := reference(p)
		if err != nil {
			t.Fatalf("%q: %v", p, err)
		}
		if got, want := glob(p, []byte(s)), re.MatchString(s); got != want {
			t.Errorf("glob(%q, %q) is %v; %s says %v", p, s, got, re, want)
		}
	})
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// FuzzRules holds that no pattern panics, and that what is protected stays so
// under every spelling in another case and at every depth below.
func FuzzRules(f *testing.F) {
	for _, s := range [][2]string{{".env", "a/.env"}, {"/ci/**/run.sh", "ci/x/y/run.sh"}, {"a/b", "a/b/c"}, {"**/x", "x"}, {"*", "a"}, {"[ab]/**/c", "a/c"}, {"a/**", "a"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, rel string) {
		if len(pattern) > 100 || len(rel) > 200 {
			return
		}
		m, err := Compile(Rules{Roots: []Root{{Path: "/w"}}, Protect: []string{pattern}, Deny: []string{pattern}})
		if err != nil || strings.Contains(rel, "\x00") {
			return
		}
		path := "/w/" + rel
		v := m.Check(Chmod, []byte(path), false)
		m.Check(RenameTo, []byte(path), true)
		if v.Act != Refuse {
			return
		}
		if v.Rule == "" || v.Hint == "" || v.Errno == 0 {
			t.Errorf("%q, %q: %+v", pattern, rel, v)
		}
		for _, same := range []string{upper(path), path + "/x"} {
			if !strings.HasPrefix(same, "/w/") {
				same = "/w" + same[2:]
			}
			if m.Check(Chmod, []byte(same), false).Act != Refuse {
				t.Errorf("%q keeps %q and not %q", pattern, path, same)
			}
		}
	})
}

// upper is ASCII upper case, byte by byte: a name need not be UTF-8.
func upper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

// TestLikeGitignore compares the rules with git's own on random patterns and
// paths. Where they differ on purpose (!, a slash at the end, a/** which keeps a
// itself too) no pattern is made.
func TestLikeGitignore(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("no git")
	}
	dir := t.TempDir()
	run := func(stdin string, args ...string) string {
		cmd := exec.Command(git, args...)
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "HOME="+dir, "GIT_CONFIG_GLOBAL=/dev/null")
		out, err := cmd.Output()
		if exit, ok := err.(*exec.ExitError); err != nil && (!ok || exit.ExitCode() != 1) {
			t.Fatalf("git %v: %v", args, err)
		}
		return string(out)
	}
	run("", "init", "-q", ".")
	run("", "config", "core.ignorecase", "true")
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	join := func(n int, part func() string) string {
		var parts []string
		for range n {
			parts = append(parts, part())
		}
		return strings.Join(parts, "/")
	}
	name := func() string { return pick("a", "b", "ab", "ba", "aab", "A", "c.d", "abc") }
	var paths []string
	for range 150 {
		paths = append(paths, join(1+r.IntN(4), name))
	}
	for range 150 {
		pattern := join(1+r.IntN(3), func() string {
			return pick("a", "b", "*", "a*", "?", "?b", "[ab]", "[!a]", "**", "ab", "*b*", "c.?", `\a`)
		})
		if strings.HasSuffix(pattern, "**") || strings.Trim(pattern, "/*") == "" {
			continue
		}
		pattern = pick("", "", "/") + pattern
		m, err := Compile(Rules{Roots: []Root{{Path: "/w"}}, Protect: []string{pattern}})
		if err != nil {
			t.Fatalf("%q: %v", pattern, err)
		}
		if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte(pattern+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		ignored := map[string]bool{}
		for _, p := range bytes.Split([]byte(run(strings.Join(paths, "\x00")+"\x00", "check-ignore", "-z", "--no-index", "--stdin")), []byte{0}) {
			ignored[string(p)] = true
		}
		for _, p := range paths {
			// Check refuses more: it also reads a pattern as one of the whole path.
			_, how := m.protect.match([]byte("/" + p))
			if got := how == inside; got != ignored[p] {
				t.Errorf("%q and %q: %v, git says %v", pattern, p, got, ignored[p])
			}
			if ignored[p] && m.Check(Chmod, []byte("/w/"+p), false).Act != Refuse {
				t.Errorf("%q does not keep %q", pattern, p)
			}
		}
	}
}
