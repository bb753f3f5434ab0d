package bailey

import (
	"slices"
	"strings"

	"github.com/bailey-run/bailey/internal/policy"
)

// variable decides whether a variable of the caller is seen inside.
func (p *Plan) variable(d *Decision, name string) {
	has := func(env []string) bool {
		return slices.ContainsFunc(env, func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
	}
	pass, rule, found := p.policy.Env.Decide(name)
	d.Absent = !has(p.facts.Env)
	for _, v := range p.plan.Env {
		if v.Name != name {
			continue
		}
		d.Verdict, d.Absent = Allow, false
		d.from(v.Name, v.From)
		switch {
		case !v.Inherited:
			d.Why = "the box has one of its own"
		case found:
			d.from(rule.V, rule.From)
			d.Why = "it passes into the box"
		default:
			d.Why = "there are no walls in mode danger-full-access"
		}
		return
	}
	switch {
	case name == "PWD":
		d.Verdict, d.Absent, d.Why = Allow, false, "each command gets its working directory in it"
	case found && !pass && (p.walled() || rule.From.Layer != policy.LayerBuiltin):
		d.from(rule.V, rule.From)
		d.Why = "it is denied"
		if rule.From.Layer == policy.LayerBuiltin {
			d.Why = "its name looks like a secret's"
			d.Hint = "--env " + name
		}
	case !p.walled():
		d.Verdict, d.Why = Allow, "there are no walls in mode danger-full-access"
		d.from("mode", p.policy.Mode.From)
	case !found:
		d.Why, d.Hint = "the environment is an allow list, and no rule names it", "--env "+name
	case d.Absent:
		d.Verdict = Allow
		d.from(rule.V, rule.From)
		d.Why = "it would pass into the box; the caller has none"
	default:
		d.from(rule.V, rule.From)
		d.Why = "a rule names it, and the box cannot use the caller's: what it leads to is not visible inside, or it is one that bailey makes itself"
	}
}
