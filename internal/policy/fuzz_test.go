package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// FuzzLoad holds that loading never panics, that every error has a place, and
// that a project file which nobody has trusted never loosens what the other
// layers say.
func FuzzLoad(f *testing.F) {
	add := func(user, project, managed string) { f.Add(user, project, managed) }
	add("", "", "")
	add("mode = \"read-only\"\n", "mode = \"workspace-write\"\n", "")
	add("[limits]\npids = 10\n", "[limits]\npids = 11\nmemory = \"1GiB\"\n", "[limits]\npids = \"none\"\n")
	add("[files]\ndeny = [\"a\"]\n", "[files]\ndeny = [\"**/{x,y}/*.pem\"]\nread = [\"~/x\"]\n", "")
	add("accept = [\"limits.pids\"]\n", "accept = [\"limits.pids\"]\n", "[managed]\nlock = [\"accept\"]\n")
	add("", "accept = [\"limits.memory\"]\n", "")
	add("", "extends = [\"go\", \"nothing\"]\n", "")
	add("[env]\nset = { A = \"1\" }\nallow = [\"X_*\"]\n", "[env]\nset = { A = \"2\" }\nallow = [\"X_*\"]\n", "[env]\ndeny = [\"X_Y\"]\n")
	add("[files]\ncaches = [{path = \"~/c\", env = \"C\"}]\n", "[files]\ncaches = [{path = \"~/c\", env = \"D\"}]\nstrict = true\n", "")
	for _, c := range wrong {
		add("", c.text, "")
	}
	for _, text := range right {
		add("", text, "")
		add(text, text, text)
	}
	f.Fuzz(func(t *testing.T, user, project, managed string) {
		if len(user)+len(project)+len(managed) > 1<<16 {
			return
		}
		files := map[string]string{userFile: user, mngFile: managed}
		base, err := Load(world{files: files}.input())
		checkPlaces(t, files, err)
		with := map[string]string{userFile: user, mngFile: managed, projFile: project}
		tight, err := Load(world{files: with}.input())
		checkPlaces(t, with, err)
		if err == nil && base != nil {
			checkTighter(t, base, tight)
			Hash(tight)
			Show(tight)
			Lint(tight)
		}
		if trusted, err := Load(world{files: with, trusted: true}.input()); err == nil {
			Hash(trusted)
		} else {
			checkPlaces(t, with, err)
		}
	})
}

// checkPlaces holds that each error says where it is, and that the place exists.
func checkPlaces(t *testing.T, files map[string]string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var list Errors
	if !errors.As(err, &list) || len(list) == 0 {
		t.Fatalf("%T is no list of errors: %v", err, err)
	}
	for _, e := range list {
		text, is := files[e.File]
		switch {
		case !is:
			t.Errorf("an error in no file: %+v", e)
		case e.Problem == "":
			t.Errorf("an error without a problem: %+v", e)
		case e.Line < 1 || e.Column < 1 || e.Line > 1+strings.Count(text, "\n"):
			t.Errorf("an error without a place: %+v", e)
		}
		if e.Error() == "" {
			t.Error("an error without a text")
		}
	}
}

