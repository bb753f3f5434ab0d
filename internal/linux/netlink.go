//go:build linux

package linux

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// netlink is one or more netlink messages being written. Attributes are those of
// linux/rtnetlink.h and linux/netfilter/nf_tables.h. A library for either costs
// more at start than all of a gate's set-up.
type netlink struct {
	b     []byte
	start int   // of the message that is open
	nests []int // of the nested attributes that are open
}

// message begins a message with the header of its family.
func (n *netlink) message(kind uint16, flags int, header ...byte) {
	n.finish()
	n.start = len(n.b)
	n.b = append(n.b, make([]byte, unix.SizeofNlMsghdr)...)
	binary.NativeEndian.PutUint16(n.b[n.start+4:], kind)
	binary.NativeEndian.PutUint16(n.b[n.start+6:], uint16(unix.NLM_F_REQUEST|flags))
	n.b = append(n.b, header...)
}

// finish writes the length of the open message and returns all that was written.
func (n *netlink) finish() []byte {
	if len(n.b) > n.start {
		binary.NativeEndian.PutUint32(n.b[n.start:], uint32(len(n.b)-n.start))
	}
	return n.b
}

func (n *netlink) attr(kind uint16, value ...byte) {
	n.b = binary.NativeEndian.AppendUint16(n.b, uint16(4+len(value)))
	n.b = binary.NativeEndian.AppendUint16(n.b, kind)
	n.b = append(n.b, value...)
	for len(n.b)%4 != 0 {
		n.b = append(n.b, 0)
	}
}

func (n *netlink) name(kind uint16, s string) { n.attr(kind, append([]byte(s), 0)...) }

// big and native write numbers as nf_tables and rtnetlink want them.
func (n *netlink) big(kind uint16, v uint32) {
	n.attr(kind, binary.BigEndian.AppendUint32(nil, v)...)
}

func (n *netlink) native(kind uint16, v uint32) {
	n.attr(kind, binary.NativeEndian.AppendUint32(nil, v)...)
}

func (n *netlink) value(kind uint16, v ...byte) {
	n.nest(kind)
	n.attr(unix.NFTA_DATA_VALUE, v...)
	n.close()
}

func (n *netlink) nft(kind uint16, flags int) {
	n.message(unix.NFNL_SUBSYS_NFTABLES<<8|kind, flags, unix.NFPROTO_INET, 0, 0, 0)
}

func (n *netlink) batch(kind uint16) {
	n.message(kind, 0, 0, 0, 0, unix.NFNL_SUBSYS_NFTABLES)
}

func (n *netlink) nest(kind uint16) {
	n.nests = append(n.nests, len(n.b))
	n.attr(kind | unix.NLA_F_NESTED)
}

func (n *netlink) close() {
	at := n.nests[len(n.nests)-1]
	n.nests = n.nests[:len(n.nests)-1]
	binary.NativeEndian.PutUint16(n.b[at:], uint16(len(n.b)-at))
}

// localRoute makes every address of prefix one of the box's own, on loopback
// (the kernel calls it AnyIP): what is sent there arrives inside.
func localRoute(prefix netip.Prefix) []byte {
	family := byte(unix.AF_INET)
	if prefix.Addr().Is6() {
		family = unix.AF_INET6
	}
	var n netlink
	n.message(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_ACK,
		family, byte(prefix.Bits()), 0, 0, unix.RT_TABLE_LOCAL, unix.RTPROT_STATIC, unix.RT_SCOPE_HOST, unix.RTN_LOCAL, 0, 0, 0, 0)
	n.attr(unix.RTA_DST, prefix.Masked().Addr().AsSlice()...)
	const loopback = 1 // the first device of every network namespace
	n.native(unix.RTA_OIF, loopback)
	return n.finish()
}

// natTable is the name of the box's one table, and of its one chain.
const natTable = "bailey"

