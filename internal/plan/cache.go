package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"slices"
	"strings"

	"github.com/bailey-run/bailey/internal/policy"
)

// downloads are caches that are more use read-only with what the host has than
// empty and writable. Matched at the end of the path, or by the variable.
var (
	downloads    = [...]string{"/pkg/mod", "/.cargo/registry", "/.cargo/git", "/.m2/repository", "/.ivy2/cache", "/gems"}
	downloadVars = [...]string{"GOMODCACHE", "CARGO_HOME"}
)

// layerDir, below CacheDir, holds the layers over the host's caches. Two mounts
// must not share a layer, so boxes at the same time need one each: see
// Plan.WithLayers.
const layerDir = "layer"

// ownCaches is where, below HOME inside, the caches of this project lie that have
// no layer of the host's below them.
const ownCaches = ".cache/bailey"

// caches puts the package and build caches. Nothing the box writes reaches the
// host's: the host's cache is a lower layer at most. The caches that are all
// bailey's share one mount, to which symbolic links lead: many tools are
// configured and few are used, and a mount each would cost.
func (c *compiler) caches() {
	own := path.Join(c.home, ownCaches)
	for _, v := range c.p.Files.Caches {
		p, env := c.cachePath(v)
		if why := c.refuseCache(p); why != "" {
			if v.From.Layer != policy.LayerBuiltin {
				c.note("cache %s (%s) is not set up: %s", Show(p), Where(v.From), why)
			}
			continue
		}
		n := c.cacheNode(p, v)
		if n.Kind == Symlink {
			if up, ok := c.t.above(p); ok && hostBacked(up) {
				continue // nothing can be made there
			}
			id := cacheID(p)
			n.Source = path.Join(own, id)
			c.pl.Make = append(c.pl.Make, path.Join(c.f.CacheDir, "own", id))
			c.t.put(Node{Kind: Bind, Path: own, Source: path.Join(c.f.CacheDir, "own"), Writable: true, Exec: true, From: builtin("caches")})
		}
		if n.Upper != "" {
			c.pl.Make = append(c.pl.Make, n.Upper, n.Work)
		}
		c.t.put(n)
		c.keepVar(env)
	}
}

// cachePath is where a cache is on this host, and the variable that says so.
func (c *compiler) cachePath(v policy.Value[policy.Cache]) (string, string) {
	if v.V.Env != "" {
		if moved := c.hostEnv(v.V.Env); clean(moved) && moved != "/" {
			return moved, v.V.Env
		}
	}
	return c.follow(policy.Value[string]{V: v.V.Path, From: v.From})
}

// refuseCache says why a place cannot be a cache, or "".
func (c *compiler) refuseCache(p string) string {
	f := c.f.path(p)
	if c.rootOver(p) != nil {
		return "it lies in a writable root"
	}
	real := p
	if f.Exists {
		real = f.Real
	}
	for _, q := range [...]string{p, real} {
		if c.checkRoot("the cache", q, policy.Source{}) != nil {
			return "it is no place for a cache"
		}
		for _, r := range c.roots {
			if overlap(r.path, q) || overlap(r.source, q) {
				return "it holds a writable root, or lies in one"
			}
		}
	}
	if c.f.foreign() && f.Exists && !under(real, c.f.Account.Home) {
		return "a symbolic link leads out of the home directory"
	}
	if c.f.CacheDir == "" && !f.IsDir {
		return "bailey has no cache directory of its own"
	}
	return ""
}

// cacheNode picks the best form of a cache that this kernel allows. A Symlink
// stands for one that is all bailey's.
func (c *compiler) cacheNode(p string, v policy.Value[policy.Cache]) Node {
	f := c.f.path(p)
	own := Node{Kind: Symlink, Path: p, From: v.From}
	if !f.IsDir {
		return own
	}
	layer := path.Join(c.f.CacheDir, layerDir, cacheID(p))
	kind := c.f.Kernel.Overlay
	// A layer cannot copy up what belongs to an id that the box does not have.
	layered := kind != "" && f.UID == c.pl.Identity.HostUID
	switch {
	case layered && kind == "upper" && c.f.CacheDir != "":
		return Node{Kind: Overlay, Path: p, Source: f.Real, Upper: path.Join(layer, "upper"), Work: path.Join(layer, "work"), Exec: true, From: v.From}
	case layered:
		c.note("cache %s: what the box adds is gone when it ends", Show(p))
		return Node{Kind: Overlay, Path: p, Source: f.Real, Exec: true, From: v.From}
	case c.f.CacheDir == "" || isDownload(p, v.V.Env):
		c.note("cache %s: read-only, a layer cannot be put over it here", Show(p))
		return Node{Kind: Bind, Path: p, Source: f.Real, Exec: true, From: v.From}
	}
	c.note("cache %s: a separate one for this project, a layer cannot be put over yours here", Show(p))
	return own
}

func isDownload(p, env string) bool {
	return has(downloadVars[:], env) || hasSuffix(p, downloads[:])
}

// cacheID names bailey's directory for the cache at p.
func cacheID(p string) string {
	sum := sha256.Sum256([]byte(p))
	base := strings.TrimLeft(path.Base(p), ".")
	if !printable(base) || len(base) > 32 || base == "" {
		base = "cache"
	}
	return base + "-" + hex.EncodeToString(sum[:6])
}

func hasSuffix(p string, ends []string) bool {
	for _, e := range ends {
		if strings.HasSuffix(p, e) {
			return true
		}
	}
	return false
}

// printable says that s is one line of printable ASCII.
func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// WithLayers returns the plan with the layers over the host's caches in another
// directory below CacheDir, or in memory when dir is "". The plan itself is not
// changed.
func (pl *Plan) WithLayers(dir string) *Plan {
	from := path.Join(pl.CacheDir, layerDir)
	move := func(p string) string {
		switch {
		case p == "" || !under(p, from):
			return p
		case dir == "":
			return ""
		}
		return rebase(p, from, path.Join(pl.CacheDir, dir))
	}
	out := *pl
	out.Tree = slices.Clone(pl.Tree)
	for i := range out.Tree {
		n := &out.Tree[i]
		n.Upper, n.Work = move(n.Upper), move(n.Work)
	}
	out.Make = nil
	for _, d := range pl.Make {
		if d = move(d); d != "" {
			out.Make = append(out.Make, d)
		}
	}
	return &out
}
