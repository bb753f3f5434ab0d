package gate

import "time"

// Limits bound what code inside a box can make the supervisor hold. Each says
// what happens beyond it. Zero fields stand for the constants below.
type Limits struct {
	Conns     int           // connections at once; beyond, a new one is reset at once
	Handshake time.Duration // from accept to a complete head; beyond, reset
	Idle      time.Duration // without a byte in either direction; beyond, closed
	Dial      time.Duration // for resolving and dialling together; beyond, reset
	Names     int           // names bound through patterns in a session; beyond, new ones are not answered
	Asks      int           // connections held for an answer; beyond, denied at once
	AskTime   time.Duration // that one is held; beyond, denied
	DNS       int           // DNS messages worked on at once; beyond, they wait in the kernel's queue, which drops
}

// The defaults.
const (
	// maxConns is far above what a browser, a package manager and a build open
	// together; each holds two descriptors, and at most some 20 kB. It is less where
	// the process may open few files (connsFor).
	maxConns = 2048
	// handshakeTime is generous for a loaded machine: client and gate share it.
	handshakeTime = 10 * time.Second
	// idleTime is longer than the keep-alives of databases, ssh and long polls.
	idleTime = 2 * time.Hour
	// dialTime is below what programs wait themselves before they give up.
	dialTime = 30 * time.Second
	// maxNames times about 400 bytes is 6 MB. Names written in the policy do not count.
	maxNames = 16384
	// maxAsks is what a person can still read.
	maxAsks = 16
	// askTime leaves a person time, and a program hope.
	askTime = 2 * time.Minute
	// maxDNS bounds goroutines; a message is answered from memory in microseconds.
	maxDNS = 4
)

func (l Limits) filled() Limits {
	def(&l.Conns, connsFor(maxConns))
	def(&l.Handshake, handshakeTime)
	def(&l.Idle, idleTime)
	def(&l.Dial, dialTime)
	def(&l.Names, maxNames)
	def(&l.Asks, maxAsks)
	def(&l.AskTime, askTime)
	def(&l.DNS, maxDNS)
	return l
}

func def[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}
