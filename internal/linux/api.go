package linux

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"github.com/bailey-run/bailey/internal/plan"
)

// Command is one program to run in a box.
type Command struct {
	Path   string   // an absolute path, or a name that is looked up in PATH of Env, inside
	Args   []string // with the program's own name first
	Env    []string // the whole environment, NAME=VALUE
	Dir    string   // inside; empty for the plan's
	Stdin  *os.File // nil for /dev/null; so are the other two
	Stdout *os.File
	Stderr *os.File

	// TTY says which of the three are replaced by a new terminal of the box,
	// Rows high and Cols wide.
	TTY        [3]bool
	Rows, Cols uint16
}

// Options are what the caller of Open wants to hear of.
type Options struct {
	// Denied is called for every refused name, from another goroutine; nil
	// drops them. It must not block.
	Denied func(Denial)

	// Failed is called when a part of the supervisor that the walls need failed
	// after the start; the box has been ended then.
	Failed func(error)

	// Limit is called when a limit has ended the box, from another goroutine.
	Limit func(name string, limit, used int64)

	// Network is what is made inside the network namespace for a gate; nil leaves
	// loopback alone there. Tier landlock has no such namespace.
	Network *Network

	// Proxy is what commands of tier landlock may connect to; nil is nothing.
	Proxy *Proxy

	// Requests is the address that commands of tier landlock connect to when they ask
	// for more; empty is none. It need not exist. In tier full the plan has the socket.
	Requests string

	// Execs is what is done with the programs that are executed inside; nil, and a
	// plan whose Syscalls.Exec is not set, leave them alone.
	Execs *Supervision

	// Begun is a box whose first steps were taken while the plan was being made.
	// Open takes it over; nil begins anew.
	Begun *Begun

	fault      fault
	noNFTables bool // tests: the rules are refused
}

// Network describes the inside of a network namespace whose only way out is a
// gate: sockets that are made there and handed to the supervisor.
type Network struct {
	Local    []netip.Prefix // addresses that are the box's own, besides 127.0.0.0/8 and ::1
	Redirect []Redirect     // connections that go to the first TCP socket of their family, by nf_tables
	Sockets  []Socket
	Names    string // what /etc/hosts says of the names that Redirect is for

	// Fallback are the sockets instead where the kernel has no nf_tables, or where
	// PerPort says to do without.
	Fallback []Socket
	PerPort  bool
}

// Proxy is the gate's explicit proxy on the host's loopback, for boxes that share
// the host's network.
type Proxy struct {
	Addr netip.AddrPort // 127.0.0.1

	// Local is called with the local address of each connection, before it is made:
	// the proxy serves no others, whoever else may reach its port. undo is called when
	// the connection is not made after all: its port may be somebody else's next.
	Local func(netip.AddrPort) (undo func())
}

// Redirect names TCP connections by their destination.
type Redirect struct {
	To          netip.Prefix
	First, Last uint16 // ports, inclusive
}

// Socket is a socket to be made. A TCP socket listens.
type Socket struct {
	Addr netip.AddrPort
	UDP  bool
}

// Report says which walls a box really has.
type Report struct {
	Tier     string      `json:"tier"`
	Landlock int         `json:"landlock_abi"` // what the kernel has; 0 for none
	Walls    []plan.Wall `json:"walls"`
	// Network is how connections come to the gate: "nf_tables", "listeners" (one for
	// each name and port), "proxy" (tier landlock), or "" without one.
	Network string `json:"network,omitempty"`
}

// Show is a file or directory of the host that a running box gets to see, at its
// own place and read-only.
type Show struct {
	Path string   // without symbolic links, on the host and inside
	File *os.File // what was found there when a person was asked: nothing else is shown
	Dir  bool

	// Masks are paths below Path that stay hidden, with the type bits of what is
	// there: S_IFDIR or S_IFREG.
	Masks []plan.Node
}

// ErrChanged says that a path leads to something else than what a person was shown.
var ErrChanged = errors.New("it is not what was asked about any more")

// ErrClosed is returned for a command started in a box that was closed.
var ErrClosed = errors.New("box is closed")

// SetupError is a step of the set-up that failed. Nothing was run.
type SetupError struct {
	Step  string
	Errno syscall.Errno
}

func (e *SetupError) Error() string {
	if e.Errno == 0 { // a self-check
		return e.Step + ": not as it should be"
	}
	return fmt.Sprintf("%s: %v", e.Step, e.Errno.Error())
}

// Unwrap makes errors.Is work with the errno.
func (e *SetupError) Unwrap() error { return e.Errno }

// ExecError is a command that could not be executed once all walls stood.
type ExecError struct {
	Path  string
	Errno syscall.Errno
}

func (e *ExecError) Error() string { return fmt.Sprintf("execute %s: %v", e.Path, e.Errno.Error()) }

// Unwrap makes errors.Is work with the errno.
func (e *ExecError) Unwrap() error { return e.Errno }
