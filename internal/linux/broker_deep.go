//go:build linux

package linux

import (
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxClimb bounds how far longPath goes up before the kernel can name the
// directory: ten times PATH_MAX of one-letter names.
const maxClimb = 20000

// longPath is the real path of a directory that is too deep for the kernel to
// name: it goes up, looking for each directory's name in its parent, until the
// kernel can. Slow, and needed by tests of rm -r more than by anyone.
func (w *worker) longPath(fd int) ([]byte, unix.Errno) {
	var names []string
	var buf [unix.PathMax]byte
	dir, own := fd, false
	defer func() {
		if own {
			closeFD(dir)
		}
	}()
	for range maxClimb {
		up, e := w.openat(dir, cstr("..\x00"), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if e != 0 {
			return nil, unix.ENAMETOOLONG
		}
		name := w.nameIn(up, dir)
		if own {
			closeFD(dir)
		}
		dir, own = up, true
		if name == "" {
			return nil, unix.ENAMETOOLONG
		}
		names = append(names, name)
		n, e := w.realPath(up, buf[:])
		if e == 0 {
			path := append([]byte(nil), buf[:n]...)
			for _, s := range slices.Backward(names) {
				path = append(append(path, '/'), s...)
			}
			return path, 0
		}
		if e != unix.ENAMETOOLONG {
			return nil, e
		}
	}
	return nil, unix.ENAMETOOLONG
}

// nameIn finds the name of directory child in its parent.
func (w *worker) nameIn(parent, child int) string {
	if w.fstat(child) != 0 {
		return ""
	}
	dev, ino := w.stat.Dev, w.stat.Ino
	buf := make([]byte, 8192)
	for {
		n, err := unix.ReadDirent(parent, buf)
		if err != nil || n <= 0 {
			return ""
		}
		_, _, names := unix.ParseDirent(buf[:n], -1, nil)
		for _, s := range names {
			w.entry[copy(w.entry[:nameMax], s)] = 0
			if call(sysFstatat, uintptr(parent), ptr(&w.entry[0]), uintptr(unsafe.Pointer(&w.stat)), unix.AT_SYMLINK_NOFOLLOW, 0) == 0 &&
				w.stat.Dev == dev && w.stat.Ino == ino {
				return s
			}
		}
	}
}
