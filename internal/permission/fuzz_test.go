package permission

import (
	"strings"
	"testing"

	"github.com/bailey-run/bailey/internal/policy"
)

// seeds are texts that have been hard for somebody.
func seeds() []string {
	return []string{
		"ls -la", "git status && npm test", "rm -rf /", `$'\x72m' x`, "${x:-rm} y", "r{m,x} y", "/bin/r? x", "{a..z}{a..z}{a..z}",
		"sh -c 'sh -c \"sh -c \\\"rm x\\\"\"'", "x=y; y=x; echo $((x))", "eval \"$x\"", "cat <<E\n$(rm x)\nE", "echo ${a[${b[${c[d]}]}]}",
		"((((((((1))))))))", "$((((((1))))))", "`echo \\`echo rm\\``", "a=$a$a; b=$a$a; c=$b$b; d=$c$c; $d", "find . -exec rm {} \\; -exec ls {} +",
		"xargs -I {} sh -c 'rm {}'", "env -S 'a b c' -S x", "timeout 1 timeout 1 timeout 1 timeout 1 rm", "sed '1e rm' f", "awk 'BEGIN{system(\"rm\")}'",
		"f() { f; }; f", "[[ -v a[$(rm)] ]]", "git -c alias.x='!rm' x", "case a in a) ;; esac", "for ((;;)); do :; done", "coproc x { ls; }", "select i in a; do :; done",
		"echo \"${x@P}\"", "trap 'rm x' EXIT", "alias a='rm x'", "cat <(ls) >(tee)", "<<< x cat", "a+=(b [c]=d)", "declare -A a=([$(x)]=1)", "[[ a =~ (b|c) ]]", "!(a|b)", "[a-z]*[!b]?",
		"tmux new 'rm x' 'rm y'", "npx -c 'rm x'", "docker run -it x sh -c 'rm y'", "ssh h 'rm x; ls'", "su -c 'rm x'", "{,,,,}{,,,,}{,,,,}", "~root/x", "echo ~", "> ~/x", "cd /tmp && cat < x", "\\\nls", "#", "", " ", "\n",
	}
}

// FuzzCheck holds that no text makes the analysis panic or run away, that every
// answer is one, and that one more deny rule never makes it weaker.
func FuzzCheck(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s, "bash")
		f.Add(s, "sh")
	}
	f.Add("ls", "zsh")
	f.Add("${(e)x}", "zsh")
	f.Add("ls", "fish")
	free := rules(f, "allow Bash\napproval on-request")
	strict := rules(f, "allow Bash\ndeny Bash(rm *)\ndeny Read(.env)\nask Bash(git push *)\napproval on-request")
	f.Fuzz(func(t *testing.T, text, shell string) {
		call := Call{Tool: "Bash", Input: Input{Command: text, Shell: shell}}
		a, b := free.Check(call, here), strict.Check(call, here)
		if b.Verdict.strength() < a.Verdict.strength() {
			t.Errorf("with a deny rule more it is %s, before it was %s", b.Verdict, a.Verdict)
		}
		worst := Allow
		for _, p := range b.Parts {
			if p.Verdict.strength() > worst.strength() {
				worst = p.Verdict
			}
		}
		if worst != b.Verdict {
			t.Errorf("the decision is %s, and its strongest part %s", b.Verdict, worst)
		}
		if again := strict.Check(call, here); again.Verdict != b.Verdict || again.Reason != b.Reason {
			t.Errorf("two answers: %s and %s", b.Reason, again.Reason)
		}
	})
}

// FuzzRule holds that a rule is read or refused, and that one that is read can be
// asked.
func FuzzRule(f *testing.F) {
	for _, s := range []string{"Bash(rm *)", "Bash(a:*)", "Read(//etc/**)", "Edit(/x/{a,b})", "WebFetch(domain:*.x.org)", "mcp__a__b", "Agent(x)", "Bash('a b' \"*\")", "Read(~/[a-z]*)", "Bash(* -v)", "Read(**)", "Read([!a]b\\*)"} {
		f.Add(s, "rm -rf x", "a/b")
	}
	f.Fuzz(func(t *testing.T, text, command, file string) {
		for _, list := range [...]Verdict{Deny, Ask, Allow} {
			r, err := parseRule(list, text, "/home/ann/app", "/home/ann")
			if err != nil {
				continue
			}
			s := &Set{approval: policy.Untrusted, rules: []*rule{r}, bare: true, parsers: newParsers()}
			s.Check(Call{Tool: "Bash", Input: Input{Command: command}}, here)
			s.Check(Call{Tool: "Read", Input: Input{Path: file}}, here)
			s.Check(Call{Tool: "Edit", Input: Input{Path: file}}, here)
			s.Check(Call{Tool: "WebFetch", Input: Input{URL: file}}, here)
		}
	})
}

