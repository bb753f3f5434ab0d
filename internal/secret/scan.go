package secret

import "io"

// Scanner finds secrets and placeholders in a stream. It keeps a state and not
// the stream, so it costs the same for a gigabyte. It sees a text however the
// stream is cut into pieces; as it is, inside base64, in hexadecimal, escaped;
// and with line breaks in between or percent signs for some of its bytes. It
// does not see what was encrypted or compressed, or changed in another way.
type Scanner struct {
	w      *watch
	plain  int32 // state after the stream as it is
	folded int32 // state after the stream without line breaks and percent signs

	percent int  // how many bytes of an escape were read: 0, 1 or 2
	high    byte // its first digit
}

// Reader returns a reader of r that breaks off with a *LeakError before a secret is
// complete. For a plain connection that cannot be looked into otherwise; it costs
// the relay its splice.
func (s *Scanner) Reader(r io.Reader) io.Reader {
	if s.w == nil {
		return r
	}
	return &scanReader{r: r, s: s}
}

// LeakError says that a stream held a secret or its placeholder.
type LeakError struct{ Name string }

func (e *LeakError) Error() string {
	return "the stream holds the secret " + e.Name + " or its placeholder"
}

type scanReader struct {
	r   io.Reader
	s   *Scanner
	err error
}

func (r *scanReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.r.Read(p)
	safe, name := r.s.Scan(p[:n])
	if name != "" {
		clear(p[safe:n])
		n, err = safe, &LeakError{name}
	}
	r.err = err
	return n, err
}

// watch is what scanners look for.
type watch struct {
	machine  *machine
	patterns []pattern
	names    []string // of the secrets, by owner
}

// Scan reads the next piece of the stream. It returns the name of the first
// secret that is found in it, or "", and how many bytes of the piece can go on:
// all, or those before the byte that makes the secret complete.
func (s *Scanner) Scan(p []byte) (safe int, name string) {
	if s.w == nil {
		return len(p), ""
	}
	m := s.w.machine
	for i, c := range p {
		if s.plain != 0 || m.root[c] != 0 {
			s.plain = m.step(s.plain, c)
			if out := m.nodes[s.plain].out; out != 0 {
				return i, s.w.name(out)
			}
		}
		if s.percent == 0 && s.folded == 0 && c != '%' && m.root[c] == 0 {
			continue
		}
		if s.fold(c) {
			return i, s.w.name(m.nodes[s.folded].out)
		}
	}
	return len(p), ""
}

func (w *watch) name(out int32) string { return w.names[w.patterns[out-1].owner] }

// fold takes a byte into the folded stream and says whether a secret is complete.
func (s *Scanner) fold(c byte) bool {
	switch s.percent {
	case 1:
		if unhex(c) < 16 {
			s.high, s.percent = c, 2
			return false
		}
		s.percent = 0
		if s.feed('%') {
			return true
		}
	case 2:
		s.percent = 0
		if low := unhex(c); low < 16 {
			return s.feed(unhex(s.high)<<4 | low)
		}
		if s.feed('%') || s.feed(s.high) {
			return true
		}
	}
	switch c {
	case '%':
		s.percent = 1
		return false
	case '\r', '\n':
		return false
	}
	return s.feed(c)
}

func (s *Scanner) feed(c byte) bool {
	s.folded = s.w.machine.step(s.folded, c)
	return s.w.machine.nodes[s.folded].out != 0
}

// unhex is the value of a hexadecimal digit, or 16.
func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}
