//go:build linux

package linux

import (
	"bytes"
	"context"
	"encoding/binary"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/name"
)

// Programs that are executed inside. Here, unlike everywhere else in the broker,
// the kernel goes on with the call as it stands: the one process that can become
// the program is the caller. So this is a guardrail. Another thread can change
// path and arguments between the look and the kernel's own; what holds then are
// the walls.

const (
	// judgedBytes and judgedWords bound what is read of a program that a rule may be
	// about. Longer arguments are refused with E2BIG, as the kernel refuses some
	// megabytes: of what is not read nobody can say that no rule is about it.
	judgedBytes = 256 << 10
	judgedWords = 16 << 10
	// keptBytes and keptWords bound what is recorded of another. The rest is counted.
	keptBytes = 8192
	keptWords = 64
	// countedWords is how far the rest is counted.
	countedWords = 64 << 10

	// maxHeld is how many callers may wait for an answer about a program at once. The
	// next gets EAGAIN, as from a kernel that has no room for another process.
	maxHeld = 1024
	// heldCheck is how often it is looked whether a caller still waits.
	heldCheck = 200 * time.Millisecond

	// scriptSlots is how many files are remembered with what their first line says.
	scriptSlots = 64
)

// execve is execve(2).
func (w *worker) execve(path, argv uint64) (int, unix.Errno) { return w.exec(atCWD, path, argv, 0) }

// exec is execveat(2): it looks at what is to be executed, asks the rules, and
// lets the kernel go on.
func (w *worker) exec(dirfd, path, argv, flags uint64) (int, unix.Errno) {
	s := w.cfg.Execs
	if s == nil {
		w.proceed()
		return 0, 0
	}
	e := &w.program
	*e = Exec{}
	found := w.findProgram(e, dirfd, path, flags)
	if found == unix.EFAULT || found == unix.ENAMETOOLONG {
		return 0, found
	}
	about := s.Judge != nil && (w.concerns(e) || w.calledBy(argv))
	if found != 0 {
		if about {
			return 0, found // and no other file in its place
		}
		w.proceed()
		return 0, 0
	}
	if !about && s.Started == nil {
		w.proceed()
		return 0, 0
	}
	words, size := keptWords, keptBytes
	if about {
		words, size = judgedWords, judgedBytes
	}
	if errno := w.readArgs(e, argv, words, size); errno != 0 {
		return 0, errno
	}
	if about && e.More > 0 {
		return 0, unix.E2BIG
	}
	w.describe(e)
	if !w.valid() {
		return 0, unix.EINTR
	}
	pidfd := -1
	if s.Started != nil {
		pidfd = w.watched(e.PID)
	}
	if !about {
		w.proceed()
		w.started(e, pidfd)
		return 0, 0
	}
	return 0, w.hold(e, pidfd)
}

// findProgram finds the file, and fills in what there is to know of it.
func (w *worker) findProgram(e *Exec, dirfd, path, flags uint64) unix.Errno {
	t := &w.a
	n, errno := w.readString(path, t.text[:unix.PathMax])
	if errno != 0 {
		return errno
	}
	t.n = n
	e.Path = string(t.text[:n])
	fd, errno := w.openProgram(t, dirfd, flags)
	if errno != 0 {
		return errno
	}
	e.Real = w.programPath(fd)
	if e.Path == "" {
		e.Path = e.Real
	}
	line := w.script(fd)
	closeFD(fd)
	for line != nil {
		s := Script{Words: line}
		line = nil
		if w.cfg.Execs.Judge != nil && len(e.Scripts) < maxScripts {
			s.Real, line = w.interpreter(t, s.Words[0])
		}
		e.Scripts = append(e.Scripts, s)
	}
	return 0
}

// interpreter finds the program that a #! line names, as the kernel does, and what
// its own first line says.
func (w *worker) interpreter(t *target, program string) (real string, line []string) {
	t.drop()
	t.reset()
	t.n = copy(t.text[:unix.PathMax-1], program)
	t.text[t.n] = 0
	fd, e := w.openProgram(t, atCWD, 0)
	if e != 0 {
		return "", nil // the kernel does not find it either
	}
	defer closeFD(fd)
	return w.programPath(fd), w.script(fd)
}