// FuzzCall holds that a line of check --stdin is read or refused.
// TestCall holds what a line of JSON may not be, and what of it is judged.
func TestCall(t *testing.T) {
	s := rules(t, "deny Read(.env)\ndeny Skill(evil)\ndeny Bash(rm *)\nallow Bash\napproval on-request")
	for line, want := range map[string]string{
		`{"tool":"Bash","input":{"command":"ls"}}`:                               "allow",
		`{"tool":"Bash","input":{"command":"rm x"}}`:                             "deny",
		`{"tool":"Bash","input":{"c\u006fmmand":"rm x"}}`:                        "deny",
		`{"tool":"Bash","input":{"Command":"ls"}}`:                               "error",
		`{"tool":"Bash","input":{"command":"ls","c\u006fmmand":"rm x"}}`:         "error",
		`{"tool":"Bash","tool":"Read","input":{"command":"ls"}}`:                 "error",
		`{"tool":"Bash","Tool":"Read","input":{"command":"ls"}}`:                 "error",
		`{"tool":"Bash","input":{"command":["rm","x"]}}`:                         "error",
		`{"tool":"Bash","input":{"command":1}}`:                                  "error",
		`{"tool":"Bash","input":"ls"}`:                                           "error",
		`{"tool":"Bash","input":{"command":"ls"}}}`:                              "error",
		`{"tool":"Bash","input":{"command":"ls"}} {}`:                            "error",
		`{"tool":"Bash","input":{"command":"ls"}}]`:                              "error",
		`{"tool":"Bash","input":{"command":"ls\u0000"}}`:                         "deny",
		"{\"tool\":\"Bash\",\"input\":{\"command\":\"ls \xff\"}}":                "error",
		`{"tool":"bash","input":{"command":"ls"}}`:                               "deny",
		`{"tool":"Bash ","input":{"command":"ls"}}`:                              "deny",
		`{"tool":"Bash","input":{"command":` + strings.Repeat("[", 20000) + `}}`: "error",
		`{"tool":"Read","input":{"file_path":"x","path":".env"}}`:                "error",
		`{"tool":"Read","input":{"file_path":".env"}}`:                           "deny",
		`{"tool":"Grep","input":{"pattern":"x"}}`:                                "allow",
		`{"tool":"Grep","input":{"pattern":"x","glob":".env"}}`:                  "deny",
		`{"tool":"Grep","input":{"pattern":"x","glob":"**/.ENV","path":"sub"}}`:  "deny",
		`{"tool":"Grep","input":{"pattern":"x","glob":".e*"}}`:                   "ask",
		`{"tool":"Grep","input":{"pattern":"x","glob":"*.{go,env}"}}`:            "ask",
		`{"tool":"Grep","input":{"pattern":"x","glob":"**/*.go"}}`:               "allow",
		`{"tool":"Grep","input":{"pattern":"x","glob":[".env"]}}`:                "error",
		`{"tool":"Skill","input":{"skill":"evil"}}`:                              "deny",
		`{"tool":"Skill","input":{"skill":"good","command":"evil"}}`:             "error",
	} {
		got := "error"
		if c, err := ParseCall([]byte(line)); err == nil {
			got = string(s.Check(c, here).Verdict)
		}
		if got != want {
			t.Errorf("%.100q: %s, want %s", line, got, want)
		}
	}
}

func FuzzCall(f *testing.F) {
	f.Add([]byte(`{"tool":"Bash","input":{"command":"ls"}}`))
	f.Add([]byte(`{"tool":"Read","input":{"file_path":"x"}}`))
	f.Add([]byte(`{"tool":"Bash","input":{"command":"ls","command":"rm"}}`))
	f.Add([]byte(`[]`))
	s := rules(f, "deny Bash(rm *)\napproval on-request")
	f.Fuzz(func(t *testing.T, line []byte) {
		c, err := ParseCall(line)
		if err != nil {
			return
		}
		if c.Tool == "Bash" && strings.HasPrefix(c.Input.Command, "rm ") {
			if d := s.Check(c, here); d.Verdict == Allow {
				t.Errorf("%s is allowed", line)
			}
		}
	})
}

// TestWork holds that a text of the greatest length costs a bounded number of
// steps and commands, whatever it is made of. Should one run away, the test does
// not end.
func TestWork(t *testing.T) {
	s := rules(t, "allow Bash\ndeny Bash(rm *)\ndeny Read(.env)\nask Bash(* push *)\napproval on-request")
	for _, piece := range []string{
		"(", "((", "$((", "$(", "{", "`", "[[ ", "${a:-", "\"$(", "a;", "a|", "a&&", "$x", "$x ", "x=$x ", "x=$x;", "{a,b}", "{a,b} ", "{1..9}", "r* ", "rm ", "sh -c ", "env ", "timeout 1 ", "xargs ", "<<E\n", "'", "\"", "\\", "$'\\x72'", "a=(", "a[", "[a", "!(", "eval ", "tmux a ", "docker ", "-", "- ", "* ", "if a;then ", "f(){ ", "case a in a)", "x=y;y=x;$x$y;", "c=$c$c;$c$c$c;", "((x=", "$((x+", "git -c a=b ", "find -exec a ", "a<b ", "a>$x ", "cd $x;cat y;", "cd a;", "sed e ", "\xc3\xa4", "\n",
	} {
		text := strings.Repeat(piece, maxText/len(piece))
		for _, shell := range []string{"bash", "sh"} {
			s.Check(Call{Tool: "Bash", Input: Input{Command: text, Shell: shell}}, here)
			a := &analysis{ctx: &Context{Cwd: "/", Home: "/h"}, parsers: s.parsers}
			a.shellText(text, shell)
			if a.steps > 2*(maxSteps+maxText) || len(a.commands) > 2*maxSteps {
				t.Errorf("%q in %s: %d steps, %d commands", piece, shell, a.steps, len(a.commands))
			}
		}
	}
}
