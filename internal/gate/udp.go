package gate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/bailey-run/bailey/internal/hostname"
)

const (
	// maxAssociations of one udp socket: programs' ports that wait for answers. Beyond,
	// a new one's datagrams are dropped.
	maxAssociations = 64
	// udpIdle ends an association without a datagram in either direction.
	udpIdle = time.Minute
	// maxDatagram is above what DNS, QUIC, time and log messages are; a larger one is
	// dropped.
	maxDatagram = 16 << 10
)

// association is one program's port towards one udp rule's host.
type association struct {
	f    *flow
	from net.Addr
	mu   sync.Mutex
	out  net.Conn // nil until it is dialled; datagrams meanwhile are dropped but for the first
}

// serveUDP relays the datagrams of one socket, which stands for one host and port.
func (g *Gate) serveUDP(pc net.PacketConn, s UDPSocket) {
	h, _ := hostname.ParseWire(s.Host)
	var mu sync.Mutex
	byPeer := map[netip.AddrPort]*association{}
	buf := make([]byte, maxDatagram+1)
	for {
		n, from, err := pc.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) || g.ctx.Err() != nil {
			return
		}
		if err != nil {
			time.Sleep(time.Millisecond)
			continue
		}
		if n > maxDatagram {
			continue
		}
		peer := addrPort(from)
		mu.Lock()
		a := byPeer[peer]
		if a == nil && len(byPeer) < maxAssociations {
			if f := g.begin(nil, "direct", s.Addr); f != nil {
				f.peer, f.udp = peer, true
				a = &association{f: f, from: from}
				byPeer[peer] = a
				first := append([]byte(nil), buf[:n]...)
				g.work.Go(func() {
					a.serve(pc, h, s.Port, first)
					mu.Lock()
					delete(byPeer, peer)
					mu.Unlock()
					f.end()
				})
			}
			mu.Unlock()
			continue
		}
		mu.Unlock()
		if a != nil {
			a.send(buf[:n])
		}
	}
}

// send passes a datagram on, if the budget has room for the whole of it.
func (a *association) send(b []byte) {
	a.mu.Lock()
	out := a.out
	a.mu.Unlock()
	if out == nil {
		return
	}
	up, _ := a.f.directions()
	if n := up.take(int64(len(b))); n < int64(len(b)) {
		up.giveBack(n, nil)
		a.f.done(errBudget)
		return
	}
	if _, err := out.Write(b); err == nil {
		up.moved(int64(len(b)))
	}
}

func (a *association) serve(pc net.PacketConn, h hostname.Host, port uint16, first []byte) {
	f := a.f
	if !f.decide(h, port, true) {
		return
	}
	ctx, cancel := context.WithTimeout(f.ctx, f.g.limits.Dial)
	defer cancel()
	d := f.decision()
	addrs, err := f.g.addresses(ctx, &d)
	if err != nil {
		f.failed(err)
		return
	}
	at := netip.AddrPortFrom(addrs[0], port)
	var dialer net.Dialer
	out, err := dialer.DialContext(ctx, "udp", at.String()) // no packet: it binds to the checked address
	if err != nil {
		f.failed(fmt.Errorf("dial %s: %w", at, short(err)))
		return
	}
	f.mu.Lock()
	f.addr = at
	f.mu.Unlock()
	if !f.adopt(out) {
		out.Close()
		return
	}
	if gen := f.g.gen.Load(); gen != d.gen {
		f.recheck(gen)
	}
	f.identified("udp")
	f.begun()
	a.mu.Lock()
	a.out = out
	a.mu.Unlock()
	a.send(first)
	_, down := f.directions()
	buf := make([]byte, maxDatagram+1)
	for {
		out.SetReadDeadline(time.Now().Add(udpIdle))
		n, err := out.Read(buf)
		if err != nil {
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() {
				if time.Since(f.start)-time.Duration(f.active.Load()) < udpIdle {
					continue
				}
				f.close("")
				return
			}
			f.done(err)
			return
		}
		if n > maxDatagram {
			continue
		}
		if got := down.take(int64(n)); got < int64(n) {
			down.giveBack(got, nil)
			f.done(errBudget)
			return
		}
		down.moved(int64(n))
		pc.WriteTo(buf[:n], a.from)
	}
}
