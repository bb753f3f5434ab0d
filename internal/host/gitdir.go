package host

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/bailey-run/bailey/internal/plan"
)

// maxPointer bounds the files by which git directories point to each other: a
// path and a word.
const maxPointer = 8 << 10

// gitDirs finds the git directory that the workspace's .git file names. The file
// is input of unknown origin, a repository can be unpacked with any content: what
// it names becomes writable only when that points back by itself.
func (h *host) gitDirs(f *plan.Facts) {
	root := f.Workspace.Root
	dotGit := path.Join(root, ".git")
	e := h.lstat(dotGit)
	if !e.ok || e.mode&syscall.S_IFMT == syscall.S_IFDIR {
		return
	}
	dir, err := h.gitDir(root, dotGit, e, f)
	if err != nil {
		f.Notes = append(f.Notes, fmt.Sprintf("%s is ignored, so git will not work inside: %s", plan.Show(dotGit), err))
		return
	}
	f.Workspace.GitDirs = append(f.Workspace.GitDirs, dir)
}

func (h *host) gitDir(root, dotGit string, e entry, f *plan.Facts) (string, error) {
	if e.link != "" {
		return "", fmt.Errorf("it is a symbolic link")
	}
	target, err := h.pointer(dotGit, "gitdir: ")
	if err != nil {
		return "", err
	}
	dir, ok := h.follow(root, target)
	if !ok {
		return "", fmt.Errorf("the directory it names, %s, does not exist", plan.Show(target))
	}
	if within(dir, root) {
		// Nothing new becomes writable; its entries get guarded.
		if !h.isGitDir(dir) {
			return "", fmt.Errorf("%s is not a git directory", plan.Show(dir))
		}
		return dir, nil
	}
	common, linked := dir, false
	if back, err := h.pointer(path.Join(dir, "commondir"), ""); err == nil {
		linked = true
		if common, ok = h.follow(dir, back); !ok {
			return "", fmt.Errorf("the common directory of %s does not exist", plan.Show(dir))
		}
	}
	if !h.isGitDir(common) {
		return "", fmt.Errorf("%s is not a git directory", plan.Show(common))
	}
	if linked {
		err = h.checkWorktree(dir, common, dotGit)
	} else {
		err = h.checkSubmodule(dir, root)
	}
	if err != nil {
		return "", err
	}
	top, _ := h.stat(common)
	if top.uid != f.Workspace.OwnerUID && (top.uid != f.UID || f.UID == 0) {
		return "", fmt.Errorf("%s belongs to another user", plan.Show(common))
	}
	return common, nil
}

// checkWorktree verifies a linked worktree: its private directory is an entry of
// the common directory, and names this .git file.
func (h *host) checkWorktree(dir, common, dotGit string) error {
	if path.Dir(dir) != path.Join(common, "worktrees") {
		return fmt.Errorf("%s is not one of the worktrees of %s", plan.Show(dir), plan.Show(common))
	}
	back, err := h.pointer(path.Join(dir, "gitdir"), "")
	if err != nil {
		return err
	}
	if at, ok := h.follow(dir, path.Dir(back)); !ok || path.Base(back) != ".git" || path.Join(at, ".git") != dotGit {
		return fmt.Errorf("%s names another worktree (git worktree repair mends it)", plan.Show(dir))
	}
	return nil
}

// checkSubmodule verifies a submodule: its git directory lies among the modules
// of a repository, and its configuration names this work tree.
func (h *host) checkSubmodule(dir, root string) error {
	_, rest, ok := strings.Cut(dir+"/", "/.git/")
	if ok && strings.HasPrefix(rest, "worktrees/") {
		_, rest, ok = strings.Cut(strings.TrimPrefix(rest, "worktrees/"), "/")
	}
	if !ok || !strings.HasPrefix(rest, "modules/") {
		return fmt.Errorf("%s is neither a worktree's nor a submodule's directory (name it with --write if it is meant)", plan.Show(dir))
	}
	content, err := readSmall(path.Join(dir, "config"), maxFile)
	if err != nil {
		return err
	}
	tree, ok := plan.GitValue(content, "core", "worktree")
	if at, there := h.follow(dir, tree); !ok || !there || at != root {
		return fmt.Errorf("%s names another work tree", plan.Show(dir))
	}
	return nil
}

// isGitDir applies git's own test.
func (h *host) isGitDir(dir string) bool {
	for name, kind := range map[string]uint32{"HEAD": syscall.S_IFREG, "objects": syscall.S_IFDIR, "refs": syscall.S_IFDIR} {
		if h.lstat(path.Join(dir, name)).mode&syscall.S_IFMT != kind {
			return false
		}
	}
	return true
}

// follow resolves a path that a file in dir names.
func (h *host) follow(dir, target string) (string, bool) {
	if target == "" {
		return "", false
	}
	real, e, ok := h.walk(dir, target, 0)
	return real, ok && e.mode&syscall.S_IFMT == syscall.S_IFDIR
}

// pointer reads a file that holds one path after a prefix.
func (h *host) pointer(file, prefix string) (string, error) {
	content, err := readSmall(file, maxPointer)
	if err != nil {
		return "", err
	}
	p, ok := parsePointer(content, prefix)
	if !ok {
		return "", fmt.Errorf("%s does not hold the path of a git directory", plan.Show(file))
	}
	return p, nil
}

// parsePointer takes the path out of a .git, commondir or gitdir file: one line.
func parsePointer(content, prefix string) (string, bool) {
	p, ok := strings.CutPrefix(content, prefix)
	p = strings.TrimRight(p, "\r\n")
	if !ok || p == "" || strings.ContainsAny(p, "\x00\r\n") || len(p) >= 4096 {
		return "", false
	}
	return p, true
}

// readSmall reads a regular file, following no link and waiting for no pipe.
func readSmall(file string, limit int64) (string, error) {
	fd, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW|syscall.O_NOCTTY, 0)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", plan.Show(file), errors.Unwrap(err))
	}
	defer fd.Close()
	info, err := fd.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > limit {
		return "", fmt.Errorf("read %s: not a small regular file", plan.Show(file))
	}
	b, err := io.ReadAll(io.LimitReader(fd, limit+1))
	if err != nil || int64(len(b)) > limit {
		return "", fmt.Errorf("read %s: not a small regular file", plan.Show(file))
	}
	return string(b), nil
}
