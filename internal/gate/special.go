package gate

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// special is a range of addresses that is not the public internet, from the IANA
// special-purpose registries (RFC 6890 and later) and the addresses of cloud
// metadata services.
type special struct {
	prefix netip.Prefix
	what   string
	// private ranges are what "private = true" of a rule opens. The others are
	// opened only by an address rule that lies within them, or by a pinned name.
	private bool
}

// specials is ordered: the first that has an address names it.
func specials() []special {
	p := func(s, what string) special { return special{netip.MustParsePrefix(s), what, false} }
	private := func(s, what string) special { return special{netip.MustParsePrefix(s), what, true} }
	return []special{
		p("169.254.169.254/32", "metadata"), p("169.254.170.2/32", "metadata"), p("169.254.170.23/32", "metadata"),
		p("100.100.100.200/32", "metadata"), p("168.63.129.16/32", "metadata"), p("192.0.0.192/32", "metadata"),
		p("fd00:ec2::/32", "metadata"), p("fd20:ce::/32", "metadata"),
		p("0.0.0.0/8", "this network"), p("127.0.0.0/8", "loopback"), p("169.254.0.0/16", "link-local"),
		private("10.0.0.0/8", "private"), private("172.16.0.0/12", "private"), private("192.168.0.0/16", "private"),
		private("100.64.0.0/10", "shared (CGNAT)"),
		p("192.0.0.0/24", "protocol"), p("192.0.2.0/24", "documentation"), p("198.51.100.0/24", "documentation"), p("203.0.113.0/24", "documentation"),
		p("192.88.99.0/24", "6to4 relay"), p("198.18.0.0/15", "benchmark"), p("224.0.0.0/4", "multicast"), p("240.0.0.0/4", "reserved"),
		p("::/128", "unspecified"), p("::1/128", "loopback"), p("fe80::/10", "link-local"), p("fec0::/10", "site-local"), p("ff00::/8", "multicast"),
		private("fc00::/7", "private"), p("2001:db8::/32", "documentation"), p("3fff::/20", "documentation"), p("2001:2::/48", "benchmark"),
		p("100::/64", "discard"), p("100:0:0:1::/64", "discard"), p("5f00::/16", "segment routing"),
		// Forms that carry an IPv4 address, and tunnels: what a packet to them reaches
		// depends on the network, so none of them is dialled.
		p("::/96", "v4-compatible"), p("::ffff:0:0/96", "v4-mapped"), p("::ffff:0:0:0/96", "v4-translated"),
		p("64:ff9b::/96", "NAT64"), p("64:ff9b:1::/48", "NAT64"), p("2001::/32", "Teredo"), p("2001:10::/28", "ORCHID"), p("2001:20::/28", "ORCHID"),
		p("2002::/16", "6to4"), p("2001::/23", "protocol"),
	}
}

// table is made at the first use: a box without a gate does not pay for it.
type table struct {
	once  sync.Once
	specs []special

	mu    sync.Mutex
	own   []netip.Addr
	until time.Time
}

// classify names the range of an address; ok is false for the public internet.
func (t *table) classify(a netip.Addr) (special, bool) {
	t.once.Do(func() { t.specs = specials() })
	if a.Zone() != "" {
		return special{prefix: netip.PrefixFrom(a.WithZone(""), a.BitLen()), what: "zoned"}, true
	}
	a = a.Unmap()
	for _, s := range t.specs {
		if s.prefix.Contains(a) {
			return s, true
		}
	}
	if a.Is6() && !globalUnicast6(a) {
		return special{prefix: netip.PrefixFrom(a, 128), what: "reserved"}, true
	}
	if t.isOwn(a) {
		return special{prefix: netip.PrefixFrom(a, a.BitLen()), what: "this machine"}, true
	}
	if isISATAP(a) {
		return special{prefix: netip.PrefixFrom(a, 128), what: "ISATAP"}, true
	}
	return special{}, false
}

// globalUnicast6: only 2000::/3 is given out (IANA).
func globalUnicast6(a netip.Addr) bool {
	b := a.As16()
	return b[0]&0xe0 == 0x20
}

// isISATAP: an interface identifier that carries an IPv4 address (RFC 5214).
func isISATAP(a netip.Addr) bool {
	if !a.Is6() {
		return false
	}
	b := a.As16()
	return b[8]&^3 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}

// ownTime is how long the machine's own addresses are believed.
const ownTime = 10 * time.Second

// isOwn says whether an address is one of this machine: what listens on every
// address there was hardly meant for the box.
func (t *table) isOwn(a netip.Addr) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); now.After(t.until) {
		addrs, err := net.InterfaceAddrs()
		if err != nil {
			addrs = nil // no sysfs, no netlink: nothing is known, and the other ranges hold
		}
		t.own = t.own[:0]
		for _, x := range addrs {
			if ip, ok := x.(*net.IPNet); ok {
				if own, ok := netip.AddrFromSlice(ip.IP); ok {
					t.own = append(t.own, own.Unmap())
				}
			}
		}
		t.until = now.Add(ownTime)
	}
	for _, own := range t.own {
		if own == a {
			return true
		}
	}
	return false
}

// permits says whether an allowed connection may be dialled at an address, or the
// range that forbids it.
func (t *table) permits(d *decision, a netip.Addr) (ok bool, what string) {
	a = a.Unmap()
	for _, r := range d.gen.deny {
		if p := r.pattern.Prefix(); p.IsValid() && p.Contains(a) && r.hasPort(d.port) && len(r.Methods) == 0 && len(r.Paths) == 0 {
			return false, "denied by " + origin(text(r.NetRule), r.From)
		}
	}
	if p, pinned := d.gen.pinned[d.host]; pinned {
		for _, x := range p.addrs {
			if x == a {
				return true, ""
			}
		}
		return false, "not among the pinned addresses"
	}
	if d.mode == local {
		return a.IsLoopback(), "loopback only"
	}
	s, is := t.classify(a)
	if !is {
		return true, ""
	}
	if s.private {
		if d.granted && d.host.Addr() == a {
			return true, "" // a person saw this very address
		}
		for _, r := range d.allow {
			if r.Private {
				return true, ""
			}
		}
	}
	for _, r := range d.gen.allow {
		p := r.pattern.Prefix()
		if !p.IsValid() || !p.Contains(a) || !r.hasPort(d.port) || (r.Protocol == "udp") != d.udp {
			continue
		}
		// A range wider than the special one, as 0.0.0.0/0, did not mean it.
		if p.Bits() >= s.prefix.Bits() || p.IsSingleIP() {
			return true, ""
		}
	}
	return false, s.what
}
