package gate

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/bailey-run/bailey/internal/hostname"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

// generation is one network as the gate uses it. It never changes: Swap replaces
// the whole.
type generation struct {
	net       *plan.Network
	allow     []rule
	deny      []rule
	localhost map[uint16]policy.Source
	pinned    map[hostname.Host]pin
	secrets   []hostname.Pattern // hosts of any secret
	upstream  *upstream
	resolve   *resolver
}

// rule is a rule with its pattern parsed.
type rule struct {
	plan.NetRule
	pattern hostname.Pattern
	ports   []plan.PortRange
}

// pin is a name with the addresses that the policy gives it.
type pin struct {
	addrs []netip.Addr
	from  policy.Source
}

// compile checks a network as a whole.
func compile(n *plan.Network, opts *Options) (*generation, error) {
	if n == nil {
		n = &plan.Network{}
	}
	g := &generation{net: n, localhost: map[uint16]policy.Source{}, pinned: map[hostname.Host]pin{}}
	switch n.Default {
	case "", "deny", "ask":
	default:
		return nil, fmt.Errorf("compile network: default %q is neither deny nor ask", n.Default)
	}
	for _, r := range n.Allow {
		c, err := compileAllow(r)
		if err != nil {
			return nil, err
		}
		g.allow = append(g.allow, c)
	}
	if udp := slices.DeleteFunc(slices.Clone(n.Allow), func(r plan.NetRule) bool { return r.Protocol != "udp" }); len(udp) > firstName-firstUDP {
		return nil, fmt.Errorf("compile network: more than %d udp rules", firstName-firstUDP)
	}
	for _, r := range n.Deny {
		p, err := hostname.ParsePattern(r.Host)
		if err != nil {
			return nil, ruleError(r, err)
		}
		g.deny = append(g.deny, rule{r, p, r.Ports}) // without ports: every port
	}
	for _, p := range n.Localhost {
		if p.Port == 0 {
			return nil, fmt.Errorf("compile network: localhost port 0")
		}
		g.localhost[p.Port] = p.From
	}
	if err := g.compileHosts(n); err != nil {
		return nil, err
	}
	for _, s := range n.Secrets {
		for _, h := range s.Hosts {
			p, err := hostname.ParsePattern(h)
			if err != nil {
				return nil, fmt.Errorf("compile secret %s: %w", s.Name, err)
			}
			g.secrets = append(g.secrets, p)
		}
	}
	var err error
	if g.upstream, err = compileUpstream(n.Upstream, opts.Environ); err != nil {
		return nil, err
	}
	g.resolve = &resolver{Resolver: opts.Resolver}
	if g.resolve.Resolver == nil {
		if g.resolve.Resolver, err = hostResolver(n.Resolver); err != nil {
			return nil, err
		}
	}
	return g, nil
}

func compileAllow(r plan.NetRule) (rule, error) {
	p, err := hostname.ParsePattern(r.Host)
	if err != nil {
		return rule{}, ruleError(r, err)
	}
	c := rule{r, p, r.Ports}
	for _, pr := range r.Ports {
		if pr.First == 0 || pr.First > pr.Last {
			return rule{}, ruleError(r, fmt.Errorf("no port range: %d-%d", pr.First, pr.Last))
		}
	}
	host, one := p.Host()
	switch r.Protocol {
	case "", "web":
		if len(c.ports) == 0 {
			c.ports = []plan.PortRange{{First: 80, Last: 80}, {First: 443, Last: 443}}
		}
	case "tcp":
		if len(c.ports) == 0 {
			return rule{}, ruleError(r, fmt.Errorf("a tcp rule needs its ports"))
		}
		if looksInside(r) {
			return rule{}, ruleError(r, fmt.Errorf("a tcp rule cannot look at requests"))
		}
	case "udp":
		if len(c.ports) != 1 || c.ports[0].First != c.ports[0].Last || !one {
			return rule{}, ruleError(r, fmt.Errorf("a udp rule has one host and one port"))
		}
		if looksInside(r) {
			return rule{}, ruleError(r, fmt.Errorf("a udp rule cannot look at requests"))
		}
	default:
		return rule{}, ruleError(r, fmt.Errorf("unknown protocol %q", r.Protocol))
	}
	if host.Name() == HostName {
		return rule{}, ruleError(r, fmt.Errorf("ports of the host's loopback are granted with localhost"))
	}
	return c, nil
}

func (g *generation) compileHosts(n *plan.Network) error {
	for _, h := range n.Hosts {
		name, err := hostname.ParseWire(h.Name)
		if err != nil || name.Name() == "" {
			return fmt.Errorf("compile network: pinned host %q is no canonical name", h.Name)
		}
		if name.Name() == HostName || name.Name() == "localhost" {
			return fmt.Errorf("compile network: %s cannot be pinned", name)
		}
		p := pin{from: h.From}
		for _, s := range h.Addresses {
			a, err := netip.ParseAddr(s)
			if err != nil || a.Zone() != "" {
				return fmt.Errorf("compile network: pinned host %s: %q is no address", name, s)
			}
			p.addrs = append(p.addrs, a.Unmap())
		}
		if len(p.addrs) == 0 || len(p.addrs) > maxAddrs {
			return fmt.Errorf("compile network: pinned host %s: it needs 1 to %d addresses", name, maxAddrs)
		}
		g.pinned[name] = p
	}
	return nil
}

func ruleError(r plan.NetRule, err error) error {
	text := r.Text
	if text == "" {
		text = r.Host
	}
	return fmt.Errorf("compile network rule %q: %w", text, err)
}

// looksInside says whether a rule needs the requests.
func looksInside(r plan.NetRule) bool {
	return r.Inspect || len(r.Methods) > 0 || len(r.Paths) > 0
}

func (r *rule) hasPort(port uint16) bool {
	if len(r.ports) == 0 {
		return true
	}
	return slices.ContainsFunc(r.ports, func(p plan.PortRange) bool { return p.First <= port && port <= p.Last })
}

// exactNames are the names that the policy itself writes out.
func (g *generation) exactNames(f func(string)) {
	for _, r := range g.allow {
		if h, ok := r.pattern.Host(); ok && h.Name() != "" {
			f(h.Name())
		}
	}
	for h := range g.pinned {
		f(h.Name())
	}
}

// hostResolver is the host's own resolver, or the one at an address.
func hostResolver(server string) (Resolver, error) {
	r := &net.Resolver{PreferGo: true}
	if server == "" {
		return r, nil
	}
	at, err := netip.ParseAddrPort(server)
	if err != nil {
		a, err := netip.ParseAddr(strings.Trim(server, "[]"))
		if err != nil {
			return nil, fmt.Errorf("compile network: resolver %q is no address and port", server)
		}
		at = netip.AddrPortFrom(a, 53)
	}
	r.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, at.String())
	}
	return r, nil
}
