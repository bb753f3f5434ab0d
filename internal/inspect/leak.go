package inspect

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/bailey-run/bailey/internal/policy"
	"github.com/bailey-run/bailey/internal/secret"
)

// leakError is a secret, or its placeholder, where it must not be.
type leakError struct {
	name  string // of the secret; empty when a body cannot be looked into
	where string
	from  policy.Source
	hint  string
}

func (e *leakError) Error() string {
	if e.name == "" {
		return e.where
	}
	return "the secret " + e.name + " or its placeholder is in " + e.where
}

// leaks makes the error for a secret that was found.
func (c *conn) leaks(name, where string) *leakError {
	e := &leakError{name: name, where: where, hint: "a placeholder goes only to the hosts of its secret, and only where the policy places it"}
	for _, s := range c.t.Secrets {
		if s.Name == name {
			e.from = s.From
		}
	}
	return e
}

// holds is the name of a secret that a text holds, also when it is escaped up to
// three times, or "".
func (c *conn) holds(text string) string {
	if c.secrets.Empty() {
		return ""
	}
	for range 3 {
		if _, name := c.secrets.Scanner().Scan([]byte(text)); name != "" {
			return name
		}
		next := unescape(text)
		if next == text {
			break
		}
		text = next
	}
	return ""
}

// scanHead looks for secrets in everything before the body, but for the values
// that skip names.
func (c *conn) scanHead(r *http.Request, query string, skip map[*string]bool) *leakError {
	if c.secrets.Empty() {
		return nil
	}
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if name := c.holds(r.Method); name != "" {
		return c.leaks(name, "the method")
	}
	if name := c.holds(path); name != "" {
		return c.leaks(name, "the path")
	}
	if name := c.holds(query); name != "" {
		return c.leaks(name, "the query")
	}
	return c.scanHeader(r.Header, "a header", skip)
}

func (c *conn) scanHeader(h http.Header, what string, skip map[*string]bool) *leakError {
	for key, values := range h {
		if name := c.holds(strings.ToLower(key)); name != "" {
			return c.leaks(name, "the name of "+what)
		}
		for i := range values {
			if skip[&values[i]] {
				continue
			}
			if name := c.holds(values[i]); name != "" {
				return c.leaks(name, what+" ("+key+")")
			}
		}
	}
	return nil
}

// guardBody makes a request's body one that breaks off before a secret in it is
// complete. A compressed body is unpacked first.
func (c *conn) guardBody(r *http.Request, e *exchange) error {
	if c.secrets.Empty() || r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	coding := strings.ToLower(strings.TrimSpace(strings.Join(r.Header["Content-Encoding"], ",")))
	switch coding {
	case "", "identity":
	case "gzip", "x-gzip", "deflate":
		if err := c.unpack(r, e, coding); err != nil {
			return err
		}
	default:
		return c.note(e, &leakError{where: "a body with a content encoding that cannot be looked into", hint: "this session has secrets: send the body as it is, or with gzip"})
	}
	r.Body = &guarded{body: r.Body, scan: c.secrets.BodyScanner(), c: c, r: r, e: e}
	return nil
}

// note remembers a leak: the transport hands on errors of a body, but not as
// they were.
func (c *conn) note(e *exchange, leak *leakError) *leakError {
	e.leak = leak
	return leak
}

// guarded is the body of a request.
type guarded struct {
	body io.ReadCloser
	scan *secret.Scanner
	c    *conn
	r    *http.Request
	e    *exchange
	err  error
}

func (g *guarded) Read(p []byte) (int, error) {
	if g.err != nil {
		return 0, g.err
	}
	n, err := g.body.Read(p)
	safe, name := g.scan.Scan(p[:n])
	if name != "" {
		g.err = g.c.note(g.e, g.c.leaks(name, "the body"))
		clear(p[safe:n])
		return safe, g.err
	}
	if err == io.EOF {
		// Trailers are known now, and leave after the body's end.
		if leak := g.c.scanHeader(g.r.Trailer, "a trailer", nil); leak != nil {
			g.err = g.c.note(g.e, leak)
			return n, g.err
		}
	}
	return n, err
}

func (g *guarded) Close() error { return g.body.Close() }

// unpack looks into a compressed body before anything of it is sent.
func (c *conn) unpack(r *http.Request, e *exchange, coding string) error {
	cannot := func(why string) error {
		return c.note(e, &leakError{where: "a compressed body that " + why, hint: "this session has secrets, and so bodies are looked into: send this one uncompressed"})
	}
	e.packed = maxPacked + 1
	if r.ContentLength > 0 {
		e.packed = min(e.packed, r.ContentLength)
	}
	if c.packed.Add(e.packed) > maxAllPacked {
		return cannot("comes while others hold all the memory for those")
	}
	e.readBy(time.Now().Add(packedTime))
	packed, err := io.ReadAll(io.LimitReader(r.Body, maxPacked+1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return cannot("does not come in time")
	}
	if err != nil {
		return err
	}
	e.readBy(time.Time{})
	if len(packed) > maxPacked {
		return cannot("is too long to be looked into")
	}
	open := func() (io.Reader, error) {
		if coding != "deflate" {
			return gzip.NewReader(bytes.NewReader(packed))
		}
		// Some send the bare stream (RFC 9110, 8.4.1.2).
		if z, err := zlib.NewReader(bytes.NewReader(packed)); err == nil {
			return z, nil
		}
		return flate.NewReader(bytes.NewReader(packed)), nil
	}
	z, err := open()
	if err != nil {
		return cannot("is damaged")
	}
	scan := c.secrets.BodyScanner()
	buf := c.buffers.Get()
	defer c.buffers.Put(buf)
	for total := 0; ; {
		n, err := z.Read(buf)
		if _, name := scan.Scan(buf[:n]); name != "" {
			return c.note(e, c.leaks(name, "the compressed body"))
		}
		if total += n; total > maxInflate {
			return cannot("unpacks to too much")
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return cannot("is damaged")
		}
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{bytes.NewReader(packed), r.Body}
	if r.ContentLength < 0 && len(r.Trailer) == 0 {
		r.ContentLength = int64(len(packed))
		r.TransferEncoding = nil
	}
	return nil
}
