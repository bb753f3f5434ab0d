package permission

import (
	"strconv"
	"strings"
	"testing"
)

// TestChange types what would change an answer, and asks again.
func TestChange(t *testing.T) {
	s := rules(t, "")
	bash := func(text string) Call { return Call{Tool: "Bash", Input: Input{Command: text}} }
	edit := func(file string) Call { return Call{Tool: "Edit", Input: Input{Path: file}} }
	for _, c := range []Call{
		bash("make"), bash("npm run build"), bash("timeout 5 make x"), bash("env FOO=1 make"), bash("nice -n 5 make x"), bash("sudo make x"), bash("sed -i s/a/b/ f"), bash("tar xf a -C b"),
		bash("date -s x"), bash("curl -d @f u"), bash("tree -o f"), bash("node -e 'f(1)'"), bash(`python3 -c 'print("x")'`), bash(`python3 -c 'print("it'\''s * here\n")'`), bash("foo ''"), bash("foo 'a\nb'"), bash("bash -c 'make x'"),
		bash("./run.sh a b"), bash("grep x $(foo)"), bash("printf -v x y"), bash("git commit -m 'a b'"), bash("uniq a b"),
		bash("echo > y"), bash("echo > /opt/y"), bash("echo > ~/y"), bash("echo > ../y"), bash("echo > 'a b'"), bash("echo > 'a[1]'"), bash("echo > 'x{a,b}'"), bash("cd sub && echo > y"), bash("echo > '!y'"), bash("make > /opt/log"),
		edit("a.go"), edit("/etc/x"), edit("../x"), edit("~/x"), edit("a[1]*.go"), edit("{a}"), edit("/home/ann/app/src/x.go"), edit(`a\b`), edit("~x"),
		{Tool: "WebFetch", Input: Input{URL: "https://A.Example./x"}}, {Tool: "WebFetch", Input: Input{URL: "http://[::1]/"}}, {Tool: "WebSearch", Input: Input{Query: "x"}}, {Tool: "mcp__a__b"},
	} {
		d := s.Check(c, here)
		var allow []string
		for _, p := range d.Parts {
			list, ok := strings.CutSuffix(p.Change, " to permissions.allow in your own configuration")
			if p.Verdict == Allow || !ok {
				continue
			}
			for _, one := range strings.Split(strings.TrimPrefix(list, "add "), " and ") {
				if one[0] == '\'' {
					one = strings.Trim(one, "'")
				} else if text, err := strconv.Unquote(one); err == nil {
					one = text
				} else {
					t.Errorf("%s: %v", one, err)
				}
				allow = append(allow, one)
			}
		}
		if d.Verdict != Ask || len(allow) == 0 {
			t.Errorf("%+v: %s, and no rule that would allow it: %+v", c, d.Verdict, d.Parts)
			continue
		}
		again := rules(t, "allow "+strings.Join(allow, "\nallow "))
		if d := again.Check(c, here); d.Verdict != Allow {
			t.Errorf("%+v: after allow %q: %s (%s)", c, allow, d.Verdict, d.Reason)
		}
	}
	// Where no rule helps, none is named.
	for _, text := range []string{"FOO=x make", "make $X", `find . -exec foo {} \;`, "echo > $x/y"} {
		for _, p := range s.Check(bash(text), here).Parts {
			if p.Verdict == Ask && (p.Change == "" || strings.HasPrefix(p.Change, "add ")) {
				t.Errorf("%s: %q", text, p.Change)
			}
		}
	}
}
