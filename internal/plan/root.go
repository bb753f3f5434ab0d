package plan

import (
	"path"
	"strings"

	"github.com/bailey-run/bailey/internal/policy"
)

// root is a place of the host that the box may write (or, in read-only mode,
// would).
type root struct {
	path     string // inside
	source   string // on the host, no symbolic link in it
	from     policy.Source
	git      bool // it is a git directory itself
	topGit   bool
	writable bool
	inner    bool // it lies below another root, which already shows it
}

// sharedPlaces are refused as roots beside those that package policy refuses:
// what lies in them belongs to everyone.
var sharedPlaces = [...]string{"/dev/shm", "/media", "/mnt", "/run/user", "/usr/local", "/var/lib", "/var/tmp"}

const rootHint = "start bailey in the directory of one project, or name that directory"

// checkRoot refuses places that would give the box more than a project: p is
// what a person wrote, or what that leads to.
func (c *compiler) checkRoot(what, p string, from policy.Source) *Error {
	why := ""
	switch {
	case !clean(p):
		why = "not an absolute path"
	case has(sharedPlaces[:], p):
		why = "a directory of the system"
	case under(p, "/dev/shm"):
	default:
		own := [...]string{c.f.StateDir, c.f.CacheDir, c.f.ConfigDir}
		list := own[:0]
		for _, d := range own {
			if d != "" {
				list = append(list, d)
			}
		}
		if why = policy.RefusedRoot(p, c.f.Home, list); why == "" && c.f.foreign() {
			why = policy.RefusedRoot(p, c.f.Account.Home, nil)
		}
	}
	if why == "" {
		return nil
	}
	return &Error{What: what + " cannot be used, it is " + why, Path: p, From: from, Hint: rootHint}
}

// keyDirs, below HOME, are nobody's project. A box that starts in one was led
// there, by a symbolic link in a project for example; who means it names it.
var keyDirs = [...]string{".ssh", ".gnupg", ".aws", ".azure", ".kube", ".config/gcloud", ".config/gh", ".password-store", ".local/share/keyrings"}

// findRoots collects the workspace, the configured writable paths and the
// workspace's git directories.
func (c *compiler) findRoots() error {
	f := c.f
	write := c.pl.Mode == policy.WorkspaceWrite
	ws := f.Workspace
	if err := c.checkRoot("the workspace", ws.Root, policy.Source{}); err != nil {
		return err
	}
	for _, home := range [...]string{f.Home, f.Account.Home} {
		for _, d := range keyDirs {
			if home != "" && under(ws.Root, path.Join(home, d)) {
				return &Error{What: "the workspace cannot be used, it is a place for keys", Path: ws.Root, Hint: rootHint}
			}
		}
	}
	c.roots = append(c.roots, root{path: ws.Root, source: ws.Root, from: builtin("workspace"), topGit: has(ws.Names, ".git"), writable: write})
	for _, v := range c.p.Files.Write {
		if err := c.addWrite(v, write); err != nil {
			return err
		}
	}
	for _, d := range ws.GitDirs {
		if r := c.rootOver(d); r != nil {
			// It is there already; named as a root, its entries are guarded too.
			c.roots = append(c.roots, root{path: d, source: rebase(d, r.path, r.source), from: builtin("git directory of the workspace"), git: true, writable: write, inner: true})
			continue
		}
		if err := c.checkRoot("the git directory of the workspace", d, builtin("workspace")); err != nil {
			c.note("%s; git will not work inside", err.Error())
			continue
		}
		c.roots = append(c.roots, root{path: d, source: d, from: builtin("git directory of the workspace"), git: true, writable: write})
	}
	for i := range c.roots {
		for j := range c.roots {
			a, b := &c.roots[i], &c.roots[j]
			if i != j && under(a.path, b.path) && (a.path != b.path || i > j) && a.source == rebase(a.path, b.path, b.source) {
				a.inner = true
			}
		}
	}
	return nil
}

// rootOver returns the root that shows p inside, if one does.
func (c *compiler) rootOver(p string) *root {
	for i := range c.roots {
		if under(p, c.roots[i].path) {
			return &c.roots[i]
		}
	}
	return nil
}

// planted says that p, a path someone configured, is led out of a writable root
// by a symbolic link in it. An earlier run may have made that link, so it is not
// followed.
func (c *compiler) planted(p, real string) bool {
	r := c.rootOver(p)
	return r != nil && !under(real, r.source)
}

