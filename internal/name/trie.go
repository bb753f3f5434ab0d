package name

import (
	"bytes"
	"fmt"
	"strings"
)

// trie holds many patterns, so that ten thousand of them cost a path no more
// than a few. A node stands for the components matched so far.
type trie struct {
	lit   map[string]*trie // folded component
	globs []globEdge
	star  *trie     // what follows "**"; its loop is set
	loop  bool      // stays active over any component
	float bool      // the loop every pattern without an anchor starts from
	rule  *rule     // a pattern ends here
	any   *rule     // some pattern that passes through here
	first [4]uint64 // first bytes of lit, a quick no for most components
}

type globEdge struct {
	pattern string
	next    *trie
}

// reach says how a path meets a set of patterns.
type reach uint8

const (
	apart  reach = iota
	inside       // the path, or a directory above it, matches
	above        // the path is a leading part of what a pattern names
	beside       // the path lies where a "**" inside a pattern may yet lead to a match
)

// maxActive bounds the pattern nodes followed at once without allocating;
// patterns with many ** may need more and then allocate.
const maxActive = 24

// match walks the components of rel through the patterns.
func (t *trie) match(rel []byte) (*rule, reach) {
	var a, b [maxActive]*trie
	active, next := a[:0], b[:0]
	active = append(active, t)
	if t.star != nil {
		active = append(active, t.star)
	}
	return t.run(rel, active, next)
}

// matchRooted is match without the patterns that start anywhere.
func (t *trie) matchRooted(path []byte) (*rule, reach) {
	if t.lit == nil && t.globs == nil {
		return nil, apart
	}
	var a, b [maxActive]*trie
	return t.run(path, append(a[:0], t), b[:0])
}

func (t *trie) run(rel []byte, active, next []*trie) (*rule, reach) {
	for len(rel) > 0 {
		part, rest, _ := bytes.Cut(rel, slash)
		rel = rest
		if len(part) == 0 {
			continue
		}
		next = next[:0]
		for _, n := range active {
			if n.loop {
				next = append(next, n)
			}
			for step := n.step(part); ; {
				m := step.pop()
				if m == nil {
					break
				}
				if m.rule != nil {
					return m.rule, inside
				}
				next = append(next, m)
				if m.star != nil {
					next = append(next, m.star)
				}
			}
		}
		active, next = next, active
		if len(active) == 0 {
			return nil, apart
		}
	}
	var r *rule
	how := apart
	for _, n := range active {
		switch {
		case n == t || n.float:
		case n.loop:
			if how == apart {
				r, how = n.any, beside
			}
		default:
			return n.any, above
		}
	}
	return r, how
}

// steps goes over the edges of a node that a component matches, one by one.
type steps struct {
	n    *trie
	part []byte
	i    int // -1: the literal edge is next
}

func (t *trie) step(part []byte) steps {
	s := steps{t, part, 0}
	if c := fold(part[0]); t.first[c/64]>>(c%64)&1 != 0 {
		s.i = -1
	}
	return s
}

func (s *steps) pop() *trie {
	if s.i < 0 {
		s.i = 0
		var buf [256]byte // NAME_MAX is 255
		if len(s.part) < len(buf) {
			for i, c := range s.part {
				buf[i] = fold(c)
			}
			if m := s.n.lit[string(buf[:len(s.part)])]; m != nil {
				return m
			}
		}
	}
	for s.i < len(s.n.globs) {
		e := &s.n.globs[s.i]
		s.i++
		if glob(e.pattern, s.part) {
			return e.next
		}
	}
	return nil
}

// add puts a pattern into the trie. anchored says that it starts at the top;
// otherwise it may start at any component.
func (t *trie) add(pattern string, parts []string, anchored bool, r *rule) error {
	n := t
	if !anchored {
		n = t.starNode(r)
		n.float = true
	}
	for i, p := range parts {
		if p == "**" {
			if !n.loop {
				n = n.starNode(r)
				n.float = n.float || i == 0
			}
			continue
		}
		if err := checkGlob(p); err != nil {
			return fmt.Errorf("pattern %q %w", pattern, err)
		}
		n = n.child(p, r)
	}
	if n.rule == nil {
		n.rule = r
	}
	return nil
}

func (t *trie) starNode(r *rule) *trie {
	if t.star == nil {
		t.star = &trie{loop: true, any: r}
	}
	return t.star
}

func (t *trie) child(part string, r *rule) *trie {
	if isGlob(part) {
		for _, e := range t.globs {
			if e.pattern == part {
				return e.next
			}
		}
		m := &trie{any: r}
		t.globs = append(t.globs, globEdge{part, m})
		return m
	}
	folded := []byte(part)
	for i, c := range folded {
		folded[i] = fold(c)
	}
	key := string(folded)
	m := t.lit[key]
	if m == nil {
		if t.lit == nil {
			t.lit = make(map[string]*trie)
		}
		m = &trie{any: r}
		t.lit[key] = m
		t.first[key[0]/64] |= 1 << (key[0] % 64)
	}
	return m
}

// split cuts a pattern into components and says whether it starts with a slash.
func split(pattern string) (parts []string, rooted bool, err error) {
	switch {
	case pattern == "" || strings.Trim(pattern, "/*") == "":
		return nil, false, fmt.Errorf("pattern %q would match everything", pattern)
	case pattern[0] == '!':
		return nil, false, fmt.Errorf("pattern %q: an exception (!) is not possible here", pattern)
	case strings.ContainsAny(pattern, "\x00\n\r"):
		return nil, false, fmt.Errorf("pattern %q holds a control character", pattern)
	}
	rooted = pattern[0] == '/'
	body := strings.Trim(pattern, "/")
	// dir/** protects what is in dir; the name dir itself must then be kept from
	// being swapped too, so it is the same as dir.
	for strings.HasSuffix(body, "/**") {
		body = strings.TrimSuffix(body, "/**")
	}
	parts = strings.Split(body, "/")
	for _, p := range parts {
		if p == "" || p == "." || p == ".." {
			return nil, false, fmt.Errorf("pattern %q has an empty, . or .. component", pattern)
		}
	}
	return parts, rooted, nil
}
