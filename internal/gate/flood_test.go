package gate

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bailey-run/bailey/internal/plan"
)

// heap is what lives after a collection.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// Connections that never say what they are for hold so many places and no more,
// and others still come through.
func TestHalfOpenFlood(t *testing.T) {
	port := webServer(t, hello200)
	echo := echoServer(t)
	b := newBox(t, &plan.Network{
		Allow: append(allowing([]uint16{port}, "web", "a.test"), allowing([]uint16{echo}, "tcp", "e.test")...),
		Hosts: pinned("a.test", "e.test"),
	}, Options{Limits: Limits{Conns: 64}})
	e, err := b.dial("tcp", fmt.Sprintf("e.test:%d", echo))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if !echoed(e) {
		t.Fatal("no echo")
	}
	before := runtime.NumGoroutine()
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for i := range 500 {
		c, err := b.dial("tcp", fmt.Sprintf("a.test:%d", port))
		if err != nil {
			continue // reset before the dial had returned: there are too many
		}
		if i%2 == 0 {
			c.Write([]byte{22, 3})
		}
		conns = append(conns, c)
	}
	most := 0
	for range 20 {
		most = max(most, runtime.NumGoroutine()-before)
		time.Sleep(5 * time.Millisecond)
	}
	if most > 64*3 {
		t.Errorf("%d goroutines for 500 connections", most)
	}
	if got := get(t, b.client(nil), fmt.Sprintf("http://a.test:%d/", port)); !strings.Contains(got, "a.test") {
		t.Error(got)
	}
	if !echoed(e) {
		t.Error("a flow that stood before is gone")
	}
}

// A flood of names through a pattern: the table stays, and the policy's own names
// go on.
func TestNameFlood(t *testing.T) {
	b := newBox(t, &plan.Network{Allow: allowing(nil, "web", "**.wild.test", "good.test")}, Options{})
	b.opts.Denied = nil
	first, err := b.resolve("x0.wild.test")
	if err != nil {
		t.Fatal(err)
	}
	before := heap()
	long := strings.Repeat("a", 60)
	refused := 0
	for i := range 3 * maxNames {
		m := b.query(fmt.Sprintf("x%d.%s.%s.wild.test", i, long, long), dnsmessage.TypeA)
		if m.RCode != 0 {
			refused++
		}
	}
	if grown := heap() - before; grown > 12<<20 {
		t.Errorf("the table grew by %d bytes", grown)
	}
	if refused != 2*maxNames+1 {
		t.Errorf("%d names refused, want %d", refused, 2*maxNames+1)
	}
	if _, err := b.resolve("good.test"); err != nil {
		t.Error(err)
	}
	if again, err := b.resolve("x0.wild.test"); err != nil || again != first {
		t.Error("a name has lost its address:", again, err)
	}
}

