//go:build linux

package linux

import (
	"os"
	"sync"
)

// Process is a running command of a box.
type Process struct {
	PID int // as this process sees it
	// Terminal is the outer end of the command's terminal, when it has one. The
	// caller closes it.
	Terminal *os.File

	box  *Box
	proc *os.Process
	once sync.Once
	st   *os.ProcessState
	err  error

	guard *warden // tier landlock only
}

func newProcess(b *Box, pid int, terminal *os.File) *Process {
	p := &Process{PID: pid, Terminal: terminal, box: b}
	// Our own child that nobody has waited for: the number cannot mean another
	// process, so finding it cannot fail or go wrong.
	p.proc, p.err = os.FindProcess(pid)
	return p
}

func (p *Process) reap() (*os.ProcessState, error) {
	p.once.Do(func() {
		if p.err == nil {
			p.st, p.err = p.proc.Wait()
		}
	})
	return p.st, p.err
}

// Wait waits for the command to end and releases it.
func (p *Process) Wait() (*os.ProcessState, error) {
	st, err := p.reap()
	p.guard.end()
	p.box.mu.Lock()
	delete(p.box.procs, p)
	p.box.mu.Unlock()
	return st, err
}

// Signal sends a signal to the command.
func (p *Process) Signal(s os.Signal) error { return p.proc.Signal(s) }
