//go:build linux

package linux

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/name"
)

// The kernel's structures of linux/seccomp.h.
type (
	seccompNotif struct {
		id    uint64
		pid   uint32
		flags uint32
		nr    int32
		arch  uint32
		ip    uint64
		args  [6]uint64
	}
	seccompResp struct {
		id    uint64
		val   int64
		errno int32
		flags uint32
	}
	seccompAddFD struct {
		id         uint64
		flags      uint32
		srcfd      uint32
		newfd      uint32
		newfdFlags uint32
	}
)

const (
	ioctlNotifRecv     = 0xc0502100
	ioctlNotifSend     = 0xc0182101
	ioctlNotifIDValid  = 0x40082102
	ioctlNotifAddFD    = 0x40182103
	ioctlNotifSetFlags = 0x40082104

	notifSyncWakeUp    = 1
	notifContinue      = 1
	addFDFlagSend      = 2
	notifStructs       = 80
	seccompGetSizes    = 3
	capabilityVersion3 = 0x20080522
)

// worker is the state of the broker's thread. Its buffers are reused: a call
// that is allowed allocates nothing.
type worker struct {
	cfg      brokerConfig
	names    *name.Matcher
	listener int
	wake     int
	queue    chan Denial
	lost     int

	fds     int // O_PATH descriptor of /proc/self/fd, also the working directory
	mask    uint32
	tasks   [taskSlots]task
	gen     uint32 // grows with every umask(2) inside
	settled time.Time
	fifos   chan struct{} // one for each goroutine that waits for a FIFO
	held    chan struct{} // one for each that waits for an answer about a program
	waits   sync.WaitGroup
	stop    chan struct{}

	req      seccompNotif
	resp     seccompResp
	add      seccompAddFD
	answered bool // the call has its answer, or will get it elsewhere

	a, b             target // the one or two names of a call
	dirs             dirCache
	asked            [dirText]byte
	entry            [nameMax + 1]byte
	statx            unix.Statx_t
	how              unix.OpenHow
	stat             unix.Stat_t
	fs               unix.Statfs_t
	iov              [2]unix.Iovec
	own, theirs, tid digits     // numbers of descriptors and tasks, as paths
	text             [4096]byte // the target of a new symbolic link

	program  Exec // of the present call
	scripts  [scriptSlots]scriptSlot
	recorder *recorder // nil when nothing is recorded
}

// setUp makes the thread what it works as.
func (w *worker) setUp() error {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	w.fds = -1
	w.dirs.init()
	for i := range w.tasks {
		w.tasks[i].proc = -1
	}
	w.fifos = make(chan struct{}, maxFIFOs)
	w.held = make(chan struct{}, maxHeld)
	w.stop = make(chan struct{})

	var sizes [3]uint16
	if _, _, e := unix.RawSyscall(unix.SYS_SECCOMP, seccompGetSizes, 0, uintptr(unsafe.Pointer(&sizes))); e != 0 {
		return fmt.Errorf("get seccomp notification sizes: %w", e)
	}
	if sizes[0] != uint16(unsafe.Sizeof(w.req)) || sizes[1] != uint16(unsafe.Sizeof(w.resp)) {
		return fmt.Errorf("seccomp notifications of %d and %d bytes are not known", sizes[0], sizes[1])
	}
	// A signal during an answer could hand the caller a wrong result.
	all := ^uint64(0)
	if _, _, e := unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&all)), 0, 8, 0, 0); e != 0 {
		return fmt.Errorf("block signals: %w", e)
	}
	if _, _, e := unix.RawSyscall(unix.SYS_UNSHARE, unix.CLONE_FS, 0, 0); e != 0 {
		return fmt.Errorf("unshare file system attributes: %w", e)
	}
	unix.RawSyscall(unix.SYS_UMASK, 0, 0, 0)
	// The descriptors of this process by number, as paths: how an O_PATH
	// descriptor is reopened, linked, truncated.
	fd, e := w.openat(w.cfg.Proc, cstr("self/fd\x00"), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if e != 0 {
		return fmt.Errorf("open own descriptors: %w", e)
	}
	w.fds = fd
	if _, _, e := unix.RawSyscall(unix.SYS_FCHDIR, uintptr(fd), 0, 0); e != 0 {
		return fmt.Errorf("enter own descriptors: %w", e)
	}
	// A sandbox around us may forbid this: then every name would fail, and nobody could
	// say why.
	var from, to [1]byte
	remote := unix.RemoteIovec{Base: uintptr(unsafe.Pointer(&from[0])), Len: 1}
	if _, err := unix.ProcessVMReadv(os.Getpid(), []unix.Iovec{{Base: &to[0], Len: 1}}, []unix.RemoteIovec{remote}, 0); err != nil {
		return fmt.Errorf("read memory of another process: %w", err)
	}
	runtime.KeepAlive(&from)
	if w.cfg.Write == nil || w.cfg.Read == nil {
		same, err := w.sameMount()
		if err != nil {
			return err
		}
		if same {
			return errors.New("a box without mounts of its own needs the places it may write and read")
		}
	}
	if w.cfg.DropCreds {
		if err := w.dropCreds(); err != nil {
			return err
		}
	}
	// Not an error where the kernel is older (6.6): then each call only costs more.
	unix.RawSyscall(unix.SYS_IOCTL, uintptr(w.listener), ioctlNotifSetFlags, notifSyncWakeUp)
	return nil
}

