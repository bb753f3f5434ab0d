package linux

import (
	"context"
	"syscall"
)

// Supervision is what is done with the programs that are executed inside, of a
// plan whose Syscalls.Exec is set. Its functions are called from several
// goroutines.
type Supervision struct {
	// Concerns says whether a rule may be about a program of this name, without its
	// directory. It must be quick: everything that makes a name inside waits for it.
	// Nil is no to all.
	Concerns func(name string) bool

	// Judge is asked about a program that Concerns names, and may take minutes: its
	// caller waits, and nobody else. An errno other than 0 is the caller's result. ctx
	// is done when the caller is gone.
	Judge func(ctx context.Context, e *Exec) syscall.Errno

	// Started is told of each program that the kernel was let go on with, one at a
	// time and some milliseconds later. Nil records nothing.
	Started func(*Exec)

	// Missed is told how many programs came faster than Started returned, and were
	// not told.
	Missed func(n int)

	// Ended is told when a process that Started was told of has ended, as far as
	// there are not too many at once.
	Ended func(*ExecEnd)
}

// Exec is one program that a process inside asks the kernel to execute. Its texts
// are the caller's, of bytes of any kind.
type Exec struct {
	PID    int // of the process, as this process sees it
	Inside int // of the process, as it sees itself
	Parent int // of its parent, as this process sees it; 0 for one outside the box

	Path    string   // as it was asked for; what a descriptor stands for, when it was by descriptor
	Real    string   // where that leads, when it could be found out
	Scripts []Script // the #! lines that lead to what runs it, its own first; nil for none
	Args    []string // the arguments, with the program's own name first
	More    int      // arguments that are not in Args, or not whole
	Dir     string   // the working directory, inside; "" when it is not known
	By      string   // the program that asks, inside
}

// Script is the #! line of a file. Its interpreter may be a script too.
type Script struct {
	Words []string // the interpreter and its argument, as they are written
	Real  string   // where the interpreter's name leads, when rules ask and it could be found out
}

// ExecEnd is the end of a process.
type ExecEnd struct {
	PID, Inside int
	// Known says that the kernel told how it ended, which it does from Linux 6.15 on.
	Known  bool
	Status syscall.WaitStatus
}
