package inspect

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bailey-run/bailey/internal/gate"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
	"github.com/bailey-run/bailey/internal/secret"
)

// world is a server, an inspector in front of it, and who is told of denials.
type world struct {
	t         testing.TB
	inspector *Inspector
	target    gate.Target
	addr      string // of the front: every connection there is inspected
	pool      *x509.CertPool

	mu      sync.Mutex
	denials []gate.Denial
	dials   int
}

type setup struct {
	plain   bool // no TLS
	allow   []plan.NetRule
	deny    []plan.NetRule
	secrets []plan.NetSecret
	env     map[string]string
	h1      bool  // the server does not speak HTTP/2
	fail    error // of every dial
	named   bool  // the target's port is that of the front, so that programs can name it
	distant func(t testing.TB) (dial string, roots *x509.CertPool)
}

const host = "api.test"

// newWorld serves handler as api.test, behind an inspector.
func newWorld(t testing.TB, s setup, handler http.HandlerFunc) *world {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = quiet()
	w := &world{t: t}
	var roots *x509.CertPool
	if s.plain {
		server.Start()
	} else {
		ca, err := newAuthority(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := ca.certificate(host, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		roots = x509.NewCertPool()
		roots.AddCert(ca.cert)
		server.TLS = &tls.Config{Certificates: []tls.Certificate{*leaf}}
		server.EnableHTTP2 = !s.h1
		server.StartTLS()
	}
	t.Cleanup(server.Close)
	addr := server.Listener.Addr().String()
	if s.distant != nil {
		addr, roots = s.distant(t)
	}
	var set *secret.Set
	if s.secrets != nil {
		var err error
		set, err = secret.Open(context.Background(), s.secrets, secret.Options{Lookup: func(n string) (string, bool) { v, ok := s.env[n]; return v, ok }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(set.Close)
	}
	var err error
	if w.inspector, err = New(Options{Secrets: set, Roots: roots}); err != nil {
		t.Fatal(err)
	}
	w.pool = x509.NewCertPool()
	if !w.pool.AppendCertsFromPEM(w.inspector.CA()) {
		t.Fatal("the authority cannot be read")
	}
	if s.allow == nil {
		s.allow = []plan.NetRule{{Host: host, Inspect: true, Text: host + " inspect", From: policy.Source{File: "bailey.toml", Line: 7}}}
	}
	w.target = gate.Target{
		Host: host, Port: 443, TLS: !s.plain, Allow: s.allow, Deny: s.deny, Secrets: s.secrets,
		Dial: func(ctx context.Context) (net.Conn, error) {
			w.mu.Lock()
			w.dials++
			w.mu.Unlock()
			if s.fail != nil {
				return nil, s.fail
			}
			return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		},
		Denied: func(d gate.Denial) {
			w.mu.Lock()
			w.denials = append(w.denials, d)
			w.mu.Unlock()
		},
	}
	if s.plain {
		w.target.Port = 80
	}
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.addr = front.Addr().String()
	if s.named {
		w.target.Port = uint16(front.Addr().(*net.TCPAddr).Port)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	t.Cleanup(func() {
		front.Close()
		cancel()
		all.Wait() // every Serve returns
	})
	go func() {
		for {
			c, err := front.Accept()
			if err != nil {
				return
			}
			all.Go(func() { w.inspector.Serve(ctx, c, w.target) })
		}
	}()
	return w
}

// client is a program inside the box.
func (w *world) client(h2 bool) *http.Client {
	tr := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", w.addr)
		},
		TLSClientConfig:   &tls.Config{RootCAs: w.pool},
		ForceAttemptHTTP2: h2,
		Protocols:         new(http.Protocols),
	}
	tr.Protocols.SetHTTP1(!h2)
	tr.Protocols.SetHTTP2(h2)
	w.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute}
}

func (w *world) url(path string) string {
	if w.target.TLS {
		return "https://" + host + path
	}
	return "http://" + host + path
}

// told returns the denials so far, and forgets them.
func (w *world) told() []gate.Denial {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.denials
	w.denials = nil
	return d
}

// toldSoon waits for denials that come after the program has gone on.
func (w *world) toldSoon() []gate.Denial {
	for range 6000 {
		if d := w.told(); len(d) > 0 {
			return d
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

// eachProtocol runs a test for every pair of protocols.
func eachProtocol(t *testing.T, f func(t *testing.T, h2, server1 bool)) {
	for _, h2 := range []bool{false, true} {
		for _, server1 := range []bool{false, true} {
			t.Run(fmt.Sprintf("client h2=%v, server h2=%v", h2, !server1), func(t *testing.T) { f(t, h2, server1) })
		}
	}
}

func get(t testing.TB, c *http.Client, req *http.Request) (int, string, http.Header) {
	t.Helper()
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header
}

func request(t testing.TB, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPassesOn(t *testing.T) {
	eachProtocol(t, func(t *testing.T, h2, server1 bool) {
		w := newWorld(t, setup{h1: server1}, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			w.Header().Set("X-Saw", r.Proto+" "+r.Host+" "+r.Method+" "+r.RequestURI+" "+r.Header.Get("X-Forwarded-For")+" "+r.UserAgent()+" "+r.Trailer.Get("X-Sum"))
			w.Header().Add("X-Two", "a")
			w.Header().Add("X-Two", "b")
			w.Header().Set("Trailer", "X-After")
			w.WriteHeader(http.StatusTeapot)
			fmt.Fprintf(w, "%d:%s", len(b), b)
			w.Header().Set("X-After", "late")
			w.Header().Set(http.TrailerPrefix+"X-Unannounced", "too")
		})
		r := request(t, "PATCH", w.url("/a%20b/c?q=%zz;&x=1;2"), io.MultiReader(strings.NewReader("hel"), strings.NewReader("lo")))
		r.Header.Set("X-Forwarded-For", "mine")
		r.Header.Set("User-Agent", "test/1")
		r.Trailer = http.Header{"X-Sum": []string{"sum"}}
		res, err := w.client(h2).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusTeapot || string(body) != "5:hello" {
			t.Errorf("%d %q %v", res.StatusCode, body, err)
		}
		proto := "HTTP/2.0"
		if server1 {
			proto = "HTTP/1.1"
		}
		if got, want := res.Header.Get("X-Saw"), proto+" api.test PATCH /a%20b/c?q=%zz;&x=1;2 mine test/1 sum"; got != want {
			t.Errorf("the server saw %q, want %q", got, want)
		}
		if len(res.Header["X-Two"]) != 2 || res.Trailer.Get("X-After") != "late" || res.Trailer.Get("X-Unannounced") != "too" {
			t.Errorf("%v, trailer %v", res.Header, res.Trailer)
		}
		if (res.ProtoMajor == 2) != h2 {
			t.Errorf("the program got %s", res.Proto)
		}
		if d := w.told(); len(d) != 0 {
			t.Errorf("denied: %+v", d)
		}
	})
}

// TestEvents: each event is here before the next one is sent.
func TestEvents(t *testing.T) {
	eachProtocol(t, func(t *testing.T, h2, server1 bool) {
		next := make(chan string)
		w := newWorld(t, setup{h1: server1, secrets: someSecrets(), env: someEnv()}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for text := range next {
				fmt.Fprintf(w, "data: %s\n\n", text)
				w.(http.Flusher).Flush()
			}
		})
		go func() { next <- "0" }()
		res, err := w.client(h2).Get(w.url("/events"))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		lines := bufio.NewReader(res.Body)
		for i := range 5 {
			if i > 0 {
				next <- fmt.Sprint(i)
			}
			if line, err := lines.ReadString('\n'); err != nil || line != fmt.Sprintf("data: %d\n", i) {
				t.Fatalf("%q, %v", line, err)
			}
			lines.ReadString('\n')
		}
		close(next)
	})
}

// TestDuplex: a server may answer while the request's body is still coming.
func TestDuplex(t *testing.T) {
	eachProtocol(t, func(t *testing.T, h2, server1 bool) {
		w := newWorld(t, setup{h1: server1, secrets: someSecrets(), env: someEnv()}, func(w http.ResponseWriter, r *http.Request) {
			http.NewResponseController(w).EnableFullDuplex()
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			in := bufio.NewReader(r.Body)
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				fmt.Fprint(w, "echo ", line)
				w.(http.Flusher).Flush()
			}
		})
		pr, pw := io.Pipe()
		res, err := w.client(h2).Do(request(t, "POST", w.url("/"), pr))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		out := bufio.NewReader(res.Body)
		for i := range 4 {
			fmt.Fprintf(pw, "%d\n", i)
			if line, err := out.ReadString('\n'); err != nil || line != fmt.Sprintf("echo %d\n", i) {
				t.Fatalf("%q, %v", line, err)
			}
		}
		pw.Close()
		if rest, err := io.ReadAll(out); err != nil || len(rest) != 0 {
			t.Errorf("%q, %v", rest, err)
		}
	})
}

// zeros is a body of n bytes.
type zeros struct{ n int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.n == 0 {
		return 0, io.EOF
	}
	n := int(min(z.n, int64(len(p))))
	clear(p[:n])
	z.n -= int64(n)
	return n, nil
}

// TestLarge: a gigabyte each way in bounded memory when BAILEY_TEST_SLOW is set,
// and less otherwise.
func TestLarge(t *testing.T) {
	size := int64(1 << 30)
	if os.Getenv("BAILEY_TEST_SLOW") == "" {
		size = 128 << 20
	}
	for _, secrets := range [][]plan.NetSecret{nil, someSecrets()} {
		w := newWorld(t, setup{secrets: secrets, env: someEnv()}, func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(io.Discard, r.Body)
			if err != nil || n != size {
				t.Errorf("the server got %d bytes, %v", n, err)
			}
			w.Header().Set("Content-Length", fmt.Sprint(size))
			io.Copy(w, &zeros{size})
		})
		var peak uint64
		stop := make(chan struct{})
		var watch sync.WaitGroup
		watch.Go(func() {
			for {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapInuse+m.StackInuse)
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
			}
		})
		client := w.client(true)
		client.Timeout = 0
		res, err := client.Do(request(t, "POST", w.url("/"), &zeros{size}))
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, res.Body)
		res.Body.Close()
		close(stop)
		watch.Wait()
		if err != nil || n != size || res.ContentLength != size {
			t.Errorf("the program got %d of %d bytes, %v", n, res.ContentLength, err)
		}
		if peak > 64<<20 {
			t.Errorf("%d bytes of memory were in use", peak)
		}
		t.Logf("secrets: %v; memory: %d KiB, with client and server", len(secrets), peak>>10)
	}
}

