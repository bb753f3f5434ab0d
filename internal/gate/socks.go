package gate

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"

	"github.com/bailey-run/bailey/internal/hostname"
)

// SOCKS5, RFC 1928.
const (
	socksVersion = 5
	socksNoAuth  = 0
	socksConnect = 1
	socksIPv4    = 1
	socksName    = 3
	socksIPv6    = 4

	socksOK          = 0
	socksFailed      = 1
	socksDenied      = 2
	socksUnreachable = 4
	socksBadCommand  = 7
	socksBadAddress  = 8
)

var (
	errSOCKS        = errors.New("no well-formed SOCKS5 request")
	errSOCKSMethod  = errors.New("SOCKS5 without authentication alone")
	errSOCKSCommand = errors.New("SOCKS5 CONNECT alone")
	errSOCKSAddress = errors.New("SOCKS5 address is no host")
)

// parseGreeting reads the methods that a client offers; it gives the bytes taken.
func parseGreeting(b []byte) (int, error) {
	if b[0] != socksVersion {
		return 0, errSOCKS
	}
	if len(b) < 2 {
		return 0, errMore
	}
	if b[1] == 0 {
		return 0, errSOCKS
	}
	n := 2 + int(b[1])
	if len(b) < n {
		return 0, errMore
	}
	if !slices.Contains(b[2:n], socksNoAuth) {
		return n, errSOCKSMethod
	}
	return n, nil
}

// socksRequest is where a client wants to be connected.
type socksRequest struct {
	host hostname.Host
	port uint16
	size int
}

func parseSOCKS(b []byte) (socksRequest, error) {
	if b[0] != socksVersion {
		return socksRequest{}, errSOCKS
	}
	if len(b) < 5 {
		return socksRequest{}, errMore
	}
	if b[2] != 0 {
		return socksRequest{}, errSOCKS
	}
	var n int
	switch b[3] {
	case socksIPv4:
		n = 4 + 4
	case socksIPv6:
		n = 4 + 16
	case socksName:
		n = 5 + int(b[4])
	default:
		return socksRequest{}, errSOCKSAddress
	}
	if len(b) < n+2 {
		return socksRequest{}, errMore
	}
	if b[1] != socksConnect {
		return socksRequest{}, errSOCKSCommand
	}
	q := socksRequest{port: binary.BigEndian.Uint16(b[n:]), size: n + 2}
	if b[3] == socksName {
		var err error
		if q.host, err = hostname.ParseWire(string(b[5:n])); err != nil {
			return socksRequest{}, errSOCKSAddress
		}
	} else {
		a, _ := netip.AddrFromSlice(b[4:n])
		q.host = hostname.FromAddr(a)
	}
	if q.port == 0 {
		return socksRequest{}, errSOCKSAddress
	}
	return q, nil
}

// serveSOCKS serves a SOCKS5 client.
func (f *flow) serveSOCKS(r *reader) {
	answer := func(code byte) []byte { return []byte{socksVersion, code, 0, socksIPv4, 0, 0, 0, 0, 0, 0} }
	refuse := func(b []byte, err error) {
		if isNetwork(err) {
			return
		}
		farewell(r.Conn, b)
		f.refuse(Denial{Op: "connect", Target: "proxy", Rule: "identity: " + err.Error()})
	}
	n, err := want(r, parseGreeting)
	if err != nil {
		refuse([]byte{socksVersion, 0xff}, err)
		return
	}
	r.skip(n)
	if _, err := r.Conn.Write([]byte{socksVersion, socksNoAuth}); err != nil {
		return
	}
	q, err := want(r, parseSOCKS)
	switch err {
	case nil:
	case errSOCKSCommand:
		refuse(answer(socksBadCommand), err)
		return
	case errSOCKSAddress:
		refuse(answer(socksBadAddress), err)
		return
	default:
		refuse(answer(socksFailed), err)
		return
	}
	r.skip(q.size)
	h := f.g.proxyHost(q.host)
	if !f.decideProxy(h, q.port, func(*Denial) { farewell(r.Conn, answer(socksDenied)) }) {
		return
	}
	f.serve(r, func(err error) {
		var bad *forbidden
		switch {
		case err == nil:
			r.Conn.Write(answer(socksOK))
		case errors.As(err, &bad):
			farewell(r.Conn, answer(socksDenied))
		default:
			farewell(r.Conn, answer(socksUnreachable))
		}
	})
}
