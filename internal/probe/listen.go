//go:build linux

package probe

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// listener is a socket outside that notes what it hears. Package net is not used:
// its start costs every run of the program.
type listener struct {
	address string // 127.0.0.1:port, [::1]:port, a path, @name
	fd      int
	mu      sync.Mutex
	words   bytes.Buffer
}

// maxHeard bounds what a listener remembers: a few hundred nonces fit.
const maxHeard = 64 << 10

func (l *listener) heard(nonce string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Contains(l.words.Bytes(), []byte(nonce))
}

func (l *listener) note(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.words.Len()+len(b) < maxHeard {
		l.words.Write(append(b, '\n'))
	}
}

func (l *listener) close() {
	unix.Shutdown(l.fd, unix.SHUT_RDWR)
}

// listener returns the world's listener of a kind.
func (h *host) listener(kind string) (*listener, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l := h.listeners[kind]; l != nil {
		return l, nil
	}
	var family, typ int
	var sa unix.Sockaddr
	address := ""
	switch kind {
	case "tcp4":
		family, typ, sa = unix.AF_INET, unix.SOCK_STREAM, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	case "tcp6":
		family, typ, sa = unix.AF_INET6, unix.SOCK_STREAM, &unix.SockaddrInet6{Addr: [16]byte{15: 1}}
	case "udp4":
		family, typ, sa = unix.AF_INET, unix.SOCK_DGRAM, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	case "udp6":
		family, typ, sa = unix.AF_INET6, unix.SOCK_DGRAM, &unix.SockaddrInet6{Addr: [16]byte{15: 1}}
	case "abstract":
		address = "@bailey-prove-" + random(8)
		family, typ, sa = unix.AF_UNIX, unix.SOCK_STREAM, &unix.SockaddrUnix{Name: address}
	case "abstract-dgram", "abstract-packet":
		address = "@bailey-prove-" + random(8)
		family, typ, sa = unix.AF_UNIX, unix.SOCK_DGRAM, &unix.SockaddrUnix{Name: address}
		if kind == "abstract-packet" {
			typ = unix.SOCK_SEQPACKET
		}
	default: // a path, of the home directory or below the world's own; one that ends in -dgram takes packets
		address = filepath.Join(h.Base, kind)
		if name, ok := strings.CutPrefix(kind, "tmp:"); ok {
			address = "/tmp/bailey-prove-" + random(4) + name
			if err := h.jan.tell("file", address); err != nil {
				return nil, err
			}
		}
		family, typ, sa = unix.AF_UNIX, unix.SOCK_STREAM, &unix.SockaddrUnix{Name: address}
		if strings.HasSuffix(kind, "-dgram") {
			typ = unix.SOCK_DGRAM
		}
		if err := os.MkdirAll(filepath.Dir(address), 0o755); err != nil {
			return nil, err
		}
		if len(address) > 100 {
			return nil, fmt.Errorf("the path %s is too long for a socket", address)
		}
	}
	fd, err := unix.Socket(family, typ|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, sa); err != nil {
		unix.Close(fd)
		return nil, err
	}
	l := &listener{address: address, fd: fd}
	switch sa, _ := unix.Getsockname(fd); sa := sa.(type) {
	case *unix.SockaddrInet4:
		l.address = "127.0.0.1:" + strconv.Itoa(sa.Port)
	case *unix.SockaddrInet6:
		l.address = "[::1]:" + strconv.Itoa(sa.Port)
	}
	if typ == unix.SOCK_DGRAM {
		go l.packets()
	} else {
		if err := unix.Listen(fd, 32); err != nil {
			unix.Close(fd)
			return nil, err
		}
		go l.streams()
	}
	h.listeners[kind] = l
	return l, nil
}

func (l *listener) packets() {
	b := make([]byte, 256)
	for {
		n, _, err := unix.Recvfrom(l.fd, b, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 { // shut down
			unix.Close(l.fd)
			return
		}
		l.note(b[:n])
	}
}

func (l *listener) streams() {
	for {
		fd, _, err := unix.Accept4(l.fd, unix.SOCK_CLOEXEC)
		if err == unix.EINTR || err == unix.ECONNABORTED {
			continue
		}
		if err != nil {
			unix.Close(l.fd)
			return
		}
		// A connection that says nothing must not keep the next ones waiting long.
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 300_000})
		b := make([]byte, 256)
		if n, err := unix.Read(fd, b); err == nil {
			l.note(b[:n])
			unix.Write(fd, []byte("ok\n"))
		}
		unix.Close(fd)
	}
}

// dial connects from inside and says the nonce.
func dial(in *Inside) error { return dialTo(in, in.Args["kind"], in.Args["address"]) }

func dialTo(in *Inside, kind, address string) error {
	fd, sa, err := socketFor(kind, address)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, sa); err != nil {
		return fmt.Errorf("connect %s: %w", address, err)
	}
	if _, err := unix.Write(fd, []byte(in.Nonce)); err != nil {
		return fmt.Errorf("write to %s: %w", address, err)
	}
	b := make([]byte, 64)
	if !strings.HasPrefix(kind, "udp") && !strings.HasSuffix(kind, "-dgram") {
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1})
		unix.Read(fd, b)
	}
	return nil
}

// socketFor makes a socket, and the address to connect it to.
func socketFor(kind, address string) (int, unix.Sockaddr, error) {
	family, typ := unix.AF_UNIX, unix.SOCK_STREAM
	var sa unix.Sockaddr = &unix.SockaddrUnix{Name: address}
	if strings.HasPrefix(kind, "udp") || strings.HasSuffix(kind, "-dgram") {
		typ = unix.SOCK_DGRAM
	}
	if strings.HasSuffix(kind, "-packet") {
		typ = unix.SOCK_SEQPACKET
	}
	if strings.HasPrefix(kind, "tcp") || strings.HasPrefix(kind, "udp") {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return -1, nil, err
		}
		if ap.Addr().Is4() {
			family, sa = unix.AF_INET, &unix.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().As4()}
		} else {
			family, sa = unix.AF_INET6, &unix.SockaddrInet6{Port: int(ap.Port()), Addr: ap.Addr().As16()}
		}
	}
	fd, err := unix.Socket(family, typ|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, nil, fmt.Errorf("socket: %w", err)
	}
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Sec: 1})
	return fd, sa, nil
}
