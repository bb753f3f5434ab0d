package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/linux"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

func doctorVerb(a *app) *verb {
	return &verb{
		name: "doctor", args: "[--json]",
		short: "say what this kernel offers, which tier it reaches, and what is missing",
		long: `Tries each thing that a box is made of, and says what to do about what is
missing. The exit code is 0 when tier full is reached, and 1 when not.`,
		flags: []*flag{a.jsonFlag("the findings as JSON")},
		run: func(words []string) error {
			if len(words) > 0 {
				return &usageError{"bailey doctor takes no arguments", "bailey help doctor"}
			}
			return a.doctor()
		},
	}
}

// diagnosis is what doctor finds.
type diagnosis struct {
	Version  int             `json:"v"`
	Tier     bailey.Tier     `json:"tier"` // the strongest that can be reached
	Why      string          `json:"why,omitempty"`
	Features []linux.Feature `json:"features"`
}

func (a *app) doctor() error {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	d := diagnosis{Version: 1, Features: linux.Features(filepath.Join(cache, "bailey"))}
	d.Tier, d.Why = reachable(linux.Probe(filepath.Join(cache, "bailey")))
	if a.json {
		err = a.printJSON(d)
	} else {
		_, err = a.out.WriteString(d.text())
	}
	if err == nil && d.Tier != bailey.TierFull {
		return exitCode(1)
	}
	return err
}

// reachable compiles a plan for a project that is not there, for the strongest
// tier and then for the weaker one: the compiler decides, doctor only asks.
func reachable(k plan.Kernel) (tier bailey.Tier, why string) {
	const dir = "/home/user/project"
	for _, min := range []bailey.Tier{bailey.TierFull, bailey.TierLandlock} {
		p := &policy.Policy{}
		p.Mode.V, p.MinTier.V = bailey.ReadOnly, min
		pl, err := plan.Compile(p, &plan.Facts{
			OS: runtime.GOOS, Arch: runtime.GOARCH, Kernel: k,
			UID: os.Getuid(), GID: os.Getgid(), Home: "/home/user", Account: plan.Account{UID: os.Getuid(), GID: os.Getgid(), Home: "/home/user"},
			StartDir: dir, Workspace: plan.Workspace{Root: dir}, CacheDir: "/home/user/.cache/bailey",
			Paths: map[string]plan.Path{dir: {Exists: true, IsDir: true, Real: dir}},
		})
		if err == nil {
			return pl.Tier, why
		}
		if why == "" {
			why = err.Error()
		}
	}
	return bailey.TierNone, why
}

func (d *diagnosis) text() string {
	width := 0
	for _, f := range d.Features {
		width = max(width, len(f.Name))
	}
	var b strings.Builder
	for _, f := range d.Features {
		b.WriteString(f.Name + strings.Repeat(" ", width+2-len(f.Name)) + string(f.Have))
		if f.Detail != "" {
			b.WriteString(", " + printable(f.Detail))
		}
		b.WriteByte('\n')
		if f.Have == linux.Yes {
			continue
		}
		indent := strings.Repeat(" ", width+2)
		if f.For != "" {
			b.WriteString(indent + "for " + f.For + "\n")
		}
		for line := range strings.Lines(f.Fix) {
			b.WriteString(indent + strings.TrimRight(line, "\n") + "\n")
		}
	}
	b.WriteString("\nreachable: tier " + string(d.Tier))
	if d.Why != "" && d.Tier != bailey.TierFull {
		b.WriteString(" (" + printable(d.Why) + ")")
	}
	b.WriteByte('\n')
	return b.String()
}
