//go:build linux

package linux

import (
	"bytes"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Unpacking and building make many names in one directory, one after the other.
// Finding that directory anew for each costs half of a call, so the last few are
// remembered for a moment.
//
// What makes it right: inside the box a path that led to a directory leads
// elsewhere only after a rename, an unlink or an rmdir, and all of those pass
// here and empty the memory. Outside, the host and other boxes move things
// without asking; for them the memory is a few milliseconds in which the call
// seems to have come earlier. A directory that the host moves under a protected
// name brings in whatever the box had put there anyway.
//
// A relative path is remembered with the identity of its base directory, asked
// anew each time: a task changes its working directory without passing here.

const (
	dirSlots = 8
	// dirKeep is how long. Unpacking makes some hundred names in that time.
	dirKeep = 5 * time.Millisecond
	// dirText is the longest text remembered; longer paths are found anew.
	dirText = 512
)

// baseID is a directory's identity: which one, and through which mount.
type baseID struct{ dev, ino, mnt uint64 }

type dirSlot struct {
	until   time.Time
	call    uint64 // the last call that used it: not emptied while that lasts
	base    baseID // zero for absolute paths
	text    [dirText]byte
	n       int
	dir     int // -1: empty
	real    [unix.PathMax]byte
	nreal   int
	kernel  bool // on a virtual file system
	checked bool // kernel is known
}

type dirCache struct {
	slots [dirSlots]dirSlot
	call  uint64
	next  int
}

func (c *dirCache) init() {
	for i := range c.slots {
		c.slots[i].dir = -1
	}
}

// flush forgets everything. It comes at the end of a call: what the call itself
// uses is still open until the next.
func (c *dirCache) flush() {
	for i := range c.slots {
		c.slots[i].empty()
	}
}

func (s *dirSlot) empty() {
	if s.dir >= 0 {
		closeFD(s.dir)
	}
	s.dir = -1
}

// has reports whether any slot remembers text, whatever its base.
func (c *dirCache) has(text []byte) bool {
	for i := range c.slots {
		s := &c.slots[i]
		if s.dir >= 0 && s.n == len(text) && bytes.Equal(s.text[:s.n], text) {
			return true
		}
	}
	return false
}

// find fills t from memory: the directory that text, from base, leads to.
func (c *dirCache) find(t *target, base baseID) bool {
	text := t.text[:t.last]
	for i := range c.slots {
		s := &c.slots[i]
		if s.dir < 0 || s.n != len(text) || s.base != base || !bytes.Equal(s.text[:s.n], text) {
			continue
		}
		if s.call != c.call && time.Now().After(s.until) {
			s.empty()
			continue
		}
		s.call = c.call
		t.dir, t.own, t.slot, t.long = s.dir, false, s, nil
		t.nreal = copy(t.real[:], s.real[:s.nreal])
		t.nreal += copy(t.real[t.nreal:], t.text[t.last:t.n])
		return true
	}
	return false
}

// keep remembers t's directory, whose text was text before links in it were
// followed. real is its real path with a slash.
func (c *dirCache) keep(t *target, base baseID, text, real []byte) {
	if len(text) > dirText || !t.own {
		return
	}
	for range c.slots {
		s := &c.slots[c.next]
		c.next = (c.next + 1) % dirSlots
		if s.call == c.call {
			continue
		}
		s.empty()
		s.until, s.call, s.base = time.Now().Add(dirKeep), c.call, base
		s.n, s.nreal = copy(s.text[:], text), copy(s.real[:], real)
		s.dir, s.checked = t.dir, false
		t.own, t.slot = false, s
		return
	}
}

// baseID asks which directory dirfd of the caller is.
func (w *worker) baseID(dirfd int32) (baseID, bool) {
	path := cstr("cwd\x00")
	if dirfd != unix.AT_FDCWD {
		if dirfd < 0 {
			return baseID{}, false
		}
		path = w.theirs.put("fd/", int(dirfd))
	}
	t := &w.tasks[w.req.pid%taskSlots]
	if t.proc < 0 || t.tid != w.req.pid {
		return baseID{}, false
	}
	return w.identify(t.proc, path, 0)
}

func (w *worker) identify(dir int, path *byte, flags uintptr) (baseID, bool) {
	_, _, e := unix.RawSyscall6(unix.SYS_STATX, uintptr(dir), uintptr(unsafe.Pointer(path)), flags|unix.AT_STATX_DONT_SYNC, unix.STATX_INO|unix.STATX_MNT_ID, uintptr(unsafe.Pointer(&w.statx)), 0)
	if e != 0 || w.statx.Mask&unix.STATX_MNT_ID == 0 {
		return baseID{}, false
	}
	return baseID{uint64(w.statx.Dev_major)<<32 | uint64(w.statx.Dev_minor), w.statx.Ino, w.statx.Mnt_id}, true
}
