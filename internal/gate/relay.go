package gate

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// bufferSize is what one read takes. Buffers are held only while bytes are
	// there, so 500 idle connections hold none.
	bufferSize = 32 << 10
	// bulkAfter full reads in a row, the kernel moves the bytes itself (splice).
	bulkAfter = 4
	// bulkChunk is moved before counters are written and the slot is given to another.
	bulkChunk = 16 << 20
	// bulkPause without a byte gives the pipe of a splice back.
	bulkPause = time.Second
	// maxBulk splices run at once, each with a pipe of up to 1 MB, below the 64 MB
	// that the kernel gives a user by default (pipe-user-pages-soft). Beyond, bytes
	// are copied.
	maxBulk = 24
)

// relay is what the connections of a gate share.
type relay struct {
	buffers sync.Pool     // of *[bufferSize]byte
	bulk    chan struct{} // maxBulk
	spliced atomic.Int64  // bytes that the kernel moved, for tests
}

func newRelay() *relay {
	r := &relay{bulk: make(chan struct{}, maxBulk)}
	r.buffers.New = func() any { return new([bufferSize]byte) }
	return r
}

// errBudget is the end of a byte budget.
var errBudget = errors.New("the byte budget is spent")

// writeError is an error of the receiving end. What that end still has to say is
// passed on before the connection ends: a server that refuses an upload answers
// and closes while the client still sends.
type writeError struct{ error }

func (e *writeError) Unwrap() error { return e.error }

// direction counts the bytes of one direction of a connection.
type direction struct {
	n       *atomic.Int64
	budgets []*atomic.Int64 // what is left, shared by all connections of a rule
	active  *atomic.Int64   // when the last byte moved, in nanoseconds since start
	start   time.Time
}

// take reserves up to want bytes.
func (d *direction) take(want int64) int64 {
	for _, b := range d.budgets {
		for {
			left := b.Load()
			if left <= 0 {
				want = 0
				break
			}
			n := min(want, left)
			if b.CompareAndSwap(left, left-n) {
				if n < want {
					d.giveBack(want-n, b)
				}
				want = n
				break
			}
		}
		if want == 0 {
			break
		}
	}
	return want
}

// giveBack returns bytes to the budgets before the one given, or to all.
func (d *direction) giveBack(n int64, before *atomic.Int64) {
	for _, b := range d.budgets {
		if b == before {
			return
		}
		b.Add(n)
	}
}

func (d *direction) moved(n int64) {
	if n > 0 {
		d.n.Add(n)
		d.active.Store(int64(time.Since(d.start)))
	}
}

// write sends bytes that were read already.
func (d *direction) write(dst net.Conn, b []byte) error {
	for len(b) > 0 {
		n := d.take(int64(len(b)))
		if n == 0 {
			return errBudget
		}
		m, err := dst.Write(b[:n])
		d.moved(int64(m))
		if err != nil {
			return &writeError{err}
		}
		b = b[n:]
	}
	return nil
}

// copy moves bytes from src to dst until the end of src (io.EOF as nil), or until
// limit bytes were moved when it is not negative; fewer are io.ErrUnexpectedEOF.
func (r *relay) copy(dst, src net.Conn, d *direction, limit int64) error {
	from, _ := src.(*net.TCPConn)
	to, _ := dst.(*net.TCPConn)
	reader := newReadyReader(src, r)
	full := 0
	for limit != 0 {
		if full >= bulkAfter && from != nil && to != nil && len(d.budgets) == 0 {
			select {
			case r.bulk <- struct{}{}:
				n, end, err := r.splice(to, from, d, limit)
				<-r.bulk
				if limit > 0 {
					limit -= n
				}
				if err != nil || end {
					return ended(err, limit)
				}
				if n < bulkChunk/64 {
					full = 0 // the bulk is over
				}
				continue
			default:
				full = 0
			}
		}
		n, err := reader.move(dst, d, limit)
		if limit > 0 {
			limit -= int64(n)
		}
		if err == io.EOF {
			return ended(nil, limit)
		}
		if err != nil {
			return err
		}
		if n == bufferSize {
			full++
		} else {
			full = 0
		}
	}
	return nil
}

func ended(err error, left int64) error {
	if err == nil && left > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

// splice moves up to a chunk, without a budget, inside the kernel. It returns early when src has been
// silent for a moment, and tells when src has ended.
func (r *relay) splice(dst, src *net.TCPConn, d *direction, limit int64) (n int64, end bool, err error) {
	want := int64(bulkChunk)
	if limit > 0 {
		want = min(want, limit)
	}
	src.SetReadDeadline(time.Now().Add(bulkPause))
	n, err = dst.ReadFrom(&io.LimitedReader{R: src, N: want})
	src.SetReadDeadline(time.Time{})
	d.moved(n)
	r.spliced.Add(n)
	if errors.Is(err, syscall.EPIPE) {
		err = &writeError{err}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		// Only reads have a deadline, and what was read has been written.
		return n, false, nil
	}
	return n, err == nil && n < want, err
}

// both relays a connection in both directions until both have ended. An end of one
// direction is passed on; an error ends both.
func (r *relay) both(client, server net.Conn, up, down *direction) error {
	done := make(chan error, 1)
	go func() { done <- r.oneWay(client, server, down) }()
	err := r.oneWay(server, client, up)
	if other := <-done; err == nil || errors.Is(err, net.ErrClosed) {
		err = other
	}
	return err
}

// oneWay copies and passes the end on. A connection that broke ends both, at once
// or when its other direction has noticed too.
func (r *relay) oneWay(dst, src net.Conn, d *direction) error {
	err := r.copy(dst, src, d, -1)
	if err != nil {
		broken(dst, src, err)
		return err
	}
	closeWrite(dst)
	return nil
}

// broken ends a pair of connections after an error of copying from src to dst.
func broken(dst, src net.Conn, err error) {
	if w := (*writeError)(nil); errors.As(err, &w) {
		return // reading from dst ends by itself
	}
	if op := (*net.OpError)(nil); errors.Is(err, syscall.ECONNRESET) && errors.As(err, &op) && (op.Op == "readfrom" || op.Op == "splice") {
		// A splice does not say which of the two was reset. If it was src, dst has
		// nothing left to do.
		dst.SetReadDeadline(time.Now().Add(farewellTime))
		return
	}
	reset(src)
	reset(dst)
}

// closeWrite passes an end on, where the connection can end one direction alone.
func closeWrite(c net.Conn) {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		h.CloseWrite()
	} else {
		c.Close()
	}
}

// reset closes a connection so that its peer sees an error and not an end.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	c.Close()
}
