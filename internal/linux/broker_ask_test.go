//go:build linux

package linux

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAskerIsTheBroker: who finds the socket without being the broker is nobody, and
// takes no turn of a program that the broker has connected.
func TestAskerIsTheBroker(t *testing.T) {
	a, fd, err := newAsking("/run/x")
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	f := os.NewFile(uintptr(fd), "requests")
	l, err := net.FileListener(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b := &Box{asking: a}
	accept := func() (int, string, bool) {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return b.Asker(c.(*net.UnixConn))
	}
	sock, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(sock)
	way := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), a.socket.Fd())
	other := exec.Command("perl", "-MIO::Socket::UNIX", "-e", `IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "connect: $!"`, way)
	if out, err := other.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if e := a.connect(sock, os.Getpid()); e != 0 {
		t.Fatal(e)
	}
	if pid, exe, ok := accept(); ok {
		t.Errorf("another program: %d %q", pid, exe)
	}
	if pid, exe, ok := accept(); !ok || pid != os.Getpid() || exe == "" {
		t.Errorf("a program of the box: %d %q, %v", pid, exe, ok)
	}
	if e := a.connect(sock, 1); e != unix.EISCONN || len(a.who) != 0 {
		t.Errorf("connected again: %v, %v", e, a.who)
	}
}
