//go:build linux

package probe

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// screen is the outer terminal of a box: what a person would see, and what a
// program that reads the keyboard would get.
type screen struct {
	master, slave *os.File

	mu  sync.Mutex
	out bytes.Buffer
	in  []byte // what typed has read
}

// maxScreen bounds what is kept of a terminal's output.
const maxScreen = 4 << 20

// openPTY opens a new pair of terminals.
func openPTY() (master, slave *os.File, err error) {
	m, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open /dev/ptmx: %w", err)
	}
	n, err := unix.IoctlGetInt(m, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(m, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		unix.Close(m)
		return nil, nil, fmt.Errorf("unlock a terminal: %w", err)
	}
	s, err := unix.Open("/dev/pts/"+strconv.Itoa(n), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		unix.Close(m)
		return nil, nil, fmt.Errorf("open a terminal: %w", err)
	}
	return os.NewFile(uintptr(m), "terminal"), os.NewFile(uintptr(s), "terminal"), nil
}

// terminal starts the box on a terminal of its own.
func (b *box) terminal(h *host) error {
	m, s, err := openPTY()
	if err != nil {
		return err
	}
	unix.IoctlSetWinsize(int(m.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
	b.screen = &screen{master: m, slave: s}
	h.screen = b.screen
	c := b.cmd
	c.Env = append(c.Env, "TERM=xterm-256color")
	c.Stdin, c.Stdout, c.Stderr = s, s, s
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.Start(); err != nil {
		return &StartError{What: "the sandbox does not start: " + err.Error()}
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	go b.listen(r)
	go func() {
		// The host keeps the terminal open itself, so its end is the end of the command.
		buf := make([]byte, 16<<10)
		for {
			n, err := m.Read(buf)
			b.screen.note(buf[:n])
			w.Write(buf[:n])
			if err != nil {
				break
			}
		}
		w.Close()
	}()
	go func() {
		b.watch()
		time.Sleep(50 * time.Millisecond) // the rest of the output
		w.Close()
	}()
	return nil
}

func (s *screen) note(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out.Len() < maxScreen {
		s.out.Write(b)
	}
}

// shows says whether a byte sequence reached the terminal.
func (s *screen) shows(what []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Contains(s.out.Bytes(), what)
}

// typed is what lies in the terminal's input as if a person had typed it.
func (s *screen) typed() []byte {
	fd := int(s.slave.Fd())
	if t, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil {
		t.Lflag &^= unix.ICANON | unix.ECHO
		t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 0, 1
		unix.IoctlSetTermios(fd, unix.TCSETS, t)
	}
	unix.SetNonblock(fd, true)
	buf := make([]byte, 4096)
	for range 16 {
		n, err := unix.Read(fd, buf)
		if n <= 0 || err != nil {
			break
		}
		s.in = append(s.in, buf[:n]...)
	}
	return s.in
}

func (s *screen) close() {}
