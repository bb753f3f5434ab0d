package gate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bailey-run/bailey/internal/hostname"
	"github.com/bailey-run/bailey/internal/plan"
)

// identity is what a connection said it is for.
type identity struct {
	protocol string // "tls" or "http"; "" when it was neither
	hello    hello
	req      *request
}

var (
	errProtocol = errors.New("neither TLS nor HTTP")
	errH2       = errors.New("HTTP/2 without TLS")
	errECH      = errors.New("the TLS ClientHello hides another one (ECH)")
)

// identify reads the head of a connection and holds it against the decided name.
func (f *flow) identify(r *reader, d *decision) (identity, error) {
	r.deadline(f.g.limits.Handshake)
	isHTTP, err := want(r, func(b []byte) (bool, error) {
		if b[0] == recordHandshake {
			return false, nil
		}
		if yes, err := startsHTTP(b); err != nil || yes {
			return yes, err
		}
		return false, errProtocol
	})
	if err != nil {
		return identity{}, err
	}
	if !isHTTP {
		h, err := want(r, parseHello)
		id := identity{protocol: "tls", hello: h}
		if err != nil {
			return id, err
		}
		return id, checkHello(h, d)
	}
	if bytes.HasPrefix(r.buf, []byte("PRI ")) {
		return identity{}, errH2
	}
	req, err := want(r, parseRequest)
	id := identity{protocol: "http", req: req}
	if err != nil {
		return id, err
	}
	return id, checkRequest(req, d)
}

// mismatch is a connection for another host than the one decided.
type mismatch struct{ what, got, want string }

func (e *mismatch) Error() string {
	if e.got == "" {
		return fmt.Sprintf("no %s: it must be %s", e.what, e.want)
	}
	return fmt.Sprintf("%s is %.300q: it must be %s", e.what, e.got, e.want)
}

// checkHello holds a ClientHello against the decided name.
func checkHello(h hello, d *decision) error {
	if h.ech && d.mode != inspect {
		// It may be only grease, but that cannot be told from outside. An inspector
		// answers the handshake itself and has no key for what is hidden.
		return errECH
	}
	if d.host.Addr().IsValid() && h.name == "" {
		return nil // an address is not sent as a name, RFC 6066 section 3
	}
	if name, err := hostname.ParseWire(h.name); err != nil || name != d.host {
		return &mismatch{"TLS server name", h.name, d.host.String()}
	}
	return nil
}

// checkRequest holds a request against the decided name.
func checkRequest(q *request, d *decision) error {
	auth, _, err := q.authority()
	if err != nil {
		return err
	}
	if host, port, err := splitAuthority(auth); err != nil || host != d.host || port != 0 && port != d.port {
		return &mismatch{"HTTP Host", auth, d.target()}
	}
	return nil
}

// splitAuthority reads "host" or "host:port"; without a port it is 0.
func splitAuthority(s string) (hostname.Host, uint16, error) {
	host, port := s, uint16(0)
	if i := strings.LastIndexByte(s, ':'); i > 0 && (s[0] != '[' || s[i-1] == ']') {
		n, err := strconv.ParseUint(s[i+1:], 10, 16)
		if err != nil || n == 0 {
			return hostname.Host{}, 0, errors.New("no port")
		}
		host, port = s[:i], uint16(n)
	}
	if strings.Contains(host, ":") && host[0] != '[' {
		return hostname.Host{}, 0, errors.New("an IPv6 address needs brackets")
	}
	h, err := hostname.ParseWire(host)
	return h, port, err
}

// unidentified refuses a connection that is not, or not provably, for the decided
// name, and says so in its own protocol.
func (f *flow) unidentified(r *reader, d *decision, id identity, err error) {
	rule, hint := "identity: "+err.Error(), "a connection is allowed for the name it was opened for alone"
	var ne net.Error
	switch {
	case errors.Is(err, io.EOF):
		f.close("") // it never said a word
		return
	case errors.As(err, &ne) && ne.Timeout():
		rule, hint = "identity: the connection did not say in time what it is for", rawHint(d)
	case isNetwork(err):
		f.close(short(err).Error())
		return
	case err == errProtocol, err == errH2:
		hint = rawHint(d)
	case err == errECH:
		hint = "switch it off in the program (Chromium's policy EncryptedClientHelloEnabled), or inspect the host"
	}
	den := Denial{Op: "request", Target: d.target(), Rule: rule, From: d.from, Hint: hint}
	switch id.protocol {
	case "tls":
		farewell(r.Conn, alertName())
	case "http":
		farewell(r.Conn, answer403(&den))
	}
	f.refuse(den)
}

func rawHint(d *decision) string {
	if slices.ContainsFunc(d.allow, func(r plan.NetRule) bool { return r.Protocol == "tcp" }) {
		return fmt.Sprintf("another rule of this host looks at requests at every port, or at %d too: give it the ports that it is for", d.port)
	}
	return fmt.Sprintf("a protocol without names needs a rule with protocol = \"tcp\" and ports = [%d]", d.port)
}

// alertName is the fatal alert unrecognized_name, RFC 6066 section 3.
func alertName() []byte { return []byte("\x15\x03\x03\x00\x02\x02\x70") }

// farewellTime is what a client is given to read the last words and to end. In that
// time it is listened to, because a close with bytes unread is a reset that may
// overtake the words.
const farewellTime = time.Second

// farewell sends last words.
func farewell(c net.Conn, b []byte) {
	c.SetDeadline(time.Now().Add(farewellTime))
	if _, err := c.Write(b); err == nil {
		drain(c)
	}
}

// drain ends the direction to a client, and listens for a moment.
func drain(c net.Conn) {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	t.CloseWrite()
	t.SetReadDeadline(time.Now().Add(farewellTime))
	io.Copy(io.Discard, t)
}

// isNetwork says whether an error is of the connection and not of what it carried.
func isNetwork(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}
