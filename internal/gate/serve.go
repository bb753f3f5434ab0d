package gate

import (
	"context"
	"errors"
	"net"
)

// serve serves a flow that was decided to be allowed. A proxy's reply is told
// whether the host was reached; it may be nil.
func (f *flow) serve(r *reader, reply func(error)) {
	defer func() { r.release() }()
	d := f.decision()
	var server net.Conn
	dial := func(http bool) bool {
		if server != nil {
			return true
		}
		var err error
		if server, err = f.dial(f.ctx, http); err != nil {
			if reply != nil {
				reply(err)
			}
			f.failed(err)
			return false
		}
		return true
	}
	blind := d.mode == raw || d.mode == local
	if d.mode != inspect && (reply != nil || blind) && !dial(false) {
		return
	}
	if reply != nil {
		reply(nil)
		reply = nil
	}
	if blind {
		f.identified("tcp")
		f.relay(r, server)
		return
	}
	id, err := f.identify(r, &d)
	if err != nil {
		f.unidentified(r, &d, id, err)
		return
	}
	f.identified(id.protocol)
	if d.mode == inspect || id.req != nil && len(d.gen.net.Secrets) > 0 && f.g.opts.Inspect != nil {
		// Plain HTTP is looked at for leaked secrets wherever it goes.
		if server != nil {
			server.Close() // a proxy's reply needed it; the inspector dials anew
		}
		f.inspect(r, &d, id.req == nil)
		return
	}
	// A WebSocket needs a way through the proxy and not to it.
	if !dial(id.req != nil && !id.req.wantsSocket()) {
		return
	}
	if id.req != nil {
		f.serveHTTP(r, server, &d, id.req)
	} else {
		f.serveTLS(r, server, &d, id.hello)
	}
}

// relay passes everything on, what is held first.
func (f *flow) relay(r *reader, server net.Conn) {
	up, down := f.directions()
	if err := f.held(r, server, up); err != nil {
		f.done(err)
		return
	}
	f.done(f.g.relay.both(r.Conn, server, up, down))
}

// held passes on what is held.
func (f *flow) held(r *reader, server net.Conn, up *direction) error {
	if len(r.buf) == 0 {
		return nil
	}
	err := up.write(server, r.buf)
	r.release()
	return err
}

// inspect hands a flow over to the inspector.
func (f *flow) inspect(r *reader, d *decision, tls bool) {
	if f.g.opts.Inspect == nil {
		f.refuse(Denial{Op: "connect", Target: d.target(), Rule: d.rule, From: d.from, Hint: "the rule looks at requests, and nothing here can"})
		return
	}
	up, down := f.directions()
	err := f.g.opts.Inspect.Serve(f.ctx, r, Target{
		Flow: f.id, Host: d.host.String(), Port: d.port, TLS: tls,
		Allow: d.allow, Deny: d.deny, Granted: d.granted, Secrets: d.gen.net.Secrets,
		Dial: func(ctx context.Context) (net.Conn, error) {
			c, err := f.dial(ctx, false)
			if err != nil {
				if bad := (*forbidden)(nil); errors.As(err, &bad) {
					f.denied(Denial{Op: "connect", Target: d.target(), Rule: "addresses: " + bad.Error(), From: d.from})
				} else if ctx.Err() == nil {
					f.unreached(err)
				}
				return nil, err
			}
			return &metered{Conn: c, f: f, up: up, down: down}, nil
		},
		Denied: f.denied,
	})
	f.done(err)
}

// metered counts a connection outwards and holds its budgets.
type metered struct {
	net.Conn
	f        *flow
	up, down *direction
}

func (m *metered) Read(b []byte) (int, error) {
	n, err := m.Conn.Read(b)
	if n == 0 {
		return n, err
	}
	// Not before the read: one that waits would keep the budget from others.
	got := m.down.take(int64(n))
	m.down.moved(got)
	if got < int64(n) {
		return int(got), m.spent()
	}
	return n, err
}

func (m *metered) Write(b []byte) (int, error) {
	written := 0
	for written < len(b) {
		n := m.up.take(int64(len(b) - written))
		if n == 0 {
			return written, m.spent()
		}
		got, err := m.Conn.Write(b[written : written+int(n)])
		m.up.moved(int64(got))
		if written += got; err != nil {
			return written, err
		}
	}
	return written, nil
}

func (m *metered) spent() error {
	d := m.f.decision()
	m.f.denied(Denial{Op: "transfer", Target: d.target(), Rule: d.rule, From: d.from, Hint: "raise max-upload or max-download of the rule"})
	return errBudget
}

// CloseWrite ends the direction to the server.
func (m *metered) CloseWrite() error {
	if c, ok := m.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// Close closes the connection and forgets it: an inspector may dial often.
func (m *metered) Close() error {
	m.f.drop(m.Conn)
	return m.Conn.Close()
}
