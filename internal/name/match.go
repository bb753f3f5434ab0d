package name

import (
	"bytes"
	"fmt"
	"strings"
)

// Matcher is Rules compiled. It is immutable and safe for concurrent use.
type Matcher struct {
	roots   []root
	protect *trie
	deny    *trie
	hold    bool // NestedGit "hold"
	gitDirs []string
}

type root struct {
	path []byte // absolute, clean
	at   spot   // what the root itself is to git
	bare bool   // HEAD may not be made in it
}

// Compile checks and compiles rules.
func Compile(r Rules) (*Matcher, error) {
	m := &Matcher{}
	switch r.NestedGit {
	case "deny", "":
	case "hold":
		m.hold = true
	default:
		return nil, fmt.Errorf("nested git policy %q is neither deny nor hold", r.NestedGit)
	}
	for _, x := range r.Roots {
		if !strings.HasPrefix(x.Path, "/") || cleaned(x.Path) != x.Path {
			return nil, fmt.Errorf("writable root %q is not a clean absolute path", x.Path)
		}
		p := []byte(strings.TrimSuffix(x.Path, "/"))
		at, _ := spot{}.walk(p, false)
		if x.Git {
			at = spot{place: inGit}
			m.gitDirs = append(m.gitDirs, x.Path)
		} else if x.TopGit {
			m.gitDirs = append(m.gitDirs, strings.TrimSuffix(x.Path, "/")+"/.git")
		}
		m.roots = append(m.roots, root{path: p, at: at, bare: !m.hold})
	}
	for _, p := range r.Protect {
		parts, rooted, err := split(p)
		if err != nil {
			return nil, fmt.Errorf("protect: %w", err)
		}
		if m.protect == nil {
			m.protect = &trie{}
		}
		text := &rule{p, fmt.Sprintf("%s is protected by the policy; change it outside the box", p)}
		// gitignore: a slash at the start or in the middle anchors.
		if err := m.protect.add(p, parts, rooted || len(parts) > 1, text); err != nil {
			return nil, fmt.Errorf("protect: %w", err)
		}
	}
	for _, p := range r.Deny {
		parts, rooted, err := split(p)
		if err != nil {
			return nil, fmt.Errorf("deny: %w", err)
		}
		if m.deny == nil {
			m.deny = &trie{}
		}
		text := &rule{p, fmt.Sprintf("%s is hidden by the policy (files.deny); work without it, or ask the person who started the box", p)}
		if err := m.deny.add(p, parts, rooted, text); err != nil {
			return nil, fmt.Errorf("deny: %w", err)
		}
	}
	return m, nil
}

// cleaned is path.Clean for absolute paths, without the import.
func cleaned(p string) string {
	var out []string
	for _, c := range strings.Split(p, "/") {
		if c == "" || c == "." {
			continue
		}
		if c == ".." {
			return ""
		}
		out = append(out, c)
	}
	return "/" + strings.Join(out, "/")
}

// Reads reports whether opens for reading can be refused at all.
func (m *Matcher) Reads() bool { return m.deny != nil }

// GitDirs are the git directories the rules know of, whose linked worktrees may
// have their .git files written.
func (m *Matcher) GitDirs() []string { return m.gitDirs }

// Check decides one operation on one name. path is the real path of the parent
// directory as the box sees it, a slash, and the last component: bytes of any
// kind, no "." or "..". dir says that a rename moves a directory; a caller that
// does not know passes true, and asks again when that is refused.
func (m *Matcher) Check(op Op, path []byte, dir bool) Verdict {
	if m.deny != nil {
		if r, how := m.deny.match(path); r != nil && refused(op, how, dir) {
			return r.refuse()
		}
	}
	if op == Read {
		return Verdict{}
	}
	var v Verdict
	for i := range m.roots {
		r := &m.roots[i]
		rel, ok := below(path, r.path)
		if !ok {
			// A root is a mount point, so it cannot be moved itself. Its parents can,
			// where they are writable, and would give every name in it another path.
			if renames.has(op) && len(path) < len(r.path) && bytes.HasPrefix(r.path, path) && r.path[len(path)] == '/' {
				return parentRule.refuse()
			}
			continue
		}
		w := m.gitVerdict(op, r, rel, dir)
		if w.Act == Refuse {
			return w
		}
		if w.Act != Allow {
			v = w
		}
		if m.protect == nil {
			continue
		}
		if p, how := m.protect.match(rel); p != nil && refused(op, how, dir) {
			return p.refuse()
		}
		// A pattern may also be written with the whole path in it.
		if p, how := m.protect.matchRooted(path); p != nil && refused(op, how, dir) {
			return p.refuse()
		}
	}
	return v
}

// SamePlace reports whether a directory may move from one name to the other
// without a look at what is in it: whether whatever name that could be is in it
// has the same verdict in both places. It has not where a directory comes out of
// or into a writable root, or changes its part in a repository: below .git/refs
// anything may be called HEAD and config, which in a work tree is a bare
// repository, and below .git/modules a submodule's.
func (m *Matcher) SamePlace(from, to []byte) bool {
	for i := range m.roots {
		r := &m.roots[i]
		a, inA := below(from, r.path)
		b, inB := below(to, r.path)
		if inA != inB {
			return false
		}
		if !inA {
			continue
		}
		x, _ := r.at.walk(a, r.bare)
		y, _ := r.at.walk(b, r.bare)
		if x != y {
			return false
		}
	}
	return true
}

// refused says whether op is refused on a name that a pattern reaches thus.
func refused(op Op, how reach, dir bool) bool {
	switch how {
	case inside:
		return true
	case above:
		// Only an empty directory may take the name; moving one into place, or out
		// of it, would carry protected names along.
		return making.has(op) || renames.has(op)
	case beside:
		return op == Symlink || dir && renames.has(op)
	}
	return false
}

// below cuts root off path. The root itself gives an empty rest.
func below(path, root []byte) ([]byte, bool) {
	if !bytes.HasPrefix(path, root) {
		return nil, false
	}
	rest := path[len(root):]
	if len(rest) > 0 && rest[0] != '/' {
		return nil, false
	}
	return rest, true
}

// gitVerdict is the verdict of git's own execution surface.
func (m *Matcher) gitVerdict(op Op, r *root, rel []byte, dir bool) Verdict {
	_, k := r.at.walk(rel, r.bare)
	if k == free || !gitRefused[k].has(op) && !(k == submodule && dir && renames.has(op)) {
		return Verdict{}
	}
	switch {
	case k == dotGit && op == Mkdir:
		if m.hold {
			return Verdict{}
		}
		return nestedRule.refuse()
	case k == dotGit && op == Unlink && len(rel) > len("/.git"):
		// A linked worktree may be removed: its .git file comes back only with the
		// content that is right. The root's own stays.
		return Verdict{}
	case k == dotGit && op == Create:
		return gitRules[pointer].guard(GuardPointer)
	case k == pointer && op == Create:
		return gitRules[pointer].guard(GuardPointer)
	case k == config && op == RenameTo:
		return gitRules[config].guard(GuardConfig)
	}
	return gitRules[k].refuse()
}
