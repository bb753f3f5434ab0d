package plan

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/bailey-run/bailey/internal/policy"
)

// Nameserver is the address of the gate's name server inside a box; package gate
// listens there.
const Nameserver = "198.18.0.1"

// resolvConf points programs at the gate. It is on loopback and answers at once,
// so a second try helps nobody.
const resolvConf = "nameserver " + Nameserver + "\noptions timeout:5 attempts:1\n"

// granted says that the policy has a network at all. Without one there is no
// gate, and nothing of it costs anything.
func granted(p *policy.Policy) bool {
	n := &p.Network
	return len(n.Allow) > 0 || len(n.Localhost) > 0 || len(n.Publish) > 0 || AsksHosts(p)
}

// AsksHosts says that hosts which no rule names are asked about: the policy says so, or
// approval is on-failure and nobody has said otherwise.
func AsksHosts(p *policy.Policy) bool {
	d := &p.Network.Default
	return d.V == "ask" || p.Approval.V == policy.OnFailure && (!d.Set || d.From.Layer == policy.LayerBuiltin)
}

// network compiles what the gate may do.
func (c *compiler) network() error {
	p := &c.p.Network
	if !granted(c.p) {
		return nil
	}
	n := &Network{Default: p.Default.V, Resolver: p.Resolver.V}
	switch {
	case AsksHosts(c.p):
		n.Default = "ask"
	case n.Default == "":
		n.Default = "deny"
	}
	from := func(s policy.Source) {
		if !slices.Contains(n.From, s) {
			n.From = append(n.From, s)
		}
	}
	for _, v := range p.Allow {
		r, err := netRule(v)
		if err != nil {
			return err
		}
		n.Allow = append(n.Allow, r)
		from(v.From)
	}
	var err error
	if n.Deny, err = Denied(c.p); err != nil {
		return err
	}
	for _, l := range [...]struct {
		in  []policy.Value[string]
		out *[]NetPort
	}{{p.Localhost, &n.Localhost}, {p.Publish, &n.Publish}} {
		for _, v := range l.in {
			port, _ := strconv.ParseUint(v.V, 10, 16) // the policy has checked it
			*l.out = append(*l.out, NetPort{uint16(port), v.From})
			from(v.From)
		}
	}
	if n.Default == "ask" {
		if from(p.Default.From); p.Default.V != "ask" {
			from(c.p.Approval.From)
		}
	}
	for name, v := range p.Hosts {
		n.Hosts = append(n.Hosts, NetHost{name, strings.Split(v.V, ","), v.From})
	}
	slices.SortFunc(n.Hosts, func(a, b NetHost) int { return strings.Compare(a.Name, b.Name) })
	if n.Resolver != "" {
		if _, err := netip.ParseAddrPort(n.Resolver); err != nil {
			return &Error{What: strconv.Quote(n.Resolver) + " is not the address of a name server", From: p.Resolver.From, Hint: `as in resolver = "127.0.0.1:5353"`}
		}
	}
	if n.Upstream, err = c.upstream(p.Upstream); err != nil {
		return err
	}
	for name, v := range c.p.Secrets {
		s := v.V
		n.Secrets = append(n.Secrets, NetSecret{Name: name, Source: s.Source, Cache: s.Cache, Hosts: s.Hosts, Header: s.Header, Format: s.Format, Query: s.Query, Basic: s.Basic, Env: s.Env, File: s.File, Body: s.Body, From: v.From})
	}
	slices.SortFunc(n.Secrets, func(a, b NetSecret) int { return strings.Compare(a.Name, b.Name) })
	c.pl.Network = n
	return nil
}

