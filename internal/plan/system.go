package plan

import (
	"path"
	"strings"

	"github.com/bailey-run/bailey/internal/policy"
)

// maxCopy is the largest file that is copied into the box's own file system
// instead of mounted: a copy of a few kilobytes costs less than a mount.
const maxCopy = 256 << 10

// system puts the system directories, read-only.
func (c *compiler) system() {
	for _, v := range c.p.Files.System {
		f := c.f.path(v.V)
		if !f.Exists || !clean(v.V) || v.V == "/" {
			continue
		}
		if f.Link != "" {
			c.t.put(Node{Kind: Symlink, Path: v.V, Source: f.Link, From: v.From})
			if !c.shown(f.Real) {
				c.t.put(Node{Kind: Bind, Path: f.Real, Source: f.Real, Exec: true, From: v.From})
			}
			continue
		}
		c.t.put(Node{Kind: Bind, Path: v.V, Source: f.Real, Exec: true, From: v.From})
	}
}

// shown says that the host's path is, or by a configured system directory will
// be, seen in the tree.
func (c *compiler) shown(p string) bool {
	if _, _, ok := c.t.host(p); ok {
		return true
	}
	for _, v := range c.p.Files.System {
		if under(p, v.V) && c.f.path(v.V).Link == "" {
			return true
		}
	}
	return false
}

// etcPath makes the entry of /etc that a rule names absolute.
func etcPath(entry string) string {
	if strings.HasPrefix(entry, "/") {
		return path.Clean(entry)
	}
	return path.Join("/etc", entry)
}

// sslKeep is what of /etc/ssl a box may see. The rest holds private keys.
var sslKeep = [...]string{"/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem"}

const nsswitch = "passwd: files\ngroup: files\nshadow: files\nhosts: files\nnetworks: files\nprotocols: files\nservices: files\nethers: files\nrpc: files\n"

// etc puts the entries of /etc that the policy names, and those that bailey makes.
func (c *compiler) etc() {
	from := builtin("etc")
	id := c.pl.Identity
	c.data("/etc/passwd", passwd(id, c.shell()), 0o644, from)
	c.data("/etc/group", group(id), 0o644, from)
	c.data("/etc/hostname", hostname+"\n", 0o644, from)
	c.data("/etc/hosts", "127.0.0.1 localhost "+hostname+"\n::1 localhost "+hostname+"\n", 0o644, from)
	// Without a gate there is no network: a name that is not in /etc/hosts does not exist. Asking a
	// name server that cannot be reached would be a temporary failure, which programs
	// try again for minutes; and daemons of the host that know users are not there.
	names := nsswitch
	if c.pl.Network != nil {
		names = strings.Replace(names, "hosts: files\n", "hosts: files dns\n", 1)
		c.data("/etc/resolv.conf", resolvConf, 0o644, builtin("gate"))
	}
	c.data("/etc/nsswitch.conf", names, 0o644, from)
	for _, v := range c.p.Files.Etc {
		pattern := etcPath(v.V)
		if !under(pattern, "/etc") || pattern == "/etc" {
			continue
		}
		if !isGlob(pattern) {
			c.etcEntry(pattern, v)
			continue
		}
		for _, p := range c.f.Globs[pattern] {
			c.etcEntry(p, v)
		}
	}
}

