package gate

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bailey-run/bailey/internal/hostname"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

// passing is an inspector that looks at nothing and remembers what it was given.
type passing struct {
	mu      sync.Mutex
	targets []Target
	dialErr error
}

func (p *passing) Serve(ctx context.Context, client net.Conn, t Target) error {
	p.mu.Lock()
	p.targets = append(p.targets, t)
	p.mu.Unlock()
	s, err := t.Dial(ctx)
	if err != nil {
		p.mu.Lock()
		p.dialErr = err
		p.mu.Unlock()
		t.Denied(Denial{Op: "request", Target: "told by the inspector"})
		return err
	}
	defer s.Close()
	done := make(chan struct{})
	go func() {
		io.Copy(s, client)
		s.(interface{ CloseWrite() error }).CloseWrite()
		close(done)
	}()
	io.Copy(client, s)
	client.Close()
	<-done
	return nil
}

func (p *passing) last() Target {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.targets[len(p.targets)-1]
}

func TestInspector(t *testing.T) {
	ca := newAuthority(t)
	plain, secure := webServer(t, hello200), webServer(t, hello200, ca.leaf(t, "in.test", "out.test"))
	rules := allowing([]uint16{plain, secure}, "web", "in.test", "out.test")
	rules[0].Methods = []string{"GET"}
	n := &plan.Network{Allow: rules, Hosts: pinned("in.test", "out.test", "denied.test")}
	n.Allow = append(n.Allow, allowing([]uint16{secure}, "web", "denied.test")...)
	n.Deny = []plan.NetRule{{Host: "denied.test", Paths: []string{"/x"}, Text: "no x"}}
	p := &passing{}
	b := newBox(t, n, Options{Inspect: p, Owner: func(netip.AddrPort, netip.AddrPort) (int, string) { return 7, "/bin/y" }})
	c := b.client(ca.pool)
	get(t, c, fmt.Sprintf("https://out.test:%d/", secure))
	if len(p.targets) != 0 {
		t.Error("a host without rules for requests was inspected")
	}
	get(t, c, fmt.Sprintf("https://in.test:%d/", secure))
	if x := p.last(); x.Host != "in.test" || x.Port != secure || !x.TLS || len(x.Allow) != 1 || x.Allow[0].Methods[0] != "GET" || len(x.Deny) != 0 {
		t.Errorf("%+v", x)
	}
	get(t, c, fmt.Sprintf("http://in.test:%d/", plain))
	if x := p.last(); x.TLS {
		t.Errorf("%+v", x)
	}
	c.CloseIdleConnections()
	if f := b.ended(func(f Flow) bool { return f.Host == "in.test" && f.Protocol == "tls" }); f.Up == 0 || f.Down == 0 || !f.Addr.IsValid() {
		t.Errorf("%+v", f)
	}

	// A deny rule that looks at paths makes its host inspected.
	conn, err := b.dial("tcp", fmt.Sprintf("denied.test:%d", secure))
	if err != nil {
		t.Fatal(err)
	}
	tls.Client(conn, &tls.Config{ServerName: "denied.test", RootCAs: ca.pool}).Handshake()
	if x := p.last(); x.Host != "denied.test" || len(x.Deny) != 1 {
		t.Errorf("%+v", x)
	}
	conn.Close()

	// Another name does not even reach the inspector.
	before := len(p.targets)
	conn, err = b.dial("tcp", fmt.Sprintf("in.test:%d", secure))
	if err != nil {
		t.Fatal(err)
	}
	if err := tls.Client(conn, &tls.Config{ServerName: "evil.test"}).Handshake(); err == nil || len(p.targets) != before {
		t.Error("another name was inspected", err)
	}
	// A hidden hello is none of ours where the gate answers the handshake.
	conn, err = b.dial("tcp", fmt.Sprintf("in.test:%d", secure))
	if err != nil {
		t.Fatal(err)
	}
	tls.Client(conn, &tls.Config{ServerName: "x.test", EncryptedClientHelloConfigList: echConfig(t, "in.test"), MinVersion: tls.VersionTLS13}).Handshake()
	if len(p.targets) != before+1 {
		t.Error("ECH to an inspected host did not reach the inspector")
	}
	conn.Close()

	// An address that is forbidden: the inspector gets an error, and it is told.
	n2 := &plan.Network{Allow: rules}
	b = newBox(t, n2, Options{Inspect: p, Resolver: fakeResolver{"in.test": "127.0.0.1"}, Owner: func(netip.AddrPort, netip.AddrPort) (int, string) { return 7, "/bin/y" }})
	if _, err := b.client(nil).Get(fmt.Sprintf("http://in.test:%d/", plain)); err == nil {
		t.Error("no error")
	}
	b.denied("in.test", "loopback")
	b.denied("told by the inspector", "/bin/y")

	// Nobody there who could look inside: denied.
	b = newBox(t, n, Options{})
	if _, err := b.client(ca.pool).Get(fmt.Sprintf("https://in.test:%d/", secure)); err == nil {
		t.Error("not inspected, and let through")
	}
	b.denied("connect", "in.test", "nothing here can")
}

