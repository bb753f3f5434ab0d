package gate

import (
	"bytes"
	"crypto/tls"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bailey-run/bailey/internal/hostname"
	"github.com/bailey-run/bailey/internal/plan"
)

// No message makes the name server answer at length, or anything but synthetic and
// loopback addresses, or bind a name that is not allowed.
func FuzzDNS(f *testing.F) {
	for _, name := range []string{"a.test.", "x.wild.test.", "evil.test.", "localhost.", "1.0.18.198.in-addr.arpa.", "."} {
		for _, typ := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA, dnsmessage.TypePTR, dnsmessage.TypeTXT, typeHTTPS, 10, dnsmessage.TypeAXFR} {
			m := dnsmessage.Message{Header: dnsmessage.Header{ID: 1, RecursionDesired: true}, Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: typ, Class: dnsmessage.ClassINET}}}
			b, _ := m.Pack()
			f.Add(b)
			var h dnsmessage.ResourceHeader
			h.SetEDNS0(4096, 0, true)
			m.Additionals = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.OPTResource{Options: []dnsmessage.Option{{Code: 10, Data: []byte("cookiecookie")}}}}}
			b, _ = m.Pack()
			f.Add(b)
		}
	}
	f.Add([]byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01")) // a name that points at itself
	g, err := New(&plan.Network{Allow: []plan.NetRule{{Host: "a.test"}, {Host: "*.wild.test"}}}, Options{Limits: Limits{Names: 64}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		out := g.answerDNS(b)
		if out == nil {
			return
		}
		if len(out) > 512 {
			t.Fatalf("an answer of %d bytes", len(out))
		}
		var m dnsmessage.Message
		if err := m.Unpack(out); err != nil {
			t.Fatalf("the answer does not parse: %v", err)
		}
		if !m.Response || m.ID != uint16(b[0])<<8|uint16(b[1]) || len(m.Answers) > 1 || len(m.Authorities) > 0 {
			t.Fatalf("%+v", m)
		}
		for _, a := range m.Answers {
			var addr netip.Addr
			switch r := a.Body.(type) {
			case *dnsmessage.AResource:
				addr = netip.AddrFrom4(r.A)
			case *dnsmessage.AAAAResource:
				addr = netip.AddrFrom16(r.AAAA)
			case *dnsmessage.PTRResource:
				continue
			default:
				t.Fatalf("%+v", a)
			}
			if addr.IsLoopback() {
				continue
			}
			name := g.names.name(addr)
			if name != "a.test" && !strings.HasSuffix(name, ".wild.test") {
				t.Fatalf("%s stands for %q", addr, name)
			}
		}
		if len(g.names.byName) > 64+8 {
			t.Fatalf("%d names", len(g.names.byName))
		}
	})
}

// The parser agrees with crypto/tls about the name, never wants more than the
// limit, and takes no more than there is.
func FuzzHello(f *testing.F) {
	h := helloBytes(f, &tls.Config{ServerName: "example.test"})
	f.Add(h)
	f.Add(cut(h, 40))
	f.Add(helloBytes(f, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, ServerName: "1.2.3.4"}))
	f.Add(helloBytes(f, &tls.Config{ServerName: "good.test", MinVersion: tls.VersionTLS13, EncryptedClientHelloConfigList: echConfig(f, "public.test")}))
	f.Add([]byte("\x16\x03\x01\x00\x04\x01\x00\x00\x00"))
	f.Add([]byte("\x15\x03\x01\x00\x02\x02\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := parseHello(b)
		if err == errMore && len(b) > maxHello+maxHelloRecords*recordHead {
			t.Fatalf("%d bytes are not enough", len(b))
		}
		if err != nil {
			return
		}
		if got.size > len(b) || got.size < recordHead+handshakeHead {
			t.Fatalf("%d of %d bytes", got.size, len(b))
		}
		if again, err := parseHello(b[:got.size]); err != nil || again != got {
			t.Fatalf("%+v, %v without what follows", again, err)
		}
		// crypto/tls drops a trailing dot and refuses some names; when it takes one, it is ours.
		if name, ok := serverSees(b[:got.size]); ok && name != "" && name != strings.TrimSuffix(got.name, ".") {
			t.Fatalf("a server sees %q, the gate %q", name, got.name)
		}
	})
}

// serverSees is the name that crypto/tls finds in a hello.
func serverSees(b []byte) (name string, ok bool) {
	client, server := net.Pipe()
	go func() {
		client.Write(b)
		client.Close()
	}()
	cfg := &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		name, ok = h.ServerName, true
		return nil, net.ErrClosed
	}}
	tls.Server(discarding{server}, cfg).Handshake()
	server.Close()
	return name, ok
}

type discarding struct{ net.Conn }

func (discarding) Write(b []byte) (int, error) { return len(b), nil }

