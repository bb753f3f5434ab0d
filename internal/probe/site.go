//go:build linux

package probe

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Names of the site. All end in a domain that exists nowhere (RFC 6761).
const (
	siteDomain  = "prove.test"
	siteAllowed = "allowed." + siteDomain // TLS and HTTP
	siteRead    = "read." + siteDomain    // GET below /ok/, looked into
	siteSecret  = "secret." + siteDomain  // where the secret may go
	siteOther   = "other." + siteDomain   // named by no rule
	siteRebind  = "rebind." + siteDomain  // names below it are allowed, and resolved by us
	sitePrivate = "lan." + siteDomain     // allowed with private addresses, and resolved by us
	siteHost    = "host.bailey.internal"  // the host's loopback, inside
)

// Variables of the secret.
const (
	secretOutside = "PROVE_GATE_VALUE"
	secretInside  = "PROVE_GATE_TOKEN"
)

// access is how servers of ours are reached in a scenario.
type access string

const (
	accessNone   access = ""
	accessGate   access = "gate"   // by name, through a gate that grants some
	accessDirect access = "direct" // no sandbox: every name is 127.0.0.1
	accessPrefix access = "prefix" // by what another sandbox offers
)

func (r *run) access() access {
	switch {
	case r.o.Gate != nil:
		return accessGate
	case r.o.Command == nil:
		return accessDirect
	}
	return accessPrefix
}

// lacks says why a probe makes no sense.
func (a access) lacks(p *Probe) string {
	switch {
	case a == accessPrefix && (p.OwnGate || p.NeedsGate):
		return notApplicable + "it is about the gate of bailey, and this sandbox has none"
	case a == accessDirect && p.NeedsGate:
		return "without a gate there is nothing to attack"
	}
	return ""
}

// Grants are what a box must have to reach the site.
type Grants struct {
	Flags    []string // of bailey run
	Policy   string   // a policy file, to be trusted
	Resolver string   // the only name server that may be asked
	Logs     string   // a directory for --log and --net-log
}

// site is a set of servers on loopback, and a name server. Everything that reaches
// any of them is in one book: attacks say their words only where they must not.
type site struct {
	dir    string // of the certificate and the logs
	value  string // of the secret
	mark   string // the beginning of value, which attacks look for
	ca     string // of the servers
	book   *listener
	plain  string // ports
	secure string
	stray  string // that no rule names
	rebind string // that only answers of our name server lead to
	local  string // of the host's loopback, granted
	names  string // of the name server
	closer []io.Closer

	mu    sync.Mutex
	asked map[string]int
}

// maxBook bounds what the site remembers: every probe says less than 4 KiB.
const maxBook = 4 << 20

func (s *site) note(b []byte) {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	if s.book.words.Len()+len(b) < maxBook {
		s.book.words.Write(append(b, '\n'))
	}
}

func (s *site) close() {
	if s == nil {
		return
	}
	for _, c := range s.closer {
		c.Close()
	}
}

// website returns the world's site, and tells a case of it.
func (c *Case) website() error {
	if c.site == nil {
		s, err := newSite(filepath.Join(c.Base, "gate"))
		if err != nil {
			return fmt.Errorf("plant servers: %w", err)
		}
		c.site = s
		// The caller's own proxy is no part of this: a sandbox that has one names it.
		c.Env = slices.DeleteFunc(c.Env, func(kv string) bool {
			name, _, _ := strings.Cut(kv, "=")
			return strings.HasSuffix(strings.ToLower(name), "_proxy") || name == "SSL_CERT_FILE" || name == "SSL_CERT_DIR"
		})
		if c.access != accessPrefix {
			c.secretEnv = append(c.secretEnv, "SSL_CERT_FILE="+filepath.Join(s.dir, "ca.pem"))
		}
		if c.access == accessGate && c.secretive {
			c.secretEnv = append(c.secretEnv, secretOutside+"="+s.value)
		} else if c.access != accessGate { // as people do without a gate
			c.secretEnv = append(c.secretEnv, secretInside+"="+s.value)
		}
	}
	s := c.site
	c.hears = s.book
	for name, value := range map[string]string{
		"access": string(c.access), "plain": s.plain, "secure": s.secure, "stray": s.stray, "rebind": s.rebind, "local": s.local, "names": s.names, "address": "a server of the proof", "mark": s.mark, "ca": s.ca,
	} {
		c.Args[name] = value
	}
	return nil
}

