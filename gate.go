package bailey

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/bailey-run/bailey/internal/audit"
	"github.com/bailey-run/bailey/internal/gate"
	"github.com/bailey-run/bailey/internal/linux"
	"github.com/bailey-run/bailey/internal/plan"
)

// network is the gate of one box, and what belongs to it.
type network struct {
	gate      *gate.Gate
	whole     *plan.Plan    // what the box was opened with
	plan      *plan.Network // the generation in force
	control   *control
	reloading sync.Mutex
	inside    *linux.Network
	out       *published
	roles     []role // of inside.Sockets; those of inside.Fallback are listeners for a port each
}

// role is what a socket inside is for.
type role uint8

const (
	roleRedirect role = iota
	rolePort
	roleDNS
	roleDNSTCP
	roleProxy
	roleUDP
)

// Ports of the gate inside, on addresses that only it has. They are below 1024,
// where nothing in a box may listen: a server of the box that listens on every
// address is never in the gate's way.
const (
	portRedirect = 1
	portDNS      = 53
)

// newNetwork makes the gate of a box, which accepts nothing yet. It is nil where
// the policy has no network.
func (b *Box) newNetwork() (*network, error) {
	n := b.box.Network
	if n == nil {
		return nil, nil
	}
	out, err := publish(n.Publish)
	if err != nil {
		return nil, err
	}
	g, err := gate.New(n, gate.Options{
		Flow: b.flow, Denied: b.refused, Environ: b.plan.facts.Env, Owner: b.owner,
	})
	if err != nil {
		out.close()
		return nil, err
	}
	w := &network{gate: g, whole: b.plan.plan, plan: n, out: out, inside: &linux.Network{PerPort: b.plan.config.perPort}}
	w.layout(n)
	return w, nil
}

// layout decides what is made inside.
func (w *network) layout(n *plan.Network) {
	in := w.inside
	in.Local = []netip.Prefix{netip.MustParsePrefix(gate.Range4), netip.MustParsePrefix(gate.Range6)}
	for _, r := range n.Allow {
		if prefix, ok := r.Prefix(); ok && !slices.Contains(in.Local, prefix) {
			in.Local = append(in.Local, prefix)
		}
	}
	in.Redirect = redirects(n)
	add := func(addr netip.Addr, port uint16, udp bool, r role) {
		in.Sockets = append(in.Sockets, linux.Socket{Addr: netip.AddrPortFrom(addr, port), UDP: udp})
		w.roles = append(w.roles, r)
	}
	for _, a := range [...]netip.Addr{gate.Nameserver(), gate.Nameserver6()} {
		add(a, portRedirect, false, roleRedirect)
		add(a, portDNS, true, roleDNS)
		add(a, portDNS, false, roleDNSTCP)
		add(a, gate.ProxyPort, false, roleProxy)
	}
	for _, u := range gate.UDPSockets(n) {
		add(u.Addr.Addr(), u.Addr.Port(), true, roleUDP)
	}
	// Without nf_tables: the same, with a listener for each port in place of the
	// redirection.
	fallback := slices.Clone(in.Sockets)
	roles := slices.Clone(w.roles)
	for i := range fallback {
		if roles[i] == roleRedirect {
			fallback[i].Addr, roles[i] = netip.AddrPort{}, rolePort
		}
	}
	ports := 0
	for _, p := range portsOf(n) {
		for port := int(p.First); port <= int(p.Last) && ports < maxListeners; port++ {
			ports++
			for _, a := range [...]netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
				fallback = append(fallback, linux.Socket{Addr: netip.AddrPortFrom(a, uint16(port))})
				roles = append(roles, rolePort)
			}
		}
	}
	for i, s := range fallback {
		if s.Addr.IsValid() {
			in.Fallback = append(in.Fallback, s)
			w.roles = append(w.roles, roles[i])
		}
	}
}

// maxListeners is for how many ports there are listeners where the kernel has no
// nf_tables; connections to further ones are refused.
const maxListeners = 256

