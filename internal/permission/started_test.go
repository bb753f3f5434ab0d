package permission

import (
	"strings"
	"testing"

	"github.com/bailey-run/bailey/internal/policy"
)

func deepRules(t testing.TB, approval policy.Approval, deny, ask []string) *Deep {
	t.Helper()
	p := &policy.Policy{Home: "/home/ann"}
	p.Approval.V = approval
	add := func(to *[]policy.Value[policy.Rule], list []string) {
		for _, text := range list {
			*to = append(*to, policy.Value[policy.Rule]{V: policy.Rule{Text: text}, From: policy.Source{Layer: policy.LayerUser, File: "f", Line: 1, Column: 1}})
		}
	}
	add(&p.Permissions.Deny, deny)
	add(&p.Permissions.Ask, ask)
	s, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	return s.Deep()
}

func TestDeep(t *testing.T) {
	d := deepRules(t, "", []string{"Bash(git push *)", "Bash(kill -9 *)", "Bash(rm -rf *)"}, []string{"Bash(npm publish *)", "Bash(./deploy *)"})
	for _, c := range []struct {
		words []string
		want  Verdict
	}{
		{[]string{"/usr/bin/git", "push"}, Deny},
		{[]string{"git", "-C", "/x", "push", "origin"}, Deny},
		{[]string{"git", "pu\x01sh"}, Allow},
		{[]string{"git", "push", "\x01\x07\xff"}, Deny},
		{[]string{"git", "push\x03x"}, Allow}, // one word, and no subcommand
		{[]string{"git", "status"}, Allow},
		{[]string{"git", "commit", "-m", "git push"}, Allow},
		{[]string{"/bin/sh", "-c", "cd x && git push"}, Deny},
		{[]string{"bash", "-ec", "kill -9 1"}, Deny}, // a builtin: nothing is executed
		{[]string{"sh", "-c", "npm publish"}, Allow}, // npm is asked about when it is executed
		{[]string{"npm", "publish", "--tag", "x"}, Ask},
		{[]string{"/w/deploy", "now"}, Ask},
		{[]string{"sh", "deploy", "now"}, Allow},
		{[]string{"busybox", "rm", "-r", "-f", "x"}, Deny},
		{[]string{"busybox", "sh", "-c", "rm -fr x"}, Deny},
		{[]string{"env", "git", "push"}, Allow}, // env executes git
		{[]string{"/lib64/ld-linux-x86-64.so.2", "/usr/bin/git", "push"}, Deny},
		{[]string{"/lib/ld-musl-x86_64.so.1", "--preload", "x.so", "/bin/npm", "publish"}, Ask},
		{[]string{"/lib/ld-2.31.so", "/bin/sh", "-c", "git push"}, Deny},
		{[]string{"/lib64/ld-linux-x86-64.so.2", "/bin/ls"}, Allow},
		{[]string{"python3", "-c", "print('git push')"}, Allow},
		{[]string{"rm", "-r", "x"}, Allow}, // the built-in list is for agents
		{[]string{"sh", "-c", "\x00\x01(("}, Allow},
		{nil, Allow},
	} {
		p, ruled := d.Check(c.words, Context{Cwd: "/w", Home: "/home/ann"})
		got := Allow
		if ruled {
			got = p.Verdict
		}
		if got != c.want {
			t.Errorf("%q: %v by %q", c.words, got, p.Rule)
		}
		if ruled && (p.Rule == "" || p.From.File != "f" || p.Change == "") {
			t.Errorf("%q: %+v", c.words, p)
		}
		if ruled && !d.Concerns(baseName(c.words[0])) {
			t.Errorf("%q: passed over by name", c.words)
		}
	}
	for name, want := range map[string]bool{"git": true, "deploy": true, "sh": true, "busybox": true, "ls": false, "python3": false} {
		if d.Concerns(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

func TestDeepNone(t *testing.T) {
	if d := deepRules(t, "", []string{"Bash", "Read(.env)", "Bash(*)"}, []string{"Bash"}); d != nil {
		t.Errorf("rules about calls of the tool hold for every program: %+v", d)
	}
	d := deepRules(t, policy.Never, nil, []string{"Bash(* --force)"})
	if !d.Concerns("anything") {
		t.Error("a star for the name is about every program")
	}
	if p, ruled := d.Check([]string{"anything", "--force"}, Context{}); !ruled || p.Verdict != Deny || !strings.Contains(p.Reason, "never") {
		t.Errorf("%+v", p)
	}
}

// FuzzDeep holds that nothing that a name is passed over for would be ruled, and that
// no words panic.
func FuzzDeep(f *testing.F) {
	d := deepRules(f, "", []string{"Bash(git push *)", "Bash(kill -9 *)"}, []string{"Bash(npm publish *)"})
	f.Add("git\x00push")
	f.Add("sh\x00-c\x00git push")
	f.Add("busybox\x00kill\x00-9\x001")
	f.Add("/a/b/git\x00-C\x00x\x00push\x00\x01")
	f.Fuzz(func(t *testing.T, s string) {
		words := strings.Split(s, "\x00")
		if p, ruled := d.Check(words, Context{Cwd: "/"}); ruled && !d.Concerns(baseName(words[0])) {
			t.Errorf("%q is ruled by %s and passed over", words, p.Rule)
		}
	})
}

func BenchmarkDeep(b *testing.B) {
	d := deepRules(b, "", []string{"Bash(git push *)", "Bash(rm -rf *)"}, []string{"Bash(npm publish *)"})
	b.Run("program", func(b *testing.B) {
		for b.Loop() {
			d.Check([]string{"/usr/bin/git", "status", "--short"}, Context{Cwd: "/"})
		}
	})
	b.Run("shell", func(b *testing.B) {
		for b.Loop() {
			d.Check([]string{"/bin/sh", "-c", "cd x && make all | tee log"}, Context{Cwd: "/"})
		}
	})
}