func TestContinue(t *testing.T) {
	for _, server1 := range []bool{true, false} {
		read := false
		w := newWorld(t, setup{h1: server1}, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/no" {
				w.WriteHeader(http.StatusExpectationFailed)
				return
			}
			b, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%d", len(b))
		})
		for path, want := range map[string]int{"/yes": 200, "/no": 417} {
			c := w.client(false)
			c.Transport.(*http.Transport).ExpectContinueTimeout = 30 * time.Second
			read = false
			r := request(t, "PUT", w.url(path), readFunc(func(p []byte) (int, error) { read = true; return 0, io.EOF }))
			r.Header.Set("Expect", "100-continue")
			status, body, _ := get(t, c, r)
			if status != want || server1 && read != (want == 200) {
				t.Errorf("%s: %d %q, the body was read: %v", path, status, body, read)
			}
		}
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// TestEarlyHints: informational answers pass.
func TestEarlyHints(t *testing.T) {
	w := newWorld(t, setup{h1: true, secrets: someSecrets(), env: someEnv()}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</style.css>; key="+someEnv()["T"])
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusOK)
	})
	c, err := tls.Dial("tcp", w.addr, &tls.Config{RootCAs: w.pool, ServerName: host})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n")
	all, _ := io.ReadAll(c)
	if n := bytes.Count(all, []byte("</style.css>; key=ghp_")); n != 2 || bytes.Contains(all, []byte(someEnv()["T"])) {
		t.Errorf("%s", all)
	}
}

