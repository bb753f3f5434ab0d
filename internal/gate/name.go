package gate

import (
	"net/netip"
	"sync"
)

// names binds names to synthetic addresses. A binding is never taken back: a
// program may keep an address as long as the session, and it must not come to mean
// another name.
type names struct {
	max  int // of names that only a pattern has
	told func(name string, v4, v6 netip.Addr)

	mu      sync.RWMutex
	byName  map[string]uint32
	byIndex map[uint32]string
	next    uint32
	bound   int // of max
}

func newNames(max int) *names {
	return &names{
		max:     max,
		byName:  map[string]uint32{HostName: hostIndex},
		byIndex: map[uint32]string{hostIndex: HostName},
		next:    firstName,
	}
}

// bind gives the place of a name. Names that the policy writes out are always
// bound; beyond max, or when the range is used up, others are not.
func (n *names) bind(name string, written bool) (uint32, bool) {
	n.mu.RLock()
	i, ok := n.byName[name]
	n.mu.RUnlock()
	if ok {
		return i, true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if i, ok := n.byName[name]; ok {
		return i, true
	}
	if n.next > lastName || !written && n.bound >= n.max {
		return 0, false
	}
	i = n.next
	n.next++
	if !written {
		n.bound++
	}
	n.set(name, i)
	return i, true
}

// fix gives a name a place of the low range.
func (n *names) fix(name string, i uint32) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.byName[name]; !ok {
		n.set(name, i)
	}
}

func (n *names) set(name string, i uint32) {
	if n.told != nil {
		n.told(name, synthetic4(i), synthetic6(i))
	}
	n.byName[name] = i
	n.byIndex[i] = name
}

// name is the name that an address stands for, or "".
func (n *names) name(a netip.Addr) string {
	i, ok := syntheticIndex(a)
	if !ok {
		return ""
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.byIndex[i]
}
