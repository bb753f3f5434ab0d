//go:build linux

package bailey_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bailey-run/bailey"
)

// left is what a start that failed must leave as it was: the workspace, what is
// made for the policy's own files, the descriptors and the children.
func left(t *testing.T, dirs ...string) []string {
	t.Helper()
	var out []string
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrPermission) {
				return fs.SkipDir // the overlay driver's own
			}
			if err == nil {
				out = append(out, p+" "+d.Type().String())
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if target, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil {
			out = append(out, "fd "+fd.Name()+" "+target)
		}
	}
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, task := range tasks {
		text, _ := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
		for pid := range strings.FieldsSeq(string(text)) {
			out = append(out, "child "+pid)
		}
	}
	return out
}

// TestStartsThatFail makes every part of a start fail that is not a step of the
// launcher's, which has tests of its own.
func TestStartsThatFail(t *testing.T) {
	home := dir(t)
	for _, kind := range []string{"CACHE", "STATE", "CONFIG"} {
		sub := filepath.Join(home, kind)
		if err := os.Mkdir(sub, 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("XDG_"+kind+"_HOME", sub)
	}
	ws := dir(t)
	if err := os.WriteFile(filepath.Join(ws, "go.mod"), []byte("module x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	ran := filepath.Join(ws, "ran")
	run := func(cfg bailey.Config, args ...string) error {
		cfg.Dir = ws
		err := bailey.Command(t.Context(), cfg, "touch", append(args, ran)...).Run()
		if errors.Is(err, errors.ErrUnsupported) && cfg.Planned == nil {
			t.Skip(err)
		}
		return err
	}
	if err := run(bailey.Config{}); err != nil { // makes what stays: caches, the answers of the probes
		t.Fatal(err)
	}
	if err := os.Remove(ran); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(home, "log")
	if err := os.WriteFile(log, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	caches := filepath.Join(home, "CACHE")
	saying := errors.New("planned")
	for _, tt := range []struct {
		name     string
		obstruct func() (repair func())
		cfg      bailey.Config
		want     string
	}{
		{"the plan is refused", nil, bailey.Config{Log: log, Planned: func(*bailey.Plan) error { return saying }}, "planned"},
		{"no directory for the log", nil, bailey.Config{Log: filepath.Join(home, "none", "log")}, "none"},
		{"the log is a directory", nil, bailey.Config{Log: home}, home},
		{"the log is in the box's reach", nil, bailey.Config{Log: filepath.Join(ws, "log")}, "may write"},
		{"a bad policy", nil, bailey.Config{Memory: "much"}, "much"},
		{"a missing program's directory", nil, bailey.Config{Log: log, SetEnv: []string{"PATH=/nowhere"}}, "not found"},
		{"the cache directory is a file", func() func() {
			projects := filepath.Join(caches, "bailey", "projects")
			if err := os.Rename(projects, projects+".away"); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(projects, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return func() {
				os.Remove(projects)
				os.Rename(projects+".away", projects)
			}
		}, bailey.Config{Log: log}, "projects"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			repair := func() {}
			if tt.obstruct != nil {
				repair = tt.obstruct()
			}
			before := left(t, ws, home)
			err := run(tt.cfg)
			after := left(t, ws, home)
			repair()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v", err)
			}
			if !slices.Equal(before, after) {
				t.Errorf("%v leaves\n%s\nwas\n%s", err, strings.Join(after, "\n"), strings.Join(before, "\n"))
			}
			if _, err := os.Lstat(ran); err == nil {
				t.Fatal("the command ran")
			}
		})
	}
	// And the place is as good as before.
	if err := run(bailey.Config{Log: log}); err != nil {
		t.Error(err)
	}
}
