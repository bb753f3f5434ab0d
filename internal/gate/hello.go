package gate

import (
	"encoding/binary"
	"errors"
)

// Sizes of a ClientHello. The largest of today's clients, with post-quantum keys
// and several session tickets, stay below 4 kB.
const (
	maxHello        = 32 << 10 // the message; beyond, denied
	maxRecord       = 16 << 10 // the plaintext of a record, RFC 8446 section 5.1
	maxHelloRecords = 64       // that it may be cut into; beyond, denied
)

// Numbers of TLS, from the IANA registry.
const (
	recordHandshake  = 22
	clientHello      = 1
	serverHello      = 2
	extServerName    = 0
	extESNI          = 0xffce // drafts of what became ECH
	extECHFirst      = 0xfe08
	extECH           = 0xfe0d // encrypted_client_hello, RFC 9849
	extECHOuter      = 0xfd00
	nameTypeHost     = 0
	recordHead       = 5
	handshakeHead    = 4
	helloRetryLength = handshakeHead + 2 + 32
)

var (
	errMore  = errors.New("more bytes are needed")
	errHello = errors.New("no well-formed TLS ClientHello")
)

// hello is what the gate wants of a ClientHello.
type hello struct {
	name string // server_name, as it was sent; "" without one
	ech  bool   // another hello is encrypted inside, or pretends to be (GREASE)
	size int    // bytes of the stream that it took
}

// parseHello reads the ClientHello at the start of a stream: strictly, because
// what a server might read otherwise would be another name. With errMore it wants
// to see more; it never wants more than maxHello and its record headers.
func parseHello(b []byte) (hello, error) {
	size, records, err := helloSize(b)
	if err != nil {
		return hello{}, err
	}
	msg := b[recordHead:size]
	if records > 1 {
		msg = make([]byte, 0, size)
		for rest := b[:size]; len(rest) > 0; {
			n := recordHead + int(binary.BigEndian.Uint16(rest[3:]))
			msg = append(msg, rest[recordHead:n]...)
			rest = rest[n:]
		}
	}
	h, ok := parseHelloBody(msg[handshakeHead:])
	if !ok {
		return hello{}, errHello
	}
	h.size = size
	return h, nil
}

// helloSize is how much of the stream a ClientHello takes, in how many records.
// What can be no hello is refused at its first wrong byte.
func helloSize(b []byte) (size, records int, err error) {
	var head [handshakeHead]byte
	have := 0 // bytes of the message
	for {
		rest := b[size:]
		if len(rest) > 0 && rest[0] != recordHandshake || len(rest) > 1 && rest[1] != 3 || records == maxHelloRecords {
			return 0, 0, errHello
		}
		if len(rest) < recordHead {
			return 0, 0, errMore
		}
		n := int(binary.BigEndian.Uint16(rest[3:]))
		if n == 0 || n > maxRecord {
			return 0, 0, errHello
		}
		here := rest[recordHead:min(len(rest), recordHead+n)]
		if have < handshakeHead {
			copy(head[have:], here)
		}
		if have+len(here) > 0 && head[0] != clientHello {
			return 0, 0, errHello
		}
		want := -1
		if have+len(here) >= handshakeHead {
			want = handshakeHead + (int(head[1])<<16 | int(head[2])<<8 | int(head[3]))
			if want > maxHello || have+n > want {
				return 0, 0, errHello // too large, or the record goes on with another message
			}
		}
		if len(here) < n {
			return 0, 0, errMore
		}
		have, size, records = have+n, size+recordHead+n, records+1
		if have == want {
			return size, records, nil
		}
	}
}

func parseHelloBody(b []byte) (h hello, ok bool) {
	s := cursor(b)
	s.skip(2 + 32) // version, random
	session := s.vector8()
	suites := s.vector16()
	methods := s.vector8()
	if s == nil || len(session) > 32 || len(suites) < 2 || len(suites)%2 != 0 || len(methods) < 1 {
		return h, false
	}
	if len(s) == 0 {
		return h, true // without extensions: no name
	}
	exts := s.vector16()
	if s == nil || len(s) != 0 {
		return h, false
	}
	var seen [1 << 16 / 64]uint64
	for len(exts) > 0 {
		typ := exts.uint16()
		data := exts.vector16()
		if exts == nil || seen[typ/64]&(1<<(typ%64)) != 0 {
			return h, false
		}
		seen[typ/64] |= 1 << (typ % 64)
		switch {
		case typ == extServerName:
			if h.name, ok = serverName(data); !ok {
				return h, false
			}
		case typ == extESNI, typ == extECHOuter, typ >= extECHFirst && typ <= extECH:
			h.ech = true
		}
	}
	return h, true
}

// serverName reads RFC 6066 section 3: a list, of which only one host name is
// anything that clients send.
func serverName(s cursor) (string, bool) {
	list := s.vector16()
	if s == nil || len(s) != 0 || len(list) == 0 || list[0] != nameTypeHost {
		return "", false
	}
	list.skip(1)
	name := list.vector16()
	if list == nil || len(list) != 0 || len(name) == 0 {
		return "", false
	}
	return string(name), true
}

// cursor reads a message. It is nil after the first read beyond the end, and then
// stays so; an empty one is not nil.
type cursor []byte

func (s *cursor) skip(n int) cursor {
	if *s == nil || len(*s) < n {
		*s = nil
		return nil
	}
	out := (*s)[:n:n]
	*s = (*s)[n:]
	return out
}

func (s *cursor) uint16() uint16 {
	b := s.skip(2)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint16(b)
}

func (s *cursor) vector8() cursor {
	b := s.skip(1)
	if b == nil {
		return nil
	}
	return s.skip(int(b[0]))
}

func (s *cursor) vector16() cursor {
	n := s.uint16()
	if *s == nil {
		return nil
	}
	return s.skip(int(n))
}

// isRetry says whether a server's first bytes are a HelloRetryRequest, after which
// the client sends a second ClientHello. With errMore it wants to see more.
func isRetry(b []byte) (bool, error) {
	if len(b) > 0 && b[0] != recordHandshake {
		return false, nil
	}
	if len(b) < recordHead {
		return false, errMore
	}
	n := int(binary.BigEndian.Uint16(b[3:]))
	if n < helloRetryLength {
		// A ServerHello in crumbs: no server does it, and it would hide a retry.
		return false, errors.New("the server's first record is too short")
	}
	if len(b) < recordHead+helloRetryLength {
		return false, errMore
	}
	m := b[recordHead:]
	return m[0] == serverHello && string(m[handshakeHead+2:helloRetryLength]) == retryRandom, nil
}

// retryRandom marks a HelloRetryRequest, RFC 8446 section 4.1.3.
const retryRandom = "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c"
