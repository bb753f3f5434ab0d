package inspect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bailey-run/bailey/internal/gate"
	"github.com/bailey-run/bailey/internal/secret"
)

// exchange is one request and its answer.
type exchange struct {
	method string
	path   string // as sent, without the query
	h1     bool   // the program speaks HTTP/1
	uses   []secret.Use
	leak   *leakError
	packed int64 // bytes of a compressed body that are held
	// readBy bounds the reading of the body; the zero time takes that back.
	readBy func(time.Time) error
}

type exchangeKey struct{}

func exchangeOf(r *http.Request) *exchange {
	e, _ := r.Context().Value(exchangeKey{}).(*exchange)
	if e == nil {
		e = &exchange{method: r.Method}
	}
	return e
}

// ServeHTTP decides one request, puts secrets into it, and passes it on.
func (c *conn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer c.requests.Add(-1)
	if c.requests.Add(1) > maxRequests {
		c.deny(gate.Denial{Op: "request", Target: c.address(), Rule: "limit of requests", Hint: fmt.Sprintf("a session has at most %d requests under way at once to hosts that are looked into", maxRequests)})
		panic(http.ErrAbortHandler) // an answer would wait for its reader, and be held
	}
	control := http.NewResponseController(w)
	// A server may answer before it has read a body to its end.
	control.EnableFullDuplex()
	e := &exchange{method: r.Method, h1: r.ProtoMajor < 2, readBy: control.SetReadDeadline}
	defer func() { c.packed.Add(-e.packed) }()
	if c.t.TLS {
		// Secrets go only where we check the certificate. They are asked for with
		// each request: a reload may have taken one away.
		e.uses = c.secrets.For(c.t.Host)
	}
	target, ok := c.target(r)
	if !ok {
		c.refuse(w, r, e, verdict{why: "the request is for another host than the connection"}, "open a connection of its own for each host")
		return
	}
	e.path, _, _ = strings.Cut(target, "?")
	if strings.ContainsAny(target, "# ") || strings.ContainsRune(e.path, '\\') {
		c.refuse(w, r, e, verdict{why: "the path can be read in more than one way"}, "encode it")
		return
	}
	v := decide(c.t, r.Method, e.path)
	if !v.allow {
		c.refuse(w, r, e, v, "")
		return
	}
	if name := override(c.t, r.Header); name != "" {
		c.refuse(w, r, e, verdict{why: "the header " + name + " asks for another method or path than the rules were asked about"}, "leave the header out")
		return
	}
	if up := r.Header["Upgrade"]; len(up) == 1 && strings.EqualFold(up[0], "websocket") && r.Method == http.MethodGet {
		up[0] = "websocket"
	} else {
		// A server may ignore it (RFC 9110, 7.8); h2c would be a way around rules.
		r.Header.Del("Upgrade")
	}
	if err := c.place(r, e); err != nil {
		c.fail(w, r.WithContext(context.WithValue(r.Context(), exchangeKey{}, e)), err)
		return
	}
	c.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), exchangeKey{}, e)))
}

// target is the request's target in origin form, when it is for this host. Every
// request of a connection is looked at, not the first alone.
func (c *conn) target(r *http.Request) (string, bool) {
	host, port := r.Host, uint16(0)
	// Of "host:port", "host", "[::1]:port", "[::1]".
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		n, err := strconv.ParseUint(host[i+1:], 10, 16)
		if err != nil {
			return "", false
		}
		host, port = host[:i], uint16(n)
	}
	scheme, usual := "http", uint16(80)
	if c.t.TLS {
		scheme, usual = "https", 443
	}
	if port == 0 {
		port = usual
	}
	if !c.isHost(host) || port != c.t.Port {
		return "", false
	}
	target := r.RequestURI
	if r.URL.Host != "" { // absolute form, as to a proxy
		if r.URL.Host != r.Host || !strings.EqualFold(r.URL.Scheme, scheme) || r.URL.Opaque != "" || r.URL.User != nil {
			return "", false
		}
		target = r.URL.RequestURI()
	}
	return target, target == "*" || strings.HasPrefix(target, "/")
}

// newProxy is what passes a decided request on, and its answer back.
func (c *conn) newProxy(transport http.RoundTripper) http.Handler {
	proxy := &httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1, // every piece at once: event streams, long polls
		BufferPool:    &c.buffers,
		ErrorLog:      quiet(),
		ErrorHandler:  c.fail,
		Rewrite: func(p *httputil.ProxyRequest) {
			u := *p.In.URL
			u.Scheme, u.Host = "http", c.authorityPart()
			if c.t.TLS {
				u.Scheme = "https"
			}
			p.Out.URL = &u
			p.Out.Host = c.authorityPart()
			// The very map: it is filled when the body has been read.
			p.Out.Trailer = p.In.Trailer
			// They are the program's own to send.
			for _, h := range [...]string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
				if v, ok := p.In.Header[h]; ok {
					p.Out.Header[h] = v
				}
			}
		},
		ModifyResponse: c.answer,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(exchangeOf(r).uses) > 0 {
			w = &maskedWriter{w, c.secrets}
		}
		proxy.ServeHTTP(w, r)
	})
}

// authorityPart is host and port as they stand in a URL and in Host.
func (c *conn) authorityPart() string {
	host := c.t.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if c.t.TLS && c.t.Port == 443 || !c.t.TLS && c.t.Port == 80 {
		return host
	}
	return host + ":" + strconv.Itoa(int(c.t.Port))
}

// fail answers a request that could not be passed on.
func (c *conn) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := exchangeOf(r)
	var leak *leakError
	var source *secret.Error
	switch {
	case e.leak != nil: // the transport may have wrapped it beyond recognition
		c.refuseLeak(w, r, e, e.leak)
	case errors.As(err, &leak):
		c.refuseLeak(w, r, e, leak)
	case errors.As(err, &source):
		c.deny(gate.Denial{Op: "secret", Target: c.show(e), Rule: "secrets." + source.Name, Hint: source.Error()})
		c.write(w, r, http.StatusBadGateway, refusal{Error: "failed", Why: source.Error(), Hint: source.Hint}, e)
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		panic(http.ErrAbortHandler) // nobody is there to read an answer
	default:
		why, hint := upstreamError(err)
		why = c.secrets.Masker().Text(why) // it may quote what the server sent
		if hint != "" {
			c.deny(gate.Denial{Op: "connect", Target: c.address(), Rule: c.reason().Text, From: c.reason().From, Hint: why})
		}
		c.write(w, r, http.StatusBadGateway, refusal{Error: "failed", Why: why, Hint: hint}, e)
	}
}

// show is the URL of a request, for people.
func (c *conn) show(e *exchange) string {
	scheme := "http"
	if c.t.TLS {
		scheme = "https"
	}
	return e.method + " " + scheme + "://" + c.authorityPart() + c.shownPath(e)
}

// shownPath is the path without secrets, and not too long.
func (c *conn) shownPath(e *exchange) string {
	if name := c.holds(e.path); name != "" {
		return "/… (it holds the secret " + name + ")"
	}
	if len(e.path) > maxShown {
		return strings.ToValidUTF8(e.path[:maxShown], "") + "…"
	}
	return e.path
}

// address is the target's host and port.
func (c *conn) address() string {
	host := c.t.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(int(c.t.Port))
}

// unescape decodes percent signs as far as there are any.
func unescape(s string) string {
	if t, err := url.PathUnescape(s); err == nil {
		return t
	}
	return s
}