// grants are what leads to the site, and to nothing else.
func (h *host) grants() Grants {
	s := h.site
	var flags []string
	for _, r := range [...]string{
		siteAllowed + ":" + s.plain + "," + s.secure, siteRead + ":" + s.secure + "," + s.plain + " methods=GET paths=/ok/**", siteSecret + ":" + s.secure + "," + s.plain,
		"*." + siteRebind + ":" + s.rebind, "*." + sitePrivate + ":" + s.rebind + " private",
	} {
		flags = append(flags, "--allow-net="+r)
	}
	for _, name := range [...]string{siteAllowed, siteRead, siteSecret} {
		flags = append(flags, "--resolve="+name+"=127.0.0.1")
	}
	flags = append(flags, "--localhost="+s.local)
	resolver := "127.0.0.1:" + s.names
	secret := ""
	if h.secretive {
		secret = fmt.Sprintf(`
[secrets.bailey-prove]
source = "env:%s"
hosts = [%q]
header = "Authorization"
format = "Bearer {}"
env = "%s"
`, secretOutside, siteSecret, secretInside)
	}
	return Grants{Flags: flags, Resolver: resolver, Logs: s.dir, Policy: fmt.Sprintf(`[network]
default = "deny"
resolver = %q
upstream = "none"
%s
[permissions]
allow = ["Bash", "Read", "Edit", "WebFetch", "Bash(cat *)", "Read(~/**)", "Edit(**)"]
deny = ["Bash(%s *)"]

[files]
deny = [%s]
`, resolver, secret, deniedProgram, quoted(h.hidden))}
}

// quoted writes texts as the elements of a list in TOML.
func quoted(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strconv.Quote(s)
	}
	return strings.Join(out, ", ")
}

func newSite(dir string) (*site, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	s := &site{dir: dir, mark: "pr" + random(8), book: &listener{fd: -1}, asked: map[string]int{}}
	s.value = s.mark + "_" + random(16)
	cert, ca, err := siteCertificate()
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "ca.pem"), ca, 0o644)
	}
	if err != nil {
		return nil, err
	}
	s.ca = string(ca)
	open := func(port *string, serve func(net.Conn)) {
		l, e := net.Listen("tcp4", "127.0.0.1:0")
		if e != nil {
			err = errors.Join(err, e)
			return
		}
		s.closer = append(s.closer, l)
		_, *port, _ = net.SplitHostPort(l.Addr().String())
		go s.accept(l, serve)
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}}
	open(&s.plain, s.talk)
	open(&s.stray, s.talk)
	open(&s.rebind, s.talk)
	open(&s.local, s.talk)
	open(&s.secure, func(c net.Conn) {
		t := tls.Server(&noted{Conn: c, site: s}, config)
		if t.Handshake() != nil {
			return
		}
		s.note([]byte(t.ConnectionState().ServerName))
		if t.ConnectionState().NegotiatedProtocol == "h2" {
			s.http2(t)
			return
		}
		s.talk(t)
	})
	open(&s.names, s.resolveTCP)
	if err != nil {
		s.close()
		return nil, err
	}
	// What is said over UDP to the ports of the servers is heard too, and the name
	// server's port is one for both.
	for _, port := range []string{s.names, s.plain, s.secure, s.stray} {
		p, err := net.ListenPacket("udp4", "127.0.0.1:"+port)
		if err != nil {
			s.close()
			return nil, err
		}
		s.closer = append(s.closer, p)
		go s.packets(p, port == s.names)
	}
	return s, nil
}

func (s *site) accept(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			c.SetDeadline(time.Now().Add(20 * time.Second))
			serve(c)
		}()
	}
}

// noted notes what comes before it is decrypted.
type noted struct {
	net.Conn
	site *site
}

func (n *noted) Read(b []byte) (int, error) {
	m, err := n.Conn.Read(b)
	n.site.note(slices.Clone(b[:m]))
	return m, err
}

// talk is a server that hears everything and takes every line that could be the
// beginning of a request for one. It echoes the Authorization header.
func (s *site) talk(c net.Conn) {
	in := bufio.NewReader(io.TeeReader(c, noting{s}))
	echo := ""
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "Authorization") {
			echo = strings.TrimSpace(value)
		}
		if line == "" {
			body := "heard " + echo + "\n"
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Echo: %s\r\nContent-Length: %d\r\n\r\n%s", echo, len(body), body)
		}
	}
}

// http2 serves with the standard server, which knows the protocol.
func (s *site) http2(c *tls.Conn) {
	srv := &http.Server{ErrorLog: log.New(io.Discard, "", 0), IdleTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(io.LimitReader(r.Body, 64<<10))
		var head bytes.Buffer
		r.Header.Write(&head)
		s.note(fmt.Appendf(nil, "%s %s %s\n%s\n%s", r.Method, r.Host, r.RequestURI, &head, body))
		w.Header().Set("X-Echo", r.Header.Get("Authorization"))
		fmt.Fprintf(w, "heard %s\n", r.Header.Get("Authorization"))
	})}
	l := &onlyOne{c: c, done: make(chan struct{})}
	srv.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			l.once.Do(func() { close(l.done) })
		}
	}
	srv.Serve(l)
}

