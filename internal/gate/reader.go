package gate

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// smallHead is what every connection may hold while its head is read.
	smallHead = 4 << 10
	// maxHeads is what all connections together may hold beyond that: the head of a
	// connection that needs more when it is spent is denied.
	maxHeads = 8 << 20
)

var errHeads = errors.New("too many large heads are held")

// reader holds the bytes of a connection that were read and not yet passed on.
type reader struct {
	net.Conn
	g   *Gate
	buf []byte // unread bytes
	big int    // accounted in g.heads
	// once says that only one request may come: a proxy's client may mean another host
	// with the next.
	once bool

	// mu is for Read and release: an inspector's HTTP server may still read in the
	// background when the flow ends. Until then one goroutine has the reader.
	mu sync.Mutex
}

func newReader(c net.Conn, g *Gate) *reader { return &reader{Conn: c, g: g} }

// fill reads more. It returns io.ErrUnexpectedEOF when the end comes inside a head.
func (r *reader) fill() error {
	if len(r.buf) == cap(r.buf) {
		size := max(smallHead, 2*cap(r.buf))
		if more := size - smallHead - r.big; more > 0 {
			if r.g.heads.Add(int64(more)) > maxHeads {
				r.g.heads.Add(int64(-more))
				return errHeads
			}
			r.big += more
		}
		r.buf = append(make([]byte, 0, size), r.buf...)
	}
	n, err := r.Conn.Read(r.buf[len(r.buf):cap(r.buf)])
	r.buf = r.buf[:len(r.buf)+n]
	if n > 0 {
		return nil
	}
	if err == io.EOF && len(r.buf) > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

// release gives the buffer up; what was in it must have been used.
func (r *reader) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop()
}

func (r *reader) drop() {
	r.g.heads.Add(int64(-r.big))
	r.buf, r.big = nil, 0
}

// skip takes n bytes off the front.
func (r *reader) skip(n int) {
	if r.buf = r.buf[n:]; len(r.buf) == 0 {
		r.drop()
	}
}

// Read gives the held bytes first.
func (r *reader) Read(b []byte) (int, error) {
	r.mu.Lock()
	if len(r.buf) > 0 {
		n := copy(b, r.buf)
		r.skip(n)
		r.mu.Unlock()
		return n, nil
	}
	r.mu.Unlock()
	return r.Conn.Read(b)
}

// CloseWrite ends the direction to the peer, where the connection can.
func (r *reader) CloseWrite() error {
	if c, ok := r.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return r.Conn.Close()
}

// want reads until parse is content.
func want[T any](r *reader, parse func([]byte) (T, error)) (T, error) {
	for {
		if len(r.buf) > 0 {
			v, err := parse(r.buf)
			if err != errMore {
				return v, err
			}
		}
		if err := r.fill(); err != nil {
			var zero T
			return zero, err
		}
	}
}

// deadline bounds the reading of a head.
func (r *reader) deadline(d time.Duration) { r.Conn.SetReadDeadline(time.Now().Add(d)) }

func noDeadline() time.Time { return time.Time{} }
