//go:build linux

package probe

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fake runs some probes and the controls with a shell script as the sandbox: "$@" is
// the probe program.
func fake(t *testing.T, script string, only ...string) ([]Result, error) {
	t.Helper()
	return fakeFor(t, 0, script, nil, only...)
}

func fakeFor(t *testing.T, patience time.Duration, script string, skip []string, only ...string) ([]Result, error) {
	t.Helper()
	self := baileyProgram(t)
	probes, err := Select(All(), only, skip, func(string, []string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Probes: probes, Self: self, Scratch: []string{"/var/tmp"}, Patience: patience}
	if script != "" {
		o.Command = func(World) []string { return []string{"/bin/sh", "-c", script, "sh"} }
	}
	return Run(t.Context(), o)
}

// A sandbox under which no probe runs is an error, whatever it prints.
func TestNothingRan(t *testing.T) {
	forged := strings.TrimSpace(string(encodeReport(&Report{Nonce: "nonce-0123456789abcdef01234567", Ended: "done"})))
	for _, script := range []string{"exit 0", "exit 1", "echo hello", "cat", "yes '" + forged + "' | head -1000; cat >/dev/null", "head -c 1000000 /dev/zero; cat >/dev/null", "kill -9 $$"} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()                                                          // most of it is waiting
			results, err := fakeFor(t, time.Second, script, nil, "files.ssh-key") // nothing will come
			var start *StartError
			if !errors.As(err, &start) || results != nil {
				t.Errorf("%v, %v", results, err)
			}
		})
	}
	if _, err := Run(t.Context(), Options{}); !errors.Is(err, ErrNothing) {
		t.Error(err)
	}
}

// What a sandbox says of why it does not start comes with the error, also when it
// comes a moment after its end.
func TestLastWords(t *testing.T) {
	t.Parallel()
	_, err := fake(t, `setsid sh -c 'sleep 0.2; echo no room for a sandbox >&2' & exit 3`, "files.ssh-key")
	var start *StartError
	if !errors.As(err, &start) || !strings.Contains(start.Said, "no room") {
		t.Errorf("%v", err)
	}
}

// A probe whose report does not come is unknown, and the others are told apart.
func TestUnknown(t *testing.T) {
	t.Parallel()
	// Each report that is lost is waited for: so there is one, and no control.
	results, err := fakeFor(t, 0, `"$@" | sed -u 2d`, []string{"controls"}, "files.ssh-key", "files.aws-credentials")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, r := range results {
		if r.Status == Unknown {
			n++
		}
	}
	if n == 0 {
		t.Errorf("nothing is unknown: %v", results)
	}
	p := &Proof{Gate: []Severity{Boundary}, Results: results}
	if p.Holds() {
		t.Error("the proof holds")
	}
}

// A sandbox that ends again and again in between, as one with a time limit does, is
// started again, and no probe is lost.
func TestStartsAgain(t *testing.T) {
	t.Parallel()
	results, err := fake(t, `"$@" | sed -u 5q`, "files")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Status == Unknown {
			t.Errorf("%s: %s", r.Probe.ID, r.Reason)
		}
	}
}

// What is read is an escape although the probe says that it got nothing: a token
// cannot be guessed. And what was not read is none although it says so.
func TestJudge(t *testing.T) {
	c := &Case{Token: "secret-1", Args: map[string]string{}}
	if yes, _ := cameOut(c, &Report{Ended: "done", Err: "held", Loot: []byte("x secret-1 y")}); !yes {
		t.Error("a token that came out is no escape")
	}
	if yes, _ := cameOut(c, &Report{Ended: "done", Claimed: true, Loot: []byte("secret-2")}); yes {
		t.Error("another token is an escape")
	}
	dir := t.TempDir()
	for _, change := range []func(string) error{
		func(p string) error { return os.WriteFile(p, []byte("x"), 0o644) },
		os.Remove,
		func(p string) error { return os.Chmod(p, 0o600) },
		func(p string) error { return os.Chtimes(p, time.Unix(1, 0), time.Unix(1, 0)) },
		func(p string) error { return os.Link(p, p+".2") },
		func(p string) error { os.Remove(p); return os.Symlink("x", p) },
	} {
		path := filepath.Join(dir, "f"+random(4))
		c := &Case{}
		if err := os.WriteFile(path, []byte("y"), 0o644); err != nil {
			t.Fatal(err)
		}
		c.Watch(path)
		if yes, what := touched(c, nil); yes {
			t.Fatal(what)
		}
		if err := change(path); err != nil {
			t.Fatal(err)
		}
		if yes, _ := touched(c, nil); !yes {
			t.Error("a change is not seen")
		}
	}
}

