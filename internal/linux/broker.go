//go:build linux

package linux

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/name"
)

// A name broker answers one syscall filter: every call inside that makes, moves,
// removes or opens for writing a name waits until the broker has done it instead.
// It works on its own copy of the path, finds the parent directory, decides on
// the parent's real path and the last component, does the one operation relative
// to that descriptor and hands back the result. The kernel never continues the
// original call: another thread could have changed the path since.
//
// The work is done by one locked thread of this process, with the box's user id,
// no capabilities, its own umask and working directory, and all signals blocked.
// Everything it opens is resolved below the box's root directory, so it reaches
// what the box's own mounts let it reach.

// brokerConfig says what a broker serves.
type brokerConfig struct {
	Root  int           // O_PATH descriptor of the box's root directory
	Proc  int           // O_PATH descriptor of this process's own /proc
	Names *name.Matcher // the rules

	// Write and Read are the directories and files below which anything may be
	// written, or read, whatever Names say. Nil leaves it to the box's mounts; a
	// box that shares this process's mounts cannot have nil, because Landlock does
	// not hold for the worker.
	Write, Read []string

	// Proxy is what a box that shares the host's network may connect to; nil is
	// nothing.
	Proxy *Proxy
	// Asking is the other thing that it may connect to; nil is nothing.
	Asking *asking

	HostUID, HostGID int  // who the box is, outside
	DropCreds        bool // become HostUID and HostGID and give up all capabilities (started by root)

	// Umask says that the filter sends umask(2) here too, so that a task's umask
	// is read once and not for each file it makes (6 us).
	Umask bool

	// Execs is what is done with execve; nil lets every one go on.
	Execs *Supervision

	// Denied is called for each refusal, from a goroutine of the broker's own. It
	// may block; what does not fit in the queue meanwhile is counted in
	// Denial.Lost of the next. Nil drops them.
	Denied func(Denial)
}

// Denial is one refused operation.
type Denial struct {
	PID   int    // of the thread that asked, as this process sees it
	Exe   string // its program, when that could still be read
	Op    string // create, rename to, ...
	Path  string // inside; bytes of any kind
	Rule  string
	Hint  string
	Errno syscall.Errno // what the caller got
	Lost  int           // refusals before this one that found the queue full
}

// denialQueue is how many refusals wait for a slow receiver. A box that is
// refused thousands of times a second says nothing new with each.
const denialQueue = 256

// broker is a running broker.
type broker struct {
	wake   int // eventfd: ends the worker
	queue  chan Denial
	done   chan struct{} // closed when the worker has ended
	told   chan struct{} // closed when every refusal has been reported
	closed sync.Once
	err    atomic.Pointer[error]
}

// startBroker serves listener until Close or until the last task under the filter
// is gone. It returns once the worker is set up. Without an error the listener
// and the descriptors of cfg are the broker's, to close when it ends.
func startBroker(listener int, cfg brokerConfig) (*broker, error) {
	if cfg.Names == nil {
		return nil, errors.New("name broker without rules")
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("make eventfd: %w", err)
	}
	b := &broker{wake: wake, queue: make(chan Denial, denialQueue), done: make(chan struct{}), told: make(chan struct{})}
	ready := make(chan error, 1)
	// On the heap, whatever escape analysis says: addresses inside it are passed as
	// numbers, and a stack may move.
	w := &worker{cfg: cfg, names: cfg.Names, listener: listener, wake: wake, queue: b.queue, recorder: newRecorder(cfg.Execs)}
	go b.work(w, ready)
	if err := <-ready; err != nil {
		<-b.done
		unix.Close(wake)
		return nil, err
	}
	go b.report(cfg.Denied)
	return b, nil
}

// Close ends the broker. Calls still waiting in the box fail with ENOSYS. When it
// returns, Denied has been called for every refusal; so Denied must not call it.
func (b *broker) Close() {
	b.closed.Do(func() {
		one := uint64(1)
		unix.Write(b.wake, (*[8]byte)(unsafe.Pointer(&one))[:])
		<-b.done
		<-b.told
		unix.Close(b.wake)
	})
}

// Done is closed when the broker has ended, for whatever reason. A box without
// its broker cannot make names any more; its owner ends it.
func (b *broker) Done() <-chan struct{} { return b.done }

// Err says why a broker ended by itself; nil when the filter's last task was gone.
func (b *broker) Err() error {
	if p := b.err.Load(); p != nil {
		return *p
	}
	return nil
}

// report calls denied for what is queued.
func (b *broker) report(denied func(Denial)) {
	defer close(b.told)
	for d := range b.queue {
		if denied != nil {
			denied(d)
		}
	}
}

// work is the life of the worker's thread, which ends with it.
func (b *broker) work(w *worker, ready chan<- error) {
	defer close(b.done)
	defer close(b.queue)
	defer w.recorder.close()
	defer w.close()
	if err := w.setUp(); err != nil {
		ready <- err
		return
	}
	// Closing the listener makes every waiting and later call fail: without a
	// broker nothing is allowed.
	defer func() {
		w.settle()
		unix.Close(w.listener)
		unix.Close(w.cfg.Root)
		unix.Close(w.cfg.Proc)
	}()
	defer func() {
		if r := recover(); r != nil {
			err := fmt.Errorf("name broker failed: %v", r)
			b.err.Store(&err)
		}
	}()
	ready <- nil
	if err := w.serve(); err != nil {
		b.err.Store(&err)
	}
}

// openProc opens this process's /proc for brokerConfig.Proc.
func openProc() (int, error) {
	fd, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: "/proc", Err: err}
	}
	return fd, nil
}
