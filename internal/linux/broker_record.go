//go:build linux

package linux

import (
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
	// Telling waits for more to tell: to be woken for each program would cost a script
	// that starts many a tenth of its time. Processes are looked at as often while
	// they come and go, and less often while they stay.
	tellSoon, tellLate = 20 * time.Millisecond, 100 * time.Millisecond
)

// recorder tells what was executed, and how it ended.
type recorder struct {
	s    *Supervision
	news chan struct{} // something was queued
	told chan struct{} // closed when everything has been told

	mu     sync.Mutex // guards what follows
	queue  []record
	lost   int
	live   map[int]struct{} // processes that are watched, or will be
	closed bool

	watches []watch // of the teller alone
}

type record struct {
	exec  Exec
	pidfd int
}

type watch struct {
	end ExecEnd
	fd  int
}

func newRecorder(s *Supervision) *recorder {
	if s == nil || s.Started == nil {
		return nil
	}
	r := &recorder{s: s, news: make(chan struct{}, 1), told: make(chan struct{}), live: map[int]struct{}{}}
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
	fd, err := unix.PidfdOpen(pid, 0)
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
	if len(r.queue) >= recordQueue {
		r.lost++
		closePidfd(pidfd)
		return
	}
	one := record{*e, pidfd}
	if _, is := r.live[e.PID]; is && pidfd >= 0 { // two questions about one process
		closePidfd(pidfd)
		one.pidfd = -1
	}
	if one.pidfd >= 0 {
		r.live[e.PID] = struct{}{}
	}
	if r.queue = append(r.queue, one); len(r.queue) == 1 {
		select {
		case r.news <- struct{}{}:
		default:
		}
	}
}

// tell tells the receiver, one after the other, until all is told.
func (r *recorder) tell() {
	defer close(r.told)
	pause := tellSoon
	for {
		if len(r.watches) == 0 {
			<-r.news
			pause = tellSoon
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-r.news: // or the end
			t.Stop()
			r.mu.Lock()
			if pause = tellSoon; !r.closed {
				r.mu.Unlock()
				time.Sleep(tellSoon)
				r.mu.Lock()
			}
			r.mu.Unlock()
		}
		r.mu.Lock()
		list, lost, closed := r.queue, r.lost, r.closed
		r.queue, r.lost = nil, 0
		r.mu.Unlock()
		for i := range list {
			r.s.Started(&list[i].exec)
			if fd := list[i].pidfd; fd >= 0 {
				r.watches = append(r.watches, watch{ExecEnd{PID: list[i].exec.PID, Inside: list[i].exec.Inside}, fd})
			}
		}
		if lost > 0 && r.s.Missed != nil {
			r.s.Missed(lost)
		}
		if r.look(closed) == 0 && len(list) == 0 {
			pause = min(2*pause, tellLate)
		} else {
			pause = tellSoon
		}
		if closed {
			return
		}
	}
}

// look tells of the processes that have ended, and says how many. With last, no
// process is looked at again.
func (r *recorder) look(last bool) (ended int) {
	if len(r.watches) == 0 {
		return 0
	}
	polls := make([]unix.PollFd, len(r.watches))
	for i := range r.watches {
		polls[i] = unix.PollFd{Fd: int32(r.watches[i].fd), Events: unix.POLLIN}
	}
	unix.Poll(polls, 0)
	keep := r.watches[:0]
	for i, w := range r.watches {
		gone := polls[i].Revents != 0
		if gone {
			w.end.Known, w.end.Status = exitStatus(w.fd)
		}
		// The kernel says how a process ended once its parent has been told. One that
		// does not say it tells only when that has happened, or never.
		if !last && (!gone || !w.end.Known && polls[i].Revents&unix.POLLHUP == 0) {
			keep = append(keep, w)
			continue
		}
		closeFD(w.fd)
		r.mu.Lock()
		delete(r.live, w.end.PID)
		r.mu.Unlock()
		if gone {
			ended++
			r.s.Ended(&w.end)
		}
	}
	r.watches = keep
	return ended
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
	r.mu.Unlock()
	select {
	case r.news <- struct{}{}:
	default:
	}
	<-r.told
}
