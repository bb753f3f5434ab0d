package bailey

import (
	"os"
	"sync"
	"time"
)

// feed copies an input that may never end, such as a terminal, a socket or a
// file that grows. Wait does not wait for it, as package os/exec does not wait
// for a file that it hands over. A nil feed does nothing.
type feed struct {
	run func()
	f   *os.File // what run reads, when that is a file

	mu      sync.Mutex
	running bool
}

func (f *feed) start() {
	if f == nil {
		return
	}
	f.running = true
	go func() {
		f.run()
		f.mu.Lock()
		defer f.mu.Unlock()
		f.running = false
		if f.f != nil {
			f.f.SetReadDeadline(time.Time{})
		}
	}()
}

// end wakes run when it waits for input in a file that can be polled, so that it
// does not take what comes next from whoever reads that file after us.
func (f *feed) end() {
	if f == nil || f.f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running {
		f.f.SetReadDeadline(time.Now())
	}
}
