package host

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"syscall"

	"github.com/bailey-run/bailey/internal/plan"
)

// findRoot is the nearest directory from start upwards that holds a repository or
// a bailey.toml, below every home; start itself when there is none.
func (h *host) findRoot(start string, homes []string, uid int) string {
	owner, _ := h.stat(start)
	for dir := start; dir != "/"; dir = path.Dir(dir) {
		for _, home := range homes {
			if home == dir || within(home, dir) {
				return start
			}
		}
		e := h.lstat(dir)
		for _, name := range [...]string{".git", "bailey.toml"} {
			m := h.lstat(path.Join(dir, name))
			// In a directory where everyone may put things, a stranger's marker must not
			// widen the workspace.
			if m.ok && (m.uid == uid || m.uid == owner.uid) && (dir == start || e.mode&syscall.S_ISVTX == 0 && e.mode&0o002 == 0) {
				return dir
			}
		}
	}
	return start
}

// within says whether p lies below dir.
func within(p, dir string) bool {
	return dir == "/" && p != "/" || len(p) > len(dir) && p[:len(dir)] == dir && p[len(dir)] == '/'
}

// ownDirs decides where bailey keeps state and caches. The XDG variables are the
// caller's, so they say nothing about the place for another's box.
func (h *host) ownDirs(f *plan.Facts) {
	dir := func(variable, home, fallback string) string {
		if v := lookup(f.Env, variable); path.IsAbs(v) {
			return h.settle(path.Join(v, "bailey"))
		}
		if home == "" || home == "/" {
			return ""
		}
		return h.settle(path.Join(home, fallback, "bailey"))
	}
	f.StateDir = dir("XDG_STATE_HOME", f.Home, ".local/state")
	f.ConfigDir = dir("XDG_CONFIG_HOME", f.Home, ".config")
	sum := sha256.Sum256([]byte(f.Workspace.Root))
	project := path.Join("projects", hex.EncodeToString(sum[:16]))
	switch {
	case f.Account.UID == f.UID:
		f.CacheDir = dir("XDG_CACHE_HOME", f.Home, ".cache")
	case f.Account.Home != "" && h.look(f.Account.Home).IsDir && h.look(f.Account.Home).UID == f.Account.UID:
		f.CacheDir = path.Join(f.Account.Home, ".cache/bailey")
	}
	if f.CacheDir != "" {
		f.CacheDir = path.Join(f.CacheDir, project)
	}
}

// settle resolves the part of a path that exists.
func (h *host) settle(p string) string {
	rest := ""
	for dir := p; dir != "/"; dir = path.Dir(dir) {
		if real := h.real(dir); real != "" {
			return path.Join(real, rest)
		}
		rest = path.Join(path.Base(dir), rest)
	}
	return p
}
