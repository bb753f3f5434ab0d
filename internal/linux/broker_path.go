//go:build linux

package linux

import (
	"bytes"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links a path may lead over, as in the kernel.
const maxLinks = 40

// target is one name a call is about: the directory it is in, as a descriptor,
// and its last component.
type target struct {
	text  [2*unix.PathMax + 2]byte // what is still to be resolved, then NUL
	n     int
	dir   int  // the parent directory; -1 before it is found
	own   bool // dir is ours to close
	last  int  // where the last component starts in text
	slash bool // it was followed by slashes: it must be a directory
	dots  bool // it is ".", ".." or "/": no name of its own
	top   bool // it is "/"
	links int
	slot  *dirSlot // what remembers dir, or nil

	real  [unix.PathMax + 260]byte // real path of dir, "/", last component
	nreal int
	long  []byte // the same, where it does not fit
}

func (t *target) reset() {
	t.dir, t.own, t.links, t.nreal, t.n, t.slot, t.long = -1, false, 0, 0, 0, nil, nil
}

func (t *target) drop() {
	if t.own {
		closeFD(t.dir)
	}
	t.dir, t.own, t.slot = -1, false, nil
}

// path is the name's real path, for the rules.
func (t *target) path() []byte {
	if t.long != nil {
		return t.long
	}
	return t.real[:t.nreal]
}

// name is the last component, with NUL; with its slash when there was one.
func (t *target) name() *byte {
	if t.slash {
		t.text[t.n], t.text[t.n+1] = '/', 0
	} else {
		t.text[t.n] = 0
	}
	return &t.text[t.last]
}

// bare is the last component without its slash.
func (t *target) bare() *byte {
	t.text[t.n] = 0
	return &t.text[t.last]
}

// is reports whether the name's real path is p.
func (t *target) is(p string) bool { return string(t.path()) == p }

// locate reads the path at addr and finds the directory its last component is
// in. dirfd is the call's, only its low 32 bits count.
func (w *worker) locate(t *target, dirfd, addr uint64) unix.Errno {
	if e := w.fetch(t, addr); e != 0 {
		return e
	}
	return w.descend(t, dirfd)
}

// fetch reads the path at addr.
func (w *worker) fetch(t *target, addr uint64) unix.Errno {
	n, e := w.readString(addr, t.text[:unix.PathMax])
	if e != 0 {
		return e
	}
	if n == 0 {
		return unix.ENOENT
	}
	t.n = n
	return 0
}

// descend resolves what is in t.text, from dirfd of the caller when relative.
func (w *worker) descend(t *target, dirfd uint64) unix.Errno {
	own := w.fromOwn(t, &dirfd)
	t.split()
	if t.text[0] == '/' {
		if !w.valid() {
			return unix.EINTR
		}
		return w.walk(t, w.cfg.Root, false, baseID{})
	}
	if w.dirs.has(t.text[:t.last]) {
		if id, ok := w.baseID(int32(dirfd)); ok && w.dirs.find(t, id) {
			if !w.valid() {
				return unix.EINTR
			}
			return t.tooLong()
		}
	}
	base, e := w.base(int32(dirfd))
	if e == unix.EBADF && own {
		e = unix.ENOENT // what the link in /proc would say
	}
	if e != 0 {
		return e
	}
	id, _ := w.identify(base, cstr("\x00"), unix.AT_EMPTY_PATH)
	return w.walk(t, base, true, id)
}

// tooLong says whether the last component can be no name at all.
func (t *target) tooLong() unix.Errno {
	if t.n-t.last > nameMax {
		return unix.ENAMETOOLONG
	}
	return 0
}

// nameMax is NAME_MAX of linux/limits.h.
const nameMax = 255

// walk finds the parent directory of t.text, from base when that is relative.
// base is closed, or becomes t.dir, when ownBase. id is base's; without one
// nothing is remembered.
func (w *worker) walk(t *target, base int, ownBase bool, id baseID) unix.Errno {
	absolute := t.text[0] == '/'
	if e := t.tooLong(); e != 0 {
		if ownBase {
			closeFD(base)
		}
		return e
	}
	if absolute && w.dirs.find(t, baseID{}) {
		return 0
	}
	n := 0
	if keep := absolute || id != (baseID{}); keep && t.last <= dirText {
		n = copy(w.asked[:], t.text[:t.last])
	}
	e := w.walkTo(t, base)
	if ownBase && t.dir != base {
		closeFD(base)
	}
	if e != 0 {
		return e
	}
	t.own = t.dir != w.cfg.Root && (t.dir != base || ownBase)
	t.long = nil
	size, e := w.realPath(t.dir, t.real[:unix.PathMax])
	if e == unix.ENAMETOOLONG {
		if t.long, e = w.longPath(t.dir); e == 0 {
			t.long = append(append(t.long, '/'), t.text[t.last:t.n]...)
		}
		return e
	}
	if e != 0 {
		return e
	}
	if size == 0 || t.real[size-1] != '/' {
		t.real[size] = '/'
		size++
	}
	if absolute {
		id = baseID{}
	}
	if (absolute || id != (baseID{})) && (n > 0 || t.last == 0) {
		w.dirs.keep(t, id, w.asked[:n], t.real[:size])
	}
	t.nreal = size + copy(t.real[size:], t.text[t.last:t.n])
	return 0
}

// split finds the last component of t.text.
func (t *target) split() {
	n := t.n
	for n > 1 && t.text[n-1] == '/' {
		n--
	}
	t.slash = n < t.n
	t.n = n
	t.last = bytes.LastIndexByte(t.text[:n], '/') + 1
	t.top = n == 1 && t.text[0] == '/'
	if t.top {
		t.text[1], t.text[2], t.n, t.slash = '.', 0, 2, false
	}
	switch string(t.text[t.last:t.n]) {
	case ".", "..":
		t.dots = true
	default:
		t.dots = false
	}
}

const (
	openDir     = unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC
	resolveRoot = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS
	resolveDown = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS
)

func (w *worker) walkTo(t *target, base int) (e unix.Errno) {
	if t.text[0] == '/' {
		if t.top {
			t.dir = w.cfg.Root
			return 0
		}
		t.dir, e = w.resolve(t, w.cfg.Root, t.last, resolveRoot)
		return e
	}
	if t.last == 0 {
		t.dir = base
		return 0
	}
	if !climbs(t.text[:t.last]) {
		if t.dir, e = w.resolve(t, base, t.last, resolveDown); e != unix.ELOOP {
			return e
		}
	}
	e = w.walkFrom(t, base)
	if e == unix.ENOENT {
		return w.walkDeleted(t, base)
	}
	return e
}

// walkDeleted climbs from a directory that has been removed and so has no real
// path. It still has a parent, and the box's mounts end at the box's root.
func (w *worker) walkDeleted(t *target, base int) unix.Errno {
	if e := w.fstat(base); e != 0 || w.stat.Nlink != 0 {
		return unix.ENOENT
	}
	n, e := w.realPath(base, t.real[:unix.PathMax])
	if e != 0 {
		return e
	}
	// Back to the text as it was: walkFrom has put the real path in front.
	copy(t.text[:], t.text[n+1:t.n+1])
	t.n -= n + 1
	t.last -= n + 1
	t.dir, e = w.resolve(t, base, t.last, unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_NO_MAGICLINKS)
	return e
}

// resolve opens the first n bytes of t.text as a directory.
func (w *worker) resolve(t *target, base, n int, how uint64) (int, unix.Errno) {
	c := t.text[n]
	t.text[n] = 0
	fd, e := w.openat2(base, &t.text[0], openDir, how)
	t.text[n] = c
	if e != 0 {
		return -1, e
	}
	return fd, 0
}

// climbs reports whether a path has a ".." component.
func climbs(p []byte) bool {
	if !bytes.Contains(p, dotdot) {
		return false
	}
	for more := true; more; {
		var part []byte
		if part, p, more = bytes.Cut(p, slash); bytes.Equal(part, dotdot) {
			return true
		}
	}
	return false
}

var dotdot, slash = []byte(".."), []byte("/")

// walkFrom resolves a relative path that climbs, or leads over links, by putting
// the real path of base in front: nothing but the box's root may bound it.
func (w *worker) walkFrom(t *target, base int) unix.Errno {
	n, e := w.realPath(base, t.real[:unix.PathMax])
	if e != 0 {
		return e
	}
	if n+1+t.n > len(t.text)-2 {
		return unix.ENAMETOOLONG
	}
	copy(t.text[n+1:], t.text[:t.n+1])
	copy(t.text[:], t.real[:n])
	t.text[n] = '/'
	t.n += n + 1
	t.last += n + 1
	if t.last > unix.PathMax {
		return unix.ENAMETOOLONG
	}
	t.dir, e = w.resolve(t, w.cfg.Root, t.last, resolveRoot)
	return e
}

// follow replaces t by what the symbolic link it names leads to. When it names
// none, the errno is e.
func (w *worker) follow(t *target, e unix.Errno) unix.Errno {
	if t.dots || t.n-t.last == 0 {
		return e
	}
	var link [unix.PathMax]byte
	n, le := w.readlinkat(t.dir, t.bare(), link[:])
	if le != 0 {
		return e
	}
	if t.links++; t.links > maxLinks {
		return unix.ELOOP
	}
	if n == 0 {
		return unix.ENOENT
	}
	copy(t.text[:], link[:n])
	if t.slash { // of the link, so of what it leads to
		t.text[n] = '/'
		n++
	}
	t.n = n
	t.text[n] = 0
	t.split()
	if t.text[0] == '/' {
		t.drop()
		return w.walk(t, w.cfg.Root, false, baseID{})
	}
	base, own := t.dir, t.own
	t.dir, t.own, t.slot = -1, false, nil
	return w.walk(t, base, own, baseID{})
}

// whole opens what t names, a directory, following everything, and returns a
// descriptor that is the caller's to close. t.path() becomes its real path.
func (w *worker) whole(t *target) (int, unix.Errno) {
	for {
		flags := unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_DIRECTORY
		if t.dots {
			// The real path of the parent and the dots: the root bounds them.
			fd, e := w.openat2(w.cfg.Root, t.realName(), openDir, resolveRoot)
			if e != 0 {
				return -1, e
			}
			n, e := w.realPath(fd, t.real[:unix.PathMax])
			if e != 0 {
				closeFD(fd)
				return -1, e
			}
			t.nreal, t.long = n, nil
			return fd, 0
		}
		fd, e := w.openat(t.dir, t.bare(), flags, 0)
		if e == 0 {
			return fd, 0
		}
		if e != unix.ELOOP && e != unix.ENOTDIR {
			return -1, e
		}
		if e := w.follow(t, e); e != 0 {
			return -1, e
		}
	}
}

// realName is t.path() with a NUL.
func (t *target) realName() *byte {
	t.real[t.nreal] = 0
	return &t.real[0]
}

// pin opens what t names without any right to it, following links when follow.
// The descriptor stands for the file whatever the name becomes.
func (w *worker) pin(t *target, follow bool) (int, unix.Errno) {
	if t.slash || t.dots {
		return w.whole(t)
	}
	for {
		fd, e := w.openat(t.dir, t.bare(), unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if e != 0 || !follow {
			return fd, e
		}
		if e := w.fstat(fd); e != 0 {
			closeFD(fd)
			return -1, e
		}
		if w.stat.Mode&unix.S_IFMT != unix.S_IFLNK {
			return fd, 0
		}
		closeFD(fd)
		if e := w.follow(t, unix.ENOENT); e != 0 {
			return -1, e
		}
		if t.slash || t.dots {
			return w.whole(t)
		}
	}
}
