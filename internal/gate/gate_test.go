package gate

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bailey-run/bailey/internal/plan"
)

var hello200 = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s", r.Proto, r.Host) })

func get(t testing.TB, c *http.Client, url string) string {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestHTTPAndTLS(t *testing.T) {
	ca := newAuthority(t)
	plain := webServer(t, hello200)
	secure := webServer(t, hello200, ca.leaf(t, "example.test", "other.test"))
	b := newBox(t, &plan.Network{
		Allow: allowing([]uint16{plain, secure}, "web", "example.test"),
		Hosts: pinned("example.test", "other.test"),
	}, Options{})
	c := b.client(ca.pool)
	if got := get(t, c, fmt.Sprintf("http://example.test:%d/", plain)); got != fmt.Sprintf("HTTP/1.1 example.test:%d", plain) {
		t.Error(got)
	}
	if got := get(t, c, fmt.Sprintf("https://example.test:%d/", secure)); got != fmt.Sprintf("HTTP/2.0 example.test:%d", secure) {
		t.Error(got)
	}
	c.CloseIdleConnections()
	f := b.ended(func(f Flow) bool { return f.Protocol == "tls" })
	if f.Host != "example.test" || f.Port != secure || f.Addr != netip.MustParseAddrPort(fmt.Sprintf("127.0.0.1:%d", secure)) || f.Rule != "example.test" || f.Verdict != Allow || f.Up == 0 || f.Down == 0 {
		t.Errorf("%+v", f)
	}

	// A name that is not allowed has no address, even if it is pinned.
	if _, err := b.resolve("other.test"); err == nil {
		t.Error("other.test has an address")
	}
	b.denied("resolve", "other.test", "network.allow")

	// Another name in SNI and Host.
	conn, err := b.dial("tcp", fmt.Sprintf("example.test:%d", secure))
	if err != nil {
		t.Fatal(err)
	}
	if err := tls.Client(conn, &tls.Config{RootCAs: ca.pool, ServerName: "other.test"}).Handshake(); err == nil {
		t.Error("a hello for another name passed")
	} else {
		t.Log(err)
	}
	b.denied("request", "other.test", "must be example.test")
	req, _ := http.NewRequest("GET", fmt.Sprintf("http://example.test:%d/", plain), nil)
	req.Host = "other.test"
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 403 || !bytes.Contains(body, []byte("must be example.test")) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	// A port that no rule has.
	conn, err = b.dial("tcp", "example.test:1")
	if err != nil {
		t.Fatal(err)
	}
	refused(t, conn)
	b.denied("connect", "example.test:1")
}

func TestRaw(t *testing.T) {
	port := echoServer(t)
	b := newBox(t, &plan.Network{Allow: allowing([]uint16{port}, "tcp", "db.test"), Hosts: pinned("db.test")}, Options{})
	c, err := b.dial("tcp", fmt.Sprintf("db.test:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	go func() {
		c.Write(data)
		c.(interface{ CloseWrite() error }).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d of %d bytes: %v", len(got), len(data), err)
	}
	c.Close()
	f := b.ended(func(f Flow) bool { return f.Protocol == "tcp" })
	if f.Up != int64(len(data)) || f.Down != int64(len(data)) || f.Reason != "" {
		t.Errorf("%+v", f)
	}
	if b.relay.spliced.Load() == 0 {
		t.Error("nothing was spliced")
	}
}

func TestNames(t *testing.T) {
	b := newBox(t, &plan.Network{Allow: append(allowing(nil, "web", "a.test", "*.wild.test"), plan.NetRule{Host: "10.0.0.0/8", Protocol: "web"})}, Options{Limits: Limits{Names: 2}})
	for _, c := range []struct {
		name  string
		typ   dnsmessage.Type
		rcode dnsmessage.RCode
		n     int
	}{
		{"a.test", dnsmessage.TypeA, 0, 1},
		{"A.Test", dnsmessage.TypeAAAA, 0, 1},
		{"a.test", typeHTTPS, 0, 0},
		{"a.test", typeSVCB, 0, 0},
		{"a.test", dnsmessage.TypeTXT, dnsmessage.RCodeRefused, 0},
		{"a.test", dnsmessage.Type(10), dnsmessage.RCodeRefused, 0},
		{"a.test", dnsmessage.TypeALL, dnsmessage.RCodeRefused, 0},
		{"b.test", dnsmessage.TypeA, dnsmessage.RCodeNameError, 0},
		{"wild.test", dnsmessage.TypeA, dnsmessage.RCodeNameError, 0},
		{"x.wild.test", dnsmessage.TypeA, 0, 1},
		{"y.wild.test", dnsmessage.TypeA, 0, 1},
		{"z.wild.test", dnsmessage.TypeA, dnsmessage.RCodeServerFailure, 0},
		{"x.wild.test", dnsmessage.TypeAAAA, 0, 1},
		{"_dns.a.test", dnsmessage.TypeA, dnsmessage.RCodeNameError, 0},
		{"10.0.0.1", dnsmessage.TypeA, dnsmessage.RCodeNameError, 0},
		{"localhost", dnsmessage.TypeA, 0, 1},
		{HostName, dnsmessage.TypeA, dnsmessage.RCodeNameError, 0},
		{"1.0.18.198.in-addr.arpa", dnsmessage.TypePTR, dnsmessage.RCodeNameError, 0},
		{"0.1.18.198.in-addr.arpa", dnsmessage.TypePTR, 0, 1},
		{"0.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.9.7.5.6.c.6.9.6.1.6.2.6.d.f.ip6.arpa", dnsmessage.TypePTR, 0, 1},
		{"0.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.9.7.5.6.c.6.9.6.1.6.2.6.d.f.ip6.arpa", dnsmessage.TypeA, dnsmessage.RCodeNameError, 0},
	} {
		m := b.query(c.name, c.typ)
		if m.RCode != c.rcode || len(m.Answers) != c.n {
			t.Errorf("%s %s: %s, %d answers; want %s, %d", c.name, c.typ, m.RCode, len(m.Answers), c.rcode, c.n)
		}
		if m.RCode != 0 && c.typ != dnsmessage.TypePTR {
			opt := m.Additionals[0].Body.(*dnsmessage.OPTResource)
			if len(opt.Options) != 1 || opt.Options[0].Code != optEDE || !bytes.Contains(opt.Options[0].Data, []byte("bailey: ")) {
				t.Errorf("%s: no extended error: %v", c.name, opt.Options)
			}
		}
	}
}
