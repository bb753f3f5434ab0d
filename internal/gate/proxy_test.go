package gate

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bailey-run/bailey/internal/hostname"
	"github.com/bailey-run/bailey/internal/plan"
)

// talk sends text to a proxy and gives all that comes back.
func talk(t testing.TB, l net.Listener, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, text)
	b, err := io.ReadAll(c)
	if isTimeout(err) {
		t.Errorf("no end after %q", b)
	}
	return string(b)
}

func TestProxyHTTP(t *testing.T) {
	ca := newAuthority(t)
	plain, secure := webServer(t, hello200), webServer(t, hello200, ca.leaf(t, "a.test"))
	b := newBox(t, &plan.Network{Allow: allowing([]uint16{plain, secure}, "web", "a.test"), Hosts: pinned("a.test", "b.test"), Localhost: []plan.NetPort{{Port: plain}}}, Options{})
	proxy, _ := url.Parse("http://" + b.proxy.Addr().String())
	c := b.client(ca.pool)
	tr := c.Transport.(*http.Transport)
	tr.DialContext, tr.Proxy = nil, http.ProxyURL(proxy)
	for range 2 {
		if got := get(t, c, fmt.Sprintf("http://a.test:%d/x", plain)); got != fmt.Sprintf("HTTP/1.1 a.test:%d", plain) {
			t.Error(got)
		}
	}
	if got := get(t, c, fmt.Sprintf("https://a.test:%d/", secure)); got != fmt.Sprintf("HTTP/2.0 a.test:%d", secure) {
		t.Error(got)
	}
	if got := get(t, c, fmt.Sprintf("http://localhost:%d/", plain)); !strings.Contains(got, "localhost") {
		t.Error(got)
	}
	c.CloseIdleConnections()
	b.ended(func(f Flow) bool { return f.Via == "connect" && f.Protocol == "tls" })
	b.ended(func(f Flow) bool { return f.Via == "connect" && f.Protocol == "http" })
	for text, want := range map[string]string{
		fmt.Sprintf("CONNECT b.test:%d HTTP/1.1\r\nHost: b.test\r\n\r\n", secure):              "network.allow",
		"CONNECT a.test:1 HTTP/1.1\r\nHost: a.test\r\n\r\n":                                    "403",
		"CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: a.test\r\n\r\n":                                 "localhost = [1]",
		"CONNECT 127.1:80 HTTP/1.1\r\nHost: a.test\r\n\r\n":                                    "403",
		"CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: a.test\r\n\r\n":                          "403",
		"CONNECT a.test HTTP/1.1\r\nHost: a.test\r\n\r\n":                                      "403",
		"CONNECT a.test:99999 HTTP/1.1\r\nHost: a.test\r\n\r\n":                                "403",
		"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n":                                               "whole URL",
		fmt.Sprintf("GET http://b.test:%d/ HTTP/1.1\r\nHost: a.test:%d\r\n\r\n", plain, plain): "403",
		"GET ftp://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n":                                   "403",
		"\x04\x01\x00\x50\x7f\x00\x00\x01\x00":                                                 "",
		"nonsense\r\n\r\n":                                                                     "403",
	} {
		got := talk(t, b.proxy, text)
		if !strings.Contains(got, want) || strings.Contains(got, "200") {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	// Behind CONNECT the name is still looked at.
	conn, err := net.Dial("tcp", b.proxy.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "CONNECT a.test:%d HTTP/1.1\r\nHost: a.test\r\n\r\n", plain)
	br := bufio.NewReader(conn)
	if resp, err := http.ReadResponse(br, nil); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: b.test\r\n\r\n")
	if resp, err := http.ReadResponse(br, nil); err != nil || resp.StatusCode != 403 {
		t.Fatal(resp, err)
	}
	conn.Close()
	// A second request of a plain proxy connection may be for anybody: it does not pass.
	s := newRawServer(t, func(c net.Conn) {
		time.Sleep(100 * time.Millisecond)
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nanswer")
		c.Close()
	})
	if err := b.Swap(&plan.Network{Allow: allowing([]uint16{s.port}, "web", "a.test"), Hosts: pinned("a.test")}); err != nil {
		t.Fatal(err)
	}
	answer := talk(t, b.proxy, fmt.Sprintf("GET http://a.test:%d/one HTTP/1.1\r\nHost: a.test:%d\r\nProxy-Authorization: x\r\n\r\nGET http://a.test:%d/EVIL HTTP/1.1\r\nHost: a.test:%d\r\n\r\n", s.port, s.port, s.port, s.port))
	b.denied("a second request")
	if !strings.HasSuffix(answer, "answer") {
		t.Errorf("%q", answer)
	}
	if !s.has("GET /one HTTP/1.1\r\n") || !s.has("Connection: close") || s.has("EVIL") || s.has("Proxy-") {
		t.Errorf("%q", s.got.String())
	}
}

func TestSOCKS(t *testing.T) {
	port := echoServer(t)
	b := newBox(t, &plan.Network{Allow: allowing([]uint16{port}, "tcp", "a.test", "127.0.0.9"), Hosts: pinned("a.test"), Localhost: []plan.NetPort{{Port: port}}}, Options{})
	p := string([]byte{byte(port >> 8), byte(port)})
	synthetic, err := b.resolve("a.test")
	if err != nil {
		t.Fatal(err)
	}
	raw4, raw6 := synthetic.As4(), synthetic6(firstName).As16()
	for what, c := range map[string]struct {
		request string
		code    byte
	}{
		"name":              {"\x05\x01\x00\x03\x06a.test" + p, 0},
		"loopback":          {"\x05\x01\x00\x01\x7f\x00\x00\x01" + p, 0},
		"localhost":         {"\x05\x01\x00\x03\x09localhost" + p, 0},
		"synthetic address": {"\x05\x01\x00\x01" + string(raw4[:]) + p, 0},
		"synthetic v6":      {"\x05\x01\x00\x04" + string(raw6[:]) + p, 0},
		"other name":        {"\x05\x01\x00\x03\x06b.test" + p, socksDenied},
		"other port":        {"\x05\x01\x00\x03\x06a.test\x00\x01", socksDenied},
		"other address":     {"\x05\x01\x00\x01\x0a\x00\x00\x01" + p, socksDenied},
		"bind":              {"\x05\x02\x00\x03\x06a.test" + p, socksBadCommand},
		"udp":               {"\x05\x03\x00\x03\x06a.test" + p, socksBadCommand},
		"NUL in name":       {"\x05\x01\x00\x03\x06a\x00test" + p, socksBadAddress},
		"127.1":             {"\x05\x01\x00\x03\x05127.1" + p, socksBadAddress},
		"address type":      {"\x05\x01\x00\x05\x06a.test" + p, socksBadAddress},
		"port 0":            {"\x05\x01\x00\x03\x06a.test\x00\x00", socksBadAddress},
		"version":           {"\x04\x01\x00\x03\x06a.test" + p, socksFailed},
	} {
		conn, err := net.Dial("tcp", b.proxy.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(patience))
		io.WriteString(conn, "\x05\x02\x02\x00"+c.request) // all at once: nothing may be lost
		head := make([]byte, 12)
		if _, err := io.ReadFull(conn, head); err != nil || string(head[:2]) != "\x05\x00" || head[3] != c.code {
			t.Errorf("%s: % x, %v; want %d", what, head, err, c.code)
		} else if c.code == 0 && !echoed(conn) {
			t.Errorf("%s: no echo", what)
		}
		conn.Close()
	}
	if got := talk(t, b.proxy, "\x05\x01\x02"); got != "\x05\xff" {
		t.Errorf("without a method: %q", got)
	}
	b.ended(func(f Flow) bool { return f.Via == "socks5" && f.Host == "a.test" && f.Verdict == Allow })
}

// corporate is a proxy of the host: CONNECT and whole URLs, with a password.
type corporate struct {
	net.Listener
	to uint16 // where every name leads

	mu  sync.Mutex
	got []string
}

func newCorporate(t testing.TB, to uint16) *corporate {
	p := &corporate{Listener: listen(t), to: to}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("ann:p@ss"))
	go http.Serve(p, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.got = append(p.got, r.Method+" "+r.RequestURI)
		p.mu.Unlock()
		if r.Header.Get("Proxy-Authorization") != want {
			w.WriteHeader(407)
			return
		}
		if r.Method != "CONNECT" {
			fmt.Fprint(w, "proxied ", r.RequestURI, " ", r.Host)
			return
		}
		s, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p.to))
		if err != nil {
			w.WriteHeader(502)
			return
		}
		c, rw, _ := w.(http.Hijacker).Hijack()
		io.WriteString(c, "HTTP/1.1 200 OK\r\nX-Proxy: corporate\r\n\r\n")
		go func() { io.Copy(s, rw); s.(*net.TCPConn).CloseWrite() }()
		io.Copy(c, s)
		c.Close()
	}))
	return p
}

