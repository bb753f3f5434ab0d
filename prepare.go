package bailey

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/bailey-run/bailey/internal/agent"
	"github.com/bailey-run/bailey/internal/audit"
	"github.com/bailey-run/bailey/internal/host"
	"github.com/bailey-run/bailey/internal/layers"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

// Plan is what a box is made of: the effective policy and what becomes of it on
// this machine. It can be looked at, and opened any number of times.
type Plan struct {
	config Config
	policy *policy.Policy
	facts  *plan.Facts
	plan   *plan.Plan
	agent  *agent.Use // nil for none
}

// Prepare makes a plan. It reads the policy files and looks at the machine. What
// the kernel offers is tried out once per boot, and kept in the cache directory.
func Prepare(cfg Config) (*Plan, error) {
	facts, err := layers.Look(cfg.Dir, cfg.Home)
	if err != nil {
		return nil, err
	}
	return prepare(cfg, facts)
}

func prepare(cfg Config, facts *plan.Facts) (*Plan, error) {
	pol, use, err := cfg.load(facts)
	if err != nil {
		return nil, err
	}
	if unkept(pol) == "" {
		kept, err := keptAnswers(pol, facts)
		if err != nil {
			return nil, err
		}
		if len(kept) > 0 {
			kept = withHidden(pol, facts, kept)
			if pol, use, err = cfg.load(facts, kept...); err != nil {
				return nil, err
			}
		}
	}
	host.Answer(pol, facts)
	pl, err := plan.Compile(pol, facts)
	if err != nil {
		return nil, planError(err, pol.MinTier.V)
	}
	if cfg.recorded() && pl.Tier != TierNone && pol.Exec.Supervise.V != "off" {
		pl.Syscalls.Exec = true
	}
	return &Plan{config: cfg, policy: pol, facts: facts, plan: pl, agent: use}, nil
}

// Report says which walls the policy asks for, and how this machine is expected to
// hold them; [Box.Report] says how it does.
func (p *Plan) Report() Report {
	return Report{Tier: string(p.plan.Tier), Landlock: p.facts.Kernel.LandlockABI, Walls: p.plan.Walls}
}

// Tier is the tier that the box will have.
func (p *Plan) Tier() Tier { return p.plan.Tier }

// Mode is what the box may change.
func (p *Plan) Mode() Mode { return p.plan.Mode }

// Writable are the host's directories that the box may write, as seen inside.
func (p *Plan) Writable() []string { return p.plan.Writable }

// Profiles are the built-in profiles in use, in the order applied.
func (p *Plan) Profiles() []string { return p.plan.Profiles }

// Weaker are the walls that the tier holds less well than the full one, one
// sentence each.
func (p *Plan) Weaker() []string { return p.plan.Weaker }

// Notes say what was switched on or passed over, and why.
func (p *Plan) Notes() []string { return p.plan.Notes }

// Hash identifies the effective policy: equal policies have equal hashes.
func (p *Plan) Hash() string { return p.Policy().Hash() }

// Dir is the directory a command starts in, as seen inside.
func (p *Plan) Dir() string { return p.plan.Dir }

// Workspace is the root of the project around Dir.
func (p *Plan) Workspace() string { return p.facts.Workspace.Root }

// Text prints the plan for people, down to each mount and rule.
func (p *Plan) Text() string { return p.plan.Text() }

// MarshalJSON prints the plan for programs.
func (p *Plan) MarshalJSON() ([]byte, error) { return json.Marshal(p.plan) }

// Policy is the policy that the plan was made from.
func (p *Plan) Policy() *Policy {
	return &Policy{p: p.policy, facts: p.facts, dir: p.facts.StartDir, grants: openGrants(p.facts)}
}

// Environ returns the environment of the box's commands.
func (p *Plan) Environ() []string { return environ(p.plan) }

func environ(pl *plan.Plan) []string {
	out := make([]string, len(pl.Env))
	for i, v := range pl.Env {
		out[i] = v.Name + "=" + v.Value
	}
	return out
}

