//go:build linux

package linux

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/bailey-run/bailey/internal/name"
)

func needs(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skip("no ", p)
		}
	}
}

// Everyday git works, and the configuration changes only as it may.
func TestBrokerGit(t *testing.T) {
	needs(t, "git")
	for _, userns := range []bool{false, true} {
		b := newBrokerBox(t)
		b.userns = userns
		b.env = []string{"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"}
		gitInit(t, b.dir)
		host(t, b.dir, "git", "remote", "add", "origin", "https://example.com/x.git")
		out := b.sh(`
for i in 1 2 3; do echo $i > f$i; git add f$i; git commit -qm "c$i"; done
git switch -qc topic main~1; echo t > t; git add .; git commit -qm topic
git rebase -q main; git stash list; echo dirty >> t; git stash -q; git stash pop -q; git commit -qam dirty
git branch config; git branch hooks/x; git branch info; git tag -a v1 -m v1; git switch -q config; git switch -q topic
git update-ref refs/remotes/origin/main main; git branch -q --track tracked origin/main; git branch -q --set-upstream-to=origin/main topic
git config user.name me; git config branch.topic.description hello; git config --get branch.tracked.merge
git remote add fork git@example.com:me/x.git; git branch -m tracked renamed; git branch -q -D renamed
git gc -q; git fsck --no-progress 2>/dev/null; git reflog expire --all --expire=now; git prune; git merge -q --no-ff -m m config
git worktree add -q wt -b wtb; (cd wt; echo w > w; git add w; git commit -qm w; git status --short); git worktree list | wc -l
git worktree remove wt; git worktree prune
git sparse-checkout set --no-cone f1 2>&1; git sparse-checkout disable 2>&1; git status --short
`)
		if strings.Contains(out, "fatal") || strings.Contains(out, "denied") {
			t.Errorf("userns %v:\n%s", userns, out)
		}
		config := host(t, b.dir, "git", "config", "-l", "--local")
		for _, want := range []string{"user.name=me", "branch.topic.description=hello", "branch.topic.merge=refs/heads/main", "remote.fork.url=git@example.com:me/x.git"} {
			if !strings.Contains(config, want+"\n") {
				t.Errorf("no %s in\n%s", want, config)
			}
		}
		if strings.Contains(config, "renamed") {
			t.Errorf("branch left in\n%s", config)
		}
		if len(b.denials) != 0 {
			t.Errorf("denials: %+v", b.denials)
		}
		host(t, b.dir, "git", "fsck", "--no-progress")
	}
}

// A linked worktree gets the pointers that are right, whatever is written.
func TestBrokerWorktreePointer(t *testing.T) {
	needs(t, "git")
	b := newBrokerBox(t)
	gitInit(t, b.dir)
	b.sh(`
mkdir -p .git/worktrees/evil evil; echo "$PWD/evil/.git" > .git/worktrees/evil/gitdir
echo ref: refs/heads/main > .git/worktrees/evil/HEAD
echo /tmp/attacker > .git/worktrees/evil/commondir
echo gitdir: /tmp/attacker > evil/.git`)
	for file, want := range map[string]string{
		"evil/.git":                     "gitdir: " + b.dir + "/.git/worktrees/evil\n",
		".git/worktrees/evil/commondir": "../..\n",
	} {
		got, err := os.ReadFile(b.dir + "/" + file)
		if err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v; want %q", file, got, err, want)
		}
	}
	for _, script := range []string{"echo x >> evil/.git", "mv evil/.git x", "echo x >> .git/worktrees/evil/commondir", "echo x > y; mv y .git/worktrees/evil/commondir",
		"mkdir other; echo gitdir: x > other/.git", "cd evil; rm .git; ln -s /tmp .git"} {
		if out, err := b.run("sh", "-ec", script); err == nil {
			t.Errorf("%s succeeded: %s", script, out)
		}
	}
}

// A submodule, and a linked worktree whose git directory lies elsewhere.
func TestBrokerSubmodule(t *testing.T) {
	needs(t, "git")
	b := newBrokerBox(t)
	gitInit(t, b.dir)
	lib := t.TempDir()
	gitInit(t, lib)
	host(t, b.dir, "git", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "--name", "libs/one", lib, "sub")
	host(t, b.dir, "git", "-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qm", "sub")
	out := b.sh(`cd sub; git switch -qc w; echo x > x; git add x; git commit -qm x; cd ..; git add sub; git commit -qm bump; git submodule status`)
	if !strings.Contains(out, "sub") {
		t.Error(out)
	}
	for _, script := range []string{"echo x > .git/modules/libs/one/hooks/post-checkout", "cd sub; git config core.fsmonitor x", "echo x > .git/modules/libs/one/config",
		"echo gitdir: x > sub/.git", "mv .git/modules/libs .git/modules/l2", "mv .git/modules/libs/one one"} {
		if out, err := b.run("sh", "-ec", script); err == nil {
			t.Errorf("%s succeeded: %s", script, out)
		}
	}

	wt := t.TempDir() + "/wt"
	host(t, b.dir, "git", "worktree", "add", "-q", wt, "-b", "linked")
	c := newBrokerBox(t)
	c.dir = wt
	c.rules.Roots = []name.Root{{Path: wt, TopGit: true}, {Path: b.dir + "/.git", Git: true}}
	c.sh("echo x > y; git add y; git commit -qm y; git config branch.linked.description x; git stash list; git rebase -q HEAD~1")
	if _, err := c.run("sh", "-ec", "echo x > "+b.dir+"/.git/hooks/post-commit"); err == nil {
		t.Error("hook of the common directory written")
	}
}

// With nested-git = hold a repository may be made; its hooks are held all the same.
func TestBrokerNestedHold(t *testing.T) {
	needs(t, "git")
	b := newBrokerBox(t)
	b.rules.NestedGit = "hold"
	b.sh("git init -q -b main n; cd n; echo x > x; git add x; git commit -qm x; git config user.name y; git status --short")
	for _, script := range []string{"echo x > n/.git/hooks/pre-commit", "cd n; git config alias.x '!sh'", "mv n/.git m"} {
		if out, err := b.run("sh", "-ec", script); err == nil {
			t.Errorf("%s succeeded: %s", script, out)
		}
	}
}

// The lock file's writer may keep its descriptor: what is renamed is a copy.
func TestBrokerConfigIsCopied(t *testing.T) {
	needs(t, "git", "python3")
	b := newBrokerBox(t)
	gitInit(t, b.dir)
	before, _ := os.ReadFile(b.dir + "/.git/config")
	b.sh(`python3 -c '
import os, mmap
f = os.open(".git/config.lock", os.O_RDWR|os.O_CREAT|os.O_EXCL, 0o644)
old = open(".git/config","rb").read()
os.write(f, old + b"[user]\n\tname = abcdefghijklmnopqrstuvwxyz\n")
m = mmap.mmap(f, 0)
os.rename(".git/config.lock", ".git/config")
m[len(old):] = b"[core]\n\tpager = x".ljust(len(m)-len(old), b" ")
os.pwrite(f, b"[core]\n\tpager = x\n", 0)
m.flush()
'`)
	after, _ := os.ReadFile(b.dir + "/.git/config")
	if want := string(before) + "[user]\n\tname = abcdefghijklmnopqrstuvwxyz\n"; string(after) != want {
		t.Errorf("configuration is %q, want %q", after, want)
	}
	list, err := os.ReadDir(b.dir + "/.git")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if strings.Contains(e.Name(), "lock") {
			t.Errorf("%s left", e.Name())
		}
	}
}
