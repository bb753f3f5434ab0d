package gate

import (
	"errors"
	"net"
	"net/netip"

	"github.com/bailey-run/bailey/internal/plan"
)

// Gate is a running gate. Its methods may be called from any goroutine.
type Gate struct {
	opts Options
}

// New returns a gate for a network; it accepts nothing before Serve. An error
// names the first rule that the gate cannot hold.
func New(n *plan.Network, opts Options) (*Gate, error) {
	return &Gate{opts: opts}, errors.New("make gate: not written yet")
}

// Serve starts to accept, and returns. It takes the listeners over: Close closes
// them. It may be called once for each box of a session.
func (g *Gate) Serve(l Listeners) error { return errors.New("serve gate: not written yet") }

// ServeConn serves one connection to dst that was accepted elsewhere, until its
// end, and closes it.
func (g *Gate) ServeConn(c net.Conn, dst netip.AddrPort) { c.Close() }

// ServeProxy does the same for a connection that speaks to the explicit proxy.
func (g *Gate) ServeProxy(c net.Conn) { c.Close() }

// Swap replaces the network as one generation. Connections that the new one would
// not allow, or would treat otherwise, are closed. With an error nothing has
// changed. Sockets of new udp rules are not made: those rules hold from the next
// start.
func (g *Gate) Swap(n *plan.Network) error { return errors.New("swap network: not written yet") }

// Close closes listeners and connections, and waits until their goroutines ended.
func (g *Gate) Close() error { return nil }
