//go:build linux

package linux

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/name"
)

// The calls that make, move and remove names. Each finds its directories, asks
// the rules, and does the call with the same last components and flags, so that
// results and errors are the kernel's. Names need no lock between question and
// deed: only this thread makes or moves them, and the rules let no directory
// move to where its contents would have another verdict.

// exists turns a refusal into EEXIST where the kernel would have said so first.
func (w *worker) makes(op name.Op, t *target) unix.Errno {
	v := w.verdict(op, t.path(), true)
	if v.Act == name.Allow {
		return 0
	}
	if w.lstat(t) == 0 {
		return unix.EEXIST
	}
	return w.deny(op, t.path(), v)
}

func (w *worker) mkdir(dirfd, addr, mode uint64) (int, unix.Errno) {
	t := &w.a
	if e := w.locate(t, dirfd, addr); e != 0 {
		return 0, e
	}
	if e := w.makes(name.Mkdir, t); e != 0 {
		return 0, e
	}
	m, e := w.umask()
	if e != 0 {
		return 0, e
	}
	w.setUmask(m)
	return 0, call(unix.SYS_MKDIRAT, uintptr(t.dir), ptr(t.name()), uintptr(mode), 0, 0)
}

func (w *worker) mknod(dirfd, addr, mode, dev uint64) (int, unix.Errno) {
	t := &w.a
	if e := w.locate(t, dirfd, addr); e != 0 {
		return 0, e
	}
	if e := w.makes(name.Mknod, t); e != 0 {
		return 0, e
	}
	m, e := w.umask()
	if e != 0 {
		return 0, e
	}
	w.setUmask(m)
	return 0, call(unix.SYS_MKNODAT, uintptr(t.dir), ptr(t.name()), uintptr(mode&^setID), uintptr(dev), 0)
}

func (w *worker) symlink(to, dirfd, addr uint64) (int, unix.Errno) {
	n, e := w.readString(to, w.text[:])
	if e != 0 {
		return 0, e
	}
	if n == 0 {
		return 0, unix.ENOENT
	}
	t := &w.a
	if e := w.locate(t, dirfd, addr); e != 0 {
		return 0, e
	}
	if e := w.makes(name.Symlink, t); e != 0 {
		return 0, e
	}
	return 0, call(unix.SYS_SYMLINKAT, ptr(&w.text[0]), uintptr(t.dir), ptr(t.name()), 0, 0)
}

func (w *worker) unlink(dirfd, addr, flags uint64) (int, unix.Errno) {
	t := &w.a
	op := name.Unlink
	defer w.dirs.flush()
	switch uint32(flags) {
	case 0:
	case unix.AT_REMOVEDIR:
		op = name.Rmdir
	default:
		return 0, unix.EINVAL
	}
	if e := w.locate(t, dirfd, addr); e != 0 {
		return 0, e
	}
	if t.top && op == name.Rmdir {
		return 0, unix.EBUSY
	}
	if v := w.verdict(op, t.path(), false); v.Act != name.Allow {
		if e := w.lstat(t); e != 0 {
			return 0, e
		}
		return 0, w.deny(op, t.path(), v)
	}
	// unlink on a directory is the kernel's to refuse, with its own errno.
	if w.mounted(t) && (op == name.Rmdir || !w.isDir(t)) {
		return 0, unix.EBUSY
	}
	return 0, call(unix.SYS_UNLINKAT, uintptr(t.dir), ptr(t.name()), uintptr(uint32(flags)), 0, 0)
}

// mounted says whether something is mounted on what t names. The kernel keeps
// mount points from being moved and removed in the mount namespace of the caller
// alone, and the worker's is another than the box's: there the mount would go
// along, or away.
func (w *worker) mounted(t *target) bool {
	_, _, e := unix.RawSyscall6(unix.SYS_STATX, uintptr(t.dir), ptr(t.bare()), unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT|unix.AT_STATX_DONT_SYNC, unix.STATX_TYPE, uintptr(unsafe.Pointer(&w.statx)), 0)
	return e == 0 && w.statx.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}