// With secrets, plain HTTP is looked at wherever it goes, and TLS to their hosts.
func TestInspectorForSecrets(t *testing.T) {
	ca := newAuthority(t)
	plain, secure := webServer(t, hello200), webServer(t, hello200, ca.leaf(t, "api.test", "out.test"))
	p := &passing{}
	b := newBox(t, &plan.Network{
		Allow: allowing([]uint16{plain, secure}, "web", "api.test", "out.test"), Hosts: pinned("api.test", "out.test"),
		Secrets: []plan.NetSecret{{Name: "KEY", Hosts: []string{"api.test"}}},
	}, Options{Inspect: p})
	c := b.client(ca.pool)
	get(t, c, fmt.Sprintf("https://out.test:%d/", secure))
	if len(p.targets) != 0 {
		t.Error("TLS to another host was inspected")
	}
	get(t, c, fmt.Sprintf("http://out.test:%d/", plain))
	get(t, c, fmt.Sprintf("https://api.test:%d/", secure))
	if len(p.targets) != 2 || len(p.targets[0].Secrets) != 1 {
		t.Errorf("%+v", p.targets)
	}
}

// A port of a secret's host that is for any protocol, as that of ssh, stays so: a
// client that waits for the server's first word is served at once.
func TestRawBesideSecrets(t *testing.T) {
	port := answering(t, func(c net.Conn) { io.WriteString(c, "SSH-2.0-test\r\n") })
	secrets := []plan.NetSecret{{Name: "KEY", Hosts: []string{"git.test"}}}
	n := &plan.Network{Allow: append(allowing([]uint16{443}, "web", "git.test"), allowing([]uint16{port}, "tcp", "git.test")...), Hosts: pinned("git.test"), Secrets: secrets}
	b := newBox(t, n, Options{Inspect: &passing{}})
	c, err := b.dial("tcp", fmt.Sprintf("git.test:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := io.ReadAll(c); string(got) != "SSH-2.0-test\r\n" {
		t.Errorf("%q, %v", got, err)
	}
	// A port that is for the web too is looked into, and so is one where a rule looks
	// at requests.
	both := append(allowing([]uint16{port}, "web", "git.test"), allowing([]uint16{port}, "tcp", "git.test")...)
	for _, n := range []*plan.Network{
		{Allow: both, Secrets: secrets},
		{Allow: both[1:], Secrets: secrets, Deny: []plan.NetRule{{Host: "git.test", Paths: []string{"/x"}}}},
	} {
		g, err := compile(n, &Options{})
		if err != nil {
			t.Fatal(err)
		}
		h, _ := hostname.ParseWire("git.test")
		if d := g.decide(h, port, false); d.mode != inspect {
			t.Errorf("mode %d with %+v", d.mode, n)
		}
	}
}

// A new generation closes inspected connections when their rules are others, and
// not when they only stand on another line.
func TestSwapInspected(t *testing.T) {
	port := webServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") }))
	n := func(line int, method string, budget int64) *plan.Network {
		r := allowing([]uint16{port}, "web", "in.test")
		r[0].Methods, r[0].From, r[0].MaxUpload = []string{method}, policy.Source{File: "bailey.toml", Line: line}, budget
		return &plan.Network{Allow: r, Hosts: pinned("in.test")}
	}
	b := newBox(t, n(1, "GET", 0), Options{Inspect: &passing{}})
	open := func() net.Conn {
		t.Helper()
		c, err := b.dial("tcp", fmt.Sprintf("in.test:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	alive := func(c net.Conn) bool {
		c.SetDeadline(time.Now().Add(patience))
		fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: in.test\r\n\r\n")
		buf := make([]byte, 1000)
		k, err := c.Read(buf)
		return err == nil && strings.Contains(string(buf[:k]), "200 OK")
	}
	c := open()
	for _, s := range []struct {
		n    *plan.Network
		open bool
	}{{n(1, "GET", 0), true}, {n(5, "GET", 0), true}, {n(5, "POST", 0), false}, {n(5, "POST", 100000), false}, {n(6, "POST", 200000), true}} {
		if !alive(c) {
			t.Fatal("not open")
		}
		if err := b.Swap(s.n); err != nil {
			t.Fatal(err)
		}
		if got := alive(c); got != s.open {
			t.Errorf("%+v: open %v", s.n.Allow[0], got)
		}
		if !s.open {
			c.Close()
			c = open()
		}
	}
	c.Close()
}

// Budgets hold for inspected connections too, and one that waits keeps nothing from
// the others.
func TestInspectedBudget(t *testing.T) {
	body := strings.Repeat("x", 10000)
	port := webServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body) }))
	r := allowing([]uint16{port}, "web", "in.test")
	r[0].Inspect, r[0].MaxDownload = true, 25000
	b := newBox(t, &plan.Network{Allow: r, Hosts: pinned("in.test")}, Options{Inspect: &passing{}})
	// It waits for an answer that does not come, with a buffer larger than the budget.
	idle, err := b.dial("tcp", fmt.Sprintf("in.test:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	fmt.Fprint(idle, "POST / HTTP/1.1\r\nHost: in.test\r\nContent-Length: 5\r\n\r\n")
	time.Sleep(50 * time.Millisecond)
	c := b.client(nil)
	url := fmt.Sprintf("http://in.test:%d/", port)
	for range 2 {
		if got := get(t, c, url); got != body {
			t.Fatal(len(got))
		}
	}
	resp, err := c.Get(url)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("more than the budget came in")
	}
	b.denied("transfer", "in.test", "max-download")
}