// A request that is taken has one Host, one framing, and stays the same request
// when it is written anew.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "POST /x HTTP/1.1\r\nHost: a.test:80\r\nContent-Length: 3\r\n\r\nabc", "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.0\nHost: a\n\n", "GET / HTTP/1.1\r\nHost: a\r\n Host: b\r\n\r\n", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	h, _ := hostname.Parse("a.test")
	f.Fuzz(func(t *testing.T, b []byte) {
		if yes, err := startsHTTP(b); err == nil && !yes {
			return
		}
		q, err := parseRequest(b)
		if err == errMore && len(b) >= maxHead {
			t.Fatal("a whole head is not enough")
		}
		if err != nil {
			return
		}
		if q.size > len(b) || q.size > maxHead || !bytes.HasSuffix(b[:q.size], []byte("\r\n\r\n")) || bytes.Contains(b[:q.size-4], []byte("\r\n\r\n")) {
			t.Fatalf("%d of %d bytes", q.size, len(b))
		}
		if bytes.Count(b[:q.size], []byte("\n")) != bytes.Count(b[:q.size], []byte("\r\n")) || bytes.Count(b[:q.size], []byte("\r")) != bytes.Count(b[:q.size], []byte("\n")) {
			t.Fatal("a bare CR or LF")
		}
		for _, v := range []*request{q, q.withoutUpgrade()} {
			again, err := parseRequest(v.render(v.target))
			if err != nil || again.host != q.host || again.length != q.length || again.target != q.target || again.method != q.method {
				t.Fatalf("%+v became %+v, %v", q, again, err)
			}
		}
		checkRequest(q, &decision{host: h, port: 80})
	})
}

// Framing of bodies never reads beyond what is there, and a chunk has one size.
func FuzzChunk(f *testing.F) {
	for _, s := range []string{"5\r\nhello", "0\r\n\r\n", "a;ext=1\r\n", "FFFFFFFFFFFFFFFF\r\n", "-1\r\n", "0x1\r\n", "X-End: a\r\n\r\n", "\r\n", "1\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if size, n, err := parseChunkLine(b); err == nil && (size < 0 || n > len(b) || !bytes.HasSuffix(b[:n], []byte("\r\n"))) {
			t.Fatal(size, n)
		}
		if n, err := parseTrailers(b); err == nil && (n > len(b) || !bytes.HasSuffix(b[:n], []byte("\r\n"))) {
			t.Fatal(n)
		}
		if len(b) > 0 {
			if n, err := otherRecord(b); err == nil && n > len(b) {
				t.Fatal(n)
			}
			parseStatus(b)
			isRetry(b)
		}
	})
}

func FuzzSOCKS(f *testing.F) {
	for _, s := range []string{"\x05\x01\x00", "\x05\x02\x00\x02", "\x05\x00", "\x05\x01\x00\x03\x06a.test\x01\xbb", "\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50", "\x05\x01\x00\x04" + strings.Repeat("\x00", 15) + "\x01\x00\x50", "\x05\x01\x00\x03\x00\x00\x50", "\x04\x01"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		if n, err := parseGreeting(b); err == nil && n > len(b) {
			t.Fatal(n)
		}
		q, err := parseSOCKS(b)
		if err == nil && (q.size > len(b) || q.port == 0 || !q.host.IsValid()) {
			t.Fatalf("%+v", q)
		}
		if err == errMore && len(b) > 4+1+255+2 {
			t.Fatal("a whole request is not enough")
		}
	})
}

// An authority that is taken is one host, spelled canonically or not.
func FuzzAuthority(f *testing.F) {
	for _, s := range []string{"a.test", "a.test:80", "[::1]:80", "::1", "[::1]", "a:0", "a:+1", ":80", "a.test.:443", "1.2.3.4:5", "0x7f.1:80", "a@b:80", "[::ffff:1.2.3.4]:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, port, err := splitAuthority(s)
		if err != nil {
			return
		}
		again, p, err := splitAuthority(target(h, max(port, 1)))
		if err != nil || again != h || p != max(port, 1) {
			t.Fatalf("%q: %s:%d, %v", s, again, p, err)
		}
	})
}

// What a range is for one spelling of an address it is for all.
func FuzzClassify(f *testing.F) {
	for _, s := range []string{"127.0.0.1", "::1", "10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "fe80::1", "8.8.8.8", "2606:4700::1", "::ffff:10.0.0.1"} {
		b := netip.MustParseAddr(s).As16()
		f.Add(b[:])
	}
	var tab table
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) != 16 {
			return
		}
		a := netip.AddrFrom16([16]byte(b))
		s, is := tab.classify(a)
		s2, is2 := tab.classify(a.Unmap())
		if is != is2 || s.what != s2.what {
			t.Fatalf("%s: %q and %q", a, s.what, s2.what)
		}
		u := a.Unmap()
		if !is && (u.IsPrivate() || u.IsLoopback() || u.IsLinkLocalUnicast() || u.IsMulticast() || u.IsUnspecified() || u.IsInterfaceLocalMulticast()) {
			t.Fatalf("%s is taken for public", a)
		}
	})
}