// onlyOne is a listener with one connection.
type onlyOne struct {
	c    *tls.Conn
	once sync.Once
	done chan struct{}

	mu    sync.Mutex
	taken bool
}

func (l *onlyOne) Accept() (net.Conn, error) {
	l.mu.Lock()
	first := !l.taken
	l.taken = true
	l.mu.Unlock()
	if first {
		return l.c, nil
	}
	<-l.done
	return nil, net.ErrClosed
}

func (l *onlyOne) Close() error   { return nil }
func (l *onlyOne) Addr() net.Addr { return l.c.LocalAddr() }

type noting struct{ *site }

func (n noting) Write(b []byte) (int, error) { n.note(slices.Clone(b)); return len(b), nil }

func (s *site) packets(p net.PacketConn, names bool) {
	b := make([]byte, 4096)
	for {
		n, from, err := p.ReadFrom(b)
		if err != nil {
			return
		}
		s.note(slices.Clone(b[:n]))
		if names {
			if answer := s.answer(b[:n]); answer != nil {
				p.WriteTo(answer, from)
			}
		}
	}
}

func (s *site) resolveTCP(c net.Conn) {
	in := io.TeeReader(c, noting{s})
	for {
		size := make([]byte, 2)
		if _, err := io.ReadFull(in, size); err != nil {
			return
		}
		q := make([]byte, int(size[0])<<8|int(size[1]))
		if _, err := io.ReadFull(in, q); err != nil {
			return
		}
		a := s.answer(q)
		if a == nil {
			return
		}
		c.Write(append([]byte{byte(len(a) >> 8), byte(len(a))}, a...))
	}
}

// answer is our name server. The first label of a name says what the answer is:
// addresses of this machine's loopback in all forms, and ones that lead nowhere and
// that nobody may dial.
func (s *site) answer(query []byte) []byte {
	var p dnsmessage.Parser
	head, err := p.Start(query)
	if err != nil {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	s.note([]byte(q.Name.String())) // as text: in the message, labels are cut apart
	head.Response, head.RecursionAvailable, head.Authoritative = true, true, true
	b := dnsmessage.NewBuilder(nil, head)
	b.StartQuestions()
	b.Question(q)
	b.StartAnswers()
	h := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 0}
	kind, rest, _ := strings.Cut(strings.ToLower(q.Name.String()), ".")
	s.mu.Lock()
	key := kind + q.Type.String()
	s.asked[key]++
	times := s.asked[key]
	s.mu.Unlock()
	loopback, nowhere := [4]byte{127, 0, 0, 1}, [4]byte{192, 0, 2, 1} // RFC 5737
	var a [][4]byte
	var aaaa [][16]byte
	switch kind {
	case "loopback":
		a = [][4]byte{loopback}
	case "mapped":
		aaaa = [][16]byte{{10: 0xff, 11: 0xff, 12: 127, 15: 1}}
	case "compatible":
		aaaa = [][16]byte{{12: 127, 15: 1}}
	case "six":
		aaaa = [][16]byte{{15: 1}}
	case "zero":
		a = [][4]byte{{}}
	case "mixed":
		a = [][4]byte{nowhere, loopback}
	case "second": // another answer the second time
		a = [][4]byte{nowhere}
		if times > 1 {
			a = [][4]byte{loopback}
		}
	case "alias":
		to, err := dnsmessage.NewName("loopback." + rest)
		if err == nil {
			b.CNAMEResource(h, dnsmessage.CNAMEResource{CNAME: to})
			h.Name = to
			a = [][4]byte{loopback}
		}
	}
	if q.Type == dnsmessage.TypeA {
		for _, x := range a {
			b.AResource(h, dnsmessage.AResource{A: x})
		}
	}
	if q.Type == dnsmessage.TypeAAAA {
		for _, x := range aaaa {
			b.AAAAResource(h, dnsmessage.AAAAResource{AAAA: x})
		}
	}
	out, err := b.Finish()
	if err != nil {
		return nil
	}
	return out
}

// siteCertificate makes a certificate for all names, and the authority of it.
func siteCertificate() (tls.Certificate, []byte, error) {
	make := func(tmpl, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*ecdsa.PrivateKey, []byte, error) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, nil, err
		}
		if signer == nil {
			signer = key
		}
		der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
		return key, der, err
	}
	now := time.Now()
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bailey prove"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	key, caDER, err := make(ca, ca, nil)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: siteDomain}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		DNSNames: []string{siteAllowed, siteRead, siteSecret}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	leafKey, leafDER, err := make(leaf, ca, key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: leafKey}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}), nil
}
