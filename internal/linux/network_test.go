//go:build linux

package linux

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// testNetwork is a gate's inside, by hand.
func testNetwork(redirect bool) *Network {
	gate4, gate6 := netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("fd62:6169:6c65::1")
	n := &Network{Local: []netip.Prefix{netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("fd62:6169:6c65::/64")}}
	if redirect {
		n.Redirect = []Redirect{
			{netip.MustParsePrefix("198.18.0.0/15"), 443, 443},
			{netip.MustParsePrefix("198.18.0.0/15"), 5000, 6000},
			{netip.MustParsePrefix("127.0.0.1/32"), 7777, 7777},
			{netip.MustParsePrefix("fd62:6169:6c65::/64"), 443, 443},
		}
	}
	n.Sockets = []Socket{
		{netip.AddrPortFrom(gate4, 1), false}, {netip.AddrPortFrom(gate6, 1), false},
		{netip.AddrPortFrom(gate4, 53), true}, {netip.AddrPortFrom(gate4, 53), false},
	}
	n.Fallback = []Socket{{netip.MustParseAddrPort("0.0.0.0:443"), false}}
	return n
}

// script runs a shell script in a box with a network, and a stub that greets
// each connection with its destination.
func script(t *testing.T, n *Network, without bool, text string) string {
	t.Helper()
	p := testPlan(t)
	f, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, proc, err := Open(p, &Command{Path: "/bin/bash", Args: []string{"bash", "-c", text}, Env: []string{"PATH=/usr/bin:/bin"}, Stdout: f, Stderr: f}, Options{Network: n, noNFTables: without})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	greet(t, b)
	if _, err := proc.Wait(); err != nil {
		t.Fatal(err)
	}
	f.Seek(0, 0)
	out, _ := io.ReadAll(f)
	return string(out)
}

// greet is a stub of a gate.
func greet(t *testing.T, b *Box) {
	t.Helper()
	list, fallback := b.Sockets()
	for i, f := range append(list, fallback...) {
		if f == nil {
			t.Fatalf("socket %d is not there", i)
		}
		l, err := net.FileListener(f)
		f.Close()
		if err != nil {
			continue // the UDP socket
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				to, err := OriginalDst(c)
				fmt.Fprintf(c, "to %v %v\n", to, err)
				c.Close()
			}
		}()
	}
}

const knock = `knock() { (exec 3<>/dev/tcp/$1/$2 && head -n1 <&3) 2>&1 | sed 's/.*: //' | tail -n1; }
`

func TestNetwork(t *testing.T) {
	got := script(t, testNetwork(true), false, knock+`knock 198.18.0.9 443
knock 198.19.255.9 5432
knock 198.18.0.9 80
knock 127.0.0.1 7777
knock 127.0.0.1 443
knock fd62:6169:6c65::99 443
knock fd62:6169:6c65::99 80
knock 192.0.2.1 443
knock 2001:db8::1 443
`)
	want := `to 198.18.0.9:443 <nil>
to 198.19.255.9:5432 <nil>
Connection refused
to 127.0.0.1:7777 <nil>
Connection refused
to [fd62:6169:6c65::99]:443 <nil>
Connection refused
Network is unreachable
Network is unreachable
`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestNetworkWithoutNFTables makes the rules fail.
func TestNetworkWithoutNFTables(t *testing.T) {
	got := script(t, testNetwork(true), true, knock+"knock 198.18.0.9 443\nknock 198.18.0.9 80\n")
	if !strings.HasPrefix(got, "to 198.18.0.9:443") || !strings.Contains(got, "refused") {
		t.Errorf("got %s", got)
	}
}

func BenchmarkNetwork(b *testing.B) {
	p := testPlan(b)
	for _, n := range []*Network{nil, testNetwork(true)} {
		b.Run(fmt.Sprint(n != nil), func(b *testing.B) {
			for b.Loop() {
				box, proc, err := Open(p, &Command{Path: "/bin/true", Args: []string{"true"}}, Options{Network: n})
				if err != nil {
					b.Fatal(err)
				}
				proc.Wait()
				box.Close()
			}
		})
	}
}

// TestDial reaches a server on the box's loopback from outside, and not the
// host's.
func TestDial(t *testing.T) {
	host, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	hostPort := host.Addr().(*net.TCPAddr).AddrPort()
	if _, err := os.Stat("/usr/bin/perl"); err != nil {
		t.Skip("no perl")
	}
	p := testPlan(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	const server = `use IO::Socket::INET; my $l = IO::Socket::INET->new(Listen=>5, LocalAddr=>'127.0.0.1', LocalPort=>8123) or die; $|=1; print "up\n"; while (my $c = $l->accept) { print $c "hello\n"; close $c }`
	b, _, err := Open(p, &Command{Path: "/usr/bin/perl", Args: []string{"perl", "-e", server}, Env: []string{"PATH=/usr/bin:/bin"}, Stdout: w}, Options{Network: testNetwork(true)})
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	defer b.Close()
	if _, err := r.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c, err := b.Dial(t.Context(), netip.MustParseAddrPort("127.0.0.1:8123"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(c); string(got) != "hello\n" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		c.Close()
	}
	for _, to := range []netip.AddrPort{hostPort, netip.MustParseAddrPort("[::1]:8123")} {
		if c, err := b.Dial(t.Context(), to); err == nil {
			t.Errorf("%v: connected to %v", to, c.RemoteAddr())
		}
	}
	b.Close()
	if _, err := b.Dial(t.Context(), hostPort); err != ErrClosed {
		t.Errorf("after Close: %v", err)
	}
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("a child stays: pid %d, %v", pid, err)
	}
}

// TestRedirectAgain replaces the rules while the box runs.
func TestRedirectAgain(t *testing.T) {
	b, ask := knocking(t, testNetwork(true))
	ask("198.18.0.9 443", "to 198.18.0.9:443 <nil>")
	ask("198.18.0.9 8443", "Connection refused")
	if err := b.Redirect([]netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}, []Redirect{{netip.MustParsePrefix("198.18.0.0/15"), 8443, 8443}, {netip.MustParsePrefix("203.0.113.7/32"), 1, 65535}}); err != nil {
		t.Fatal(err)
	}
	ask("198.18.0.9 443", "Connection refused")
	ask("198.18.0.9 8443", "to 198.18.0.9:8443 <nil>")
	ask("203.0.113.7 22", "to 203.0.113.7:22 <nil>")
	ask("203.0.113.8 22", "Connection refused")
}

// FuzzSocketAddress reads addresses as a program inside may pass them to connect.
func FuzzSocketAddress(f *testing.F) {
	f.Add([]byte{2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{10, 0, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1, 0, 0, 0, 0})
	f.Add([]byte{1, 0, '/', 'x', 0})
	f.Add([]byte{0, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) < 2 {
			return
		}
		to, e := internetAddr(raw)
		if (e == 0) != to.IsValid() {
			t.Errorf("%x: %v, %v", raw, to, e)
		}
		if e == 0 && raw[0] != unix.AF_INET && raw[0] != unix.AF_INET6 {
			t.Errorf("%x is %v", raw, to)
		}
	})
}
