// Package hostname has the one form of a host's name that every rule is matched
// against, and the patterns that match it. It is pure: nothing is resolved.
package hostname

import (
	"errors"
	"net/netip"
)

// Host is a host in its one form: a strict host name (lower case, ASCII, A-labels,
// no trailing dot) or an address (never v4-mapped, no zone). The zero value is
// none.
type Host struct {
	name string
	addr netip.Addr
}

// Name is the name, or "" for an address.
func (h Host) Name() string { return h.name }

// Addr is the address; it is not valid for a name.
func (h Host) Addr() netip.Addr { return h.addr }

// IsValid says whether h is a host at all.
func (h Host) IsValid() bool { return h.name != "" || h.addr.IsValid() }

// String is the canonical spelling, an IPv6 address without brackets.
func (h Host) String() string {
	if h.addr.IsValid() {
		return h.addr.String()
	}
	return h.name
}

// Parse reads what a person wrote: names in Unicode too, IPv6 addresses with or
// without brackets.
func Parse(s string) (Host, error) { return Host{}, errors.New("not written yet") }

// ParseWire reads what a program sent (SNI, Host, DNS, CONNECT): like Parse, but
// a name with anything but ASCII is an error.
func ParseWire(s string) (Host, error) { return Host{}, errors.New("not written yet") }

// FromAddr is the host for an address.
func FromAddr(a netip.Addr) Host { return Host{addr: a.Unmap().WithZone("")} }

// Pattern matches hosts: "example.org" that name, "*.example.org" its subdomains,
// "**.example.org" both, "*" every name (and no address), an address, a CIDR.
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
func ParsePattern(s string) (Pattern, error) { return Pattern{}, errors.New("not written yet") }

// Match says whether the pattern has the host.
func (p Pattern) Match(h Host) bool { return false }

// Host is the one host that the pattern has, if it is exact or one address.
func (p Pattern) Host() (Host, bool) { return Host{}, false }

// Prefix is the range of an address or CIDR pattern; otherwise not valid.
func (p Pattern) Prefix() netip.Prefix { return p.prefix }

// String is the canonical spelling; ParsePattern reads it back.
func (p Pattern) String() string { return "" }

// Broad says why a pattern has hosts of people who have nothing to do with each
// other ("*", "*.com", "*.github.io", a CIDR above /8 or /32), or "". In a policy it
// is an error unless forced.
func (p Pattern) Broad() string { return "" }

// Rentable says why a host that the pattern has is one where anyone can rent or
// get storage, so that an allowed name is also a way out for data; or "".
func (p Pattern) Rentable() string { return "" }

// PortRange is an inclusive range of ports. It converts to plan.PortRange.
type PortRange struct{ First, Last uint16 }

// ParseTarget reads "host", "host:port", "host:443,8000-8010", "[v6]:port": a
// pattern and its ports (none when none are written).
func ParseTarget(s string) (Pattern, []PortRange, error) {
	return Pattern{}, nil, errors.New("not written yet")
}

// ParsePorts reads "443", "8000-8010" and lists of them with commas.
func ParsePorts(s string) ([]PortRange, error) { return nil, errors.New("not written yet") }
