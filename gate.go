package bailey

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/bailey-run/bailey/internal/audit"
	"github.com/bailey-run/bailey/internal/gate"
	"github.com/bailey-run/bailey/internal/hostname"
	"github.com/bailey-run/bailey/internal/inspect"
	"github.com/bailey-run/bailey/internal/linux"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/secret"
)

// network is the gate of one box, and what belongs to it.
type network struct {
	gate *gate.Gate
	plan atomic.Pointer[plan.Network] // the generation in force

	mu        sync.Mutex // guards what follows
	names     []boundName
	box       *linux.Box // without redirection only
	listening map[netip.AddrPort]bool
	full      bool // it was told that there can be no more

	inspector *inspect.Inspector // nil where no rule looks inside
	secrets   *secret.Set
	dress     *dressed
	proxy     *proxy // tier landlock only: the one way to the gate

	granted []string // rules that a person added while the box runs

	inside  *linux.Network
	refused func(gate.Denial)
	out     *published
	roles   []role // of inside.Sockets, then of inside.Fallback
}

// role is what a socket inside is for.
type role uint8

const (
	roleRedirect role = iota
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
	w := &network{out: out, refused: b.refused, inside: &linux.Network{PerPort: b.plan.config.perPort}, listening: map[netip.AddrPort]bool{}}
	w.plan.Store(n)
	if err := w.look(b, n); err != nil {
		w.close()
		return nil, err
	}
	options := gate.Options{Denied: b.refused, Failed: b.missed.add, Environ: b.plan.facts.Env, Owner: b.owner, Bound: w.bound, Ask: gateAsker{b}}
	if b.log != nil || b.netLog != nil {
		// Only for somebody who listens: whose a connection is takes looking at the
		// descriptors of processes.
		options.Flow = b.flow
	}
	if w.inspector != nil {
		options.Inspect = w.inspector
	}
	g, err := gate.New(n, options)
	if err != nil {
		w.close()
		return nil, err
	}
	w.gate = g
	w.inside.Names = hosts(g)
	w.layout(n)
	return w, nil
}

// hosts are the names that the policy writes out, as lines of /etc/hosts: a program finds
// their addresses without a question to the gate, which is a third of what a short
// connection takes. All other names are the name server's; so are those of a later
// generation. What is taken away later keeps its address here, and is refused there.
func hosts(g *gate.Gate) string {
	var b strings.Builder
	g.Names(func(name string, v4, v6 netip.Addr) {
		fmt.Fprintf(&b, "%s %s\n%s %s\n", v4, name, v6, name)
	})
	return b.String()
}

// look prepares what looks inside connections, and what the box must have for
// that: an authority that it trusts, and placeholders for secrets.
func (w *network) look(b *Box, n *plan.Network) error {
	var env, files map[string]string
	var ca []byte
	if len(n.Secrets) > 0 {
		f := b.plan.facts
		options := secret.Options{Home: f.Home, Lookup: func(name string) (string, bool) {
			for i := len(f.Env) - 1; i >= 0; i-- {
				if k, v, ok := strings.Cut(f.Env[i], "="); ok && k == name {
					return v, true
				}
			}
			return "", false
		}}
		if f.StateDir != "" {
			options.Keep = &secret.Keep{Dir: filepath.Join(f.StateDir, "secrets"), Ask: secret.AskTerminal}
		}
		var err error
		if w.secrets, err = secret.Open(context.Background(), n.Secrets, options); err != nil {
			return err
		}
		if _, err := secret.NoCore(); err != nil {
			return fmt.Errorf("keep secrets out of core dumps: %w", err)
		}
		env, files = w.secrets.Inside()
	}
	if looksInside(n) {
		var err error
		if w.inspector, err = inspect.New(inspect.Options{Secrets: w.secrets, Roots: b.plan.config.roots}); err != nil {
			return err
		}
		ca = w.inspector.CA()
	}
	var err error
	if w.dress, err = dress(b.box, b.plan.facts, b.session, ca, env, files); err != nil {
		return err
	}
	if err := w.dress.agentFiles(b.plan.agent, b.plan.facts, b.session, w.secrets.Placeholder); err != nil {
		w.dress.opened()
		return err
	}
	if b.box.Tier == TierLandlock {
		if err := w.explicit(); err != nil {
			return err
		}
	}
	b.box = w.dress.plan
	return nil
}

// looksInside says whether a network needs to see requests.
func looksInside(n *plan.Network) bool {
	inside := func(r plan.NetRule) bool { return r.Inspect || len(r.Methods) > 0 || len(r.Paths) > 0 }
	return len(n.Secrets) > 0 || slices.ContainsFunc(n.Allow, inside) || slices.ContainsFunc(n.Deny, inside)
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
	// Without nf_tables: the same, and a listener for each address and port in place
	// of the redirection.
	for i, x := range in.Sockets {
		if w.roles[i] != roleRedirect {
			in.Fallback = append(in.Fallback, x)
			w.roles = append(w.roles, w.roles[i])
		}
	}
}

