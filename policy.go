package bailey

import (
	"encoding/json"

	"github.com/bailey-run/bailey/internal/approval"
	"github.com/bailey-run/bailey/internal/layers"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

// Policy is an effective policy: every layer merged, every value with its source.
type Policy struct {
	p     *policy.Policy
	facts *plan.Facts
	dir   string // where a relative path of a call starts
	// grants are a person's answers that count beside the rules; nil: none do.
	grants *approval.Grants
	lazyRules
	presets []string // of the agent that it is for
}

// Finding is a value of a policy that is legal and still hardly what a person
// meant.
type Finding = policy.Finding

// LoadPolicy makes the effective policy, without looking at what this machine can
// hold.
func LoadPolicy(cfg Config) (*Policy, error) {
	facts, err := layers.Collect(cfg.Dir, cfg.Home)
	if err != nil {
		return nil, err
	}
	p, use, err := cfg.load(facts)
	if err != nil {
		return nil, err
	}
	out := &Policy{p: p, facts: facts, dir: facts.StartDir, grants: openGrants(facts)}
	if use != nil {
		out.presets = describeAgent(use).Presets
	}
	return out, nil
}

// openGrants are the user's grants; nil where there is no place for them.
func openGrants(f *plan.Facts) *approval.Grants {
	if f.StateDir == "" {
		return nil
	}
	return approval.Open(f.StateDir)
}

// Text prints the policy for people, one value a line with its source. Values of
// secret variables are hidden.
func (p *Policy) Text() string { return policy.Show(p.p) }

// MarshalJSON prints the policy for programs. Values of secret variables are
// hidden.
func (p *Policy) MarshalJSON() ([]byte, error) { return json.Marshal(policy.Redact(p.p)) }

// Hash identifies what the policy says: policies with one hash wall the same box
// off.
func (p *Policy) Hash() string { return policy.Hash(p.p) }

// Lint looks for values that are legal and still hardly what a person meant.
func (p *Policy) Lint() []Finding { return policy.Lint(p.p) }

// Profiles are the built-in profiles in use, in the order applied.
func (p *Policy) Profiles() []string {
	out := make([]string, len(p.p.Profiles))
	for i, v := range p.p.Profiles {
		out[i] = v.V
	}
	return out
}
