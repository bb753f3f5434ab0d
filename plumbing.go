package bailey

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/bailey-run/bailey/internal/linux"
	"github.com/bailey-run/bailey/internal/terminal"
)

// plumbing connects a command's three streams: its own ends of pipes, and the
// goroutines that copy.
type plumbing struct {
	child  []io.Closer       // the command's ends, closed here once it has them
	parent []io.Closer       // our ends, closed when all is done
	copies []func() error    // started with the command; Wait waits for them
	feed   *feed             // copies an input that may never end; nil for none
	keys   *feed             // the same for what is typed into the terminal
	user   []io.Closer       // the caller's ends of pipes made by StdinPipe and so on
	own    map[*os.File]bool // our ends that outPipe made
	errs   chan error
	stop   chan struct{} // closed when nobody waits for output any more
	term   *os.File      // the outer end of the command's terminal
}

// setUp chooses what the command gets as descriptors 0, 1 and 2.
func (p *plumbing) setUp(c *Cmd, lc *linux.Command, m *meter, walled bool) error {
	p.stop = make(chan struct{})
	if c.TTY != nil {
		if !walled {
			return &UnsupportedError{Feature: "a terminal of its own", Need: "a box with walls", Have: "mode " + string(DangerFullAccess)}
		}
		lc.TTY = [3]bool{c.TTY.Stdin, c.TTY.Stdout, c.TTY.Stderr}
		lc.Rows, lc.Cols = c.TTY.Rows, c.TTY.Cols
	}
	if !lc.TTY[0] {
		if err := p.stdin(c, lc, walled); err != nil {
			return err
		}
	}
	if !lc.TTY[1] {
		f, err := p.output(c, c.Stdout, m, walled)
		if err != nil {
			return err
		}
		lc.Stdout = f
	}
	if !lc.TTY[2] {
		if c.Stderr != nil && !lc.TTY[1] && sameStream(c.Stdout, c.Stderr) {
			lc.Stderr = lc.Stdout
			return nil
		}
		f, err := p.output(c, c.Stderr, m, walled)
		if err != nil {
			return err
		}
		lc.Stderr = f
	}
	if c.TTY != nil {
		p.terminal(c, m)
	}
	return nil
}

func (p *plumbing) stdin(c *Cmd, lc *linux.Command, walled bool) error {
	if c.Stdin == nil {
		return nil
	}
	f, isFile := c.Stdin.(*os.File)
	if isFile && (!walled || harmless(f)) {
		lc.Stdin = f
		return nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	p.child = append(p.child, r)
	p.parent = append(p.parent, w)
	lc.Stdin = r
	copyIn := func() error {
		_, err := io.Copy(w, c.Stdin)
		// A command may end, or close its input, without having read it all.
		if errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed) {
			err = nil
		}
		if closeErr := w.Close(); err == nil && !errors.Is(closeErr, os.ErrClosed) {
			err = closeErr
		}
		return err
	}
	if isFile {
		// Package os/exec hands a file over and never waits for it: a terminal
		// or a socket that says nothing must not keep Wait from returning.
		p.feed = &feed{f: f, run: func() { copyIn() }}
	} else {
		p.copies = append(p.copies, copyIn)
	}
	return nil
}

