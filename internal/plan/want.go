package plan

import (
	"path"
	"strings"

	"github.com/bailey-run/bailey/internal/policy"
)

// Want is what Compile must know of the host for one policy. Everything is
// absolute; entries may repeat.
type Want struct {
	Paths []string // what each is: Facts.Paths
	Globs []string // matches of each: Facts.Globs, and each match in Facts.Paths
}

// WantFiles lists the small regular files of the account's home whose contents
// belong in Facts.Files. It needs Account alone.
func WantFiles(f *Facts) []string {
	home := f.Account.Home
	if home == "" { // an owner without an account
		return nil
	}
	return []string{path.Join(home, gitConfigs[0]), path.Join(home, gitConfigs[1]), path.Join(home, goEnvFile)}
}

// Wants says what the compiler will ask the facts, given those that are known
// before any policy is (who, where, the environment) and Files.
func Wants(p *policy.Policy, f *Facts) Want {
	c := &compiler{p: p, f: f, moved: map[string]Var{}}
	home := f.Account.Home
	w := Want{Paths: make([]string, 0, 256)}
	add := func(ps ...string) { w.Paths = append(w.Paths, ps...) }
	add(home, f.Account.Shell, "/bin/bash", sysDir, "/dev/pts", "/dev/ptmx", f.Workspace.Root)
	for _, own := range [...]string{f.StateDir, f.CacheDir} {
		if own != "" {
			add(own)
		}
	}
	for _, name := range deviceNames {
		add("/dev/" + name)
	}
	add(procMasks[:]...)
	if f.Account.UID == 0 {
		add(procMasksRoot[:]...)
	}
	add(sysFiles[:]...)
	for named := f.Account.Named; clean(named) && named != "/"; named = path.Dir(named) {
		add(named)
	}

	for _, v := range p.Files.System {
		add(v.V)
	}
	add("/etc/passwd", "/etc/group", "/etc/hosts", "/etc/hostname")
	add(sslKeep[:]...)
	for _, v := range p.Files.Etc {
		if pattern := etcPath(v.V); isGlob(pattern) {
			w.Globs = append(w.Globs, pattern)
		} else {
			add(pattern)
		}
	}
	for _, v := range p.Files.Read {
		moved, _ := c.follow(v)
		add(v.V, moved)
	}
	for _, v := range p.Files.Caches {
		moved, _ := c.cachePath(v)
		add(v.V.Path, moved)
	}
	for _, v := range p.Files.Write {
		add(v.V)
	}
	for _, v := range p.Files.Deny {
		if p, ok := policy.Literal(v.V); ok {
			add(p)
		}
	}
	c.wantTools(add)
	c.wantPins(add)
	for _, k := range pathVars {
		if v, ok := f.env(k); ok && strings.HasPrefix(v, "/") {
			add(path.Clean(v))
		}
	}
	return w
}

func (c *compiler) wantTools(add func(...string)) {
	home := c.f.Account.Home
	inHome := false
	for _, e := range c.f.pathEntries() {
		add(e)
		below := under(e, home) && e != home
		inHome = inHome || below
		prefix := path.Dir(e)
		if path.Base(e) != "bin" || prefix == "/" || path.Dir(prefix) == home || !below && !underAny(e, searchPlaces[:]) {
			continue
		}
		if under(prefix, "/usr") && c.isSystem(prefix) {
			continue
		}
		add(prefix)
		for _, m := range markers {
			add(prefix + "/" + m)
		}
	}
	if inHome {
		for _, m := range managers {
			add(path.Join(home, m))
		}
	}
}

func (c *compiler) isSystem(p string) bool {
	for _, v := range c.p.Files.System {
		if under(p, v.V) {
			return true
		}
	}
	return false
}

// wantPins asks for the places where protected things may exist, and for the
// roots themselves.
func (c *compiler) wantPins(add func(...string)) {
	ws := c.f.Workspace
	type place struct {
		path        string
		git, topGit bool
		names       []string
	}
	places := []place{{ws.Root, false, has(ws.Names, ".git"), ws.Names}}
	for _, d := range ws.GitDirs {
		add(d)
		places = append(places, place{d, true, false, nil})
	}
	for _, v := range c.p.Files.Write {
		places = append(places, place{v.V, false, false, nil})
	}
	for _, pl := range places {
		want := func(pattern string) {
			for _, rel := range pinned(pattern, pl.path, pl.git, pl.topGit, pl.names) {
				add(pl.path + "/" + rel)
			}
		}
		for _, g := range gitPins {
			want(g)
		}
		for _, v := range c.p.Files.Protect {
			want(v.V)
		}
	}
}
