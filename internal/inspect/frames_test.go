package inspect

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// frame is one frame of a client.
func frame(first byte, key [4]byte, payload string) []byte {
	b := []byte{first, 0x80}
	switch n := len(payload); {
	case n < 126:
		b[1] |= byte(n)
	case n < 1<<16:
		b[1] |= 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] |= 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	b = append(b, key[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i&3])
	}
	return b
}

// lockedBuffer is written by a server's goroutines and read by a test.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// wsServer upgrades and sends back what it gets, frame for frame and undisguised.
func wsServer(saw *lockedBuffer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" || r.Header.Get("Sec-WebSocket-Extensions") != "" {
			w.WriteHeader(400)
			return
		}
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Auth: %s\r\n\r\n", r.Header.Get("Authorization"))
		rw.Flush()
		for {
			var head [2]byte
			if _, err := io.ReadFull(rw, head[:]); err != nil {
				return
			}
			n := int(head[1] & 0x7f)
			if n == 126 {
				var more [2]byte
				io.ReadFull(rw, more[:])
				n = int(binary.BigEndian.Uint16(more[:]))
			}
			all := make([]byte, 4+n)
			if _, err := io.ReadFull(rw, all); err != nil {
				saw.Write([]byte("cut off"))
				return
			}
			for i := range n {
				all[4+i] ^= all[i&3]
			}
			saw.Write(all[4:])
			text := strings.ReplaceAll(string(all[4:]), "AUTH", r.Header.Get("Authorization"))
			out := []byte{head[0], byte(len(text))}
			if len(text) > 125 {
				return
			}
			rw.Write(append(out, text...))
			rw.Flush()
		}
	}
}

func TestWebSocket(t *testing.T) {
	for _, server1 := range []bool{true, false} {
		var saw lockedBuffer
		w := newWorld(t, setup{h1: server1, secrets: someSecrets(), env: someEnv()}, wsServer(&saw))
		open := func() (*tls.Conn, *bufio.Reader) {
			t.Helper()
			c, err := tls.Dial("tcp", w.addr, &tls.Config{RootCAs: w.pool, ServerName: host, NextProtos: []string{"http/1.1"}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			c.SetDeadline(time.Now().Add(time.Minute))
			fmt.Fprintf(c, "GET /ws HTTP/1.1\r\nHost: api.test\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\nAuthorization: Bearer %s\r\n\r\n", w.placeholder("T"))
			in := bufio.NewReader(c)
			res, err := http.ReadResponse(in, nil)
			if err != nil || res.StatusCode != 101 {
				t.Fatal(res, err)
			}
			if got := res.Header.Get("X-Auth"); got != "Bearer "+w.placeholder("T") {
				t.Errorf("the answer's head has %q", got)
			}
			return c, in
		}
		c, in := open()
		expect := func(want string) {
			t.Helper()
			got := make([]byte, len(want))
			if _, err := io.ReadFull(in, got); err != nil || string(got) != want {
				t.Fatalf("%q, %v; want %q", got, err, want)
			}
		}
		key := [4]byte{1, 2, 3, 4}
		c.Write(frame(0x81, key, "hello"))
		expect("\x81\x05hello")
		c.Write(frame(0x89, key, "ping"))
		expect("\x89\x04ping")
		// A message that ends as a secret begins does not wait for the next.
		c.Write(frame(0x81, key, "and g"))
		expect("\x81\x05and g")
		// An echo is masked.
		c.Write(frame(0x81, key, "AUTH"))
		expect("\x81" + string(rune(len("Bearer ")+len(w.placeholder("T")))) + "Bearer " + w.placeholder("T"))
		if d := w.told(); len(d) != 0 {
			t.Errorf("told %+v", d)
		}

		// A placeholder or value in a message cuts the connection, also across
		// frames with keys of their own and a ping between.
		for _, text := range []string{w.placeholder("T"), someEnv()["E"]} {
			c, in := open()
			c.Write(frame(0x01, key, "x"+text[:10]))
			c.Write(frame(0x89, [4]byte{7, 7, 7, 7}, "ping"))
			c.Write(frame(0x80, [4]byte{9, 8, 7, 6}, text[10:]+"y"))
			rest, _ := io.ReadAll(in)
			if bytes.Contains(rest, []byte(text[10:])) {
				t.Errorf("it went on: %q", rest)
			}
			if d := w.told(); len(d) != 1 || d[0].Op != "secret" || d[0].Target != "GET https://api.test/ws" {
				t.Errorf("told %+v", d)
			}
			c.Close()
		}
		if strings.Contains(saw.String(), someEnv()["E"]) || strings.Contains(saw.String(), w.placeholder("T")) {
			t.Errorf("the server saw %q", saw.String())
		}
	}
}

func FuzzFraming(f *testing.F) {
	s := newFuzzSet(f)
	f.Add([]byte("hello"), []byte{1, 2, 3, 4, 5, 6}, uint16(3), uint16(3))
	f.Add([]byte(strings.Repeat("x", 200)), []byte{0x81, 0xfe, 0, 200}, uint16(130), uint16(7))
	f.Fuzz(func(t *testing.T, payload, noise []byte, at, cut uint16) {
		// Whatever comes, no panic, and never more than there was.
		junk := framing{data: s.Scanner(), control: s.Scanner()}
		if n, _ := junk.scan(noise); n > len(noise) {
			t.Fatal(n)
		}
		// A secret is found in two frames of any split.
		text := string(payload) + someEnv()["E"] + string(payload)
		i := int(at) % len(text)
		stream := append(frame(0x01, [4]byte{1, 2, 3, byte(at)}, text[:i]), frame(0x80, [4]byte{byte(cut), 5, 6, 7}, text[i:])...)
		j := int(cut) % len(stream)
		fr := framing{data: s.Scanner(), control: s.Scanner()}
		n, name := fr.scan(stream[:j])
		if name == "" {
			n, name = fr.scan(stream[j:])
			n += j
		}
		if name == "" || n >= len(stream) {
			t.Fatalf("%q at %d of %d", name, n, len(stream))
		}
	})
}
