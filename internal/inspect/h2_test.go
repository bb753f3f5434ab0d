package inspect

import (
	"bytes"
	"crypto/tls"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2 is a program that writes HTTP/2 frame by frame.
type h2 struct {
	conn   *tls.Conn
	framer *http2.Framer
	next   uint32
}

func newH2(t *testing.T, w *world) *h2 {
	t.Helper()
	c, err := tls.Dial("tcp", w.addr, &tls.Config{RootCAs: w.pool, ServerName: host, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	c.Write([]byte(http2.ClientPreface))
	h := &h2{conn: c, framer: http2.NewFramer(c, c), next: 1}
	h.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	h.framer.AllowIllegalWrites = true
	if err := h.framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return h
}

// do sends a request whose head is cut into frames of n bytes, and returns the
// status, or "reset".
func (h *h2) do(t *testing.T, n int, fields ...string) string {
	t.Helper()
	var head bytes.Buffer
	enc := hpack.NewEncoder(&head)
	for _, f := range fields {
		// The first colon behind the first byte: names of pseudo fields begin with one.
		i := strings.Index(f[1:], ":") + 1
		enc.WriteField(hpack.HeaderField{Name: f[:i], Value: f[i+1:]})
	}
	id := h.next
	h.next += 2
	block := head.Bytes()
	first := block[:min(n, len(block))]
	rest := block[len(first):]
	h.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: first, EndStream: true, EndHeaders: len(rest) == 0})
	for len(rest) > 0 {
		piece := rest[:min(n, len(rest))]
		rest = rest[len(piece):]
		h.framer.WriteContinuation(id, len(rest) == 0, piece)
	}
	for {
		f, err := h.framer.ReadFrame()
		if err != nil {
			return "reset"
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			if f.StreamID == id {
				return f.PseudoValue("status")
			}
		case *http2.RSTStreamFrame:
			if f.StreamID == id {
				return "reset"
			}
		case *http2.GoAwayFrame:
			return "reset"
		}
	}
}

// TestFrames: what HTTP/2 lets a program say in two ways, and heads that are cut
// into many frames.
func TestFrames(t *testing.T) {
	for _, server1 := range []bool{true, false} {
		var mu sync.Mutex
		var seen []string
		w := newWorld(t, setup{h1: server1, allow: clientRules(), secrets: someSecrets(), env: someEnv()}, func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			seen = append(seen, r.Method+" "+r.Host+r.RequestURI+" "+strings.Join(r.Header["Host"], ","))
			mu.Unlock()
		})
		good := []string{":method:GET", ":scheme:https", ":authority:api.test", ":path:/ok/x"}
		with := func(i int, f string, more ...string) []string {
			out := append([]string(nil), good...)
			out[i] = f
			return append(out, more...)
		}
		h := newH2(t, w)
		for _, n := range []int{1, 7, 1000} {
			if got := h.do(t, n, good...); got != "200" {
				t.Errorf("a head in frames of %d: %s", n, got)
			}
		}
		// A secret in its place, and one that is not, across frames.
		if got := h.do(t, 3, append(good, "authorization:Bearer "+w.placeholder("T"))...); got != "200" {
			t.Errorf("a secret in its place: %s", got)
		}
		if got := h.do(t, 3, append(good, "x-other:"+w.placeholder("T"))...); got != "403" {
			t.Errorf("a leak across frames: %s", got)
		}
		if got := h.do(t, 3, append(good, "cookie:a="+w.placeholder("T")[:9], "cookie:b")...); got != "200" {
			t.Errorf("crumbs of cookies: %s", got)
		}
		for name, fields := range map[string][]string{
			"another authority":     with(2, ":authority:other.test"),
			"no authority":          {":method:GET", ":scheme:https", ":path:/ok/x"},
			"another host":          {":method:GET", ":scheme:https", ":path:/ok/x", "host:other.test"},
			"absolute path":         with(3, ":path:https://other.test/ok/x"),
			"absolute path, hidden": with(3, ":path:https://other.test/hidden"),
			"relative path":         with(3, ":path:ok/x"),
			"empty path":            with(3, ":path:"),
			"authority with user":   with(2, ":authority:u@api.test"),
			"connect":               {":method:CONNECT", ":authority:api.test:443"},
			"extended connect":      {":method:CONNECT", ":protocol:websocket", ":scheme:https", ":authority:api.test", ":path:/ok/x"},
			"two paths":             append(with(3, ":path:/ok/x"), ":path:/hidden"),
			"two methods":           append(with(0, ":method:GET"), ":method:DELETE"),
			"line break in a field": append(with(3, ":path:/ok/x"), "x:a\r\nHost: other.test"),
			"line break in a path":  with(3, ":path:/ok/x HTTP/1.1\r\nHost: other.test\r\n\r\nGET /hidden"),
			"space in a path":       with(3, ":path:/ok/x HTTP/1.1"),
			"transfer-encoding":     append(with(3, ":path:/ok/x"), "transfer-encoding:chunked"),
			"content-length":        append(with(3, ":path:/ok/x"), "content-length:10"),
			"connection":            append(with(3, ":path:/ok/x"), "connection:upgrade", "upgrade:websocket"),
			"upper case":            append(with(3, ":path:/ok/x"), "X-A:b"),
		} {
			mu.Lock()
			seen = nil
			mu.Unlock()
			h := newH2(t, w)
			got := h.do(t, 1000, fields...)
			mu.Lock()
			// A length that is not kept is the one thing that net/http lets pass, and
			// does not pass on.
			if name != "content-length" && (got == "200" || len(seen) != 0) {
				t.Errorf("%s: %s, the server saw %q", name, got, seen)
			}
			mu.Unlock()
		}
		// The host field beside an equal authority does not travel.
		if got := newH2(t, w).do(t, 1000, append(good, "host:other.test")...); got == "200" {
			mu.Lock()
			if s := seen[len(seen)-1]; s != "GET api.test/ok/x " {
				t.Errorf("the server saw %q", s)
			}
			mu.Unlock()
		}
	}
}
