package inspect

import (
	"errors"
	"net"
	"strings"
)

// distrust is what the program said about our certificate, or "" when the
// handshake failed for another reason. last is the end of what it sent.
func distrust(err error, last []byte) string {
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "remote error" && op.Err != nil {
		said := strings.TrimPrefix(op.Err.Error(), "tls: ")
		for _, alert := range alerts() {
			if said == alert.text {
				return said
			}
		}
	}
	// OpenSSL sends this alert of TLS 1.3 before it switches to the keys of the
	// handshake, so that crypto/tls cannot read it: a record of two bytes, "fatal"
	// and the alert.
	if n := len(last); n >= alertLen && last[n-7] == 21 && last[n-6] == 3 && last[n-4] == 0 && last[n-3] == 2 && last[n-2] == 2 {
		for _, alert := range alerts() {
			if last[n-1] == alert.code {
				return alert.text
			}
		}
	}
	return ""
}

// alertLen is the length of a record with an alert in it.
const alertLen = 7

// alerts are those about a certificate (RFC 8446, 6.2), as crypto/tls words them.
func alerts() [8]struct {
	code byte
	text string
} {
	return [8]struct {
		code byte
		text string
	}{
		{42, "bad certificate"}, {43, "unsupported certificate"}, {44, "revoked certificate"}, {45, "expired certificate"},
		{46, "unknown certificate"}, {48, "unknown certificate authority"}, {49, "access denied"}, {113, "bad certificate status response"},
	}
}

// recorder keeps the end of what was read, until the handshake is over.
type recorder struct {
	net.Conn
	last []byte
	over bool
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	if !r.over {
		r.last = append(r.last, p[:n]...)
		r.last = append([]byte(nil), r.last[max(0, len(r.last)-alertLen):]...)
	}
	return n, err
}
