package gate

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/bailey-run/bailey/internal/plan"
)

// nowhere is a resolver for which no name exists.
type nowhere struct{}

func (nowhere) LookupNetIP(_ context.Context, _, name string) ([]netip.Addr, error) {
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// An allowed host that cannot be reached is no denial, and is told with the reason.
func TestUnreached(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).AddrPort().Port()
	l.Close() // nobody answers there
	told := make(chan string, 8)
	b := newBox(t, &plan.Network{
		Allow: allowing([]uint16{port}, "tcp", "gone.test", "shut.test"),
		Hosts: pinned("shut.test"),
	}, Options{Resolver: nowhere{}, Failed: func(target, why string) { told <- target + ": " + why }})
	for host, why := range map[string]string{"gone.test": "no such host", "shut.test": "connection refused"} {
		at := fmt.Sprintf("%s:%d", host, port)
		c, err := b.dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		io.ReadAll(c)
		c.Close()
		if got := <-told; !strings.HasPrefix(got, at+": ") || !strings.HasSuffix(got, ": "+why) {
			t.Errorf("%s", got)
		}
	}
}
