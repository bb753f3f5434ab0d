//go:build linux

package linux

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/name"
)

// Connections of a box that shares the host's network (tier landlock). The filter
// lets TCP sockets be made and nothing be done with them but here: the broker
// takes its own copy of the socket, and connects it to the gate's proxy if that is
// what the caller named. The address that the kernel sees is the broker's, never
// the caller's memory. Landlock, which does not hold for the broker's thread,
// refuses every connection that came around it.

// sockaddrMax is the longest address that is read: struct sockaddr_un.
const sockaddrMax = 110

// connect is connect(2).
func (w *worker) connect(fd int32, addr, size uint64) (int, unix.Errno) {
	var raw [sockaddrMax]byte
	n := int(uint32(size))
	if n < 2 || n > 128 { // struct sockaddr_storage; the kernel says the same
		return 0, unix.EINVAL
	}
	n = min(n, sockaddrMax)
	if got, e := w.readMemory(addr, raw[:n]); e != 0 || got != n {
		return 0, unix.EFAULT
	}
	if w.cfg.Asking.names(raw[:n]) {
		return w.ask(fd)
	}
	to, e := internetAddr(raw[:n])
	if e != 0 {
		return 0, e
	}
	p := w.cfg.Proxy
	if p == nil || to.Addr().Unmap() != p.Addr.Addr() || to.Port() != p.Addr.Port() {
		return 0, w.deny(name.Read, []byte(to.String()), name.Verdict{Rule: "network", Errno: unix.ECONNREFUSED,
			Hint: "in tier landlock only programs that use the proxy of http_proxy and all_proxy reach the network"})
	}
	sock, e := w.tcpSocket(fd)
	if e != 0 {
		return 0, e
	}
	defer closeFD(sock)
	domain, err := unix.GetsockoptInt(sock, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return 0, unix.EBADF
	}
	port := to.Port()
	// A local address first: then the proxy can know it before the connection comes.
	// A socket that has one keeps it.
	if domain == unix.AF_INET {
		if !to.Addr().Is4() {
			return 0, unix.EAFNOSUPPORT
		}
		sa := unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: [4]byte{127, 0, 0, 1}}
		unix.Syscall(unix.SYS_BIND, uintptr(sock), uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa))
		return 0, w.announced(sock, func() unix.Errno {
			sa.Port = port<<8 | port>>8
			return call(unix.SYS_CONNECT, uintptr(sock), uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa), 0, 0)
		})
	}
	if !to.Addr().Is4In6() {
		return 0, unix.EAFNOSUPPORT
	}
	sa := unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: [16]byte{10: 0xff, 11: 0xff, 12: 127, 15: 1}}
	unix.Syscall(unix.SYS_BIND, uintptr(sock), uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa))
	return 0, w.announced(sock, func() unix.Errno {
		sa.Port = port<<8 | port>>8
		return call(unix.SYS_CONNECT, uintptr(sock), uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa), 0, 0)
	})
}

// announced tells the proxy of a connection, and makes it.
func (w *worker) announced(sock int, connect func() unix.Errno) unix.Errno {
	sa, err := unix.Getsockname(sock)
	if err != nil {
		return unix.EBADF
	}
	var local netip.AddrPort
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		local = netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		local = netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	if !local.Addr().IsLoopback() {
		return unix.EACCES
	}
	undo := func() {}
	if w.cfg.Proxy.Local != nil {
		undo = w.cfg.Proxy.Local(local)
	}
	e := connect()
	if e != 0 && e != unix.EINPROGRESS {
		undo()
	}
	return e
}

// internetAddr reads a socket address. Only TCP over IP is ever connected.
func internetAddr(raw []byte) (netip.AddrPort, unix.Errno) {
	family := uint16(raw[0]) | uint16(raw[1])<<8
	switch {
	case family == unix.AF_INET && len(raw) >= unix.SizeofSockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(raw[4:8])), uint16(raw[2])<<8|uint16(raw[3])), 0
	case family == unix.AF_INET6 && len(raw) >= unix.SizeofSockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(raw[8:24])), uint16(raw[2])<<8|uint16(raw[3])), 0
	case family == unix.AF_UNIX:
		return netip.AddrPort{}, unix.EPERM // a unix socket of the host
	}
	return netip.AddrPort{}, unix.EAFNOSUPPORT // AF_UNSPEC too: nothing is disconnected to be used again
}

// tcpSocket takes a copy of the caller's descriptor, which must be a TCP socket.
func (w *worker) tcpSocket(fd int32) (int, unix.Errno) {
	sock, e := w.copySocket(fd)
	if e != 0 {
		return -1, e
	}
	kind, err1 := unix.GetsockoptInt(sock, unix.SOL_SOCKET, unix.SO_TYPE)
	protocol, err2 := unix.GetsockoptInt(sock, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err1 != nil || err2 != nil || kind != unix.SOCK_STREAM || protocol != unix.IPPROTO_TCP {
		closeFD(sock)
		return -1, unix.EACCES
	}
	return sock, 0
}

// copySocket is copyFD, on older kernels (before 6.9) for the first thread of a
// process alone.
func (w *worker) copySocket(fd int32) (int, unix.Errno) {
	if fd < 0 {
		return -1, unix.EBADF
	}
	sock, e := w.copyFD(fd)
	if e != unix.EINVAL {
		return sock, e
	}
	p, _, e := unix.RawSyscall(unix.SYS_PIDFD_OPEN, uintptr(w.req.pid), 0, 0)
	if e != 0 {
		return -1, e
	}
	defer closeFD(int(p))
	if !w.valid() {
		return -1, unix.ESRCH
	}
	s, _, e := unix.RawSyscall(unix.SYS_PIDFD_GETFD, p, uintptr(fd), 0)
	return int(s), e
}

// listen is listen(2): for unix sockets alone. A TCP socket that listens would let
// the network in.
func (w *worker) listen(fd int32, backlog uint64) (int, unix.Errno) {
	sock, e := w.copySocket(fd)
	if e != 0 {
		return 0, e
	}
	defer closeFD(sock)
	domain, err := unix.GetsockoptInt(sock, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return 0, unix.ENOTSOCK
	}
	if domain != unix.AF_UNIX {
		return 0, unix.EACCES
	}
	return 0, call(unix.SYS_LISTEN, uintptr(sock), uintptr(uint32(backlog)), 0, 0, 0)
}
