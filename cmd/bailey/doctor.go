package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

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
missing. Then it opens a box of the current project, runs true(1) in it, and lists
each wall that was asked for and what holds it here. The exit code is 0 when tier
full is reached, and 1 when not.`,
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
	Project  string          `json:"project,omitempty"` // whose policy the walls are of; "" for the one built in
	Policy   string          `json:"policy_error,omitempty"`
	Opened   bool            `json:"opened"` // a box was, and the walls are what it had; otherwise they are predicted
	NotOpen  string          `json:"open_error,omitempty"`
	Walls    []wallFinding   `json:"walls"` // with the ids of reports
}

// wallFinding is a wall and what to do about it.
type wallFinding struct {
	bailey.Wall
	Fix string `json:"fix,omitempty"`
}

func (a *app) doctor() error {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	d := diagnosis{Version: 1, Features: linux.Features(filepath.Join(cache, "bailey"))}
	k := linux.Probe(filepath.Join(cache, "bailey"))
	var bare *plan.Plan
	d.Tier, d.Why, bare = reachable(k)
	d.walls(bare)
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
func reachable(k plan.Kernel) (tier bailey.Tier, why string, _ *plan.Plan) {
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
			return pl.Tier, why, pl
		}
		if why == "" {
			why = err.Error()
		}
	}
	return bailey.TierNone, why, nil
}

// walls lists the walls of the current project, or of a plain box when its policy
// gives no plan.
func (d *diagnosis) walls(bare *plan.Plan) {
	d.Walls = []wallFinding{}
	var walls []bailey.Wall
	if p, err := bailey.Prepare(bailey.Config{Caller: "--"}); err == nil {
		d.Project, walls = p.Dir(), p.Report().Walls
		if seen, err := try(); err == nil {
			d.Opened, walls = true, seen
		} else {
			d.NotOpen = err.Error()
		}
	} else {
		d.Policy = err.Error()
		if bare != nil {
			walls = bare.Walls
		}
	}
	for _, w := range walls {
		f := wallFinding{Wall: w}
		if w.Status == bailey.WallMissing || w.Status == bailey.WallWeaker {
			f.Fix = d.fix(&w)
		}
		d.Walls = append(d.Walls, f)
	}
}

// tryTime bounds the box that doctor opens. It takes some milliseconds.
const tryTime = 20 * time.Second

// try opens a box of the current project and says what it had.
func try() ([]bailey.Wall, error) {
	ctx, cancel := context.WithTimeout(context.Background(), tryTime)
	defer cancel()
	cmd := bailey.Command(ctx, bailey.Config{Caller: "--"}, "true")
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	walls := cmd.Box().Report().Walls
	return walls, cmd.Wait()
}

// fix says what to do about a wall: what the feature says that it lacks, and for
// a missing one how to start nevertheless.
func (d *diagnosis) fix(w *bailey.Wall) string {
	lacks := map[string]string{
		plan.ByLandlockRead: "Landlock", plan.ByLandlockWrite: "Landlock", plan.ByLandlockScope: "Landlock", plan.ByLandlockTCP: "Landlock",
	}
	var out []string
	for _, m := range w.Mechanisms {
		if m.Held {
			continue
		}
		for _, f := range d.Features {
			if f.Name == lacks[m.Name] && f.Fix != "" && !slices.Contains(out, f.Fix) {
				out = append(out, f.Fix)
			}
		}
	}
	if w.Status == bailey.WallMissing && w.Accepted == nil && slices.Contains(policy.Acceptable(), w.ID) {
		out = append(out, "or start without it: --accept "+w.ID)
	}
	if len(out) == 0 && d.Tier == bailey.TierFull && w.Status == bailey.WallWeaker && strings.HasPrefix(w.ID, "files.") {
		out = append(out, "leave out min-tier: this machine reaches tier full")
	}
	return strings.Join(out, "\n")
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
	d.wallText(&b)
	b.WriteString("\nreachable: tier " + string(d.Tier))
	if d.Why != "" && d.Tier != bailey.TierFull {
		b.WriteString(" (" + printable(d.Why) + ")")
	}
	b.WriteByte('\n')
	return b.String()
}

func (d *diagnosis) wallText(b *strings.Builder) {
	switch {
	case len(d.Walls) == 0:
		return
	case d.Opened:
		b.WriteString("\nwalls of a box in " + printable(d.Project) + ", which was opened to see\n")
	case d.Project != "":
		b.WriteString("\nwalls of a box in " + printable(d.Project) + ", as expected: none could be opened (" + printable(d.NotOpen) + ")\n")
	default:
		b.WriteString("\nwalls of a plain box (the project's policy gives none: " + printable(d.Policy) + ")\n")
	}
	width := 0
	for i := range d.Walls {
		width = max(width, len(d.Walls[i].ID))
	}
	indent := strings.Repeat(" ", width+2)
	for i := range d.Walls {
		w := &d.Walls[i]
		if w.Status == bailey.WallNotRequested {
			continue
		}
		line := w.ID + strings.Repeat(" ", width+2-len(w.ID)) + string(w.Status)
		if w.Achieved != "" {
			line += ": " + w.Achieved
		}
		if w.Accepted != nil {
			line += ", accepted at " + plan.Where(*w.Accepted)
		}
		b.WriteString(printable(line) + "\n")
		if w.Detail != "" {
			b.WriteString(indent + printable(w.Detail) + "\n")
		}
		for line := range strings.Lines(w.Fix) {
			b.WriteString(indent + printable(strings.TrimRight(line, "\n")) + "\n")
		}
	}
}
