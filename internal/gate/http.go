package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
)

// serveHTTP relays plain HTTP. Every request of the connection is held against the
// name before a byte of it goes out; answers pass as they are. A WebSocket that the
// server agreed to ends the looking.
func (f *flow) serveHTTP(r *reader, server net.Conn, d *decision, first *request) {
	up, down := f.directions()
	w := &upgrade{asked: first.wantsSocket(), answered: make(chan struct{})}
	answers := make(chan error, 1)
	go func() { answers <- f.answers(r.Conn, server, down, w) }()
	err := f.requests(r, server, up, first, w)
	if err != nil && !isNetwork(err) && err != errBudget {
		f.refuse(Denial{Op: "request", Target: d.target(), Rule: "identity: " + err.Error(), From: d.from, Hint: "every request of a connection must be for the name it was opened for"})
	}
	if err != nil {
		broken(server, r.Conn, err)
	}
	if other := <-answers; err == nil || errors.Is(err, net.ErrClosed) {
		err = other // which closed it
	}
	f.done(err)
}

// upgrade is a WebSocket handshake on its way.
type upgrade struct {
	asked    bool
	answered chan struct{}
	agreed   bool // valid when answered is closed
}

// answers passes the server's bytes on, and finds out whether it agreed to the
// upgrade that the first request asked for.
func (f *flow) answers(client, server net.Conn, down *direction, w *upgrade) error {
	var err error
	if w.asked {
		w.agreed, err = f.agreed(client, server, down)
	}
	close(w.answered)
	if err != nil {
		broken(client, server, err)
		return err
	}
	return f.g.relay.oneWay(client, server, down)
}

// agreed passes the answer to an upgrade on, after the interim ones before it.
func (f *flow) agreed(client, server net.Conn, down *direction) (bool, error) {
	s := newReader(server, f.g)
	defer func() { s.release() }()
	type head struct{ status, size int }
	for {
		h, err := want(s, func(b []byte) (head, error) {
			status, size, err := parseStatus(b)
			return head{status, size}, err
		})
		if err != nil {
			return false, err
		}
		if h.status >= 200 || h.status == 101 {
			return h.status == 101, down.write(client, s.buf)
		}
		if err := down.write(client, s.buf[:h.size]); err != nil {
			return false, err
		}
		s.skip(h.size)
	}
}

// requests passes the client's requests on until their end.
func (f *flow) requests(r *reader, server net.Conn, up *direction, q *request, w *upgrade) error {
	socket := w.asked
	for {
		if err := f.forward(r, server, up, q, socket); err != nil {
			return err
		}
		if socket {
			socket = false
			if <-w.answered; w.agreed {
				if err := f.held(r, server, up); err != nil {
					return err
				}
				return f.g.relay.oneWay(server, r.Conn, up)
			}
		}
		if r.once {
			return f.ended(r, server)
		}
		var err error
		if q, err = f.next(r); err == io.EOF {
			closeWrite(server)
			return nil
		}
		if err != nil {
			return err
		}
		d := f.decision()
		if err := checkRequest(q, &d); err != nil {
			return err
		}
	}
}

