package gate

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bailey-run/bailey/internal/plan"
)

// box stands for a box: it resolves through the gate's name server and connects to
// synthetic addresses, all on this machine's loopback.
type box struct {
	testing.TB
	*Gate
	listener net.Listener
	proxy    net.Listener
	dsts     sync.Map // the client's address → where it meant to connect

	mu      sync.Mutex
	flows   []Flow
	denials []Denial
}

// fakeResolver answers from a table.
type fakeResolver map[string]string

func (r fakeResolver) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	var out []netip.Addr
	for s := range strings.FieldsSeq(r[strings.TrimSuffix(host, ".")]) {
		out = append(out, netip.MustParseAddr(s))
	}
	if out == nil {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return out, nil
}

func newBox(t testing.TB, n *plan.Network, opts Options) *box {
	t.Helper()
	b := &box{TB: t}
	opts.Flow = func(f Flow) { b.mu.Lock(); b.flows = append(b.flows, f); b.mu.Unlock() }
	opts.Denied = func(d Denial) { b.mu.Lock(); b.denials = append(b.denials, d); b.mu.Unlock() }
	g, err := New(n, opts)
	if err != nil {
		t.Fatal(err)
	}
	b.Gate = g
	b.listener, b.proxy = listen(t), listen(t)
	err = g.Serve(Listeners{
		TCP: []Listener{{b.listener, func(c net.Conn) (netip.AddrPort, error) {
			for range 10_000 {
				if dst, ok := b.dsts.LoadAndDelete(addrPort(c.RemoteAddr())); ok {
					return dst.(netip.AddrPort), nil
				}
				time.Sleep(time.Millisecond)
			}
			return netip.AddrPort{}, errors.New("no destination")
		}}},
		Proxy: []net.Listener{b.proxy},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return b
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// query asks the gate's name server.
func (b *box) query(name string, typ dnsmessage.Type) *dnsmessage.Message {
	b.Helper()
	q := dnsmessage.Message{Header: dnsmessage.Header{ID: 7, RecursionDesired: true}, Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name + "."), Type: typ, Class: dnsmessage.ClassINET}}}
	var h dnsmessage.ResourceHeader
	h.SetEDNS0(1232, 0, false)
	q.Additionals = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.OPTResource{}}}
	raw, err := q.Pack()
	if err != nil {
		b.Fatal(err)
	}
	out := b.answerDNS(raw)
	if len(out) > 512 {
		b.Errorf("an answer of %d bytes", len(out))
	}
	var m dnsmessage.Message
	if err := m.Unpack(out); err != nil {
		b.Fatalf("answer for %s: %v", name, err)
	}
	return &m
}

// resolve gives the synthetic address of a name.
func (b *box) resolve(name string) (netip.Addr, error) {
	m := b.query(name, dnsmessage.TypeA)
	for _, a := range m.Answers {
		if r, ok := a.Body.(*dnsmessage.AResource); ok {
			return netip.AddrFrom4(r.A), nil
		}
	}
	return netip.Addr{}, fmt.Errorf("%s: %s", name, m.RCode)
}

// dial connects as a program inside does: name, then address.
func (b *box) dial(network, addr string) (net.Conn, error) {
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := net.LookupPort("tcp", portText)
	if err != nil {
		return nil, err
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		if a, err = b.resolve(host); err != nil {
			return nil, err
		}
	}
	return b.dialAddr(netip.AddrPortFrom(a, uint16(port)))
}

func (b *box) dialAddr(dst netip.AddrPort) (net.Conn, error) {
	c, err := net.Dial("tcp", b.listener.Addr().String())
	if err != nil {
		return nil, err
	}
	b.dsts.Store(addrPort(c.LocalAddr()), dst)
	return c, nil
}

func (b *box) client(pool *x509.CertPool) *http.Client {
	tr := &http.Transport{
		DialContext:       func(_ context.Context, network, addr string) (net.Conn, error) { return b.dial(network, addr) },
		TLSClientConfig:   &tls.Config{RootCAs: pool},
		ForceAttemptHTTP2: true,
	}
	b.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

// patience is how long a test waits for what is to come: machines are busy. soon is as
// many looks, 10 ms apart.
const (
	patience = time.Minute
	soon     = 6000
)

// denied waits for a denial that has all the words.
func (b *box) denied(words ...string) {
	b.Helper()
	var last string
	for range soon {
		b.mu.Lock()
		last = fmt.Sprintf("%+v", b.denials)
		for _, d := range b.denials {
			s, all := fmt.Sprintf("%+v", d), true
			for _, w := range words {
				all = all && strings.Contains(s, w)
			}
			if all {
				b.mu.Unlock()
				return
			}
		}
		b.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	b.Fatalf("no denial with %q in %s", words, last)
}

// ended waits for the end of a flow that ok likes.
func (b *box) ended(ok func(Flow) bool) Flow {
	b.Helper()
	for range soon {
		b.mu.Lock()
		for _, f := range b.flows {
			if f.Ended && ok(f) {
				b.mu.Unlock()
				return f
			}
		}
		b.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Fatalf("no such flow in %+v", b.flows)
	return Flow{}
}

// refused says whether a connection is closed without a word.
func refused(t testing.TB, c net.Conn) {
	t.Helper()
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if b, err := io.ReadAll(c); len(b) > 0 || isTimeout(err) {
		t.Errorf("not refused: %q, %v", b, err)
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// authority makes certificates for a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, _ := x509.ParseCertificate(der)
	a := &authority{cert: cert, key: key, pool: x509.NewCertPool()}
	a.pool.AddCert(cert)
	return a
}

func (a *authority) leaf(t testing.TB, names ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: names, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// webServer serves h on loopback, with TLS when there is a certificate; it gives
// the port.
func webServer(t testing.TB, h http.Handler, certs ...tls.Certificate) uint16 {
	t.Helper()
	l := listen(t)
	s := &http.Server{Handler: h}
	if len(certs) > 0 {
		s.TLSConfig = &tls.Config{Certificates: certs}
		go s.ServeTLS(l, "", "")
	} else {
		go s.Serve(l)
	}
	t.Cleanup(func() { s.Close() })
	return addrPort(l.Addr()).Port()
}

// answering serves each connection with serve, and closes it when that returns.
func answering(t testing.TB, serve func(net.Conn)) (port uint16) {
	t.Helper()
	l := listen(t)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return addrPort(l.Addr()).Port()
}

// echoServer gives back what it gets.
func echoServer(t testing.TB) uint16 {
	t.Helper()
	return answering(t, func(c net.Conn) {
		io.Copy(c, c)
		c.(*net.TCPConn).CloseWrite()
	})
}

func allowing(ports []uint16, proto string, hosts ...string) []plan.NetRule {
	var out []plan.NetRule
	for _, h := range hosts {
		r := plan.NetRule{Host: h, Protocol: proto, Text: h}
		for _, p := range ports {
			r.Ports = append(r.Ports, plan.PortRange{First: p, Last: p})
		}
		out = append(out, r)
	}
	return out
}

func pinned(names ...string) []plan.NetHost {
	var out []plan.NetHost
	for _, n := range names {
		out = append(out, plan.NetHost{Name: n, Addresses: []string{"127.0.0.1"}})
	}
	return out
}
