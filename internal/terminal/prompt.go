//go:build unix

package terminal

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// settle is how long keys are dropped after something new was drawn: what was on
// its way to the command must not answer a question that nobody has read.
const settle = 300 * time.Millisecond

// Prompt shows bailey's own questions on the person's terminal while a box runs.
// As long as one is shown the box neither draws there nor gets the keys, and
// afterwards the screen is as it was before.
type Prompt struct {
	// TTY is the terminal, to write to and, where Keys is nil, to read from.
	TTY *os.File
	// Filter is what the box's output goes through; nil where none of it goes to the
	// terminal through this process.
	Filter *Filter
	// Keys is what reads keys for the box; nil where it has none.
	Keys *Keyboard
	// Redraw makes a full-screen program draw anew; nil does nothing.
	Redraw func()
	// Plain is for a terminal without a second screen: questions stay in sight.
	Plain bool
}

// Shown is a prompt that has the terminal.
type Shown struct {
	p      *Prompt
	leave  []byte
	redraw bool
	back   func() // gives the keys back
	cancel context.CancelFunc
	done   chan struct{}
	keys   chan string

	mu    sync.Mutex
	drawn time.Time
}

// Enter takes the terminal, waiting until bailey's job is in the foreground.
func (p *Prompt) Enter(ctx context.Context) (*Shown, error) {
	k := p.Keys
	if k == nil {
		k = &Keyboard{f: p.TTY}
	}
	for !k.Foreground() {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(patience):
		}
	}
	s := &Shown{p: p, done: make(chan struct{}), keys: make(chan string, 1)}
	if p.Filter != nil {
		var enter []byte
		enter, s.leave, s.redraw = p.Filter.hold()
		if p.Plain {
			enter, s.leave, s.redraw = []byte("\n"), []byte("\n"), false
		}
		p.TTY.Write(enter)
	} else if p.Plain {
		s.leave = []byte("\n")
	} else {
		p.TTY.WriteString("\x1b7\x1b[?1049h\x1b[0m")
		s.leave = []byte("\x1b[2J\x1b[H\x1b[?1049l\x1b8")
	}
	k.reading.Lock()
	undo := k.single()
	s.back = func() {
		undo()
		k.reading.Unlock()
	}
	ctx, s.cancel = context.WithCancel(ctx)
	go s.read(ctx, k)
	return s, nil
}

// single makes a terminal give key by key without showing them, and returns what
// takes that back. Ctrl-C stays what it was.
func (k *Keyboard) single() (undo func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	fd := int(k.f.Fd())
	t, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil || k.saved != nil {
		return func() {}
	}
	was := *t
	t.Lflag &^= unix.ICANON | unix.ECHO
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	unix.IoctlSetTermios(fd, setTermios, t)
	return func() {
		if k.Foreground() {
			unix.IoctlSetTermios(fd, setTermios, &was)
		}
	}
}

// read hands out what is typed.
func (s *Shown) read(ctx context.Context, k *Keyboard) {
	defer close(s.done)
	defer close(s.keys)
	fd := int(k.f.Fd())
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	buf := make([]byte, 256)
	for ctx.Err() == nil {
		if !k.Foreground() {
			time.Sleep(patience)
			continue
		}
		n, err := unix.Poll(fds, int(patience/time.Millisecond))
		if errors.Is(err, unix.EINTR) || err == nil && n == 0 {
			continue
		}
		if err == nil {
			n, err = unix.Read(fd, buf)
		}
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
			continue
		}
		if err != nil || n <= 0 {
			return
		}
		s.mu.Lock()
		early := s.drawn.IsZero() || time.Since(s.drawn) < settle
		s.mu.Unlock()
		if early {
			continue
		}
		select {
		case s.keys <- string(buf[:n]):
		case <-ctx.Done():
		}
	}
}

// Draw puts text in place of what was drawn before.
func (s *Shown) Draw(text string) {
	if !s.p.Plain {
		text = "\x1b[2J\x1b[H" + text
	}
	s.p.TTY.WriteString(strings.ReplaceAll(text, "\n", "\r\n"))
	s.mu.Lock()
	s.drawn = time.Now()
	s.mu.Unlock()
}

// Size is how much fits on the terminal.
func (s *Shown) Size() (rows, cols int) {
	cols, rows, err := term.GetSize(int(s.p.TTY.Fd()))
	if err != nil || rows <= 0 || cols <= 0 {
		return 24, 80
	}
	return rows, cols
}

// Keys are what is typed, as it is read.
func (s *Shown) Keys() <-chan string { return s.keys }

// Leave gives the terminal back as it was.
func (s *Shown) Leave() {
	s.cancel()
	<-s.done
	s.p.TTY.Write(s.leave)
	s.back()
	if s.p.Filter != nil {
		s.p.Filter.release()
	}
	if s.redraw && s.p.Redraw != nil {
		s.p.Redraw()
	}
}