// next reads the head of a further request. It may be long in coming, but once begun
// it must not stay half said: what is held of heads is bounded for all connections.
func (f *flow) next(r *reader) (*request, error) {
	if len(r.buf) == 0 {
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
	r.deadline(f.g.limits.Handshake)
	defer r.Conn.SetReadDeadline(noDeadline())
	return want(r, parseRequest)
}

// ended waits until a client that may not send more has closed. What it sends all
// the same goes nowhere; the answer to its one request is still passed on.
func (f *flow) ended(r *reader, server net.Conn) error {
	if len(r.buf) == 0 {
		if err := r.fill(); err == io.EOF {
			closeWrite(server)
			return nil
		} else if err != nil {
			return err
		}
	}
	d := f.decision()
	f.denied(Denial{Op: "request", Target: d.target(), Rule: "a second request on a connection of the plain HTTP proxy", From: d.from, Hint: "a new connection may ask for any host"})
	return nil
}

// forward passes one request on: its head, without offers to speak another protocol
// that nobody would look into, and its body.
func (f *flow) forward(r *reader, server net.Conn, up *direction, q *request, socket bool) error {
	head := r.buf[:q.size]
	if len(q.upgrade) > 0 && !socket {
		q = q.withoutUpgrade()
		head = q.render(q.target)
	}
	if f.absolute != nil {
		d := f.decision()
		head = f.absolute.request(q, d.target())
	}
	err := up.write(server, head)
	if r.skip(q.size); err != nil {
		return err
	}
	if q.length >= 0 {
		return f.body(r, server, up, q.length)
	}
	return f.chunks(r, server, up)
}

// body passes n bytes on.
func (f *flow) body(r *reader, server net.Conn, up *direction, n int64) error {
	if held := min(int64(len(r.buf)), n); held > 0 {
		if err := up.write(server, r.buf[:held]); err != nil {
			return err
		}
		r.skip(int(held))
		n -= held
	}
	if n == 0 {
		return nil
	}
	return f.g.relay.copy(server, r.Conn, up, n)
}

// chunks passes a chunked body on, with its framing checked.
func (f *flow) chunks(r *reader, server net.Conn, up *direction) error {
	type line struct {
		size int64
		n    int
	}
	for {
		l, err := want(r, func(b []byte) (line, error) {
			size, n, err := parseChunkLine(b)
			return line{size, n}, err
		})
		if err != nil {
			return err
		}
		if err := f.front(r, server, up, l.n); err != nil {
			return err
		}
		if l.size == 0 {
			r.deadline(f.g.limits.Handshake)
			n, err := want(r, parseTrailers)
			r.Conn.SetReadDeadline(noDeadline())
			if err != nil {
				return err
			}
			return f.front(r, server, up, n)
		}
		if err := f.body(r, server, up, l.size); err != nil {
			return err
		}
		if _, err := want(r, parseCRLF); err != nil {
			return err
		}
		if err := f.front(r, server, up, 2); err != nil {
			return err
		}
	}
}

// front passes n held bytes on.
func (f *flow) front(r *reader, server net.Conn, up *direction, n int) error {
	err := up.write(server, r.buf[:n])
	r.skip(n)
	return err
}

// wantsSocket says whether a request asks for a WebSocket and nothing else.
func (q *request) wantsSocket() bool {
	return q.minor == 1 && q.method == "GET" && q.length == 0 && len(q.upgrade) == 1 && q.upgrade[0] == "websocket"
}

// withoutUpgrade is the request without the offer, which a proxy may drop (RFC 9110
// section 7.8): h2c and TLS would carry names that nobody sees.
func (q *request) withoutUpgrade() *request {
	out := *q
	out.fields = nil
	for _, f := range q.fields {
		switch {
		case strings.EqualFold(f.name, "Upgrade"), strings.EqualFold(f.name, "HTTP2-Settings"):
			continue
		case strings.EqualFold(f.name, "Connection"):
			keep := slices.DeleteFunc(strings.Split(f.value, ","), func(t string) bool {
				t = strings.Trim(t, " \t")
				return t == "" || strings.EqualFold(t, "Upgrade") || strings.EqualFold(t, "HTTP2-Settings")
			})
			if len(keep) == 0 {
				continue
			}
			f.value = strings.Trim(strings.Join(keep, ","), " \t")
		}
		out.fields = append(out.fields, f)
	}
	return &out
}

// answer403 is the answer to a refused request.
func answer403(d *Denial) []byte {
	body, _ := json.Marshal(struct {
		Error  string `json:"error"`
		Target string `json:"target"`
		Rule   string `json:"rule"`
		From   string `json:"from,omitempty"`
		Hint   string `json:"hint,omitempty"`
	}{"denied by bailey", d.Target, d.Rule, d.From.String(), d.Hint})
	return fmt.Appendf(nil, "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
}
