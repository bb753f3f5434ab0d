//go:build linux

package linux

import (
	"bytes"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/name"
)

// Names that mean something else to each task. The worker is not the caller, so
// /proc/self, /dev/stdout and /dev/tty are read as text before the kernel sees
// them, and lead to the caller's own descriptors.

// selfFD reports whether path names one of the caller's descriptors.
func (w *worker) selfFD(path []byte) (int32, bool) {
	if len(path) < 8 || path[0] != '/' {
		return 0, false
	}
	switch string(path) {
	case "/dev/stdin":
		return 0, true
	case "/dev/stdout":
		return 1, true
	case "/dev/stderr":
		return 2, true
	}
	rest, ok := bytes.CutPrefix(path, []byte("/dev/fd/"))
	if !ok {
		if rest, ok = w.ownProc(path); !ok {
			return 0, false
		}
		if rest, ok = bytes.CutPrefix(rest, []byte("fd/")); !ok {
			return 0, false
		}
	}
	n, ok := number(rest)
	return int32(n), ok
}

// ownProc cuts /proc/self/, /proc/thread-self/, or the same by the caller's own
// number, and a task/TID/ after it.
func (w *worker) ownProc(path []byte) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(path, []byte("/proc/"))
	if !ok {
		return nil, false
	}
	who, rest, ok := bytes.Cut(rest, []byte("/"))
	if !ok {
		return nil, false
	}
	switch {
	case string(who) == "self", string(who) == "thread-self":
	default:
		n, ok := number(who)
		if !ok {
			return nil, false
		}
		tgid, tid, e := w.insideIDs()
		if e != 0 || n != tgid && n != tid {
			return nil, false
		}
	}
	return rest, true
}

// fromOwn turns a path below one of the caller's own directories in /proc, as in
// /proc/self/fd/7/name, into a name relative to that directory. Programs without
// openat write it so.
func (w *worker) fromOwn(t *target, dirfd *uint64) bool {
	p := t.text[:t.n]
	if len(p) < 10 || p[0] != '/' {
		return false
	}
	rest, ok := bytes.CutPrefix(p, []byte("/dev/fd/"))
	cwd := false
	if !ok {
		if rest, ok = w.ownProc(p); !ok {
			return false
		}
		if rest, cwd = bytes.CutPrefix(rest, []byte("cwd/")); !cwd {
			if rest, ok = bytes.CutPrefix(rest, []byte("fd/")); !ok {
				return false
			}
		}
	}
	base := unix.AT_FDCWD
	if !cwd {
		digits, below, _ := bytes.Cut(rest, []byte("/"))
		var isNumber bool
		if base, isNumber = number(digits); !isNumber {
			return false
		}
		rest = below
	}
	rest = bytes.TrimLeft(rest, "/")
	if len(rest) == 0 {
		return false
	}
	*dirfd = uint64(uint32(int32(base)))
	t.n = copy(t.text[:], rest)
	t.text[t.n] = 0
	return true
}

