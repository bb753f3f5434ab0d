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
	timed := `set -e
` + prepare + `
s=$(date +%s%N)
{ ` + script + `
} >/dev/null 2>&1
e=$(date +%s%N)
echo $((e - s))`
	run := func(argv ...string) func() (time.Duration, error) {
		return func() (time.Duration, error) {
			cmd := exec.Command(argv[0], append(argv[1:], "sh", "-c", timed)...)
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
	return b.compare(title, rounds, []candidate{{name: "outside", do: run("env")}, {name: "inside", do: run(b.bailey, "run", "--quiet", "--")}})
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

// build measures a Go build of this project, cold and warm.
func (b *bench) build() error {
	src := filepath.Join(b.work, "src")
	out, err := exec.Command("sh", "-c", "git ls-files -z | tar --null -T - -cf - | (mkdir -p "+src+" && tar -C "+src+" -xf -)").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	old := b.work
	b.work = src
	defer func() { b.work = old }()
	if err := b.scripts("go build, cold cache", 3, "export GOCACHE=$PWD/.gocache; rm -rf .gocache out", "go build -o out ./cmd/bailey"); err != nil {
		return err
	}
	return b.scripts("go build, warm cache", 10, "export GOCACHE=$PWD/.gocache; go build -o out ./cmd/bailey", "go build -o out ./cmd/bailey")
}
