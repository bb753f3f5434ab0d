package bailey

import (
	"net"
	"net/netip"
	"sync"

	"github.com/bailey-run/bailey/internal/gate"
	"github.com/bailey-run/bailey/internal/linux"
)

// maxAnnounced is how many connections may be announced and not have arrived yet;
// more than a box of tier landlock ever has open. Further ones are not served.
const maxAnnounced = 4096

// proxy is the gate's explicit proxy where the box shares the host's network: a
// port of the host's loopback that serves the connections the name broker made,
// and resets everybody else's.
type proxy struct {
	*net.TCPListener

	mu        sync.Mutex
	announced map[netip.AddrPort]bool
}

func listenProxy() (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &proxy{TCPListener: l.(*net.TCPListener), announced: map[netip.AddrPort]bool{}}, nil
}

func (p *proxy) addr() netip.AddrPort { return p.Addr().(*net.TCPAddr).AddrPort() }

// announce expects a connection. undo takes that back; it does nothing when the same
// one was expected already, as when a program asks again how its connecting goes.
func (p *proxy) announce(local netip.AddrPort) (undo func()) {
	local = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.announced[local] || len(p.announced) >= maxAnnounced {
		return func() {}
	}
	p.announced[local] = true
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.announced, local)
	}
}

// Accept returns the next connection that was announced.
func (p *proxy) Accept() (net.Conn, error) {
	for {
		c, err := p.AcceptTCP()
		if err != nil {
			return nil, err
		}
		from := c.RemoteAddr().(*net.TCPAddr).AddrPort()
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		p.mu.Lock()
		known := p.announced[from]
		delete(p.announced, from)
		p.mu.Unlock()
		if known {
			return c, nil
		}
		reset(c)
	}
}

// explicit makes the gate of a box that shares the host's network: a proxy that
// its environment names.
func (w *network) explicit() error {
	p, err := listenProxy()
	if err != nil {
		return err
	}
	w.proxy = p
	at := "http://" + p.addr().String()
	for _, name := range [...]string{"http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		w.dress.set(name, at)
	}
	w.dress.set("NODE_USE_ENV_PROXY", "1") // else Node, from 22.21 and 24 on, does not look at them
	return nil
}

// options tells the backend of what the gate needs.
func (w *network) options(o *linux.Options) {
	if w.proxy != nil {
		o.Proxy = &linux.Proxy{Addr: w.proxy.addr(), Local: w.proxy.announce}
		return
	}
	o.Network = w.inside
}

func (w *network) serveProxy() error {
	return w.gate.Serve(gate.Listeners{Proxy: []net.Listener{w.proxy}})
}
