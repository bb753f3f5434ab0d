//go:build linux

package linux

import (
	"path"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

// pathRule is a Landlock rule whose path has been opened.
type pathRule struct {
	fd   reg
	rule plan.PathRule
	dir  bool
}

// openRules opens the paths of the plan's Landlock rules: of the finished tree
// in tier full, of the host in tier landlock.
func (l *launch) openRules() []pathRule {
	p := l.p
	rules := make([]pathRule, 0, len(l.b.plan.Landlock.Paths)+1)
	for _, r := range l.b.plan.Landlock.Paths {
		fd := p.call("open "+r.Path, unix.SYS_OPENAT, atCwd, p.str(r.Path), num(unix.O_PATH|unix.O_CLOEXEC), num(0))
		rules = append(rules, pathRule{fd, r, l.isDir(r.Path)})
	}
	l.b.mu.Lock()
	list := l.b.shown
	l.b.mu.Unlock()
	for _, s := range list {
		fd := p.call("open "+s.rule.Path, unix.SYS_OPENAT, atCwd, p.str(s.rule.Path), num(unix.O_PATH|unix.O_CLOEXEC), num(0))
		rules = append(rules, pathRule{fd, s.rule, s.dir})
	}
	return rules
}

// isDir says whether path, inside, is a directory: Landlock refuses rights of
// directories on anything else.
func (l *launch) isDir(p string) bool {
	if l.weak {
		return isDir(p)
	}
	for i := range l.b.plan.Tree {
		n := &l.b.plan.Tree[i]
		if n.Path != p || n.Kind == plan.Mask || n.Pin {
			continue
		}
		switch n.Kind {
		case plan.Bind:
			return isDir(n.Source)
		case plan.Data, plan.Copy:
			return false
		}
		return true
	}
	// Not a node: a directory made on the way to one, or something inside a bind.
	for i := range l.b.plan.Tree {
		if n := &l.b.plan.Tree[i]; n.Kind == plan.Bind && n.Path != p && below(p, n.Path) {
			return isDir(path.Join(n.Source, p[len(n.Path):]))
		}
	}
	return true
}

// landlock appends the second, independent layer over the mounts.
func (l *launch) landlock(rules []pathRule) error {
	spec := l.b.plan.Landlock
	abi, err := landlockABI()
	if err != nil {
		return err
	}
	if abi == 0 && spec.MinABI == 0 {
		return nil // the plan was made for this kernel and says what is missing
	}
	if !l.weak && !l.b.single {
		// Several commands share the box: each has a domain of its own, and with
		// scopes none could signal another. The pid and network namespaces hold
		// these two walls alone then.
		spec.Scoped = nil
	}
	rs, err := newLandlockRuleset(spec, spec.Strict || l.b.plan.Tier == policy.TierLandlock, abi)
	if err != nil {
		return err
	}
	if err := l.restrict("the Landlock ruleset", rs, rules); err != nil {
		return err
	}
	l.ruleset = rs
	l.scoped = rs.attr.scoped&unix.LANDLOCK_SCOPE_SIGNAL != 0
	return nil
}

// enclose appends a Landlock domain that only keeps signals and abstract
// sockets inside, where the kernel can.
func (l *launch) enclose() error {
	abi, err := landlockABI()
	if err != nil {
		return err
	}
	rs, err := newLandlockRuleset(plan.Landlock{Scoped: l.b.plan.Landlock.Scoped}, false, abi)
	if err != nil {
		return err
	}
	rs.attr.fs, rs.attr.net = 0, 0
	if rs.attr.scoped&unix.LANDLOCK_SCOPE_SIGNAL == 0 {
		// Without it the guard's kill(-1) would reach every process of the person.
		return &UnsupportedError{Feature: "tier landlock", Need: "a Landlock scope for signals", Have: haveABI(abi)}
	}
	return l.restrict("the guard's Landlock ruleset", rs, nil)
}

func (l *launch) restrict(what string, rs *landlockRuleset, rules []pathRule) error {
	p := l.p
	fd := p.call("create "+what, unix.SYS_LANDLOCK_CREATE_RULESET, mem(unsafe.Pointer(hold(p, rs.attr))), word(rs.size), num(0))
	for _, r := range rules {
		rights, err := rs.rights(r.rule.Access, r.dir)
		if err != nil {
			return err
		}
		if rights == 0 {
			continue
		}
		attr := hold(p, *landlockPath(rights))
		p.add("prepare the Landlock rule for "+r.rule.Path, op{kind: opStore, args: [6]operand{r.fd.operand(), mem(unsafe.Pointer(&attr.fd))}})
		p.do("add the Landlock rule for "+r.rule.Path, unix.SYS_LANDLOCK_ADD_RULE, fd.operand(), num(unix.LANDLOCK_RULE_PATH_BENEATH), mem(unsafe.Pointer(attr)), num(0))
	}
	p.do("enforce "+what, unix.SYS_LANDLOCK_RESTRICT_SELF, fd.operand(), word(rs.flags))
	p.do("close "+what, unix.SYS_CLOSE, fd.operand())
	return nil
}

// checkLandlock appends a step that only Landlock refuses. It comes before the
// syscall filter, which hands opens for writing to a supervisor that does not
// listen yet.
func (l *launch) checkLandlock() {
	if l.ruleset == nil {
		return
	}
	if !l.weak {
		// The procfs is read-only anyway. That pid 1 cannot be signalled says that a
		// domain is in force, where the two have the same owner; selfCheck tries it.
		l.tried = l.scoped && !l.byParent
		return
	}
	// Everybody may write it as far as its mode says, but /proc is only readable.
	for _, r := range l.b.plan.Landlock.Paths {
		if r.Access != plan.Read && r.Access != plan.ReadExec && below("/proc", r.Path) && r.Access != plan.List {
			return
		}
	}
	l.p.do("self-check: Landlock on writing", unix.SYS_OPENAT, atCwd, l.p.str("/proc/self/timerslack_ns"), num(unix.O_WRONLY|unix.O_CLOEXEC), num(0)).deny(unix.EACCES)
	l.tried = true
}