// sameMount reports whether the box's root is this process's own.
func (w *worker) sameMount() (bool, error) {
	box, ok := w.identify(w.cfg.Root, cstr("\x00"), unix.AT_EMPTY_PATH)
	own, ok2 := w.identify(w.cfg.Root, cstr("/\x00"), 0)
	if !ok || !ok2 {
		return false, errors.New("mounts have no identity on this kernel")
	}
	return box == own, nil
}

// dropCreds makes the thread, and only it, act as the box's user. The effective
// id stays: as the owner of the box's user namespace it may read the memory of
// the box's tasks, which needs no capability of its own. Without a namespace, of
// tier landlock, the real ids must be those of the tasks for that (ptrace(2)).
func (w *worker) dropCreds() error {
	if !groupsStay() {
		if _, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); e != 0 {
			return fmt.Errorf("drop groups: %w", e)
		}
	}
	gid, uid := uintptr(w.cfg.HostGID), uintptr(w.cfg.HostUID)
	if keep := ^uintptr(0); w.cfg.Write != nil {
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, gid, keep, keep); e != 0 {
			return fmt.Errorf("set the real group id: %w", e)
		}
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uid, keep, keep); e != 0 {
			return fmt.Errorf("set the real user id: %w", e)
		}
	}
	unix.RawSyscall(unix.SYS_SETFSGID, gid, 0, 0)
	unix.RawSyscall(unix.SYS_SETFSUID, uid, 0, 0)
	// These two calls return the id before, never an error: ask again.
	g, _, _ := unix.RawSyscall(unix.SYS_SETFSGID, ^uintptr(0), 0, 0)
	u, _, _ := unix.RawSyscall(unix.SYS_SETFSUID, ^uintptr(0), 0, 0)
	if g != gid || u != uid {
		return fmt.Errorf("become %d:%d: got %d:%d", uid, gid, u, g)
	}
	hdr := unix.CapUserHeader{Version: capabilityVersion3}
	var none [2]unix.CapUserData
	if _, _, e := unix.RawSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&hdr)), uintptr(unsafe.Pointer(&none)), 0); e != 0 {
		return fmt.Errorf("drop capabilities: %w", e)
	}
	if _, _, e := unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); e != 0 {
		return fmt.Errorf("set no_new_privs: %w", e)
	}
	return nil
}

// settle ends what answers calls later.
func (w *worker) settle() {
	close(w.stop)
	w.waits.Wait()
}

