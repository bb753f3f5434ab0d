//go:build linux

package probe

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// mqUnlink removes a POSIX message queue.
func mqUnlink(name *byte) error {
	if _, _, e := unix.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(name)), 0, 0); e != 0 {
		return e
	}
	return nil
}
