package attempt

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/bailey-run/bailey/internal/expect"
)

// maxResolve and maxConnect bound what waiting for somebody else may take. What
// takes longer shows nothing.
const (
	maxResolve = 5 * time.Second
	maxConnect = 3 * time.Second
)

// maxClose is what a gate gets to close a connection that it accepted only to
// refuse it. It decides at once; the rest is for a busy machine.
const maxClose = 500 * time.Millisecond

// connect makes a TCP connection, and closes it at once.
func connect(target string) Answer {
	host, port, why := expect.HostPort(target)
	if why != "" {
		return Answer{Skip: why}
	}
	addresses, a := resolve(host)
	for _, addr := range addresses {
		if a = dial(addr, port); a.Done {
			return a
		}
	}
	return a
}

// resolve finds the addresses of a name as the box's programs do. Its resolver
// is the C library's: getent is a part of it.
func resolve(host string) ([][]byte, Answer) {
	if addr := address(host); addr != nil {
		return [][]byte{addr}, Answer{}
	}
	if strings.HasPrefix(host, "-") {
		return nil, Answer{Skip: "it is no name"}
	}
	ctx, cancel := context.WithTimeout(context.Background(), maxResolve)
	defer cancel()
	out, err := exec.CommandContext(ctx, "getent", "ahosts", host).Output()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, Answer{Step: "resolve", Skip: "the name was not resolved in time"}
	case errors.As(err, &exit):
		// getent(1): 2 is a name that was not found, whoever did not find it.
		return nil, Answer{Step: "resolve", Errno: int(syscall.EHOSTUNREACH)}
	case err != nil:
		return nil, Answer{Step: "resolve", Skip: "names are resolved with getent, and the box has none"}
	}
	var list [][]byte
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		if len(words) < 2 || words[1] != "STREAM" {
			continue
		}
		if addr := address(words[0]); addr != nil {
			list = append(list, addr)
		}
	}
	if list == nil {
		return nil, Answer{Step: "resolve", Skip: "the name has no address"}
	}
	return list, Answer{}
}

// dial connects to one address.
func dial(addr []byte, port int) Answer {
	family, to := syscall.AF_INET, syscall.Sockaddr(nil)
	if len(addr) == 4 {
		to = &syscall.SockaddrInet4{Port: port, Addr: [4]byte(addr)}
	} else {
		family, to = syscall.AF_INET6, &syscall.SockaddrInet6{Port: port, Addr: [16]byte(addr)}
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM, 0)
	if err != nil {
		return failed("socket", err)
	}
	defer syscall.Close(fd)
	// The kernel gives up on a connection when its send timeout is over (socket(7)).
	limit := syscall.NsecToTimeval(int64(maxConnect))
	if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &limit); err != nil {
		return failed("socket", err)
	}
	switch err := syscall.Connect(fd, to); err {
	case nil:
		return stays(fd)
	case syscall.EINPROGRESS, syscall.EAGAIN, syscall.ETIMEDOUT:
		return Answer{Step: "connect", Skip: "nobody answered in time"}
	default:
		return failed("connect", err)
	}
}

// stays says whether a connection that was accepted is one: not when it is closed
// again before a word was said.
func stays(fd int) Answer {
	limit := syscall.NsecToTimeval(int64(maxClose))
	if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &limit); err != nil {
		return failed("socket", err)
	}
	n, _, err := syscall.Recvfrom(fd, make([]byte, 1), syscall.MSG_PEEK)
	switch {
	case n > 0, err == syscall.EAGAIN, err == syscall.EINTR:
		return Answer{Done: true, Step: "connect"}
	case err != nil:
		return failed("connect", err)
	}
	return failed("connect", syscall.ECONNRESET)
}
