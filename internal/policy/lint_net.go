package policy

import (
	"strings"

	"github.com/bailey-run/bailey/internal/hostname"
)

// network looks at the gate's rules.
func (l *linter) network() {
	n := &l.p.Network
	granted := len(n.Allow) > 0 || len(n.Localhost) > 0 || len(n.Publish) > 0 || n.Default.V == "ask"
	var allow, deny []NetRule
	for _, v := range n.Deny {
		if r, problem, _ := ParseNetRule(v.V); problem == "" {
			deny = append(deny, r)
		}
	}
	for _, v := range n.Allow {
		r, problem, _ := ParseNetRule(v.V)
		if problem != "" {
			continue
		}
		allow = append(allow, r)
		if why := r.pattern.Rentable(); why != "" {
			// A person who wrote down why has thought about it.
			severity := Warning
			if r.Reason != "" {
				severity = Note
			}
			l.add(severity, "network.allow", v.V, v.From, why+", so this is also a way out for everything that the box can read", "narrow it with methods= and paths=, or write the reason behind a #")
		}
		if r.pattern.Broad() != "" {
			l.add(Warning, "network.allow", v.V, v.From, "this has hosts of anybody", "name the hosts that are needed")
		}
		for i, d := range deny {
			if h, one := r.pattern.Host(); one && d.pattern.Match(h) && len(d.Ports) == 0 && !d.Inspect {
				l.add(Warning, "network.allow", v.V, v.From, "never in force: "+n.Deny[i].V+" at "+n.Deny[i].From.String()+" denies it", "deny wins; remove one of the two")
			}
		}
	}
	for _, name := range sorted(n.Hosts) {
		v := n.Hosts[name]
		if h, err := hostname.Parse(name); err == nil && n.Default.V != "ask" && !matchAny(allow, h) {
			l.add(Warning, "network.hosts", name, v.From, "no rule allows this host, so its address is never asked for", "add it to network.allow")
		}
	}
	for _, name := range sorted(l.p.Secrets) {
		v := l.p.Secrets[name]
		for _, host := range v.V.Hosts {
			if h, err := hostname.Parse(strings.TrimLeft(host, "*.")); err == nil && n.Default.V != "ask" && !matchAny(allow, h) {
				l.add(Warning, "secrets", name, v.From, "no rule allows "+host+", so the secret goes nowhere", "add it to network.allow")
			}
		}
	}
	if !granted {
		for _, v := range [...]*Value[string]{&n.Resolver, &n.Upstream} {
			if v.Set && v.From.Layer != LayerBuiltin {
				l.add(Note, "network", v.V, v.From, "nothing is allowed, so there is no network that this could be for", "")
			}
		}
	}
}

func matchAny(rules []NetRule, h hostname.Host) bool {
	for _, r := range rules {
		if r.pattern.Match(h) || strings.HasPrefix(r.Host, "*") && strings.HasSuffix(h.Name(), strings.TrimLeft(r.Host, "*.")) {
			return true
		}
	}
	return false
}
