//go:build linux

package linux

import "golang.org/x/sys/unix"

// sysFchmodat2 has the same number everywhere.
const sysFchmodat2 = 452

// dispatchAt does the call nr. A call that is not known is refused: the filter
// and this list belong together.
func (w *worker) dispatchAt(nr int, a *[6]uint64) (int, unix.Errno) {
	switch nr {
	case unix.SYS_OPENAT:
		return w.open(a[0], a[1], a[2], a[3])
	case unix.SYS_MKDIRAT:
		return w.mkdir(a[0], a[1], a[2])
	case unix.SYS_MKNODAT:
		return w.mknod(a[0], a[1], a[2], a[3])
	case unix.SYS_LINKAT:
		return w.link(a[0], a[1], a[2], a[3], a[4])
	case unix.SYS_SYMLINKAT:
		return w.symlink(a[0], a[1], a[2])
	case unix.SYS_RENAMEAT:
		return w.rename(a[0], a[1], a[2], a[3], 0)
	case unix.SYS_RENAMEAT2:
		return w.rename(a[0], a[1], a[2], a[3], a[4])
	case unix.SYS_UNLINKAT:
		return w.unlink(a[0], a[1], a[2])
	case unix.SYS_TRUNCATE:
		return w.truncate(a[0], a[1])
	case unix.SYS_FCHMODAT:
		return w.chmod(a[0], a[1], a[2], 0)
	case sysFchmodat2:
		return w.chmod(a[0], a[1], a[2], uint64(uint32(a[3])))
	case unix.SYS_FCHMOD:
		return w.fchmod(a[0], a[1])
	case unix.SYS_SETXATTR:
		return w.setxattr(atCWD, a[0]|nullPath(a[0]), a[1], a[2], a[3], a[4], true)
	case unix.SYS_LSETXATTR:
		return w.setxattr(atCWD, a[0]|nullPath(a[0]), a[1], a[2], a[3], a[4], false)
	case unix.SYS_FSETXATTR:
		return w.setxattr(a[0], 0, a[1], a[2], a[3], a[4], false)
	case unix.SYS_FCHOWNAT:
		return w.chown(a[0], a[1], a[2], a[3], uint64(uint32(a[4])))
	case unix.SYS_FCHOWN:
		return w.chown(a[0], 0, a[1], a[2], unix.AT_EMPTY_PATH)
	case unix.SYS_UTIMENSAT:
		return w.utimens(a[0], a[1], a[2], uint64(uint32(a[3])))
	case unix.SYS_REMOVEXATTR:
		return w.removexattr(atCWD, a[0]|nullPath(a[0]), a[1], true)
	case unix.SYS_LREMOVEXATTR:
		return w.removexattr(atCWD, a[0]|nullPath(a[0]), a[1], false)
	case unix.SYS_FREMOVEXATTR:
		return w.removexattr(a[0], 0, a[1], false)
	case sysRemovexattrat:
		return 0, unix.ENOSYS
	case sysSetxattrat:
		return 0, unix.ENOSYS // arguments in memory; programs take the older ones
	case unix.SYS_CONNECT:
		return w.connect(int32(uint32(a[0])), a[1], a[2])
	case unix.SYS_LISTEN:
		return w.listen(int32(uint32(a[0])), a[1])
	case unix.SYS_EXECVE:
		return w.execve(a[0], a[1])
	case unix.SYS_EXECVEAT:
		return w.exec(a[0], a[1], a[2], a[4])
	case unix.SYS_UMASK:
		return w.setMask(uint32(a[0]))
	}
	return 0, unix.EPERM
}

// These have the same numbers everywhere.
const (
	sysSetxattrat    = 463
	sysRemovexattrat = 466
)
