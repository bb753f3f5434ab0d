package gate

import (
	"encoding/binary"
	"errors"
	"net"
)

// maxEarly is what a client may send before its second ClientHello; servers accept
// some 16 kB of early data. Beyond, the connection ends.
const maxEarly = 1 << 20

// serveTLS relays a TLS connection whose ClientHello was found right. A server may
// ask for a second ClientHello; that one is held against the name too.
func (f *flow) serveTLS(r *reader, server net.Conn, d *decision, h hello) {
	up, down := f.directions()
	if err := up.write(server, r.buf[:h.size]); err != nil {
		f.done(err)
		return
	}
	r.skip(h.size)
	retry, err := f.firstAnswer(r, server, down)
	if err == nil && retry {
		err = f.secondHello(r, server, d, up)
	}
	var bad *mismatch
	switch {
	case err == nil:
		f.relay(r, server)
	case errors.As(err, &bad), err == errECH, err == errHello:
		f.unidentified(r, d, identity{protocol: "tls"}, err)
	default:
		f.done(err)
	}
}

// firstAnswer passes the server's first bytes on, and says whether they ask for a
// second ClientHello.
func (f *flow) firstAnswer(r *reader, server net.Conn, down *direction) (bool, error) {
	s := newReader(server, f.g)
	defer func() { s.release() }()
	s.deadline(f.g.limits.Handshake)
	retry, err := want(s, isRetry)
	if err != nil {
		return false, err
	}
	server.SetReadDeadline(noDeadline())
	return retry, down.write(r.Conn, s.buf)
}

// secondHello passes records on up to the second ClientHello, and that one when it
// is for the same name.
func (f *flow) secondHello(r *reader, server net.Conn, d *decision, up *direction) error {
	r.deadline(f.g.limits.Handshake)
	defer r.Conn.SetReadDeadline(noDeadline())
	for passed := 0; passed < maxEarly; {
		n, err := want(r, otherRecord)
		if err != nil {
			return err
		}
		if n == 0 {
			h, err := want(r, parseHello)
			if err != nil {
				return err
			}
			if err := checkHello(h, d); err != nil {
				return err
			}
			n = h.size
			err = up.write(server, r.buf[:n])
			r.skip(n)
			return err
		}
		// Early data that the server will not read, an alert, or the record that is there
		// for compatibility.
		if err := up.write(server, r.buf[:n]); err != nil {
			return err
		}
		r.skip(n)
		passed += n
	}
	return errHello
}

// otherRecord is the size of a record that is no handshake, or 0.
func otherRecord(b []byte) (int, error) {
	if b[0] == recordHandshake {
		return 0, nil
	}
	if len(b) < recordHead {
		return 0, errMore
	}
	n := int(binary.BigEndian.Uint16(b[3:]))
	if n > maxRecord+256 { // of ciphertext, RFC 8446 section 5.2
		return 0, errHello
	}
	if len(b) < recordHead+n {
		return 0, errMore
	}
	return recordHead + n, nil
}
