package expect

import (
	"errors"
	"strings"
	"testing"

	"github.com/bailey-run/bailey/internal/policy"
	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	got, err := Parse("bailey.test", []byte("\ufeff# what we promise\r\n\r\n"+
		"deny read ~/.ssh/id_ed25519\r\n"+
		"\tallow  write\t./build/x   ## the build\n"+
		"deny exec git push # a person pushes\n"+
		"deny connect example.org:443\n"+
		"ask connect [::1]:80\n"+
		"deny env AWS_SECRET_ACCESS_KEY\n"+
		`deny read "a \"b\" \c"'# d'\ e#f`+"\n"+
		"deny read 'a*'\n"+
		"allow read ü\\ö ü"[:len("allow read ü\\ö")]))
	if err != nil {
		t.Fatal(err)
	}
	want := []Case{
		{Line: 3, Column: 11, Want: "deny", Op: "read", Target: []string{"~/.ssh/id_ed25519"}},
		{Line: 4, Column: 15, Want: "allow", Op: "write", Target: []string{"./build/x"}, Reason: "the build"},
		{Line: 5, Column: 11, Want: "deny", Op: "exec", Target: []string{"git", "push"}, Reason: "a person pushes"},
		{Line: 6, Column: 14, Want: "deny", Op: "connect", Target: []string{"example.org:443"}},
		{Line: 7, Column: 13, Want: "ask", Op: "connect", Target: []string{"[::1]:80"}},
		{Line: 8, Column: 10, Want: "deny", Op: "env", Target: []string{"AWS_SECRET_ACCESS_KEY"}},
		{Line: 9, Column: 11, Want: "deny", Op: "read", Target: []string{`a "b" \c# d e#f`}},
		{Line: 10, Column: 11, Want: "deny", Op: "read", Target: []string{"a*"}},
		{Line: 11, Column: 12, Want: "allow", Op: "read", Target: []string{"üö"}},
	}
	for i := range want {
		want[i].File = "bailey.test"
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "f: there is no case in it; one a line, as in: deny read ~/.ssh/id_ed25519"},
		{"# deny read x\n\n", "f: there is no case in it"},
		{"denny read x", "f:1:1: unknown expectation denny (did you mean deny?)"},
		{"read x", "f:1:1: unknown expectation read; write allow or deny in front"},
		{"deny raed x", "f:1:6: unknown verb raed (did you mean read?)"},
		{"deny", "f:1:5: what is to be denied is missing"},
		{"allow read  # x", "f:1:11: read needs a path"},
		{"allow exec", "f:1:11: exec needs a command"},
		{"allow read a b", "f:1:14: read takes one word; put a name with blanks in quotes"},
		{"allow read ''", "f:1:12: the path is empty"},
		{"deny read ~bob/x", "only ~/ is expanded"},
		{"deny read $HOME/x", "variables are not expanded"},
		{"deny read *.pem", "f:1:11: '*.pem' looks like a pattern"},
		{"deny env AWS_*", "looks like a pattern"},
		{"deny env A=b", "is no name of a variable"},
		{"deny connect https://x.org", "it is a URL"},
		{"deny connect x.org", "the port is missing"},
		{"deny connect x.org:0", "1 to 65535"},
		{"deny connect x.org:99999999999999999999", "1 to 65535"},
		{"deny connect ::1:80", "stands in brackets"},
		{"deny connect :80", "the host is not one name or address"},
		{"deny read 'x", "f:1:11: this quote is not closed"},
		{`deny read x\`, "f:1:12: a backslash with nothing behind it"},
		{"deny read x\x1b[2J", "f:1:12: a control character"},
		{"deny read ü\x00", "f:1:12: a control character"},
		{"deny read \u009b", "f:1:11: a control character"},
		{"deny read x\rallow read y", "a control character"},
		{"deny read \xff", "f:1:11: a byte that is no UTF-8"},
		{"allow read x\n\nfoo bar\ndeny red y\n", "f:3:1: unknown expectation foo; a case begins with allow, ask or deny\nf:4:6: unknown verb red (did you mean read?)"},
	} {
		cases, err := Parse("f", []byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %s", tt.text, err, tt.want)
		}
		if cases != nil {
			t.Errorf("%q: cases beside an error", tt.text)
		}
		var e *policy.Error
		if !errors.As(err, &e) {
			t.Errorf("%q: %T", tt.text, err)
		}
	}
	_, err := Parse("f", []byte(strings.Repeat("x\n", 1000)))
	var all policy.Errors
	if !errors.As(err, &all) || len(all) != maxErrors {
		t.Errorf("%d errors", len(all))
	}
}

func TestParseCase(t *testing.T) {
	c, err := ParseCase("--case", "deny read x # why")
	if err != nil || c.Line != 0 || c.Reason != "why" || c.Text() != "deny read x" {
		t.Errorf("%+v, %v", c, err)
	}
	for _, bad := range []string{"", "#", "deny read x\nallow read y", "deny"} {
		if _, err := ParseCase("--case", bad); err == nil || !strings.HasPrefix(err.Error(), "--case: ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestResolve(t *testing.T) {
	for _, tt := range [][2]string{
		{"x", "/w/x"}, {"./x/", "/w/x"}, {"../x", "/x"}, {"../../..", "/"}, {"/a/../b//c/", "/b/c"},
		{"~", "~"}, {"~/../b/", "~/../b/"}, {"~a", "/w/~a"},
	} {
		if got := Resolve(tt[0], "/w"); got != tt[1] {
			t.Errorf("%s: %s", tt[0], got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("deny read ~/.ssh/id_ed25519 # keys\nallow write \"./build dir/x\"\n"))
	f.Add([]byte("deny exec git push --force\ndeny connect [::1]:443\ndeny env AWS_SECRET_ACCESS_KEY\r\n"))
	f.Add([]byte("\ufeffask exec 'a b' \\\" \\# \n"))
	f.Add([]byte("deny read \x1b[0m\nallow read \xff\xfe\ndeny connect a:b:c\n\\"))
	f.Fuzz(func(t *testing.T, text []byte) {
		cases, err := Parse("f", text)
		if (err == nil) != (len(cases) > 0) {
			t.Fatalf("%d cases and error %v", len(cases), err)
		}
		for _, c := range cases {
			// What is printed for a case is that case.
			again, err := ParseCase("--case", c.Text())
			if err != nil {
				t.Fatalf("%q: %v", c.Text(), err)
			}
			again.File, again.Line, again.Column, again.Reason = c.File, c.Line, c.Column, c.Reason
			if diff := cmp.Diff(c, again); diff != "" {
				t.Fatalf("%q: %s", c.Text(), diff)
			}
			if p := c.Path("/w"); p != "" && p[0] != '/' && p[0] != '~' && !strings.HasPrefix(c.Target[0], "~") {
				t.Fatalf("%q leads to %q", c.Text(), p)
			}
		}
	})
}
