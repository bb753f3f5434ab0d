//go:build linux

package walls

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// plant tries, with a shell, everything that would make git outside run mark.
const plant = `
mark="$1"; exec 2>/dev/null; set +e
payload() { printf '#!/bin/sh\ntouch %s\n' "$mark" > "$1"; chmod 755 "$1"; }
payload evil.sh
for h in pre-commit post-checkout post-commit post-merge pre-push reference-transaction post-index-change prepare-commit-msg; do payload .git/hooks/$h; cp evil.sh .git/hooks/$h; mv evil.sh .git/hooks/$h; payload evil.sh; ln evil.sh .git/hooks/$h; ln -s ../../evil.sh .git/hooks/$h; done
mv .git/hooks .git/hooks.old; mkdir .git/hooks; payload .git/hooks/post-commit; payload .git/hooks/pre-commit
mkdir newhooks; payload newhooks/pre-commit; mv newhooks .git/hooks
conf='[core]
	fsmonitor = ./evil.sh
	hooksPath = newhooks
	pager = ./evil.sh
	editor = ./evil.sh
	sshCommand = ./evil.sh
[alias]
	st = !./evil.sh
[filter "x"]
	clean = ./evil.sh
	smudge = ./evil.sh
[diff "x"]
	textconv = ./evil.sh
	command = ./evil.sh
[include]
	path = ../evil.inc
'
printf '%s' "$conf" > evil.inc
printf '%s' "$conf" >> .git/config
cp .git/config c2; printf '%s' "$conf" >> c2; mv c2 .git/config
cp .git/config .git/config.lock; printf '%s' "$conf" >> .git/config.lock; mv .git/config.lock .git/config; rm -f .git/config.lock
cp .git/config .git/config.lock; printf '[user]\n\tname = a\\\n[core]\n\tfsmonitor = ./evil.sh\n' >> .git/config.lock; mv .git/config.lock .git/config; rm -f .git/config.lock
cp .git/config .git/config.lock; printf '[CORE]FSMonitor=./evil.sh\r\n' >> .git/config.lock; mv .git/config.lock .git/config; rm -f .git/config.lock
git config core.fsmonitor ./evil.sh; git config core.hooksPath newhooks; git config include.path ../evil.inc; git config alias.st '!./evil.sh'; git config filter.x.clean ./evil.sh; git config diff.x.textconv ./evil.sh
git config extensions.worktreeConfig true; git config --worktree core.fsmonitor ./evil.sh; printf '%s' "$conf" > .git/config.worktree
`

// plantMore takes the repository itself apart.
const plantMore = `
conf=$(cat evil.inc)
git init -q other; printf '%s' "$conf" >> other/.git/config; echo "gitdir: ../other/.git" > .git; echo ../other/.git > .git/commondir
mv .git .git2; mv other/.git .git
git -c core.hooksPath=/dev/null worktree add -q wt; printf '%s' "$conf" > .git/worktrees/wt/config.worktree; echo "$PWD/other/.git" > .git/worktrees/wt/commondir; echo "gitdir: $PWD/other/.git" > wt/.git
mkdir -p .git/modules/sub/refs; mkdir -p gd/objects gd/refs gd/hooks; echo 'ref: refs/heads/master' > gd/HEAD; printf '%s' "$conf" > gd/config; mv gd .git/modules/sub/refs/x; cp -r gd .git/modules/y
mkdir -p .git/refs/bare/objects .git/refs/bare/refs; echo 'ref: refs/heads/master' > .git/refs/bare/HEAD; printf '%s' "$conf" > .git/refs/bare/config; mv .git/refs/bare bare; rm -rf .git/refs/bare
mkdir bare2; mkdir bare2/objects bare2/refs; printf '%s' "$conf" > bare2/config; cp .git/HEAD bare2/HEAD; ln .git/HEAD bare2/HEAD; mv .git/HEAD bare2/HEAD
mkdir -p sub/nested; git init -q sub/nested; printf '%s' "$conf" >> sub/nested/.git/config
echo '* filter=x diff=x' > .gitattributes; mkdir -p .git/info; echo '* filter=x diff=x' > .git/info/attributes
`

