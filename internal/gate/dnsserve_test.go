package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bailey-run/bailey/internal/plan"
)

// nameServer serves a gate's names on loopback, by datagrams and over TCP.
func nameServer(t testing.TB, g *Gate) (udp, tcp net.Addr) {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := listen(t)
	if err := g.Serve(Listeners{DNS: []net.PacketConn{pc}, DNSTCP: []net.Listener{l}}); err != nil {
		t.Fatal(err)
	}
	return pc.LocalAddr(), l.Addr()
}

// Go's own resolver as a client, over both.
func TestNameServer(t *testing.T) {
	b := newBox(t, &plan.Network{Allow: allowing(nil, "web", "a.test")}, Options{})
	udp, tcp := nameServer(t, b.Gate)
	for network, addr := range map[string]net.Addr{"udp": udp, "tcp": tcp} {
		r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return net.Dial(network, addr.String())
		}}
		addrs, err := r.LookupNetIP(t.Context(), "ip", "a.test.")
		slices.SortFunc(addrs, netip.Addr.Compare)
		if err != nil || len(addrs) != 2 || addrs[0] != synthetic4(firstName) || addrs[1] != synthetic6(firstName) {
			t.Errorf("%s: %v, %v", network, addrs, err)
		}
		var dnsErr *net.DNSError
		if _, err := r.LookupNetIP(t.Context(), "ip", "b.test."); !errors.As(err, &dnsErr) || !dnsErr.IsNotFound {
			t.Errorf("%s: %v, want not found", network, err)
		}
		if names, err := r.LookupAddr(t.Context(), addrs[0].String()); err != nil || !slices.Equal(names, []string{"a.test."}) {
			t.Errorf("%s: %v, %v", network, names, err)
		}
		if _, err := r.LookupTXT(t.Context(), "a.test."); err == nil {
			t.Errorf("%s: TXT was answered", network)
		}
	}
}

// What is no question gets a format error or nothing, and never stops the server.
func TestNameServerNonsense(t *testing.T) {
	b := newBox(t, &plan.Network{Allow: allowing(nil, "web", "a.test")}, Options{})
	udp, tcp := nameServer(t, b.Gate)
	c, err := net.Dial("udp", udp.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	good := dnsmessage.Message{Header: dnsmessage.Header{ID: 99}, Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("a.test."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
	two := good
	two.Questions = append(two.Questions, two.Questions[0])
	response := good
	response.Response = true
	update := good
	update.OpCode = 5
	chaos := good
	chaos.Questions = []dnsmessage.Question{{Name: dnsmessage.MustNewName("version.bind."), Type: dnsmessage.TypeTXT, Class: 3}}
	pack := func(m dnsmessage.Message) []byte {
		raw, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for what, x := range map[string]struct {
		raw  []byte
		want dnsmessage.RCode // 255: nothing
	}{
		"empty": {nil, 255}, "short": {[]byte{1, 2, 3}, 255}, "response": {pack(response), 255}, "long": {append(pack(good), make([]byte, 3000)...), 255},
		"two questions": {pack(two), dnsmessage.RCodeFormatError}, "update": {pack(update), dnsmessage.RCodeNotImplemented}, "chaos": {pack(chaos), dnsmessage.RCodeRefused},
	} {
		c.Write(x.raw)
		c.Write(pack(good))
		want := []dnsmessage.RCode{0}
		if x.want != 255 {
			want = append(want, x.want)
		}
		var got []dnsmessage.RCode
		buf := make([]byte, 2000)
		for range want {
			c.SetReadDeadline(time.Now().Add(patience))
			n, err := c.Read(buf)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			var m dnsmessage.Message
			if err := m.Unpack(buf[:n]); err != nil {
				t.Fatal(err)
			}
			got = append(got, m.RCode)
		}
		slices.Sort(got) // several work on the socket
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	// Silent TCP connections beyond the limit are reset, and the others end by themselves.
	var conns []net.Conn
	for range maxDNSConns {
		c, err := net.Dial("tcp", tcp.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
	}
	time.Sleep(50 * time.Millisecond)
	more, err := net.Dial("tcp", tcp.String())
	if err == nil {
		refused(t, more)
	}
	conns[0].SetDeadline(time.Now().Add(dnsConnTime + patience))
	if _, err := io.ReadAll(conns[0]); isTimeout(err) {
		t.Error("a silent connection stays")
	}
}

// hostDNS is a name server of the host that has one address for every name.
type hostDNS struct {
	net.PacketConn
	mu    sync.Mutex
	asked []string
}

func newHostDNS(t testing.TB, a netip.Addr) *hostDNS {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	s := &hostDNS{PacketConn: pc}
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil {
				continue
			}
			q := m.Questions[0]
			s.mu.Lock()
			s.asked = append(s.asked, q.Name.String())
			s.mu.Unlock()
			m.Response, m.Additionals = true, nil
			if q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1}, Body: &dnsmessage.AResource{A: a.As4()}}}
			}
			out, _ := m.Pack()
			pc.WriteTo(out, from)
		}
	}()
	return s
}

// network.resolver is asked, with the name as it is, and its answers are checked
// like any other's.
func TestResolverOfThePolicy(t *testing.T) {
	port := echoServer(t)
	dns := newHostDNS(t, netip.MustParseAddr("127.0.0.1"))
	n := &plan.Network{Allow: allowing([]uint16{port}, "tcp", "a.test"), Resolver: dns.LocalAddr().String()}
	b := newBox(t, n, Options{})
	c, err := b.dial("tcp", fmt.Sprintf("a.test:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	refused(t, c)
	b.denied("a.test", "loopback")

	n.Allow = append(n.Allow, allowing([]uint16{port}, "tcp", "127.0.0.1")...)
	if err := b.Swap(n); err != nil {
		t.Fatal(err)
	}
	if c, err = b.dial("tcp", fmt.Sprintf("a.test:%d", port)); err != nil {
		t.Fatal(err)
	}
	echoes(t, c)
	dns.mu.Lock()
	defer dns.mu.Unlock()
	if len(dns.asked) == 0 || slices.ContainsFunc(dns.asked, func(n string) bool { return n != "a.test." }) {
		t.Errorf("asked: %q", dns.asked)
	}
}
