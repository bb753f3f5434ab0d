//go:build linux

package probe

import (
	"golang.org/x/sys/unix"
)

// kernelProbes ask for parts of the kernel that a box has no use for. Only the
// probe can say whether a call was refused.
func kernelProbes() []Probe {
	call := func(id, title, why string, nr uintptr, args ...uintptr) Probe {
		return Probe{ID: "kernel." + id, Severity: Hardening, Title: title, Why: why, Wall: "syscall allow list", Fix: "run with a tier that filters system calls",
			Attack: func(*Inside) error { return rawCall(nr, args...) }}
	}
	return []Probe{
		call("io-uring", "set up io_uring", "it does system calls that no filter sees", unix.SYS_IO_URING_SETUP),
	}
}

// rawCall makes a system call with arguments that do no harm: a wall refuses it
// before the kernel looks at them, so any other answer is a hole.
func rawCall(nr uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	_, _, e := unix.RawSyscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
	if e == unix.ENOSYS || e == unix.EPERM || e == unix.EACCES {
		return e
	}
	return nil
}
