package gate

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bailey-run/bailey/internal/hostname"
	"github.com/bailey-run/bailey/internal/plan"
)

// upstream is the host's own proxy. Names are resolved by it, not by us: hosts
// behind such a proxy often cannot. Where a name leads is then the proxy's to
// check; addresses are checked here all the same.
type upstream struct {
	web    *proxyServer // for plain HTTP, whole URLs; nil: direct
	tunnel *proxyServer // for everything else, CONNECT; nil: direct
	except []exception
}

type proxyServer struct {
	addr string // host:port
	auth string // value of Proxy-Authorization, or empty
}

// exception is an entry of NO_PROXY.
type exception struct {
	all    bool
	name   string // without the leading dot
	below  bool   // only subdomains
	prefix netip.Prefix
	port   uint16 // 0: every port
}

func compileUpstream(u *plan.NetUpstream, environ []string) (*upstream, error) {
	if u == nil || u.HTTP == "" && u.HTTPS == "" {
		return nil, nil
	}
	out := &upstream{}
	for _, s := range []struct {
		addr string
		to   **proxyServer
		vars string
	}{{u.HTTP, &out.web, "http_proxy HTTP_PROXY all_proxy ALL_PROXY"}, {u.HTTPS, &out.tunnel, "https_proxy HTTPS_PROXY all_proxy ALL_PROXY"}} {
		if s.addr == "" {
			continue
		}
		host, port, err := net.SplitHostPort(s.addr)
		if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || n == 0 || host == "" {
			return nil, fmt.Errorf("compile network: upstream proxy %q is no host and port", s.addr)
		}
		*s.to = &proxyServer{s.addr, credentials(s.addr, s.vars, environ)}
	}
	for _, s := range u.NoProxy {
		if e, ok := parseException(s); ok {
			out.except = append(out.except, e)
		}
	}
	return out, nil
}

// credentials are those that the host's variables name for a proxy.
func credentials(addr, vars string, environ []string) string {
	for name := range strings.FieldsSeq(vars) {
		for _, kv := range environ {
			v, ok := strings.CutPrefix(kv, name+"=")
			if !ok {
				continue
			}
			if !strings.Contains(v, "://") {
				v = "http://" + v
			}
			u, err := url.Parse(v)
			if err != nil || u.User == nil {
				continue
			}
			port := u.Port()
			if port == "" {
				port = "80"
			}
			if strings.EqualFold(net.JoinHostPort(u.Hostname(), port), addr) {
				pass, _ := u.User.Password()
				return "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+pass))
			}
		}
	}
	return ""
}

func parseException(s string) (exception, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	if s == "*" {
		return exception{all: true}, true
	}
	var e exception
	if p, err := netip.ParsePrefix(s); err == nil {
		e.prefix = p.Masked()
		return e, true
	}
	if host, port, err := net.SplitHostPort(s); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return e, false
		}
		s, e.port = host, uint16(n)
	}
	s = strings.Trim(s, "[]")
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap().WithZone("")
		e.prefix = netip.PrefixFrom(a, a.BitLen())
		return e, true
	}
	s = strings.TrimPrefix(s, "*")
	s, e.below = strings.CutPrefix(s, ".")
	h, err := hostname.Parse(s)
	e.name = h.Name()
	return e, err == nil && e.name != ""
}

func (e *exception) has(h hostname.Host, port uint16) bool {
	if e.port != 0 && e.port != port {
		return false
	}
	switch {
	case e.all:
		return true
	case h.Addr().IsValid():
		return e.prefix.IsValid() && e.prefix.Contains(h.Addr())
	case e.name == "":
		return false
	}
	return strings.HasSuffix(h.Name(), "."+e.name) || !e.below && h.Name() == e.name
}

// proxyFor is the proxy for a decided connection, or nil for a direct one. What the
// policy itself gives an address is never the proxy's. Plain HTTP that the gate
// reads goes by whole URLs: many proxies have CONNECT for port 443 alone.
func (d *decision) proxyFor(http bool) *proxyServer {
	u := d.gen.upstream
	if u == nil || d.mode == local || d.udp {
		return nil
	}
	if _, pinned := d.gen.pinned[d.host]; pinned {
		return nil
	}
	for i := range u.except {
		if u.except[i].has(d.host, d.port) {
			return nil
		}
	}
	if http {
		return u.web
	}
	return u.tunnel
}

// request is the head of a request as the proxy wants it.
func (p *proxyServer) request(q *request, target string) []byte {
	out := *q
	if p.auth != "" {
		out.fields = slices.DeleteFunc(slices.Clone(q.fields), func(f field) bool { return strings.EqualFold(f.name, "Proxy-Authorization") })
		out.fields = append(out.fields, field{"Proxy-Authorization", p.auth})
	}
	_, path, err := q.authority()
	if err != nil || path == "*" {
		path = ""
	}
	return out.render("http://" + strings.TrimSuffix(target, ":80") + path)
}

// maxProxyHead bounds a proxy's answer; a longer one is an error.
const maxProxyHead = 16 << 10

// dialUpstream connects to a proxy for plain HTTP, or through it with CONNECT.
func (g *Gate) dialUpstream(ctx context.Context, d *decision, p *proxyServer, http bool) (net.Conn, error) {
	if a := d.host.Addr(); a.IsValid() {
		if ok, what := g.table.permits(d, a); !ok {
			return nil, &forbidden{d.host, a, what}
		}
	}
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "tcp", p.addr)
	if err != nil {
		return nil, fmt.Errorf("dial upstream proxy %s: %w", p.addr, short(err))
	}
	if http {
		return c, nil
	}
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	to := d.target()
	head := "CONNECT " + to + " HTTP/1.1\r\nHost: " + to + "\r\n"
	if p.auth != "" {
		head += "Proxy-Authorization: " + p.auth + "\r\n"
	}
	if _, err := c.Write([]byte(head + "\r\n")); err != nil {
		c.Close()
		return nil, fmt.Errorf("ask upstream proxy %s: %w", p.addr, short(err))
	}
	if err := connected(c); err != nil {
		c.Close()
		return nil, fmt.Errorf("ask upstream proxy %s for %s: %w", p.addr, to, err)
	}
	if !stop() {
		c.Close()
		return nil, ctx.Err()
	}
	return c, nil
}

// connected reads a proxy's answer byte for byte up to its end: what follows
// belongs to the host behind it.
func connected(c net.Conn) error {
	var head []byte
	var one [1]byte
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		if len(head) >= maxProxyHead {
			return errors.New("its answer has no end")
		}
		if _, err := c.Read(one[:]); err != nil {
			return short(err)
		}
		head = append(head, one[0])
	}
	line, _, _ := strings.Cut(string(head), "\r\n")
	version, status, _ := strings.Cut(line, " ")
	if !strings.HasPrefix(version, "HTTP/1.") || !strings.HasPrefix(status, "2") {
		return fmt.Errorf("it answered %.80q", line)
	}
	return nil
}