// openProgram opens the file that t names, without any right to it. It is one that
// may be executed, and its status is in w.stat.
func (w *worker) openProgram(t *target, dirfd, flags uint64) (fd int, errno unix.Errno) {
	switch self, isFD := w.selfFD(t.text[:t.n]); {
	case t.n == 0 && uint32(flags)&unix.AT_EMPTY_PATH != 0:
		fd, errno = w.callerFD(int32(uint32(dirfd)), 0)
	case t.n == 0:
		return -1, unix.ENOENT
	case isFD:
		fd, errno = w.callerFD(self, 0)
	default:
		if rest, own := w.ownProc(t.text[:t.n]); own && string(rest) == "exe" {
			fd, errno = w.inTask(cstr("exe\x00"), unix.O_PATH|unix.O_CLOEXEC)
			break
		}
		if errno = w.ownNumber(t, name.Read); errno != 0 {
			return -1, errno
		}
		if errno = w.descend(t, dirfd); errno == 0 {
			fd, errno = w.pin(t, uint32(flags)&unix.AT_SYMLINK_NOFOLLOW == 0)
		}
	}
	if errno != 0 {
		return -1, errno
	}
	errno = w.fstat(fd)
	if errno == 0 && (w.stat.Mode&unix.S_IFMT != unix.S_IFREG || w.stat.Mode&0o111 == 0) {
		errno = unix.EACCES
	}
	if errno != 0 {
		closeFD(fd)
		return -1, errno
	}
	return fd, 0
}

// programPath is where the file fd lies, "" when that cannot be found out.
func (w *worker) programPath(fd int) string {
	var real [unix.PathMax]byte
	n, errno := w.realPath(fd, real[:])
	if errno != 0 {
		return ""
	}
	return string(real[:n])
}

// maxScripts is how many scripts in a row are followed that are each other's
// interpreters: one more than the kernel takes before it says ELOOP (fs/exec.c).
const maxScripts = 6

// scriptSlot remembers the #! line of a file as long as the file stays the same.
type scriptSlot struct {
	dev, ino     uint64
	size         int64
	mtime, ctime unix.Timespec
	line         []string
}

