package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/bailey-run/bailey/internal/name"
	"github.com/bailey-run/bailey/internal/policy"
	"github.com/bailey-run/bailey/internal/seccomp"
)

// hostname is what a box calls itself, so that a prompt shows where it is.
const hostname = "bailey"

// rootlessID is the id inside when the host's is 0: programs behave differently
// as user 0 (tar keeps owners, npm changes user), and no id 0 means that no rule
// of any program about root applies.
const rootlessID = 1000

// compiler holds one compilation.
type compiler struct {
	p     *policy.Policy
	f     *Facts
	pl    *Plan
	t     tree
	home  string // HOME inside
	roots []root // writable or, in read-only mode, the same places read-only
	moved map[string]Var

	relocs []relocation // nil: not looked for yet
}

// Compile makes the plan for a policy on the machine that the facts describe.
// The error is always a *Error.
func Compile(p *policy.Policy, f *Facts) (*Plan, error) {
	c := &compiler{p: p, f: f, t: tree{nodes: make(map[string]Node, 96)}, moved: map[string]Var{}}
	c.pl = &Plan{Version: Version, Mode: p.Mode.V, Hostname: hostname, Dir: f.StartDir, CacheDir: f.CacheDir}
	if c.pl.Mode == "" {
		c.pl.Mode = policy.ReadOnly
	}
	c.pl.Notes = append(c.pl.Notes, f.Notes...)
	for _, v := range p.Profiles {
		c.pl.Profiles = append(c.pl.Profiles, v.V)
		if found, ok := strings.CutPrefix(v.From.File, "detected:"); ok {
			c.note("profile %s: the project has %s", v.V, found)
		}
	}
	if !clean(f.StartDir) || !clean(f.Workspace.Root) || !under(f.StartDir, f.Workspace.Root) {
		return nil, &Error{What: "the start directory is not inside the workspace", Path: f.StartDir, Hint: "start bailey in an existing directory of the project"}
	}
	c.pl.Identity = IdentityOf(c.f)
	c.limits()

	tier, err := c.tier()
	if err != nil {
		return nil, err
	}
	c.pl.Tier = tier
	if tier != policy.TierNone {
		if err := c.network(); err != nil {
			return nil, err
		}
	}
	switch tier {
	case policy.TierNone:
		c.open()
	case policy.TierLandlock:
		err = c.landlockTier()
	default:
		err = c.full()
	}
	if err != nil {
		return nil, err
	}
	c.walls()
	return c.pl, nil
}

func (c *compiler) note(format string, args ...any) {
	c.pl.Notes = append(c.pl.Notes, fmt.Sprintf(format, args...))
}

// full compiles the strongest tier.
func (c *compiler) full() error {
	c.pl.Namespaces = []string{"user", "mount", "pid", "net", "ipc", "uts", "cgroup"}
	if err := c.findRoots(); err != nil {
		return err
	}
	c.home = c.chooseHome()
	c.pl.Identity.Home = c.home

	c.putRoots()
	c.devices()
	c.scratch()
	if err := c.reads(); err != nil {
		return err
	}
	c.homeFiles()
	c.kept()
	c.caches()
	c.system()
	c.etc()
	c.toolchains()
	c.tidy()
	c.pins()
	if err := c.denies(); err != nil {
		return err
	}
	c.holdParents()
	c.pl.Tree = c.t.sorted()
	c.names()
	c.env()
	c.landlock()
	c.pl.Syscalls = seccomp.Profile{
		Debug:  c.p.Process.Debug.V,
		Broker: len(c.pl.Writable) > 0 || c.denyReads(),
		Reads:  c.denyReads(),
		Exec:   c.p.Deep(),
	}
	return nil
}

// open compiles danger-full-access: no wall, and the plan says so.
func (c *compiler) open() {
	c.home = c.pl.Identity.Home
	c.pl.Identity = Identity{UID: c.f.UID, GID: c.f.GID, HostUID: c.f.UID, HostGID: c.f.GID, User: c.f.User, Home: c.f.Home}
	c.home = c.f.Home
	c.pl.Weaker = []string{"there are no walls: the command can do everything that you can do (mode danger-full-access)"}
	c.openEnv()
}

// IdentityOf says who the box of a plan made from f will be.
func IdentityOf(f *Facts) Identity {
	a := f.Account
	id := Identity{UID: a.UID, GID: a.GID, HostUID: a.UID, HostGID: a.GID, User: a.Name, Home: a.Home}
	if id.UID == 0 {
		id.UID, id.User = rootlessID, hostname
	}
	if id.GID == 0 {
		id.GID = rootlessID
	}
	if id.User == "" || id.User == "root" {
		id.User = hostname
	}
	return id
}

func (c *compiler) limits() {
	l := c.p.Limits
	c.pl.Limits = Limits{
		Memory:     l.Memory.V,
		Pids:       l.Pids.V,
		CPU:        l.CPU.V,
		FileSize:   l.FileSize.V,
		OpenFiles:  l.OpenFiles.V,
		Scratch:    l.Scratch.V,
		Timeout:    l.Timeout.V * int64(time.Second),
		Output:     l.Output.V,
		OutputRate: l.OutputRate.V,
	}
}

// names fills in what the name broker must know.
func (c *compiler) names() {
	r := name.Rules{Protect: values(c.p.Files.Protect), Deny: values(c.p.Files.Deny), NestedGit: c.p.Files.NestedGit.V}
	for _, p := range c.f.Workspace.GitNames {
		r.Protect = append(r.Protect, patternOf(p))
	}
	if r.NestedGit == "" {
		r.NestedGit = "deny"
	}
	for _, w := range c.roots {
		if !w.writable {
			continue
		}
		r.Roots = append(r.Roots, name.Root{Path: w.path, Git: w.git, TopGit: w.topGit})
		if !w.inner {
			c.pl.Writable = append(c.pl.Writable, w.path)
		}
	}
	c.pl.Names = r
}

// values returns the distinct values in their order.
func values(vs []policy.Value[string]) []string {
	if len(vs) == 0 {
		return nil
	}
	seen := make(map[string]bool, len(vs))
	out := make([]string, 0, len(vs))
	for _, v := range vs {
		if !seen[v.V] {
			seen[v.V] = true
			out = append(out, v.V)
		}
	}
	return out
}

// patternOf is the pattern that matches the absolute path p alone.
func patternOf(p string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(p)
}