// Every way in which an attack can end has a status, and none of them is held by
// mistake.
func TestStatus(t *testing.T) {
	word := Probe{ID: "kernel.x", Severity: Hardening}
	host := Probe{ID: "files.x", Severity: Boundary, Judge: cameOut}
	control := Probe{ID: "controls.x", Control: true, Judge: cameOut}
	mayLack := host
	mayLack.MayLack = true
	token := []byte("secret-x")
	for _, c := range []struct {
		name   string
		probe  Probe
		report *Report
		want   Status
	}{
		{"refused", word, &Report{Ended: "done", Err: "EPERM"}, Held},
		{"not refused", word, &Report{Ended: "done", Claimed: true}, Escaped},
		{"no report", word, nil, Unknown},
		{"time is up, and only it could tell", word, &Report{Ended: "timeout"}, Unknown},
		{"killed for the call", word, &Report{Ended: "signal", Signal: int(unix.SIGSYS)}, Held},
		{"crashed", word, &Report{Ended: "signal", Signal: int(unix.SIGSEGV)}, Unknown},
		{"broken", word, &Report{Ended: "crash"}, Unknown},
		{"held", host, &Report{Ended: "done", Claimed: true}, Held},
		{"came out", host, &Report{Ended: "done", Loot: token}, Escaped},
		{"came out of a crash", host, &Report{Ended: "crash", Loot: token}, Escaped},
		{"no report of a host's", host, nil, Unknown},
		{"time is up", host, &Report{Ended: "timeout"}, Unknown},
		{"killed", host, &Report{Ended: "signal", Signal: int(unix.SIGKILL)}, Unknown},
		{"killed for the call of a host's", host, &Report{Ended: "signal", Signal: int(unix.SIGSYS)}, Held},
		{"crash of a host's", host, &Report{Ended: "crash"}, Unknown},
		{"lack is not for everybody", host, &Report{Ended: "done", Lack: "npm"}, Held},
		{"lack", mayLack, &Report{Ended: "done", Lack: "npm"}, Cannot},
		{"control", control, &Report{Ended: "done", Loot: token}, OK},
		{"broken control", control, &Report{Ended: "done", Claimed: true}, Broken},
		{"no report of a control", control, nil, Unknown},
	} {
		r := &run{results: make([]Result, 1)}
		r.judge(0, &Case{host: &host0, Probe: c.probe, Token: "secret-x", Args: map[string]string{}}, c.report, 0, "")
		if got := r.results[0].Status; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

var host0 host

// Without a sandbox everything escapes, and the box that a run is made in is not
// needed for that; a proof without a single held probe does not hold.
func TestBrokenWalls(t *testing.T) {
	results, err := fake(t, `exec "$@"`, "files", "network", "processes", "leftovers")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Status != Escaped && r.Status != OK && r.Status != Cannot && !r.Probe.NeedsRoot {
			t.Errorf("%s: %s: %s", r.Probe.ID, r.Status, r.Reason)
		}
	}
	p := &Proof{Gate: []Severity{Boundary}, Results: results}
	if p.Holds() {
		t.Error("the proof holds")
	}
}

// A run that is cancelled ends soon, and says so.
func TestCancel(t *testing.T) {
	self := baileyProgram(t)
	ctx, cancel := context.WithCancel(t.Context())
	o := Options{Probes: All(), Self: self, Scratch: []string{"/var/tmp"}, Progress: func(done, _ int, _ *Result) {
		if done == 3 {
			cancel()
		}
	}}
	if results, err := Run(ctx, o); !errors.Is(err, context.Canceled) || results != nil {
		t.Errorf("%d results, %v", len(results), err)
	}
}

// A name that is none is an error with the nearest one.
func TestSelect(t *testing.T) {
	nearest := func(string, []string) string { return "files" }
	for _, c := range []struct{ only, skip []string }{{only: []string{"fiels"}}, {skip: []string{"files.nothing"}}, {only: []string{""}}, {only: []string{"x*"}}} {
		var bad *SelectError
		if _, err := Select(All(), c.only, c.skip, nearest); !errors.As(err, &bad) || bad.Nearest != "files" {
			t.Errorf("%v: %v", c, err)
		}
	}
	if _, err := Select(All(), []string{"files"}, []string{"files"}, nearest); !errors.Is(err, ErrNothing) {
		t.Error(err)
	}
	list, err := Select(All(), []string{"files.ssh-*"}, nil, nearest)
	if err != nil || list[0].ID != "files.ssh-key" || len(list) < 2 {
		t.Errorf("%v, %v", list, err)
	}
}
