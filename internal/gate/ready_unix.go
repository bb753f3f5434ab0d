//go:build unix

package gate

import (
	"io"
	"net"
	"os"
	"syscall"
)

// readyReader reads without holding a buffer while there is nothing to read.
type readyReader struct {
	src   net.Conn
	relay *relay
	raw   syscall.RawConn // nil: src is read as any reader
	once  func(uintptr) bool
	buf   *[bufferSize]byte
	max   int
	n     int
	err   error
}

func newReadyReader(src net.Conn, r *relay) *readyReader {
	rd := &readyReader{src: src, relay: r}
	if c, ok := src.(*net.TCPConn); ok {
		rd.raw, _ = c.SyscallConn()
		rd.once = rd.try
	}
	return rd
}

// move moves what one read gives, at most limit bytes when it is not negative.
func (rd *readyReader) move(dst net.Conn, d *direction, limit int64) (int, error) {
	rd.max = bufferSize
	if limit >= 0 {
		rd.max = int(min(limit, bufferSize))
	}
	if rd.raw == nil {
		rd.buf = rd.relay.buffers.Get().(*[bufferSize]byte)
		rd.n, rd.err = rd.src.Read(rd.buf[:rd.max])
	} else if err := rd.raw.Read(rd.once); err != nil {
		return 0, err
	}
	if rd.buf == nil {
		return 0, rd.err
	}
	defer func() {
		rd.relay.buffers.Put(rd.buf)
		rd.buf = nil
	}()
	if rd.n > 0 {
		if err := d.write(dst, rd.buf[:rd.n]); err != nil {
			return 0, err
		}
	}
	return rd.n, rd.err
}

// try is one read; false waits until there is something.
func (rd *readyReader) try(fd uintptr) bool {
	rd.buf = rd.relay.buffers.Get().(*[bufferSize]byte)
	for {
		rd.n, rd.err = syscall.Read(int(fd), rd.buf[:rd.max])
		switch {
		case rd.err == syscall.EINTR:
			continue
		case rd.err == syscall.EAGAIN:
			rd.relay.buffers.Put(rd.buf)
			rd.buf = nil
			return false
		case rd.err != nil:
			rd.n, rd.err = 0, os.NewSyscallError("read", rd.err)
		case rd.n == 0:
			rd.err = io.EOF
		}
		return true
	}
}
