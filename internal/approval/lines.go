package approval

import (
	"bufio"
	"context"
	"io"
	"strings"
	"sync"
)

// Lines is a stage that writes questions to out and reads the keys as lines from
// in. At the end of in nobody can be asked.
func Lines(in io.Reader, out io.Writer) Stage { return &lines{in: in, out: out} }

type lines struct {
	in    io.Reader
	out   io.Writer
	start sync.Once

	mu   sync.Mutex
	over bool
	keys chan string // of the prompt that is shown; nil: lines are dropped
}

// maxLine is the longest line that is read as an answer; a longer one is the end.
const maxLine = 2 * maxNote

// Enter is Stage's.
func (l *lines) Enter(context.Context) (Show, error) {
	l.mu.Lock()
	l.keys = make(chan string, 1)
	if l.over {
		close(l.keys)
	}
	l.mu.Unlock()
	l.start.Do(func() { go l.read() })
	return l, nil
}

// Draw is Show's.
func (l *lines) Draw(text string) {
	l.mu.Lock()
	if !l.over {
		select { // what was typed before it was shown does not answer it
		case <-l.keys:
		default:
		}
	}
	l.mu.Unlock()
	io.WriteString(l.out, text)
}

// Size is Show's.
func (l *lines) Size() (rows, cols int) { return 0, 0 }

// Keys is Show's.
func (l *lines) Keys() <-chan string { return l.keys }

// Leave is Show's.
func (l *lines) Leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys = nil
	io.WriteString(l.out, "\n")
}

// read hands lines to the prompt that is shown.
func (l *lines) read() {
	s := bufio.NewScanner(l.in)
	s.Buffer(nil, maxLine)
	for s.Scan() {
		key := strings.TrimSpace(s.Text())
		l.mu.Lock()
		select {
		case l.keys <- key:
		default:
		}
		l.mu.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	if l.keys != nil {
		close(l.keys)
	}
}
