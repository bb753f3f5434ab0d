package bailey

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/bailey-run/bailey/internal/audit"
	"github.com/bailey-run/bailey/internal/linux"
	"github.com/bailey-run/bailey/internal/plan"
)

// maxPublished is how many connections to published ports are open at once: far
// more than a browser makes. Further ones are reset.
const maxPublished = 256

// published are the listeners on the host's loopback whose connections go to
// servers inside.
type published struct {
	listeners []publishedPort
	dial      func(context.Context, netip.AddrPort) (net.Conn, error)
	tell      func(audit.Flow)

	ctx  context.Context
	stop context.CancelFunc
	wait sync.WaitGroup
	slot chan struct{}
}

type publishedPort struct {
	*net.TCPListener
	from plan.NetPort
}

// publish listens. Nothing is accepted before serve.
func publish(ports []plan.NetPort) (*published, error) {
	if len(ports) == 0 {
		return nil, nil
	}
	p := &published{slot: make(chan struct{}, maxPublished)}
	p.ctx, p.stop = context.WithCancel(context.Background())
	for _, port := range ports {
		for i, addr := range [...]string{"127.0.0.1", "::1"} {
			l, err := net.Listen("tcp", net.JoinHostPort(addr, strconv.Itoa(int(port.Port))))
			if i > 0 && (errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)) {
				continue // a machine without IPv6
			}
			if err != nil {
				p.close()
				return nil, &PublishError{Port: int(port.Port), Err: err}
			}
			p.listeners = append(p.listeners, publishedPort{l.(*net.TCPListener), port})
		}
	}
	return p, nil
}

// PublishError is a port that cannot be listened on.
type PublishError struct {
	Port int
	Err  error
}

func (e *PublishError) Error() string { return fmt.Sprintf("publish port %d: %v", e.Port, e.Err) }

// Unwrap makes errors.Is work.
func (e *PublishError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *PublishError) Hint() string {
	if errors.Is(e.Err, syscall.EADDRINUSE) {
		return "another program listens there: end it, or publish another port"
	}
	return "publish a port from 1024 to 65535"
}

func (p *published) serve(box *linux.Box, tell func(audit.Flow)) {
	if p == nil {
		return
	}
	p.dial, p.tell = box.Dial, tell
	for _, l := range p.listeners {
		p.wait.Add(1)
		go func() {
			defer p.wait.Done()
			p.accept(l)
		}()
	}
}

func (p *published) accept(l publishedPort) {
	for {
		c, err := l.AcceptTCP()
		if err != nil {
			if p.ctx.Err() != nil {
				return
			}
			time.Sleep(10 * time.Millisecond) // out of descriptors, for now
			continue
		}
		select {
		case p.slot <- struct{}{}:
		default:
			reset(c)
			continue
		}
		p.wait.Add(1)
		go func() {
			defer p.wait.Done()
			defer func() { <-p.slot }()
			p.connect(c, l.from)
		}()
	}
}

// reset closes a connection the way a port without a listener does.
func reset(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}

func (p *published) connect(c *net.TCPConn, from plan.NetPort) {
	begin := time.Now()
	f := audit.Flow{State: "end", Network: "tcp", Via: "publish", Port: int(from.Port), Verdict: "allow", Rule: "network.publish",
		Layer: string(from.From.Layer), File: from.From.File, Line: from.From.Line}
	var inside net.Conn
	var err error
	for _, a := range [...]netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()} {
		if inside, err = p.dial(p.ctx, netip.AddrPortFrom(a, from.Port)); err == nil {
			f.Addr = netip.AddrPortFrom(a, from.Port).String()
			break
		}
	}
	if err != nil {
		reset(c)
		f.Reason = "nothing listens inside"
		p.tell(f)
		return
	}
	end := context.AfterFunc(p.ctx, func() { c.Close(); inside.Close() })
	defer end()
	done := make(chan struct{})
	go func() {
		f.Down, _ = io.Copy(inside, c) // to the box
		closeWrite(inside)
		close(done)
	}()
	f.Up, _ = io.Copy(c, inside)
	closeWrite(c)
	<-done
	c.Close()
	inside.Close()
	f.Duration = int64(time.Since(begin))
	p.tell(f)
}

func closeWrite(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		t.CloseWrite()
	}
}

func (p *published) close() {
	if p == nil {
		return
	}
	p.stop()
	for _, l := range p.listeners {
		l.Close()
	}
	p.wait.Wait()
}
