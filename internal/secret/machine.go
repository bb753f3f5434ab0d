package secret

import "math"

// machine finds many texts at once in a stream, in one pass and with no memory
// but a state (Aho and Corasick, 1975). Its edges are kept in lists rather than
// in tables of 256: a stream that holds no secret stays at the root, which has a
// table.
type machine struct {
	root  [256]int32 // the state after a byte at the root
	nodes []node
}

// node is a state: what was read last is the beginning of some text.
type node struct {
	depth   int32 // length of that beginning
	first   int32 // first edge below, or 0
	sibling int32 // next edge beside
	fail    int32 // the longest shorter beginning that is a state
	out     int32 // index of the longest text that ends here, + 1
	hold    int32 // how many of the bytes read last must not be let out yet
	safe    int32 // how many bytes of each text below agree with what stands in their stead
	by      byte  // the byte that leads here
}

// pattern is a text that a machine looks for.
type pattern struct {
	text, mask []byte
	owner      int // whose it is
}

// compile makes a machine. The texts are not kept, and must not be empty.
func compile(patterns []pattern) *machine {
	m := &machine{nodes: make([]node, 1, 256)}
	for i, p := range patterns {
		agree := 0
		for agree < len(p.text) && agree < len(p.mask) && p.text[agree] == p.mask[agree] {
			agree++
		}
		at := int32(0)
		for _, c := range p.text {
			at = m.grow(at, c)
			m.nodes[at].safe = min(m.nodes[at].safe, int32(agree))
		}
		if m.nodes[at].out == 0 {
			m.nodes[at].out = int32(i) + 1
		}
	}
	for e := m.nodes[0].first; e != 0; e = m.nodes[e].sibling {
		m.root[m.nodes[e].by] = e
	}
	// In order of depth, so that what a state fails to is ready.
	queue := []int32{0}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for e := m.nodes[at].first; e != 0; e = m.nodes[e].sibling {
			n := &m.nodes[e]
			if at != 0 {
				n.fail = m.step(m.nodes[at].fail, n.by)
			}
			below := m.nodes[n.fail]
			if n.out == 0 {
				n.out = below.out
			}
			n.hold = below.hold
			if n.first != 0 { // nothing longer can come of it otherwise
				n.hold = max(n.depth-min(n.safe, n.depth), below.hold)
			}
			queue = append(queue, e)
		}
	}
	return m
}

// grow returns the state below at for c, made when there is none.
func (m *machine) grow(at int32, c byte) int32 {
	if e := m.edge(at, c); e != 0 {
		return e
	}
	m.nodes = append(m.nodes, node{depth: m.nodes[at].depth + 1, sibling: m.nodes[at].first, by: c, safe: math.MaxInt32})
	e := int32(len(m.nodes) - 1)
	m.nodes[at].first = e
	return e
}

func (m *machine) edge(at int32, c byte) int32 {
	for e := m.nodes[at].first; e != 0; e = m.nodes[e].sibling {
		if m.nodes[e].by == c {
			return e
		}
	}
	return 0
}

// step is the state after c.
func (m *machine) step(at int32, c byte) int32 {
	for at != 0 {
		if e := m.edge(at, c); e != 0 {
			return e
		}
		at = m.nodes[at].fail
	}
	return m.root[c]
}
