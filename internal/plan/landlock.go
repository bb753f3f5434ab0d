package plan

import (
	"path"

	"github.com/bailey-run/bailey/internal/policy"
)

// ABI versions of Landlock that brought what a plan uses
// (Documentation/userspace-api/landlock.rst).
const (
	abiTCP   = 4
	abiScope = 6
)

// landlock makes the ruleset that stands behind the mounts. It says the same as
// the tree as far as Landlock can: it has no way to take a right away below a
// directory that has it.
func (c *compiler) landlock() {
	c.baseLandlock(c.p.Files.Strict.V)
	if c.f.Kernel.LandlockABI == 0 {
		c.pl.Weaker = append(c.pl.Weaker, "this kernel has no Landlock: the mounts hold the file wall alone")
		return
	}
	rules := []PathRule{{"/", List}, {"/dev", Devices}, {"/etc", Read}, {"/proc", Read}}
	given := map[string]Access{"/dev": Devices, "/etc": Read, "/proc": Read}
	if c.f.path(sysDir).IsDir {
		rules, given["/sys"] = append(rules, PathRule{"/sys", Read}), Read
	}
	for _, n := range c.pl.Tree {
		var a Access
		switch {
		case n.Pin || n.Device:
			continue
		case n.Kind == Scratch && !n.Exec:
			a = ReadWrite
		case n.Kind == Scratch || n.Kind == Overlay || n.Kind == Bind && n.Writable:
			a = Full
		case n.Kind == Bind && n.Exec:
			a = ReadExec
		case n.Kind == Bind || n.Kind == Data || n.Kind == Copy:
			a = Read
		default:
			continue
		}
		if !covers(given, n.Path, a) {
			given[n.Path] = a
			rules = append(rules, PathRule{n.Path, a})
		}
	}
	c.pl.Landlock.Paths = rules
}

// covers says that a rule above p gives what access does, or more.
func covers(given map[string]Access, p string, want Access) bool {
	for {
		switch have := given[p]; {
		case have == want, have == Full,
			want == Read && (have == ReadExec || have == ReadWrite):
			return true
		}
		if p == "/" {
			return false
		}
		p = path.Dir(p)
	}
}

// baseLandlock sets what the kernel's Landlock can do beside paths.
func (c *compiler) baseLandlock(strict bool) {
	abi := c.f.Kernel.LandlockABI
	l := &c.pl.Landlock
	l.Strict = strict
	if abi == 0 {
		l.Strict = false
		return
	}
	l.MinABI = 1
	if abi >= abiTCP {
		// In tier full no address leads anywhere anyway; programs of the box may talk
		// to each other over its own loopback.
		l.TCP, l.MinABI = c.pl.Tier == policy.TierLandlock, abiTCP
	}
	if abi >= abiScope {
		l.Scoped, l.MinABI = []string{"abstract-unix-socket", "signal"}, abiScope
	}
}
