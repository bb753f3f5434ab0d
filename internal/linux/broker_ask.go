//go:build linux

package linux

import (
	"bytes"
	"net"
	"os"
	"strconv"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// asking is the socket at which programs of tier landlock ask for more. They share
// the host's tree, so there is no place in it that only this box sees: the address
// that they connect to is a name that the broker knows, and the socket behind it
// has none. The broker connects a copy of the caller's socket; the kernel looks at
// no address from the caller's memory.
type asking struct {
	address string   // what programs connect to
	socket  *os.File // O_PATH: the one way to the socket, which has no name

	mu  sync.Mutex // guards what follows, and is held while a connection is made
	who []int      // the threads whose connections have not been accepted yet, in their order
}

// newAsking makes the socket. listen is for [Box.Requests].
func newAsking(address string) (a *asking, listen int, err error) {
	dir, err := os.MkdirTemp("", "bailey-ask-")
	if err != nil {
		return nil, 0, err
	}
	defer os.RemoveAll(dir)
	d, err := os.Open(dir)
	if err != nil {
		return nil, 0, err
	}
	defer d.Close()
	name := "/proc/self/fd/" + strconv.Itoa(int(d.Fd())) + "/s" // short: an address has room for 107 bytes
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, 0, os.NewSyscallError("socket", err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: name}); err != nil {
		return nil, 0, os.NewSyscallError("bind", err)
	}
	// The broker has the box's ids, and nobody else can reach the directory.
	if err := os.Chmod(name, 0o666); err != nil {
		return nil, 0, err
	}
	if err := unix.Listen(fd, waiting); err != nil {
		return nil, 0, os.NewSyscallError("listen", err)
	}
	at, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, 0, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return &asking{address: address, socket: os.NewFile(uintptr(at), name)}, fd, nil
}

func (a *asking) close() {
	if a != nil {
		a.socket.Close()
	}
}

// names says whether a socket address, as a program passed it, is this one.
func (a *asking) names(raw []byte) bool {
	if a == nil || len(raw) < 3 || uint16(raw[0])|uint16(raw[1])<<8 != unix.AF_UNIX {
		return false
	}
	p, _, _ := bytes.Cut(raw[2:], []byte{0})
	return string(p) == a.address
}

// connect connects a program's socket. It never waits: fewer connections than the
// queue has room for are on their way at a time.
func (a *asking) connect(sock, tid int) unix.Errno {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.who) >= waiting {
		return unix.EAGAIN // what the kernel says of a full queue
	}
	sa := unix.RawSockaddrUnix{Family: unix.AF_UNIX}
	for i, c := range []byte("/proc/self/fd/" + strconv.Itoa(int(a.socket.Fd()))) {
		sa.Path[i] = int8(c)
	}
	e := call(unix.SYS_CONNECT, uintptr(sock), uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa), 0, 0)
	if e == 0 {
		a.who = append(a.who, tid)
	}
	return e
}

// next takes the thread whose connection was accepted last.
func (a *asking) next() (tid int, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.who) == 0 {
		return 0, false
	}
	tid, a.who = a.who[0], a.who[1:]
	return tid, true
}

// ask is connect(2) to the address of cfg.Asking.
func (w *worker) ask(fd int32) (int, unix.Errno) {
	sock, e := w.copySocket(fd)
	if e != 0 {
		return 0, e
	}
	defer closeFD(sock)
	domain, err1 := unix.GetsockoptInt(sock, unix.SOL_SOCKET, unix.SO_DOMAIN)
	kind, err2 := unix.GetsockoptInt(sock, unix.SOL_SOCKET, unix.SO_TYPE)
	if err1 != nil || err2 != nil {
		return 0, unix.ENOTSOCK
	}
	if domain != unix.AF_UNIX || kind != unix.SOCK_STREAM {
		return 0, unix.EPROTOTYPE
	}
	return 0, w.cfg.Asking.connect(sock, int(w.req.pid))
}

// Asker says who made a connection to the socket of [Box.Requests], and whether it
// comes from the box at all. It is called once for each connection, in the order in
// which they are accepted.
func (b *Box) Asker(c *net.UnixConn) (pid int, exe string, ok bool) {
	pid, exe = PeerPID(c)
	if b.asking == nil {
		return pid, exe, true // only the box has the socket in its tree
	}
	if pid != os.Getpid() {
		return 0, "", false // the broker connects, and is a thread of ours
	}
	if pid, ok = b.asking.next(); ok {
		exe, _ = os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	}
	return pid, exe, ok
}
