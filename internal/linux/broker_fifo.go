//go:build linux

package linux

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Opening a FIFO waits for the other side, and the worker must not wait. It opens
// without blocking; where the caller wanted to wait, a goroutine goes on trying
// while the caller does.

const (
	// maxFIFOs bounds the goroutines. A box with more opens of FIFOs waiting at
	// once gets EAGAIN for the next.
	maxFIFOs = 64
	fifoWait = 5 * time.Millisecond
)

// openFIFO waits for a reader of the FIFO t names, which had none a moment ago.
func (w *worker) openFIFO(t *target, flags int, e unix.Errno) unix.Errno {
	fd, oe := w.openat(t.dir, t.bare(), unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if oe != 0 {
		return oe
	}
	if w.fstat(fd) != 0 || w.stat.Mode&unix.S_IFMT != unix.S_IFIFO {
		closeFD(fd)
		return e // a socket or a device
	}
	return w.later(fd, flags, func() (int, unix.Errno) {
		path := append([]byte("/proc/self/fd/"), appendInt(nil, fd)...)
		path = append(path, 0)
		// The worker has already been told that it may: it got ENXIO, not EACCES.
		got, _, e := unix.Syscall6(unix.SYS_OPENAT, ^uintptr(99), uintptr(unsafe.Pointer(&path[0])), uintptr(flags|unix.O_NONBLOCK|unix.O_CLOEXEC)&^unix.O_CREAT, 0, 0, 0)
		if e == unix.ENXIO {
			return -1, unix.EAGAIN
		}
		return int(got), e
	})
}

// waitWriter waits until something has been written to the FIFO fd, or its
// writer has come and gone. The kernel would go on as soon as a writer is there;
// that cannot be seen from outside.
func (w *worker) waitWriter(fd, flags int) unix.Errno {
	return w.later(fd, flags, func() (int, unix.Errno) {
		p := unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
		if n, _ := unix.Poll([]unix.PollFd{p}, 0); n <= 0 { // a signal fails it
			return -1, unix.EAGAIN
		}
		got, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return -1, err.(unix.Errno)
		}
		return got, 0
	})
}

// later answers the present call when try has a descriptor; until then the
// caller waits. fd is closed at the end.
func (w *worker) later(fd, flags int, try func() (int, unix.Errno)) unix.Errno {
	select {
	case w.fifos <- struct{}{}:
	default:
		closeFD(fd)
		return unix.EAGAIN
	}
	w.answered = true
	id, listener := w.req.id, uintptr(w.listener)
	w.waits.Add(1)
	go func() {
		defer w.waits.Done()
		defer func() { <-w.fifos }()
		defer closeFD(fd)
		resp := &seccompResp{id: id}
		for {
			got, e := try()
			if e == 0 {
				call(unix.SYS_FCNTL, uintptr(got), unix.F_SETFL, uintptr(flags), 0, 0)
				add := &seccompAddFD{id: id, flags: addFDFlagSend, srcfd: uint32(got)}
				if flags&unix.O_CLOEXEC != 0 {
					add.newfdFlags = unix.O_CLOEXEC
				}
				_, _, e = unix.Syscall(unix.SYS_IOCTL, listener, ioctlNotifAddFD, uintptr(unsafe.Pointer(add)))
				closeFD(got)
				if e == 0 {
					return
				}
			}
			if e != unix.EAGAIN && e != unix.EINTR {
				resp.errno = -int32(e)
				unix.Syscall(unix.SYS_IOCTL, listener, ioctlNotifSend, uintptr(unsafe.Pointer(resp)))
				return
			}
			select {
			case <-w.stop:
				return
			case <-time.After(fifoWait):
			}
			if _, _, e := unix.Syscall(unix.SYS_IOCTL, listener, ioctlNotifIDValid, uintptr(unsafe.Pointer(&id))); e != 0 {
				return // the caller was killed, or stopped waiting
			}
		}
	}()
	return 0
}
