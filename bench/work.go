//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// inside and outside run a shell script that is timed by itself, so that the
// start of the box does not count.
func (b *bench) scripts(title string, rounds int, prepare, script string) error {
	return b.compare(title, rounds, []candidate{{name: "outside", do: b.timed(prepare, script, "env")},
		{name: "inside", do: b.timed(prepare, script, b.bailey, "run", "--quiet", "--")}})
}

// timed is a script that is started by argv and times itself.
func (b *bench) timed(prepare, script string, argv ...string) func() (time.Duration, error) {
	timed := `set -e
` + prepare + `
s=$(date +%s%N)
{ ` + script + `
} >/dev/null 2>&1
e=$(date +%s%N)
echo $((e - s))`
	return func() (time.Duration, error) {
		cmd := exec.Command(argv[0], append(argv[1:len(argv):len(argv)], "sh", "-c", timed)...)
		cmd.Dir = b.work
		cmd.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false")
		out, err := cmd.CombinedOutput()
		if err != nil {
			return 0, fmt.Errorf("%w: %s", err, out)
		}
		lines := strings.Fields(string(out))
		n, err := strconv.ParseInt(lines[len(lines)-1], 10, 64)
		return time.Duration(n), err
	}
}

// tree measures work on many files.
func (b *bench) tree() error {
	repo := filepath.Join(b.work, "repo")
	for i := range 200 {
		d := filepath.Join(repo, fmt.Sprintf("d%03d", i))
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
		for k := range 100 {
			if err := os.WriteFile(filepath.Join(d, fmt.Sprintf("f%03d.txt", k)), []byte(strings.Repeat("line\n", 50)), 0o644); err != nil {
				return err
			}
		}
	}
	setup := exec.Command("sh", "-c", `cd repo && git init -q . && git add -A && git -c user.name=b -c user.email=b@example.org commit -qm files && tar cf ../half.tar $(ls -d d0*) `)
	setup.Dir = b.work
	if out, err := setup.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	// The repository is what the box is about.
	old := b.work
	b.work = repo
	defer func() { b.work = old }()
	if err := os.Rename(filepath.Join(old, "half.tar"), filepath.Join(repo, "half.tar")); err != nil {
		return err
	}
	for _, s := range []struct {
		title           string
		rounds          int
		prepare, script string
	}{
		{"git status, 20,000 files", 20, "git status >/dev/null", "git status"},
		{"find, 20,000 files", 20, "", "find . -type f -size +1k"},
		{"300 fork and exec", 20, "", "i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done"},
		{"untar 10,000 files in the workspace", 10, "rm -rf x; mkdir x", "tar xf half.tar -C x"},
		{"git commit", 10, "date +%s%N > n; git add n", "git -c user.name=b -c user.email=b@example.org commit -qm n"},
	} {
		if err := b.scripts(s.title, s.rounds, s.prepare, s.script); err != nil {
			return err
		}
	}
	return nil
}

// source puts a copy of this project into the workspace, and makes it the workspace
// until back is called.
func (b *bench) source() (back func(), err error) {
	src, old := filepath.Join(b.work, "src"), b.work
	out, err := exec.Command("sh", "-c", "git ls-files -z | tar --null -T - -cf - | (mkdir -p "+src+" && tar -C "+src+" -xf -)").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	b.work = src
	return func() { b.work = old }, nil
}

// build measures a Go build of this project, cold and warm.
func (b *bench) build() error {
	back, err := b.source()
	if err != nil {
		return err
	}
	defer back()
	if err := b.scripts("go build, cold cache", 3, "export GOCACHE=$PWD/.gocache; rm -rf .gocache out", "go build -o out ./cmd/bailey"); err != nil {
		return err
	}
	return b.scripts("go build, warm cache", 10, "export GOCACHE=$PWD/.gocache; go build -o out ./cmd/bailey", "go build -o out ./cmd/bailey")
}

// execs measures what looking at each program that is executed inside costs.
func (b *bench) execs() error {
	back, err := b.source()
	if err != nil {
		return err
	}
	defer back()
	rules, log := filepath.Join(b.dir, "rules.toml"), filepath.Join(b.dir, "log")
	if err := os.WriteFile(rules, []byte("permissions.deny = [\"Bash(git push *)\"]\npermissions.ask = [\"Bash(npm publish *)\"]\n"), 0o644); err != nil {
		return err
	}
	for _, s := range []struct {
		title           string
		rounds          int
		prepare, script string
	}{
		{"300 fork and exec", 20, "", "i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done"},
		{"300 times sh -c", 10, "", "i=0; while [ $i -lt 300 ]; do sh -c 'true; true'; i=$((i+1)); done"},
		{"go build, cold cache", 3, "export GOCACHE=$PWD/.gocache; rm -rf .gocache out", "go build -o out ./cmd/bailey"},
	} {
		inside := func(flags ...string) func() (time.Duration, error) {
			return b.timed(s.prepare, s.script, append(append([]string{b.bailey, "run", "--quiet"}, flags...), "--")...)
		}
		if err := b.compare(s.title+", programs looked at", s.rounds, []candidate{
			{name: "not at all", do: inside()},
			{name: "rules", do: inside("--config", rules)},
			{name: "recorded", do: inside("--log", log)},
			{name: "rules, recorded", do: inside("--config", rules, "--log", log)},
		}); err != nil {
			return err
		}
	}
	return nil
}