// After a box did its worst in a repository, git outside runs nothing of it.
func TestGitOutside(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("program missing: git")
	}
	// The host's own git commands, in each directory where a repository may be.
	use := func(t *testing.T, w *world, mark string) (string, bool) {
		var all strings.Builder
		// Directories of git itself may hold anything; nobody works in them.
		for _, dir := range []string{".", "bare", "bare2", "sub/nested", "wt", "other"} {
			for _, args := range [][]string{{"status"}, {"diff"}, {"log", "-1"}, {"add", "file"}, {"commit", "-q", "--allow-empty", "-m", "y"}, {"checkout", "-q", "-b", "b"}, {"st"}, {"branch", "-v"}} {
				c := exec.Command("git", args...)
				c.Dir, c.Env = filepath.Join(w.WS, dir), append(environ(w), "GIT_CONFIG_NOSYSTEM=1", "GIT_EDITOR=true")
				if _, err := os.Stat(c.Dir); err != nil {
					continue
				}
				out, err := c.CombinedOutput()
				if err != nil && dir == "." && args[0] != "st" {
					all.WriteString(strings.Join(args, " ") + ": " + string(out) + "\n")
				}
				if _, err := os.Stat(mark); err == nil {
					return dir + ": git " + strings.Join(args, " "), true
				}
			}
		}
		return all.String(), false
	}
	setUp := func(t *testing.T) (*world, string) {
		w := newWorld(t)
		w.git(t, "init", "-q", ".")
		w.git(t, "config", "user.name", "x")
		w.git(t, "config", "user.email", "x@example.com")
		w.git(t, "add", "file")
		w.git(t, "commit", "-q", "-m", "x")
		return w, filepath.Join(w.Base, "mark")
	}
	t.Run("control", func(t *testing.T) {
		t.Parallel()
		w, mark := setUp(t)
		c := exec.Command("sh", "-c", plant, "sh", mark)
		c.Dir, c.Env = w.WS, environ(w)
		c.Run()
		os.Remove(mark)
		if _, ran := use(t, w, mark); !ran {
			t.Error("the same attack outside a box ran nothing")
		}
	})
	tiers(t, func(t *testing.T, b box) {
		w, mark := setUp(t)
		b.run(t, w, "sh", "-c", plant+plantMore, "sh", mark)
		if text, ran := use(t, w, mark); ran {
			t.Errorf("%s ran what was planted", text)
		} else if text != "" {
			t.Logf("git outside: %s", text)
		}
		for _, f := range []string{".git/hooks.old", ".git2", "other/.git", "sub/nested/.git", "bare/HEAD", "bare2/HEAD", ".git/commondir", ".git/modules/sub/refs/x/objects"} {
			if _, err := os.Lstat(filepath.Join(w.WS, f)); err == nil {
				t.Errorf("%s was made", f)
			}
		}
	})
}

// What a repository's configuration already runs from the work tree, the box
// cannot change.
func TestGitNamedFiles(t *testing.T) {
	w := newWorld(t)
	w.repository(t)
	write(t, filepath.Join(w.WS, "shared.inc"), "[user]\n\tname = y\n")
	write(t, filepath.Join(w.WS, "tools/hooks/pre-commit"), "#!/bin/sh\n")
	write(t, filepath.Join(w.WS, "tools/clean.sh"), "#!/bin/sh\n")
	w.git(t, "config", "core.hooksPath", "tools/hooks")
	w.git(t, "config", "include.path", "../shared.inc")
	w.git(t, "config", "filter.x.clean", "sh ./tools/clean.sh %f")
	const evil = "echo evil >> shared.inc; echo evil >> tools/hooks/pre-commit; echo evil > tools/hooks/post-commit; echo evil >> tools/clean.sh; mv tools t2; mv tools/hooks h2; rm tools/clean.sh; echo fine > tools/other; cat tools/other"
	for _, tier := range []string{"full", "landlock"} {
		out := box{tier: tier}.sh(t, w, evil)
		if !strings.Contains(out, "fine") {
			t.Errorf("%s: %s", tier, out)
		}
	}
	for _, f := range []string{"shared.inc", "tools/hooks/pre-commit", "tools/clean.sh"} {
		b, err := os.ReadFile(filepath.Join(w.WS, f))
		if err != nil || strings.Contains(string(b), "evil") {
			t.Errorf("%s: %q, %v", f, b, err)
		}
	}
	if _, err := os.Stat(filepath.Join(w.WS, "tools/hooks/post-commit")); err == nil {
		t.Error("a hook was made")
	}
}