// Heads without an end, as large as they may be: what they hold together is bounded.
func TestHeadFlood(t *testing.T) {
	port := webServer(t, hello200)
	b := newBox(t, &plan.Network{Allow: allowing([]uint16{port}, "web", "a.test"), Hosts: pinned("a.test")}, Options{})
	before := heap()
	head := append([]byte("GET / HTTP/1.1\r\nHost: a.test\r\nX: "), bytes.Repeat([]byte("a"), maxHead-100)...)
	var conns []net.Conn
	for range 600 {
		c, err := b.dial("tcp", fmt.Sprintf("a.test:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(patience))
		c.Write(head)
		conns = append(conns, c)
	}
	b.denied("too many large heads")
	if held := b.heads.Load(); held > maxHeads {
		t.Errorf("%d bytes of heads are held", held)
	}
	// 600 small buffers and goroutines come on top.
	if grown := heap() - before; grown > maxHeads+600*(smallHead+40<<10) {
		t.Errorf("%d bytes more are held", grown)
	}
	for _, c := range conns {
		c.Close()
	}
	for range soon {
		if b.heads.Load() == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if held := b.heads.Load(); held != 0 {
		t.Errorf("%d bytes of heads are held for nobody", held)
	}
	if got := get(t, b.client(nil), fmt.Sprintf("http://a.test:%d/", port)); !strings.Contains(got, "a.test") {
		t.Error(got)
	}
}

// A further request may be long in coming, and not stay half said: it would hold what
// all connections have for large heads.
func TestHalfHead(t *testing.T) {
	port := webServer(t, hello200)
	b := newBox(t, &plan.Network{Allow: allowing([]uint16{port}, "web", "a.test"), Hosts: pinned("a.test")}, Options{Limits: Limits{Handshake: time.Second}})
	c, err := b.dial("tcp", fmt.Sprintf("a.test:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	in := bufio.NewReader(c)
	ask := func() {
		t.Helper()
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a.test:%d\r\n\r\n", port)
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
	}
	ask()
	time.Sleep(1500 * time.Millisecond) // longer than a head may take
	ask()
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a.test:%d\r\nX: %s", port, strings.Repeat("a", 20_000))
	if n, err := io.Copy(io.Discard, in); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it stays: %d bytes, %v", n, err)
	}
	b.ended(func(f Flow) bool { return f.Host == "a.test" })
	if held := b.heads.Load(); held != 0 {
		t.Errorf("%d bytes of heads are held", held)
	}
}

// Clients that ask for much and read nothing hold no memory of the gate.
func TestSlowReaders(t *testing.T) {
	port := sourceServer(t)
	b := newBox(t, &plan.Network{Allow: allowing([]uint16{port}, "tcp", "a.test"), Hosts: pinned("a.test")}, Options{})
	dst, err := b.resolve("a.test")
	if err != nil {
		t.Fatal(err)
	}
	before, goroutines := heap(), runtime.NumGoroutine()
	var conns []net.Conn
	for range 100 {
		c, err := b.dialAddr(netip.AddrPortFrom(dst, port))
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte{1})
		conns = append(conns, c)
	}
	time.Sleep(500 * time.Millisecond)
	// A buffer that waits to be written is held; the servers' goroutines are the test's.
	if grown := heap() - before; grown > 100*(bufferSize+512<<10) {
		t.Errorf("%d bytes are held for 100 slow readers", grown)
	}
	c, err := b.dialAddr(netip.AddrPortFrom(dst, port))
	if err != nil {
		t.Fatal(err)
	}
	c.Write([]byte{1})
	c.SetDeadline(time.Now().Add(patience))
	if n, err := io.Copy(io.Discard, c); n != bulkSize {
		t.Errorf("a reader got %d bytes: %v", n, err)
	}
	c.Close()
	for _, c := range conns {
		c.Close()
	}
	for range soon {
		if runtime.NumGoroutine() <= goroutines+10 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines remain of %d", runtime.NumGoroutine(), goroutines)
}

// Close ends everything that the gate started, whatever state it was in.
func TestClose(t *testing.T) {
	port := webServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	echo := echoServer(t)
	goroutines := runtime.NumGoroutine()
	b := newBox(t, &plan.Network{
		Default: "ask",
		Allow:   append(allowing([]uint16{port}, "web", "a.test"), allowing([]uint16{echo}, "tcp", "e.test")...),
		Hosts:   pinned("a.test", "e.test", "asked.test"),
	}, Options{Ask: &scripted{hold: true}})
	var conns []net.Conn
	for i, to := range []string{fmt.Sprintf("a.test:%d", port), fmt.Sprintf("a.test:%d", port), fmt.Sprintf("e.test:%d", echo), "asked.test:443"} {
		c, err := b.dial("tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
		}
		conns = append(conns, c)
	}
	time.Sleep(50 * time.Millisecond)
	b.Gate.Close()
	for _, c := range conns {
		refused(t, c)
	}
	for range soon {
		if runtime.NumGoroutine() <= goroutines+2 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	buf := make([]byte, 1<<20)
	t.Errorf("%d goroutines remain of %d\n%s", runtime.NumGoroutine(), goroutines, buf[:runtime.Stack(buf, true)])
}

func TestIdle(t *testing.T) {
	echo := echoServer(t)
	b := newBox(t, &plan.Network{Allow: allowing([]uint16{echo}, "tcp", "e.test"), Hosts: pinned("e.test")}, Options{Limits: Limits{Idle: 2 * time.Second}})
	c, err := b.dial("tcp", fmt.Sprintf("e.test:%d", echo))
	if err != nil {
		t.Fatal(err)
	}
	for range 6 {
		if !echoed(c) {
			t.Fatal("closed while in use")
		}
		time.Sleep(500 * time.Millisecond)
	}
	refused(t, c)
	if f := b.ended(func(f Flow) bool { return true }); f.Reason != "idle" {
		t.Errorf("%+v", f)
	}
}
