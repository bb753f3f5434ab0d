//go:build linux

package linux

import (
	"bytes"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/name"
)

// renameConfig renames onto a git configuration file what git wrote to its lock
// file, when the content may stand there. The caller may still hold the lock file
// open, so what is checked is copied to a fresh file first. That file takes the
// lock's name, so no other name is ever made; nothing inside can open it for
// writing, because every such open is answered by this thread.
func (w *worker) renameConfig(from, to *target, flags uint32) unix.Errno {
	if flags&unix.RENAME_NOREPLACE != 0 && w.lstat(to) == 0 {
		return unix.EEXIST
	}
	data, mode, e := w.readFile(from)
	if e != 0 {
		return e
	}
	old, _, e := w.readFile(to)
	if e != 0 && e != unix.ENOENT {
		return e
	}
	if err := name.CheckConfig(old, data); err != nil {
		return w.deny(name.RenameTo, to.path(), name.Verdict{Act: name.Refuse, Errno: unix.EACCES, Rule: "git: configuration", Hint: err.Error()})
	}
	if e := call(unix.SYS_UNLINKAT, uintptr(from.dir), ptr(from.bare()), 0, 0, 0); e != 0 {
		return e
	}
	if e := w.writeFile(from, data, mode); e != 0 {
		return e
	}
	return call(unix.SYS_RENAMEAT2, uintptr(from.dir), ptr(from.bare()), uintptr(to.dir), ptr(to.bare()), uintptr(flags))
}

// readFile reads the regular file t names, up to what CheckConfig takes.
func (w *worker) readFile(t *target) ([]byte, uint32, unix.Errno) {
	fd, e := w.openat(t.dir, t.bare(), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if e != 0 {
		return nil, 0, e
	}
	defer closeFD(fd)
	if e := w.fstat(fd); e != 0 {
		return nil, 0, e
	}
	if w.stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, 0, unix.EACCES
	}
	mode := w.stat.Mode & 0o777
	if w.stat.Size > name.MaxConfig {
		return nil, 0, unix.EFBIG
	}
	// The size may change under our eyes; what counts is what is read here.
	data := make([]byte, w.stat.Size+1)
	n := 0
	for n < len(data) {
		got, _, e := unix.Syscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&data[n])), uintptr(len(data)-n))
		if e != 0 {
			return nil, 0, e
		}
		if got == 0 {
			return data[:n], mode, 0
		}
		n += int(got)
	}
	return nil, 0, unix.EAGAIN // it grew: somebody is still writing
}

// writeFile makes a new file t and takes it away again when it cannot be filled.
func (w *worker) writeFile(t *target, data []byte, mode uint32) unix.Errno {
	w.setUmask(0)
	fd, e := w.openat(t.dir, t.bare(), unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
	if e != 0 {
		return e
	}
	for len(data) > 0 && e == 0 {
		var n uintptr
		n, _, e = unix.Syscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&data[0])), uintptr(len(data)))
		if e == 0 {
			data = data[n:]
		}
	}
	closeFD(fd)
	if e != 0 {
		call(unix.SYS_UNLINKAT, uintptr(t.dir), ptr(t.bare()), 0, 0, 0)
	}
	return e
}

// openPointer makes one of the two files that tie a linked worktree to its
// repository: its .git file, and commondir in its git directory. Only one content
// is right for each, and the bytes arrive after this open, so the broker writes
// the content itself and gives the caller an empty file of no name to write to.
// Git's own worktree add writes the same bytes there and sees no difference.
func (w *worker) openPointer(t *target, flags int, v name.Verdict) unix.Errno {
	if w.lstat(t) == 0 {
		if flags&unix.O_EXCL != 0 {
			return unix.EEXIST
		}
		return w.deny(name.Create, t.path(), v)
	}
	if flags&unix.O_ACCMODE != unix.O_WRONLY {
		return w.deny(name.Create, t.path(), v)
	}
	var content []byte
	if bytes.HasSuffix(t.path(), []byte("/commondir")) {
		content = []byte("../..\n")
	} else if admin := w.worktreeOf(t.path()); admin != "" {
		content = []byte("gitdir: " + admin + "\n")
	} else {
		v.Hint = "a .git file can be made only by git worktree add for a worktree of this repository; " + v.Hint
		return w.deny(name.Create, t.path(), v)
	}
	m, e := w.umask()
	if e != 0 {
		return e
	}
	if e := w.writeFile(t, content, 0o666&^m); e != 0 {
		return e
	}
	nameless, _, e := unix.RawSyscall(unix.SYS_MEMFD_CREATE, ptr(cstr("pointer\x00")), unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL, 0)
	if e == unix.EINVAL { // before Linux 6.3
		nameless, _, e = unix.RawSyscall(unix.SYS_MEMFD_CREATE, ptr(cstr("pointer\x00")), unix.MFD_CLOEXEC, 0)
	}
	if e != 0 {
		return e
	}
	defer closeFD(int(nameless))
	return w.give(int(nameless), flags&unix.O_CLOEXEC != 0)
}

// worktreeOf finds the entry of a repository's worktrees directory that says its
// worktree is at path. Git writes it before it writes the .git file.
func (w *worker) worktreeOf(path []byte) string {
	for _, dir := range w.names.GitDirs() {
		list := dir + "/worktrees"
		fd, e := w.openat2(w.cfg.Root, cstr(list+"\x00"), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, resolveRoot|unix.RESOLVE_NO_SYMLINKS)
		if e != 0 {
			continue
		}
		found := w.entryWith(fd, path)
		closeFD(fd)
		if found != "" {
			return list + "/" + found
		}
	}
	return ""
}

// entryWith returns the entry of directory fd whose gitdir file holds path.
func (w *worker) entryWith(fd int, path []byte) string {
	buf := make([]byte, 8192)
	for {
		n, err := unix.ReadDirent(fd, buf)
		if err != nil || n <= 0 {
			return ""
		}
		_, _, names := unix.ParseDirent(buf[:n], -1, nil)
		for _, entry := range names {
			e := w.fileIs(fd, entry+"/gitdir\x00", path)
			if e {
				return entry
			}
		}
	}
}

func (w *worker) fileIs(dir int, file string, want []byte) bool {
	fd, e := w.openat2(dir, cstr(file), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, resolveDown)
	if e != 0 {
		return false
	}
	defer closeFD(fd)
	buf := make([]byte, unix.PathMax+2)
	n, _, e := unix.Syscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
	return e == 0 && bytes.Equal(bytes.TrimSuffix(buf[:n], newline), want)
}
