package name

import "syscall"

// Op is what a box wants to do to a name.
type Op uint8

// The operations. A rename is asked about twice, once for each name; an
// exchange makes and takes away both names, so both are asked with Exchange.
const (
	Read       Op = iota // open for reading only
	Write                // open for writing without O_CREAT
	Create               // open with O_CREAT, whether or not the name exists
	Truncate             // truncate by path
	Mkdir                // make a directory
	Mknod                // make a fifo, a socket, a device or an empty file
	Symlink              // make a symbolic link
	Link                 // the new name of a hard link
	LinkFrom             // the existing name of a hard link
	RenameFrom           // the name that goes away
	RenameTo             // the name that appears, or is replaced
	Exchange             // either name of a rename with RENAME_EXCHANGE
	Unlink               // remove a file
	Rmdir                // remove an empty directory
	Chmod                // change the mode, the owner, times or attributes
)

var opNames = [...]string{"read", "write", "create", "truncate", "mkdir", "mknod", "symlink", "link",
	"link from", "rename from", "rename to", "exchange", "unlink", "rmdir", "chmod"}

func (o Op) String() string {
	if int(o) < len(opNames) {
		return opNames[o]
	}
	return "unknown"
}

// ops is a set of operations.
type ops uint16

func (s ops) has(o Op) bool { return s>>o&1 != 0 }

// Action is what the caller of Check does with an operation.
type Action uint8

// The actions.
const (
	Allow Action = iota
	Refuse
	// GuardConfig: a rename onto a git configuration file. It may be done only
	// when CheckConfig accepts the content, and only with a fresh copy of what
	// was checked: the caller may still hold a descriptor of the source.
	GuardConfig
	// GuardPointer: a new file whose only right content follows from where it
	// is: a linked worktree's .git file, or its commondir. It may be made only
	// with that content, never with bytes from inside.
	GuardPointer
)

// Verdict is the answer to one Check. Its strings are constants of the Matcher:
// no verdict allocates.
type Verdict struct {
	Act   Action
	Errno syscall.Errno // with Refuse: what the box gets
	Rule  string        // the pattern or the built-in rule that decided; empty with Allow
	Hint  string        // one sentence: what to do instead
}

// rule is the text of one reason to refuse.
type rule struct {
	name, hint string
}

func (r *rule) refuse() Verdict {
	// EACCES and not EPERM: programs take EPERM from link or rename as "this file
	// system cannot", and fall back to another way of making the same name.
	return Verdict{Act: Refuse, Errno: syscall.EACCES, Rule: r.name, Hint: r.hint}
}

func (r *rule) guard(a Action) Verdict {
	return Verdict{Act: a, Errno: syscall.EACCES, Rule: r.name, Hint: r.hint}
}
