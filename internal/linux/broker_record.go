//go:build linux

package linux

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What was executed inside is told to a receiver that may be slow, and the end of
// each process is waited for: the kernel gives it to the process's parent, and
// since 6.15 also to who holds a descriptor of the process.

const (
	// recordQueue is how many programs wait for a slow receiver: at most some
	// keptBytes each.
	recordQueue = 1024
	// maxWatched is how many processes are waited for at once, a descriptor each. The
	// ends of others are not told.
	maxWatched = 512
	// reaping is how long a process that has ended may lie unreaped before its end
	// is told without its status, when the kernel cannot say that it was reaped.
	reaping = 100 * time.Millisecond
)

// recorder tells what was executed, and how it ended.
type recorder struct {
	s     *Supervision
	queue chan record
	told  chan struct{} // closed when all of the queue has been told
	ends  sync.WaitGroup

	mu     sync.Mutex // guards what follows
	lost   int
	live   map[int]*os.File // by process; nil while its start is not told
	closed bool
}

type record struct {
	exec  Exec
	pidfd int
}

func newRecorder(s *Supervision) *recorder {
	if s == nil || s.Started == nil {
		return nil
	}
	r := &recorder{s: s, queue: make(chan record, recordQueue), told: make(chan struct{}), live: map[int]*os.File{}}
	go r.tell()
	return r
}

// watched opens the process pid, which waits for an answer. It returns -1 when it
// is watched already, or when too many are.
func (w *worker) watched(pid int) int {
	r := w.recorder
	if r == nil || r.s.Ended == nil {
		return -1
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, is := r.live[pid]; is || len(r.live) >= maxWatched {
		return -1
	}
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return -1
	}
	return fd
}

func closePidfd(fd int) {
	if fd >= 0 {
		closeFD(fd)
	}
}

// started notes a program that the kernel was let go on with. pidfd is its
// process, or -1.
func (w *worker) started(e *Exec, pidfd int) {
	r := w.recorder
	if r == nil {
		closePidfd(pidfd)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	one := record{*e, pidfd}
	one.exec.Lost = r.lost
	if _, is := r.live[e.PID]; is || r.closed {
		closePidfd(pidfd)
		one.pidfd = -1
	}
	if !r.closed {
		select {
		case r.queue <- one:
			if r.lost = 0; one.pidfd >= 0 {
				r.live[e.PID] = nil
			}
			return
		default:
		}
	}
	r.lost++
	closePidfd(one.pidfd)
}

// tell tells the receiver, one after the other.
func (r *recorder) tell() {
	defer close(r.told)
	for one := range r.queue {
		r.s.Started(&one.exec)
		if one.pidfd < 0 {
			continue
		}
		f := os.NewFile(uintptr(one.pidfd), "pidfd")
		r.mu.Lock()
		r.live[one.exec.PID] = f
		if r.closed {
			f.SetReadDeadline(time.Now())
		}
		r.mu.Unlock()
		r.ends.Add(1)
		go r.awaitEnd(f, ExecEnd{PID: one.exec.PID, Inside: one.exec.Inside})
	}
}

// awaitEnd waits for a process to end, without taking up a thread.
func (r *recorder) awaitEnd(f *os.File, end ExecEnd) {
	defer r.ends.Done()
	conn, err := f.SyscallConn()
	ended, tries := false, 0
	for err == nil {
		err = conn.Read(func(fd uintptr) bool {
			var reaped bool
			ended, reaped = pollPidfd(int(fd))
			end.Known, end.Status = exitStatus(int(fd))
			return end.Known || reaped
		})
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		// Somebody closes the recorder, or an ended process was not reaped.
		r.mu.Lock()
		last := r.closed
		r.mu.Unlock()
		if tries++; last && tries > 1 {
			break
		}
		err = f.SetReadDeadline(time.Now().Add(reaping))
	}
	r.mu.Lock()
	delete(r.live, end.PID)
	r.mu.Unlock()
	f.Close()
	if ended {
		r.s.Ended(&end)
	}
}

// pollPidfd says whether a process has ended, and whether it has been reaped.
func pollPidfd(fd int) (ended, reaped bool) {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	unix.Poll(p, 0)
	return p[0].Revents != 0, p[0].Revents&unix.POLLHUP != 0
}

// exitStatus asks how the process of a pidfd ended: struct pidfd_info of
// linux/pidfd.h, in its first form.
func exitStatus(fd int) (bool, syscall.WaitStatus) {
	const (
		getInfo  = 0xc040ff0b // PIDFD_GET_INFO
		infoExit = 1 << 3
	)
	var info struct {
		mask, cgroup    uint64
		pid, tgid, ppid uint32
		ids             [8]uint32
		status          int32
	}
	info.mask = infoExit
	_, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), getInfo, uintptr(unsafe.Pointer(&info)))
	return e == 0 && info.mask&infoExit != 0, syscall.WaitStatus(info.status)
}

// close tells what is still to be told. Nothing comes to the recorder any more.
func (r *recorder) close() {
	if r == nil {
		return
	}
	r.mu.Lock()
	r.closed = true
	close(r.queue)
	for _, f := range r.live {
		if f != nil {
			f.SetReadDeadline(time.Now())
		}
	}
	r.mu.Unlock()
	<-r.told
	r.ends.Wait()
}