// number reads a decimal number, as procfs writes them.
func number(s []byte) (int, bool) {
	if len(s) == 0 || len(s) > 9 || len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	n := 0
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// insideIDs are the caller's process and thread numbers as the box's /proc has them.
func (w *worker) insideIDs() (tgid, tid int, e unix.Errno) {
	var buf [4096]byte
	n, e := w.readStatus(buf[:])
	if e != 0 {
		return 0, 0, e
	}
	a, ok := field(buf[:n], "\nNStgid:", 10)
	b, ok2 := field(buf[:n], "\nNSpid:", 10)
	if !ok || !ok2 {
		return 0, 0, unix.EIO
	}
	return int(a), int(b), 0
}

// ownNumber rewrites a path below /proc/self to the caller's number, for reads.
func (w *worker) ownNumber(t *target, op name.Op) unix.Errno {
	const self, thread = "/proc/self", "/proc/thread-self"
	p := t.text[:t.n]
	if op != name.Read || !bytes.HasPrefix(p, []byte("/proc/")) {
		return 0
	}
	var rest []byte
	switch {
	case bytes.HasPrefix(p, []byte(self)) && (len(p) == len(self) || p[len(self)] == '/'):
		rest = p[len(self):]
	case bytes.HasPrefix(p, []byte(thread)) && (len(p) == len(thread) || p[len(thread)] == '/'):
		rest = p[len(thread):]
	default:
		return 0
	}
	tgid, tid, e := w.insideIDs()
	if e != 0 {
		return e
	}
	keep := append([]byte(nil), rest...)
	out := append(t.text[:0], "/proc/"...)
	out = appendInt(out, tgid)
	if p[6] == 't' {
		out = append(out, "/task/"...)
		out = appendInt(out, tid)
	}
	out = append(out, keep...)
	if len(out) >= unix.PathMax {
		return unix.ENAMETOOLONG
	}
	t.n = len(out)
	t.text[t.n] = 0
	return 0
}

func appendInt(b []byte, n int) []byte {
	if n >= 10 {
		b = appendInt(b, n/10)
	}
	return append(b, byte('0'+n%10))
}

// openSelf opens descriptor n of the caller anew, as /proc/self/fd/n does.
func (w *worker) openSelf(n int32, op name.Op, flags int) (int, unix.Errno) {
	if flags&unix.O_NOFOLLOW != 0 && flags&unix.O_PATH == 0 {
		return 0, unix.ELOOP
	}
	if flags&(unix.O_CREAT|unix.O_EXCL) == unix.O_CREAT|unix.O_EXCL {
		return 0, unix.EEXIST
	}
	fd, e := w.callerFD(n, 0)
	if e == unix.EBADF {
		e = unix.ENOENT
	}
	if e != 0 {
		return 0, e
	}
	if !w.valid() {
		closeFD(fd)
		return 0, unix.EINTR
	}
	return w.reopen(fd, op, flags)
}

// reopen opens what fd, which it closes, stands for, with the caller's flags.
func (w *worker) reopen(fd int, op name.Op, flags int) (int, unix.Errno) {
	defer closeFD(fd)
	if op == name.Create {
		op = name.Write // it exists
	}
	t := &w.a
	size, e := w.realPath(fd, t.real[:unix.PathMax])
	if e != 0 {
		return 0, e
	}
	t.nreal, t.long = size, nil
	if size > 0 && t.real[0] == '/' {
		if e := w.check(op, t, false); e != 0 {
			return 0, e
		}
	}
	if w.virtual(fd) {
		return 0, unix.EACCES
	}
	flags &^= unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW
	got, e := w.openat(w.fds, w.fdName(fd), w.quiet(flags), 0)
	if e != 0 {
		return 0, e
	}
	return w.hand(got, flags)
}

// openTerminal opens the caller's controlling terminal. The device /dev/tty
// would give the worker its own process's.
func (w *worker) openTerminal(flags int) (int, unix.Errno) {
	var buf [1024]byte
	n, e := w.readTask(cstr("stat\x00"), buf[:])
	if e != 0 {
		return 0, e
	}
	// pid (comm) state ppid pgrp session tty_nr: comm may hold anything.
	i := bytes.LastIndexByte(buf[:n], ')')
	f := bytes.Fields(buf[i+1 : n])
	if len(f) < 5 {
		return 0, unix.EIO
	}
	tty, ok := number(f[4])
	if !ok || tty == 0 {
		return 0, unix.ENXIO
	}
	// Any descriptor of it will do; programs that open /dev/tty nearly always have
	// one among the first. A pty of the box is found by its number.
	const look = 32
	for n := range int32(look) {
		fd, e := w.callerFD(n, 0)
		if e != 0 {
			continue
		}
		if w.fstat(fd) == 0 && w.stat.Mode&unix.S_IFMT == unix.S_IFCHR && uint64(w.stat.Rdev) == uint64(tty) {
			return w.reopen(fd, name.Write, flags)
		}
		closeFD(fd)
	}
	const ptsMajor = 136
	if tty>>8&0xfff == ptsMajor {
		t := &w.a
		out := append(t.text[:0], "/dev/pts/"...)
		out = appendInt(out, tty&0xff|tty>>12&0xfff00)
		t.n = len(out)
		t.text[t.n] = 0
		fd, e := w.openat2(w.cfg.Root, &t.text[0], unix.O_PATH|unix.O_CLOEXEC, resolveRoot)
		if e == 0 {
			if w.fstat(fd) == 0 && uint64(w.stat.Rdev) == uint64(tty) {
				return w.reopen(fd, name.Write, flags)
			}
			closeFD(fd)
		}
	}
	return 0, unix.ENXIO
}

// publicProc are files of other tasks that the kernel checks when they are read,
// by who reads, and not when they are opened.
var publicProc = [...]string{"stat", "statm", "status", "cmdline", "comm", "cgroup", "limits", "mountinfo", "mounts", "oom_score", "oom_score_adj", "schedstat", "sched", "loginuid", "sessionid"}

// mayOpenVirtual decides on a file of procfs, sysfs or the like. None is opened
// for writing: this thread is in no box, and some of these files ask who opened
// them. Of procfs, what says something about a task is opened only when the
// task is the caller's own process, or the kernel asks again on each read.
func (w *worker) mayOpenVirtual(t *target, op name.Op) unix.Errno {
	if op != name.Read {
		if e := w.lstat(t); e != 0 {
			return e
		}
		return unix.EACCES
	}
	if uint32(w.fs.Type) != unix.PROC_SUPER_MAGIC {
		return 0
	}
	rest, ok := bytes.CutPrefix(t.path(), []byte("/proc/"))
	if !ok {
		return 0
	}
	who, rest, _ := bytes.Cut(rest, []byte("/"))
	n, ok := number(who)
	if !ok || len(rest) == 0 {
		return 0
	}
	if tgid, _, e := w.insideIDs(); e != 0 || n == tgid {
		return e
	}
	last := rest[bytes.LastIndexByte(rest, '/')+1:]
	for _, s := range publicProc {
		if string(last) == s {
			return 0
		}
	}
	return unix.EACCES
}
