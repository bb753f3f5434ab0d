//go:build linux

package linux

import (
	"bytes"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// taskSlots is how many tasks are remembered between calls. Few make names at
// the same time; each slot holds one descriptor.
const taskSlots = 16

// task is what is known of a thread that calls.
type task struct {
	tid   uint32
	proc  int // O_PATH descriptor of /proc/TID: names the thread, not its number
	umask uint32
	gen   uint32 // of umask; 0 for unknown
	seen  time.Time
}

func (t *task) forget() {
	if t.proc >= 0 {
		closeFD(t.proc)
	}
	*t = task{proc: -1}
}

// task returns the caller's entry. Its descriptor may be that of a thread that
// had the same number before; lookups through it then fail, see fresh.
func (w *worker) task() (*task, unix.Errno) {
	t := &w.tasks[w.req.pid%taskSlots]
	if t.proc >= 0 && t.tid == w.req.pid {
		return t, 0
	}
	return t, w.fresh(t)
}

// fresh fills t from /proc.
func (w *worker) fresh(t *task) unix.Errno {
	t.forget()
	fd, e := w.openat(w.cfg.Proc, w.tid.put("", int(w.req.pid)), openDir, 0)
	if e != 0 {
		return unix.ESRCH
	}
	if !w.valid() { // the number may be another thread's by now
		closeFD(fd)
		return unix.ESRCH
	}
	t.tid, t.proc = w.req.pid, fd
	return 0
}

// inTask opens a file below the caller's /proc/TID.
func (w *worker) inTask(path *byte, flags int) (int, unix.Errno) {
	t := &w.tasks[w.req.pid%taskSlots]
	if t.proc >= 0 && t.tid == w.req.pid {
		fd, e := w.openat(t.proc, path, flags, 0)
		if e == 0 || e != unix.ENOENT && e != unix.ESRCH {
			return fd, e
		}
	}
	if e := w.fresh(t); e != 0 {
		return -1, e
	}
	return w.openat(t.proc, path, flags, 0)
}

// base opens the directory a relative path starts from.
func (w *worker) base(dirfd int32) (int, unix.Errno) {
	if dirfd == unix.AT_FDCWD {
		fd, e := w.inTask(cstr("cwd\x00"), openDir)
		if e == 0 && !w.valid() {
			closeFD(fd)
			return -1, unix.EINTR
		}
		return fd, e
	}
	fd, e := w.callerFD(dirfd, unix.O_DIRECTORY)
	if e == 0 && !w.valid() {
		closeFD(fd)
		return -1, unix.EINTR
	}
	return fd, e
}

// callerFD opens what the caller's descriptor n stands for, with no right to it.
func (w *worker) callerFD(n int32, flags int) (int, unix.Errno) {
	if n < 0 {
		return -1, unix.EBADF
	}
	fd, e := w.inTask(w.theirs.put("fd/", int(n)), unix.O_PATH|unix.O_CLOEXEC|flags)
	switch e {
	case unix.ENOENT:
		return -1, unix.EBADF
	case unix.EACCES:
		// A task that made itself undumpable keeps its descriptors' names from its
		// own user, but the owner of its user namespace may still take a copy.
		return w.copyFD(n)
	}
	return fd, e
}

func (w *worker) copyFD(n int32) (int, unix.Errno) {
	const pidfdThread = unix.O_EXCL
	p, _, e := unix.RawSyscall(unix.SYS_PIDFD_OPEN, uintptr(w.req.pid), pidfdThread, 0)
	if e != 0 {
		return -1, e
	}
	defer closeFD(int(p))
	if !w.valid() {
		return -1, unix.ESRCH
	}
	fd, _, e := unix.RawSyscall(unix.SYS_PIDFD_GETFD, p, uintptr(n), 0)
	return int(fd), e
}

// umask returns the caller's umask.
func (w *worker) umask() (uint32, unix.Errno) {
	t, e := w.task()
	if e != 0 {
		return 0, e
	}
	if w.cfg.Umask && t.gen == w.gen+1 {
		// Is it still the same thread? Numbers are given out in turn, so one that
		// was seen a moment ago is not another's yet.
		now := time.Now()
		if now.Before(t.seen) || call(unix.SYS_FACCESSAT, uintptr(t.proc), ptr(cstr("comm\x00")), 0, 0, 0) == 0 {
			t.seen = now.Add(dirKeep)
			return t.umask, 0
		}
	}
	var buf [4096]byte
	n, e := w.readStatus(buf[:])
	if e != 0 {
		return 0, e
	}
	m, ok := field(buf[:n], "\nUmask:\t", 8)
	if !ok {
		return 0, unix.EIO
	}
	t = &w.tasks[w.req.pid%taskSlots]
	t.umask, t.gen = uint32(m), 0
	if w.cfg.Umask && time.Now().After(w.settled) {
		t.gen = w.gen + 1
	}
	return t.umask, 0
}

// readStatus reads the caller's /proc/TID/status.
func (w *worker) readStatus(buf []byte) (int, unix.Errno) {
	return w.readTask(cstr("status\x00"), buf)
}

func (w *worker) readTask(path *byte, buf []byte) (int, unix.Errno) {
	fd, e := w.inTask(path, unix.O_RDONLY|unix.O_CLOEXEC)
	if e != 0 {
		return 0, e
	}
	n, _, e := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
	closeFD(fd)
	return int(n), e
}

// field finds the number after key, in the given base; of several on the line
// the last.
func field(status []byte, key string, base uint64) (uint64, bool) {
	i := bytes.Index(status, unsafe.Slice(unsafe.StringData(key), len(key)))
	if i < 0 {
		return 0, false
	}
	line, _, _ := bytes.Cut(status[i+len(key):], newline)
	var n uint64
	ok := false
	for _, c := range line {
		switch {
		case c == '\t' || c == ' ':
			n, ok = 0, false
		case c < '0' || c >= '0'+byte(base):
			return 0, false
		default:
			n, ok = n*base+uint64(c-'0'), true
		}
	}
	return n, ok
}

var newline = []byte("\n")

// settling is how long after an umask(2) nothing that is read is kept: the
// kernel runs the call only after the answer, and another thread of the process
// may be asked about before that.
const settling = 100 * time.Millisecond

// setMask is umask(2). The kernel does it; here only what is known changes. All
// other tasks are forgotten, because some may share the value.
func (w *worker) setMask(mask uint32) (int, unix.Errno) {
	t, e := w.task()
	if e == 0 && call(unix.SYS_FACCESSAT, uintptr(t.proc), ptr(cstr("comm\x00")), 0, 0, 0) != 0 {
		e = w.fresh(t)
	}
	if e != 0 {
		return 0, e
	}
	w.gen++
	w.settled = time.Now().Add(settling)
	t.umask, t.gen = mask&0o777, w.gen+1
	w.proceed()
	return 0, 0
}

func (w *worker) fstat(fd int) unix.Errno {
	return call(unix.SYS_FSTAT, uintptr(fd), uintptr(unsafe.Pointer(&w.stat)), 0, 0, 0)
}

func (w *worker) lstat(t *target) unix.Errno {
	return call(sysFstatat, uintptr(t.dir), ptr(t.bare()), uintptr(unsafe.Pointer(&w.stat)), unix.AT_SYMLINK_NOFOLLOW, 0)
}

// virtual reports whether fd is on a file system whose files are kernel
// interfaces. Their checks look at who opens, and that would be this thread.
func (w *worker) virtual(fd int) bool {
	if call(unix.SYS_FSTATFS, uintptr(fd), uintptr(unsafe.Pointer(&w.fs)), 0, 0, 0) != 0 {
		return true
	}
	switch uint32(w.fs.Type) {
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC,
		unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.BPF_FS_MAGIC, unix.SECURITYFS_MAGIC, unix.SELINUX_MAGIC, unix.EFIVARFS_MAGIC, unix.NSFS_MAGIC:
		return true
	}
	return false
}
