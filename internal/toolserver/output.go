package toolserver

import (
	"fmt"
	"strings"
	"sync"
)

// maxShown is how much of an output a result holds, in bytes: some ten thousand
// words of a model's context. Of a longer one the beginning and the end are kept.
const maxShown = 48 << 10

// output keeps the beginning and the end of what is written to it.
type output struct {
	mu    sync.Mutex // guards what follows
	head  []byte
	tail  []byte // a ring once it is full
	next  int    // where the ring goes on
	total int64
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(b)
	o.total += int64(n)
	k := min(maxShown/2-len(o.head), len(b))
	o.head = append(o.head, b[:k]...)
	b = b[k:]
	if len(b) > maxShown/2 {
		b = b[len(b)-maxShown/2:]
	}
	for len(b) > 0 {
		if len(o.tail) < maxShown/2 {
			k := min(maxShown/2-len(o.tail), len(b))
			o.tail = append(o.tail, b[:k]...)
			b = b[k:]
			continue
		}
		k := copy(o.tail[o.next:], b)
		o.next = (o.next + k) % len(o.tail)
		b = b[k:]
	}
	return n, nil
}

func (o *output) size() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.total
}

// text is what was kept, as UTF-8.
func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	tail := string(o.tail[o.next:]) + string(o.tail[:o.next])
	left := o.total - int64(len(o.head)) - int64(len(tail))
	if left == 0 {
		return valid(string(o.head) + tail)
	}
	return valid(string(o.head)) + fmt.Sprintf("\n[… %d bytes left out …]\n", left) + valid(tail)
}

// valid replaces what is no UTF-8, which JSON cannot hold.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