// maxListeners is how many listeners there are where the kernel has no nf_tables:
// one for each name, family and port. Connections to further ones are refused, and
// that there are some is told once.
const maxListeners = 1024

// boundName is a name with its addresses inside.
type boundName struct {
	name   string
	v4, v6 netip.Addr
}

// bound notes the addresses of a name. Where there is no redirection they get
// listeners of their own, before the name is answered: so the box's loopback
// stays free.
func (w *network) bound(name string, v4, v6 netip.Addr) {
	w.mu.Lock()
	w.names = append(w.names, boundName{name, v4, v6})
	w.mu.Unlock()
	w.listen()
}

// listen makes the listeners that are missing.
func (w *network) listen() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.box == nil {
		return
	}
	var l gate.Listeners
	add := func(a netip.Addr, p plan.PortRange) {
		for port := int(p.First); port <= int(p.Last); port++ {
			at := netip.AddrPortFrom(a, uint16(port))
			if w.listening[at] {
				continue
			}
			if len(w.listening) >= maxListeners {
				if !w.full {
					w.full = true
					w.refused(gate.Denial{Op: "connect", Target: at.String(), Rule: "limit of listeners",
						Hint: fmt.Sprintf("without nf_tables a box has at most %d listeners, one for each name, family and port: write the ports that are needed", maxListeners)})
				}
				return
			}
			w.listening[at] = true // also when it fails: without IPv6 it always does
			if x, err := w.box.Listen(at); err == nil {
				l.TCP = append(l.TCP, gate.Listener{Listener: x})
			}
		}
	}
	n := w.plan.Load()
	for _, b := range w.names {
		ports := namePorts(n, b.name)
		if n.Default == "ask" && b.name != gate.HostName {
			// Any port could be asked about, and there are only so many listeners.
			ports = append(ports, plan.PortRange{First: 22, Last: 22}, plan.PortRange{First: 80, Last: 80}, plan.PortRange{First: 443, Last: 443})
		}
		for _, p := range ports {
			add(b.v4, p)
		}
		for _, p := range ports {
			add(b.v6, p)
		}
	}
	for i := range n.Allow {
		r := &n.Allow[i]
		if prefix, ok := r.Prefix(); ok && prefix.IsSingleIP() && r.Protocol != "udp" {
			for _, p := range r.WebPorts() {
				add(prefix.Addr(), p)
			}
		}
	}
	if len(l.TCP) > 0 {
		w.gate.Serve(l)
	}
}

// portsOf are the ports that names may be reached at.
func portsOf(n *plan.Network) []plan.PortRange {
	if n.Default == "ask" {
		return []plan.PortRange{{First: 1, Last: 65535}}
	}
	return rulePorts(n)
}

// namePorts are the ports at which rules have a name.
func namePorts(n *plan.Network, name string) []plan.PortRange {
	if name == gate.HostName {
		return rulePorts(&plan.Network{Localhost: n.Localhost})
	}
	h, err := hostname.ParseWire(name)
	if err != nil {
		return nil
	}
	var mine plan.Network
	for _, r := range n.Allow {
		if p, err := hostname.ParsePattern(r.Host); err == nil && p.Match(h) {
			mine.Allow = append(mine.Allow, r)
		}
	}
	return rulePorts(&mine)
}

// rulePorts are the ports that rules write.
func rulePorts(n *plan.Network) []plan.PortRange {
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
	if w.proxy != nil {
		return w.serveProxy()
	}
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
	if fallback != nil {
		w.mu.Lock()
		w.box = box
		w.mu.Unlock()
		w.listen() // before the name server answers
	}
	return w.gate.Serve(l)
}

// close ends every connection.
func (w *network) close() error {
	w.out.close()
	var err error
	if w.gate != nil {
		err = w.gate.Close()
	}
	if w.proxy != nil {
		w.proxy.Close()
	}
	w.secrets.Close()
	return err
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
		c.Close()
		return errors.ErrUnsupported
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

// maxUnreached is how many allowed hosts that did not answer are told; the rest is not.
const maxUnreached = 16

// unreached are the allowed hosts that could not be connected to.
type unreached struct {
	mu   sync.Mutex // guards list
	list []string
}

func (u *unreached) add(target, why string) {
	line := target + ": " + text(why)
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.list) < maxUnreached && !slices.Contains(u.list, line) {
		u.list = append(u.list, line)
	}
}

// Unreached are the hosts that the policy allows and that could not be connected to, up to
// 16, each with the reason: "api.example.org:443: resolve api.example.org: no such host". Programs inside see
// no more than a connection that is reset.
func (b *Box) Unreached() []string {
	b.missed.mu.Lock()
	defer b.missed.mu.Unlock()
	return slices.Clone(b.missed.list)
}

// knocked tells of connections that the box's kernel refused on its own.
func (b *Box) knocked() {
	lb, ok := b.backend.(linuxBox)
	if !ok || b.network == nil || b.network.gate == nil {
		return
	}
	for _, at := range lb.Refused() {
		b.network.gate.Refused(at)
	}
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
