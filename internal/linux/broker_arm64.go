//go:build linux

package linux

import "golang.org/x/sys/unix"

// largeFile is O_LARGEFILE, which the kernel adds to every open of a 64-bit
// program but to no openat2.
const largeFile = 0o400000

const sysFstatat = unix.SYS_FSTATAT

// dispatch does the call nr. This architecture has only the newer forms.
func (w *worker) dispatch(nr int, a *[6]uint64) (int, unix.Errno) {
	return w.dispatchAt(nr, a)
}
