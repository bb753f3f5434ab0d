// Package seccomp holds the syscall rules of a box as data and compiles them to
// a classic BPF program. It is pure: installing the program is package linux's.
package seccomp

// Profile selects a filter. The zero value is the strictest one that lets
// ordinary programs run.
type Profile struct {
	// Debug lets processes of the box ptrace each other.
	Debug bool `json:"debug,omitempty"`
	// Broker sends the syscalls that make or change names to the name broker
	// (SECCOMP_RET_USER_NOTIF).
	Broker bool `json:"broker,omitempty"`
	// Reads sends every open to the broker too: needed when denied globs must
	// stay unreadable whoever makes them.
	Reads bool `json:"reads,omitempty"`
	// Sockets is for tier landlock, where no network namespace exists: only unix
	// sockets that the box made itself can be used, everything else is refused.
	Sockets bool `json:"sockets,omitempty"`
}
