package bailey

import (
	"errors"
	"os"
	"syscall"

	"github.com/bailey-run/bailey/internal/linux"
)

// backend runs the commands of a box.
type backend interface {
	Start(*linux.Command) (process, error)
	Close() error
	Report() linux.Report
}

// process is a command that a backend has started.
type process interface {
	pid() int
	terminal() *os.File
	Wait() (*os.ProcessState, error)
	Signal(os.Signal) error
	signalGroup(os.Signal) error
}

// linuxBox is the backend with walls.
type linuxBox struct{ *linux.Box }

func (b linuxBox) Start(c *linux.Command) (process, error) {
	p, err := b.Box.Start(c)
	if err != nil {
		return nil, err
	}
	return linuxProcess{p}, nil
}

type linuxProcess struct{ *linux.Process }

func (p linuxProcess) pid() int { return p.PID }

// signalGroup relies on the launcher making every command the leader of its group.
func (p linuxProcess) signalGroup(s os.Signal) error {
	sig, ok := s.(syscall.Signal)
	if !ok {
		return errors.ErrUnsupported
	}
	if err := p.Signal(syscall.Signal(0)); err != nil {
		return err // it has ended: its number may be another's by now
	}
	return syscall.Kill(-p.PID, sig)
}

func (p linuxProcess) terminal() *os.File { return p.Terminal }