func TestUpstream(t *testing.T) {
	ca := newAuthority(t)
	secure := webServer(t, hello200, ca.leaf(t, "a.test", "direct.test"))
	p := newCorporate(t, secure)
	addr := p.Addr().String()
	n := &plan.Network{
		Allow:    append(allowing([]uint16{443, 80, secure}, "web", "a.test", "10.0.0.1"), allowing([]uint16{secure}, "web", "direct.test")...),
		Hosts:    pinned("direct.test"),
		Upstream: &plan.NetUpstream{HTTP: addr, HTTPS: addr, NoProxy: []string{".corp.test"}},
	}
	env := []string{"HTTPS_PROXY=http://ann:p%40ss@" + addr, "http_proxy=ann:p%40ss@" + addr}
	// The resolver knows nothing: names are the proxy's.
	b := newBox(t, n, Options{Environ: env, Resolver: fakeResolver{}})
	c := b.client(ca.pool)
	if got := get(t, c, "https://a.test/"); got != "HTTP/2.0 a.test" {
		t.Error(got)
	}
	if got := get(t, c, "http://a.test/x?y"); got != "proxied http://a.test/x?y a.test" {
		t.Error(got)
	}
	if got := get(t, c, fmt.Sprintf("https://direct.test:%d/", secure)); !strings.Contains(got, "direct.test") {
		t.Error(got)
	}
	p.mu.Lock()
	if got := strings.Join(p.got, ", "); got != "CONNECT a.test:443, GET http://a.test/x?y" {
		t.Error(got)
	}
	p.mu.Unlock()
	c.CloseIdleConnections()
	if f := b.ended(func(f Flow) bool { return f.Protocol == "tls" && f.Host == "a.test" }); f.Proxy != addr || f.Addr.IsValid() {
		t.Errorf("%+v", f)
	}
	// Without the password the proxy's answer is the error, and nothing is retried
	// without a proxy.
	b = newBox(t, n, Options{Resolver: fakeResolver{"a.test": "127.0.0.1"}})
	if _, err := b.client(ca.pool).Get("https://a.test/"); err == nil {
		t.Error("it went past the proxy")
	}
	if f := b.ended(func(f Flow) bool { return f.Host == "a.test" }); !strings.Contains(f.Reason, "407") {
		t.Errorf("%+v", f)
	}
}