// checkTighter holds that p gives nothing that base does not give. It says so in
// its own words and not by the table of keys.
func checkTighter(t *testing.T, base, p *Policy) {
	t.Helper()
	order := func(what, have, most string, words ...string) {
		t.Helper()
		if slices.Index(words, have) > slices.Index(words, most) {
			t.Errorf("%s is %q, and without the project %q", what, have, most)
		}
	}
	order("mode", string(p.Mode.V), string(base.Mode.V), "read-only", "workspace-write", "danger-full-access")
	order("approval", string(p.Approval.V), string(base.Approval.V), "untrusted", "on-request", "on-failure", "never")
	order("min-tier", string(p.MinTier.V), string(base.MinTier.V), "full", "landlock", "container", "vm", "none")
	order("files.missing", p.Files.Missing.V, base.Files.Missing.V, "error", "skip")
	order("files.nested-git", p.Files.NestedGit.V, base.Files.NestedGit.V, "deny", "hold")
	order("exec.supervise", p.Exec.Supervise.V, base.Exec.Supervise.V, "rules", "log", "off")
	if base.Files.Strict.V && !p.Files.Strict.V {
		t.Error("files.strict was switched off")
	}
	if p.Process.Debug.V && !base.Process.Debug.V {
		t.Error("process.debug was switched on")
	}
	for _, l := range []struct {
		name       string
		have, most int64
	}{
		{"memory", p.Limits.Memory.V, base.Limits.Memory.V}, {"pids", p.Limits.Pids.V, base.Limits.Pids.V},
		{"cpu", p.Limits.CPU.V, base.Limits.CPU.V}, {"file-size", p.Limits.FileSize.V, base.Limits.FileSize.V},
		{"open-files", p.Limits.OpenFiles.V, base.Limits.OpenFiles.V}, {"scratch", p.Limits.Scratch.V, base.Limits.Scratch.V},
		{"timeout", p.Limits.Timeout.V, base.Limits.Timeout.V}, {"output", p.Limits.Output.V, base.Limits.Output.V},
		{"output-rate", p.Limits.OutputRate.V, base.Limits.OutputRate.V},
	} {
		if l.have < 0 || l.most > 0 && (l.have == 0 || l.have > l.most) {
			t.Errorf("limits.%s is %d, and without the project %d", l.name, l.have, l.most)
		}
	}
	texts := func(vs []Value[string]) []string {
		out := make([]string, len(vs))
		for i := range vs {
			out[i] = vs[i].V
		}
		return out
	}
	within := func(what string, have, most []string) {
		t.Helper()
		for _, v := range have {
			if !slices.Contains(most, v) {
				t.Errorf("%s has %q", what, v)
			}
		}
	}
	within("accept", texts(p.Accept), texts(base.Accept))
	within("files.read", texts(p.Files.Read), texts(base.Files.Read))
	within("files.write", texts(p.Files.Write), texts(base.Files.Write))
	within("files.etc", texts(p.Files.Etc), texts(base.Files.Etc))
	within("files.system", texts(p.Files.System), texts(base.Files.System))
	within("env.allow", texts(p.Env.Allow), texts(base.Env.Allow))
	within("extends", texts(p.Profiles), texts(base.Profiles))
	within("without the project, files.deny", texts(base.Files.Deny), texts(p.Files.Deny))
	within("without the project, files.protect", texts(base.Files.Protect), texts(p.Files.Protect))
	within("without the project, env.deny", texts(base.Env.Deny), texts(p.Env.Deny))
	for _, c := range p.Files.Caches {
		if !slices.ContainsFunc(base.Files.Caches, func(b Value[Cache]) bool { return b.V == c.V }) {
			t.Errorf("files.caches has %+v", c.V)
		}
	}
	for name, v := range p.Env.Set {
		if b, ok := base.Env.Set[name]; !ok || b.V != v.V {
			t.Errorf("env.set has %s = %q", name, v.V)
		}
	}
}

// FuzzGlob holds what the matcher relies on: a pattern that is valid is written
// out to patterns without braces, and a path that is escaped spells itself.
func FuzzGlob(f *testing.F) {
	for _, s := range []string{"a", "*.{a,b}", "{a,{b,c}}/d", `\{a,b\}`, "[a-z]", "{}", "{,}", "/a/*", "**/x", "{{a,b},c}{d,e}", "[!a]", `\\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 200 {
			return
		}
		if got, ok := Literal(escape("/" + s)); !ok || got != "/"+s {
			t.Errorf("%q escaped spells %q, %v", "/"+s, got, ok)
		}
		if !validGlob(s) {
			return
		}
		list := alternatives(s)
		if len(list) == 0 || len(list) > 2*maxAlternatives*maxAlternatives {
			t.Fatalf("%q has %d alternatives", s, len(list))
		}
		for _, one := range list {
			for i := 0; i < len(one); i++ {
				switch one[i] {
				case '\\':
					i++
				case '{', '}':
					t.Fatalf("%q stands for %q", s, one)
				case '[':
					if end := classEnd(one, i); end < 0 {
						t.Fatalf("%q stands for %q", s, one)
					} else {
						i = end
					}
				}
			}
		}
	})
}
