package plan

import (
	"path"
	"strings"
)

// markers are what a toolchain's own directory holds beside its bin: a PATH
// entry X/bin shows all of X when one of them is there, and only X/bin otherwise.
var markers = [...]string{"pkg/tool", "lib/node_modules", "lib/rustlib", "lib/modules", "pyvenv.cfg", "lib/ruby"}

// managers are directories below HOME to which the programs in a PATH entry of
// the home are known to lead, by a link or by a script that looks for a version
// to run (pyenv, rbenv, rustup: these need their settings and scripts as well).
// They hold installed software and nothing else.
var managers = [...]string{
	".local/share/uv/tools", ".local/share/uv/python", ".local/share/pipx/venvs", ".local/pipx/venvs", ".local/share/mise/installs", ".local/share/claude/versions",
	".local/share/pnpm", ".local/share/fnm", ".nvm/versions", ".pyenv", ".rbenv", ".asdf/installs", ".volta/tools", ".rustup", ".sdkman/candidates",
}

// searchPlaces are where a PATH entry outside HOME and the system directories
// may lie: places for installed software.
var searchPlaces = [...]string{"/opt", "/nix", "/snap", "/home/linuxbrew/.linuxbrew", "/usr/local", "/usr", "/gnu"}

// pathEntries are the caller's PATH, cleaned; empty and relative entries mean
// the current directory, which a box never searches.
func (f *Facts) pathEntries() []string {
	v, _ := f.env("PATH")
	var out []string
	for e := range strings.SplitSeq(v, ":") {
		if !strings.HasPrefix(e, "/") || strings.IndexByte(e, 0) >= 0 {
			continue
		}
		if e = path.Clean(e); !has(out, e) {
			out = append(out, e)
		}
	}
	return out
}

// toolchains shows the directories of programs that PATH names.
func (c *compiler) toolchains() {
	from := builtin("PATH")
	home := c.f.Account.Home
	entries := c.f.pathEntries()
	for _, e := range entries {
		if !under(e, home) || e == home || !c.f.path(e).IsDir {
			continue
		}
		// Whole, and first: most entries of the home lie in them.
		for _, m := range managers {
			p := path.Join(home, m)
			if f := c.f.path(p); f.IsDir && c.rootOver(p) == nil && c.refuseTool(p, f, true) == "" {
				c.t.put(Node{Kind: Bind, Path: p, Source: f.Real, Exec: true, From: from})
			}
		}
		break
	}
	for _, e := range entries {
		f := c.f.path(e)
		if !f.IsDir || c.rootOver(e) != nil {
			continue
		}
		if _, _, ok := c.t.host(e); ok {
			continue
		}
		if why := c.refuseTool(e, f, under(e, home) && e != home); why != "" {
			c.note("PATH entry %s is not visible inside: %s", Show(e), why)
			continue
		}
		show := e
		if prefix := path.Dir(e); path.Base(e) == "bin" && c.isToolchain(prefix) {
			show = prefix
		}
		c.t.put(Node{Kind: Bind, Path: show, Source: c.f.path(show).Real, Exec: true, From: from})
	}
}

// refuseTool says why a directory of programs is not shown, or "".
func (c *compiler) refuseTool(p string, f Path, home bool) string {
	if !home && !underAny(p, searchPlaces[:]) {
		return "it is not a place for installed software; name it in files.read"
	}
	for _, q := range [...]string{p, f.Real} {
		if c.checkRead(q, builtin("PATH")) != nil {
			return "it holds the home directory"
		}
		for _, r := range c.roots {
			if under(r.path, q) || under(r.source, q) {
				return "it holds the workspace"
			}
		}
		for _, own := range [...]string{c.f.StateDir, c.f.CacheDir, c.f.ConfigDir} {
			if own != "" && overlap(own, q) {
				return "it holds bailey's own files"
			}
		}
	}
	if c.planted(p, f.Real) || c.rootOver(f.Real) != nil && c.rootOver(p) == nil {
		return "a symbolic link leads from or to the workspace"
	}
	if !c.mayFollow(p, f) {
		return "a symbolic link leads out of the home directory"
	}
	if f.UID != 0 && f.UID != c.f.Account.UID && f.UID != c.f.UID {
		return "it belongs to another user"
	}
	return ""
}

func (c *compiler) isToolchain(dir string) bool {
	// Directly below HOME lie .local, .cargo and the like, which hold more than programs.
	if dir == c.f.Account.Home || path.Dir(dir) == c.f.Account.Home || dir == "/" {
		return false
	}
	f := c.f.path(dir)
	if !f.IsDir || c.refuseTool(dir, f, under(dir, c.f.Account.Home)) != "" {
		return false
	}
	for _, m := range markers {
		if c.f.path(dir + "/" + m).Exists {
			return true
		}
	}
	return false
}

func underAny(p string, dirs []string) bool {
	for _, d := range dirs {
		if under(p, d) {
			return true
		}
	}
	return false
}