func TestNoProxy(t *testing.T) {
	for _, c := range []struct {
		entry, yes, no string
	}{
		{"corp.test", "corp.test:80 a.corp.test:443", "xcorp.test:80"},
		{".corp.test", "a.corp.test:443", "corp.test:80 xcorp.test:80"},
		{"*.corp.test", "a.corp.test:443", "corp.test:80"},
		{"corp.test:8080", "corp.test:8080", "corp.test:80"},
		{"10.0.0.0/8", "10.1.2.3:80", "11.0.0.1:80 corp.test:80"},
		{"10.0.0.1", "10.0.0.1:1", "10.0.0.2:1"},
		{"::1", "[::1]:80", "[::2]:80"},
		{" * ", "anything.test:1 10.0.0.1:1", ""},
	} {
		e, ok := parseException(c.entry)
		if !ok {
			t.Errorf("%q is not understood", c.entry)
		}
		for s := range strings.FieldsSeq(c.yes) {
			if h, port, err := splitAuthority(s); err != nil || !e.has(h, port) {
				t.Errorf("%q has not %s: %v", c.entry, s, err)
			}
		}
		for s := range strings.FieldsSeq(c.no) {
			if h, port, err := splitAuthority(s); err != nil || e.has(h, port) {
				t.Errorf("%q has %s: %v", c.entry, s, err)
			}
		}
	}
}

// Two addresses, the first of which does not answer: the second is tried at once.
func TestTwoAddresses(t *testing.T) {
	port := echoServer(t)
	n := &plan.Network{Allow: allowing([]uint16{port}, "tcp", "a.test"), Hosts: []plan.NetHost{{Name: "a.test", Addresses: []string{"127.0.0.2", "::1", "127.0.0.1"}}}}
	b := newBox(t, n, Options{})
	// The echo server is on 127.0.0.1 alone.
	c, err := b.dial("tcp", fmt.Sprintf("a.test:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	echoes(t, c)
	if f := b.ended(func(Flow) bool { return true }); f.Addr.Addr() != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("%+v", f)
	}
	in := []netip.Addr{netip.MustParseAddr("::1"), netip.MustParseAddr("::2"), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::3")}
	if got := fmt.Sprint(interleave(in)); got != "[::1 127.0.0.1 ::2 ::3]" {
		t.Error(got)
	}
}

// counting answers with a public address and counts.
type counting struct {
	mu sync.Mutex
	n  map[string]int
}

func (r *counting) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n[host]++
	time.Sleep(10 * time.Millisecond)
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}

// Only names that are allowed are ever asked for, and a burst asks once.
func TestResolverIsAskedForAllowedNamesAlone(t *testing.T) {
	res := &counting{n: map[string]int{}}
	b := newBox(t, &plan.Network{Allow: allowing(nil, "web", "*.a.test")}, Options{Resolver: res})
	for _, n := range []string{"secret-data.evil.test", "a.test", "x.a.test"} {
		b.resolve(n)
	}
	if len(res.n) != 0 {
		t.Fatalf("names were resolved without a connection: %v", res.n)
	}
	h, _ := hostname.Parse("x.a.test")
	d := b.gen.Load().decide(h, 443, false)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { b.addresses(t.Context(), &d) })
	}
	wg.Wait()
	talk(t, b.proxy, "CONNECT secret-data.evil.test:443 HTTP/1.1\r\nHost: a\r\n\r\n")
	if len(res.n) != 1 || res.n["x.a.test."] != 1 {
		t.Errorf("%v", res.n)
	}
}
