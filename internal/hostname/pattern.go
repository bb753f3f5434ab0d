package hostname

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Pattern matches hosts: "example.org" that name, "*.example.org" its subdomains,
// "**.example.org" both, "*" every name (and no address), an address, a CIDR. The
// zero value matches nothing.
type Pattern struct {
	kind   kind
	name   string // without the stars
	prefix netip.Prefix
}

type kind uint8

const (
	none kind = iota
	exact
	below   // *.name
	atBelow // **.name
	all     // *
	prefix
)

// ParsePattern reads a pattern as a person wrote it.
func ParsePattern(s string) (Pattern, error) {
	if len(s) > maxText {
		return Pattern{}, errors.New("parse host pattern: too long")
	}
	if s == "*" {
		return Pattern{kind: all}, nil
	}
	if strings.Contains(s, "/") {
		return parsePrefix(s)
	}
	kind, rest := exact, s
	if r, ok := strings.CutPrefix(s, "**."); ok {
		kind, rest = atBelow, r
	} else if r, ok := strings.CutPrefix(s, "*."); ok {
		kind, rest = below, r
	}
	if strings.Contains(rest, "*") {
		return Pattern{}, fmt.Errorf("parse host pattern %q: a star stands alone, or first as \"*.\" or \"**.\"", s)
	}
	h, err := Parse(rest)
	switch {
	case err != nil:
		return Pattern{}, err
	case !h.addr.IsValid():
		return Pattern{kind: kind, name: h.name}, nil
	case kind != exact:
		return Pattern{}, fmt.Errorf("parse host pattern %q: a star in front of an address", s)
	}
	return Pattern{kind: prefix, prefix: netip.PrefixFrom(h.addr, h.addr.BitLen())}, nil
}

func parsePrefix(s string) (Pattern, error) {
	text := s
	if strings.Contains(s, ":") && strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		text = s[1 : len(s)-1] // as in front of ports
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return Pattern{}, fmt.Errorf("parse host pattern %q: no address range", s)
	}
	if a := p.Addr(); a.Is4In6() {
		if p.Bits() < 96 {
			return Pattern{}, fmt.Errorf("parse host pattern %q: a range of v4-mapped addresses", s)
		}
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	if m := p.Masked(); m != p {
		return Pattern{}, fmt.Errorf("parse host pattern %q: the range is %s", s, m)
	}
	return Pattern{kind: prefix, prefix: p}, nil
}

// Match says whether the pattern has the host.
func (p Pattern) Match(h Host) bool {
	if h.addr.IsValid() {
		return p.kind == prefix && p.prefix.Contains(h.addr)
	}
	if h.name == "" {
		return false
	}
	switch p.kind {
	case exact:
		return h.name == p.name
	case below:
		return p.below(h.name)
	case atBelow:
		return h.name == p.name || p.below(h.name)
	case all:
		return true
	}
	return false
}

func (p Pattern) below(name string) bool {
	n := len(name) - len(p.name)
	return n > 1 && name[n-1] == '.' && name[n:] == p.name
}

// Host is the one host that the pattern has, if it is exact or one address.
func (p Pattern) Host() (Host, bool) {
	switch {
	case p.kind == exact:
		return Host{name: p.name}, true
	case p.kind == prefix && p.prefix.IsSingleIP():
		return Host{addr: p.prefix.Addr()}, true
	}
	return Host{}, false
}

// Prefix is the range of an address or CIDR pattern; otherwise not valid.
func (p Pattern) Prefix() netip.Prefix { return p.prefix }

// String is the canonical spelling; ParsePattern reads it back.
func (p Pattern) String() string {
	switch p.kind {
	case exact:
		return p.name
	case below:
		return "*." + p.name
	case atBelow:
		return "**." + p.name
	case all:
		return "*"
	case prefix:
		if p.prefix.IsSingleIP() {
			return p.prefix.Addr().String()
		}
		return p.prefix.String()
	}
	return ""
}

// The widest ranges that one owner plausibly has: the largest allocations.
const (
	minBits4 = 8
	minBits6 = 32
)

// Broad says why a pattern has hosts of people who have nothing to do with each
// other ("*", "*.com", "*.github.io", a CIDR above /8 or /32), or "". In a policy it
// is an error unless forced.
func (p Pattern) Broad() string {
	switch p.kind {
	case all:
		return "it has every host"
	case below, atBelow:
		if public, _ := publicSuffix(p.name); public {
			return "anyone can have a name below " + p.name
		}
	case prefix:
		if bits := p.prefix.Bits(); bits < minBits4 || p.prefix.Addr().Is6() && bits < minBits6 {
			return "no one network is that large"
		}
	}
	return ""
}

// Rentable says why a host that the pattern has is one where anyone can rent or
// get storage, so that an allowed name is also a way out for data; or "". It knows
// the public suffix list's part for customers and a short list of its own.
func (p Pattern) Rentable() string {
	if p.kind == prefix || p.kind == none {
		return ""
	}
	if p.kind == all {
		return "it has every host"
	}
	h := ""
	if _, rented := publicSuffix(p.name); rented {
		h = p.name
	} else if p.kind == exact {
		if isShared(p.name) {
			h = p.name
		}
	} else if h = sharedBelow(p.name); h == "" {
		h = rentedBelow(p.name)
	}
	if h == "" {
		return ""
	}
	return "anyone can put data on " + h
}
