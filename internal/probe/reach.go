//go:build linux

package probe

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Addresses of the gate inside.
const (
	gateNames = "198.18.0.1:53"
	gateProxy = "198.18.0.1:81"
)

// reachTime bounds each step of a conversation: what is refused is refused at once.
const reachTime = 800 * time.Millisecond

// weakProxy is the address of the gate where it is only a proxy: "" elsewhere.
func (in *Inside) weakProxy() string {
	if in.Args["access"] == string(accessDirect) {
		return ""
	}
	for _, name := range [...]string{"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"} {
		if u, err := url.Parse(os.Getenv(name)); err == nil && u.Host != "" {
			return u.Host
		}
	}
	return ""
}

// proxy is the address of the explicit proxy.
func (in *Inside) proxy() string {
	if p := in.weakProxy(); p != "" {
		return p
	}
	return gateProxy
}

// reach connects to a port of a name in the way that the sandbox offers. Without a
// sandbox every name is this machine's loopback, and nobody is asked for it.
func (in *Inside) reach(name, port string) (net.Conn, error) {
	d := net.Dialer{Timeout: reachTime}
	if in.Args["access"] == string(accessDirect) {
		return in.timed(d.Dial("tcp", "127.0.0.1:"+port))
	}
	if p := in.weakProxy(); p != "" {
		c, err := in.timed(d.Dial("tcp", p))
		if err != nil {
			return nil, err
		}
		if in.Args["access"] == string(accessPrefix) { // by its address: no name server but ours is asked
			name = "127.0.0.1"
		}
		return c, in.tunnel(c, name+":"+port)
	}
	if in.Args["access"] == string(accessPrefix) {
		return in.timed(d.Dial("tcp", "127.0.0.1:"+port))
	}
	addr, err := in.address(name)
	if err != nil {
		return nil, err
	}
	return in.timed(d.Dial("tcp", addr.String()+":"+port))
}

func (in *Inside) timed(c net.Conn, err error) (net.Conn, error) {
	if err == nil {
		c.SetDeadline(time.Now().Add(2 * reachTime))
	}
	return c, err
}

// address is what stands for a name inside: of /etc/hosts, or of the gate's name server.
func (in *Inside) address(name string) (netip.Addr, error) {
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: reachTime}).DialContext(ctx, network, gateNames)
	}}
	ctx, cancel := context.WithTimeout(context.Background(), reachTime)
	defer cancel()
	list, err := r.LookupNetIP(ctx, "ip4", name+".")
	if err != nil {
		return netip.Addr{}, err
	}
	if len(list) == 0 {
		return netip.Addr{}, errors.New("no address")
	}
	return list[0].Unmap(), nil
}

// tunnel asks a proxy for a connection.
func (in *Inside) tunnel(c net.Conn, to string) error {
	if _, err := fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", to, to); err != nil {
		return err
	}
	// Byte by byte: what follows the head is the tunnel's.
	var head []byte
	for b := make([]byte, 1); len(head) < 4096 && !strings.HasSuffix(string(head), "\r\n\r\n"); {
		if _, err := io.ReadFull(c, b); err != nil {
			return fmt.Errorf("proxy: %w", err)
		}
		head = append(head, b...)
	}
	if line, _, _ := strings.Cut(string(head), "\r\n"); !strings.Contains(line, " 200") {
		return fmt.Errorf("proxy: %s", line)
	}
	return nil
}

// say writes and takes what comes back for loot.
func (in *Inside) say(c net.Conn, text string) error {
	if _, err := io.WriteString(c, text); err != nil {
		return err
	}
	return in.listen(c)
}

func (in *Inside) listen(c net.Conn) error {
	b := make([]byte, 4096)
	n, err := c.Read(b)
	if err != nil {
		in.Loot(b[:n])
		return fmt.Errorf("no answer: %w", err)
	}
	// The rest of this answer must not be taken for the next one.
	for n < len(b) && !whole(b[:n]) {
		more, err := c.Read(b[n:])
		n += more
		if err != nil {
			break
		}
	}
	in.Loot(b[:n])
	line, _, _ := strings.Cut(string(b[:n]), "\r\n")
	if strings.HasPrefix(line, "HTTP/") && !strings.Contains(line, " 200") {
		return errors.New(line)
	}
	return nil
}

// whole says whether an HTTP answer is there to its end, or it is none.
func whole(b []byte) bool {
	head, body, ok := strings.Cut(string(b), "\r\n\r\n")
	if !strings.HasPrefix(head, "HTTP/") {
		return true
	}
	if !ok {
		return false
	}
	for line := range strings.SplitSeq(head, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		switch strings.ToLower(name) {
		case "content-length":
			n, err := strconv.Atoi(strings.TrimSpace(value))
			return err != nil || len(body) >= n
		case "transfer-encoding":
			return strings.HasSuffix(body, "0\r\n\r\n")
		}
	}
	return true
}

// at is a host with a port of the site, as requests name it.
func (in *Inside) at(host, port string) string { return host + ":" + in.Args[port] }

// get is a request.
func get(host, path string, more ...string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + strings.Join(append(more, ""), "\r\n") + "\r\n"
}

// secureTo is a TLS connection with a name in its hello, over one to a name. The
// certificate is no part of what is probed.
func (in *Inside) secureTo(name, sni string, protocols ...string) (*tls.Conn, error) {
	c, err := in.reach(name, in.Args["secure"])
	if err != nil {
		return nil, err
	}
	t := tls.Client(c, &tls.Config{ServerName: sni, InsecureSkipVerify: true, NextProtos: protocols})
	if err := t.Handshake(); err != nil {
		c.Close()
		return nil, err
	}
	return t, nil
}

