//go:build linux

package bailey_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bailey-run/bailey"
)

// The differential test gives the same shell text to the rules and to a real bash
// that lives in a box, where a PATH of its own records what is run. A text of
// which bash runs what a deny rule names must not be allowed.

// recorded are the programs that only write down that they were run.
var recorded = []string{"rm", "tool"}

// real are the programs that do what they always do, inside the box.
var realPrograms = strings.Fields("bash sh dash env timeout nice nohup stdbuf setsid ionice xargs find cat echo printf ls true false test sed awk sort tar git tee head tail grep cut tr python3 perl time flock chmod cp mv mkdir touch seq expr basename dirname sleep date rg zip split make script watch")

// recorder is a box with a bash whose commands are recorded.
type recorder struct {
	box  *bailey.Box
	dir  string // the workspace
	path string // what is on PATH, one directory for each text
	next int
}

func newRecorder(t testing.TB) *recorder {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip(err)
	}
	r := &recorder{dir: t.TempDir(), path: t.TempDir()}
	base := filepath.Join(r.path, "base")
	for _, dir := range []string{base, filepath.Join(r.dir, "log"), filepath.Join(r.dir, "t"), filepath.Join(r.dir, "cwd")} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range recorded {
		// $0 tells which text it was.
		script := "#!/bin/sh\nn=${0%/*}; echo \"$(printf '%s ' " + name + " \"$@\" | /usr/bin/tr '\\n' _)\" >> " + r.dir + "/log/${n##*/}\n"
		if err := os.WriteFile(filepath.Join(base, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r.more(t, realPrograms)
	r.box = open(t, bailey.Config{Dir: r.dir, Read: []string{r.path}, Timeout: "10m"})
	return r
}

// more puts programs on the PATH of the box, as far as this machine has them.
func (r *recorder) more(t testing.TB, names []string) {
	t.Helper()
	for _, name := range names {
		if file, err := exec.LookPath(name); err == nil {
			if err := os.Symlink(file, filepath.Join(r.path, "base", name)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// run gives the texts to bash and returns what each ran.
func (r *recorder) run(t testing.TB, texts []string) [][]string {
	t.Helper()
	from := r.next
	for _, text := range texts {
		n := fmt.Sprint(r.next)
		r.next++
		if err := os.Symlink("base", filepath.Join(r.path, n)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(r.dir, "t", n), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	script := fmt.Sprintf(`cd cwd; for ((n=%d; n<%d; n++)); do touch f g; PATH=%s/$n timeout -s KILL 2 bash -c "$(</dev/stdin)" < ../t/$n > /dev/null 2>&1 & wait $!; done`, from, r.next, r.path)
	script = strings.Replace(script, `"$(</dev/stdin)" < ../t/$n`, `"$(<../t/$n)" < /dev/null`, 1)
	cmd := r.box.Command(context.Background(), "bash", "-c", script)
	cmd.Stdout, cmd.Stderr = io.Discard, io.Discard
	if err := cmd.Run(); err != nil {
		t.Logf("bash: %v", err)
	}
	out := make([][]string, len(texts))
	for i := range texts {
		n := fmt.Sprint(from + i)
		if log, err := os.ReadFile(filepath.Join(r.dir, "log", n)); err == nil {
			out[i] = strings.Split(strings.TrimSpace(string(log)), "\n")
		}
		os.Remove(filepath.Join(r.dir, "t", n))
		os.Remove(filepath.Join(r.path, n))
	}
	return out
}

// forbidden returns the line of a log that a deny rule of denyRules names.
func forbidden(log []string) string {
	for _, line := range log {
		if strings.HasPrefix(line, "rm") {
			return line
		}
		for w := range strings.FieldsSeq(strings.TrimPrefix(line, "tool")) {
			if w == "push" {
				return line
			}
			if w[0] != '-' {
				break
			}
		}
	}
	return ""
}

const denyRules = "[permissions]\nallow = [\"Bash\"]\ndeny = [\"Bash(rm *)\", \"Bash(tool push *)\"]\n"

func denyPolicy(t testing.TB) *bailey.Policy {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "rules.toml")
	if err := os.WriteFile(file, []byte(denyRules), 0o666); err != nil {
		t.Fatal(err)
	}
	p, err := bailey.LoadPolicyFile(dir, file)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// spell writes the name of a program in some way that a shell reads.
func spell(r *rand.Rand, name string) string {
	switch r.IntN(16) {
	case 0:
		return `"` + name + `"`
	case 1:
		return `'` + name + `'`
	case 2:
		return `\` + name
	case 3:
		return name[:1] + `''` + name[1:]
	case 4:
		return name[:1] + `\` + name[1:]
	case 5:
		return fmt.Sprintf(`$'\x%02x%s'`, name[0], name[1:])
	case 6:
		return fmt.Sprintf(`$'\%03o%s'`, name[0], name[1:])
	case 7:
		return `${u:-` + name + `}`
	case 8:
		return `$(echo ` + name + `)`
	case 9:
		return "`printf " + name + "`"
	case 10:
		return name[:1] + `{` + name[1:] + `,}`
	case 11:
		return `$u ` + name
	case 12:
		return `"$(echo ` + name + `)"`
	case 13:
		return name[:1] + `${u}` + name[1:]
	}
	return name
}

// inText quotes a text for sh -c.
func inText(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// produce makes a random text that may run one of the recorded programs.
func produce(r *rand.Rand, depth int) string {
	if depth <= 0 {
		switch r.IntN(4) {
		case 0:
			return spell(r, "tool") + " push x"
		case 1:
			return spell(r, "tool") + " " + []string{"-v push", "--x=1 push", "-q -v push x", "$'push'", "p''ush"}[r.IntN(5)]
		}
		return spell(r, "rm") + " x"
	}
	in := produce(r, depth-1)
	templates := []string{
		"env %s", "env A=1 %s", "env -i PATH=\"$PATH\" %s", "timeout 1 %s", "timeout -k 1 1 %s", "nice -n 1 %s", "nohup %s", "stdbuf -oL %s", "setsid -w %s", "ionice -c 3 %s", "time %s", "time -p %s",
		"command %s", "exec %s", "eval %s", "! %s", "( %s )", "{ %s; }", "true && %s", "false || %s", "ls; %s", "ls | %s", "%s & wait", "if true; then %s; fi", "while %s; do break; done", "for i in 1; do %s; done",
		"case a in a) %s;; esac", "f() { %s; }; f", "function f { %s; }; f", "f() ( %s ); f x", "echo $(%s)", "echo \"$(%s)\"", "echo `%s`", "cat <(%s)", "cat <<E\n$(%s)\nE", "x=$(%s)", "x=1 %s", "export X=$(%s)", "[[ -n $(%s) ]]", "echo $(( $(%s) + 1 ))", "echo ${u:-$(%s)}", "a[$(%s)]=1", "%s > /dev/null", "> g %s", "#c\n%s", "trap %q EXIT", "sh -c %q", "bash -c %q", "dash -c %q", "eval %q", "bash -lc %q",
		"bash <<< %q", "bash <<'E'\n%s\nE", "sh <<E\n%s\nE", "echo x | xargs %s", "xargs -n1 %s < f", "find f -exec %s \\;", "find f -exec %s {} +", "c=%q; eval \"$c\"", "c=%q; bash -c \"$c\"", "x='a[$(%s)]'; echo $((x))", "echo ${x[$(%s)]}", "coproc %s; wait", "select i in a; do %s; done <<< 1", "until %s; do break; done", "(( $(%s) ))", "let 'a=$(%s)'", "printf -v 'a[$(%s)]' x", "test -v 'a[$(%s)]'", "declare 'a[$(%s)]=1'", "read 'a[$(%s)]' <<< 1", "unset 'a[$(%s)]'", "PS4='$(%s)'; set -x; ls", "BASH_ENV=f bash -c %q",
		"git -c alias.x=!%q x", "awk 'BEGIN{system(\"%s\")}'", "sed '1e %s' f", "flock g %s", "sort --compress-program %s f", "python3 -c 'import os; os.system(\"%s\")'", "perl -e 'system(\"%s\")'", "shopt -s expand_aliases\nalias z=%q\nz", "hash -d ls; %s", "declare -n q=w; %s", "u=%q; ${u@P}", "x='$(%s)'; echo \"${x@P}\"", "set -- %q; $1", "set -- %s; \"$@\"", "arr=(%s); \"${arr[@]}\"", "readarray -C %q -c 1 a < f", "jobs -x %s", "%s\\\n y", "true\n%s", "true;;%s", "true |& %s", "{ %s; } 2>&1 | cat", "if ! %s; then :; fi", "cat <<-E\n\t$(%s)\n\tE", "echo \"${u:-\"$(%s)\"}\"", "echo ${u/x/$(%s)}", "echo ${u:$(%s)}", "echo {a,$(%s)}", "echo ~$(%s)", "cat < <(%s)", "tee >(%s) < /dev/null", "exec 3< <(%s)", "for ((i=0; i<1; i++)); do %s; done", "for x in $(%s); do :; done", "case $(%s) in *) ;; esac", "x=y y=$(%s) ls", "{ ls; %s; }",
	}
	tpl := templates[r.IntN(len(templates))]
	if strings.Contains(tpl, "%q") {
		return strings.ReplaceAll(tpl, "%q", inText(in))
	}
	return strings.ReplaceAll(tpl, "%s", in)
}

// disturb puts something that mostly means nothing into a text.
func disturb(r *rand.Rand, text string) string {
	for range r.IntN(4) {
		at := r.IntN(len(text) + 1)
		noise := []string{"\\\n", "\\\n", "\\\n", "''", "\"\"", "\t", " ", "\n", "$u", "\\", "#", "'", "\"", "`", "$", "{", "}", "(", ")", ";", "&", "|", "<", ">", "!", "~", "*", "[", "]", "$(:)", "${u}", "$'\\n'"}
		text = text[:at] + noise[r.IntN(len(noise))] + text[at:]
	}
	return text
}

func TestDifferential(t *testing.T) {
	rec := newRecorder(t)
	p := denyPolicy(t)
	count := 300
	if testing.Short() {
		count = 100
	}
	seed := uint64(1)
	if s := os.Getenv("BAILEY_SEED"); s != "" {
		fmt.Sscan(s, &seed, &count)
	}
	r := rand.New(rand.NewPCG(seed, 2))
	ran := 0
	for from := 0; from < count; from += 100 {
		texts := make([]string, 100)
		for i := range texts {
			texts[i] = produce(r, 1+r.IntN(4))
			if i%2 == 1 {
				texts[i] = disturb(r, texts[i])
			}
		}
		for i, log := range rec.run(t, texts) {
			line := forbidden(log)
			if line == "" {
				continue
			}
			ran++
			if d := p.CheckShell(texts[i], "bash"); d.Verdict == bailey.Allow {
				t.Errorf("allowed, and bash ran %q:\n%s\n%+v", line, texts[i], d)
			}
		}
	}
	// Without this the test could pass because nothing was recorded.
	if ran < count/10 {
		t.Errorf("bash ran what a rule names in %d of %d texts only", ran, count)
	}
	t.Logf("%d of %d texts ran what a rule names", ran, count)
}

func FuzzDifferential(f *testing.F) {
	r := rand.New(rand.NewPCG(7, 7))
	for range 300 {
		f.Add(produce(r, 1+r.IntN(3)))
	}
	rec := newRecorder(f)
	p := denyPolicy(f)
	f.Fuzz(func(t *testing.T, text string) {
		if strings.IndexByte(text, 0) >= 0 || len(text) > 4000 {
			return
		}
		d := p.CheckShell(text, "bash")
		if d.Verdict != bailey.Allow {
			return
		}
		if line := forbidden(rec.run(t, []string{text})[0]); line != "" {
			t.Errorf("allowed, and bash ran %q:\n%s\n%+v", line, text, d)
		}
	})
}
