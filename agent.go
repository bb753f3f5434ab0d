package bailey

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bailey-run/bailey/internal/agent"
	"github.com/bailey-run/bailey/internal/layers"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

// useAgent reads the presets of the agent that the box is for. It is nil for none.
// It adds the agent's directories to the facts.
func (c *Config) useAgent(facts *plan.Facts) (*agent.Use, error) {
	name := c.Agent
	if name == "" && agent.Exists(c.AgentOf, facts.ConfigDir) {
		name = c.AgentOf
	}
	if name == "" || name == "none" {
		return nil, nil
	}
	presets, err := agent.Load(name, facts.ConfigDir, layers.Read)
	if err != nil {
		return nil, err
	}
	use, err := agent.New(name, presets, facts)
	if err != nil {
		return nil, err
	}
	facts.Kept = use.Kept
	return use, nil
}

// load makes the policy for the agent, or for none.
func (c *Config) load(facts *plan.Facts, kept ...Setting) (*policy.Policy, *agent.Use, error) {
	use, err := c.useAgent(facts)
	if err != nil {
		return nil, nil, err
	}
	var presets []*policy.Preset
	if use != nil {
		presets = use.Presets
	}
	over := c.overrides()
	over.Extra = append(slices.Clip(over.Extra), kept...)
	pol, err := layers.Load(facts, over, presets...)
	return pol, use, err
}

// Agent is what the preset of a coding agent comes to in one project.
type Agent struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Args        []string `json:"args,omitempty"` // that are put before its own
	Keys        []string `json:"keys,omitempty"` // secrets that were found: the box sees placeholders
	// Kept are the agent's directories below HOME, and where they are on the host.
	Kept  map[string]string `json:"kept,omitempty"`
	Notes []string          `json:"notes,omitempty"`
	// Files are put into them at each start, from those of the person.
	Files []AgentFile `json:"files,omitempty"`
	// Presets are the files that say so, lowest first.
	Presets []string `json:"presets"`
}

// AgentFile is a file that an agent finds in a box.
type AgentFile struct {
	Name string        `json:"name"` // below HOME
	Copy string        `json:"copy,omitempty"`
	Auth bool          `json:"auth,omitempty"` // credentials, replaced by placeholders
	From policy.Source `json:"from"`
}

// Agent is the coding agent that the plan is for; nil for none, and where there are
// no walls.
func (p *Plan) Agent() *Agent {
	u := p.agent
	if u == nil || !p.walled() {
		return nil
	}
	a := describeAgent(u)
	if p.plan.Tier == TierLandlock {
		for _, f := range u.Auth {
			a.Notes = append(a.Notes, "in tier landlock ~/"+f.Name+" is not there: log in by a key in the environment")
		}
	}
	return a
}

func describeAgent(u *agent.Use) *Agent {
	a := &Agent{Name: u.Name, Description: u.Description, Args: u.Args, Keys: u.Keys, Notes: slices.Clone(u.Notes), Kept: map[string]string{}}
	for _, k := range u.Kept {
		a.Kept[k.Name] = k.Source
	}
	for _, f := range u.Files {
		a.Files = append(a.Files, AgentFile{Name: f.Name, Copy: f.Copy, From: f.From})
	}
	for _, f := range u.Auth {
		a.Files = append(a.Files, AgentFile{Name: f.Name, Copy: f.Name, Auth: true, From: f.From})
	}
	for _, one := range u.Presets {
		a.Presets = append(a.Presets, one.File())
	}
	return a
}

// seedAgent puts the agent's settings into its directories.
func (b *Box) seedAgent() error {
	if b.plan.agent == nil {
		return nil
	}
	notes, err := b.plan.agent.Seed(b.session)
	if err != nil {
		return err
	}
	b.plan.plan.Notes = append(b.plan.plan.Notes, notes...)
	return nil
}

// agentFiles puts an agent's files with credentials over their places, with what
// stands for each secret. They are this box's own: placeholders are.
func (d *dressed) agentFiles(u *agent.Use, facts *plan.Facts, session string, placeholder func(string) string) error {
	if u == nil || d.plan.Private != nil {
		return nil
	}
	if err := u.Answer(session, placeholder); err != nil {
		return err
	}
	if len(u.Auth) == 0 {
		return nil
	}
	dir := sessionsDir(facts)
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("place the agent's credentials: %w", err)
	}
	for i := range u.Auth {
		a := &u.Auth[i]
		source := filepath.Join(dir, fmt.Sprintf("%s.auth%d", session, i))
		if err := os.WriteFile(source, []byte(a.Text(placeholder)), 0o444); err != nil {
			return fmt.Errorf("place the agent's credentials: %w", err)
		}
		d.temp = append(d.temp, source)
		d.plan.Tree = append(d.plan.Tree, plan.Node{Kind: plan.Bind, Path: filepath.Join(d.plan.Identity.Home, a.Name), Source: source, From: a.From})
	}
	return nil
}

// AgentNames are the agents that have a preset, the person's own last.
func AgentNames() ([]string, error) {
	facts, err := layers.Collect("", "")
	if err != nil {
		return nil, err
	}
	return agent.All(facts.ConfigDir), nil
}

// UnknownAgentError says that there is no preset of a name.
type UnknownAgentError = agent.UnknownError

// LoadAgent says what the preset that cfg.Agent names comes to in the project.
func LoadAgent(cfg Config) (*Agent, error) {
	facts, err := layers.Collect(cfg.Dir, cfg.Home)
	if err != nil {
		return nil, err
	}
	use, err := cfg.useAgent(facts)
	switch {
	case err != nil:
		return nil, err
	case use == nil:
		return nil, &UnknownAgentError{Name: cfg.Agent, Known: agent.All(facts.ConfigDir)}
	}
	return describeAgent(use), nil
}

// OfAgent lists the values of the policy that the presets of its agent bring, one a
// line.
func (p *Policy) OfAgent() []string {
	return policy.ShowFrom(p.p, func(file string) bool { return slices.Contains(p.presets, file) || strings.HasPrefix(file, "$") })
}