func TestDenied(t *testing.T) {
	from := policy.Source{File: "/p/bailey.toml", Line: 12}
	rules := []plan.NetRule{
		{Host: host, Inspect: true, Methods: []string{"GET", "HEAD"}, Paths: []string{"/v1/**"}, Text: host + " methods=GET,HEAD paths=/v1/**", From: from},
		{Host: host, Inspect: true, Methods: []string{"POST"}, Paths: []string{"/**/git-upload-pack"}, Text: "git fetch", From: from},
	}
	deny := []plan.NetRule{{Host: host, Paths: []string{"/v1/admin/**"}, Text: host + " paths=/v1/admin/**", From: policy.Source{File: "/etc/m.toml", Line: 3}}}
	eachProtocol(t, func(t *testing.T, h2, server1 bool) {
		var seen []string
		w := newWorld(t, setup{allow: rules, deny: deny, h1: server1}, func(w http.ResponseWriter, r *http.Request) { seen = append(seen, r.Method+" "+r.RequestURI) })
		c := w.client(h2)
		for _, ok := range []string{"GET /v1/x", "HEAD /v1/x/y", "POST /a/b.git/git-upload-pack", "GET /v1/x?a=/v1/admin/x", "GET /v1"} {
			method, path, _ := strings.Cut(ok, " ")
			if status, body, _ := get(t, c, request(t, method, w.url(path), nil)); status != 200 {
				t.Errorf("%s: %d %s", ok, status, body)
			}
		}
		seen = nil
		for _, bad := range []string{"POST /v1/x", "GET /v2", "POST /a/b.git/git-receive-pack", "DELETE /v1/x", "GET /v1/admin", "GET /v1/ADMIN/x", "GET /v1/admin/", "GET /v1/x/%2e%2e/admin", "GET /v1/%2e%2e/secret", "GET /v1/x%2fadmin", "GET /v1//admin", "GET /v1/%61dmin/x", "GET /v1/x;/../admin", "GET /v1/%5cadmin", "GET /v1/%252e%252e/x", "TRACE /v1/x", "get /v1/x"} {
			method, path, _ := strings.Cut(bad, " ")
			status, body, header := get(t, c, request(t, method, w.url(path), nil))
			var got refusal
			if err := json.Unmarshal([]byte(body), &got); err != nil || status != 403 || header.Get("Content-Type") != "application/json" {
				t.Errorf("%s: %d %q %v", bad, status, body, err)
				continue
			}
			if got.Host != host || got.Method != method || got.Path != path || got.By != "bailey" || got.File == "" || got.Line == 0 || got.Why == "" || got.Rule == "" && got.Allow == "" && got.Hint == "" {
				t.Errorf("%s: %s", bad, body)
			}
			d := w.told()
			if len(d) != 1 || d[0].Op != "request" || d[0].Target != method+" https://api.test"+path || d[0].Hint == "" {
				t.Errorf("%s: told %+v", bad, d)
			}
		}
		if len(seen) != 0 {
			t.Errorf("the server saw %q", seen)
		}
		_, body, _ := get(t, c, request(t, "POST", w.url("/v1/x"), strings.NewReader("body")))
		if !strings.Contains(body, `"allow": "api.test methods=POST paths=/v1/x"`) {
			t.Errorf("the rule that would allow it is not there: %s", body)
		}
		_, body, _ = get(t, c, request(t, "GET", w.url("/v1/admin/x"), nil))
		if !strings.Contains(body, `"rule": "api.test paths=/v1/admin/**"`) || !strings.Contains(body, `"file": "/etc/m.toml"`) || !strings.Contains(body, `"line": 3`) {
			t.Errorf("%s", body)
		}
	})
}