// conversations are what most attacks are made of.

// plainly says texts, one after the other, on a connection to the allowed host.
func plainly(texts func(in *Inside) []string) func(*Inside) error {
	return func(in *Inside) error {
		c, err := in.reach(siteAllowed, in.Args["plain"])
		if err != nil {
			return err
		}
		defer c.Close()
		for _, t := range texts(in) {
			if err := in.say(c, t); err != nil {
				return err
			}
		}
		return nil
	}
}

// securely does so over TLS to a host.
func securely(host string, texts func(in *Inside) []string) func(*Inside) error {
	return func(in *Inside) error {
		c, err := in.secureTo(host, host, "http/1.1")
		if err != nil {
			return err
		}
		defer c.Close()
		for _, t := range texts(in) {
			if err := in.say(c, t); err != nil {
				return err
			}
		}
		return nil
	}
}

// over2 makes a request by HTTP/2 whose authority is another than the host.
func (in *Inside) over2(host, authority, path string, header http.Header, body io.Reader) error {
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	req, err := http.NewRequest(method, "https://"+host+":"+in.Args["secure"]+path, body)
	if err != nil {
		return err
	}
	for name, list := range header {
		req.Header[name] = list
	}
	req.Host = authority
	t := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
		return in.secureTo(host, host, "h2")
	}}
	defer t.CloseIdleConnections()
	resp, err := (&http.Client{Transport: t, Timeout: 2 * reachTime}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	in.Loot([]byte(resp.Header.Get("X-Echo") + "\n"))
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	in.Loot(b)
	if resp.StatusCode != 200 {
		return errors.New(resp.Status)
	}
	return nil
}

// viaProxy says something to the explicit proxy; without a sandbox, to the server
// that a proxy would lead to.
func (in *Inside) viaProxy(port string) (net.Conn, error) {
	d := net.Dialer{Timeout: reachTime}
	if in.Args["access"] == string(accessDirect) {
		return in.timed(d.Dial("tcp", "127.0.0.1:"+port))
	}
	return in.timed(d.Dial("tcp", in.proxy()))
}

// ask sends a question to the name server that the box has, over UDP or TCP. Without
// a sandbox that is ours.
func (in *Inside) ask(network string, message []byte) error {
	return in.askAt(network, gateNames, message)
}

func (in *Inside) askAt(network, server string, message []byte) error {
	if in.Args["access"] != string(accessGate) {
		server = "127.0.0.1:" + in.Args["names"]
	}
	c, err := in.timed((&net.Dialer{Timeout: reachTime}).Dial(network, server))
	if err != nil {
		return err
	}
	defer c.Close()
	if network == "tcp" {
		message = append([]byte{byte(len(message) >> 8), byte(len(message))}, message...)
	}
	if _, err := c.Write(message); err != nil {
		return err
	}
	b := make([]byte, 4096)
	n, err := c.Read(b)
	in.Loot(b[:n])
	if err != nil {
		return err
	}
	if network == "tcp" {
		b, n = b[2:], n-2
	}
	var p dnsmessage.Parser
	if h, err := p.Start(b[:max(n, 0)]); err == nil && h.RCode != dnsmessage.RCodeSuccess {
		return errors.New("the name server said " + h.RCode.String())
	}
	return nil
}

// question is a query for names.
func question(kind dnsmessage.Type, op dnsmessage.OpCode, names ...string) []byte {
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: 4711, OpCode: op, RecursionDesired: true})
	b.StartQuestions()
	for _, s := range names {
		if n, err := dnsmessage.NewName(s + "."); err == nil {
			b.Question(dnsmessage.Question{Name: n, Type: kind, Class: dnsmessage.ClassINET})
		}
	}
	m, _ := b.Finish()
	return m
}

// hello is a TLS ClientHello with the server names and extensions that are given,
// cut into records of at most size bytes.
func hello(size int, names []string, more ...[]byte) []byte {
	u16 := func(b []byte) []byte { return append([]byte{byte(len(b) >> 8), byte(len(b))}, b...) }
	extension := func(kind uint16, b []byte) []byte { return append([]byte{byte(kind >> 8), byte(kind)}, u16(b)...) }
	var list []byte
	for _, n := range names {
		list = append(append(list, 0), u16([]byte(n))...)
	}
	var ext []byte
	if len(names) > 0 {
		ext = extension(0, u16(list))
	}
	ext = append(ext, extension(43, []byte{2, 3, 4})...)                                        // TLS 1.3
	ext = append(ext, extension(10, []byte{0, 2, 0, 29})...)                                    // x25519
	ext = append(ext, extension(13, []byte{0, 2, 4, 3})...)                                     // ecdsa with SHA-256
	ext = append(ext, extension(51, u16(append([]byte{0, 29, 0, 32}, make([]byte, 32)...)))...) // a key share
	for _, m := range more {
		ext = append(ext, m...)
	}
	body := append([]byte{3, 3}, make([]byte, 32)...)
	body = append(body, 0)                   // no session
	body = append(body, 0, 2, 0x13, 1, 1, 0) // one suite, no compression
	body = append(body, u16(ext)...)
	msg := append([]byte{1, 0, byte(len(body) >> 8), byte(len(body))}, body...)
	var out []byte
	for len(msg) > 0 {
		n := min(size, len(msg))
		out = append(append(out, 22, 3, 1), u16(msg[:n])...)
		msg = msg[n:]
	}
	return out
}

// basic is credentials as basic authentication has them.
func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}
