//go:build linux

package probe

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/bailey-run/bailey/internal/nouserns"
)

func TestMain(m *testing.M) {
	if code, is := Hidden(os.Args[1:]); is {
		os.Exit(code)
	}
	if len(os.Args) > 2 && os.Args[1] == "test-nouserns" {
		err := nouserns.Forbid()
		if err == nil {
			err = syscall.Exec(os.Args[2], os.Args[2:], os.Environ())
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	var err error
	if built, err = os.MkdirTemp("", "probe"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(built)
	os.Chmod(built, 0o755)
	return m.Run()
}

// Every probe says all that a person is told, under a name of its own.
func TestTable(t *testing.T) {
	id := regexp.MustCompile(`^[a-z-]+\.[a-z0-9-]+$`)
	seen := map[string]bool{}
	for _, p := range All() {
		if !id.MatchString(p.ID) || seen[p.ID] {
			t.Errorf("%q is no id, or there twice", p.ID)
		}
		seen[p.ID] = true
		if !slices.Contains(Categories(), p.Category()) {
			t.Errorf("%s: no such category", p.ID)
		}
		if p.Title == "" || p.Why == "" || p.Fix == "" || p.Attack == nil && p.Judge == nil {
			t.Errorf("%s: something is missing", p.ID)
		}
		for _, s := range []string{p.Title, p.Why, p.Wall, p.Fix} {
			if strings.HasSuffix(s, ".") || strings.Contains(s, "\n") {
				t.Errorf("%s: %q: no full stop", p.ID, s)
			}
		}
		switch p.Severity {
		case Boundary, Persistence, Hardening, Resource:
			if p.Wall == "" || p.Control {
				t.Errorf("%s: no wall", p.ID)
			}
		case "":
			if !p.Control {
				t.Errorf("%s: no severity", p.ID)
			}
		default:
			t.Errorf("%s: severity %q", p.ID, p.Severity)
		}
	}
}

// Without walls every probe gets through: else it proves nothing.
func TestSelfCheck(t *testing.T) {
	results, err := Run(t.Context(), Options{Probes: All(), Self: baileyProgram(t), Scratch: []string{"/var/tmp"}, SelfCheck: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		switch r.Status {
		case Shown, OK:
		case Cannot:
			t.Logf("%s cannot be shown here: %s", r.Probe.ID, r.Reason)
		default:
			t.Errorf("%s: %s: %s", r.Probe.ID, r.Status, r.Reason)
		}
	}
}

// baileyProgram builds the program under test, once. It is the probe program too: this
// test may have been built with a race detector, which makes each start a slow one.
func baileyProgram(t *testing.T) string {
	t.Helper()
	program, err := builtProgram()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

var builtProgram = sync.OnceValues(func() (string, error) {
	program := filepath.Join(built, "bailey")
	build := exec.Command("go", "build", "-o", program, "../../cmd/bailey")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build bailey: %w\n%s", err, out)
	}
	return program, nil
})

// built is the directory that it is built in.
var built string

// bailey's own box holds all of them, and the weaker tier all but what it announces
// itself.
func TestBailey(t *testing.T) {
	program := baileyProgram(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("full", func(t *testing.T) {
		holdsAll(t, program, nil, nil, false)
	})
	t.Run("landlock", func(t *testing.T) {
		holdsAll(t, program, []string{self, "test-nouserns"}, []string{"--min-tier=landlock"}, true)
	})
	t.Run("read-only", func(t *testing.T) {
		holdsAll(t, program, nil, []string{"--mode=read-only"}, false)
	})
}

func holdsAll(t *testing.T, program string, before, flags []string, weaker bool) {
	readOnly := strings.HasSuffix(t.Name(), "read-only")
	command := func(w World, more ...string) []string {
		return slices.Concat(before, []string{program, "prove-run", w.Home, "--quiet"}, flags, more, []string{"--"})
	}
	o := gateOptions(program, command, nil)
	o.Probes, o.ReadOnly = All(), readOnly
	results, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		switch r.Status {
		case Held, OK:
		case Cannot:
			t.Logf("%s cannot be shown here: %s", r.Probe.ID, r.Reason)
		case Escaped, Broken:
			if weaker && (r.Probe.Weaker != "" || r.Probe.Severity == Resource) {
				t.Logf("%s: %s, as the tier announces: %s", r.Probe.ID, r.Reason, r.Probe.Weaker)
				break
			}
			fallthrough
		default:
			t.Errorf("%s: %s: %s", r.Probe.ID, r.Status, r.Reason)
		}
	}
	left, _ := filepath.Glob("/var/tmp/.bailey-prove-*")
	for _, dir := range left {
		if slices.ContainsFunc(results, func(r Result) bool { return strings.HasPrefix(r.World.Base, dir) }) {
			t.Errorf("%s was left behind", dir)
		}
	}
}