// TestSuggestion: the rule that an answer suggests does allow the request.
func TestSuggestion(t *testing.T) {
	target := gate.Target{Host: host, Port: 8443}
	for _, path := range []string{"/", "/a/b", "/a/b/"} {
		text := suggest(&target, "PUT", path)
		r, problem, _ := policyRule(text)
		if problem != "" {
			t.Errorf("%q: %s", text, problem)
			continue
		}
		target.Allow = []plan.NetRule{r}
		if v := decide(&target, "PUT", path); !v.allow {
			t.Errorf("%q does not allow it: %s", text, v.why)
		}
	}
}

// policyRule reads what suggest writes.
func policyRule(text string) (r plan.NetRule, problem, hint string) {
	words := strings.Fields(text)
	if len(words) == 0 || words[0] != "api.test:8443" {
		return r, "the host", ""
	}
	for _, w := range words[1:] {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "methods":
			r.Methods = strings.Split(value, ",")
		case "paths":
			r.Paths = strings.Split(value, ",")
		default:
			return r, key, ""
		}
	}
	return r, "", ""
}

func TestGranted(t *testing.T) {
	target := gate.Target{Host: host, Port: 443, Granted: true, Deny: []plan.NetRule{{Paths: []string{"/x"}}}}
	if v := decide(&target, "GET", "/y"); !v.allow {
		t.Error(v.why)
	}
	if v := decide(&target, "GET", "/x"); v.allow {
		t.Error("a denial does not win")
	}
	// Servers that do not tell capitals apart take "delete" for DELETE.
	target.Deny = []plan.NetRule{{Methods: []string{"DELETE"}}}
	for _, method := range []string{"DELETE", "delete", "Delete", "trace"} {
		if v := decide(&target, method, "/y"); v.allow {
			t.Errorf("%s is let through", method)
		}
	}
	target.Deny = []plan.NetRule{{Paths: []string{"/a%20b"}}}
	if v := decide(&target, "GET", "/a"); v.allow {
		t.Error("a deny rule that can never match opens its host")
	}
	// Where no rule looks at paths, npm's scoped packages pass.
	target = gate.Target{Host: host, Port: 443, Allow: []plan.NetRule{{Methods: []string{"read-only"}}}}
	if v := decide(&target, "GET", "/@scope%2fname"); !v.allow {
		t.Error(v.why)
	}
}

