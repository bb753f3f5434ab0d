package gate

import (
	"net/netip"

	"github.com/bailey-run/bailey/internal/plan"
)

// The synthetic ranges: addresses that stand for names inside a box, and are
// routed nowhere. 198.18.0.0/15 is set aside for benchmarks (RFC 2544); the IPv6
// range is part of a unique local prefix (RFC 4193) that spells "bailey".
const (
	Range4 = "198.18.0.0/15"
	Range6 = "fd62:6169:6c65:7900::/64"
)

// Places in the synthetic ranges with a meaning; the same in both.
const (
	nameserverIndex = 1  // the name server and the proxy
	hostIndex       = 2  // the host's loopback, HostName
	firstUDP        = 16 // sockets of udp rules, in the policy's order
	firstName       = 256
	lastName        = 1<<17 - 2 // of 198.18.0.0/15
)

// HostName is the name by which a box reaches granted ports of the host's
// loopback. "localhost" is the box's own: programs start servers there, and the
// names must not change their meaning with a grant.
const HostName = "host.bailey.internal"

// Nameserver is the address of the name server inside a box, for resolv.conf; the
// proxy listens there too. Nameserver6 is the same for IPv6.
func Nameserver() netip.Addr  { return synthetic4(nameserverIndex) }
func Nameserver6() netip.Addr { return synthetic6(nameserverIndex) }

// ProxyPort is where the explicit proxy listens on Nameserver.
// It is below 1024, where nothing inside may listen, so that a server of the box
// that listens on every address is not in its way.
const ProxyPort = 81

func synthetic4(i uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 18 + byte(i>>16), byte(i >> 8), byte(i)})
}

func synthetic6(i uint32) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfd, 0x62, 0x61, 0x69, 0x6c, 0x65, 0x79, 0x00, 0, 0, 0, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)})
}

// syntheticIndex is the place of a synthetic address.
func syntheticIndex(a netip.Addr) (uint32, bool) {
	a = a.Unmap()
	if a.Is4() {
		b := a.As4()
		if b[0] != 198 || b[1]&^1 != 18 {
			return 0, false
		}
		return uint32(b[1]&1)<<16 | uint32(b[2])<<8 | uint32(b[3]), true
	}
	b := a.As16()
	i := uint32(b[13])<<16 | uint32(b[14])<<8 | uint32(b[15])
	return i, a.Zone() == "" && i <= lastName && synthetic6(i) == a
}

// Synthetic says whether an address is one that stands for a name.
func Synthetic(a netip.Addr) bool {
	_, ok := syntheticIndex(a)
	return ok
}

// UDPSocket is a socket that a udp rule needs inside the box: datagrams to Addr go
// to Host and Port.
type UDPSocket struct {
	Addr netip.AddrPort
	Host string
	Port uint16
}

// UDPSockets are the sockets that the udp rules of a policy need, made before the
// box starts: two for each rule with a name (IPv4 and IPv6), one for an address.
// It depends on n alone, so that box and gate agree.
func UDPSockets(n *plan.Network) []UDPSocket {
	var out []UDPSocket
	next, places := uint32(firstUDP), map[string]uint32{} // a name has one address for all its ports
	for _, r := range n.Allow {
		if r.Protocol != "udp" || len(r.Ports) != 1 || r.Ports[0].First != r.Ports[0].Last {
			continue // New says why
		}
		port := r.Ports[0].First
		if a, err := netip.ParseAddr(r.Host); err == nil {
			out = append(out, UDPSocket{netip.AddrPortFrom(a, port), r.Host, port})
			continue
		}
		i, ok := places[r.Host]
		if !ok {
			i, places[r.Host] = next, next
			next++
		}
		if i >= firstName {
			continue
		}
		out = append(out, UDPSocket{netip.AddrPortFrom(synthetic4(i), port), r.Host, port},
			UDPSocket{netip.AddrPortFrom(synthetic6(i), port), r.Host, port})
	}
	return out
}
