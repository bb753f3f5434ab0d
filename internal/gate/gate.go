package gate

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bailey-run/bailey/internal/hostname"
	"github.com/bailey-run/bailey/internal/plan"
)

// Gate is a running gate. Its methods may be called from any goroutine.
type Gate struct {
	opts   Options
	limits Limits
	names  *names
	table  table
	relay  *relay
	heads  atomic.Int64 // bytes of large heads that are held
	last   atomic.Uint64
	gen    atomic.Pointer[generation]
	ctx    context.Context
	stop   context.CancelFunc
	work   sync.WaitGroup

	swap sync.Mutex // one Swap at a time

	mu      sync.Mutex
	closed  bool
	closers []interface{ Close() error }
	flows   map[uint64]*flow
	pending *list.List // of *flow that have not been identified yet, the oldest first
	budgets map[string]*budget
	asking  map[question]*asked
	held    int // connections that wait for an answer
}

// New returns a gate for a network; it accepts nothing before Serve. An error
// names the first rule that the gate cannot hold.
func New(n *plan.Network, opts Options) (*Gate, error) {
	g := &Gate{
		opts: opts, limits: opts.Limits.filled(), relay: newRelay(),
		flows: map[uint64]*flow{}, pending: list.New(), budgets: map[string]*budget{},
		asking: map[question]*asked{},
	}
	if g.opts.Ask == nil {
		g.opts.Ask = DenyAll{}
	}
	gen, err := compile(n, &g.opts)
	if err != nil {
		return nil, err
	}
	g.names = newNames(g.limits.Names)
	if g.names.told = opts.Bound; opts.Bound != nil {
		opts.Bound(HostName, synthetic4(hostIndex), synthetic6(hostIndex))
	}
	for _, s := range UDPSockets(gen.net) {
		if i, ok := syntheticIndex(s.Addr.Addr()); ok {
			g.names.fix(s.Host, i)
		}
	}
	gen.exactNames(func(name string) { g.names.bind(name, true) })
	g.gen.Store(gen)
	g.ctx, g.stop = context.WithCancel(context.Background())
	g.work.Add(1)
	go g.watch()
	return g, nil
}

// Names calls f, in order of names, with each name that the policy writes out and that
// the name server answers for, and with the addresses that stand for it inside.
func (g *Gate) Names(f func(name string, v4, v6 netip.Addr)) {
	gen := g.gen.Load()
	written := map[string]bool{HostName: true}
	gen.exactNames(func(name string) { written[name] = true })
	for _, name := range slices.Sorted(maps.Keys(written)) {
		h, err := hostname.ParseWire(name)
		if err != nil || gen.mayName(h).verdict != Allow {
			continue
		}
		if i, ok := g.names.bind(name, true); ok {
			f(name, synthetic4(i), synthetic6(i))
		}
	}
}

// Serve starts to accept, and returns. It takes the listeners over: Close closes
// them. It may be called once for each box of a session.
func (g *Gate) Serve(l Listeners) error {
	var closers []interface{ Close() error }
	for _, x := range l.TCP {
		closers = append(closers, x)
	}
	for _, x := range l.Proxy {
		closers = append(closers, x)
	}
	for _, x := range l.DNS {
		closers = append(closers, x)
	}
	for _, x := range l.DNSTCP {
		closers = append(closers, x)
	}
	for _, x := range l.UDP {
		closers = append(closers, x)
	}
	udp := map[netip.AddrPort]UDPSocket{}
	for _, s := range UDPSockets(g.gen.Load().net) {
		udp[s.Addr] = s
	}
	for _, pc := range l.UDP {
		if _, ok := udp[addrPort(pc.LocalAddr())]; !ok {
			for _, c := range closers {
				c.Close()
			}
			return fmt.Errorf("serve gate: no udp rule for the socket at %s", pc.LocalAddr())
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		for _, c := range closers {
			c.Close()
		}
		return errors.New("serve gate: it is closed")
	}
	g.closers = append(g.closers, closers...)
	for _, x := range l.TCP {
		original := x.OriginalDst
		g.accept(x.Listener, func(c net.Conn) {
			dst := addrPort(c.LocalAddr())
			if original != nil {
				var err error
				if dst, err = original(c); err != nil {
					reset(c)
					return
				}
			}
			g.ServeConn(c, dst)
		})
	}
	for _, x := range l.Proxy {
		g.accept(x, g.ServeProxy)
	}
	for _, x := range l.DNS {
		for range g.limits.DNS {
			g.work.Go(func() { g.serveDNS(x) })
		}
	}
	slots := make(chan struct{}, maxDNSConns)
	for _, x := range l.DNSTCP {
		g.accept(x, func(c net.Conn) {
			select {
			case slots <- struct{}{}:
				g.serveDNSConn(c)
				<-slots
			default:
				reset(c)
			}
		})
	}
	for _, x := range l.UDP {
		g.work.Go(func() { g.serveUDP(x, udp[addrPort(x.LocalAddr())]) })
	}
	return nil
}

// maxPause after an accept that failed: without descriptors it fails at once, and
// the next may work when a connection has ended.
const maxPause = time.Second

// accept accepts until the listener is closed. Each connection has a goroutine; how
// many there are is bounded by Limits.Conns, looked at before it is started.
func (g *Gate) accept(l net.Listener, serve func(net.Conn)) {
	g.work.Go(func() {
		pause := 5 * time.Millisecond
		var serving atomic.Int64
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) || g.ctx.Err() != nil {
				if c != nil {
					c.Close()
				}
				return
			}
			if err != nil {
				select {
				case <-time.After(pause):
				case <-g.ctx.Done():
				}
				pause = min(2*pause, maxPause)
				continue
			}
			pause = 5 * time.Millisecond
			if serving.Add(1) > int64(g.limits.Conns) {
				serving.Add(-1)
				reset(c)
				continue
			}
			g.work.Go(func() {
				defer serving.Add(-1)
				serve(c)
			})
		}
	})
}