// portsOf are the ports that names may be reached at.
func portsOf(n *plan.Network) []plan.PortRange {
	if n.Default == "ask" {
		return []plan.PortRange{{First: 1, Last: 65535}}
	}
	var out []plan.PortRange
	add := func(p plan.PortRange) {
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	for i := range n.Allow {
		if r := &n.Allow[i]; r.Protocol != "udp" {
			for _, p := range r.WebPorts() {
				add(p)
			}
		}
	}
	for _, p := range n.Localhost {
		add(plan.PortRange{First: p.Port, Last: p.Port})
	}
	return out
}

// redirects are the connections that reach the gate; all others are refused by
// the box's own kernel, at once.
func redirects(n *plan.Network) []linux.Redirect {
	var out []linux.Redirect
	add := func(to netip.Prefix, p plan.PortRange) {
		r := linux.Redirect{To: to, First: p.First, Last: p.Last}
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	for _, to := range [...]string{gate.Range4, gate.Range6} {
		for _, p := range portsOf(n) {
			add(netip.MustParsePrefix(to), p)
		}
	}
	for i := range n.Allow {
		r := &n.Allow[i]
		if prefix, ok := r.Prefix(); ok && r.Protocol != "udp" {
			for _, p := range r.WebPorts() {
				add(prefix, p)
			}
		}
	}
	return out
}

// serve starts the gate on what was made inside.
func (w *network) serve(box *linux.Box, tell func(audit.Flow)) error {
	w.out.serve(box, tell)
	list, fallback := box.Sockets()
	files, roles := list, w.roles[:len(w.inside.Sockets)]
	if fallback != nil {
		files, roles = fallback, w.roles[len(w.inside.Sockets):]
	}
	var l gate.Listeners
	var err error
	for i, f := range files {
		if f == nil {
			continue
		}
		if e := take(&l, roles[i], f); e != nil && err == nil {
			err = e
		}
		f.Close()
	}
	if err != nil {
		return fmt.Errorf("take the gate's sockets: %w", err)
	}
	return w.gate.Serve(l)
}

// close ends every connection.
func (w *network) close() error {
	w.control.close()
	w.out.close()
	return w.gate.Close()
}

// take makes a listener of a socket. The file stays the caller's.
func take(l *gate.Listeners, r role, f *os.File) error {
	if r == roleDNS || r == roleUDP {
		c, err := net.FilePacketConn(f)
		if err != nil {
			return err
		}
		if r == roleDNS {
			l.DNS = append(l.DNS, c)
		} else {
			l.UDP = append(l.UDP, c)
		}
		return nil
	}
	c, err := net.FileListener(f)
	if err != nil {
		return err
	}
	switch r {
	case roleRedirect:
		l.TCP = append(l.TCP, gate.Listener{Listener: c, OriginalDst: linux.OriginalDst})
	case roleDNSTCP:
		l.DNSTCP = append(l.DNSTCP, c)
	case roleProxy:
		l.Proxy = append(l.Proxy, c)
	default:
		l.TCP = append(l.TCP, gate.Listener{Listener: c})
	}
	return nil
}

// refused receives what the gate refuses.
func (b *Box) refused(d gate.Denial) {
	rule := d.Rule
	if rule == "" {
		rule = "network"
	}
	b.denials.add(Denial{Op: d.Op, Target: text(d.Target), Rule: rule, Hint: d.Hint, PID: d.PID, Exe: text(d.Exe)})
}

// flow receives the start and the end of every connection.
func (b *Box) flow(f gate.Flow) {
	e := audit.Flow{
		ID: f.ID, State: "start", Network: f.Network, Via: f.Via, Protocol: f.Protocol, Host: text(f.Host), Port: int(f.Port),
		Proxy: f.Proxy, Verdict: string(f.Verdict), Rule: f.Rule, Reason: text(f.Reason),
		Layer: string(f.From.Layer), File: f.From.File, Line: f.From.Line,
		Up: f.Up, Down: f.Down, Duration: int64(f.Duration), PID: f.PID, Exe: text(f.Exe),
	}
	if f.Addr.IsValid() {
		e.Addr = f.Addr.String()
	}
	if f.Ended {
		e.State = "end"
	}
	b.flowed(e)
}

// openNetLog opens the file that connections alone are told to.
func (b *Box) openNetLog() error {
	name := b.plan.config.NetLog
	if name == "" {
		return nil
	}
	f, err := b.plan.OpenOutside(name)
	if err != nil {
		return err
	}
	b.netLog = audit.New(b.session, audit.Options{File: f, Secrets: b.plan.secrets()})
	return nil
}

// flowed tells of a connection. A session that was to be logged does not go on when
// it cannot be.
func (b *Box) flowed(e audit.Flow) {
	b.flows.add(e, func(d audit.Data) {
		b.denials.emitEvent(d)
		if err := b.netLog.Add(d); err != nil {
			b.logFailed(err)
		}
	})
}

const (
	// maxFlows is how many connections a session tells of; a box that connects a
	// million times must not fill the disk.
	maxFlows = 100_000
)

// flows counts the events of connections.
type flows struct{ n atomic.Int64 }

func (s *flows) add(e audit.Flow, emit func(audit.Data)) {
	switch n := s.n.Add(1); {
	case n <= maxFlows:
		emit(e)
	case n == maxFlows+1:
		emit(audit.Limit{Limit: "flows", Value: maxFlows, Unit: "count"})
	}
}

// owner finds the process inside that holds the client end of a connection.
func (b *Box) owner(client, dst netip.AddrPort) (pid int, exe string) {
	if lb, ok := b.backend.(linuxBox); ok {
		return lb.Owner(client, dst)
	}
	return 0, ""
}
