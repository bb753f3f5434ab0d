package host

import (
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/bailey-run/bailey/internal/plan"
)

// maxIncludes is how deep included configuration is followed; git stops at ten.
const maxIncludes = 10

// gitNames finds the files of the workspace that git's configuration in place
// makes git run or read: hooks kept in the work tree, filters, shared settings.
// They are as good as the configuration itself.
func (h *host) gitNames(f *plan.Facts) {
	root := f.Workspace.Root
	n := gitNamer{h: h, f: f, base: root, seen: map[string]bool{}}
	h.nestedNames(&n)
	dirs := f.Workspace.GitDirs
	if h.lstat(path.Join(root, ".git")).ok {
		dirs = append(slices.Clip(dirs), path.Join(root, ".git"))
	} else if len(dirs) == 0 {
		return
	}
	for _, dir := range dirs {
		n.file(path.Join(dir, "config"), maxIncludes)
		n.file(path.Join(dir, "config.worktree"), maxIncludes)
	}
	for _, name := range []string{".gitconfig", ".config/git/config"} {
		name = path.Join(f.Account.Home, name)
		n.content(f.Files[name], path.Dir(name), maxIncludes)
	}
}

// nestedNames does the same for repositories and submodules that lie directly
// below the workspace. Deeper ones are not looked for: a run must not wait until a
// whole tree has been read.
func (h *host) nestedNames(n *gitNamer) {
	root := n.f.Workspace.Root
	for _, name := range n.f.Workspace.Names {
		dir := path.Join(root, name)
		git := path.Join(dir, ".git")
		st := h.lstat(git)
		if name == ".git" || !st.ok {
			continue
		}
		if st.mode&syscall.S_IFMT == syscall.S_IFREG {
			to, err := h.pointer(git, "gitdir: ")
			if err != nil {
				continue
			}
			real, ok := h.follow(dir, to)
			if !ok || !within(real, root) {
				continue
			}
			git = real
		}
		n.base = dir
		n.file(path.Join(git, "config"), maxIncludes)
		n.file(path.Join(git, "config.worktree"), maxIncludes)
	}
	n.base = root
}

type gitNamer struct {
	h    *host
	f    *plan.Facts
	base string // where relative names begin: the top of a work tree
	seen map[string]bool
}

func (n *gitNamer) file(name string, depth int) {
	if depth == 0 || n.seen[name] {
		return
	}
	n.seen[name] = true
	if content, err := readSmall(name, maxFile); err == nil {
		n.content(content, path.Dir(name), depth)
	}
}

// content looks at a configuration that lies in dir.
func (n *gitNamer) content(content, dir string, depth int) {
	for _, g := range plan.GitNames(content) {
		from := n.base
		if g.Include {
			from = dir
		}
		p, at := g.Path, ""
		if rest, ok := strings.CutPrefix(p, "~/"); ok {
			p = path.Join(n.f.Account.Home, rest)
		}
		if at = p; !path.IsAbs(p) {
			at = path.Join(from, p)
		}
		real, e, exists := n.h.walk(from, p, 0)
		dir := exists && e.mode&syscall.S_IFMT == syscall.S_IFDIR
		// A word of a command without a slash is a program on PATH, unless it is
		// there; a directory is where the command works, not what it runs.
		if g.Certain || !dir && (exists || strings.Contains(p, "/")) {
			n.add(at)
			if exists {
				n.add(real)
			}
		}
		if g.Include && exists {
			n.file(real, depth-1)
		}
	}
}

// add keeps a path that is in the workspace, and not git's own.
func (n *gitNamer) add(p string) {
	w := &n.f.Workspace
	if within(p, w.Root) && !within(p, path.Join(w.Root, ".git")) && !slices.Contains(w.GitNames, p) {
		w.GitNames = append(w.GitNames, p)
	}
}
