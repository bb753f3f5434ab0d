package main

import (
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/terminal"
)

// streams connects a command to bailey's own input and output.
type streams struct {
	app      *app
	cmd      *bailey.Cmd
	screen   *os.File // the person's terminal, as far as the command writes to it
	filter   *terminal.Filter
	keyboard *terminal.Keyboard
	raw      bool
	signals  chan os.Signal
}

func newStreams(a *app) *streams { return &streams{app: a, signals: make(chan os.Signal, 16)} }

// connect gives the command bailey's streams. A stream that is a terminal becomes
// a new terminal of the box, and what goes from there to the person's terminal is
// filtered: the person's own terminal never enters a box.
func (s *streams) connect(p *bailey.Plan) {
	a := s.app
	in, out, errs := terminal.Is(a.in), terminal.Is(a.out), terminal.Is(a.err)
	if p.Tier() != bailey.TierNone && (in || out || errs) {
		s.terminal(in, out, errs)
	}
	// SIGPIPE too: a reader of ours that is gone must reach the command as it
	// would without us, not end us.
	signal.Notify(s.signals, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	if p.Tier() != bailey.TierNone {
		// Without walls the command is of our own process group and gets these
		// from the terminal itself.
		signal.Notify(s.signals, os.Interrupt, syscall.SIGQUIT)
	} else {
		signal.Ignore(os.Interrupt, syscall.SIGQUIT)
	}
	if s.screen != nil {
		signal.Notify(s.signals, syscall.SIGWINCH)
	}
	if s.raw {
		signal.Notify(s.signals, syscall.SIGTSTP)
	}
}

// terminal decides which streams get the box's terminal and whose keys it gets.
func (s *streams) terminal(in, out, errs bool) {
	a := s.app
	tty := &bailey.TTY{Stdin: in, Stdout: out, Stderr: errs}
	s.cmd.TTY = tty
	switch {
	case out:
		s.screen = a.out
		s.filter = terminal.NewFilter(a.out)
		s.cmd.Stdout = s.filter
	case errs:
		s.screen = a.err
		s.filter = terminal.NewFilter(a.err)
		s.cmd.Stderr = s.filter
	}
	keys := a.in
	if !in {
		// As in `git log | bailey run -- less`: the keys are for the terminal,
		// the input is for the command.
		keys, _ = os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if keys == nil {
		return
	}
	// In a pipeline the terminal belongs to the other programs as well, such as
	// a pager: then its mode is left alone and only whole lines are read.
	s.raw = out || s.screen != nil && !isPipe(a.out)
	tty.Passive = !s.raw
	size := s.screen
	if size == nil {
		size = keys
	}
	tty.Rows, tty.Cols = terminal.Size(size)
	if s.raw || in {
		s.keyboard = terminal.NewKeyboard(keys, s.raw)
		tty.Keys = s.keyboard
	}
}

// started begins to forward signals.
func (s *streams) started() { go s.forward() }

// forward hands signals on to the command and what it started: bailey itself ends
// when they have.
func (s *streams) forward() {
	for sig := range s.signals {
		switch sig {
		case syscall.SIGPIPE:
		case syscall.SIGWINCH:
			if rows, cols := terminal.Size(s.screen); rows > 0 {
				s.cmd.Resize(rows, cols)
			}
		case syscall.SIGTSTP:
			s.keyboard.Suspend()
			if rows, cols := terminal.Size(s.screen); rows > 0 {
				s.cmd.Resize(rows, cols)
			}
		default:
			s.cmd.Process.SignalGroup(sig)
		}
	}
}

// restore gives the terminal back. It may be called more than once.
func (s *streams) restore() {
	signal.Stop(s.signals)
	if s.filter != nil {
		s.filter.Reset()
	}
	if s.keyboard != nil {
		s.keyboard.Restore()
	}
}

// result turns how the command ended into bailey's own end.
func (s *streams) result(err error) error {
	if errors.Is(err, syscall.EPIPE) && s.cmd.ProcessState.Success() {
		return nil // our reader did not want the rest, as with any pipe
	}
	exit := commandStatus(err)
	if exit == nil {
		return err
	}
	ws, ok := exit.Sys().(syscall.WaitStatus)
	if !ok || !ws.Signaled() {
		return exitCode(exit.ExitCode())
	}
	return exitCode(exitSignalled + int(ws.Signal()))
}

// raise ends bailey by the signal that Ctrl-C ended the command with, and tells it
// to the whole foreground job, as the terminal would have done: a shell stops its
// loop only when it sees both. Other signals are told by exit code.
func (s *streams) raise() {
	ws, ok := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if s.raw && ok && ws.Signaled() && ws.Signal() == syscall.SIGINT && s.keyboard.Foreground() {
		signal.Reset(os.Interrupt)
		syscall.Kill(0, syscall.SIGINT)
	}
}

func isPipe(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeNamedPipe != 0
}
