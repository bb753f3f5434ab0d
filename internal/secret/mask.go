package secret

import (
	"io"
	"time"
)

// Masker replaces secrets in a stream by their placeholders, byte for byte, so
// that nothing changes its length. It holds back only bytes that may be the
// beginning of a secret and would tell something of it: a stream that pauses is
// passed on to its last byte otherwise.
type Masker struct {
	w     *watch
	state int32
	buf   []byte // what the last call returned, and what it held back
	at    int    // where that begins
	done  int    // up to where a secret was replaced
}

// Mask takes the next piece and returns what can go on. The result is valid
// until the next call.
func (m *Masker) Mask(p []byte) []byte {
	if m.w == nil {
		return p
	}
	was := copy(m.buf, m.buf[m.at:])
	m.done = max(0, m.done-m.at)
	m.buf = append(m.buf[:was], p...)
	a := m.w.machine
	for i := was; i < len(m.buf); i++ {
		c := m.buf[i]
		if m.state == 0 && a.root[c] == 0 {
			continue
		}
		m.state = a.step(m.state, c)
		if out := a.nodes[m.state].out; out != 0 {
			mask := m.w.patterns[out-1].mask
			// What went on already agrees with mask, or was released.
			if from := i + 1 - len(mask); from < 0 {
				copy(m.buf, mask[-from:])
			} else {
				copy(m.buf[from:], mask)
			}
			m.done = i + 1
		}
	}
	m.at = len(m.buf) - min(int(a.nodes[m.state].hold), len(m.buf))
	return m.buf[:m.at]
}

// End returns what was held back when the stream is over. It was the beginning
// of a secret and not the whole; a long one is masked all the same, so that a
// server cannot be asked for all but the last byte.
func (m *Masker) End() []byte {
	out := m.buf[m.at:]
	if begun := m.buf[max(m.at, m.done):]; len(begun) >= minValue {
		for i := range begun {
			begun[i] = '*'
		}
	}
	m.buf, m.at, m.done, m.state = nil, 0, 0, 0
	return out
}

// Text masks a whole text, such as the value of a header.
func (m *Masker) Text(s string) string {
	if m.w == nil {
		return s
	}
	one := Masker{w: m.w}
	head := string(one.Mask([]byte(s)))
	return head + string(one.End())
}

// release lets go what is held back when it is so little that it hardly tells
// anything. What follows of a secret is masked all the same.
func (m *Masker) release() []byte {
	out := m.buf[m.at:]
	if len(out) > maxRelease {
		return nil
	}
	m.at = len(m.buf)
	return out
}

const (
	// maskBuffer is how much is read at once, in bytes, for one stream.
	maskBuffer = 32 << 10
	// maxRelease is how many bytes at the front of a secret a stream that pauses
	// may show. A message that ends like a secret begins must not wait for the
	// next one: both sides may wait for each other. More than that does not
	// happen by chance.
	maxRelease = 3
	// releaseTime is how long a stream pauses before that.
	releaseTime = 100 * time.Millisecond
)

// maskReader masks what it reads.
type maskReader struct {
	r       io.Reader
	m       *Masker
	buf     []byte
	out     []byte
	pending chan read // a read that is under way, while bytes are held back
	err     error
	over    bool
}

type read struct {
	n   int
	err error
}

// Reader returns a reader of r with the secrets masked.
func (m *Masker) Reader(r io.Reader) io.Reader {
	if m.w == nil {
		return r
	}
	return &maskReader{r: r, m: m, buf: make([]byte, maskBuffer)}
}

func (r *maskReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(r.out) == 0 {
		if r.err != nil {
			if r.over {
				return 0, r.err
			}
			r.over = true
			r.out = r.m.End()
			continue
		}
		n, released, err := r.next()
		if released != nil {
			r.out = released
			continue
		}
		r.out, r.err = r.m.Mask(r.buf[:n]), err
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}

// next reads more, or returns what was held back when there is nothing more for
// a while.
func (r *maskReader) next() (n int, released []byte, err error) {
	held := len(r.m.buf) - r.m.at
	if r.pending == nil {
		if held == 0 {
			n, err = r.r.Read(r.buf)
			return n, nil, err
		}
		r.pending = make(chan read, 1)
		go func(done chan<- read) {
			n, err := r.r.Read(r.buf)
			done <- read{n, err}
		}(r.pending)
	}
	if held > 0 {
		pause := time.NewTimer(releaseTime)
		defer pause.Stop()
		select {
		case got := <-r.pending:
			r.pending = nil
			return got.n, nil, got.err
		case <-pause.C:
			if out := r.m.release(); out != nil {
				return 0, out, nil
			}
		}
	}
	got := <-r.pending
	r.pending = nil
	return got.n, nil, got.err
}