// ServeConn serves one connection to dst that was accepted elsewhere, until its
// end, and closes it.
func (g *Gate) ServeConn(c net.Conn, dst netip.AddrPort) {
	f := g.begin(c, "direct", dst)
	if f == nil {
		reset(c)
		return
	}
	defer f.end()
	h := g.hostOf(dst.Addr())
	if !h.IsValid() {
		f.refuse(Denial{Op: "connect", Target: dst.String(), Rule: "unknown synthetic address", Hint: "resolve the name anew"})
		return
	}
	if f.decide(h, dst.Port(), false) {
		f.serve(newReader(c, g), nil)
	}
}

// Refused tells of a connection to dst that the box's own kernel refused, because no
// rule could allow it. Whose it was is not known any more.
func (g *Gate) Refused(dst netip.AddrPort) {
	h := g.hostOf(dst.Addr())
	if !h.IsValid() {
		return // an address that stands for nothing
	}
	d := g.gen.Load().decide(h, dst.Port(), false)
	if d.verdict != Deny {
		return // the policy has changed meanwhile, or the listener was not there
	}
	g.denied(Denial{Op: "connect", Target: d.target(), Rule: d.rule, From: d.from, Hint: d.hint})
	if g.opts.Flow != nil {
		g.opts.Flow(Flow{ID: g.last.Add(1), Ended: true, Network: "tcp", Via: "direct", Host: h.String(), Port: d.port,
			Verdict: Deny, Rule: d.rule, From: d.from, Reason: d.rule, Start: time.Now()})
	}
}

// hostOf is the host that an address stands for.
func (g *Gate) hostOf(a netip.Addr) hostname.Host {
	if !Synthetic(a) {
		return hostname.FromAddr(a)
	}
	h, _ := hostname.ParseWire(g.names.name(a))
	return h
}

// Swap replaces the network as one generation. Connections that the new one would
// not allow, or would treat otherwise, are closed. With an error nothing has
// changed. Sockets of new udp rules are not made: those rules hold from the next
// start. What a person granted goes on; deny rules win over it.
func (g *Gate) Swap(n *plan.Network) error {
	gen, err := compile(n, &g.opts)
	if err != nil {
		return fmt.Errorf("swap network: %w", err)
	}
	g.swap.Lock()
	defer g.swap.Unlock()
	gen.exactNames(func(name string) { g.names.bind(name, true) })
	g.gen.Store(gen)
	for _, r := range gen.net.Allow {
		if r.MaxUpload > 0 || r.MaxDownload > 0 {
			g.budget(r) // a raised or lowered one holds for open connections too
		}
	}
	for _, f := range g.all() {
		f.recheck(gen)
	}
	return nil
}

func (g *Gate) all() []*flow {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]*flow, 0, len(g.flows))
	for _, f := range g.flows {
		out = append(out, f)
	}
	return out
}

// Close closes listeners and connections, and waits until their goroutines ended.
func (g *Gate) Close() error {
	g.mu.Lock()
	g.closed = true
	closers := g.closers
	g.closers = nil
	g.mu.Unlock()
	g.stop()
	for _, c := range closers {
		c.Close()
	}
	for _, f := range g.all() {
		f.close("the box has ended")
	}
	g.work.Wait()
	return nil
}

// onStop calls f when the gate is closed.
func (g *Gate) onStop(f func()) (stop func() bool) { return context.AfterFunc(g.ctx, f) }

// watch closes idle connections.
func (g *Gate) watch() {
	defer g.work.Done()
	tick := time.NewTicker(max(min(g.limits.Idle/4, time.Minute), 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-g.ctx.Done():
			return
		case <-tick.C:
		}
		for _, f := range g.all() {
			if time.Since(f.start)-time.Duration(f.active.Load()) > g.limits.Idle {
				f.close("idle")
			}
		}
	}
}

// addrPort is the address of a socket, never v4-mapped.
func addrPort(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		ap = a.AddrPort()
	case *net.UDPAddr:
		ap = a.AddrPort()
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