// TestOtherHost: every request of a connection is for the host it was decided for.
func TestOtherHost(t *testing.T) {
	for _, plain := range []bool{false, true} {
		var seen []string
		w := newWorld(t, setup{plain: plain, h1: true}, func(w http.ResponseWriter, r *http.Request) { seen = append(seen, r.Host+r.RequestURI) })
		raw := func(text string) string {
			t.Helper()
			var c net.Conn
			var err error
			if plain {
				c, err = net.Dial("tcp", w.addr)
			} else {
				c, err = tls.Dial("tcp", w.addr, &tls.Config{RootCAs: w.pool, ServerName: host})
			}
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(time.Minute))
			io.WriteString(c, text)
			all, _ := io.ReadAll(c)
			return string(all)
		}
		scheme := map[bool]string{true: "http", false: "https"}[plain]
		port := map[bool]string{true: "80", false: "443"}[plain]
		for _, same := range []string{"GET /1 HTTP/1.1\r\nHost: API.test.\r\n", "GET /2 HTTP/1.1\r\nHost: api.test:" + port + "\r\n", "GET " + scheme + "://api.test/3 HTTP/1.1\r\nHost: api.test\r\n"} {
			if got := raw(same + "Connection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 200") {
				t.Errorf("%q: %s", same, got)
			}
		}
		for _, s := range seen {
			if !strings.HasPrefix(s, "api.test/") {
				t.Errorf("the server saw %q", s)
			}
		}
		seen = nil
		for _, other := range []string{
			"GET / HTTP/1.1\r\nHost: other.test\r\n", "GET / HTTP/1.1\r\nHost: api.test:81\r\n", "GET / HTTP/1.1\r\nHost: api.test.other.test\r\n",
			"GET http://other.test/ HTTP/1.1\r\nHost: api.test\r\n", "GET ftp://api.test/ HTTP/1.1\r\nHost: api.test\r\n", "GET " + scheme + "://u@api.test/ HTTP/1.1\r\nHost: api.test\r\n",
			"GET / HTTP/1.1\r\nHost:\r\n", "CONNECT api.test:443 HTTP/1.1\r\nHost: api.test\r\n", "GET / HTTP/1.1\r\nHost: [api.test]\r\n", "GET / HTTP/1.1\r\nHost: api.test@other.test\r\n",
		} {
			if got := raw(other + "Connection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 403") && !strings.HasPrefix(got, "HTTP/1.1 400") {
				t.Errorf("%q: %s", other, got)
			}
			if got := raw("GET /first HTTP/1.1\r\nHost: api.test\r\n\r\n" + other + "Connection: close\r\n\r\n"); strings.Count(got, "HTTP/1.1 200") != 1 {
				t.Errorf("%q as the second: %s", other, got)
			}
		}
		for _, s := range seen {
			if s != "api.test/first" {
				t.Errorf("the server saw %q", s)
			}
		}
	}
}

