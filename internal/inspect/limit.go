package inspect

import "time"

const (
	// maxHead is the greatest head of a request in bytes, as of common servers,
	// times four. A greater one gets a 431.
	maxHead = 64 << 10
	// maxAnswerHead is the same for what a server answers. A greater one is a 502.
	maxAnswerHead = 256 << 10
	// maxStreams is how many requests one HTTP/2 connection may have open. More
	// are refused, and clients open them again later.
	maxStreams = 100
	// maxUpstream is how many connections outwards one connection of a program
	// may cause, when the server does not speak HTTP/2. More requests wait.
	maxUpstream = 32
	// maxLeaves is how many certificates are kept. Beyond it one is made anew
	// for each connection, which takes some 100 us.
	maxLeaves = 512
	// helloTime is how long a program has for its TLS handshake, and headTime for
	// the head of a request; then the connection is closed.
	helloTime = 10 * time.Second
	headTime  = 30 * time.Second
	// keepTime is how long a connection without a request is kept, above the
	// one minute that most pools keep theirs.
	keepTime = 3 * time.Minute
	// continueTime is how long a server may think about Expect: 100-continue
	// before the body is sent all the same (RFC 9110, 10.1.1).
	continueTime = 5 * time.Second
	// maxRequests is how many requests one session has under way at once, over all its
	// connections: it times the windows below is what readers and servers that stand
	// still can make the gate hold. More are broken off.
	maxRequests = 512
	// window is how much of one HTTP/2 stream is held, in each direction, while its
	// reader is slow: enough for 10 MB/s over 50 ms.
	window = 512 << 10
	// copyBuffer is how much of a body is in memory at once, in bytes and for each
	// direction.
	copyBuffer = 32 << 10
	// maxShown is how much of a path is told in events and answers, in bytes.
	maxShown = 512
	// maxInflate is how much a compressed request body may unpack to in all, in
	// bytes, so that looking into it stays cheap. More is refused.
	maxInflate = 64 << 20
	// maxPacked is the longest compressed request body that is looked into, in
	// bytes: it is held back in memory until it was unpacked, because a secret in
	// it can be told only then. A longer one is refused.
	maxPacked = 1 << 20
	// maxAllPacked is the same for all requests of a session together, and packedTime
	// how long the program has to send one.
	maxAllPacked = 64 << 20
	packedTime   = 30 * time.Second
)
