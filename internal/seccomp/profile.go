// Package seccomp holds the syscall rules of a box as data and compiles them to
// a classic BPF program. It is pure: installing the program is package linux's.
package seccomp

// Profile selects a filter. The zero value is the strictest one that lets
// ordinary programs run.
type Profile struct {
	// Debug lets processes of the box ptrace each other and read each other's
	// memory.
	Debug bool `json:"debug,omitempty"`

	// Broker sends the syscalls that make or change names to the name broker
	// (SECCOMP_RET_USER_NOTIF):
	//
	//	open, openat   unless O_PATH, with write access, O_CREAT or O_TRUNC
	//	creat, truncate, umask
	//	mkdir, mkdirat, mknod, mknodat
	//	link, linkat, symlink, symlinkat
	//	rename, renameat, renameat2
	//	unlink, unlinkat, rmdir
	//	chmod, fchmod, fchmodat, fchmodat2   when the mode has an execute or set-id bit
	//	setxattr, lsetxattr, fsetxattr, setxattrat
	//
	// The last two rows are there because a hook that lies unused becomes code by
	// one bit, and an ACL is an attribute that sets that bit. openat2 hides its
	// flags in memory, so it gets ENOSYS and libraries fall back to openat. So does
	// Landlock: the broker acts outside a program's own domain, which would then
	// hold less than the program believes.
	Broker bool `json:"broker,omitempty"`

	// Reads sends every open and openat but those with O_PATH to the broker:
	// needed when denied globs must stay unreadable whoever makes them.
	Reads bool `json:"reads,omitempty"`

	// Interfaces allows route netlink sockets, with which programs list network
	// interfaces: Go's net.Interfaces and Node's os.networkInterfaces (dev servers
	// print their addresses with it) fail without. They reach the box's own
	// network namespace and change nothing without capabilities; what they open is
	// more of the kernel's code. With Sockets it has no effect.
	Interfaces bool `json:"interfaces,omitempty"`

	// Sockets is for tier landlock, where the box shares the host's network and
	// IPC namespaces. Only unix stream and seqpacket sockets can be made; connect
	// goes to the broker, which sees the address. Unix datagram sockets are
	// refused, pairs of them too, because each sendmsg may name another peer in
	// memory that a filter cannot read. Internet sockets are refused when they are
	// made: Landlock rules on TCP leave a listen without bind open. System V IPC
	// and message queues get ENOSYS, and limits of other processes cannot be set.
	Sockets bool `json:"sockets,omitempty"`

	// Proxy lets a box under Sockets make TCP sockets too. What can be done with
	// them is the broker's to say: connect goes there as before, and listen does as
	// well, because Landlock leaves a listen without bind open. UDP, multipath TCP
	// and fast open, which sends without a connect, stay refused.
	Proxy bool `json:"proxy,omitempty"`

	// Metadata is for tier landlock too: Landlock does not cover chmod, chown,
	// utimes and extended attributes, so all of them, by path and by descriptor,
	// go to the broker:
	//
	//	chmod, fchmod, fchmodat, fchmodat2
	//	chown, lchown, fchown, fchownat
	//	utime, utimes, futimesat, utimensat
	//	setxattr, lsetxattr, fsetxattr, setxattrat
	//	removexattr, lremovexattr, fremovexattr, removexattrat
	Metadata bool `json:"metadata,omitempty"`

	// Exec sends execve and execveat to the supervisor, which records them and holds
	// them against the rules. A guardrail: the supervisor looks, and then lets the
	// kernel go on, which reads the arguments again.
	Exec bool `json:"exec,omitempty"`
}

// Notifies says whether somebody must listen to the filter. What Reads, Sockets and
// Metadata hand over needs a Broker.
func (p Profile) Notifies() bool { return p.Broker || p.Exec }