// Explain says what the box may do with a path, as seen inside; a relative one is
// taken from Dir, and ~ is the caller's home directory. To write to a directory is
// to make something in it.
func (p *Plan) Explain(name string) Explanation {
	x := plan.NewExplainer(p.policy, p.plan)
	e := x.Explain(p.Resolve(name))
	e.Allow = hintFor(e.Path, e.Allow)
	if e.Host == "" || e.Own || e.Exec && e.Write {
		return e
	}
	info, err := os.Stat(e.Host)
	switch {
	case err != nil:
	case info.IsDir():
		if in := x.Explain(path.Join(e.Path, anyName)); in.Write && !in.Guarded && !e.Write {
			e.Write = true
			e.Why = "things can be made in it, and its own name stays: " + e.Why
		}
	case e.Starts && !e.Exec && executable(e.Host):
		e.Exec = true
		e.Why += startsAnyway
	}
	return e
}

// hintFor is what would show a path, when that is not there to be shown: the directory
// that it would be made in, or nothing.
func hintFor(file, hint string) string {
	if _, err := os.Lstat(file); hint == "" || err == nil || !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(hint, "--read ") {
		return hint
	}
	dir := path.Dir(file)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() || strings.Count(dir, "/") < 2 {
		return ""
	}
	return "it is not there on the host either; --write " + plan.Typed(dir) + " lets it be made"
}

// Resolve is the absolute path that a person means, as [Plan.Explain] takes it.
func (p *Plan) Resolve(name string) string {
	if name == "~" {
		name = p.facts.Home
	} else if rest, ok := strings.CutPrefix(name, "~/"); ok {
		name = path.Join(p.facts.Home, rest)
	}
	return p.dir(name)
}

// dir makes a path inside absolute.
func (p *Plan) dir(name string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join(p.plan.Dir, name)
}

// Short abbreviates the caller's home directory in a path, for messages.
func (p *Plan) Short(name string) string {
	if p.facts.Home != "" && p.facts.Home != "/" {
		if name == p.facts.Home {
			return "~"
		}
		if rest, ok := strings.CutPrefix(name, p.facts.Home+"/"); ok {
			return plan.Show("~/" + rest)
		}
	}
	return plan.Show(name)
}

func (p *Plan) walled() bool { return p.plan.Tier != TierNone }

// checkEnv refuses variables of this process that the policy keeps out.
func (p *Plan) checkEnv(env []string) error {
	if env == nil {
		return nil
	}
	passed := map[string]bool{}
	for _, v := range p.plan.Env {
		passed[v.Name] = true
	}
	ours := map[string]bool{}
	for _, kv := range p.facts.Env {
		ours[kv] = true
	}
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		if passed[name] || !ours[kv] {
			continue
		}
		rule := "the environment is an allow list"
		if _, by, found := p.policy.Env.Decide(name); found {
			rule = "env.deny " + by.V + " (" + plan.Where(by.From) + ")"
		}
		return &DeniedError{Op: "setenv", Target: name, Rule: rule,
			Hint: "start from Box.Environ instead of os.Environ, or let the variable in with Config.Env"}
	}
	return nil
}

// secrets are the values that must not be written anywhere.
func (p *Plan) secrets() []string {
	secret := func(name string) bool {
		pass, _, found := p.policy.Env.Decide(name)
		return found && !pass || p.policy.Env.Secret(name)
	}
	return append(audit.Secrets(p.facts.Env, secret), audit.Secrets(p.Environ(), secret)...)
}

// openLog opens the log file, outside everything the box may write.
func (p *Plan) openLog() (*os.File, error) {
	return p.OpenOutside(p.config.Log)
}

// OpenOutside opens a file for appending, and makes it with mode 0600 when it is
// not there. It refuses a file that the box could write, or could have prepared.
func (p *Plan) OpenOutside(name string) (*os.File, error) {
	var writable []string
	for _, n := range p.plan.Tree {
		if n.Kind == plan.Bind && n.Writable && !n.Device {
			writable = append(writable, n.Source)
		}
	}
	writable = append(writable, p.plan.Writable...)
	if p.plan.CacheDir != "" {
		writable = append(writable, p.plan.CacheDir)
	}
	f, err := audit.OpenFile(name, writable)
	if e, ok := err.(*audit.PathError); ok {
		return nil, &DeniedError{Op: "write to", Target: name, Rule: "records are kept from the box: it " + e.Why, Hint: e.Hint}
	}
	return f, err
}
