package gate

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"
)

const (
	// maxDNSConns over TCP at once; beyond, reset.
	maxDNSConns = 16
	// dnsConnTime that one lives without a question.
	dnsConnTime = 5 * time.Second
	// maxDNSConnQuestions on one; beyond, closed.
	maxDNSConnQuestions = 256
)

// serveDNS answers datagrams one by one. Several of it run on a socket: what they
// cannot keep up with waits in the socket, and is dropped there.
func (g *Gate) serveDNS(pc net.PacketConn) {
	buf := make([]byte, maxDNSMessage+1)
	for {
		n, from, err := pc.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) || g.ctx.Err() != nil {
			return
		}
		if err != nil {
			time.Sleep(time.Millisecond) // an ICMP error of an answer, or no memory
			continue
		}
		if n > maxDNSMessage {
			n = 0 // cut off: no message
		}
		if out := g.answerDNS(buf[:n]); out != nil {
			pc.WriteTo(out, from)
		}
	}
}

// serveDNSConn answers questions over TCP.
func (g *Gate) serveDNSConn(c net.Conn) {
	defer c.Close()
	stop := g.onStop(func() { c.Close() })
	defer stop()
	var size [2]byte
	buf := make([]byte, maxDNSMessage)
	for range maxDNSConnQuestions {
		c.SetDeadline(time.Now().Add(dnsConnTime))
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint16(size[:]))
		if n > len(buf) {
			return
		}
		if _, err := io.ReadFull(c, buf[:n]); err != nil {
			return
		}
		out := g.answerDNS(buf[:n])
		if out == nil {
			return
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...)); err != nil {
			return
		}
	}
}
