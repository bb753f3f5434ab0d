package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/bailey-run/bailey/internal/hostname"
)

// ServeProxy serves one connection that speaks to the explicit proxy, HTTP or
// SOCKS5, until its end, and closes it. What it asks for is decided as if it had
// connected there itself.
func (g *Gate) ServeProxy(c net.Conn) {
	f := g.begin(c, "proxy", addrPort(c.LocalAddr()))
	if f == nil {
		reset(c)
		return
	}
	defer f.end()
	r := newReader(c, g)
	defer func() { r.release() }()
	r.deadline(g.limits.Handshake)
	first, err := want(r, func(b []byte) (byte, error) { return b[0], nil })
	switch {
	case err != nil:
		f.close("")
	case first == socksVersion:
		f.via = "socks5"
		f.serveSOCKS(r)
	default:
		f.via = "connect"
		f.serveCONNECT(r)
	}
}

// proxyHost is the host that a proxy's client names. Loopback is the host's own,
// as it is for the box's direct connections under HostName: programs that mean
// their own loopback do not ask a proxy for it (NO_PROXY).
func (g *Gate) proxyHost(h hostname.Host) hostname.Host {
	if a := h.Addr(); a.IsValid() {
		if Synthetic(a) {
			return g.hostOf(a)
		}
		if !a.IsLoopback() {
			return h
		}
	} else if h.Name() != "localhost" && !strings.HasSuffix(h.Name(), ".localhost") {
		return h
	}
	h, _ = hostname.ParseWire(HostName)
	return h
}

// serveCONNECT serves an HTTP proxy's client: CONNECT, and one plain request.
func (f *flow) serveCONNECT(r *reader) {
	q, err := want(r, parseRequest)
	if err != nil {
		if !isNetwork(err) {
			den := Denial{Op: "request", Target: "proxy", Rule: "identity: " + err.Error()}
			farewell(r.Conn, answer403(&den))
			f.refuse(den)
		}
		return
	}
	connect := q.method == "CONNECT"
	authority, path := q.target, ""
	if !connect {
		if authority, path, err = q.authority(); err == nil && !strings.Contains(q.target, "://") {
			err = errors.New("a proxy needs the whole URL")
		}
	}
	h, port, herr := splitAuthority(authority)
	if port == 0 && !connect {
		port = 80
	}
	if h = f.g.proxyHost(h); err != nil || herr != nil || !h.IsValid() || port == 0 {
		den := Denial{Op: "connect", Target: fmt.Sprintf("%.300q", authority), Rule: "no host and port"}
		farewell(r.Conn, answer403(&den))
		f.refuse(den)
		return
	}
	if !f.decideProxy(h, port, func(d *Denial) { farewell(r.Conn, answer403(d)) }) {
		return
	}
	if !connect {
		// The request goes on as a server sees it. It is the connection's only one: the
		// next may be for another host.
		head := q.origin(path)
		rest := slices.Clone(r.buf[q.size:])
		r.release()
		r.buf = append(head, rest...)
		r.once = true
		f.serve(r, nil)
		return
	}
	r.skip(q.size)
	f.serve(r, func(err error) {
		if err != nil {
			body, _ := json.Marshal(map[string]string{"error": err.Error()})
			farewell(r.Conn, fmt.Appendf(nil, "HTTP/1.1 502 Bad Gateway\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body))
			return
		}
		r.Conn.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n"))
	})
}

// decideProxy is decide, with a refusal in the proxy's protocol first.
func (f *flow) decideProxy(h hostname.Host, port uint16, say func(*Denial)) bool {
	f.farewell = say
	ok := f.decide(h, port, false)
	f.farewell = nil
	return ok
}

// origin is the head of a request to a proxy as its server sees it.
func (q *request) origin(path string) []byte {
	out := *q
	out.fields = slices.DeleteFunc(slices.Clone(q.fields), func(f field) bool {
		return strings.EqualFold(f.name, "Connection") || strings.EqualFold(f.name, "Keep-Alive") || strings.EqualFold(f.name, "Upgrade") ||
			strings.EqualFold(f.name, "HTTP2-Settings") || strings.HasPrefix(strings.ToLower(f.name), "proxy-")
	})
	out.fields = append(out.fields, field{"Connection", "close"})
	return out.render(path)
}