func (c *compiler) etcEntry(p string, v policy.Value[string]) {
	if p == "/etc/ssl" {
		for _, k := range sslKeep {
			c.etcEntry(k, v)
		}
		return
	}
	if under(p, "/etc/ssl") && !sslAllowed(p) {
		c.note("skipped: %s may hold private keys", Show(p))
		return
	}
	f := c.f.path(p)
	if _, taken := c.t.nodes[p]; taken || !f.Exists {
		return
	}
	need := uint32(0o004)
	if f.IsDir {
		need = 0o005
	}
	switch {
	case f.Mode&need != need:
		c.note("skipped: %s is not for everyone to read", Show(p))
	case f.Link != "" && under(f.Real, "/proc"):
		c.t.put(Node{Kind: Symlink, Path: p, Source: f.Link, From: v.From})
	case f.Link != "" && c.shown(f.Real):
		c.t.put(Node{Kind: Symlink, Path: p, Source: f.Link, From: v.From})
	case f.IsDir:
		c.t.put(Node{Kind: Bind, Path: p, Source: f.Real, From: v.From})
	case f.Regular && f.Size <= maxCopy:
		c.t.put(Node{Kind: Copy, Path: p, Source: f.Real, Mode: f.Mode & 0o555, Optional: true, From: v.From})
	case f.Regular:
		c.t.put(Node{Kind: Bind, Path: p, Source: f.Real, From: v.From})
	}
}

func sslAllowed(p string) bool {
	for _, k := range sslKeep {
		if under(p, k) {
			return true
		}
	}
	return false
}

func (c *compiler) data(p, content string, mode uint32, from policy.Source) {
	c.t.put(Node{Kind: Data, Path: p, Content: content, Mode: mode, From: from})
}

// tidy drops nodes that another already shows the same way, and those for which
// the tree has no place: a mount point below a host directory must exist on the
// host, because bailey never makes one there.
func (c *compiler) tidy() {
	order := c.t.sorted()
	for _, n := range order {
		up, ok := c.t.above(n.Path)
		if ok && up.Kind == Symlink {
			// Named through a link that is in the tree as well: it goes where that leads.
			delete(c.t.nodes, n.Path)
			if _, _, there := c.t.host(n.Source); n.Kind == Bind && (!there || n.Writable) {
				m := n
				m.Path = n.Source
				c.t.put(m)
				c.moveRoot(n.Path, m.Path)
			}
			continue
		}
		if !ok || !hostBacked(up) {
			continue
		}
		host := rebase(n.Path, up.Path, up.Source)
		switch {
		case n.Kind == Bind && n.Source == host && n.Writable == up.Writable && n.Exec == up.Exec && up.Kind == Bind:
			delete(c.t.nodes, n.Path) // shown already
		case n.Kind == Symlink || n.Kind == Data || n.Kind == Copy:
			delete(c.t.nodes, n.Path) // the host's own entry is what is seen
		case c.f.path(n.Path).Exists && c.f.path(n.Path).Real == host:
			// The mount point is there.
		case n.Kind == Bind && n.Path != n.Source && c.f.path(n.Path).Real == n.Source:
			// A link of the host leads from Path to Source: it is seen inside as well,
			// so what it leads to is what must be there.
			delete(c.t.nodes, n.Path)
			m := n
			m.Path = n.Source
			c.t.put(m)
			c.moveRoot(n.Path, m.Path)
		case n.From.Layer == policy.LayerBuiltin:
			delete(c.t.nodes, n.Path)
		default:
			delete(c.t.nodes, n.Path)
			c.note("skipped: there is no %s to mount on", Show(n.Path))
		}
	}
}

func (c *compiler) moveRoot(from, to string) {
	for i := range c.roots {
		if c.roots[i].path == from {
			c.roots[i].path = to
		}
	}
}

// holdParents makes the directory above a writable root its own read-only mount
// where it would else lie in a scratch directory: the box could rename it, and
// the root would appear under a name that no rule knows.
func (c *compiler) holdParents() {
	var hold []string
	for _, r := range c.roots {
		if n, ok := c.t.nodes[r.path]; !ok || !n.Writable {
			continue
		}
		for p := r.path; ; {
			up, ok := c.t.above(p)
			if !ok {
				break
			}
			if i := strings.IndexByte(p[len(up.Path)+1:], '/'); up.Kind == Scratch && i >= 0 {
				hold = append(hold, p[:len(up.Path)+1+i])
			}
			p = up.Path
		}
	}
	for _, p := range hold {
		c.t.put(Node{Kind: Dir, Path: p, Mode: 0o755, Pin: true, From: builtin("workspace")})
	}
}
