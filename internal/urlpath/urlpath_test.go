package urlpath

import (
	"net/url"
	"path"
	"strings"
	"testing"
)

func TestCanonical(t *testing.T) {
	for raw, want := range map[string]string{
		"/":                    "/",
		"/a/b":                 "/a/b",
		"/a/b/":                "/a/b/",
		"/%61/b":               "/a/b",
		"/a%20b":               "/a b",
		"/caf%c3%a9":           "/caf\u00e9",
		"/a.b/..c/d..":         "/a.b/..c/d..",
		"/@scope/name":         "/@scope/name",
		"/a:b,c=d&e+f~g!$'()*": "/a:b,c=d&e+f~g!$'()*",
		"/%3Fq":                "/?q",
	} {
		if got, err := Canonical(raw); err != nil || got != want {
			t.Errorf("%q is %q, %v; want %q", raw, got, err, want)
		}
	}
	for _, raw := range []string{
		"", "a", "*", "http://x/", "//", "//a", "/a//b", "/.", "/..", "/./a", "/a/../b", "/a/..", "/a/%2e%2e/b", "/a/.%2E/b", "/%2e/a", "/.../x", "/a/.. /b", "/a/%2e%2e%20/b",
		"/a%2fb", "/a%2Fb", "/a%5cb", `/a\b`, "/a%252fb", "/%25%32%65", "/a%25", "/a%", "/a%2", "/a%zz", "/a;b=c/d", "/a%3bb", "/a%00b", "/a%0ab", "/a%7f", "/a b", "/a#b", "/\u00e9", "/%ff", "/%c0%ae",
		"/a%e2%88%95b", "/a%ef%bc%8fb", "/%ef%bc%8e%ef%bc%8e/b", "/" + strings.Repeat("a", maxPath),
	} {
		if got, err := Canonical(raw); err == nil {
			t.Errorf("%q is %q, and can be read in more than one way", raw, got)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"/a", "/a", true}, {"/a", "/a/", false}, {"/a", "/A", false}, {"/a", "/a/b", false}, {"/a", "/", false},
		{"/*", "/a", true}, {"/*", "/", true}, {"/*", "/a/b", false},
		{"/a/*/c", "/a/b/c", true}, {"/a/*/c", "/a/b/b/c", false}, {"/a*c", "/abbc", true}, {"/a*c*", "/ac", true}, {"/a*c", "/ab/c", false},
		{"/**", "/", true}, {"/**", "/a/b/c", true}, {"/a/**", "/a", true}, {"/a/**", "/a/", true}, {"/a/**", "/a/b/c", true}, {"/a/**", "/ab", false},
		{"/**/c", "/c", true}, {"/**/c", "/a/b/c", true}, {"/**/c", "/a/b/cc", false}, {"/a/**/c/**/e", "/a/b/c/d/e", true}, {"/a/**/c/**/e", "/a/b/d/e", false},
		{"/repos/*/*/git-upload-pack", "/repos/a/b/git-upload-pack", true},
	} {
		if got := Match(c.pattern, c.path); got != c.want {
			t.Errorf("%q on %q: %v", c.pattern, c.path, got)
		}
	}
	for _, path := range []string{"/admin", "/admin/", "/ADMIN", "/Admin/x"} {
		if !MatchDeny("/admin/**", path) {
			t.Errorf("%q is not denied", path)
		}
	}
	for _, path := range []string{"/admin", "/admin/", "/aDmin"} {
		if !MatchDeny("/admin", path) || !MatchDeny("/admin/", path) {
			t.Errorf("%q is not denied", path)
		}
	}
	// Many stars cost no more than the product of the lengths.
	Match("/"+strings.Repeat("**/", 1000)+"x", strings.Repeat("/a", 1000))
	Match("/"+strings.Repeat("*a", 1000), "/"+strings.Repeat("a", 4000)+"b")
}

func TestCheckPattern(t *testing.T) {
	for _, p := range []string{"/", "/a", "/**", "/a/*/b", "/a b/\u00e9", "/a*b*", "/**/x/**"} {
		if err := CheckPattern(p); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
	for _, p := range []string{"", "a", "**", "/a/../b", "/a//b", "/a%20b", "/a?b", "/a#b", "/a/b**", "/***", `/a\b`, "/a;b", "/a\x00", "/."} {
		if CheckPattern(p) == nil {
			t.Errorf("%q can never match, and is taken", p)
		}
	}
}

// FuzzCanonical: a canonical path has one reading, for every way of reading it.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"/", "/a/b", "/%61%2f", "/a/../b", "/%2e%2e/", "/a%252e", "//x", "/a;b", "/caf%c3%a9", "/a%5c..%5cb", "/..%00/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := Canonical(raw)
		if err != nil {
			return
		}
		if twice, err := url.PathUnescape(got); err == nil && twice != got {
			t.Errorf("%q becomes %q, and decoded once more %q", raw, got, twice)
		}
		if clean := path.Clean(got); clean != got && clean+"/" != got {
			t.Errorf("%q becomes %q, which a server cleans to %q", raw, got, clean)
		}
		u, err := url.ParseRequestURI(raw)
		if err != nil {
			t.Errorf("%q becomes %q, and net/url does not read it: %v", raw, got, err)
		} else if u.Path != got {
			t.Errorf("%q becomes %q, and net/url reads %q", raw, got, u.Path)
		} else if sent, err := Canonical(u.EscapedPath()); err != nil || sent != got {
			t.Errorf("%q becomes %q, and net/url sends %q", raw, got, u.EscapedPath())
		}
		if strings.ContainsAny(got, "\\;\x00") {
			t.Errorf("%q becomes %q", raw, got)
		}
		if !MatchDeny("/**", got) || !Match("/**", got) {
			t.Errorf("%q is beyond /**", got)
		}
	})
}

// FuzzMatch: no pattern panics, and one that is literal matches itself alone.
func FuzzMatch(f *testing.F) {
	f.Add("/a/**/b*", "/a/c/bd")
	f.Add("/**", "/")
	f.Fuzz(func(t *testing.T, pattern, p string) {
		if got := Match(pattern, p); !strings.Contains(pattern, "*") && got != (pattern == p) {
			t.Errorf("%q on %q", pattern, p)
		}
	})
}
