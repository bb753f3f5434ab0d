//go:build linux

package linux

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// network appends the steps that make the inside of a gate: routes that keep the
// gate's addresses on loopback, sockets that listen there, and the nf_tables
// rules that send connections to them. They run with every capability over the
// box's own network namespace, before anything of the box does. The namespace
// has no other device, so what is not made here leads nowhere: a connection to
// it fails at once, because it has no route or because nothing listens.
func (l *launch) network(n *Network) {
	p := l.p
	route := p.call("open a route socket", unix.SYS_SOCKET, num(unix.AF_NETLINK), num(unix.SOCK_RAW|unix.SOCK_CLOEXEC), num(unix.NETLINK_ROUTE))
	for _, prefix := range n.Local {
		end, _ := l.ask("route "+prefix.String()+" to loopback", route, localRoute(prefix), prefix.Addr().Is6())
		end(len(p.ops))
	}
	p.do("close the route socket", unix.SYS_CLOSE, route.operand())
	// To ask whose a connection is. It is for logs: a kernel without it has none.
	diag := p.call("open a socket for questions", unix.SYS_SOCKET, num(unix.AF_NETLINK), num(unix.SOCK_RAW|unix.SOCK_CLOEXEC), num(unix.NETLINK_SOCK_DIAG))
	made := len(p.ops) - 1
	p.sendFile("hand over the socket for questions", diag, int32(fileSocket+len(n.Sockets)+len(n.Fallback)))
	p.ops[made].judge, p.ops[made].jump = mayFail, len(p.ops)
	if len(n.Redirect) == 0 {
		l.sockets(n.Sockets, 0)
		return
	}
	if n.PerPort {
		l.sockets(n.Fallback, len(n.Sockets))
		return
	}
	nft := p.call("open a netfilter socket", unix.SYS_SOCKET, num(unix.AF_NETLINK), num(unix.SOCK_RAW|unix.SOCK_CLOEXEC), num(unix.NETLINK_NETFILTER))
	open := len(p.ops) - 1
	batch := natBatch(gates(n.Sockets), n.Local, n.Redirect, false)
	if l.b.options.noNFTables {
		batch = localRoute(n.Local[0])
	}
	end, verdict := l.ask("redirect connections to the gate", nft, batch, true)
	l.tree.names, l.tree.redirected = n.Names, verdict
	l.sockets(n.Sockets, 0)
	p.sendFile("hand over the netfilter socket", nft, int32(fileSocket+len(n.Sockets)+len(n.Fallback)+1))
	p.add("go on", op{kind: opJump})
	jump := len(p.ops) - 1
	end(len(p.ops))
	p.ops[open].judge, p.ops[open].jump = mayFail, len(p.ops)
	l.sockets(n.Fallback, len(n.Sockets))
	p.ops[jump].jump = len(p.ops)
}

// gates are the sockets that connections are redirected to: the first TCP socket
// of each family.
func gates(list []Socket) []netip.AddrPort {
	var out []netip.AddrPort
	for _, s := range list {
		first := !s.UDP
		for _, g := range out {
			first = first && g.Addr().Is4() != s.Addr.Addr().Is4()
		}
		if first {
			out = append(out, s.Addr)
		}
	}
	return out
}

// ask appends a netlink request and the check of its answer. An optional one
// that fails goes on at the step that end is called with. The verdict is all zero once
// the kernel has agreed.
func (l *launch) ask(name string, socket reg, request []byte, optional bool) (end func(step int), verdict []byte) {
	p := l.p
	var steps []int
	step := func(o *op) {
		if optional {
			o.judge = mayFail
			steps = append(steps, len(p.ops)-1)
		}
	}
	step(p.do(name, unix.SYS_SENDTO, socket.operand(), p.bytes(request), num(len(request)), num(0), num(0), num(0)))
	answer := p.buffer(256)
	verdict = answer[unix.SizeofNlMsghdr:][:4]
	verdict[0] = 1 // no answer is no
	step(p.do(name, unix.SYS_RECVFROM, socket.operand(), mem(unsafe.Pointer(&answer[0])), num(len(answer)), num(unix.MSG_DONTWAIT), num(0), num(0)))
	step(p.add(name, op{kind: opZero, args: [6]operand{mem(unsafe.Pointer(&verdict[0])), num(len(verdict))}}))
	return func(to int) {
		for _, i := range steps {
			p.ops[i].jump = to
		}
	}, verdict
}

// backlog is how many connections may wait for the gate to accept them; the
// kernel answers no further ones until it has (net.core.somaxconn of the
// namespace is the same by default).
const backlog = 4096

