//go:build linux

package linux

import "golang.org/x/sys/unix"

// largeFile is O_LARGEFILE, which the kernel adds to every open of a 64-bit
// program but to no openat2.
const largeFile = 0o100000

const sysFstatat = unix.SYS_NEWFSTATAT

// dispatch does the call nr, in its older forms that only this architecture has.
func (w *worker) dispatch(nr int, a *[6]uint64) (int, unix.Errno) {
	switch nr {
	case unix.SYS_OPEN:
		return w.open(atCWD, a[0], a[1], a[2])
	case unix.SYS_CREAT:
		return w.open(atCWD, a[0], unix.O_CREAT|unix.O_WRONLY|unix.O_TRUNC, a[1])
	case unix.SYS_MKDIR:
		return w.mkdir(atCWD, a[0], a[1])
	case unix.SYS_MKNOD:
		return w.mknod(atCWD, a[0], a[1], a[2])
	case unix.SYS_LINK:
		return w.link(atCWD, a[0], atCWD, a[1], 0)
	case unix.SYS_SYMLINK:
		return w.symlink(a[0], atCWD, a[1])
	case unix.SYS_RENAME:
		return w.rename(atCWD, a[0], atCWD, a[1], 0)
	case unix.SYS_UNLINK:
		return w.unlink(atCWD, a[0], 0)
	case unix.SYS_RMDIR:
		return w.unlink(atCWD, a[0], unix.AT_REMOVEDIR)
	case unix.SYS_CHMOD:
		return w.chmod(atCWD, a[0], a[1], 0)
	}
	return w.dispatchAt(nr, a)
}
