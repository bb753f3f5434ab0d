package inspect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bailey-run/bailey/internal/gate"
	"github.com/bailey-run/bailey/internal/hostname"
	"github.com/bailey-run/bailey/internal/secret"
)

// Options are what an inspector needs. The zero value has no secrets and trusts
// what the host trusts.
type Options struct {
	Secrets *secret.Set      // nil: none
	Roots   *x509.CertPool   // whom to trust outwards; nil: the host's own list
	Now     func() time.Time // nil: time.Now
}

// Inspector serves the inspected connections of one session. Its methods may be
// called from any goroutine.
type Inspector struct {
	secrets *secret.Set
	roots   *x509.CertPool
	now     func() time.Time
	ca      *authority
	buffers pool

	requests atomic.Int64 // under way
	packed   atomic.Int64 // bytes of compressed bodies that are held
}

var _ gate.Inspector = (*Inspector)(nil)

// New makes an inspector, with an authority of its own.
func New(o Options) (*Inspector, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	ca, err := newAuthority(o.Now())
	if err != nil {
		return nil, err
	}
	return &Inspector{secrets: o.Secrets, roots: o.Roots, now: o.Now, ca: ca}, nil
}

// CA is the certificate that the box must trust, in PEM form. It is no secret.
func (i *Inspector) CA() []byte { return i.ca.pem }

// Serve serves one connection until its end, as gate.Inspector says.
func (i *Inspector) Serve(ctx context.Context, client net.Conn, t gate.Target) error {
	c := &conn{Inspector: i, t: &t, closed: make(chan struct{})}
	raw := &watched{Conn: client, closed: c.closed}
	defer raw.Close()
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	// Whatever is under way towards the server ends with the connection.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	front := net.Conn(raw)
	if t.TLS {
		var err error
		if front, err = c.handshake(ctx, raw); err != nil {
			return err
		}
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return t.Dial(ctx) },
		TLSClientConfig: &tls.Config{
			ServerName: t.Host,
			RootCAs:    i.roots,
			MinVersion: tls.VersionTLS12,
			Time:       i.now,
		},
		TLSHandshakeTimeout:    helloTime,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // what the program did not ask for, it does not get
		MaxConnsPerHost:        maxUpstream,
		MaxIdleConnsPerHost:    maxUpstream,
		IdleConnTimeout:        keepTime,
		ExpectContinueTimeout:  continueTime,
		MaxResponseHeaderBytes: maxAnswerHead,
		// A stream that the program does not read must not hold up the others.
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: window, MaxReceiveBufferPerConnection: maxStreams * window},
		Proxy: nil, // Dial goes through it already
	}
	defer transport.CloseIdleConnections()
	c.proxy = c.newProxy(transport)
	server := &http.Server{
		Handler:           c,
		ReadHeaderTimeout: headTime,
		IdleTimeout:       keepTime,
		MaxHeaderBytes:    maxHead,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerStream: window},
		ErrorLog:          quiet(),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		// "OPTIONS *" goes to the server, like everything else.
		DisableGeneralOptionsHandler: true,
	}
	err := server.Serve(&one{conn: front, closed: c.closed})
	<-c.closed
	if errors.Is(err, errServed) {
		err = nil
	}
	return err
}

// conn is one connection of a program.
type conn struct {
	*Inspector
	t      *gate.Target
	proxy  http.Handler
	closed chan struct{}
}

// handshake ends the program's TLS.
func (c *conn) handshake(ctx context.Context, client net.Conn) (net.Conn, error) {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		Time:       c.now,
		// Each connection is looked at from its beginning.
		SessionTicketsDisabled: true,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			// The gate has looked, but it is we who answer for the name.
			if hello.ServerName != "" && !c.isHost(hello.ServerName) {
				return nil, fmt.Errorf("the server name is not %s", c.t.Host)
			}
			return c.ca.certificate(c.t.Host, c.now())
		},
	}
	heard := &recorder{Conn: client}
	conn := tls.Server(heard, config)
	ctx, cancel := context.WithTimeout(ctx, helloTime)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		if alert := distrust(err, heard.last); alert != "" {
			c.deny(gate.Denial{
				Op: "inspect", Target: c.address(), Rule: c.reason().Text, From: c.reason().From,
				Hint: "the program does not accept the certificate of this box (" + alert + "): it has its own list of authorities, or pins the server's certificate; point it to $SSL_CERT_FILE, or take inspect, methods, paths and secrets away from this host",
			})
		}
		return nil, fmt.Errorf("TLS handshake of the program: %w", err)
	}
	heard.over = true
	return conn, nil
}

// isHost says whether a name that a program sent is the target's.
func (c *conn) isHost(name string) bool {
	h, err := hostname.ParseWire(name)
	return err == nil && h.String() == c.t.Host
}

// one is a listener that has one connection.
type one struct {
	conn   net.Conn
	closed <-chan struct{}
}

// errServed ends the server when the connection is over.
var errServed = errors.New("the connection is served")

func (l *one) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.closed
	return nil, errServed
}

func (l *one) Close() error   { return nil }
func (l *one) Addr() net.Addr { return &net.TCPAddr{} }

// watched tells when a connection is closed.
type watched struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

func (w *watched) Close() error {
	err := w.Conn.Close()
	w.once.Do(func() { close(w.closed) })
	return err
}

// quiet drops what net/http would log: it names addresses and repeats bytes that
// the program sent.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// pool makes buffers for bodies, shared by all connections of a session.
type pool struct{ sync.Pool }

// Get returns a buffer of copyBuffer bytes.
func (p *pool) Get() []byte {
	if b, ok := p.Pool.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, copyBuffer)
}

// Put gives a buffer back.
func (p *pool) Put(b []byte) { p.Pool.Put(&b) }
