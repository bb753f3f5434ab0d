package gate

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

// Options are what the gate needs of its surroundings. The zero value is a gate
// that tells nobody, asks nobody and inspects nothing: rules that need
// inspection deny.
type Options struct {
	Flow   func(Flow)   // called at start and end of every flow, from many goroutines; nil: nobody is told
	Denied func(Denial) // called for everything refused, from many goroutines; nil: nobody is told
	// Failed is called for a connection that was allowed and could not be made, from many
	// goroutines; nil: nobody is told. The program sees no more than a reset.
	Failed func(target, why string)
	Ask    Asker // asked about unknown names when the policy says so; nil: DenyAll

	// Bound is called for each name that gets addresses inside, before they are
	// answered; nil: nobody needs to know. It is for boxes without redirection.
	Bound func(name string, v4, v6 netip.Addr)

	// Owner finds the process inside that holds the client end of a connection:
	// its address in the box and the address that it connected to. nil, or pid 0:
	// not known.
	Owner func(client, dst netip.AddrPort) (pid int, exe string)

	Inspect  Inspector // nil: connections that need inspection are denied
	Environ  []string  // the host's environment, for the upstream proxy's credentials alone
	Resolver Resolver  // nil: Network.Resolver, or else the host's own
	Limits   Limits    // zero fields: the defaults
}

// Resolver resolves names on the host; *net.Resolver is one. The network is "ip".
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Listeners are the sockets that were made inside a box and handed out. All may
// be empty.
type Listeners struct {
	TCP    []Listener       // transparent: the redirect listener, or one listener for each port
	Proxy  []net.Listener   // HTTP CONNECT and SOCKS5, told apart by their first byte
	DNS    []net.PacketConn // the name server, on Nameserver and Nameserver6, port 53
	DNSTCP []net.Listener   // the name server over TCP
	// UDP are sockets that are bound, each, to an address of UDPSockets. The
	// datagrams of others are refused by the box's kernel.
	UDP []net.PacketConn
}

// Listener accepts connections whose destination may be any.
type Listener struct {
	net.Listener
	// OriginalDst says what the client connected to. nil: the connection's local
	// address is that.
	OriginalDst func(net.Conn) (netip.AddrPort, error)
}

// Inspector serves connections of hosts whose rules look inside HTTP.
type Inspector interface {
	// Serve serves one connection until its end. The first bytes of client are
	// those that the program sent; Serve need not close it. When ctx is done, the
	// connection is closed under it.
	Serve(ctx context.Context, client net.Conn, t Target) error
}

// Target is where an inspected connection may go. The gate has decided host and
// port already; for TLS the ClientHello's server name, and for plain HTTP the
// first Host, equals Host. What comes later on the connection is the
// inspector's to check.
type Target struct {
	Flow  uint64 // the flow's number, for events
	Host  string // canonical name, or address
	Port  uint16
	TLS   bool           // the first bytes are a ClientHello
	Allow []plan.NetRule // the allow rules for this host and port, in the policy's order
	Deny  []plan.NetRule // deny rules for this host and port that look at method or path; they win
	// Granted says that a person allowed host and port when asked: Allow may be
	// empty then, and everything that Deny does not refuse is allowed.
	Granted bool
	Secrets []plan.NetSecret // every secret of the session: those for this host, and those that must not go there

	// Dial connects to a checked address of Host and Port. It may be called
	// several times; bytes are counted and budgets are held for every connection.
	// The caller closes them; the gate does when the flow ends.
	Dial func(ctx context.Context) (net.Conn, error)
	// Denied tells of a request that was refused, as Options.Denied with the
	// flow's process filled in.
	Denied func(Denial)
}

// Verdict is what was decided.
type Verdict string

// The verdicts.
const (
	Allow Verdict = "allow"
	Ask   Verdict = "ask"
	Deny  Verdict = "deny"
)

// Flow is one connection through the gate, told at its start (Ended false) and at
// its end. A refused connection is told once, with both.
type Flow struct {
	ID       uint64
	Ended    bool
	Network  string         // "tcp" or "udp"
	Via      string         // "direct", "connect" or "socks5": how the program came to the gate
	Protocol string         // "tls", "http", "tcp" or "udp", as identified; empty when it was not
	Host     string         // canonical name or address; empty when it was never known
	Port     uint16         //
	Addr     netip.AddrPort // the address dialled; invalid when none was, or a proxy was
	Proxy    string         // the upstream proxy, as host:port
	Verdict  Verdict        // Allow or Deny
	Rule     string         // the rule that decided, as it was written; empty for the default
	From     policy.Source  // where that rule is from
	Reason   string         // why it was refused or how it ended badly
	Up, Down int64          // bytes from and to the box
	Start    time.Time
	Duration time.Duration
	PID      int    // on the host; 0 when not known
	Exe      string // as seen inside; empty when not known
}

// Denial is one thing refused.
type Denial struct {
	Op     string // "resolve", "connect", "request", "secret", "inspect", "transfer"
	Target string // name or host:port
	Rule   string // what refused it
	From   policy.Source
	Hint   string // the one thing to do
	PID    int
	Exe    string
}

// Asker says what becomes of a connection that no rule decides. A gate calls it
// from several goroutines, but never for the same host and port twice at a time.
type Asker interface {
	// Ask returns when there is an answer, or when ctx is done, with a denial.
	Ask(ctx context.Context, q Question) Answer
}

// Question is a host and port that no rule decides.
type Question struct {
	Host string // canonical
	Port uint16
	UDP  bool
	// Owner finds the process that asks, which takes looking at all of them: only
	// for a question that a person will see.
	Owner func() (pid int, exe string)
}

// Target is the host and port as one word.
func (q Question) Target() string {
	t := net.JoinHostPort(q.Host, strconv.Itoa(int(q.Port)))
	if q.UDP {
		t += "/udp"
	}
	return t
}

// Answer is for the connections that wait for it, and kept by whoever answers.
type Answer struct {
	Allow bool
	Rule  string // what to name as the rule; empty: "asked"
}