// sockets appends the steps that make sockets and hand them out, as numbers from
// first. Those of IPv6 are left out where the kernel has none.
func (l *launch) sockets(list []Socket, first int) {
	p := l.p
	for i, s := range list {
		name := "listen at " + s.Addr.String()
		family, kind := unix.AF_INET, unix.SOCK_STREAM
		var sa operand
		size := unix.SizeofSockaddrInet4
		port := s.Addr.Port()<<8 | s.Addr.Port()>>8 // network order; both architectures are little endian
		if s.Addr.Addr().Is6() {
			family, size = unix.AF_INET6, unix.SizeofSockaddrInet6
			sa = mem(unsafe.Pointer(hold(p, unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: port, Addr: s.Addr.Addr().As16()})))
		} else {
			sa = mem(unsafe.Pointer(hold(p, unix.RawSockaddrInet4{Family: unix.AF_INET, Port: port, Addr: s.Addr.Addr().As4()})))
		}
		if s.UDP {
			kind = unix.SOCK_DGRAM
		}
		fd := p.call(name, unix.SYS_SOCKET, num(family), num(kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK), num(0))
		made := len(p.ops) - 1
		var bind int
		if family == unix.AF_INET6 {
			one := mem(unsafe.Pointer(hold(p, int32(1))))
			p.do(name, unix.SYS_SETSOCKOPT, fd.operand(), num(unix.IPPROTO_IPV6), num(unix.IPV6_V6ONLY), one, num(4))
			// The address belongs to a route, not to the device.
			p.do(name, unix.SYS_SETSOCKOPT, fd.operand(), num(unix.IPPROTO_IPV6), num(unix.IPV6_FREEBIND), one, num(4))
		}
		p.do(name, unix.SYS_BIND, fd.operand(), sa, num(size))
		bind = len(p.ops) - 1
		if !s.UDP {
			p.do(name, unix.SYS_LISTEN, fd.operand(), num(backlog))
		}
		p.sendFile(name, fd, int32(fileSocket+first+i))
		if family == unix.AF_INET6 {
			for _, at := range [...]int{made, bind} {
				p.ops[at].judge, p.ops[at].jump = mayFail, len(p.ops)
			}
		}
	}
}

// sockets are the descriptors that came out of a network namespace, by their
// number; 0 where none came.
type sockets []int

func (s *sockets) put(i, fd int) {
	for len(*s) <= i {
		*s = append(*s, 0)
	}
	if (*s)[i] > 0 {
		unix.Close((*s)[i])
	}
	(*s)[i] = fd
}

func (s sockets) close() {
	for i, fd := range s {
		if fd > 0 {
			unix.Close(fd)
			s[i] = 0
		}
	}
}

// Sockets hands out what was made of Network.Sockets, and of Network.Fallback
// where it is that. An entry is nil where the kernel has no IPv6. The caller
// closes them.
func (b *Box) Sockets() (list, fallback []*os.File) {
	n := b.options.Network
	if n == nil {
		return nil, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	files := make([]*os.File, len(n.Sockets)+len(n.Fallback))
	for i, fd := range b.net {
		if fd > 0 && i < len(files) {
			files[i] = os.NewFile(uintptr(fd), "gate")
		}
	}
	b.net = nil
	for _, f := range files[:len(n.Sockets)] {
		if f != nil {
			return files[:len(n.Sockets)], nil
		}
	}
	return nil, files[len(n.Sockets):]
}

// OriginalDst is where a connection that was accepted inside was going: the
// kernel remembers it for one that was redirected, and for any other it is the
// local address.
func OriginalDst(c net.Conn) (netip.AddrPort, error) {
	local, _ := c.LocalAddr().(*net.TCPAddr)
	sc, ok := c.(syscall.Conn)
	if !ok || local == nil {
		return netip.AddrPort{}, errors.ErrUnsupported
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return netip.AddrPort{}, err
	}
	to := local.AddrPort()
	var e error
	err = raw.Control(func(fd uintptr) {
		if to.Addr().Is4() {
			// A struct sockaddr_in fits the result that package unix has for this size.
			var m *unix.IPv6Mreq
			if m, e = unix.GetsockoptIPv6Mreq(int(fd), unix.IPPROTO_IP, soOriginalDst); e == nil {
				a := m.Multiaddr
				to = netip.AddrPortFrom(netip.AddrFrom4([4]byte(a[4:8])), uint16(a[2])<<8|uint16(a[3]))
			}
			return
		}
		var m *unix.IPv6MTUInfo
		if m, e = unix.GetsockoptIPv6MTUInfo(int(fd), unix.IPPROTO_IPV6, soOriginalDst); e == nil {
			to = netip.AddrPortFrom(netip.AddrFrom16(m.Addr.Addr), m.Addr.Port<<8|m.Addr.Port>>8)
		}
	})
	if e == unix.ENOENT || e == unix.ENOPROTOOPT { // not redirected; no connection tracking
		e = nil
	}
	return to, errors.Join(err, e)
}

// soOriginalDst is SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST.
const soOriginalDst = 80