func (c *compiler) addWrite(v policy.Value[string], write bool) error {
	p := v.V
	if err := c.checkRoot("the writable path", p, v.From); err != nil {
		return err
	}
	fact := c.f.path(p)
	if !fact.Exists {
		return c.missing(v)
	}
	if c.planted(p, fact.Real) {
		c.note("not writable: %s (%s): a symbolic link in the workspace leads out of it", Show(p), Where(v.From))
		return nil
	}
	if err := c.checkRoot("the writable path", fact.Real, v.From); err != nil {
		return err
	}
	if r := c.rootOver(p); r != nil {
		return nil
	}
	c.roots = append(c.roots, root{path: p, source: fact.Real, from: v.From, writable: write})
	return nil
}

// missing skips or refuses a configured path that does not exist.
func (c *compiler) missing(v policy.Value[string]) error {
	if v.From.Layer == policy.LayerBuiltin {
		return nil
	}
	if c.p.Files.Missing.V == "error" {
		return &Error{What: "the configured path does not exist", Path: v.V, From: v.From, Hint: `create it, remove the rule, or set files.missing = "skip"`}
	}
	c.note("skipped: %s (%s) does not exist", Show(v.V), Where(v.From))
	return nil
}

func (c *compiler) putRoots() {
	for _, r := range c.roots {
		if !r.inner {
			c.t.put(Node{Kind: Bind, Path: r.path, Source: r.source, Writable: r.writable, Exec: true, From: r.from})
		}
	}
}

// gitPins are the entries of a git directory that git runs or follows and that
// honest work does not touch. Its configuration is not among them: that is
// guarded by content.
var gitPins = [...]string{".git/hooks", ".git/info/attributes", ".git/objects/info/alternates"}

// pins puts a read-only mount over every protected thing that exists at a known
// place of a writable root. The name broker holds the names themselves, existing
// or not, at any depth; a pin is a second wall where one is free to build.
func (c *compiler) pins() {
	for _, r := range c.roots {
		if !r.writable {
			continue
		}
		names := c.topNames(r)
		pin := func(pattern string, from policy.Source) {
			for _, rel := range pinned(pattern, r.path, r.git, r.topGit, names) {
				p := r.path + "/" + rel
				fact := c.f.path(p)
				// What a link leads to is not the protected thing; the broker holds the name.
				if fact.Exists && fact.Link == "" && fact.Real == r.source+"/"+rel && (fact.IsDir || fact.Regular) {
					c.t.put(Node{Kind: Bind, Path: p, Source: fact.Real, Exec: true, NoFollow: true, Pin: true, From: from})
				}
			}
		}
		for _, g := range gitPins {
			pin(g, builtin("git"))
		}
		for _, v := range c.p.Files.Protect {
			pin(v.V, v.From)
		}
	}
	for p, n := range c.t.nodes {
		if !n.Pin {
			continue
		}
		for q := path.Dir(p); q != "/"; q = path.Dir(q) {
			if m, ok := c.t.nodes[q]; ok && m.Pin {
				delete(c.t.nodes, p)
				break
			}
		}
	}
}

// topNames are the names directly in a root, where they are known.
func (c *compiler) topNames(r root) []string {
	if r.path == c.f.Workspace.Root {
		return c.f.Workspace.Names
	}
	return nil
}

// pinned lists the paths, relative to the root dir, that a protect pattern may
// mean at known places. names are those directly in the root; nil when not known.
func pinned(pattern, dir string, git, topGit bool, names []string) []string {
	if p, ok := policy.Literal(pattern); ok && under(p, dir) && p != dir {
		pattern = p[len(dir):]
	}
	rel := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(pattern, "/"), "**/"), "/")
	if rel == "" || strings.HasPrefix(rel, "!") || strings.Contains(rel, "..") {
		return nil
	}
	if inGit, ok := strings.CutPrefix(rel, ".git/"); ok {
		if isGlob(inGit) || inGit == "config" { // the broker guards config by its content
			return nil
		}
		switch {
		case git:
			return []string{inGit}
		case topGit:
			return []string{rel}
		}
		return nil
	}
	if git || rel == ".git" {
		return nil
	}
	first, _, deep := strings.Cut(rel, "/")
	switch {
	case isGlob(rel) && deep:
		return nil
	case isGlob(rel):
		var out []string
		for _, n := range names {
			if ok, err := path.Match(rel, n); ok && err == nil && n != ".git" {
				out = append(out, n)
			}
		}
		return out
	case names != nil && !has(names, first):
		return nil
	}
	return []string{rel}
}

func isGlob(s string) bool { return strings.ContainsAny(s, `*?[\{`) }

func has(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
