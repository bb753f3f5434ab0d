// Package hostname has the one form of a host's name that every rule is matched
// against, and the patterns that match it. It is pure: nothing is resolved.
package hostname

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// Sizes of names, RFC 1035 section 2.3.4, without the trailing dot.
const (
	maxName  = 253
	maxLabel = 63
	// maxText bounds what is looked at at all: a name in Unicode is longer than its
	// A-labels, by less than this. Anything longer is refused unread.
	maxText = 1024
)

// Host is a host in its one form: a strict host name (lower case, ASCII, A-labels,
// no trailing dot) or an address (never v4-mapped, no zone). The zero value is
// none. Hosts may be compared.
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

// FromAddr is the host for an address.
func FromAddr(a netip.Addr) Host { return Host{addr: a.Unmap().WithZone("")} }

// Parse reads what a person wrote: names in Unicode too, IPv6 addresses with or
// without brackets.
func Parse(s string) (Host, error) {
	if len(s) > maxText {
		return Host{}, errors.New("parse host: longer than any host name")
	}
	if !ascii(s) {
		a, err := profile().ToASCII(s)
		if err != nil {
			return Host{}, fmt.Errorf("parse host %q: no valid international name", s)
		}
		s = a
	}
	return ParseWire(s)
}

// ParseWire reads what a program sent (SNI, Host, DNS, CONNECT): like Parse, but
// a name with anything but ASCII is an error.
func ParseWire(s string) (Host, error) {
	if len(s) > maxName+1 {
		return Host{}, errors.New("parse host: longer than any host name")
	}
	if strings.HasPrefix(s, "[") || strings.Contains(s, ":") {
		return parse6(s)
	}
	name := strings.TrimSuffix(s, ".")
	if name == "" || len(name) > maxName {
		return Host{}, fmt.Errorf("parse host %q: %s", s, "empty, or longer than any host name")
	}
	if endsInNumber(name) {
		// Some programs read "127.1", "0x7f.0.0.1" and "2130706433" as addresses and some
		// as names. A host that is not the same for everybody is refused.
		a, err := netip.ParseAddr(name)
		if err == nil {
			return Host{addr: a}, nil
		}
		if a, ok := loose4(name); ok {
			return Host{}, fmt.Errorf("parse host %q: an unusual spelling of %s", s, a)
		}
		return Host{}, fmt.Errorf("parse host %q: neither a name nor an address", s)
	}
	return parseName(s, name)
}

func parseName(s, name string) (Host, error) {
	lower := strings.ToLower(name) // of ASCII; anything else is refused below
	puny := false
	for label := range strings.SplitSeq(lower, ".") {
		if label == "" || len(label) > maxLabel {
			return Host{}, fmt.Errorf("parse host %q: a label must have 1 to %d characters", s, maxLabel)
		}
		for i := range len(label) {
			c := label[i]
			if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
				return Host{}, fmt.Errorf("parse host %q: only letters, digits and hyphens make a host name", s)
			}
		}
		if label[0] == '-' || label[len(label)-1] == '-' {
			return Host{}, fmt.Errorf("parse host %q: a label must not begin or end with a hyphen", s)
		}
		puny = puny || strings.HasPrefix(label, "xn--")
	}
	if puny {
		// An A-label that does not come back as it was is a second spelling of another name.
		u, err := profile().ToUnicode(lower)
		if err == nil {
			var a string
			if a, err = profile().ToASCII(u); err == nil && a != lower {
				err = errors.New("not canonical")
			}
		}
		if err != nil {
			return Host{}, fmt.Errorf("parse host %q: no valid international name", s)
		}
	}
	return Host{name: lower}, nil
}

func parse6(s string) (Host, error) {
	in := s
	if t, ok := strings.CutPrefix(in, "["); ok {
		if in, ok = strings.CutSuffix(t, "]"); !ok {
			return Host{}, fmt.Errorf("parse host %q: no closing bracket", s)
		}
	}
	a, err := netip.ParseAddr(in)
	if err != nil || !a.Is6() {
		return Host{}, fmt.Errorf("parse host %q: no IPv6 address", s)
	}
	if a.Zone() != "" {
		return Host{}, fmt.Errorf("parse host %q: an address with a zone is of one machine only", s)
	}
	return FromAddr(a), nil
}

// profile maps like a browser's address bar (UTS 46), but lets "r3---sn-x" through,
// which real names have.
func profile() *idna.Profile {
	return idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(true), idna.CheckHyphens(false),
		idna.BidiRule(), idna.CheckJoiners(true), idna.ValidateLabels(true), idna.VerifyDNSLength(true))
}

// endsInNumber says whether URL parsers take a name for an IPv4 address
// (WHATWG URL, "ends in a number").
func endsInNumber(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	if last == "" {
		return false
	}
	digits := true
	for i := range len(last) {
		digits = digits && last[i] >= '0' && last[i] <= '9'
	}
	if digits {
		return true
	}
	_, ok := number(last)
	return ok && (strings.HasPrefix(last, "0x") || strings.HasPrefix(last, "0X"))
}

// loose4 reads the spellings that inet_aton(3) accepts.
func loose4(s string) (netip.Addr, bool) {
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var v uint64
	for i, p := range parts {
		n, ok := number(p)
		last := i == len(parts)-1
		switch {
		case !ok, !last && n > 255, last && n >= 1<<(8*(5-len(parts))):
			return netip.Addr{}, false
		case last:
			v |= n
		default:
			v |= n << (8 * (3 - i))
		}
	}
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}), true
}

func number(s string) (uint64, bool) {
	base := 10
	switch {
	case strings.HasPrefix(s, "0x"), strings.HasPrefix(s, "0X"):
		if s, base = s[2:], 16; s == "" {
			return 0, true // "0x" is zero for some
		}
	case len(s) > 1 && s[0] == '0':
		s, base = s[1:], 8
	}
	n, err := strconv.ParseUint(s, base, 32)
	return n, err == nil
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
