package gate

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"

	"github.com/bailey-run/bailey/internal/plan"
)

const bulkSize = 256 << 20

// sourceServer writes bulkSize bytes to everybody, after a first byte.
func sourceServer(b testing.TB) uint16 {
	chunk := make([]byte, 256<<10)
	return answering(b, func(c net.Conn) {
		io.ReadFull(c, make([]byte, 1))
		for n := 0; n < bulkSize; n += len(chunk) {
			if _, err := c.Write(chunk); err != nil {
				return
			}
		}
	})
}

// Bulk download: direct, and through the gate.
func BenchmarkBulk(b *testing.B) {
	port := sourceServer(b)
	bx := newBox(b, &plan.Network{Allow: allowing([]uint16{port}, "tcp", "bulk.test"), Hosts: pinned("bulk.test")}, Options{})
	run := func(b *testing.B, dial func() (net.Conn, error)) {
		b.SetBytes(bulkSize)
		buf := make([]byte, 256<<10)
		for range b.N {
			c, err := dial()
			if err != nil {
				b.Fatal(err)
			}
			c.Write([]byte{1})
			n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, buf)
			if err != nil || n != bulkSize {
				b.Fatal(n, err)
			}
			c.Close()
		}
	}
	b.Run("direct", func(b *testing.B) {
		run(b, func() (net.Conn, error) { return net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)) })
	})
	b.Run("gate", func(b *testing.B) {
		run(b, func() (net.Conn, error) { return bx.dial("tcp", fmt.Sprintf("bulk.test:%d", port)) })
	})
}

// A connection, a byte there and back, and its end.
func BenchmarkConnect(b *testing.B) {
	port := echoServer(b)
	bx := newBox(b, &plan.Network{Allow: allowing([]uint16{port}, "tcp", "echo.test"), Hosts: pinned("echo.test")}, Options{})
	dst, err := bx.resolve("echo.test")
	if err != nil {
		b.Fatal(err)
	}
	run := func(b *testing.B, dial func() (net.Conn, error)) {
		one := make([]byte, 1)
		for range b.N {
			c, err := dial()
			if err != nil {
				b.Fatal(err)
			}
			c.Write(one)
			if _, err := io.ReadFull(c, one); err != nil {
				b.Fatal(err)
			}
			c.Close()
		}
	}
	b.Run("direct", func(b *testing.B) {
		run(b, func() (net.Conn, error) { return net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)) })
	})
	b.Run("gate", func(b *testing.B) {
		run(b, func() (net.Conn, error) { return bx.dialAddr(netip.AddrPortFrom(dst, port)) })
	})
}

func BenchmarkDNS(b *testing.B) {
	bx := newBox(b, &plan.Network{Allow: allowing(nil, "web", "a.test")}, Options{})
	b.ReportAllocs()
	for range b.N {
		if _, err := bx.resolve("a.test"); err != nil {
			b.Fatal(err)
		}
	}
}

// What 500 connections hold while they say nothing; the servers' goroutines are in it.
func BenchmarkIdle500(b *testing.B) {
	port := echoServer(b)
	bx := newBox(b, &plan.Network{Allow: allowing([]uint16{port}, "tcp", "echo.test"), Hosts: pinned("echo.test")}, Options{})
	dst, err := bx.resolve("echo.test")
	if err != nil {
		b.Fatal(err)
	}
	for range b.N {
		before := heap()
		var conns []net.Conn
		for range 500 {
			c, err := bx.dialAddr(netip.AddrPortFrom(dst, port))
			if err != nil {
				b.Fatal(err)
			}
			if !echoed(c) {
				b.Fatal("no echo")
			}
			conns = append(conns, c)
		}
		b.ReportMetric(float64(heap()-before)/500, "B/conn")
		for _, c := range conns {
			c.Close()
		}
	}
}
