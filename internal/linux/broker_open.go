//go:build linux

package linux

import (
	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/name"
)

// validFlags are the flags that open and openat look at (VALID_OPEN_FLAGS of
// linux/fcntl.h); they ignore others, openat2 does not.
const validFlags = unix.O_ACCMODE | unix.O_CREAT | unix.O_EXCL | unix.O_NOCTTY | unix.O_TRUNC | unix.O_APPEND | unix.O_NONBLOCK |
	unix.O_SYNC | unix.O_DSYNC | unix.O_ASYNC | unix.O_DIRECT | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_NOATIME | unix.O_CLOEXEC |
	unix.O_PATH | unix.O_TMPFILE | largeFile

// tmpfileBit is O_TMPFILE without O_DIRECTORY.
const tmpfileBit = unix.O_TMPFILE &^ unix.O_DIRECTORY

// open is open, openat and creat.
func (w *worker) open(dirfd, addr, flags64, mode64 uint64) (int, unix.Errno) {
	flags := int(int32(flags64)) & validFlags
	mode := uint32(mode64) & 0o7777 &^ setID // dropped as on a file system that has no such bits
	op := name.Read
	switch {
	case flags&unix.O_PATH != 0:
		flags &= unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	case flags&tmpfileBit != 0:
		if flags&unix.O_DIRECTORY == 0 || flags&unix.O_ACCMODE == unix.O_RDONLY {
			return 0, unix.EINVAL
		}
		op = name.Create
	case flags&unix.O_CREAT != 0:
		if flags&unix.O_DIRECTORY != 0 {
			return 0, unix.EINVAL
		}
		op = name.Create
	case flags&(unix.O_ACCMODE|unix.O_TRUNC) != 0:
		op = name.Write
	}
	t := &w.a
	if e := w.fetch(t, addr); e != 0 {
		return 0, e
	}
	if n, ok := w.selfFD(t.text[:t.n]); ok {
		return w.openSelf(n, op, flags)
	}
	if e := w.ownNumber(t, op); e != 0 {
		return 0, e
	}
	if e := w.descend(t, dirfd); e != 0 {
		return 0, e
	}
	return w.openTarget(t, op, flags, mode)
}

// openTarget opens what t names and hands it over.
func (w *worker) openTarget(t *target, op name.Op, flags int, mode uint32) (int, unix.Errno) {
	for {
		if flags&tmpfileBit != 0 && flags&unix.O_PATH == 0 {
			return w.openTmpfile(t, flags, mode)
		}
		if t.slash || t.dots {
			if op == name.Create {
				return 0, unix.EISDIR
			}
			return w.openWhole(t, op, flags)
		}
		if t.is("/dev/tty") && flags&unix.O_PATH == 0 {
			return w.openTerminal(flags)
		}
		if e := w.mayOpen(t, op, flags); e != 0 || w.answered {
			return 0, e
		}
		fd, e := w.openLast(t, op, flags, mode)
		if e == 0 {
			if op == name.Read && flags&(unix.O_NONBLOCK|unix.O_PATH) == 0 && w.fstat(fd) == 0 && w.stat.Mode&unix.S_IFMT == unix.S_IFIFO {
				return 0, w.waitWriter(fd, flags)
			}
			return w.hand(fd, flags)
		}
		switch {
		case e == unix.ENXIO && flags&unix.O_ACCMODE == unix.O_WRONLY && flags&unix.O_NONBLOCK == 0:
			return 0, w.openFIFO(t, flags, e)
		case e == unix.ELOOP && flags&unix.O_NOFOLLOW == 0:
		default:
			return 0, e
		}
		if e := w.follow(t, e); e != 0 {
			return 0, e
		}
		if t.text[0] == '/' {
			if n, ok := w.selfFD(t.text[:t.n]); ok {
				return w.openSelf(n, op, flags)
			}
		}
	}
}

// mayOpen asks the rules. It may answer the call itself.
func (w *worker) mayOpen(t *target, op name.Op, flags int) unix.Errno {
	v := w.verdict(op, t.path(), false)
	switch v.Act {
	case name.Allow:
	case name.GuardPointer:
		return w.openPointer(t, flags, v)
	default:
		if flags&(unix.O_CREAT|unix.O_EXCL) == unix.O_CREAT|unix.O_EXCL && w.lstat(t) == 0 {
			return unix.EEXIST
		}
		return w.deny(op, t.path(), v)
	}
	if op == name.Read && !w.kernelPath(t) {
		return 0
	}
	if s := t.slot; s == nil || !s.checked || s.kernel {
		kernel := w.virtual(t.dir)
		if s != nil {
			s.kernel, s.checked = kernel, true
		}
		if kernel {
			return w.mayOpenVirtual(t, op)
		}
	}
	return 0
}

