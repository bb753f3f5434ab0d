package gate

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bailey-run/bailey/internal/plan"
)

// echoed says whether a byte comes back.
func echoed(c net.Conn) bool {
	c.SetDeadline(time.Now().Add(patience))
	one := []byte{'x'}
	c.Write(one)
	_, err := io.ReadFull(c, one)
	c.SetDeadline(time.Time{})
	return err == nil && one[0] == 'x'
}

func TestCompileErrors(t *testing.T) {
	for want, n := range map[string]*plan.Network{
		"default":     {Default: "allow"},
		"star":        {Allow: []plan.NetRule{{Host: "a.*.test"}}},
		"ports":       {Allow: []plan.NetRule{{Host: "a.test", Protocol: "tcp"}}},
		"one port":    {Allow: []plan.NetRule{{Host: "a.test", Protocol: "udp"}}},
		"one host":    {Allow: []plan.NetRule{{Host: "*.a.test", Protocol: "udp", Ports: []plan.PortRange{{First: 53, Last: 53}}}}},
		"protocol":    {Allow: []plan.NetRule{{Host: "a.test", Protocol: "quic"}}},
		"requests":    {Allow: []plan.NetRule{{Host: "a.test", Protocol: "tcp", Ports: []plan.PortRange{{First: 1, Last: 2}}, Methods: []string{"GET"}}}},
		"port range":  {Allow: []plan.NetRule{{Host: "a.test", Ports: []plan.PortRange{{First: 2, Last: 1}}}}},
		"loopback":    {Allow: []plan.NetRule{{Host: HostName}}},
		"address":     {Hosts: []plan.NetHost{{Name: "a.test", Addresses: []string{"127.1"}}}},
		"pinned host": {Hosts: []plan.NetHost{{Name: "A b", Addresses: []string{"127.0.0.1"}}}},
		"resolver":    {Resolver: "dns.test:53"},
		"upstream":    {Upstream: &plan.NetUpstream{HTTPS: "proxy"}},
		"port 0":      {Localhost: []plan.NetPort{{}}},
		"unusual":     {Deny: []plan.NetRule{{Host: "0x7f.1"}}},
	} {
		if _, err := New(n, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
}

func TestLocalhost(t *testing.T) {
	port := echoServer(t)
	b := newBox(t, &plan.Network{Localhost: []plan.NetPort{{Port: port}}}, Options{})
	c, err := b.dial("tcp", fmt.Sprintf("%s:%d", HostName, port))
	if err != nil {
		t.Fatal(err)
	}
	echoes(t, c)
	other := echoServer(t)
	c, err = b.dial("tcp", fmt.Sprintf("%s:%d", HostName, other))
	if err != nil {
		t.Fatal(err)
	}
	refused(t, c)
	b.denied("connect", HostName, fmt.Sprintf("localhost = [%d]", other))
}

// TestRefusedInside: a connection that the box's kernel refused is told as the gate
// would have refused it, and not when it would not have.
func TestRefusedInside(t *testing.T) {
	b := newBox(t, &plan.Network{Allow: allowing([]uint16{443}, "web", "a.test")}, Options{})
	at, err := b.resolve("a.test")
	if err != nil {
		t.Fatal(err)
	}
	b.Refused(netip.AddrPortFrom(at, 443))                                 // a rule has it by now
	b.Refused(netip.AddrPortFrom(netip.MustParseAddr("198.18.77.77"), 22)) // stands for nothing
	b.Refused(netip.AddrPortFrom(at, 22))
	b.denied("connect", "a.test:22")
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.denials) != 1 || len(b.flows) != 1 || b.flows[0].Verdict != Deny || !b.flows[0].Ended || b.flows[0].Port != 22 {
		t.Errorf("%+v, %+v", b.denials, b.flows)
	}
}

func TestSwap(t *testing.T) {
	port := echoServer(t)
	rules := func(hosts ...string) *plan.Network {
		return &plan.Network{Allow: allowing([]uint16{port}, "tcp", hosts...), Hosts: pinned("a.test", "b.test", "c.test")}
	}
	b := newBox(t, rules("a.test", "b.test"), Options{})
	dial := func(name string) net.Conn {
		t.Helper()
		c, err := b.dial("tcp", fmt.Sprintf("%s:%d", name, port))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a, bb := dial("a.test"), dial("b.test")
	defer a.Close()
	if !echoed(a) || !echoed(bb) {
		t.Fatal("no echo")
	}
	before, _ := b.resolve("b.test")

	// An invalid generation changes nothing.
	if err := b.Swap(&plan.Network{Default: "maybe"}); err == nil {
		t.Fatal("an invalid network was taken")
	}
	if !echoed(a) || !echoed(bb) {
		t.Error("an invalid network closed a connection")
	}

	if err := b.Swap(rules("a.test", "c.test")); err != nil {
		t.Fatal(err)
	}
	refused(t, bb)
	if !echoed(a) {
		t.Error("a connection that is still allowed was closed")
	}
	if _, err := b.resolve("b.test"); err == nil {
		t.Error("b.test still has an address")
	}
	c := dial("c.test")
	echoes(t, c)
	// The old address is still b.test's, which is not allowed.
	old, err := b.dialAddr(netip.AddrPortFrom(before, port))
	if err != nil {
		t.Fatal(err)
	}
	refused(t, old)
	// A deny rule, a lost pin, a changed protocol.
	for what, n := range map[string]*plan.Network{
		"deny":     {Allow: rules("a.test").Allow, Hosts: pinned("a.test"), Deny: []plan.NetRule{{Host: "**.test"}}},
		"unpinned": {Allow: rules("a.test").Allow},
		"web":      {Allow: allowing([]uint16{port}, "web", "a.test"), Hosts: pinned("a.test")},
	} {
		if err := b.Swap(rules("a.test")); err != nil {
			t.Fatal(err)
		}
		c := dial("a.test")
		if !echoed(c) {
			t.Fatal("no echo")
		}
		if err := b.Swap(n); err != nil {
			t.Fatal(err)
		}
		t.Log(what)
		refused(t, c)
	}
}

// Swaps and connections at the same time: what is refused now never stays open.
func TestSwapRace(t *testing.T) {
	port := echoServer(t)
	yes := &plan.Network{Allow: allowing([]uint16{port}, "tcp", "a.test"), Hosts: pinned("a.test")}
	no := &plan.Network{}
	b := newBox(t, yes, Options{})
	dst, err := b.resolve("a.test")
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if err := b.Swap(yes); err != nil {
			t.Fatal(err)
		}
		var conns []net.Conn
		for range 4 {
			c, err := b.dialAddr(netip.AddrPortFrom(dst, port))
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
		}
		if err := b.Swap(no); err != nil {
			t.Fatal(err)
		}
		for _, c := range conns {
			c.SetDeadline(time.Now().Add(patience))
			for err = error(nil); err == nil; _, err = io.ReadFull(c, make([]byte, 1)) {
				if _, err := c.Write([]byte{1}); err != nil {
					break
				}
			}
			if isTimeout(err) {
				t.Fatal("a connection is still open")
			}
			c.Close()
		}
	}
}

func TestBudget(t *testing.T) {
	port := echoServer(t)
	n := &plan.Network{Allow: allowing([]uint16{port}, "tcp", "a.test"), Hosts: pinned("a.test")}
	n.Allow[0].MaxUpload = 1 << 20
	b := newBox(t, n, Options{})
	var total atomic.Int64
	for range 3 {
		c, err := b.dial("tcp", fmt.Sprintf("a.test:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			io.CopyN(c, zeros{}, 600<<10)
			c.(*net.TCPConn).CloseWrite()
		}()
		got, _ := io.Copy(io.Discard, c)
		total.Add(got)
		c.Close()
	}
	b.denied("transfer", "a.test", "max-upload")
	if total.Load() > 1<<20 {
		t.Errorf("%d bytes came back", total.Load())
	}
	var up int64
	seen := map[uint64]bool{}
	b.ended(func(f Flow) bool { seen[f.ID] = true; return len(seen) == 3 })
	b.mu.Lock()
	for _, f := range b.flows {
		if f.Ended {
			up += f.Up
		}
	}
	b.mu.Unlock()
	if up != 1<<20 {
		t.Errorf("%d bytes went up, want all of %d", up, 1<<20)
	}
}

// A budget that a download spends is told whatever the connection speaks.
func TestBudgetTold(t *testing.T) {
	ca := newAuthority(t)
	big := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.CopyN(w, zeros{}, 1<<20) })
	plain, secure, echo := webServer(t, big), webServer(t, big, ca.leaf(t, "a.test")), echoServer(t)
	for _, c := range []struct {
		url, protocol string
		port          uint16
	}{{"http", "web", plain}, {"https", "web", secure}, {"tcp", "tcp", echo}} {
		n := &plan.Network{Allow: allowing([]uint16{c.port}, c.protocol, "a.test"), Hosts: pinned("a.test")}
		n.Allow[0].MaxDownload = 100 << 10
		b := newBox(t, n, Options{})
		if c.url == "tcp" {
			conn, err := b.dial("tcp", fmt.Sprintf("a.test:%d", c.port))
			if err != nil {
				t.Fatal(err)
			}
			go io.CopyN(conn, zeros{}, 1<<20)
			io.Copy(io.Discard, conn)
			conn.Close()
		} else if res, err := b.client(ca.pool).Get(fmt.Sprintf("%s://a.test:%d/", c.url, c.port)); err == nil {
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		b.denied("transfer", fmt.Sprintf("a.test:%d", c.port), "max-download")
		if f := b.ended(func(f Flow) bool { return true }); f.Verdict != Deny || f.Down > 100<<10 {
			t.Errorf("%s: %+v", c.url, f)
		}
	}
}

// scripted answers questions as told, and counts them.
type scripted struct {
	answer Answer
	hold   bool
	asked  atomic.Int64
	last   atomic.Pointer[Question]
}

func (s *scripted) Ask(ctx context.Context, q Question) Answer {
	s.asked.Add(1)
	s.last.Store(&q)
	if s.hold {
		<-ctx.Done()
	}
	return s.answer
}

func TestAsk(t *testing.T) {
	port := echoServer(t)
	n := &plan.Network{Default: "ask", Hosts: pinned("a.test"), Deny: []plan.NetRule{{Host: "never.test"}}}
	dial := func(b *box) net.Conn {
		t.Helper()
		c, err := b.dial("tcp", fmt.Sprintf("a.test:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	once := &scripted{answer: Answer{Allow: true}}
	b := newBox(t, n, Options{Ask: once, Owner: func(_, dst netip.AddrPort) (int, string) { return 42, "/bin/x" }})
	echoes(t, dial(b))
	echoes(t, dial(b))
	if once.asked.Load() != 2 {
		t.Errorf("asked %d times", once.asked.Load())
	}
	q := *once.last.Load()
	if pid, exe := q.Owner(); q.Target() != fmt.Sprintf("a.test:%d", port) || pid != 42 || exe != "/bin/x" {
		t.Errorf("%+v, %d, %s", q, pid, exe)
	}
	if f := b.ended(func(f Flow) bool { return f.Host == "a.test" }); f.Rule != "asked" || f.PID != 42 {
		t.Errorf("%+v", f)
	}
	if _, err := b.resolve("never.test"); err == nil {
		t.Error("a denied name is asked about")
	}

	kept := &scripted{answer: Answer{Allow: true}}
	b = newBox(t, n, Options{Ask: kept})
	c := dial(b)
	if !echoed(c) {
		t.Fatal("no echo")
	}
	// The grant outlives a generation that still asks, and not one that denies.
	if err := b.Swap(n); err != nil || !echoed(c) {
		t.Error("the grant is gone", err)
	}
	if err := b.Swap(&plan.Network{Hosts: n.Hosts, Default: "ask", Deny: []plan.NetRule{{Host: "a.test"}}}); err != nil {
		t.Fatal(err)
	}
	refused(t, c)

	b = newBox(t, n, Options{})
	refused(t, dial(b))
	b.denied("nobody to ask")

	// Nobody answers: held for a bounded time, and so many only.
	silent := &scripted{answer: Answer{Allow: true}, hold: true}
	b = newBox(t, n, Options{Ask: silent, Limits: Limits{Asks: 2, AskTime: 300 * time.Millisecond}})
	held := []net.Conn{dial(b), dial(b), dial(b), dial(b)}
	b.denied("too many connections wait")
	for _, c := range held {
		refused(t, c)
	}
	b.denied("nobody answered in time")
}

func TestUDP(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			server.WriteTo(append([]byte("re: "), buf[:n]...), from)
		}
	}()
	port := addrPort(server.LocalAddr()).Port()
	n := &plan.Network{Allow: allowing([]uint16{port}, "udp", "a.test"), Hosts: pinned("a.test")}
	socks := UDPSockets(n)
	if len(socks) != 2 || socks[0].Host != "a.test" || socks[0].Port != port {
		t.Fatalf("%+v", socks)
	}
	b := newBox(t, n, Options{})
	if a, err := b.resolve("a.test"); err != nil || a != socks[0].Addr.Addr() {
		t.Errorf("%s, %v: not the socket's address", a, err)
	}
	// TCP to the same name and port needs its own rule.
	c, err := b.dial("tcp", fmt.Sprintf("a.test:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	refused(t, c)

	inside, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Serve(Listeners{UDP: []net.PacketConn{inside}}); err == nil {
		t.Error("a socket without a rule is served")
	}
	if inside, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if err := b.Serve(Listeners{UDP: []net.PacketConn{elsewhere{inside, net.UDPAddrFromAddrPort(socks[0].Addr)}}}); err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("udp", inside.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for i := range 3 {
		client.SetDeadline(time.Now().Add(patience))
		fmt.Fprint(client, "hello", i)
		buf := make([]byte, 100)
		k, err := client.Read(buf)
		if err != nil || string(buf[:k]) != fmt.Sprint("re: hello", i) {
			t.Fatalf("%q %v", buf[:k], err)
		}
	}
	if err := b.Swap(&plan.Network{}); err != nil {
		t.Fatal(err)
	}
	f := b.ended(func(f Flow) bool { return f.Network == "udp" })
	if f.Up != 18 || f.Down != 30 || f.Reason != "the policy has changed" {
		t.Errorf("%+v", f)
	}
	// Whoever sends now is refused.
	client.SetDeadline(time.Now().Add(300 * time.Millisecond))
	fmt.Fprint(client, "again")
	if _, err := client.Read(make([]byte, 10)); !isTimeout(err) {
		t.Error("udp goes on:", err)
	}
}

// elsewhere is a socket that says to be bound to another address.
type elsewhere struct {
	net.PacketConn
	addr net.Addr
}

func (e elsewhere) LocalAddr() net.Addr { return e.addr }