// script is the #! line of the regular file fd, whose status is in w.stat. The
// kernel executes that program without another call.
func (w *worker) script(fd int) []string {
	st := &w.stat
	s := &w.scripts[st.Ino%scriptSlots]
	if s.ino == st.Ino && s.dev == uint64(st.Dev) && s.size == st.Size && s.mtime == st.Mtim && s.ctime == st.Ctim {
		return s.line
	}
	in, e := w.openat(w.fds, w.fdName(fd), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if e != 0 {
		return nil // executable, and not readable
	}
	var head [scriptHead]byte
	n, _, e := unix.Syscall(unix.SYS_READ, uintptr(in), uintptr(unsafe.Pointer(&head[0])), uintptr(len(head)))
	closeFD(in)
	if e != 0 {
		return nil
	}
	*s = scriptSlot{uint64(st.Dev), st.Ino, st.Size, st.Mtim, st.Ctim, shebang(head[:n])}
	return s.line
}

// scriptHead is how much of a file the kernel looks at (BINPRM_BUF_SIZE).
const scriptHead = 256

// shebang reads a #! line as the kernel does (fs/binfmt_script.c): the interpreter,
// and the rest of the line as one argument.
func shebang(head []byte) []string {
	line, ok := bytes.CutPrefix(head, []byte("#!"))
	if !ok {
		return nil
	}
	line, _, _ = bytes.Cut(line, newline)
	line, _, _ = bytes.Cut(line, []byte{0})
	text := strings.Trim(string(line), " \t")
	if text == "" {
		return nil
	}
	if i := strings.IndexAny(text, " \t"); i >= 0 {
		return []string{text[:i], strings.Trim(text[i:], " \t")}
	}
	return []string{text}
}

// concerns asks whether a rule may be about a program under one of its names.
func (w *worker) concerns(e *Exec) bool {
	s := w.cfg.Execs
	if s.Concerns == nil {
		return false
	}
	either := func(asked, real string) bool {
		asked, real = lastPart(asked), lastPart(real)
		return s.Concerns(asked) || real != asked && real != "" && s.Concerns(real)
	}
	if either(e.Path, e.Real) {
		return true
	}
	for i := range e.Scripts {
		if either(e.Scripts[i].Words[0], e.Scripts[i].Real) {
			return true
		}
	}
	return false
}

// calledBy asks the same about the name that a program is given as its own.
func (w *worker) calledBy(argv uint64) bool {
	s := w.cfg.Execs
	if s.Concerns == nil || argv == 0 {
		return false
	}
	var first [8]byte
	if n, e := w.readMemory(argv, first[:]); e != 0 || n < len(first) {
		return false // the kernel cannot read it either
	}
	addr := binary.LittleEndian.Uint64(first[:])
	if addr == 0 {
		return false
	}
	var text [unix.PathMax]byte
	own, whole, e := w.readArg(addr, len(text), text[:])
	return e == 0 && (!whole || s.Concerns(lastPart(own)))
}

func lastPart(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// readArgs reads the arguments at addr.
func (w *worker) readArgs(e *Exec, addr uint64, words, size int) unix.Errno {
	if addr == 0 {
		return 0 // Linux takes it for an empty list
	}
	const pointer = 8
	var chunk [512]byte
	var text [unix.PathMax]byte
	left := size
	for n := 0; n < countedWords; {
		want := min(len(chunk), pageSize-int(addr%pageSize))
		if want < pointer {
			want = pointer // across a page: the kernel reads it whole too
		}
		want -= want % pointer
		got, errno := w.readMemory(addr, chunk[:want])
		if errno != 0 || got < pointer {
			return unix.EFAULT
		}
		for at := 0; at+pointer <= got; at, n = at+pointer, n+1 {
			arg := binary.LittleEndian.Uint64(chunk[at:])
			if arg == 0 {
				return 0
			}
			if n >= words || left <= 0 {
				e.More++
				continue
			}
			s, whole, errno := w.readArg(arg, left, text[:])
			if errno != 0 {
				return errno
			}
			if !whole { // a part of it may be a part of a secret
				e.More++
				left = 0
				continue
			}
			left -= len(s) + 1
			e.Args = append(e.Args, s)
		}
		if got%pointer != 0 {
			got -= got % pointer
		}
		addr += uint64(got)
	}
	return 0
}

// readArg reads one argument, of at most size bytes.
func (w *worker) readArg(addr uint64, size int, buf []byte) (text string, whole bool, e unix.Errno) {
	var long []byte
	for first := true; ; first = false {
		want := min(len(buf), pageSize-int(addr%pageSize), size-len(long))
		if first {
			want = min(want, 128) // most arguments; a longer read costs more
		}
		if want <= 0 {
			return string(long), false, 0
		}
		got, e := w.readMemory(addr, buf[:want])
		if e != 0 || got == 0 {
			return "", false, unix.EFAULT
		}
		if i := bytes.IndexByte(buf[:got], 0); i >= 0 {
			if long == nil {
				return string(buf[:i]), true, 0
			}
			return string(append(long, buf[:i]...)), true, 0
		}
		long = append(long, buf[:got]...)
		addr += uint64(got)
	}
}

// describe fills in who asks, and from where. What cannot be read stays empty.
func (w *worker) describe(e *Exec) {
	var buf [4096]byte
	if n, errno := w.readStatus(buf[:]); errno == 0 {
		e.PID, e.Parent, e.Inside = ids(buf[:n])
	}
	if e.PID == 0 {
		e.PID = int(w.req.pid)
	}
	t, errno := w.task()
	if errno != 0 {
		return
	}
	if n, errno := w.readlinkat(t.proc, cstr("cwd\x00"), buf[:]); errno == 0 {
		e.Dir = string(buf[:n])
	}
	if n, errno := w.readlinkat(t.proc, cstr("exe\x00"), buf[:]); errno == 0 {
		e.By = string(buf[:n])
	}
}

// ids are the numbers of a process, its parent, and its own inside, in
// /proc/TID/status.
func ids(status []byte) (pid, parent, inside int) {
	a, _ := field(status, "\nTgid:", 10)
	b, _ := field(status, "\nPPid:", 10)
	c, _ := field(status, "\nNStgid:", 10)
	return int(a), int(b), int(c)
}

// hold asks about a program; its caller waits, and everybody else goes on.
func (w *worker) hold(e *Exec, pidfd int) unix.Errno {
	select {
	case w.held <- struct{}{}:
	default:
		closePidfd(pidfd)
		return unix.EAGAIN
	}
	w.answered = true
	id, listener, judge := w.req.id, uintptr(w.listener), w.cfg.Execs.Judge
	copied := *e
	w.waits.Add(1)
	go func() {
		defer w.waits.Done()
		defer func() { <-w.held }()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		done := make(chan unix.Errno, 1)
		go func() { done <- judged(judge, ctx, &copied) }()
		tick := time.NewTicker(heldCheck)
		defer tick.Stop()
		for {
			select {
			case errno := <-done:
				resp := &seccompResp{id: id, errno: -int32(errno)}
				if errno == 0 {
					resp.flags = notifContinue
				}
				if _, _, sent := unix.Syscall(unix.SYS_IOCTL, listener, ioctlNotifSend, uintptr(unsafe.Pointer(resp))); sent == 0 && errno == 0 {
					w.started(&copied, pidfd)
				} else {
					closePidfd(pidfd)
				}
				return
			case <-w.stop:
				cancel()
				<-done
				closePidfd(pidfd)
				return
			case <-tick.C:
				if _, _, gone := unix.Syscall(unix.SYS_IOCTL, listener, ioctlNotifIDValid, uintptr(unsafe.Pointer(&id))); gone != 0 {
					cancel()
					<-done
					closePidfd(pidfd)
					return
				}
			}
		}
	}()
	return 0
}

// judged calls judge. A fault in it refuses: nothing that was to be judged runs
// unjudged.
func judged(judge func(context.Context, *Exec) unix.Errno, ctx context.Context, e *Exec) (errno unix.Errno) {
	defer func() {
		if recover() != nil {
			errno = unix.EACCES
		}
	}()
	return judge(ctx, e)
}