// openLast opens the last component itself, never what a link there leads to.
// The caller's own flags are kept, so that every error is the kernel's; those
// added keep the worker from waiting and from getting a controlling terminal.
func (w *worker) openLast(t *target, op name.Op, flags int, mode uint32) (int, unix.Errno) {
	if op == name.Create {
		m, e := w.umask()
		if e != 0 {
			return -1, e
		}
		w.setUmask(m)
	} else {
		mode = 0
	}
	w.how = unix.OpenHow{Flags: uint64(w.quiet(flags)), Mode: uint64(mode), Resolve: unix.RESOLVE_NO_SYMLINKS}
	return w.openHow(t.dir, t.bare())
}

// quiet adds what keeps an open from acting on this process.
func (w *worker) quiet(flags int) int {
	flags |= unix.O_CLOEXEC
	if flags&unix.O_PATH != 0 {
		return flags
	}
	flags |= unix.O_NOCTTY | largeFile
	if flags&(unix.O_CREAT|unix.O_EXCL) != unix.O_CREAT|unix.O_EXCL {
		flags |= unix.O_NONBLOCK // an exclusively made file is a regular one
	}
	return flags
}

// hand gives the caller descriptor fd, opened with quiet(flags).
func (w *worker) hand(fd, flags int) (int, unix.Errno) {
	if got := w.quiet(flags); got&unix.O_NONBLOCK != flags&unix.O_NONBLOCK {
		// Only O_APPEND, O_NONBLOCK, O_DIRECT, O_NOATIME and O_ASYNC are looked at.
		if e := call(unix.SYS_FCNTL, uintptr(fd), unix.F_SETFL, uintptr(flags), 0, 0); e != 0 {
			closeFD(fd)
			return 0, e
		}
	}
	e := w.give(fd, flags&unix.O_CLOEXEC != 0)
	closeFD(fd)
	return 0, e
}

// openWhole opens a directory named by dots or with a slash behind it.
func (w *worker) openWhole(t *target, op name.Op, flags int) (int, unix.Errno) {
	if t.slash && !t.dots && flags&unix.O_PATH == 0 {
		if e := w.mayOpen(t, op, flags&^unix.O_CREAT); e != 0 {
			return 0, e
		}
	}
	fd, e := w.whole(t)
	if e != 0 {
		return 0, e
	}
	defer closeFD(fd)
	if op != name.Read {
		return 0, unix.EISDIR
	}
	if e := w.check(name.Read, t, true); e != 0 {
		return 0, e
	}
	if flags&unix.O_PATH != 0 {
		return 0, w.give(fd, flags&unix.O_CLOEXEC != 0)
	}
	got, e := w.openat(fd, cstr(".\x00"), w.quiet(flags), 0)
	if e != 0 {
		return 0, e
	}
	return w.hand(got, flags)
}

// openTmpfile makes a file without a name. It gets one, if ever, by linkat,
// which asks the rules.
func (w *worker) openTmpfile(t *target, flags int, mode uint32) (int, unix.Errno) {
	dir, e := w.whole(t)
	if e != 0 {
		return 0, e
	}
	defer closeFD(dir)
	if e := w.check(name.Read, t, true); e != 0 {
		return 0, e
	}
	if v := w.outside(name.Create, t.path()); v.Act != name.Allow {
		return 0, w.deny(name.Create, t.path(), v)
	}
	m, e := w.umask()
	if e != 0 {
		return 0, e
	}
	w.setUmask(m)
	fd, e := w.openat(dir, cstr(".\x00"), flags|unix.O_CLOEXEC, mode)
	if e != 0 {
		return 0, e
	}
	e = w.give(fd, flags&unix.O_CLOEXEC != 0)
	closeFD(fd)
	return 0, e
}

// kernelPath reports whether t is below a directory where kernel file systems
// are: a quick no for reads.
func (w *worker) kernelPath(t *target) bool {
	p := t.path()
	return len(p) > 6 && (string(p[:6]) == "/proc/" || string(p[:5]) == "/sys/")
}