// TestSmuggling: whatever is ambiguous about where a request ends, the server
// sees each request that was decided, and nothing else.
func TestSmuggling(t *testing.T) {
	deny := []plan.NetRule{{Host: host, Paths: []string{"/hidden/**"}}}
	hidden := "GET /hidden HTTP/1.1\r\nHost: api.test\r\nX: "
	n := fmt.Sprint(len(hidden))
	for name, text := range map[string]string{
		"CL.TE":            "POST /a HTTP/1.1\r\nHost: api.test\r\nContent-Length: " + fmt.Sprint(len(hidden)+5) + "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"TE.CL":            "POST /a HTTP/1.1\r\nHost: api.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x", len(hidden)) + "\r\n" + hidden + "\r\n0\r\n\r\n",
		"TE.TE":            "POST /a HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + hidden,
		"TE with space":    "POST /a HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding : chunked\r\nContent-Length: " + n + "\r\n\r\n" + hidden,
		"TE with tab":      "POST /a HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding:\tchunked\r\nContent-Length: " + n + "\r\n\r\n" + hidden,
		"TE xchunked":      "POST /a HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: xchunked\r\nContent-Length: " + n + "\r\n\r\n" + hidden,
		"two CL":           "POST /a HTTP/1.1\r\nHost: api.test\r\nContent-Length: 0\r\nContent-Length: " + n + "\r\n\r\n" + hidden,
		"CL list":          "POST /a HTTP/1.1\r\nHost: api.test\r\nContent-Length: 0, " + n + "\r\n\r\n" + hidden,
		"CL sign":          "POST /a HTTP/1.1\r\nHost: api.test\r\nContent-Length: +" + n + "\r\n\r\n" + hidden,
		"folded":           "POST /a HTTP/1.1\r\nHost: api.test\r\nX-A: b\r\n Content-Length: " + n + "\r\n\r\n" + hidden,
		"bare LF":          "POST /a HTTP/1.1\nHost: api.test\nX-A: b\n\nGET /hidden HTTP/1.1\nHost: api.test\n\n",
		"bare CR":          "POST /a HTTP/1.1\r\nHost: api.test\r\nX-A: b\rTransfer-Encoding: chunked\r\nContent-Length: " + n + "\r\n\r\n" + hidden,
		"body of GET":      "GET /a HTTP/1.1\r\nHost: api.test\r\nContent-Length: " + n + "\r\n\r\n" + hidden,
		"hop CL":           "POST /a HTTP/1.1\r\nHost: api.test\r\nConnection: Content-Length\r\nContent-Length: " + n + "\r\n\r\n" + hidden,
		"chunk extension":  "POST /a HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n1;x=\"\n\"\r\na\r\n0\r\n\r\n" + hidden,
		"chunk size sign":  "POST /a HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n" + hidden,
		"h2c":              "GET /a HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" + hidden,
		"HTTP/1.0 TE":      "POST /a HTTP/1.0\r\nHost: api.test\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: " + n + "\r\n\r\n" + hidden,
		"two hosts":        "GET /a HTTP/1.1\r\nHost: api.test\r\nHost: other.test\r\n\r\n",
		"space in path":    "GET /a HTTP/1.1/hidden HTTP/1.1\r\nHost: api.test\r\n\r\n",
		"websocket refuse": "GET /a HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n" + hidden,
	} {
		for _, server1 := range []bool{true, false} {
			var mu sync.Mutex
			var seen []string
			w := newWorld(t, setup{h1: server1, deny: deny}, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				mu.Lock()
				seen = append(seen, r.Method+" "+r.Host+r.RequestURI+r.Header.Get("Upgrade"))
				mu.Unlock()
			})
			c, err := tls.Dial("tcp", w.addr, &tls.Config{RootCAs: w.pool, ServerName: host})
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(c, text)
			c.CloseWrite()
			c.SetReadDeadline(time.Now().Add(time.Minute))
			io.Copy(io.Discard, c)
			c.Close()
			mu.Lock()
			for _, s := range seen {
				if s != "POST api.test/a" && s != "GET api.test/a" && !(name == "websocket refuse" && s == "GET api.test/awebsocket") {
					t.Errorf("%s: the server saw %q", name, s)
				}
			}
			if len(seen) > 1 {
				t.Errorf("%s: the server saw %q", name, seen)
			}
			mu.Unlock()
		}
	}
}