func (w *worker) close() {
	for i := range w.tasks {
		w.tasks[i].forget()
	}
	w.dirs.flush()
	if w.fds >= 0 {
		closeFD(w.fds)
	}
}

// serve answers calls until it is woken up or nobody is left to call.
func (w *worker) serve() error {
	poll := &[2]unix.PollFd{{Fd: int32(w.listener), Events: unix.POLLIN}, {Fd: int32(w.wake), Events: unix.POLLIN}}
	calls, err := w.calls()
	if err != nil {
		return err
	}
	defer calls.Close()
	conn, err := calls.SyscallConn()
	if err != nil {
		return fmt.Errorf("watch for notifications: %w", err)
	}
	var now unix.Timespec
	var e unix.Errno
	look := func(uintptr) bool {
		var n uintptr
		n, _, e = unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(poll)), uintptr(len(poll)), uintptr(unsafe.Pointer(&now)), 0, 0, 0)
		return n > 0 || e != 0
	}
	for {
		// The only place that waits for the box. Poll comes before receive because a
		// receive cannot be woken up, and on older kernels outlives the last caller.
		if err := conn.Read(look); err != nil {
			return fmt.Errorf("wait for notifications: %w", err)
		}
		if e != 0 && e != unix.EINTR {
			return fmt.Errorf("poll: %w", e)
		}
		switch {
		case poll[1].Revents != 0:
			return nil
		case poll[0].Revents&unix.POLLIN != 0:
		case poll[0].Revents != 0:
			return nil
		default:
			continue
		}
		w.req = seccompNotif{} // the kernel insists on zeros
		_, _, e = unix.RawSyscall(unix.SYS_IOCTL, uintptr(w.listener), ioctlNotifRecv, uintptr(unsafe.Pointer(&w.req)))
		switch e {
		case 0:
			w.handle()
		case unix.ENOENT, unix.EINTR: // the caller was killed meanwhile
		case unix.ENOTCONN:
			return nil
		default:
			return fmt.Errorf("receive notification: %w", e)
		}
	}
}

// calls is a file that the Go runtime watches for calls. Waiting for them in a
// system call of the worker's own would keep the runtime's monitor awake, which
// looks every 20 us after a thread that waits in one: a millisecond of processor
// time for each call that comes milliseconds after the last. The listener itself
// would wake up the runtime for each answer too.
func (w *worker) calls() (*os.File, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an epoll: %w", err)
	}
	for _, fd := range [...]int{w.listener, w.wake} {
		if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN}); err != nil {
			unix.Close(ep)
			return nil, fmt.Errorf("watch for notifications: %w", err)
		}
	}
	unix.SetNonblock(ep, true) // what makes os watch it
	return os.NewFile(uintptr(ep), "epoll"), nil
}

// handle does one call and answers it.
func (w *worker) handle() {
	w.answered = false
	w.a.reset()
	w.b.reset()
	w.dirs.call++
	val, e := w.dispatch(int(w.req.nr), &w.req.args)
	if e == unix.EROFS {
		w.readOnly(int(w.req.nr))
	}
	w.a.drop()
	w.b.drop()
	if w.answered {
		return
	}
	w.resp = seccompResp{id: w.req.id, val: int64(val), errno: -int32(e)}
	unix.RawSyscall(unix.SYS_IOCTL, uintptr(w.listener), ioctlNotifSend, uintptr(unsafe.Pointer(&w.resp)))
}

// proceed lets the kernel run the call as it stands. Only for calls whose
// arguments are all in registers, because memory could have changed; and for exec,
// which nobody else can do for the caller (see broker_exec.go).
func (w *worker) proceed() {
	w.resp = seccompResp{id: w.req.id, flags: notifContinue}
	unix.RawSyscall(unix.SYS_IOCTL, uintptr(w.listener), ioctlNotifSend, uintptr(unsafe.Pointer(&w.resp)))
	w.answered = true
}

