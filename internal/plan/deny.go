package plan

import (
	"slices"
	"strings"

	"github.com/bailey-run/bailey/internal/policy"
)

// A denied path that exists is hidden by a mount. A pattern, and everything in a
// writable root (where a file can be replaced, which takes the mount away), is
// held by the name broker at every open.

// denies takes what is denied out of the tree.
func (c *compiler) denies() error {
	nodes := make([]Node, 0, len(c.t.nodes)) // those that show something of the host
	for _, n := range c.t.nodes {
		if n.Source != "" && !n.Device && n.Kind != Symlink {
			nodes = append(nodes, n)
		}
	}
	for _, v := range c.p.Files.Deny {
		denied, literal := policy.Literal(v.V)
		if !literal {
			if err := c.denyGlob(v); err != nil {
				return err
			}
			continue
		}
		f := c.f.path(denied)
		for i, p := range [...]string{denied, f.Real} {
			if p == "" || i > 0 && p == denied {
				continue
			}
			if under(c.f.StartDir, p) || under(c.f.Workspace.Root, p) {
				return &Error{What: "the denied path holds the workspace", Path: v.V, From: v.From, Hint: "deny something inside it, or start somewhere else"}
			}
			c.hide(nodes, p, f, v.From)
		}
	}
	for _, own := range [...]string{c.f.StateDir, c.f.CacheDir} {
		if f := c.f.path(own); own != "" && f.Exists {
			c.hide(nodes, f.Real, f, builtin("bailey's own files"))
		}
	}
	// Nothing can lie below what is masked.
	for q := range c.t.nodes {
		if up, ok := c.t.above(q); ok && up.Kind == Mask {
			delete(c.t.nodes, q)
		}
	}
	return nil
}

// denyGlob refuses patterns that hide all of the workspace.
func (c *compiler) denyGlob(v policy.Value[string]) error {
	dir := strings.TrimSuffix(strings.TrimSuffix(v.V, "/**"), "/*")
	if v.V == "*" || v.V == "**" || v.V == "/**" || clean(dir) && dir != v.V && !isGlob(dir) && under(c.f.Workspace.Root, dir) {
		return &Error{What: "the denied pattern holds the workspace", Path: v.V, From: v.From, Hint: "deny something inside it, or start somewhere else"}
	}
	return nil
}

// hide removes the nodes that show p or something below it, and masks p where a
// node above shows it.
func (c *compiler) hide(nodes []Node, p string, f Path, from policy.Source) {
	mode := uint32(maskFile)
	if f.IsDir {
		mode = maskDir
	}
	for _, n := range nodes {
		switch {
		case p == c.f.CacheDir && under(n.Source, p):
			// The caches of this box are meant to be seen, at their own places.
		case p == c.f.StateDir && c.f.keeps(n):
			// So are the directories of its agent, and no other's.
		case under(n.Source, p):
			delete(c.t.nodes, n.Path)
		case hostBacked(n) && !n.Pin && f.Exists && f.Real == p && under(p, n.Source):
			inside := rebase(p, n.Source, n.Path)
			// Another node may show something else there.
			if host, _, ok := c.t.host(inside); ok && host == p {
				c.t.nodes[inside] = Node{Kind: Mask, Path: inside, Mode: mode, From: from}
			}
		}
	}
}

// denyReads says whether every open must be looked at.
func (c *compiler) denyReads() bool {
	return slices.ContainsFunc(c.p.Files.Deny, func(v policy.Value[string]) bool {
		p, literal := policy.Literal(v.V)
		return !literal || c.rootOver(p) != nil
	})
}
