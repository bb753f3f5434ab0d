package gate

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/bailey-run/bailey/internal/hostname"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

// mode is how an allowed connection is served.
type mode uint8

const (
	web     mode = iota // TLS or HTTP, identified by name
	raw                 // anything
	inspect             // by the inspector
	local               // a port of the host's loopback
	datagram
)

// decision is the verdict about a host and port, with why.
type decision struct {
	gen     *generation
	verdict Verdict
	mode    mode
	host    hostname.Host
	port    uint16
	udp     bool
	granted bool // by a person
	allow   []plan.NetRule
	deny    []plan.NetRule // that look at requests
	rule    string
	from    policy.Source
	hint    string
}

// target is "host:port" for people.
func target(h hostname.Host, port uint16) string {
	if h.Addr().Is6() {
		return fmt.Sprintf("[%s]:%d", h, port)
	}
	return fmt.Sprintf("%s:%d", h, port)
}

func (d *decision) target() string { return target(d.host, d.port) }

// decide says what a generation makes of a host and port. It is a pure function
// of its arguments; what a person granted comes later.
func (g *generation) decide(h hostname.Host, port uint16, udp bool) decision {
	d := decision{gen: g, verdict: Deny, host: h, port: port, udp: udp}
	if !h.IsValid() || port == 0 {
		d.rule = "no host"
		return d
	}
	if h.Name() == HostName {
		from, ok := g.localhost[port]
		d.rule, d.from, d.mode = fmt.Sprintf("localhost = [%d]", port), from, local
		if ok && !udp {
			d.verdict = Allow
			return d
		}
		d.rule, d.hint = "network.localhost", fmt.Sprintf("--localhost %d, or localhost = [%d] under [network]", port, port)
		return d
	}
	for _, r := range g.deny {
		if !r.pattern.Match(h) || !r.hasPort(port) {
			continue
		}
		if len(r.Methods) > 0 || len(r.Paths) > 0 {
			d.deny = append(d.deny, r.NetRule)
			continue
		}
		d.rule, d.from, d.hint = text(r.NetRule), r.From, "a deny rule wins over every allow rule"
		return d
	}
	isRaw, named, inside := false, false, len(d.deny) > 0
	for _, r := range g.allow {
		if !r.pattern.Match(h) || !r.hasPort(port) || (r.Protocol == "udp") != udp {
			continue
		}
		if len(d.allow) == 0 {
			d.rule, d.from = text(r.NetRule), r.From
		}
		d.allow = append(d.allow, r.NetRule)
		isRaw = isRaw || r.Protocol == "tcp"
		named = named || r.Protocol != "tcp"
		inside = inside || looksInside(r.NetRule)
	}
	for _, p := range g.secrets {
		// A port that is for any protocol alone, as that of ssh, has no requests to put
		// secrets into.
		inside = inside || p.Match(h) && (named || !isRaw)
	}
	d.mode = d.modeFor(isRaw, inside)
	switch {
	case len(d.allow) > 0:
		d.verdict = Allow
	case g.net.Default == "ask" && !udp:
		d.verdict, d.rule = Ask, `network.default = "ask"`
	default:
		d.rule, d.hint = "network.allow", allowHint(h, port, udp)
	}
	return d
}

// modeFor lets the tighter way win: a rule that looks inside is not undone by
// another that does not.
func (d *decision) modeFor(isRaw, inside bool) mode {
	switch {
	case d.udp:
		return datagram
	case inside:
		return inspect
	case isRaw, len(d.allow) == 0 && d.port != 80 && d.port != 443:
		return raw // what a person grants on another port may be any protocol
	}
	return web
}

// mayName says whether a name can be allowed at any port, so that the name server
// may answer; otherwise, why not.
func (g *generation) mayName(h hostname.Host) decision {
	d := decision{gen: g, verdict: Deny, host: h}
	if h.Name() == HostName {
		if len(g.localhost) > 0 {
			d.verdict = Allow
			return d
		}
		d.rule, d.hint = "network.localhost", "--localhost PORT, or localhost = [PORT] under [network]"
		return d
	}
	for _, r := range g.deny {
		if r.pattern.Match(h) && len(r.ports) == 0 && len(r.Methods) == 0 && len(r.Paths) == 0 {
			d.rule, d.from, d.hint = text(r.NetRule), r.From, "a deny rule wins over every allow rule"
			return d
		}
	}
	for _, r := range g.allow {
		if r.pattern.Match(h) {
			d.verdict, d.rule, d.from = Allow, text(r.NetRule), r.From
			return d
		}
	}
	if g.net.Default == "ask" {
		d.verdict, d.rule = Allow, `network.default = "ask"`
		return d
	}
	d.rule, d.hint = "network.allow", allowHint(h, 0, false)
	return d
}

func text(r plan.NetRule) string {
	if r.Text != "" {
		return r.Text
	}
	return r.Host
}

// isLocal reports whether a host is the machine itself, which no rule of network.allow
// names.
func isLocal(h hostname.Host) bool {
	if a := h.Addr(); a.IsValid() {
		return a.IsLoopback() || a.IsUnspecified()
	}
	return h.Name() == "localhost" || strings.HasSuffix(h.Name(), ".localhost")
}

func allowHint(h hostname.Host, port uint16, udp bool) string {
	t := h.String()
	switch {
	case isLocal(h) && udp:
		return ""
	case isLocal(h) && port == 0:
		return "--localhost PORT, or localhost = [PORT] under [network]; inside it is " + HostName + ":PORT"
	case isLocal(h):
		return fmt.Sprintf("--localhost %d, or localhost = [%d] under [network]; inside it is %s:%d", port, port, HostName, port)
	case udp:
		t = target(h, port) + "/udp"
	case port != 0 && port != 80 && port != 443:
		t = target(h, port)
	}
	return fmt.Sprintf("--allow-net %s, or allow = [%q] under [network]", t, t)
}

// origin is "rule (file:line)" for messages.
func origin(rule string, from policy.Source) string {
	if s := strings.TrimSpace(from.String()); s != "" {
		return rule + " (" + s + ")"
	}
	return rule
}

// same says whether a connection is treated by two decisions alike. Where a rule
// stands and why does not count: a line added to the policy closes nothing.
func (d *decision) same(o *decision) bool {
	if d.mode != o.mode || !slices.EqualFunc(d.allow, o.allow, sameBudget) {
		return false
	}
	return d.mode != inspect || slices.EqualFunc(d.allow, o.allow, sameRule) && slices.EqualFunc(d.deny, o.deny, sameRule) &&
		slices.EqualFunc(d.gen.net.Secrets, o.gen.net.Secrets, sameSecret)
}

// sameBudget: a budget that comes or goes is held from the next connection on, one
// that changes at once.
func sameBudget(a, b plan.NetRule) bool {
	if a.MaxUpload == 0 && a.MaxDownload == 0 && b.MaxUpload == 0 && b.MaxDownload == 0 {
		return true
	}
	return budgetKey(a) == budgetKey(b) && (a.MaxUpload > 0) == (b.MaxUpload > 0) && (a.MaxDownload > 0) == (b.MaxDownload > 0)
}

func sameRule(a, b plan.NetRule) bool {
	a.From, a.Text, a.Reason = b.From, b.Text, b.Reason
	a.MaxUpload, a.MaxDownload = b.MaxUpload, b.MaxDownload
	return reflect.DeepEqual(a, b)
}

func sameSecret(a, b plan.NetSecret) bool {
	a.From = b.From
	return reflect.DeepEqual(a, b)
}
