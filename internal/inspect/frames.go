package inspect

import (
	"io"

	"github.com/bailey-run/bailey/internal/gate"
	"github.com/bailey-run/bailey/internal/secret"
)

// frames is a connection after an upgrade to WebSocket, towards the server. What
// comes from there is masked; what goes there is looked into.
type frames struct {
	io.ReadWriteCloser
	in  io.Reader
	c   *conn
	e   *exchange
	out framing
}

func (f *frames) Read(p []byte) (int, error) { return f.in.Read(p) }

func (f *frames) Write(p []byte) (int, error) {
	safe, name := f.out.scan(p)
	if name == "" {
		return f.ReadWriteCloser.Write(p)
	}
	leak := f.c.leaks(name, "a WebSocket message")
	f.c.deny(gate.Denial{Op: "secret", Target: f.c.show(f.e), Rule: "secrets." + name, From: leak.from, Hint: leak.hint})
	n, err := f.ReadWriteCloser.Write(p[:safe])
	if err == nil {
		err = leak
	}
	return n, err
}

// framing follows the frames of a client (RFC 6455, 5.2), whose payload is
// disguised by a key that the frame names, so that it can be scanned. The
// payloads of one message's frames follow each other; control frames stand
// between them. Extensions, which could compress, were not agreed on.
type framing struct {
	data, control *secret.Scanner
	head          [14]byte
	have          int    // how much of the head was read
	left          uint64 // how much of the payload is to come
	key           [4]byte
	at            int
}

// scan returns how much of p can go on, and the name of a secret that it holds.
func (f *framing) scan(p []byte) (int, string) {
	var clear [512]byte
	for i := 0; i < len(p); {
		if f.left == 0 {
			f.head[f.have] = p[i]
			f.have++
			i++
			if f.have >= 2 && f.have == f.headLen() {
				f.begin()
			}
			continue
		}
		n := int(min(uint64(len(p)-i), f.left, uint64(len(clear))))
		for j := range n {
			clear[j] = p[i+j] ^ f.key[(f.at+j)&3]
		}
		scan := f.data
		if f.head[0]&0x08 != 0 {
			scan = f.control
		}
		if safe, name := scan.Scan(clear[:n]); name != "" {
			return i + safe, name
		}
		i += n
		f.at += n
		f.left -= uint64(n)
	}
	return len(p), ""
}

// headLen is the length of the head whose first two bytes are known.
func (f *framing) headLen() int {
	n := 2
	switch f.head[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if f.head[1]&0x80 != 0 {
		n += 4
	}
	return n
}

// begin starts the payload of a frame whose head is complete.
func (f *framing) begin() {
	n := f.headLen()
	size, end := uint64(f.head[1]&0x7f), n
	f.key = [4]byte{}
	if f.head[1]&0x80 != 0 {
		end -= 4
		copy(f.key[:], f.head[end:n])
	}
	if size >= 126 {
		size = 0
		for _, b := range f.head[2:end] {
			size = size<<8 | uint64(b)
		}
	}
	f.left, f.at, f.have = size, 0, 0
}