// give answers with a copy of descriptor fd.
func (w *worker) give(fd int, cloexec bool) unix.Errno {
	w.add = seccompAddFD{id: w.req.id, flags: addFDFlagSend, srcfd: uint32(fd)}
	if cloexec {
		w.add.newfdFlags = unix.O_CLOEXEC
	}
	for {
		_, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(w.listener), ioctlNotifAddFD, uintptr(unsafe.Pointer(&w.add)))
		switch e {
		case 0:
			w.answered = true
			return 0
		case unix.EINTR:
			continue
		}
		return e // EMFILE: the caller's own limit
	}
}

// valid reports whether the caller still waits: what was opened by its thread id
// is really the caller's.
func (w *worker) valid() bool {
	_, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(w.listener), ioctlNotifIDValid, uintptr(unsafe.Pointer(&w.req.id)))
	return e == 0
}

// deny records a refusal and returns its errno.
func (w *worker) deny(op name.Op, path []byte, v name.Verdict) unix.Errno {
	d := Denial{PID: int(w.req.pid), Op: op.String(), Path: string(path), Rule: v.Rule, Hint: v.Hint, Errno: v.Errno, Lost: w.lost}
	if t, e := w.task(); e == 0 {
		var buf [4096]byte
		if n, e := w.readlinkat(t.proc, cstr("exe\x00"), buf[:]); e == 0 {
			d.Exe = string(buf[:n])
		}
	}
	select {
	case w.queue <- d:
		w.lost = 0
	default:
		w.lost++
	}
	return v.Errno
}

// readOnly reports a name that could not be made because the mounts there are
// read-only. Programs also try that in passing, in system directories: no news.
func (w *worker) readOnly(nr int) {
	t := &w.a
	if w.b.nreal > 0 {
		t = &w.b
	}
	p := t.path()
	if len(p) == 0 || systemPath(p) {
		return
	}
	op := name.Create
	switch nr {
	case unix.SYS_MKDIRAT:
		op = name.Mkdir
	case unix.SYS_UNLINKAT:
		op = name.Unlink
	}
	w.deny(op, p, name.Verdict{Rule: "read-only", Errno: unix.EROFS,
		Hint: "only what is below a writable root can be changed; --write DIR opens another directory"})
}

// systemPath says whether p lies in a directory of the system's.
func systemPath(p []byte) bool {
	for _, d := range [...]string{"/usr/", "/etc/", "/proc/", "/sys/", "/dev/", "/opt/", "/nix/", "/lib", "/bin/", "/sbin/"} {
		if len(p) >= len(d) && string(p[:len(d)]) == d {
			return true
		}
	}
	return false
}

// check asks the rules about the name in t.
func (w *worker) check(op name.Op, t *target, dir bool) unix.Errno {
	v := w.verdict(op, t.path(), dir)
	if v.Act == name.Allow {
		return 0
	}
	return w.deny(op, t.path(), v)
}

// verdict asks the rules, after the places the box may write at all.
func (w *worker) verdict(op name.Op, path []byte, dir bool) name.Verdict {
	if v := w.outside(op, path); v.Act != name.Allow {
		return v
	}
	return w.names.Check(op, path, dir)
}

// outside refuses what the box's mounts would refuse, where it has none of its own.
func (w *worker) outside(op name.Op, path []byte) name.Verdict {
	places, hint := w.cfg.Write, "this box may not write there"
	if op == name.Read {
		places, hint = w.cfg.Read, "this box may not read there"
	}
	if places == nil {
		return name.Verdict{}
	}
	for _, p := range places {
		if p == "/" || len(path) >= len(p) && string(path[:len(p)]) == p && (len(path) == len(p) || path[len(p)] == '/') {
			return name.Verdict{}
		}
	}
	return name.Verdict{Act: name.Refuse, Errno: unix.EACCES, Rule: "places", Hint: hint}
}
