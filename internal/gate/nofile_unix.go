//go:build unix

package gate

import "syscall"

const (
	// connFiles is what a connection may hold: its two ends, and its part of the pipes
	// of splices.
	connFiles = 3
	// otherFiles are left for the rest of the supervisor: the name broker fails
	// without descriptors, and with it the box.
	otherFiles = 256
	minConns   = 16
)

// connsFor lowers a number of connections to what the process may open.
func connsFor(n int) int {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil || uint64(l.Cur) >= uint64(connFiles*n+otherFiles) {
		return n
	}
	return max(minConns, (int(l.Cur)-otherFiles)/connFiles)
}
