package linux

import (
	"sync"
	"syscall"
)

// fault makes parts of a set-up fail, in tests. The zero value does nothing.
type fault struct {
	step  int // of the list that the child runs, 1-based; 0 for none
	errno syscall.Errno
	soft  bool // the errno is judged as if the call had returned it; otherwise it is fatal everywhere

	own *injector // the supervisor's own steps

	oldKernel bool // as if the kernel could not bound the numbers of a pid namespace

	skip string // every step of this name is passed over as if it had succeeded
}

// An injector makes one step of the supervisor's own fail. A nil one makes none,
// which is what there is outside tests.
type injector struct {
	fail  int // 1-based; 0 for none
	errno syscall.Errno

	mu   sync.Mutex
	seen []string // the names of the steps so far
}

// at comes before each step: its error is the step's.
func (i *injector) at(step string) error {
	if i == nil {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.seen = append(i.seen, step); len(i.seen) == i.fail {
		return &SetupError{Step: step, Errno: i.errno}
	}
	return nil
}
