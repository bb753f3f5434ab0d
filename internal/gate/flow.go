package gate

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/bailey-run/bailey/internal/hostname"
)

// flow is one connection, or one udp association, from its start to its end.
type flow struct {
	g      *Gate
	id     uint64
	udp    bool
	via    string
	client net.Conn // nil for udp
	dst    netip.AddrPort
	peer   netip.AddrPort // the program's end
	start  time.Time
	ctx    context.Context
	cancel context.CancelFunc
	active atomic.Int64 // see direction
	up     atomic.Int64
	down   atomic.Int64
	owner  func() (int, string)

	absolute *proxyServer  // that the requests go to, when it is one
	farewell func(*Denial) // last words of a proxy's protocol; nil: none

	pending *list.Element // guarded by g.mu; nil once identified

	mu       sync.Mutex
	decided  bool
	d        decision
	servers  []net.Conn
	addr     netip.AddrPort
	proxy    string
	protocol string
	why      string // why it was closed
	closed   bool
	started  bool
	refused  bool
}

// clientBuffer of the kernel towards the box, whose end is on the same machine: 100
// clients that do not read would else fill the machine's memory for TCP, which all
// connections share.
const clientBuffer = 256 << 10

// begin registers a flow, or returns nil when there are too many: the caller resets
// the connection. When too many wait to be identified, the oldest of them is reset.
func (g *Gate) begin(c net.Conn, via string, dst netip.AddrPort) *flow {
	f := &flow{g: g, id: g.last.Add(1), via: via, client: c, dst: dst, start: time.Now()}
	if c != nil {
		f.peer = addrPort(c.RemoteAddr())
	}
	if t, ok := c.(*net.TCPConn); ok {
		t.SetWriteBuffer(clientBuffer)
	}
	f.ctx, f.cancel = context.WithCancel(g.ctx)
	f.owner = sync.OnceValues(func() (int, string) {
		if g.opts.Owner == nil {
			return 0, ""
		}
		return g.opts.Owner(f.peer, f.dst)
	})
	g.mu.Lock()
	if g.closed || len(g.flows) >= g.limits.Conns {
		g.mu.Unlock()
		f.cancel()
		return nil
	}
	g.flows[f.id] = f
	var oldest *flow
	if c != nil {
		f.pending = g.pending.PushBack(f)
		if g.pending.Len() > max(g.limits.Conns/2, 1) {
			oldest = g.unpend(g.pending.Front().Value.(*flow))
		}
	}
	g.mu.Unlock()
	if oldest != nil {
		oldest.close("too many connections wait to be identified")
	}
	return f
}

// unpend takes a flow off the list; g.mu is held.
func (g *Gate) unpend(f *flow) *flow {
	if f.pending != nil {
		g.pending.Remove(f.pending)
		f.pending = nil
	}
	return f
}

// identified says that the flow's head has been read and checked.
func (f *flow) identified(protocol string) {
	f.g.mu.Lock()
	f.g.unpend(f)
	f.g.mu.Unlock()
	f.mu.Lock()
	f.protocol = protocol
	f.mu.Unlock()
	if f.client != nil {
		f.client.SetReadDeadline(time.Time{})
	}
}

// end closes and forgets the flow, and tells of it.
func (f *flow) end() {
	f.close("")
	f.g.mu.Lock()
	f.g.unpend(f)
	delete(f.g.flows, f.id)
	f.g.mu.Unlock()
	f.mu.Lock()
	refused := f.refused
	f.mu.Unlock()
	if !refused {
		f.tell(true, Allow)
	}
}

// close ends a flow's connections; why is kept when it is the first.
func (f *flow) close(why string) {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return
	}
	f.closed = true
	if f.why == "" {
		f.why = why
	}
	servers := slices.Clone(f.servers) // drop changes the slice in place
	f.mu.Unlock()
	f.cancel()
	if f.client != nil {
		if why != "" {
			reset(f.client)
		} else {
			f.client.Close()
		}
	}
	for _, s := range servers {
		if why != "" {
			reset(s)
		} else {
			s.Close()
		}
	}
}

// adopt takes a connection outwards into the flow, unless it is over.
func (f *flow) adopt(c net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	f.servers = append(f.servers, c)
	return true
}

// drop forgets a connection that its user closes.
func (f *flow) drop(c net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.servers = slices.DeleteFunc(f.servers, func(s net.Conn) bool { return s == c })
}

// decide stores what the current generation makes of host and port, asks where that
// is the rule, and refuses otherwise. It returns whether the flow goes on.
func (f *flow) decide(h hostname.Host, port uint16, udp bool) bool {
	f.udp = udp
	for {
		gen := f.g.gen.Load()
		d := gen.decide(h, port, udp)
		if d.verdict == Ask {
			f.g.mu.Lock()
			f.g.unpend(f) // it waits for a person, not for bytes
			f.g.mu.Unlock()
			f.g.ask(f, &d)
		}
		f.mu.Lock()
		f.d, f.decided = d, true
		f.mu.Unlock()
		if f.g.gen.Load() != gen {
			continue // swapped meanwhile; Swap may not have seen this decision
		}
		if d.verdict == Allow {
			return true
		}
		f.refuse(Denial{Op: "connect", Target: d.target(), Rule: d.rule, From: d.from, Hint: d.hint})
		return false
	}
}

// decision is the one that holds now: a Swap may have renewed it.
func (f *flow) decision() decision {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.d
}

