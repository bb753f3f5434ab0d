package host

import (
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/bailey-run/bailey/internal/plan"
)

// maxLinks is how many symbolic links one path may lead through; the kernel's
// own limit.
const maxLinks = 40

// host looks at paths and remembers what it saw: hundreds of wanted paths share a
// few directories, and a start is to take microseconds.
type host struct {
	seen map[string]entry    // by a path without symbolic links before its last component
	dirs map[string]string   // real paths of directories; "" when there is none
	list map[string][]string // names in directories, sorted
}

// entry is what lstat says.
type entry struct {
	ok       bool
	mode     uint32
	uid, gid int
	size     int64
	link     string
}

func newHost() *host {
	return &host{seen: make(map[string]entry, 256), dirs: map[string]string{"/": "/"}}
}

// lstat looks at a path whose directory has no symbolic link in it.
func (h *host) lstat(p string) entry {
	if e, ok := h.seen[p]; ok {
		return e
	}
	var e entry
	// A directory that was listed tells what is not in it.
	if at := strings.LastIndexByte(p, '/') + 1; h.list != nil {
		if names, listed := h.list[p[:at]]; listed && len(names) < maxNames {
			if _, there := slices.BinarySearch(names, p[at:]); !there {
				return e
			}
		}
	}
	var st syscall.Stat_t
	err := syscall.Lstat(p, &st)
	for err == syscall.EINTR {
		err = syscall.Lstat(p, &st)
	}
	if err == nil {
		e = entry{ok: true, mode: uint32(st.Mode), uid: int(st.Uid), gid: int(st.Gid), size: st.Size}
		if e.mode&syscall.S_IFMT == syscall.S_IFLNK {
			if e.link, err = os.Readlink(p); err != nil || e.link == "" {
				e = entry{}
			}
		}
	}
	h.seen[p] = e
	return e
}

// resolve follows every symbolic link of a clean absolute path.
func (h *host) resolve(p string, links int) (string, entry, bool) {
	if p == "/" {
		return p, h.lstat(p), true
	}
	if !path.IsAbs(p) { // its parents would have no end
		return "", entry{}, false
	}
	dir, ok := h.dir(path.Dir(p), links)
	if !ok {
		return "", entry{}, false
	}
	at := p
	if dir == "/" {
		at = p[strings.LastIndexByte(p, '/'):]
	} else if d := len(p) - len(path.Base(p)) - 1; d != len(dir) || p[:d] != dir {
		at = dir + p[d:]
	}
	e := h.lstat(at)
	switch {
	case !e.ok:
		return "", entry{}, false
	case e.link == "":
		return at, e, true
	case links >= maxLinks:
		return "", entry{}, false
	}
	return h.walk(dir, e.link, links+1)
}

// walk follows the target of a link, as it is written, from a real directory: "..",
// which only means something after what is before it was followed, included.
func (h *host) walk(dir, target string, links int) (string, entry, bool) {
	if strings.HasPrefix(target, "/") {
		dir = "/"
	}
	e := h.lstat(dir)
	for part := range strings.SplitSeq(target, "/") {
		switch part {
		case "", ".":
			continue
		case "..":
			dir = path.Dir(dir)
			e = h.lstat(dir)
			continue
		}
		var ok bool
		if dir, e, ok = h.resolve(path.Join(dir, part), links); !ok {
			return "", entry{}, false
		}
	}
	return dir, e, true
}

// dir resolves a directory, from memory where it can.
func (h *host) dir(p string, links int) (string, bool) {
	if real, ok := h.dirs[p]; ok {
		return real, real != ""
	}
	real, e, ok := h.resolve(p, links)
	if !ok || e.mode&syscall.S_IFMT != syscall.S_IFDIR {
		real = ""
	}
	if links == 0 || ok {
		h.dirs[p] = real
	}
	return real, real != ""
}

// look says what a clean absolute path is.
func (h *host) look(p string) plan.Path {
	out := plan.Path{}
	dir, ok := h.dir(path.Dir(p), 0)
	if !ok {
		return out
	}
	real, e, ok := h.resolve(p, 0)
	if p != "/" && (!ok || real != p) {
		out.Link = h.lstat(path.Join(dir, path.Base(p))).link
	}
	if !ok {
		return out
	}
	kind := e.mode & syscall.S_IFMT
	out.Exists, out.Real, out.UID, out.Mode = true, real, e.uid, e.mode&0o7777
	out.IsDir, out.Regular = kind == syscall.S_IFDIR, kind == syscall.S_IFREG
	if out.Regular {
		out.Size = e.size
	}
	return out
}

// real is the path without symbolic links, or "" when it does not exist.
func (h *host) real(p string) string {
	if !path.IsAbs(p) {
		return ""
	}
	real, _, _ := h.resolve(path.Clean(p), 0)
	return real
}

// stat follows links.
func (h *host) stat(p string) (entry, bool) {
	_, e, ok := h.resolve(path.Clean(p), 0)
	return e, ok
}

// glob lists the matches of a pattern. Almost every pattern has its only special
// characters in the last component, and several share a directory.
func (h *host) glob(pattern string) []string {
	dir, last := path.Split(pattern)
	if strings.ContainsAny(dir, `*?[\`) {
		found, _ := filepath.Glob(pattern)
		slices.Sort(found)
		return found
	}
	names, ok := h.list[dir]
	if !ok {
		names = h.names(dir)
		if h.list == nil {
			h.list = map[string][]string{}
		}
		if names != nil {
			h.list[dir] = names
		}
	}
	var out []string
	for _, n := range names {
		if ok, err := path.Match(last, n); ok && err == nil {
			out = append(out, dir+n)
		}
	}
	return out
}

// maxFile is the largest file of the host whose content is read: configuration
// of a person's own. Larger ones are passed over.
const maxFile = 256 << 10

// readFile reads a small regular file of the user's own, or one that everyone may
// read: root does not lend its eyes to links in another's home.
func (h *host) readFile(p string, uid int) (string, bool) {
	if e, ok := h.stat(p); !ok || e.mode&syscall.S_IFMT != syscall.S_IFREG || e.size > maxFile {
		return "", false
	}
	fd, err := os.OpenFile(p, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return "", false
	}
	defer fd.Close()
	info, err := fd.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return "", false
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != uid && st.Mode&0o004 == 0 {
		return "", false
	}
	b, err := io.ReadAll(io.LimitReader(fd, maxFile+1))
	return string(b), err == nil && len(b) <= maxFile
}
