//go:build linux

package linux

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/name"
)

// The calls that change a file itself: its size, mode, owner, times, attributes.

// pinned finds the file a call names, for a change to the file itself: by path,
// or with a null addr by descriptor. The rules are asked about its real path, and
// about the name used, which may be a protected link.
func (w *worker) pinned(op name.Op, dirfd, addr uint64, follow bool) (int, unix.Errno) {
	t := &w.a
	fd, e := -1, unix.Errno(0)
	if addr == 0 {
		fd, e = w.callerFD(int32(dirfd), 0)
	} else if e = w.fetch(t, addr); e != 0 {
		return -1, e
	} else if n, ok := w.selfFD(t.text[:t.n]); ok && follow {
		fd, e = w.callerFD(n, 0)
	} else if e = w.descend(t, dirfd); e == 0 {
		if e = w.check(op, t, false); e == 0 {
			fd, e = w.pin(t, follow)
		}
	}
	if e != 0 {
		return -1, e
	}
	n, e := w.realPath(fd, t.real[:unix.PathMax])
	if e == 0 && !w.valid() {
		e = unix.EINTR
	}
	t.nreal, t.long = n, nil
	if e == 0 && n > 0 && t.real[0] == '/' {
		e = w.check(op, t, false)
	}
	if e == 0 && w.virtual(fd) {
		e = unix.EACCES
	}
	if e == 0 && op == name.Chmod {
		// A device is the host's; without mounts nothing else says that its node is
		// not to be changed by who may write to it.
		if e = w.fstat(fd); e == 0 && (w.stat.Mode&unix.S_IFMT == unix.S_IFCHR || w.stat.Mode&unix.S_IFMT == unix.S_IFBLK) {
			e = unix.EPERM
		}
	}
	if e != 0 {
		closeFD(fd)
		return -1, e
	}
	return fd, 0
}

func (w *worker) truncate(addr, size uint64) (int, unix.Errno) {
	if int64(size) < 0 {
		return 0, unix.EINVAL
	}
	fd, e := w.pinned(name.Truncate, atCWD, addr|nullPath(addr), true)
	if e != 0 {
		return 0, e
	}
	defer closeFD(fd)
	// The worker's own limit on file sizes is not the caller's.
	var lim [2]uint64
	if _, _, e := unix.RawSyscall6(unix.SYS_PRLIMIT64, uintptr(w.req.pid), unix.RLIMIT_FSIZE, 0, uintptr(unsafe.Pointer(&lim)), 0, 0); e == 0 && size > lim[0] {
		if w.fstat(fd) != 0 || size > uint64(w.stat.Size) {
			return 0, unix.EFBIG
		}
	}
	return 0, call(unix.SYS_TRUNCATE, ptr(w.fdName(fd)), uintptr(size), 0, 0, 0)
}

// atCWD is AT_FDCWD as an argument.
const atCWD = ^uint64(99)

// nullPath keeps a null pointer from being taken for "by descriptor": address 1
// is as unreadable.
func nullPath(addr uint64) uint64 {
	if addr == 0 {
		return 1
	}
	return 0
}

// setID are the bits that give whoever runs a file the rights of its owner. The
// box's own mounts ignore them, the host's do not: a file with them, made inside
// and run by another user outside, would hand over the rights of the box's user,
// which is root where root started the box in a directory of its own. Of
// directories they only say which group new files belong to.
const setID = unix.S_ISUID | unix.S_ISGID

// chmod is chmod, fchmodat and fchmodat2. Unless the filter sends all changes of
// metadata, they come here only when the mode makes something executable or sets an id.
func (w *worker) chmod(dirfd, addr, mode, flags uint64) (int, unix.Errno) {
	fd, e := w.pinnedAt(dirfd, addr|nullPath(addr), flags)
	return w.chmodFD(fd, mode, e)
}

func (w *worker) fchmod(fd, mode uint64) (int, unix.Errno) {
	got, e := w.pinned(name.Chmod, fd, 0, false)
	return w.chmodFD(got, mode, e)
}

func (w *worker) chmodFD(fd int, mode uint64, e unix.Errno) (int, unix.Errno) {
	if e != 0 {
		return 0, e
	}
	defer closeFD(fd)
	if mode&setID != 0 && (w.fstat(fd) != 0 || w.stat.Mode&unix.S_IFMT != unix.S_IFDIR) {
		n, _ := w.realPath(fd, w.a.real[:unix.PathMax])
		return 0, w.deny(name.Chmod, w.a.real[:n], name.Verdict{Act: name.Refuse, Errno: unix.EPERM, Rule: "set-id bits",
			Hint: "a file made inside cannot give its owner's rights to whoever runs it outside; set the bit there"})
	}
	return 0, call(unix.SYS_FCHMODAT, uintptr(w.fds), ptr(w.fdName(fd)), uintptr(mode), 0, 0)
}

