package inspect

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/bailey-run/bailey/internal/secret"
)

// answer changes what a server answered, where secrets may come back: wherever
// one stands, the box sees its placeholder.
func (c *conn) answer(res *http.Response) error {
	if len(res.Trailer) > 0 && exchangeOf(res.Request).h1 {
		// HTTP/2 has trailers also where the length is known; HTTP/1.1 has not.
		res.Header.Del("Content-Length")
		res.ContentLength = -1
	}
	if len(exchangeOf(res.Request).uses) == 0 {
		return nil
	}
	maskHeader(res.Header, c.secrets)
	if res.StatusCode == http.StatusSwitchingProtocols {
		both, ok := res.Body.(io.ReadWriteCloser)
		if !ok {
			return errors.New("the server upgraded, and the connection cannot be used")
		}
		res.Body = &frames{ReadWriteCloser: both, in: c.secrets.Masker().Reader(both), c: c, e: exchangeOf(res.Request), out: framing{data: c.secrets.BodyScanner(), control: c.secrets.Scanner()}}
		return nil
	}
	if res.Body == nil || res.Body == http.NoBody {
		return nil
	}
	body := io.Reader(res.Body)
	switch coding := strings.ToLower(strings.TrimSpace(strings.Join(res.Header["Content-Encoding"], ","))); coding {
	case "", "identity":
	case "gzip", "x-gzip":
		// It was asked not to. A stream is unpacked as it comes.
		res.Header.Del("Content-Encoding")
		res.Header.Del("Content-Length")
		res.ContentLength = -1
		body = &gunzip{r: res.Body}
	default:
		return fmt.Errorf("the answer has a content encoding, %.20q, in which a secret cannot be masked, although none was asked for", coding)
	}
	res.Body = &masked{Reader: c.secrets.Masker().Reader(body), Closer: res.Body, res: res, secrets: c.secrets}
	return nil
}

// masked is the body of an answer.
type masked struct {
	io.Reader
	io.Closer
	res     *http.Response
	secrets *secret.Set
}

func (m *masked) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	if err == io.EOF {
		maskHeader(m.res.Trailer, m.secrets) // known now
	}
	return n, err
}

// maskHeader masks values, and drops a header whose name is a secret.
func maskHeader(h http.Header, secrets *secret.Set) {
	for key, values := range h {
		if secrets.Masker().Text(strings.ToLower(key)) != strings.ToLower(key) || secrets.Masker().Text(key) != key {
			delete(h, key)
			continue
		}
		for i := range values {
			values[i] = secrets.Masker().Text(values[i])
		}
	}
}

// maskedWriter masks the heads that are not in the answer itself: those of
// informational answers.
type maskedWriter struct {
	http.ResponseWriter
	secrets *secret.Set
}

func (w *maskedWriter) WriteHeader(status int) {
	maskHeader(w.Header(), w.secrets)
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is how net/http finds what else the writer can do.
func (w *maskedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// gunzip opens its stream only when it is read: the head of an answer goes on
// before its body comes.
type gunzip struct {
	r io.Reader
	z *gzip.Reader
}

func (g *gunzip) Read(p []byte) (int, error) {
	if g.z == nil {
		z, err := gzip.NewReader(g.r)
		if err != nil {
			return 0, err
		}
		g.z = z
	}
	return g.z.Read(p)
}
