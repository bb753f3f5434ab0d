package plan

import (
	"path"
	"slices"
	"strings"
)

// tree collects nodes by path. The first node put at a path stays: callers put
// what matters most first.
type tree struct {
	nodes map[string]Node
}

func (t *tree) put(n Node) bool {
	if _, taken := t.nodes[n.Path]; taken {
		return false
	}
	t.nodes[n.Path] = n
	return true
}

// above returns the nearest node at a proper ancestor of p.
func (t *tree) above(p string) (Node, bool) {
	for p != "/" && p != "." {
		p = path.Dir(p)
		if n, ok := t.nodes[p]; ok {
			return n, true
		}
	}
	return Node{}, false
}

// at returns the node that decides what p is: the one at p, else the nearest above.
func (t *tree) at(p string) (Node, bool) {
	if n, ok := t.nodes[p]; ok {
		return n, true
	}
	return t.above(p)
}

// sorted returns the nodes, parents before children.
func (t *tree) sorted() []Node {
	paths := make([]string, 0, len(t.nodes))
	for p := range t.nodes {
		paths = append(paths, p)
	}
	slices.SortFunc(paths, before)
	out := make([]Node, len(paths))
	for i, p := range paths {
		out[i] = t.nodes[p]
	}
	return out
}

// before orders paths so that what lies below a directory comes right after it:
// by bytes, with the slash lowest.
func before(a, b string) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		switch x, y := a[i], b[i]; {
		case x == y:
		case x == '/' || y != '/' && x < y:
			return -1
		default:
			return 1
		}
	}
	return len(a) - len(b)
}

// under says whether p is dir or lies below it.
func under(p, dir string) bool {
	return p == dir || dir == "/" || len(p) > len(dir) && p[len(dir)] == '/' && strings.HasPrefix(p, dir)
}

// overlap says whether one of the two lies in the other.
func overlap(a, b string) bool { return under(a, b) || under(b, a) }

// rebase moves p from below one directory to below another.
func rebase(p, from, to string) string {
	if from == "/" {
		return path.Join(to, p)
	}
	if to == "/" && len(p) > len(from) {
		return p[len(from):]
	}
	return to + p[len(from):]
}

// clean says whether p is an absolute path in its shortest form that the kernel
// can take.
func clean(p string) bool {
	return strings.HasPrefix(p, "/") && path.Clean(p) == p && strings.IndexByte(p, 0) < 0
}

// hostBacked says that what is seen at the node is the host's.
func hostBacked(n Node) bool {
	return n.Kind == Bind && !n.Device || n.Kind == Overlay
}

// host says what host path the tree shows at the path inside, following the
// symbolic links that are nodes; ok is false when the path is not there or not
// the host's. What the host's own links do is in the facts: see seen.
func (t *tree) host(p string) (string, Node, bool) {
	for range 8 {
		n, ok := t.at(p)
		if !ok {
			return "", Node{}, false
		}
		switch {
		case n.Kind == Symlink:
			target := n.Source
			if !strings.HasPrefix(target, "/") {
				target = path.Join(path.Dir(n.Path), target)
			}
			p = rebase(p, n.Path, path.Clean(target))
		case hostBacked(n):
			return rebase(p, n.Path, n.Source), n, true
		default:
			return "", n, false
		}
	}
	return "", Node{}, false
}
