//go:build linux

// Package nouserns lets tests of the tier landlock run anywhere: it takes user
// namespaces away from a process and all that it starts, without a change to the
// machine.
package nouserns

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Forbid loads a filter that refuses new user namespaces, as a container's does,
// into all threads. clone3 hides its flags: it gets ENOSYS.
func Forbid() error {
	runtime.LockOSThread()
	const ret, jeq, jset, ld = unix.BPF_RET | unix.BPF_K, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	prog := []unix.SockFilter{
		{Code: ld, K: 0},
		{Code: jeq, K: unix.SYS_CLONE3, Jt: 5},
		{Code: jeq, K: unix.SYS_CLONE, Jt: 1},
		{Code: jeq, K: unix.SYS_UNSHARE, Jf: 2},
		{Code: ld, K: 16},
		{Code: jset, K: unix.CLONE_NEWUSER, Jt: 2},
		{Code: ret, K: unix.SECCOMP_RET_ALLOW},
		{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	f := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	// All threads: exec keeps the filter of the thread that calls it only.
	if _, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&f))); e != 0 {
		return e
	}
	return nil
}