// Denied are the hosts that a policy refuses, which counts for a question also where
// there is no network.
func Denied(p *policy.Policy) ([]NetRule, error) {
	var out []NetRule
	for _, v := range p.Network.Deny {
		r, err := netRule(v)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// Grantable says whether a host and port can be a rule.
func Grantable(target string) bool {
	_, err := netRule(policy.Value[string]{V: target})
	return err == nil && policy.Grantable(target) == ""
}

func netRule(v policy.Value[string]) (NetRule, error) {
	r, problem, hint := policy.ParseNetRule(v.V)
	if problem != "" {
		return NetRule{}, &Error{What: problem, From: v.From, Hint: hint}
	}
	out := NetRule{Host: r.Host, Protocol: r.Protocol, Private: r.Private, Inspect: r.Inspect, Methods: r.Methods, Paths: r.Paths,
		MaxUpload: r.MaxUpload, MaxDownload: r.MaxDownload, Text: v.V, Reason: r.Reason, From: v.From}
	for _, p := range r.Ports {
		out.Ports = append(out.Ports, PortRange(p))
	}
	if prefix, ok := out.Prefix(); ok && (prefix.Addr().IsLoopback() || prefix.Addr().IsUnspecified() && prefix.Bits() >= 8) {
		return NetRule{}, &Error{What: "inside, " + r.Host + " is the box's own loopback", From: v.From, Hint: "to reach a server on the host's loopback use network.localhost, or --localhost PORT"}
	}
	return out, nil
}

// Prefix is the range of addresses of a rule for addresses; false for names.
func (r *NetRule) Prefix() (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(r.Host); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(r.Host)
	return p, err == nil
}

// WebPorts are those of a rule that names none.
func (r *NetRule) WebPorts() []PortRange {
	if len(r.Ports) == 0 && r.Protocol == "web" {
		return []PortRange{{80, 80}, {443, 443}}
	}
	return r.Ports
}

// upstream finds the proxy that connections go through. Credentials in its URL are
// left out here: the gate takes them from the environment when it dials.
func (c *compiler) upstream(v policy.Value[string]) (*NetUpstream, error) {
	read := func(raw string) (string, bool) {
		if raw == "" {
			return "", true
		}
		if !strings.Contains(raw, "://") {
			raw = "http://" + raw
		}
		u, err := url.Parse(raw)
		if err != nil || u.Scheme != "http" || u.Hostname() == "" {
			return "", false
		}
		port := u.Port()
		if port == "" {
			port = "80" // RFC 9110 section 4.2.1
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "", false
		}
		host := u.Hostname()
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return host + ":" + port, true
	}
	switch v.V {
	case "none":
		return nil, nil
	case "", "env":
	default:
		addr, ok := read(v.V)
		if !ok || addr == "" {
			return nil, &Error{What: "this is not an HTTP proxy", From: v.From, Hint: `write "http://HOST:PORT", "env" or "none"`}
		}
		return &NetUpstream{HTTP: addr, HTTPS: addr}, nil
	}
	get := func(names ...string) (string, string) {
		for _, name := range names {
			if value, ok := c.f.env(name); ok && value != "" {
				return name, value
			}
		}
		return "", ""
	}
	u := &NetUpstream{}
	for _, one := range [...]struct {
		to    *string
		names []string
	}{{&u.HTTP, []string{"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"}}, {&u.HTTPS, []string{"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}}} {
		name, value := get(one.names...)
		addr, ok := read(value)
		if !ok {
			c.note("%s does not name an HTTP proxy that the gate can use: it connects directly", name)
		}
		*one.to = addr
	}
	if u.HTTP == "" && u.HTTPS == "" {
		return nil, nil
	}
	if _, list := get("no_proxy", "NO_PROXY"); list != "" {
		u.NoProxy = strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
	}
	return u, nil
}

// network renders the network for people.
func (w *writer) network(n *Network) {
	if n == nil {
		return
	}
	w.section("network")
	w.row("a host no rule names", map[string]string{"ask": "asks", "deny": "refused"}[n.Default])
	for _, r := range n.Allow {
		w.line("allow     "+r.Text, r.From)
	}
	for _, r := range n.Deny {
		w.line("deny      "+r.Text, r.From)
	}
	for _, p := range n.Localhost {
		w.line("localhost "+strconv.Itoa(int(p.Port)), p.From)
	}
	for _, p := range n.Publish {
		w.line("publish   "+strconv.Itoa(int(p.Port)), p.From)
	}
	for _, h := range n.Hosts {
		w.line("pinned    "+h.Name+" = "+strings.Join(h.Addresses, ", "), h.From)
	}
	for _, s := range n.Secrets {
		w.line("secret    "+s.Name+" from "+s.Source+" for "+strings.Join(s.Hosts, ", "), s.From)
	}
	w.row("resolver", n.Resolver)
	if u := n.Upstream; u != nil {
		w.row("upstream proxy", u.HTTPS)
	}
}