func (p *plumbing) output(c *Cmd, to io.Writer, m *meter, walled bool) (*os.File, error) {
	if to == nil {
		return nil, nil
	}
	if f, ok := to.(*os.File); ok && m == nil && (!walled || harmless(f)) {
		if p.own[f] {
			p.child = append(p.child, f)
		}
		return f, nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.child = append(p.child, w)
	p.parent = append(p.parent, r)
	dst := p.metered(c, to, m)
	theirs, _ := to.(*os.File)
	if !p.own[theirs] {
		theirs = nil
	}
	p.copies = append(p.copies, func() error {
		_, err := io.Copy(dst, r)
		r.Close() // when dst failed: the command must not block on a full pipe
		if theirs != nil {
			theirs.Close() // the end, for who reads the other end
			if errors.Is(err, syscall.EPIPE) {
				err = nil
			}
		}
		return err
	})
	return w, nil
}

func (p *plumbing) metered(c *Cmd, to io.Writer, m *meter) io.Writer {
	if m == nil {
		return to
	}
	return &meteredWriter{w: to, m: m, stop: p.stop, limit: c.exceed}
}

// terminal copies between the command's terminal and the caller's streams.
func (p *plumbing) terminal(c *Cmd, m *meter) {
	to := io.Discard
	switch {
	case c.TTY.Stdout && c.Stdout != nil:
		to = c.Stdout
	case !c.TTY.Stdout && c.TTY.Stderr && c.Stderr != nil:
		to = c.Stderr
	}
	dst := p.metered(c, to, m)
	p.copies = append(p.copies, func() error {
		_, err := io.Copy(dst, p.term)
		if errors.Is(err, syscall.EIO) { // the last process that had it is gone
			err = nil
		}
		return err
	})
	keys := c.TTY.Keys
	if keys == nil && c.TTY.Stdin {
		keys = c.Stdin
	}
	if keys != nil {
		f, _ := keys.(*os.File)
		p.keys = &feed{f: f, run: func() {
			if _, err := io.Copy(p.term, keys); err == nil {
				p.term.Write([]byte{4}) // the end of the input, as it is typed
			}
		}}
	}
}

// started begins to copy. term is the outer end of the command's terminal.
func (p *plumbing) started(c *Cmd, term *os.File) {
	for _, f := range p.child {
		f.Close()
	}
	p.child = nil
	if term != nil {
		if pollable, err := terminal.Pollable(term); err == nil {
			term = pollable
		}
		if c.TTY.Passive {
			terminal.MakePassive(term)
		}
		p.term = term
		p.parent = append(p.parent, term)
	}
	p.feed.start()
	p.keys.start()
	p.errs = make(chan error, len(p.copies))
	for _, f := range p.copies {
		go func() { p.errs <- f() }()
	}
}

// finish waits for the copying, but not longer than delay when that is not zero.
func (p *plumbing) finish(delay time.Duration) error {
	var timeout <-chan time.Time
	if delay > 0 {
		t := time.NewTimer(delay)
		defer t.Stop()
		timeout = t.C
	}
	// As in package os/exec: who reads from such a pipe has to be done before Wait.
	for _, f := range p.user {
		f.Close()
	}
	p.user = nil
	var first error
	for left := len(p.copies); left > 0; left-- {
		select {
		case err := <-p.errs:
			if first == nil && !errors.Is(err, os.ErrClosed) {
				first = err
			}
		case <-timeout:
			close(p.stop)
			p.closeAll() // ends the copying
			if first == nil {
				first = ErrWaitDelay
			}
			timeout = nil
			left++
		}
	}
	p.closeAll()
	return first
}

func (p *plumbing) closeAll() {
	for f := range p.own {
		f.Close()
	}
	for _, list := range [...][]io.Closer{p.child, p.parent, p.user} {
		for _, f := range list {
			f.Close()
		}
	}
	p.child, p.parent, p.user = nil, nil, nil
	p.feed.end()
	p.keys.end()
}

// sameStream reports whether two writers are one, so that one pipe keeps the
// order of what is written to both.
func sameStream(a, b io.Writer) bool {
	defer func() { recover() }() // values that cannot be compared are not the same
	if a == b {
		return true
	}
	fa, ok := a.(*os.File)
	if !ok {
		return false
	}
	fb, ok := b.(*os.File)
	if !ok {
		return false
	}
	ia, err := fa.Stat()
	if err != nil {
		return false
	}
	ib, err := fb.Stat()
	return err == nil && os.SameFile(ia, ib)
}

// Resize tells the command's terminal its new size.
func (c *Cmd) Resize(rows, cols uint16) error {
	if c.io.term == nil {
		return errors.New("bailey: command has no terminal")
	}
	return terminal.SetSize(c.io.term, rows, cols)
}