// chown is chown, lchown and fchownat; fchown with a null addr and AT_EMPTY_PATH.
func (w *worker) chown(dirfd, addr, uid, gid, flags uint64) (int, unix.Errno) {
	fd, e := w.pinnedAt(dirfd, addr, flags)
	if e != 0 {
		return 0, e
	}
	defer closeFD(fd)
	return 0, call(unix.SYS_FCHOWNAT, uintptr(w.fds), ptr(w.fdName(fd)), uintptr(uint32(uid)), uintptr(uint32(gid)), 0)
}

// utimens is utimensat. A null addr means the descriptor.
func (w *worker) utimens(dirfd, addr, times, flags uint64) (int, unix.Errno) {
	var at uintptr
	if times != 0 {
		// Two struct timespec.
		if n, e := w.readMemory(times, w.text[:32]); e != 0 || n != 32 {
			return 0, unix.EFAULT
		}
		at = ptr(&w.text[0])
	}
	return w.setTimes(dirfd, addr, at, flags)
}

func (w *worker) setTimes(dirfd, addr uint64, times uintptr, flags uint64) (int, unix.Errno) {
	if addr == 0 {
		flags |= unix.AT_EMPTY_PATH
	}
	fd, e := w.pinnedAt(dirfd, addr, flags)
	if e != 0 {
		return 0, e
	}
	defer closeFD(fd)
	return 0, call(unix.SYS_UTIMENSAT, uintptr(w.fds), ptr(w.fdName(fd)), times, 0, 0)
}

// pinnedAt is pinned with the flags of the *at calls.
func (w *worker) pinnedAt(dirfd, addr, flags uint64) (int, unix.Errno) {
	if flags&^(unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH) != 0 {
		return -1, unix.EINVAL
	}
	if addr == 0 && flags&unix.AT_EMPTY_PATH != 0 {
		return w.pinned(name.Chmod, dirfd, 0, false)
	}
	fd, e := w.pinned(name.Chmod, dirfd, addr|nullPath(addr), flags&unix.AT_SYMLINK_NOFOLLOW == 0)
	if e == unix.ENOENT && flags&unix.AT_EMPTY_PATH != 0 && w.a.n == 0 {
		return w.pinned(name.Chmod, dirfd, 0, false)
	}
	return fd, e
}

// Limits of linux/limits.h.
const (
	xattrNameMax = 255
	xattrSizeMax = 65536
)

// setxattr is setxattr and lsetxattr, and fsetxattr with a null addr.
func (w *worker) setxattr(dirfd, addr, key, value, size, flags uint64, follow bool) (int, unix.Errno) {
	if size > xattrSizeMax {
		return 0, unix.E2BIG
	}
	n, e := w.readString(key, w.text[:])
	if e != 0 && e != unix.ENAMETOOLONG {
		return 0, e
	}
	if e != 0 || n == 0 || n > xattrNameMax {
		return 0, unix.ERANGE
	}
	data := make([]byte, size+1)
	if got, e := w.readMemory(value, data[:size]); e != 0 || uint64(got) != size {
		return 0, unix.EFAULT
	}
	fd, e := w.pinned(name.Chmod, dirfd, addr, follow)
	if e != 0 {
		return 0, e
	}
	defer closeFD(fd)
	_, _, e = unix.Syscall6(unix.SYS_SETXATTR, ptr(w.fdName(fd)), ptr(&w.text[0]), uintptr(unsafe.Pointer(&data[0])), uintptr(size), uintptr(uint32(flags)), 0)
	return 0, e
}

// removexattr is removexattr and lremovexattr, and fremovexattr with a null addr.
func (w *worker) removexattr(dirfd, addr, key uint64, follow bool) (int, unix.Errno) {
	n, e := w.readString(key, w.text[:])
	if e != 0 && e != unix.ENAMETOOLONG {
		return 0, e
	}
	if e != 0 || n == 0 || n > xattrNameMax {
		return 0, unix.ERANGE
	}
	fd, e := w.pinned(name.Chmod, dirfd, addr, follow)
	if e != 0 {
		return 0, e
	}
	defer closeFD(fd)
	return 0, call(unix.SYS_REMOVEXATTR, ptr(w.fdName(fd)), ptr(&w.text[0]), 0, 0, 0)
}