// recheck looks at a flow again under a new generation.
func (f *flow) recheck(gen *generation) {
	f.mu.Lock()
	was, decided, proxied, servers := f.d, f.decided, f.proxy != "", slices.Clone(f.servers)
	f.mu.Unlock()
	if !decided || was.verdict != Allow {
		return // it meets the new generation when it decides
	}
	d := gen.decide(was.host, was.port, was.udp)
	if d.verdict == Ask && was.granted {
		d.granted = true
		d.verdict = Allow
	}
	ok := d.verdict == Allow && d.same(&was)
	for _, c := range servers {
		if ok && !proxied {
			ok, _ = f.g.table.permits(&d, addrPort(c.RemoteAddr()).Addr())
		}
	}
	if !ok {
		f.close("the policy has changed")
		return
	}
	f.mu.Lock()
	f.d = d
	f.mu.Unlock()
}

// refuse tells of a refusal, once for the flow, and closes it.
func (f *flow) refuse(d Denial) {
	f.mu.Lock()
	again := f.refused
	f.refused = true
	if f.why == "" {
		f.why = d.Rule
	}
	f.mu.Unlock()
	if f.farewell != nil {
		f.farewell(&d)
	}
	f.denied(d)
	if !again {
		f.tell(true, Deny)
	}
	f.close(d.Rule)
}

// denied tells of a denial, with the process that caused it.
func (f *flow) denied(d Denial) {
	if f.g.opts.Denied == nil {
		return
	}
	if d.PID == 0 {
		d.PID, d.Exe = f.owner()
	}
	f.g.opts.Denied(d)
}

// begun tells that the flow is connected.
func (f *flow) begun() {
	f.mu.Lock()
	again := f.started
	f.started = true
	f.mu.Unlock()
	if !again {
		f.tell(false, Allow)
	}
}

func (f *flow) tell(ended bool, v Verdict) {
	if f.g.opts.Flow == nil {
		return
	}
	e := Flow{ID: f.id, Ended: ended, Network: "tcp", Via: f.via, Verdict: v, Up: f.up.Load(), Down: f.down.Load(), Start: f.start, Duration: time.Since(f.start)}
	e.PID, e.Exe = f.owner()
	f.mu.Lock()
	if f.udp {
		e.Network = "udp"
	}
	e.Protocol, e.Addr, e.Proxy, e.Reason = f.protocol, f.addr, f.proxy, f.why
	if f.d.host.IsValid() {
		e.Host, e.Port, e.Rule, e.From = f.d.host.String(), f.d.port, f.d.rule, f.d.from
	}
	f.mu.Unlock()
	f.g.opts.Flow(e)
}

// dial connects outwards for the flow's decision. For plain HTTP whose heads the
// gate writes, http is set, and the connection may be to a proxy.
func (f *flow) dial(ctx context.Context, http bool) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, f.g.limits.Dial)
	defer cancel()
	stop := context.AfterFunc(f.ctx, cancel)
	defer stop()
	d := f.decision()
	var c net.Conn
	var err error
	if p := d.proxyFor(http); p != nil {
		if c, err = f.g.dialUpstream(ctx, &d, p, http); err == nil {
			if http {
				f.absolute = p
			}
			f.mu.Lock()
			f.proxy = p.addr
			f.mu.Unlock()
		}
	} else {
		var at netip.AddrPort
		if c, at, err = f.g.dialChecked(ctx, &d); err == nil {
			f.mu.Lock()
			f.addr = at
			f.mu.Unlock()
		}
	}
	if err != nil {
		return nil, err
	}
	if !f.adopt(c) {
		reset(c)
		return nil, net.ErrClosed
	}
	// A generation that came while this was dialled has not seen the address.
	if gen := f.g.gen.Load(); gen != d.gen {
		f.recheck(gen)
	}
	f.begun()
	return c, nil
}

// failed ends a flow that could not be connected: a denial when an address was
// forbidden, and else an error of the network.
func (f *flow) failed(err error) {
	if bad := (*forbidden)(nil); errors.As(err, &bad) {
		hint := fmt.Sprintf("grant the address itself, or pin the name: [network.hosts] %q = %q", bad.host, bad.addr)
		if bad.host.Addr().IsValid() {
			hint = "grant the address with a rule that is no wider than its range"
		}
		f.refuse(Denial{Op: "connect", Target: target(bad.host, f.decision().port), Rule: "addresses: " + bad.Error(), Hint: hint})
		return
	}
	f.unreached(err)
	f.close(err.Error())
}

// unreached tells of an allowed host that could not be connected to, unless the program
// or the session ended first.
func (f *flow) unreached(err error) {
	if f.g.opts.Failed == nil || f.ctx.Err() != nil {
		return
	}
	d := f.decision()
	f.g.opts.Failed(d.target(), err.Error())
}

// directions are the counters and budgets of the flow.
func (f *flow) directions() (up, down *direction) {
	up = &direction{n: &f.up, active: &f.active, start: f.start}
	down = &direction{n: &f.down, active: &f.active, start: f.start}
	for _, r := range f.decision().allow {
		if r.MaxUpload <= 0 && r.MaxDownload <= 0 {
			continue
		}
		b := f.g.budget(r)
		if r.MaxUpload > 0 {
			up.budgets = append(up.budgets, &b.up)
		}
		if r.MaxDownload > 0 {
			down.budgets = append(down.budgets, &b.down)
		}
	}
	return up, down
}

// done ends a flow whose relay returned.
func (f *flow) done(err error) {
	switch {
	case errors.Is(err, errBudget):
		d := f.decision()
		f.refuse(Denial{Op: "transfer", Target: d.target(), Rule: d.rule, From: d.from, Hint: "raise max-upload or max-download of the rule"})
	case err == nil, errors.Is(err, net.ErrClosed), errors.Is(err, io.EOF):
		f.close("")
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		f.mu.Lock()
		if f.why == "" {
			f.why = "reset by a peer"
		}
		f.mu.Unlock()
		// What the other end said before is the client's to read.
		drain(f.client)
		f.close("")
	default:
		f.close(short(err).Error())
	}
}