// TestPinned: a program that does not accept our certificate is told of.
func TestPinned(t *testing.T) {
	w := newWorld(t, setup{}, func(http.ResponseWriter, *http.Request) {})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		c, err := tls.Dial("tcp", w.addr, &tls.Config{RootCAs: x509.NewCertPool(), ServerName: host, MaxVersion: version})
		if err == nil {
			c.Close()
			t.Fatal("a stranger's certificate is accepted")
		}
		d := w.toldSoon()
		if len(d) != 1 || d[0].Op != "inspect" || d[0].Target != "api.test:443" || d[0].From.Line != 7 || !strings.Contains(d[0].Hint, "bad certificate") {
			t.Errorf("told %+v", d)
		}
	}
}

// TestServerName: the certificate is for the decided name alone.
func TestServerName(t *testing.T) {
	w := newWorld(t, setup{}, func(http.ResponseWriter, *http.Request) {})
	if c, err := tls.Dial("tcp", w.addr, &tls.Config{RootCAs: w.pool, ServerName: "other.test"}); err == nil {
		c.Close()
		t.Error("another name is answered for")
	}
}

// TestUnverified: a server whose certificate is not valid gets nothing.
func TestUnverified(t *testing.T) {
	got := false
	w := newWorld(t, setup{secrets: someSecrets(), env: someEnv(), distant: func(t testing.TB) (string, *x509.CertPool) {
		server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got = true }))
		server.Config.ErrorLog = quiet()
		t.Cleanup(server.Close)
		return server.Listener.Addr().String(), x509.NewCertPool()
	}}, nil)
	r := request(t, "GET", w.url("/"), nil)
	r.Header.Set("Authorization", "Bearer "+w.placeholder("T"))
	status, body, _ := get(t, w.client(true), r)
	if status != http.StatusBadGateway || !strings.Contains(body, "the server's certificate is not valid") || got {
		t.Errorf("%d %s", status, body)
	}
	if d := w.told(); len(d) != 1 || d[0].Op != "connect" {
		t.Errorf("told %+v", d)
	}
}

