//go:build linux

package linux

import "golang.org/x/sys/unix"

const sysFstatat = unix.SYS_FSTATAT

// dispatch does the call nr. This architecture has only the newer forms.
func (w *worker) dispatch(nr int, a *[6]uint64) (int, unix.Errno) {
	return w.dispatchAt(nr, a)
}
