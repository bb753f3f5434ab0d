package attempt

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// StartArg, in front of a program and its arguments, asks for Start. In front of it
// stands the argument that this process was started with.
const StartArg = "start"

// start says whether a program can be started with its arguments, which rules about
// commands look at. It is, and for good: execve(2) succeeds, and the first system
// call that the program makes ends it. So nothing that the program is for happens.
func start(words []string) Answer {
	if len(os.Args) < 2 {
		return Answer{Skip: "this program cannot start itself again"}
	}
	cmd := exec.Command("/proc/self/exe", append([]string{os.Args[1], StartArg}, words...)...)
	cmd.Args[0] = os.Args[0]
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return failed("start a child", err)
	}
	st, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case !ok:
	case st.Signaled() && st.Signal() == syscall.SIGSYS:
		return Answer{Done: true, Step: "execve"}
	case st.Exited() && st.ExitStatus() > 0 && st.ExitStatus() < cannotTell:
		errno := syscall.Errno(st.ExitStatus())
		if errno == syscall.ENOEXEC {
			// It may be executed, and is in no form that the kernel knows: a shell
			// would read it as a script.
			return Answer{Done: true, Step: "execve"}
		}
		return failed("execve", errno)
	}
	return Answer{Step: "execve", Skip: "the child ended otherwise: " + cmd.ProcessState.String()}
}

// cannotTell is the exit code of Start when it did not come to its execve.
// Every errno is below it.
const cannotTell = 250

// exitMark is what Start adds to its exit code, which only its last byte is part
// of: the filter lets no other exit pass.
const exitMark = 0x5a5a00

// Start replaces the process by the program that the first word names, under a filter that lets no
// system call pass but execve, and exit with our mark. It returns only when there
// is no such filter; the exit code otherwise is the errno of execve.
func Start(words []string) int {
	name := words[0]
	var paths []*byte
	add := func(p string) {
		if b, err := syscall.BytePtrFromString(p); err == nil {
			paths = append(paths, b)
		}
	}
	if strings.Contains(name, "/") {
		add(name)
	} else {
		for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
			if filepath.IsAbs(dir) {
				add(filepath.Join(dir, name))
			}
		}
	}
	argv, err := syscall.SlicePtrFromStrings(words)
	if err != nil {
		return cannotTell
	}
	envp := [1]*byte{nil}

	filter := [...]unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_EXECVE, Jt: 5},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_EXIT_GROUP, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 16}, // the low half of its first argument
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0xffffff00},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: exitMark, Jt: 1},
		// A trap kills a program that does not expect it, as execve's never do. It is
		// not written to the kernel's log, as the filter's own kill is.
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_TRAP},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}

	// The filter is this thread's alone, and from it on the Go runtime must not
	// make a call here: no signal, no collection.
	runtime.LockOSThread()
	debug.SetGCPercent(-1)
	runtime.GC()
	// A box has a limit of nothing. Without one a core would go to the program in
	// core_pattern whatever the limit, unless that is 1 (core(5)).
	unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 1, Max: 1})
	all := ^uint64(0)
	if _, _, e := unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&all)), 0, 8, 0, 0); e != 0 {
		return cannotTell
	}
	if _, _, e := unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); e != 0 {
		return cannotTell
	}
	if _, _, e := unix.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog))); e != 0 {
		return cannotTell
	}
	why := unix.ENOENT
	for i := range paths {
		_, _, e := unix.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(paths[i])), uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envp)))
		if e != unix.ENOENT && e != unix.ENOTDIR {
			why = e
		}
		if e != unix.ENOENT && e != unix.ENOTDIR && e != unix.EACCES {
			break
		}
	}
	unix.RawSyscall(unix.SYS_EXIT_GROUP, exitMark|uintptr(why), 0, 0)
	return cannotTell
}
