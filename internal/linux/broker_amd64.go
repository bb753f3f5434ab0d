//go:build linux

package linux

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

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
	case unix.SYS_CHOWN:
		return w.chown(atCWD, a[0]|nullPath(a[0]), a[1], a[2], 0)
	case unix.SYS_LCHOWN:
		return w.chown(atCWD, a[0]|nullPath(a[0]), a[1], a[2], unix.AT_SYMLINK_NOFOLLOW)
	case unix.SYS_UTIME:
		return w.oldTimes(atCWD, a[0]|nullPath(a[0]), a[1], 1)
	case unix.SYS_UTIMES:
		return w.oldTimes(atCWD, a[0]|nullPath(a[0]), a[1], 2)
	case unix.SYS_FUTIMESAT:
		return w.oldTimes(a[0], a[1], a[2], 2)
	}
	return w.dispatchAt(nr, a)
}

// oldTimes is utime, which has two seconds, and utimes and futimesat, which have
// two seconds with microseconds each.
func (w *worker) oldTimes(dirfd, addr, times uint64, words int) (int, unix.Errno) {
	if times == 0 {
		return w.setTimes(dirfd, addr, 0, 0)
	}
	var in [4]int64
	n := 16 * words
	raw := (*[32]byte)(unsafe.Pointer(&in))
	if got, e := w.readMemory(times, raw[:n]); e != 0 || got != n {
		return 0, unix.EFAULT
	}
	out := (*[2]unix.Timespec)(unsafe.Pointer(&w.text))
	if words == 1 {
		out[0], out[1] = unix.Timespec{Sec: in[0]}, unix.Timespec{Sec: in[1]}
	} else {
		for i := range out {
			if in[2*i+1] < 0 || in[2*i+1] >= 1e6 {
				return 0, unix.EINVAL
			}
			out[i] = unix.Timespec{Sec: in[2*i], Nsec: in[2*i+1] * 1000}
		}
	}
	return w.setTimes(dirfd, addr, ptr(&w.text[0]), 0)
}
