package gate

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bailey-run/bailey/internal/plan"
)

// rawServer remembers every byte that it gets and answers each connection with what
// answer says.
type rawServer struct {
	port uint16
	mu   sync.Mutex
	got  bytes.Buffer
}

func newRawServer(t testing.TB, answer func(net.Conn)) *rawServer {
	s := &rawServer{}
	s.port = answering(t, func(c net.Conn) {
		if answer != nil {
			go answer(c)
		}
		buf := make([]byte, 4096)
		for {
			n, err := c.Read(buf)
			s.mu.Lock()
			s.got.Write(buf[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	return s
}

func (s *rawServer) has(sub string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.got.String(), sub)
}

// Bytes that a plain HTTP connection must never get past the gate with. Each has
// "evil.test" or "EVIL" where a server might take it for another host or request.
func TestHTTPEscapes(t *testing.T) {
	s := newRawServer(t, nil)
	b := newBox(t, &plan.Network{Allow: allowing([]uint16{s.port}, "web", "good.test"), Hosts: pinned("good.test")}, Options{Limits: Limits{Handshake: 300 * time.Millisecond}})
	good := fmt.Sprintf("Host: good.test:%d\r\n", s.port)
	for name, text := range map[string]string{
		"host":              "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n",
		"two hosts":         "GET / HTTP/1.1\r\n" + good + "Host: evil.test\r\n\r\n",
		"other port":        "GET /EVIL HTTP/1.1\r\nHost: good.test:1\r\n\r\n",
		"userinfo":          "GET /EVIL HTTP/1.1\r\nHost: good.test@evil.test\r\n\r\n",
		"absolute":          "GET http://evil.test/ HTTP/1.1\r\n" + good + "\r\n",
		"absolute host":     "GET http://good.test/ HTTP/1.1\r\nHost: evil.test\r\n\r\n",
		"https target":      "GET https://evil.test/ HTTP/1.1\r\n" + good + "\r\n",
		"no host":           "GET /EVIL HTTP/1.1\r\n\r\n",
		"http/1.0 no host":  "GET /EVIL HTTP/1.0\r\n\r\n",
		"http/0.9":          "GET /EVIL\r\n",
		"connect":           "CONNECT evil.test:443 HTTP/1.1\r\n" + good + "\r\n",
		"folded":            "GET /EVIL HTTP/1.1\r\n" + good + "X: a\r\n Host: evil.test\r\n\r\n",
		"bare LF":           "GET /EVIL HTTP/1.1\n" + good + "Host: evil.test\n\n",
		"LF in head":        "GET /EVIL HTTP/1.1\r\nX: a\nHost: evil.test\r\n" + good + "\r\n",
		"CR in head":        "GET /EVIL HTTP/1.1\r\nX: a\rHost: evil.test\r\n" + good + "\r\n",
		"NUL":               "GET /EVIL HTTP/1.1\r\nX: a\x00\r\n" + good + "\r\n",
		"space before :":    "GET /EVIL HTTP/1.1\r\nHost : evil.test\r\n" + good + "\r\n",
		"TE and CL":         "POST /EVIL HTTP/1.1\r\n" + good + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"two CL":            "POST /EVIL HTTP/1.1\r\n" + good + "Content-Length: 4\r\nContent-Length: 5\r\n\r\naaaa",
		"CL list":           "POST /EVIL HTTP/1.1\r\n" + good + "Content-Length: 4, 4\r\n\r\naaaa",
		"CL sign":           "POST /EVIL HTTP/1.1\r\n" + good + "Content-Length: +4\r\n\r\naaaa",
		"TE gzip":           "POST /EVIL HTTP/1.1\r\n" + good + "Transfer-Encoding: gzip, chunked\r\n\r\n",
		"TE identity":       "POST /EVIL HTTP/1.1\r\n" + good + "Transfer-Encoding: identity\r\n\r\n",
		"TE xchunked":       "POST /EVIL HTTP/1.1\r\n" + good + "Transfer-Encoding: xchunked\r\n\r\n",
		"TE 1.0":            "POST /EVIL HTTP/1.0\r\n" + good + "Transfer-Encoding: chunked\r\n\r\n",
		"h2 preface":        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nEVIL",
		"ssh":               "SSH-2.0-EVIL\r\n",
		"redis":             "*1\r\n$4\r\nEVIL\r\n",
		"lower case method": "get /EVIL HTTP/1.1\r\n" + good + "\r\n",
		"second request":    "GET / HTTP/1.1\r\n" + good + "\r\nGET /EVIL HTTP/1.1\r\nHost: evil.test\r\n\r\n",
		"after a body":      "POST / HTTP/1.1\r\n" + good + "Content-Length: 3\r\n\r\nabcGET /EVIL HTTP/1.1\r\nHost: evil.test\r\n\r\n",
		"after chunks":      "POST / HTTP/1.1\r\n" + good + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /EVIL HTTP/1.1\r\nHost: evil.test\r\n\r\n",
		"chunk overrun":     "POST / HTTP/1.1\r\n" + good + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcEVIL\r\n0\r\n\r\n",
		"chunk size":        "POST / HTTP/1.1\r\n" + good + "Transfer-Encoding: chunked\r\n\r\n0x3\r\nEVIL",
		"chunk size sign":   "POST / HTTP/1.1\r\n" + good + "Transfer-Encoding: chunked\r\n\r\n-1\r\nEVIL",
		"chunk size LF":     "POST / HTTP/1.1\r\n" + good + "Transfer-Encoding: chunked\r\n\r\n3\nEVIL",
		"chunk huge":        "POST / HTTP/1.1\r\n" + good + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\nEVIL",
		"h2c upgrade":       "GET / HTTP/1.1\r\n" + good + "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\nEVIL",
		"websocket, no 101": "GET / HTTP/1.1\r\n" + good + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET /EVIL HTTP/1.1\r\nHost: evil.test\r\n\r\n",
		"large head":        "GET / HTTP/1.1\r\n" + good + "X: " + strings.Repeat("a", maxHead) + "\r\nEVIL: 1\r\n\r\n",
		"many fields":       "GET / HTTP/1.1\r\n" + good + strings.Repeat("X: a\r\n", maxFields) + "EVIL: 1\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			// Without the gate it arrives.
			open := newRawServer(t, nil)
			direct, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", open.port))
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(direct, text)
			for i := 0; !open.has("EVIL") && !open.has("evil.test"); i++ {
				if i == soon {
					t.Fatalf("the text tries nothing: %q", open.got.String())
				}
				time.Sleep(10 * time.Millisecond)
			}
			direct.Close()
			c, err := b.dial("tcp", fmt.Sprintf("good.test:%d", s.port))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.Write([]byte(text))
			c.SetDeadline(time.Now().Add(patience))
			if name == "websocket, no 101" {
				time.Sleep(50 * time.Millisecond) // the server says nothing: nothing may pass
			} else if _, err := io.Copy(io.Discard, c); isTimeout(err) {
				t.Error("the connection is still open")
			}
			if s.has("EVIL") || s.has("evil.test") {
				t.Errorf("it passed: %q", s.got.String())
			}
		})
	}
	if !s.has("Host: good.test") {
		t.Error("the good parts did not pass: the test tries nothing")
	}
	if s.has("h2c") {
		t.Error("an offer of h2c passed")
	}
}

// Requests of all framings on one connection, and their answers.
// TestOtherProtocols: what cannot become a request is refused as soon as that is seen,
// and not when the time for a head is over.
func TestOtherProtocols(t *testing.T) {
	port := webServer(t, hello200)
	b := newBox(t, &plan.Network{Allow: allowing([]uint16{port}, "web", "a.test"), Hosts: pinned("a.test")}, Options{Limits: Limits{Handshake: patience}})
	for _, text := range []string{"EHLO client.test\r\n", "USER ann\r\n", "CONNECT {\"verbose\":false}\r\n", "GET /\r\n", "PING\r\n", "SSH-2.0-x\r\n"} {
		c, err := b.dial("tcp", fmt.Sprintf("a.test:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(patience / 2))
		io.WriteString(c, text)
		if _, err := io.Copy(io.Discard, c); isTimeout(err) {
			t.Errorf("%q is waited for", text)
		}
		c.Close()
	}
	b.denied("request", "neither TLS nor HTTP", "protocol = \"tcp\"")
}

func TestHTTPKeepAlive(t *testing.T) {
	port := webServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%s%d%v%s", r.Method, n, err, r.Trailer.Get("X-End"))
	}))
	b := newBox(t, &plan.Network{Allow: allowing([]uint16{port}, "web", "good.test"), Hosts: pinned("good.test")}, Options{})
	c := b.client(nil)
	url := fmt.Sprintf("http://good.test:%d/", port)
	do := func(method string, body io.Reader, length int64, trailer http.Header, want string) {
		t.Helper()
		req, _ := http.NewRequest(method, url, body)
		req.ContentLength, req.Trailer = length, trailer
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(got) != want {
			t.Errorf("%s: %q, want %q", method, got, want)
		}
	}
	const big = 20 << 20
	for range 3 {
		do("GET", nil, 0, nil, "GET0<nil>")
		do("POST", strings.NewReader("hello"), 5, nil, "POST5<nil>")
		do("PUT", io.LimitReader(zeros{}, big), big, nil, fmt.Sprintf("PUT%d<nil>", big))
		do("POST", io.LimitReader(zeros{}, big), -1, http.Header{"X-End": {"end"}}, fmt.Sprintf("POST%d<nil>end", big))
	}
	c.CloseIdleConnections()
	b.ended(func(f Flow) bool { return f.Protocol == "http" && f.Up > 6*big })
	if n := len(b.flows); n != 2 {
		t.Errorf("%d events: the requests did not share a connection", n)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// A pipeline of two requests is answered twice; a WebSocket passes both ways.
func TestPipelineAndWebSocket(t *testing.T) {
	port := webServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" {
			fmt.Fprint(w, r.URL.Path)
			return
		}
		c, rw, _ := w.(http.Hijacker).Hijack()
		defer c.Close()
		fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		rw.Flush()
		io.Copy(c, rw)
	}))
	b := newBox(t, &plan.Network{Allow: allowing([]uint16{port}, "web", "good.test"), Hosts: pinned("good.test")}, Options{})
	c, err := b.dial("tcp", fmt.Sprintf("good.test:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /a HTTP/1.1\r\nHost: good.test\r\n\r\nGET /b HTTP/1.1\r\nHost: good.test.\r\n\r\n")
	br := bufio.NewReader(c)
	for _, want := range []string{"/a", "/b"} {
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(resp.Body)
		if string(got) != want {
			t.Errorf("%q, want %q", got, want)
		}
	}

	c, err = b.dial("tcp", fmt.Sprintf("good.test:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /ws HTTP/1.1\r\nHost: good.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello")
	br = bufio.NewReader(c)
	resp, err := http.ReadResponse(br, nil)
	if err != nil || resp.StatusCode != 101 {
		t.Fatal(resp, err)
	}
	frame := make([]byte, 7)
	if _, err := io.ReadFull(br, frame); err != nil || string(frame) != "\x81\x05hello" {
		t.Fatalf("%q %v", frame, err)
	}
	// From now on it is the WebSocket's.
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n")
	rest := make([]byte, 10)
	if _, err := io.ReadFull(br, rest); err != nil {
		t.Fatal(err)
	}
}

// A server that refuses an upload with an answer: the client gets to see it.
func TestEarlyAnswer(t *testing.T) {
	port := answering(t, func(c net.Conn) {
		io.ReadFull(c, make([]byte, 100))
		c.Write([]byte("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
		// It is closed with bytes unread: a reset follows.
	})
	b := newBox(t, &plan.Network{Allow: allowing([]uint16{port}, "web", "good.test"), Hosts: pinned("good.test")}, Options{})
	c, err := b.dial("tcp", fmt.Sprintf("good.test:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() {
		fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: good.test\r\nContent-Length: 1000000000\r\n\r\n")
		io.CopyN(c, zeros{}, 1000000000)
	}()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != 413 {
		t.Fatal(resp, err)
	}
}

// helloBytes is the ClientHello that crypto/tls sends.
func helloBytes(t testing.TB, cfg *tls.Config) []byte {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	go func() { tls.Client(a, cfg).Handshake() }()
	head := make([]byte, recordHead)
	if _, err := io.ReadFull(b, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(head[3])<<8|int(head[4]))
	if _, err := io.ReadFull(b, body); err != nil {
		t.Fatal(err)
	}
	return append(head, body...)
}

// cut makes records of n bytes each of a hello in one record.
func cut(hello []byte, n int) []byte {
	var out []byte
	for msg := hello[recordHead:]; len(msg) > 0; {
		k := min(n, len(msg))
		out = append(out, recordHandshake, 3, 1, byte(k>>8), byte(k))
		out = append(out, msg[:k]...)
		msg = msg[k:]
	}
	return out
}

func TestHello(t *testing.T) {
	h := helloBytes(t, &tls.Config{ServerName: "example.test"})
	check := func(what string, b []byte, want string, wantErr error) {
		t.Helper()
		got, err := parseHello(b)
		if !errors.Is(err, wantErr) || got.name != want || err == nil && got.size > len(b) {
			t.Errorf("%s: %+v, %v; want %q, %v", what, got, err, want, wantErr)
		}
	}
	check("whole", h, "example.test", nil)
	check("with more behind it", append(bytes.Clone(h), "\x17\x03\x03\x00\x01x"...), "example.test", nil)
	for n := len(h)/maxHelloRecords + 1; n < len(h); n += 37 {
		check(fmt.Sprint("cut into ", n), cut(h, n), "example.test", nil)
	}
	check("crumbs", cut(h, 1), "", errHello)
	for i := range h {
		if _, err := parseHello(h[:i]); err != errMore {
			t.Fatalf("%d of %d bytes: %v", i, len(h), err)
		}
	}
	check("no name", helloBytes(t, &tls.Config{ServerName: "192.0.2.1", InsecureSkipVerify: true}), "", nil)
	check("SSLv2", []byte("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10"), "", errHello)
	check("alert", []byte("\x15\x03\x01\x00\x02\x02\x00"), "", errHello)
	check("empty record", append([]byte{22, 3, 1, 0, 0}, h...), "", errHello)
	joined := bytes.Clone(h)
	joined = append(joined, h[recordHead:]...)
	n := len(joined) - recordHead
	joined[3], joined[4] = byte(n>>8), byte(n)
	check("two hellos in a record", joined, "", errHello)
	check("too large", []byte{22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xff}, "", errHello)
	for i := recordHead; i < len(h); i++ {
		b := bytes.Clone(h)
		b[i] ^= 0xff
		if got, err := parseHello(b); err == nil && got.name != "example.test" && got.name != "" && len(got.name) != len("example.test") {
			t.Errorf("byte %d changed: %q", i, got.name)
		}
	}

	// Two names, and one that is hidden.
	d := func(exts string) []byte {
		body := "\x03\x03" + strings.Repeat("r", 32) + "\x00\x00\x02\x13\x01\x01\x00" + string([]byte{byte(len(exts) >> 8), byte(len(exts))}) + exts
		msg := "\x01" + string([]byte{0, byte(len(body) >> 8), byte(len(body))}) + body
		return []byte("\x16\x03\x01" + string([]byte{byte(len(msg) >> 8), byte(len(msg))}) + msg)
	}
	one := "\x00\x00\x00\x0b\x00\x09\x00\x00\x06a.test"
	check("handmade", d(one), "a.test", nil)
	check("two extensions", d(one+one), "", errHello)
	check("two names", d("\x00\x00\x00\x14\x00\x12\x00\x00\x06a.test\x00\x00\x06b.test"), "", errHello)
	check("empty name", d("\x00\x00\x00\x05\x00\x03\x00\x00\x00"), "", errHello)
	check("other type of name", d("\x00\x00\x00\x0b\x00\x09\x01\x00\x06a.test"), "", errHello)
	check("longer list", d("\x00\x00\x00\x0b\x00\x0a\x00\x00\x06a.test"), "", errHello)
	check("trailing", d("\x00\x00\x00\x0c\x00\x09\x00\x00\x06a.testx"), "", errHello)
	check("cut extension", d("\x00\x00\x00\x0f\x00\x09\x00\x00\x06a.test"), "", errHello)
	got, err := parseHello(d(one + "\xfe\x0d\x00\x01\x00"))
	if err != nil || !got.ech {
		t.Errorf("ECH: %+v, %v", got, err)
	}
}

// A client that asks a server with ECH, for the allowed name on the outside.
func TestECH(t *testing.T) {
	s := newRawServer(t, nil)
	b := newBox(t, &plan.Network{Allow: allowing([]uint16{s.port}, "web", "good.test"), Hosts: pinned("good.test")}, Options{})
	c, err := b.dial("tcp", fmt.Sprintf("good.test:%d", s.port))
	if err != nil {
		t.Fatal(err)
	}
	tc := tls.Client(c, &tls.Config{ServerName: "evil.test", EncryptedClientHelloConfigList: echConfig(t, "good.test"), MinVersion: tls.VersionTLS13})
	if err := tc.Handshake(); err == nil {
		t.Error("a hello inside a hello passed")
	}
	b.denied("request", "ECH")
	if s.has("good.test") {
		t.Error("its bytes went out")
	}
}

// A second hello after a HelloRetryRequest is held against the name too.
func TestHelloRetry(t *testing.T) {
	ca := newAuthority(t)
	cfg := &tls.Config{Certificates: []tls.Certificate{ca.leaf(t, "good.test")}, CurvePreferences: []tls.CurveID{tls.CurveP384}, MinVersion: tls.VersionTLS13}
	got := make(chan string, 4)
	cfg.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) { got <- h.ServerName; return nil, nil }
	port := answering(t, func(c net.Conn) {
		tc := tls.Server(c, cfg)
		tc.Write([]byte("welcome"))
		tc.Close()
	})
	b := newBox(t, &plan.Network{Allow: allowing([]uint16{port}, "web", "good.test"), Hosts: pinned("good.test")}, Options{})
	dial := func() net.Conn {
		c, err := b.dial("tcp", fmt.Sprintf("good.test:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	client := &tls.Config{RootCAs: ca.pool, ServerName: "good.test", CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP384}}
	tc := tls.Client(dial(), client)
	if text, err := io.ReadAll(tc); err != nil || string(text) != "welcome" {
		t.Fatalf("with a retry: %q, %v", text, err)
	}
	if !tc.ConnectionState().HelloRetryRequest {
		t.Fatal("there was no retry: the test tries nothing")
	}
	// The same, but the second hello names another host of the same length.
	swap := &swapper{Conn: dial(), old: []byte("good.test"), new: []byte("evil.test")}
	if err := tls.Client(swap, client).Handshake(); err == nil {
		t.Error("a second hello for another name passed")
	}
	if swap.n != 1 {
		t.Fatalf("%d second hellos were changed: the test tries nothing", swap.n)
	}
	b.denied("request", "evil.test")
}

// swapper changes a name in what is written after the first write.
type swapper struct {
	net.Conn
	old, new []byte
	writes   int
	n        int
}

func (s *swapper) Write(b []byte) (int, error) {
	if s.writes++; s.writes > 1 && bytes.Contains(b, s.old) {
		s.n++
		if _, err := s.Conn.Write(bytes.ReplaceAll(b, s.old, s.new)); err != nil {
			return 0, err
		}
		return len(b), nil
	}
	return s.Conn.Write(b)
}