func (w *worker) rename(oldfd, oldp, newfd, newp, flags64 uint64) (int, unix.Errno) {
	flags := uint32(flags64)
	switch {
	case flags&^(unix.RENAME_NOREPLACE|unix.RENAME_EXCHANGE|unix.RENAME_WHITEOUT) != 0,
		flags&unix.RENAME_EXCHANGE != 0 && flags&(unix.RENAME_NOREPLACE|unix.RENAME_WHITEOUT) != 0:
		return 0, unix.EINVAL
	case flags&unix.RENAME_WHITEOUT != 0: // would make a device
		return 0, unix.EPERM
	}
	defer w.dirs.flush()
	from, to := &w.a, &w.b
	if e := w.locate(from, oldfd, oldp); e != 0 {
		return 0, e
	}
	if e := w.locate(to, newfd, newp); e != 0 {
		return 0, e
	}
	opFrom, opTo := name.RenameFrom, name.RenameTo
	if flags&unix.RENAME_EXCHANGE != 0 {
		opFrom, opTo = name.Exchange, name.Exchange
	}
	if v := w.moves(opFrom, from, from); v.Act != name.Allow {
		return 0, w.refuseMove(opFrom, from, from, v)
	}
	switch v := w.moves(opTo, to, from); v.Act {
	case name.Allow:
	case name.GuardConfig:
		return 0, w.renameConfig(from, to, flags)
	default:
		return 0, w.refuseMove(opTo, to, from, v)
	}
	if !from.dots && !to.dots && !w.names.SamePlace(from.path(), to.path()) && (w.isDir(from) || flags&unix.RENAME_EXCHANGE != 0 && w.isDir(to)) {
		// As between file systems: programs then copy, and each name is asked about.
		return 0, unix.EXDEV
	}
	if w.mounted(from) || w.mounted(to) {
		return 0, unix.EBUSY
	}
	return 0, call(unix.SYS_RENAMEAT2, uintptr(from.dir), ptr(from.name()), uintptr(to.dir), ptr(to.name()), uintptr(flags))
}

// moves asks about t in a rename of from. The rules are asked as for a directory
// first, which is the stricter answer and mostly Allow; only a refusal costs a
// look at what it really is.
func (w *worker) moves(op name.Op, t, from *target) name.Verdict {
	v := w.verdict(op, t.path(), true)
	if v.Act == name.Allow || w.isDir(from) || op == name.Exchange && w.isDir(t) {
		return v
	}
	return w.verdict(op, t.path(), false)
}

func (w *worker) isDir(t *target) bool {
	return w.lstat(t) == 0 && w.stat.Mode&unix.S_IFMT == unix.S_IFDIR
}

// refuseMove lets the kernel say that there is nothing to rename.
func (w *worker) refuseMove(op name.Op, t, from *target, v name.Verdict) unix.Errno {
	if e := w.lstat(from); e != 0 {
		return e
	}
	return w.deny(op, t.path(), v)
}

func (w *worker) link(oldfd, oldp, newfd, newp, flags64 uint64) (int, unix.Errno) {
	flags := int(int32(flags64))
	if flags&^(unix.AT_SYMLINK_FOLLOW|unix.AT_EMPTY_PATH) != 0 {
		return 0, unix.EINVAL
	}
	from, to := &w.a, &w.b
	n, e := w.readString(oldp, from.text[:unix.PathMax])
	if e != 0 {
		return 0, e
	}
	from.n = n
	fd := -1
	if n == 0 {
		if flags&unix.AT_EMPTY_PATH == 0 {
			return 0, unix.ENOENT
		}
		if int32(oldfd) == unix.AT_FDCWD {
			return 0, unix.EPERM // a directory
		}
		fd, e = w.callerFD(int32(oldfd), 0)
	} else if num, ok := w.selfFD(from.text[:n]); ok && flags&unix.AT_SYMLINK_FOLLOW != 0 {
		fd, e = w.callerFD(num, 0)
		if e == unix.EBADF {
			e = unix.ENOENT
		}
	} else if e = w.descend(from, oldfd); e == 0 && (flags&unix.AT_SYMLINK_FOLLOW != 0 || from.slash || from.dots) {
		fd, e = w.pin(from, true)
	}
	if e != 0 {
		return 0, e
	}
	if fd >= 0 {
		defer closeFD(fd)
		from.long = nil
		if from.nreal, e = w.realPath(fd, from.real[:unix.PathMax]); e != 0 {
			return 0, e
		}
	}
	if !w.valid() {
		return 0, unix.EINTR
	}
	if e := w.locate(to, newfd, newp); e != 0 {
		return 0, e
	}
	if e := w.check(name.LinkFrom, from, false); e != 0 {
		return 0, e
	}
	if e := w.makes(name.Link, to); e != 0 {
		return 0, e
	}
	if fd >= 0 {
		return 0, call(unix.SYS_LINKAT, uintptr(w.fds), ptr(w.fdName(fd)), uintptr(to.dir), ptr(to.name()), unix.AT_SYMLINK_FOLLOW)
	}
	return 0, call(unix.SYS_LINKAT, uintptr(from.dir), ptr(from.name()), uintptr(to.dir), ptr(to.name()), 0)
}
