//go:build linux

package terminal

import (
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// TestKeyTaken: a key that a question took is waited for no longer, also when a signal
// comes just then (the runtime sends itself some): the next question would not be shown
// before another key was pressed.
func TestKeyTaken(t *testing.T) {
	tty, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	k := NewKeyboard(slave, true)
	ended := make(chan struct{})
	defer func() {
		tty.Close() // so the reader ends
		<-ended
		slave.Close()
	}()
	go func() {
		defer close(ended)
		buf := make([]byte, 16)
		for {
			if _, err := k.Read(buf); err != nil {
				return
			}
		}
	}()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			tasks, _ := os.ReadDir("/proc/self/task")
			for range 200 {
				for _, e := range tasks {
					if tid, err := strconv.Atoi(e.Name()); err == nil && tid != unix.Gettid() {
						unix.Tgkill(os.Getpid(), tid, syscall.SIGURG)
					}
				}
			}
		}
	}()
	buf := make([]byte, 16)
	for range 300 {
		k.reading.Lock()
		tty.WriteString("y")
		time.Sleep(time.Millisecond)    // the keyboard sees it, and waits for its turn
		unix.Read(int(slave.Fd()), buf) // as a question does
		k.reading.Unlock()
		time.Sleep(time.Millisecond)
		free := make(chan struct{})
		go func() {
			k.reading.Lock()
			defer k.reading.Unlock()
			close(free)
		}()
		select {
		case <-free:
		case <-time.After(20 * time.Second):
			t.Fatal("the keyboard waits for a key that a question took")
		}
	}
}
