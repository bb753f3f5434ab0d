package inspect

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestSlowReaders: answers that a program asks for and does not read are not held
// beyond a window for each.
func TestSlowReaders(t *testing.T) {
	const streams = 64
	var sent atomic.Int64
	w := newWorld(t, setup{}, func(w http.ResponseWriter, r *http.Request) {
		for piece := make([]byte, 32<<10); ; {
			n, err := w.Write(piece)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	h := newH2(t, w)
	h.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	go io.Copy(io.Discard, h.conn) // nothing but settings comes
	for i := range streams {
		h.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(1 + 2*i), BlockFragment: block("GET", "/"), EndStream: true, EndHeaders: true})
	}
	last := int64(-1)
	for range 600 {
		if n := sent.Load(); n > 0 && n == last {
			break // it stands still
		} else {
			last = n
		}
		time.Sleep(500 * time.Millisecond)
	}
	// The rest is the kernel's own buffers of one connection.
	if limit := int64(streams*window + 48<<20); sent.Load() > limit {
		t.Errorf("%d MiB are held; want at most %d", sent.Load()>>20, limit>>20)
	}
}

func block(method, path string, more ...string) []byte {
	var head bytes.Buffer
	enc := hpack.NewEncoder(&head)
	all := append([]string{":method", method, ":scheme", "https", ":authority", host, ":path", path}, more...)
	for i := 0; i < len(all); i += 2 {
		enc.WriteField(hpack.HeaderField{Name: all[i], Value: all[i+1]})
	}
	return head.Bytes()
}

// TestManyRequests: a session has so many requests under way and no more, and goes
// on when they are over.
func TestManyRequests(t *testing.T) {
	var here atomic.Int64
	over := make(chan struct{})
	w := newWorld(t, setup{}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			here.Add(1)
			<-over
		}
	})
	c := w.client(true)
	const few = 16 // the others are only counted: a machine may be slow
	w.inspector.requests.Add(maxRequests - few)
	var all sync.WaitGroup
	var failed atomic.Int64
	for range few {
		all.Go(func() {
			res, err := c.Get(w.url("/wait"))
			if err != nil {
				failed.Add(1)
				return
			}
			res.Body.Close()
		})
	}
	for here.Load() < few && failed.Load() == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	if res, err := w.client(true).Get(w.url("/")); err == nil {
		res.Body.Close()
		t.Errorf("one more than %d requests got a %d", maxRequests, res.StatusCode)
	}
	if d := w.toldSoon(); len(d) == 0 || d[0].Rule != "limit of requests" {
		t.Errorf("told %+v", d)
	}
	close(over)
	all.Wait()
	if failed.Load() > 0 {
		t.Errorf("%d of %d requests failed", failed.Load(), few)
	}
	// An answer may be there before its request has given its place back.
	for end := time.Now().Add(time.Minute); w.inspector.requests.Load() > maxRequests-few && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	if status, body, _ := get(t, w.client(true), request(t, "GET", w.url("/"), nil)); status != 200 {
		t.Errorf("afterwards: %d %s", status, body)
	}
}

// TestPackedFlood: what is held of compressed bodies is bounded for the session.
func TestPackedFlood(t *testing.T) {
	w := newWorld(t, setup{secrets: someSecrets(), env: someEnv()}, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	fmt.Fprint(z, strings.Repeat("x", 1000))
	z.Close()
	send := func() (int, string) {
		r := request(t, "POST", w.url("/"), bytes.NewReader(packed.Bytes()))
		r.Header.Set("Content-Encoding", "gzip")
		status, body, _ := get(t, w.client(false), r)
		return status, body
	}
	// The answer may be there before what the request held is given back.
	held := func() int64 {
		for end := time.Now().Add(time.Minute); w.inspector.packed.Load() != 0 && time.Now().Before(end); {
			time.Sleep(5 * time.Millisecond)
		}
		return w.inspector.packed.Load()
	}
	if status, body := send(); status != 200 || held() != 0 {
		t.Errorf("%d %s; %d bytes are held", status, body, held())
	}
	w.inspector.packed.Add(maxAllPacked)
	if status, body := send(); status != 403 || !strings.Contains(body, "all the memory") {
		t.Errorf("%d %s", status, body)
	}
	w.inspector.packed.Add(-maxAllPacked)
	if status, body := send(); status != 200 || held() != 0 {
		t.Errorf("%d %s; %d bytes are held", status, body, held())
	}
}
