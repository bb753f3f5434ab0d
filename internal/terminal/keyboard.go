//go:build unix

package terminal

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// patience is how often a terminal that is somebody else's for the moment is
// looked at again.
const patience = 100 * time.Millisecond

// Is reports whether f is a terminal.
func Is(f *os.File) bool { return f != nil && term.IsTerminal(int(f.Fd())) }

// Keyboard reads what the person types, without taking it from anybody else: not
// while bailey is a background job, which would be stopped for it, and not while
// another program of the pipeline, such as a pager, has put the terminal into a
// mode of its own.
type Keyboard struct {
	f       *os.File
	wantRaw bool

	reading sync.Mutex // held while a key is read, and while a question has the keys

	mu    sync.Mutex  // guards saved
	saved *term.State // not nil while the terminal is in raw mode
	done  bool        // Restore was called for good
}

// NewKeyboard returns a keyboard on the terminal f. With raw, every key goes to
// the reader (Ctrl-C too) until Restore; otherwise whole lines do.
func NewKeyboard(f *os.File, raw bool) *Keyboard {
	k := &Keyboard{f: f, wantRaw: raw}
	k.enter()
	return k
}

// enter puts the terminal into raw mode if that is wanted and it is ours.
func (k *Keyboard) enter() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.wantRaw && !k.done && k.saved == nil && k.Foreground() {
		k.saved, _ = term.MakeRaw(int(k.f.Fd()))
	}
}

// Foreground says whether bailey's job is the terminal's foreground job. When the
// terminal is not the controlling one there are no jobs.
func (k *Keyboard) Foreground() bool {
	pgrp, err := unix.IoctlGetInt(int(k.f.Fd()), unix.TIOCGPGRP)
	return err != nil || pgrp == unix.Getpgrp()
}

// ours says whether the next key may be read.
func (k *Keyboard) ours() bool {
	if !k.Foreground() {
		return false
	}
	k.enter()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.done {
		return false
	}
	if k.saved != nil {
		return true
	}
	t, err := unix.IoctlGetTermios(int(k.f.Fd()), getTermios)
	return err == nil && t.Lflag&unix.ICANON != 0
}

// Read waits for what is typed.
func (k *Keyboard) Read(p []byte) (int, error) {
	fds := []unix.PollFd{{Fd: int32(k.f.Fd()), Events: unix.POLLIN}}
	for {
		if !k.ours() {
			time.Sleep(patience)
			continue
		}
		n, err := unix.Poll(fds, int(10*patience/time.Millisecond))
		if errors.Is(err, unix.EINTR) || err == nil && n == 0 {
			continue
		}
		if err != nil {
			return 0, err
		}
		k.reading.Lock()
		if !k.ours() { // another program may have taken it while we waited
			k.reading.Unlock()
			continue
		}
		// It may have been for a question that was shown meanwhile. A signal fails this
		// look too: to read then would be to wait, with what the next question needs.
		if n, _ := unix.Poll(fds, 0); n <= 0 {
			k.reading.Unlock()
			continue
		}
		n, err = unix.Read(int(k.f.Fd()), p)
		k.reading.Unlock()
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
			continue
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// Restore gives the terminal back as it was found. What is in its input queue,
// late answers to a box that is gone, is thrown away, so that it does not arrive
// at the shell as if it had been typed. It may be called more than once.
func (k *Keyboard) Restore() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.done = true
	k.leave(true)
}

func (k *Keyboard) leave(flush bool) {
	if k.saved == nil {
		return
	}
	if k.Foreground() { // else changing the terminal would stop us, and it is not ours
		if flush {
			flushInput(int(k.f.Fd()))
		}
		term.Restore(int(k.f.Fd()), k.saved)
	}
	k.saved = nil
}

// Suspend stops bailey as the shell's job control does, with the terminal given
// back, and returns when it is continued.
func (k *Keyboard) Suspend() {
	k.mu.Lock()
	k.leave(false)
	k.mu.Unlock()
	unix.Kill(unix.Getpid(), unix.SIGSTOP)
	k.enter()
}

// Size returns the terminal's size; 0, 0 when it has none.
func Size(f *os.File) (rows, cols uint16) {
	ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0
	}
	return ws.Row, ws.Col
}

// SetSize tells the programs on a terminal its new size.
func SetSize(f *os.File, rows, cols uint16) error {
	return control(f, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	})
}

// MakePassive stops a terminal from echoing what is typed into it and from
// translating line ends: for when the person's terminal does so already.
func MakePassive(f *os.File) error {
	return control(f, func(fd int) error {
		t, err := unix.IoctlGetTermios(fd, getTermios)
		if err != nil {
			return err
		}
		t.Lflag &^= unix.ECHO
		t.Oflag &^= unix.OPOST
		return unix.IoctlSetTermios(fd, setTermios, t)
	})
}

// Pollable returns f as a file whose reads end when it is closed, and closes f.
func Pollable(f *os.File) (*os.File, error) {
	defer f.Close()
	var out *os.File
	err := control(f, func(fd int) error {
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return err
		}
		if err := unix.SetNonblock(dup, true); err != nil {
			unix.Close(dup)
			return err
		}
		out = os.NewFile(uintptr(dup), f.Name())
		return nil
	})
	return out, err
}

func control(f *os.File, do func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := conn.Control(func(fd uintptr) { inner = do(int(fd)) }); err != nil {
		return err
	}
	return inner
}
