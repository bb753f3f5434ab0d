//go:build !linux

package linux

import (
	"context"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"

	"github.com/bailey-run/bailey/internal/plan"
)

// Denial is one refused operation; see the Linux side.
type Denial struct {
	PID                       int
	Exe, Op, Path, Rule, Hint string
	Errno                     syscall.Errno
	Lost                      int
}

// Begun is a box that has been begun; there is none here.
type Begun struct{}

// Begin returns an error: this is not Linux.
func Begin(plan.Identity) (*Begun, error) { return nil, unsupported() }

// Abandon does nothing.
func (*Begun) Abandon() {}

// Box is an open sandbox; there is none here.
type Box struct{}

// Process is a running command; there is none here.
type Process struct {
	PID      int
	Terminal *os.File
}

// Open returns an error: this is not Linux.
func Open(*plan.Plan, *Command, Options) (*Box, *Process, error) { return nil, nil, unsupported() }

// Start returns an error: this is not Linux.
func (*Box) Start(*Command) (*Process, error) { return nil, unsupported() }

// Close does nothing.
func (*Box) Close() error { return nil }

// Sockets returns none.
func (*Box) Sockets() (list, fallback []*os.File) { return nil, nil }

// Dial returns an error: this is not Linux.
func (*Box) Dial(context.Context, netip.AddrPort) (net.Conn, error) { return nil, unsupported() }

// Refused returns nothing: this is not Linux.
func (*Box) Refused() []netip.AddrPort { return nil }

// Redirect returns an error: this is not Linux.
func (*Box) Redirect([]netip.Prefix, []Redirect) error { return unsupported() }

// ListenSession returns an error: this is not Linux.
func ListenSession(dir, session string) (*net.UnixListener, error) { return nil, unsupported() }

// RemoveSession does nothing.
func RemoveSession(dir, session string) {}

// DialSession returns an error: this is not Linux.
func DialSession(dir, session string) (*net.UnixConn, error) { return nil, unsupported() }

// Sessions returns an error: this is not Linux.
func Sessions(dir string) ([]string, error) { return nil, unsupported() }

// SamePeer knows nobody.
func SamePeer(*net.UnixConn) bool { return false }

// Listen returns an error: this is not Linux.
func (*Box) Listen(netip.AddrPort) (net.Listener, error) { return nil, unsupported() }

// Owner knows nobody.
func (*Box) Owner(client, dst netip.AddrPort) (pid int, exe string) { return 0, "" }

// OriginalDst returns an error: this is not Linux.
func OriginalDst(net.Conn) (netip.AddrPort, error) { return netip.AddrPort{}, unsupported() }

// Requests hands out nothing.
func (*Box) Requests() *os.File { return nil }

// Asker knows nobody.
func (*Box) Asker(*net.UnixConn) (int, string, bool) { return 0, "", false }

// Show returns an error: there is no box.
func (*Box) Show(Show) error { return unsupported() }

// Hide returns an error: there is no box.
func (*Box) Hide(string) error { return unsupported() }

// Find returns an error: this is not Linux.
func Find(string) (*os.File, string, error) { return nil, "", unsupported() }

// PeerPID knows nobody.
func PeerPID(*net.UnixConn) (int, string) { return 0, "" }

// Report says nothing.
func (*Box) Report() Report { return Report{} }

// Wait returns an error: this is not Linux.
func (*Process) Wait() (*os.ProcessState, error) { return nil, unsupported() }

// Signal returns an error: this is not Linux.
func (*Process) Signal(os.Signal) error { return unsupported() }

func unsupported() error {
	return &UnsupportedError{Feature: "boxes", Need: "Linux", Have: runtime.GOOS}
}
