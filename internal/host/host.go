// Package host collects what the plan compiler must know of this machine: who
// started bailey and where, which repository that is, what the wanted paths are.
// Everything a repository or an earlier box could have written is taken for what
// it is, input of unknown origin.
package host

import (
	"errors"
	"fmt"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

// Options are what Collect starts from. The zero value means this process.
type Options struct {
	Dir    string   // where the box starts; "": the current directory
	Home   string   // taken for the caller's home directory; "": what the user database says
	Env    []string // the caller's environment; nil: this process's
	Kernel plan.Kernel

	passwd string // for tests; "": /etc/passwd
	uid    int    // for tests; used when passwd is set
}

// maxNames bounds how many entries of the workspace root are looked at. Names
// beyond it switch no profile on and get no read-only mount; the name broker
// protects them all the same.
const maxNames = 10000

// Collect finds who, where and which repository. The facts are complete after
// Answer.
func Collect(opt Options) (*plan.Facts, error) {
	env := opt.Env
	if env == nil {
		env = os.Environ()
	}
	h := newHost()
	f := &plan.Facts{OS: runtime.GOOS, Arch: runtime.GOARCH, Env: env, Kernel: opt.Kernel}
	users, err := h.users(opt)
	if err != nil {
		return nil, err
	}
	me, err := users.byID(users.self, env)
	if err != nil {
		return nil, err
	}
	if opt.Home != "" {
		e, exists := h.stat(opt.Home)
		if !path.IsAbs(opt.Home) || !exists || e.mode&syscall.S_IFMT != syscall.S_IFDIR || e.uid != me.UID {
			return nil, fmt.Errorf("use %s as the home directory: not a directory of user %d", plan.Show(opt.Home), me.UID)
		}
		me.Named, me.Home = path.Clean(opt.Home), h.real(opt.Home)
	}
	f.UID, f.GID, f.User, f.Home = me.UID, me.GID, me.Name, me.Home
	if v := lookup(env, "HOME"); v != "" && v != me.Home && v != me.Named && h.real(v) != me.Home {
		f.Notes = append(f.Notes, fmt.Sprintf("HOME=%s is not the home directory of %s in the user database, which is %s: ignored", plan.Show(v), me.Name, plan.Show(me.Home)))
	}

	if f.StartDir, err = h.startDir(opt.Dir); err != nil {
		return nil, err
	}
	// Root works in the name of whom the workspace belongs to.
	start, _ := h.stat(f.StartDir)
	homes := []string{me.Home}
	if me.UID == 0 && start.uid != 0 {
		if owner, err := users.byID(start.uid, nil); err == nil {
			homes = append(homes, owner.Home)
		}
	}
	root := h.findRoot(f.StartDir, homes, me.UID)
	top, ok := h.stat(root)
	if !ok {
		return nil, fmt.Errorf("look at the workspace %s: %w", plan.Show(root), os.ErrNotExist)
	}
	f.Workspace = plan.Workspace{Root: root, OwnerUID: top.uid, OwnerGID: top.gid}
	f.Account = me
	if me.UID == 0 && top.uid != 0 {
		if f.Account, err = users.byID(top.uid, nil); err != nil {
			// An owner without an entry, as in containers, has no home either.
			f.Account = plan.Account{UID: top.uid, GID: top.gid, Name: "user"}
		}
		f.Account.GID = top.gid
	}
	f.Workspace.Names = h.names(root)
	h.gitDirs(f)
	h.ownDirs(f)
	return f, nil
}

// Answer fills in what the compiler wants to know for this policy.
func Answer(p *policy.Policy, f *plan.Facts) {
	h := newHost()
	f.Files = map[string]string{}
	for _, name := range plan.WantFiles(f) {
		if content, ok := h.readFile(name, f.Account.UID); ok {
			f.Files[name] = content
		}
	}
	h.gitNames(f)
	w := plan.Wants(p, f)
	f.Paths = make(map[string]plan.Path, len(w.Paths))
	f.Globs = make(map[string][]string, len(w.Globs))
	for _, g := range w.Globs {
		if _, done := f.Globs[g]; done {
			continue
		}
		f.Globs[g] = h.glob(g)
		for _, q := range f.Globs[g] {
			h.answer(f, q)
		}
	}
	for _, q := range w.Paths {
		h.answer(f, q)
	}
}

func (h *host) answer(f *plan.Facts, p string) {
	if _, done := f.Paths[p]; done || !strings.HasPrefix(p, "/") {
		return
	}
	f.Paths[p] = h.look(path.Clean(p))
}

// startDir is the directory a box starts in, without symbolic links. PWD is what
// a shell says; where the process is, is what counts.
func (h *host) startDir(dir string) (string, error) {
	if !path.IsAbs(dir) {
		wd, err := os.Getwd()
		if err != nil {
			return "", fmt.Errorf("find the current directory: %w", err)
		}
		dir = path.Join(wd, dir)
	}
	p := h.look(path.Clean(dir))
	switch {
	case !p.Exists:
		return "", fmt.Errorf("start in %s: %w", plan.Show(dir), os.ErrNotExist)
	case !p.IsDir:
		return "", fmt.Errorf("start in %s: %w", plan.Show(dir), errNotDir)
	}
	return p.Real, nil
}

var errNotDir = errors.New("not a directory")

// names lists what is directly in a directory.
func (h *host) names(dir string) []string {
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(maxNames)
	slices.Sort(names)
	return names
}

func lookup(env []string, name string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if k, v, ok := strings.Cut(env[i], "="); ok && k == name {
			return v
		}
	}
	return ""
}
