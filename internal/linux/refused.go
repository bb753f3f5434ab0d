//go:build linux

package linux

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Connections that no rule could allow are refused by the box's own kernel, at
// once, and never reach the gate. So that a person is told of them all the same, the
// kernel keeps their destinations in a set for each family, which is read and
// emptied now and then.

// maxRefused is how many destinations one set holds between two looks. Further ones
// are refused all the same, and not told.
const maxRefused = 256

// refusedSet is the set of a family, with where the destination stands in its header.
type refusedSet struct {
	name         string
	offset, size int
}

func refusedSets() [2]refusedSet { return [...]refusedSet{{"refused4", 16, 4}, {"refused6", 24, 16}} }

// refusedSet makes a set of destinations: an address and a port, each in registers
// of four bytes.
func (n *netlink) refusedSet(i int) {
	const eval = 0x20 // NFT_SET_EVAL: rules add to it
	s := refusedSets()[i]
	n.nft(unix.NFT_MSG_NEWSET, unix.NLM_F_CREATE)
	n.name(unix.NFTA_SET_TABLE, natTable)
	n.name(unix.NFTA_SET_NAME, s.name)
	n.big(unix.NFTA_SET_FLAGS, eval)
	n.big(unix.NFTA_SET_KEY_TYPE, 0)
	n.big(unix.NFTA_SET_KEY_LEN, uint32(s.size+4))
	n.big(unix.NFTA_SET_ID, uint32(i+1))
	n.nest(unix.NFTA_SET_DESC)
	n.big(unix.NFTA_SET_DESC_SIZE, maxRefused)
	n.close()
}

// note adds the destination of a TCP connection to its family's set.
func (n *netlink) note(p netip.Prefix) {
	s := refusedSets()[0]
	if p.Addr().Is6() {
		s = refusedSets()[1]
	}
	n.to(p)
	n.meta(unix.NFT_META_L4PROTO, unix.IPPROTO_TCP)
	n.load(unix.NFT_REG32_00, unix.NFT_PAYLOAD_NETWORK_HEADER, s.offset, s.size)
	n.load(unix.NFT_REG32_00+uint32(s.size/4), unix.NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2)
	n.expr("dynset", func() {
		n.name(unix.NFTA_DYNSET_SET_NAME, s.name)
		n.big(unix.NFTA_DYNSET_OP, unix.NFT_DYNSET_OP_ADD)
		n.big(unix.NFTA_DYNSET_SREG_KEY, unix.NFT_REG32_00)
	})
}

// Refused returns where programs in the box tried to connect, and were refused by its
// kernel, since the last call: each destination once. It is empty where the kernel
// keeps no such list.
func (b *Box) Refused() []netip.AddrPort {
	b.mu.Lock()
	defer b.mu.Unlock() // one question at a time on the one socket
	if b.nft <= 0 {
		return nil
	}
	var out []netip.AddrPort
	for _, s := range refusedSets() {
		var n netlink
		n.nft(unix.NFT_MSG_GETSETELEM, unix.NLM_F_DUMP)
		n.name(unix.NFTA_SET_ELEM_LIST_TABLE, natTable)
		n.name(unix.NFTA_SET_ELEM_LIST_SET, s.name)
		found := b.dumpRefused(n.finish(), s.size)
		if len(found) == 0 {
			continue
		}
		out = append(out, found...)
		var empty netlink
		empty.batch(unix.NFNL_MSG_BATCH_BEGIN)
		empty.nft(unix.NFT_MSG_DELSETELEM, 0)
		empty.name(unix.NFTA_SET_ELEM_LIST_TABLE, natTable)
		empty.name(unix.NFTA_SET_ELEM_LIST_SET, s.name)
		empty.batch(unix.NFNL_MSG_BATCH_END)
		unix.Sendto(b.nft, empty.finish(), unix.MSG_DONTWAIT, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	}
	return out
}

// dumpRefused reads one set to its end.
func (b *Box) dumpRefused(request []byte, size int) (out []netip.AddrPort) {
	answer := make([]byte, 16<<10)
	for { // an error that the kernel may have had last time
		if n, _, err := unix.Recvfrom(b.nft, answer, unix.MSG_DONTWAIT); err != nil || n <= 0 {
			break
		}
	}
	if err := unix.Sendto(b.nft, request, unix.MSG_DONTWAIT, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil
	}
	for {
		n, _, err := unix.Recvfrom(b.nft, answer, unix.MSG_DONTWAIT)
		if err != nil || n < unix.SizeofNlMsghdr {
			return out
		}
		for rest := answer[:n]; len(rest) >= unix.SizeofNlMsghdr; {
			length, kind := int(binary.NativeEndian.Uint32(rest)), binary.NativeEndian.Uint16(rest[4:])
			if length < unix.SizeofNlMsghdr || length > len(rest) || kind == unix.NLMSG_DONE || kind == unix.NLMSG_ERROR {
				return out
			}
			const header = unix.SizeofNlMsghdr + 4 // struct nfgenmsg
			if kind == unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWSETELEM && length > header {
				out = append(out, refusedIn(rest[header:length], size)...)
			}
			rest = rest[min(len(rest), (length+3)&^3):]
		}
	}
}

// refusedIn are the destinations of one message with elements of a set.
func refusedIn(message []byte, size int) (out []netip.AddrPort) {
	attrs(message, func(kind uint16, list []byte) {
		if kind != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
			return
		}
		attrs(list, func(_ uint16, element []byte) {
			attrs(element, func(kind uint16, key []byte) {
				if kind != unix.NFTA_SET_ELEM_KEY {
					return
				}
				attrs(key, func(kind uint16, value []byte) {
					if kind == unix.NFTA_DATA_VALUE && len(value) == size+4 {
						a, _ := netip.AddrFromSlice(value[:size])
						out = append(out, netip.AddrPortFrom(a, binary.BigEndian.Uint16(value[size:])))
					}
				})
			})
		})
	})
	return out
}

// attrs calls f for each attribute of a message.
func attrs(b []byte, f func(kind uint16, value []byte)) {
	for len(b) >= 4 {
		n := int(binary.NativeEndian.Uint16(b))
		if n < 4 || n > len(b) {
			return
		}
		f(binary.NativeEndian.Uint16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), b[4:n])
		b = b[min(len(b), (n+3)&^3):]
	}
}
