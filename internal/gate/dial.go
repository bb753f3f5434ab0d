package gate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/bailey-run/bailey/internal/hostname"
)

const (
	// maxAddrs of an answer are looked at; the rest is dropped.
	maxAddrs = 16
	// fallback is the pause between two attempts (RFC 8305 section 5).
	fallback = 250 * time.Millisecond
	// cacheTime spares a burst of connections the same question. Every use is
	// checked again.
	cacheTime = 5 * time.Second
	// maxLookups at once; beyond, a connection fails.
	maxLookups = 128
	// maxCache answers are kept; beyond, all are forgotten.
	maxCache = 256
)

// forbidden is an address that was refused after the name was allowed.
type forbidden struct {
	host hostname.Host
	addr netip.Addr
	what string
}

func (e *forbidden) Error() string {
	if e.host.Addr().IsValid() {
		return fmt.Sprintf("%s is %s", e.addr, e.what)
	}
	return fmt.Sprintf("%s resolves to %s, which is %s", e.host, e.addr, e.what)
}

// resolver asks the host once for a burst of connections.
type resolver struct {
	Resolver
	mu    sync.Mutex
	cache map[string]answer
	busy  map[string]*lookup
}

type answer struct {
	addrs []netip.Addr
	until time.Time
}

type lookup struct {
	done  chan struct{}
	addrs []netip.Addr
	err   error
}

func (r *resolver) lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	r.mu.Lock()
	if a, ok := r.cache[name]; ok && time.Now().Before(a.until) {
		r.mu.Unlock()
		return a.addrs, nil
	}
	l, waiting := r.busy[name]
	if !waiting && len(r.busy) >= maxLookups {
		r.mu.Unlock()
		return nil, errors.New("too many names are being resolved")
	}
	if !waiting {
		l = &lookup{done: make(chan struct{})}
		if r.busy == nil {
			r.busy = map[string]*lookup{}
		}
		r.busy[name] = l
		// The first may give up; the others still wait for the answer.
		go r.ask(context.WithoutCancel(ctx), name, l)
	}
	r.mu.Unlock()
	select {
	case <-l.done:
		return l.addrs, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *resolver) ask(ctx context.Context, name string, l *lookup) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	// The dot keeps the host's search domains out.
	l.addrs, l.err = r.LookupNetIP(ctx, "ip", name+".")
	if len(l.addrs) > maxAddrs {
		l.addrs = l.addrs[:maxAddrs]
	}
	for i, a := range l.addrs {
		l.addrs[i] = a.Unmap()
	}
	if l.err == nil && len(l.addrs) == 0 {
		l.err = errors.New("no address")
	}
	r.mu.Lock()
	delete(r.busy, name)
	if l.err == nil {
		if r.cache == nil || len(r.cache) >= maxCache {
			r.cache = map[string]answer{}
		}
		r.cache[name] = answer{l.addrs, time.Now().Add(cacheTime)}
	}
	r.mu.Unlock()
	close(l.done)
}

// addresses are the checked addresses of a decided connection.
func (g *Gate) addresses(ctx context.Context, d *decision) ([]netip.Addr, error) {
	var addrs []netip.Addr
	switch p, pinned := d.gen.pinned[d.host]; {
	case d.mode == local:
		addrs = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	case d.host.Addr().IsValid():
		addrs = []netip.Addr{d.host.Addr()}
	case pinned:
		addrs = p.addrs
	default:
		var err error
		if addrs, err = d.gen.resolve.lookup(ctx, d.host.Name()); err != nil {
			return nil, fmt.Errorf("resolve %s: %w", d.host, short(err))
		}
	}
	var bad error
	out := make([]netip.Addr, 0, len(addrs))
	for _, a := range addrs {
		if ok, what := g.table.permits(d, a); !ok {
			if bad == nil {
				bad = &forbidden{d.host, a, what}
			}
		} else {
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return nil, bad
	}
	return interleave(out), nil
}

// interleave alternates the families, the first answer's first (RFC 8305
// section 4).
func interleave(in []netip.Addr) []netip.Addr {
	var a, b []netip.Addr
	for _, x := range in {
		if x.Is4() == in[0].Is4() {
			a = append(a, x)
		} else {
			b = append(b, x)
		}
	}
	out := in[:0:0]
	for i := range max(len(a), len(b)) {
		if i < len(a) {
			out = append(out, a[i])
		}
		if i < len(b) {
			out = append(out, b[i])
		}
	}
	return out
}

// dialChecked connects to the first address that answers.
func (g *Gate) dialChecked(ctx context.Context, d *decision) (net.Conn, netip.AddrPort, error) {
	addrs, err := g.addresses(ctx, d)
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	if len(addrs) == 1 {
		c, err := dialOne(ctx, netip.AddrPortFrom(addrs[0], d.port))
		return c, netip.AddrPortFrom(addrs[0], d.port), err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		c   net.Conn
		at  netip.AddrPort
		err error
	}
	results := make(chan result, len(addrs))
	started, failed := 0, 0
	start := func() {
		at := netip.AddrPortFrom(addrs[started], d.port)
		started++
		go func() {
			c, err := dialOne(ctx, at)
			results <- result{c, at, err}
		}()
	}
	start()
	timer := time.NewTimer(fallback)
	defer timer.Stop()
	var first error
	for {
		select {
		case r := <-results:
			if r.err == nil {
				// Whoever comes second is closed.
				go func(n int) {
					for range n {
						if r := <-results; r.c != nil {
							r.c.Close()
						}
					}
				}(started - failed - 1)
				return r.c, r.at, nil
			}
			if failed++; first == nil {
				first = r.err
			}
			if failed == len(addrs) {
				return nil, netip.AddrPort{}, first
			}
			if started < len(addrs) {
				start()
				timer.Reset(fallback)
			}
		case <-timer.C:
			if started < len(addrs) {
				start()
				timer.Reset(fallback)
			}
		}
	}
}

// dialOne is the one place from where the gate connects to the world, but for the
// upstream proxy and udp.
func dialOne(ctx context.Context, at netip.AddrPort) (net.Conn, error) {
	var d net.Dialer
	d.SetMultipathTCP(false)
	c, err := d.DialContext(ctx, "tcp", at.String())
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", at, short(err))
	}
	return c, nil
}

// short takes the layers off an error of package net: they repeat addresses.
func short(err error) error {
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		return errors.New(strings.TrimPrefix(op.Err.Error(), "connect: "))
	}
	if d := (*net.DNSError)(nil); errors.As(err, &d) {
		return errors.New(d.Err)
	}
	return err
}