// natBatch makes the table that sends what r names to the gate's listeners. The
// destination as it was can be asked of the kernel (SO_ORIGINAL_DST). What else is
// sent to an address of local is refused, because nothing listens there, and noted
// in a set (refused.go). again replaces the rules of a table that is there.
func natBatch(gates []netip.AddrPort, local []netip.Prefix, r []Redirect, again bool) []byte {
	var n netlink
	n.batch(unix.NFNL_MSG_BATCH_BEGIN)
	if again {
		n.nft(unix.NFT_MSG_DELRULE, 0)
		n.name(unix.NFTA_RULE_TABLE, natTable)
		n.name(unix.NFTA_RULE_CHAIN, natTable)
	} else {
		n.nft(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE)
		n.name(unix.NFTA_TABLE_NAME, natTable)
		n.nft(unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE)
		n.name(unix.NFTA_CHAIN_TABLE, natTable)
		n.name(unix.NFTA_CHAIN_NAME, natTable)
		n.nest(unix.NFTA_CHAIN_HOOK)
		n.big(unix.NFTA_HOOK_HOOKNUM, unix.NF_INET_LOCAL_OUT)
		n.big(unix.NFTA_HOOK_PRIORITY, uint32(0xffffffff-100+1)) // NF_IP_PRI_NAT_DST
		n.close()
		n.name(unix.NFTA_CHAIN_TYPE, "nat")
		n.refusedSet(0)
		n.refusedSet(1)
	}
	// A range of a rule may have the box's own loopback in it.
	for _, p := range [...]netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{127}), 8), netip.PrefixFrom(netip.IPv6Loopback(), 128)} {
		if slices.ContainsFunc(r, func(one Redirect) bool { return one.To.Bits() < p.Bits() && one.To.Contains(p.Addr()) }) {
			n.accept(p)
		}
	}
	for _, gate := range gates {
		n.accept(netip.PrefixFrom(gate.Addr(), gate.Addr().BitLen()))
		for _, one := range r {
			if one.To.Addr().Is4() == gate.Addr().Is4() {
				n.rule(func() { n.redirect(one, gate) })
			}
		}
	}
	for _, p := range local {
		n.rule(func() { n.note(p) })
	}
	// Older kernels do not answer the end of a batch. Errors come in the order of
	// the messages, so the first answer says whether all went well.
	binary.NativeEndian.PutUint16(n.b[n.start+6:], binary.NativeEndian.Uint16(n.b[n.start+6:])|unix.NLM_F_ACK)
	n.batch(unix.NFNL_MSG_BATCH_END)
	return n.finish()
}

// accept leaves connections to a range alone.
func (n *netlink) accept(p netip.Prefix) {
	n.rule(func() {
		n.to(p)
		n.expr("immediate", func() {
			n.big(unix.NFTA_IMMEDIATE_DREG, unix.NFT_REG_VERDICT)
			n.nest(unix.NFTA_IMMEDIATE_DATA)
			n.nest(unix.NFTA_DATA_VERDICT)
			n.big(unix.NFTA_VERDICT_CODE, 1) // NF_ACCEPT
			n.close()
			n.close()
		})
	})
}

func (n *netlink) rule(expressions func()) {
	n.nft(unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND)
	n.name(unix.NFTA_RULE_TABLE, natTable)
	n.name(unix.NFTA_RULE_CHAIN, natTable)
	n.nest(unix.NFTA_RULE_EXPRESSIONS)
	expressions()
	n.close()
}

func (n *netlink) expr(name string, data func()) {
	n.nest(unix.NFTA_LIST_ELEM)
	n.name(unix.NFTA_EXPR_NAME, name)
	n.nest(unix.NFTA_EXPR_DATA)
	data()
	n.close()
	n.close()
}

func (n *netlink) compare(op uint32, v ...byte) {
	n.expr("cmp", func() {
		n.big(unix.NFTA_CMP_SREG, unix.NFT_REG_1)
		n.big(unix.NFTA_CMP_OP, op)
		n.value(unix.NFTA_CMP_DATA, v...)
	})
}

