package main

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/expect"
)

// TestAgree makes projects of every kind by chance: links that lead into, out of
// and around in circles, protected and denied names, modes. In each, what the
// policy says of every path must be what a box can do.
func TestAgree(t *testing.T) {
	seeds := uint64(4)
	if n, err := strconv.ParseUint(os.Getenv("BAILEY_TEST_SEEDS"), 10, 32); err == nil {
		seeds = n // for hunting by hand
	}
	for seed := range seeds {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { agree(t, rand.New(rand.NewPCG(seed, 7))) })
	}
}

func agree(t *testing.T, r *rand.Rand) {
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(top, "work")
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	if r.IntN(2) == 0 {
		if out, err := exec.Command("git", "init", "-q", work).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	// A deep path made of names that mean something, and of some that do not.
	var name func(depth int) string
	name = func(depth int) string {
		s := pick("a", "b", "c", ".env", "secret", ".vscode", ".envrc", "bailey.test", ".bailey", ".git", "hooks", "config", "x.lock", "Makefile", ".ENV")
		if depth > 0 && r.IntN(2) == 0 {
			s = name(depth-1) + "/" + s
		}
		return s
	}
	place := func() string { return pick(work, work, work, filepath.Join(top, "shown"), filepath.Join(top, "other")) }
	var all []string
	for range 60 {
		p := filepath.Join(place(), name(2))
		all = append(all, p)
		if os.MkdirAll(filepath.Dir(p), 0o755) != nil {
			continue // a file, or a circle, is in the way: then the path is not there
		}
		switch r.IntN(6) {
		case 0:
			os.Mkdir(p, 0o755)
		case 1, 2:
			to := filepath.Join(place(), name(2))
			if rel, err := filepath.Rel(filepath.Dir(p), to); err == nil && r.IntN(2) == 0 {
				to = rel
			}
			os.Symlink(to, p)
		case 3:
			os.WriteFile(p, []byte("#!"+pick("/bin/sh", "/no/such", filepath.Join(place(), name(1)))+"\n"), 0o755)
		case 4:
			os.WriteFile(p, []byte("text\n"), 0o644)
		}
		if info, err := os.Lstat(p); err == nil && info.Mode()&os.ModeSymlink == 0 && r.IntN(5) == 0 {
			os.Chmod(p, os.FileMode(r.IntN(8))<<6)
		}
	}
	t.Cleanup(func() { exec.Command("chmod", "-R", "u+rwx", top).Run() })
	os.Mkdir(filepath.Join(top, "shown"), 0o755)
	os.Mkdir(filepath.Join(top, "other"), 0o755)
	config := bailey.Config{Dir: work, Mode: bailey.Mode(pick("workspace-write", "workspace-write", "read-only"))}
	config.Set = append(config.Set, bailey.Setting{Key: "files.strict", Value: pick("true", "false")})
	config.MinTier = bailey.Tier(os.Getenv("BAILEY_TEST_TIER"))
	for range r.IntN(4) {
		config.Deny = append(config.Deny, pick("secret", "**/.env", "*.lock", filepath.Join(work, name(1)), filepath.Join(top, "shown", name(1))))
	}
	for range r.IntN(3) {
		config.Protect = append(config.Protect, pick("Makefile", "a/b", "./c", filepath.Join(work, name(1))))
	}
	if r.IntN(2) == 0 {
		config.Read = append(config.Read, filepath.Join(top, "shown"))
	}
	if r.IntN(3) == 0 {
		config.Write = append(config.Write, filepath.Join(top, "shown"))
	}
	p, err := bailey.Prepare(config)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Logf("this policy makes no plan: %v", err) // as when it denies the workspace
		return
	}
	var cases []testCase
	for _, path := range all {
		for i, q := range []string{path, path + "/new", filepath.Dir(path)} {
			for _, op := range []string{"read", "write", "exec"} {
				if op == "exec" && i > 0 {
					continue
				}
				cases = append(cases, testCase{expect.Case{File: "f", Line: len(cases) + 1, Want: "deny", Op: op, Target: []string{q}}, work})
			}
		}
	}
	before := listing(t, top)
	tr := newTrial(p, cases, false)
	if err := tr.try(config); err != nil {
		t.Fatal(err)
	}
	tr.judge()
	for i := range tr.Cases {
		if c := &tr.Cases[i]; c.Mismatch {
			t.Errorf("%s\n%+v\n%+v", c.text(p, true), c.Decision, *c.Real)
		}
	}
	if t.Failed() {
		t.Logf("%+v", config)
	}
	if after := listing(t, top); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// listing is everything below a directory but the times of directories.
func listing(t *testing.T, top string) string {
	t.Helper()
	out, err := exec.Command("find", top, "-printf", `%p %i %m %s %l`+"\n").Output()
	if err != nil && os.Getuid() == 0 {
		t.Fatal(err) // others cannot look everywhere
	}
	return string(out)
}
