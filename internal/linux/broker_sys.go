//go:build linux

package linux

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The worker's system calls. Those that may wait for a disk tell the runtime
// (Syscall); those that cannot do not (RawSyscall). None allocates, all paths end
// in a NUL byte.

// cstr is the address of a constant that ends in NUL.
func cstr(s string) *byte { return unsafe.StringData(s) }

func (w *worker) openat(dir int, path *byte, flags int, mode uint32) (int, unix.Errno) {
	fd, _, e := unix.Syscall6(unix.SYS_OPENAT, uintptr(dir), uintptr(unsafe.Pointer(path)), uintptr(flags), uintptr(mode), 0, 0)
	return int(fd), e
}

// maxRetries bounds how often a resolution is tried again because directories
// were being moved. A box that moves them all the time gets EAGAIN.
const maxRetries = 64

func (w *worker) openat2(dir int, path *byte, flags int, resolve uint64) (int, unix.Errno) {
	w.how = unix.OpenHow{Flags: uint64(flags), Resolve: resolve}
	return w.openHow(dir, path)
}

// openHow is openat2 with w.how.
func (w *worker) openHow(dir int, path *byte) (int, unix.Errno) {
	for i := 0; ; i++ {
		fd, _, e := unix.Syscall6(unix.SYS_OPENAT2, uintptr(dir), uintptr(unsafe.Pointer(path)), uintptr(unsafe.Pointer(&w.how)), unsafe.Sizeof(w.how), 0, 0)
		if e != unix.EAGAIN || i >= maxRetries {
			return int(fd), e
		}
	}
}

func (w *worker) readlinkat(dir int, path *byte, buf []byte) (int, unix.Errno) {
	n, _, e := unix.RawSyscall6(unix.SYS_READLINKAT, uintptr(dir), uintptr(unsafe.Pointer(path)), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), 0, 0)
	if e == 0 && int(n) == len(buf) {
		return 0, unix.ENAMETOOLONG
	}
	return int(n), e
}

func closeFD(fd int) { unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// call is a system call whose result is only an errno.
func call(nr, a, b, c, d, e uintptr) unix.Errno {
	_, _, errno := unix.Syscall6(nr, a, b, c, d, e, 0)
	return errno
}

func ptr(p *byte) uintptr { return uintptr(unsafe.Pointer(p)) }

// digits holds a path that is a number, or ends in one.
type digits [20]byte

// put writes prefix, n and a NUL.
func (d *digits) put(prefix string, n int) *byte {
	out := appendInt(append(d[:0], prefix...), n)
	_ = append(out, 0)
	return &d[0]
}

// fdName is fd as a path relative to the working directory, /proc/self/fd.
func (w *worker) fdName(fd int) *byte { return w.own.put("", fd) }

// realPath is where descriptor fd is, as the box sees it.
func (w *worker) realPath(fd int, buf []byte) (int, unix.Errno) {
	return w.readlinkat(w.fds, w.fdName(fd), buf)
}

// setUmask gives the thread the caller's umask: default ACLs replace it, so
// masking the mode beforehand would not be the same.
func (w *worker) setUmask(mask uint32) {
	if w.mask != mask {
		unix.RawSyscall(unix.SYS_UMASK, uintptr(mask), 0, 0)
		w.mask = mask
	}
}

// readMemory copies from the caller's memory: n bytes, or what there is.
func (w *worker) readMemory(addr uint64, to []byte) (int, unix.Errno) {
	if len(to) == 0 {
		return 0, 0
	}
	w.iov[0].Base, w.iov[1].Base = &to[0], nil
	w.iov[0].SetLen(len(to))
	remote := [2]uint64{addr, uint64(len(to))}
	// The page may have to come from a disk first.
	n, _, e := unix.Syscall6(unix.SYS_PROCESS_VM_READV, uintptr(w.req.pid), uintptr(unsafe.Pointer(&w.iov[0])), 1, uintptr(unsafe.Pointer(&remote)), 1, 0)
	return int(n), e
}

// pageSize is the smallest page of any architecture: no string is read across
// its boundary in one go, so that one that ends just before unmapped memory is
// read whole.
const pageSize = 4096

// readString copies a NUL-terminated string and returns its length. The buffer
// keeps the NUL. A string without one in the kernel's PATH_MAX is ENAMETOOLONG.
func (w *worker) readString(addr uint64, to []byte) (int, unix.Errno) {
	const first = 128 // most paths; a longer read costs more
	n := 0
	for n < unix.PathMax {
		want := min(pageSize-int(addr%pageSize), unix.PathMax-n)
		if n == 0 {
			want = min(want, first)
		}
		got, e := w.readMemory(addr, to[n:n+want])
		if e != 0 {
			return 0, e
		}
		for i, c := range to[n : n+got] {
			if c == 0 {
				return n + i, 0
			}
		}
		if got < want {
			return 0, unix.EFAULT
		}
		n += got
		addr += uint64(got)
	}
	return 0, unix.ENAMETOOLONG
}
