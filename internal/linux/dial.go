//go:build linux

package linux

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// dialler is a child that has entered the box's network namespace and makes
// sockets there on request. A socket belongs to the namespace it was made in, so
// what this process connects with one of them is a connection inside. The child
// is outside the box's pid namespace: nothing inside can see it.
type dialler struct {
	mu   sync.Mutex // one request at a time
	l    *launch
	dead bool
}

// dialTime bounds a connection inside, which the same kernel answers.
const dialTime = 5 * time.Second

// startDialler forks the child.
func (b *Box) startDialler() (*dialler, error) {
	l, err := b.newLaunch(nil)
	if err != nil {
		return nil, err
	}
	p := l.p
	p.do("leave the terminal", unix.SYS_SETSID)
	p.do("hide this process", unix.SYS_PRCTL, num(unix.PR_SET_DUMPABLE), num(0), num(0), num(0), num(0))
	p.do("enter the box's network", unix.SYS_SETNS, num(b.pid1FD), word(unix.CLONE_NEWUSER|unix.CLONE_NEWNET))
	p.do("hide this process", unix.SYS_PRCTL, num(unix.PR_SET_DUMPABLE), num(0), num(0), num(0), num(0))
	// Among what it had of us is our end of its socket: with that it would wait for
	// ever when we are gone.
	l.closeOthers()
	loop := len(p.ops)
	request := hold(p, [3]int32{})
	o := p.do("wait for a request", unix.SYS_RECVFROM, word(p.control), mem(unsafe.Pointer(request)), num(int(unsafe.Sizeof(*request))), num(0), num(0), num(0))
	o.judge, o.want = mustEqual, unsafe.Sizeof(*request)
	var args [3]operand
	for i := range args {
		r := p.newReg()
		p.add("read the request", op{kind: opLoad, out: r, args: [6]operand{mem(unsafe.Pointer(&request[i]))}})
		args[i] = r.operand()
	}
	fd := p.call("make a socket inside", unix.SYS_SOCKET, args[0], args[1], args[2])
	p.sendFile("hand over a socket", fd, fileSocket)
	p.do("close the socket", unix.SYS_CLOSE, fd.operand())
	p.add("go on", op{kind: opJump, jump: loop})
	if err := l.fork(0); err != nil {
		l.close()
		return nil, err
	}
	return &dialler{l: l}, nil
}

// socket asks the child for one.
func (d *dialler) socket(family, kind, protocol int) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return -1, ErrClosed
	}
	request := [3]int32{int32(family), int32(kind) | unix.SOCK_CLOEXEC, int32(protocol)}
	raw := (*[unsafe.Sizeof(request)]byte)(unsafe.Pointer(&request))
	if err := unix.Sendmsg(int(d.l.own.Fd()), raw[:], nil, nil, unix.MSG_NOSIGNAL); err != nil {
		return -1, fmt.Errorf("ask for a socket inside: %w", err)
	}
	var r result
	if !d.l.next(&r) || len(r.net) == 0 {
		if r.err == nil {
			r.err = &SetupError{Step: "make a socket inside", Errno: unix.EPIPE}
		}
		return -1, r.err
	}
	return r.net[0], nil
}

func (d *dialler) close() {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.dead {
		d.dead = true
		d.l.close() // the child reads the end
		var ws unix.WaitStatus
		wait4(d.l.helper, &ws)
	}
}

// Dial connects to a server inside the box, those on its loopback included.
func (b *Box) Dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	d, err := b.dialler()
	if err != nil {
		return nil, err
	}
	family := unix.AF_INET
	var sa unix.Sockaddr
	if to.Addr().Is4() {
		sa = &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	} else {
		family, sa = unix.AF_INET6, &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
	}
	fd, err := d.socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "inside")
	defer f.Close()
	if err := connect(ctx, fd, sa); err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: os.NewSyscallError("connect", err)}
	}
	return net.FileConn(f)
}

func connect(ctx context.Context, fd int, sa unix.Sockaddr) error {
	err := unix.Connect(fd, sa)
	if !errors.Is(err, unix.EINPROGRESS) {
		return err
	}
	deadline := time.Now().Add(dialTime)
	for {
		const step = 50 * time.Millisecond // how late the end of ctx is seen
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		n, err := unix.Poll(p, int(step/time.Millisecond))
		switch {
		case err != nil && err != unix.EINTR:
			return err
		case n > 0:
			e, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
			if err == nil && e != 0 {
				err = unix.Errno(e)
			}
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(deadline):
			return unix.ETIMEDOUT
		}
	}
}

// dialler starts the child when it is first needed.
func (b *Box) dialler() (*dialler, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.pid1FD < 0 {
		return nil, ErrClosed
	}
	if b.dial == nil {
		d, err := b.startDialler()
		if err != nil {
			return nil, err
		}
		b.dial = d
	}
	return b.dial, nil
}

// Redirect replaces what is sent to the gate. The rules change as one.
// Of local, those that are not the box's own yet become that.
func (b *Box) Redirect(local []netip.Prefix, list []Redirect) error {
	n := b.options.Network
	if n == nil || len(n.Redirect) == 0 {
		return errors.New("redirect connections: the box has no gate")
	}
	d, err := b.dialler()
	if err != nil {
		return err
	}
	for _, p := range local {
		if slices.Contains(n.Local, p) {
			continue
		}
		if err := d.netlink(unix.NETLINK_ROUTE, localRoute(p)); err != nil && !errors.Is(err, unix.EEXIST) {
			return err
		}
	}
	b.mu.Lock()
	for _, p := range local {
		if !slices.Contains(n.Local, p) {
			n.Local = append(n.Local, p)
		}
	}
	all := slices.Clone(n.Local)
	b.mu.Unlock()
	return d.netlink(unix.NETLINK_NETFILTER, natBatch(gates(n.Sockets), all, list, true))
}

// netlink sends a request to the kernel's side of the box's network.
func (d *dialler) netlink(protocol int, request []byte) error {
	fd, err := d.socket(unix.AF_NETLINK, unix.SOCK_RAW, protocol)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("redirect connections: %w", err)
	}
	answer := make([]byte, 256)
	size, _, err := unix.Recvfrom(fd, answer, unix.MSG_DONTWAIT)
	if err != nil {
		return fmt.Errorf("redirect connections: %w", err)
	}
	if size < unix.SizeofNlMsghdr+4 {
		return fmt.Errorf("redirect connections: %w", unix.EBADMSG)
	}
	if e := int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); e != 0 {
		return fmt.Errorf("redirect connections: %w", unix.Errno(-e))
	}
	return nil
}

// Listen makes a listener inside. The address may be one that only a route has.
func (b *Box) Listen(at netip.AddrPort) (net.Listener, error) {
	d, err := b.dialler()
	if err != nil {
		return nil, err
	}
	family := unix.AF_INET
	var sa unix.Sockaddr
	if at.Addr().Is4() {
		sa = &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
	} else {
		family, sa = unix.AF_INET6, &unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()}
	}
	fd, err := d.socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "inside")
	defer f.Close()
	if family == unix.AF_INET6 {
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, 1)
	}
	if err := unix.Bind(fd, sa); err != nil {
		return nil, fmt.Errorf("listen at %v inside: %w", at, err)
	}
	if err := unix.Listen(fd, backlog); err != nil {
		return nil, fmt.Errorf("listen at %v inside: %w", at, err)
	}
	return net.FileListener(f)
}