func (n *netlink) meta(key uint32, v byte) {
	n.expr("meta", func() {
		n.big(unix.NFTA_META_DREG, unix.NFT_REG_1)
		n.big(unix.NFTA_META_KEY, key)
	})
	n.compare(unix.NFT_CMP_EQ, v)
}

func (n *netlink) payload(base uint32, offset, size int) { n.load(unix.NFT_REG_1, base, offset, size) }

// load takes a part of the packet into a register.
func (n *netlink) load(register, base uint32, offset, size int) {
	n.expr("payload", func() {
		n.big(unix.NFTA_PAYLOAD_DREG, register)
		n.big(unix.NFTA_PAYLOAD_BASE, base)
		n.big(unix.NFTA_PAYLOAD_OFFSET, uint32(offset))
		n.big(unix.NFTA_PAYLOAD_LEN, uint32(size))
	})
}

// to matches the destination address.
func (n *netlink) to(prefix netip.Prefix) {
	family, offset, size := byte(unix.NFPROTO_IPV4), 16, 4
	if prefix.Addr().Is6() {
		family, offset, size = unix.NFPROTO_IPV6, 24, 16
	}
	n.meta(unix.NFT_META_NFPROTO, family)
	if prefix.Bits() == 0 {
		return
	}
	n.payload(unix.NFT_PAYLOAD_NETWORK_HEADER, offset, size)
	if prefix.Bits() < 8*size {
		mask := make([]byte, size)
		for i := range prefix.Bits() {
			mask[i/8] |= 0x80 >> (i % 8)
		}
		n.expr("bitwise", func() {
			n.big(unix.NFTA_BITWISE_SREG, unix.NFT_REG_1)
			n.big(unix.NFTA_BITWISE_DREG, unix.NFT_REG_1)
			n.big(unix.NFTA_BITWISE_LEN, uint32(size))
			n.value(unix.NFTA_BITWISE_MASK, mask...)
			n.value(unix.NFTA_BITWISE_XOR, make([]byte, size)...)
		})
	}
	n.compare(unix.NFT_CMP_EQ, prefix.Masked().Addr().AsSlice()...)
}

func (n *netlink) redirect(r Redirect, gate netip.AddrPort) {
	n.to(r.To)
	n.meta(unix.NFT_META_L4PROTO, unix.IPPROTO_TCP)
	if r.First > 0 || r.Last < 65535 {
		n.payload(unix.NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2)
		first, last := binary.BigEndian.AppendUint16(nil, r.First), binary.BigEndian.AppendUint16(nil, r.Last)
		if r.First == r.Last {
			n.compare(unix.NFT_CMP_EQ, first...)
		} else {
			n.compare(unix.NFT_CMP_GTE, first...)
			n.compare(unix.NFT_CMP_LTE, last...)
		}
	}
	load := func(reg uint32, v []byte) {
		n.expr("immediate", func() {
			n.big(unix.NFTA_IMMEDIATE_DREG, reg)
			n.value(unix.NFTA_IMMEDIATE_DATA, v...)
		})
	}
	load(unix.NFT_REG_1, gate.Addr().AsSlice())
	load(unix.NFT_REG_2, binary.BigEndian.AppendUint16(nil, gate.Port()))
	n.expr("nat", func() {
		n.big(unix.NFTA_NAT_TYPE, unix.NFT_NAT_DNAT)
		family := uint32(unix.NFPROTO_IPV4)
		if gate.Addr().Is6() {
			family = unix.NFPROTO_IPV6
		}
		n.big(unix.NFTA_NAT_FAMILY, family)
		n.big(unix.NFTA_NAT_REG_ADDR_MIN, unix.NFT_REG_1)
		n.big(unix.NFTA_NAT_REG_PROTO_MIN, unix.NFT_REG_2)
	})
}