func TestUnreachable(t *testing.T) {
	w := newWorld(t, setup{fail: errors.New("no route")}, nil)
	status, body, _ := get(t, w.client(true), request(t, "GET", w.url("/"), nil))
	if status != http.StatusBadGateway || !strings.Contains(body, "no route") {
		t.Errorf("%d %s", status, body)
	}
}

// TestMany: requests at once share connections, and none hangs.
func TestMany(t *testing.T) {
	eachProtocol(t, func(t *testing.T, h2, server1 bool) {
		w := newWorld(t, setup{h1: server1}, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(5 * time.Millisecond)
			io.WriteString(w, r.URL.Query().Get("n"))
		})
		c := w.client(h2)
		var all sync.WaitGroup
		for i := range maxStreams {
			all.Go(func() {
				res, err := c.Get(w.url(fmt.Sprintf("/?n=%d", i)))
				if err != nil {
					t.Error(err)
					return
				}
				defer res.Body.Close()
				if b, _ := io.ReadAll(res.Body); string(b) != fmt.Sprint(i) {
					t.Errorf("%d became %q", i, b)
				}
			})
		}
		all.Wait()
		if h2 && w.dials > maxUpstream {
			t.Errorf("%d connections outwards", w.dials)
		}
	})
}

// TestHeads: heads beyond the limits are refused on both sides.
func TestHeads(t *testing.T) {
	w := newWorld(t, setup{}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/much" {
			for i := range 400 {
				w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("a", 1000))
			}
		}
	})
	for _, h2 := range []bool{false, true} {
		r := request(t, "GET", w.url("/"), nil)
		for i := range 100 {
			r.Header.Set(fmt.Sprintf("X-%d", i), strings.Repeat("a", 1000))
		}
		if res, err := w.client(h2).Do(r); err == nil {
			if res.Body.Close(); res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("h2=%v: a head of 100 KB gives %d", h2, res.StatusCode)
			}
		}
		if status, body, _ := get(t, w.client(h2), request(t, "GET", w.url("/much"), nil)); status != http.StatusBadGateway {
			t.Errorf("h2=%v: an answer with a head of 400 KB gives %d %s", h2, status, body)
		}
	}
}

// caFile is the authority in a file, for programs.
func (w *world) caFile(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(name, w.inspector.CA(), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestOverride: a server that takes the method or the path from a header would get
// around rules, and does where no rule looks.
func TestOverride(t *testing.T) {
	names := []string{"X-HTTP-Method-Override", "x-http-method-override", "X-HTTP-Method", "X-Method-Override", "X_HTTP_METHOD_OVERRIDE", "X-Original-URL", "X-Rewrite-URL"}
	eachProtocol(t, func(t *testing.T, h2, server1 bool) {
		for _, inForce := range []bool{false, true} {
			var seen []string
			s := setup{h1: server1}
			if inForce {
				s.allow = []plan.NetRule{{Host: host, Inspect: true, Methods: []string{"GET"}, Text: host + " methods=GET"}}
			}
			w := newWorld(t, s, func(w http.ResponseWriter, r *http.Request) {
				for name, v := range r.Header {
					if v[0] == "DELETE" {
						seen = append(seen, name)
					}
				}
			})
			c := w.client(h2)
			for _, name := range names {
				r := request(t, "GET", w.url("/"), nil)
				r.Header[name] = []string{"DELETE"}
				status, body, _ := get(t, c, r)
				if want := map[bool]int{true: 403, false: 200}[inForce]; status != want {
					t.Errorf("rule %v, %s: %d %s", inForce, name, status, body)
				}
			}
			if want := len(names); !inForce && len(seen) != want || inForce && len(seen) != 0 {
				t.Errorf("rule %v: the server saw %q", inForce, seen)
			}
		}
	})
}
