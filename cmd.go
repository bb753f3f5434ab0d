package bailey

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// ErrWaitDelay is returned by [Cmd.Wait] when the command succeeded but its
// output was not closed before WaitDelay expired. It is that of package os/exec.
var ErrWaitDelay = exec.ErrWaitDelay

// ExitError is an unsuccessful exit of a command. It is that of package os/exec.
type ExitError = exec.ExitError

// Cmd is a command of a box, being prepared or run. It has the shape and the
// semantics of [exec.Cmd]; what differs is said at each field. A Cmd cannot be
// used again after Start.
type Cmd struct {
	// Path is the program: absolute, or with a slash relative to Dir, or a bare
	// name. Bare names are looked up in PATH of the box, inside the box, when
	// the command starts.
	Path string
	// Args holds the command line, the program's name first.
	Args []string
	// Env is the whole environment, NAME=VALUE; nil means the box's own
	// ([Box.Environ]), never that of this process. A variable of this process
	// that the policy keeps out of the box is refused with a *DeniedError,
	// so that append(os.Environ(), …) cannot leak by habit.
	Env []string
	// Dir is the working directory, as seen inside; relative to, and by
	// default, the one the box was opened for.
	Dir string

	// Stdin, Stdout and Stderr are as in exec.Cmd, with one difference: an
	// *os.File is handed over as it is only when it is an anonymous pipe or
	// the null device. A descriptor carries more rights than its bytes (a file's
	// mode, a terminal's input queue, a directory's parents), so everything else
	// is copied through a pipe. The output limits of the policy count all bytes
	// of Stdout and Stderr.
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer

	// TTY, when not nil, gives the command a new terminal of the box.
	TTY *TTY

	// Cancel and WaitDelay are as in exec.Cmd. Cancel kills the command unless
	// it is replaced; the rest of the box lives on until [Box.Close].
	Cancel    func() error
	WaitDelay time.Duration

	Process      *Process         // once started
	ProcessState *os.ProcessState // once waited for
	Err          error            // why the command cannot start, if that is known already

	ctx     context.Context
	config  *Config // of a command that makes a plan of its own
	plan    *Plan   // of a command that opens a box of its own
	box     *Box
	owned   bool // the box is this command's own, and ends with it
	started atomic.Bool
	waited  bool
	begin   time.Time
	io      plumbing
	limit   atomic.Pointer[LimitError]
	ctxDone chan error    // receives once what the context's end led to
	exited  chan struct{} // closed when the process has ended
	timer   *time.Timer   // the wall time limit
}

// TTY asks for a new terminal of the box: for which streams, and its size. What
// is written to it arrives at the command's Stdout, or at its Stderr when only
// that is a terminal.
type TTY struct {
	Stdin, Stdout, Stderr bool
	Rows, Cols            uint16
	// Keys is what is typed into the terminal. Nil is the command's Stdin, when
	// that is a terminal, and nothing otherwise. Wait does not wait for its end.
	Keys io.Reader
	// Passive keeps the terminal from repeating what is typed into it and from
	// turning line ends into carriage return and line feed: for when another
	// terminal outside does so.
	Passive bool
}

// Process is the started process of a [Cmd].
type Process struct {
	Pid int // as this process sees it
	p   process
}

// Signal sends a signal to the process.
func (p *Process) Signal(s os.Signal) error { return p.p.Signal(s) }

// Kill ends the process. Other processes of the box live on.
func (p *Process) Kill() error { return p.p.Signal(os.Kill) }

// SignalGroup sends a signal to the process and all of its process group, as a
// terminal does.
func (p *Process) SignalGroup(s os.Signal) error { return p.p.signalGroup(s) }

// Command prepares a command in the box. When ctx is done, the command is killed.
func (b *Box) Command(ctx context.Context, name string, arg ...string) *Cmd {
	c := newCmd(ctx, name, arg)
	c.box = b
	return c
}

// Command prepares a command with a box of its own: the box opens when the
// command starts, in one step with it, and is closed when it ends. That is
// faster than Open and Box.Command, and nothing the command leaves running
// survives it.
func (p *Plan) Command(ctx context.Context, name string, arg ...string) *Cmd {
	c := newCmd(ctx, name, arg)
	c.plan, c.owned = p, true
	return c
}

// Command prepares a command with a box of its own made from cfg. The plan is made
// when the command starts, while the first part of the box is being built, so this
// is the fastest way from a Config to a running command.
func Command(ctx context.Context, cfg Config, name string, arg ...string) *Cmd {
	c := newCmd(ctx, name, arg)
	c.config, c.owned = &cfg, true
	return c
}

func newCmd(ctx context.Context, name string, arg []string) *Cmd {
	if ctx == nil {
		panic("bailey: nil Context")
	}
	c := &Cmd{Path: name, Args: append([]string{name}, arg...), ctx: ctx}
	c.Cancel = func() error { return c.Process.Kill() }
	return c
}

// String prints the command for people.
func (c *Cmd) String() string { return strings.Join(c.Args, " ") }

// Environ returns the environment the command will have.
func (c *Cmd) Environ() []string {
	switch {
	case c.Env != nil:
		return commandEnv(c.Env, c.Dir)
	case c.box != nil:
		return c.box.Environ()
	case c.plan != nil:
		return c.plan.Environ()
	}
	return nil
}

// source is the plan of the command's box.
func (c *Cmd) source() *Plan {
	if c.box != nil {
		return c.box.plan
	}
	return c.plan
}

// Run starts the command and waits for it.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output runs the command and returns its standard output. When Stderr is nil,
// the beginning of the standard error is in ExitError.Stderr.
func (c *Cmd) Output() ([]byte, error) {
	if c.Stdout != nil {
		return nil, errors.New("bailey: Stdout already set")
	}
	var stdout bytes.Buffer
	c.Stdout = &stdout
	var stderr *prefix
	if c.Stderr == nil {
		stderr = &prefix{}
		c.Stderr = stderr
	}
	err := c.Run()
	var exit *ExitError
	if stderr != nil && errors.As(err, &exit) {
		exit.Stderr = stderr.text()
	}
	return stdout.Bytes(), err
}

// CombinedOutput runs the command and returns its standard output and standard
// error together.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	if c.Stdout != nil {
		return nil, errors.New("bailey: Stdout already set")
	}
	if c.Stderr != nil {
		return nil, errors.New("bailey: Stderr already set")
	}
	var b bytes.Buffer
	c.Stdout, c.Stderr = &b, &b
	err := c.Run()
	return b.Bytes(), err
}

// maxPrefix is how much of the standard error an ExitError keeps, as much as
// package os/exec does at most.
const maxPrefix = 64 << 10

// prefix keeps the first bytes written to it.
type prefix struct {
	b       []byte
	skipped int
}

func (p *prefix) Write(b []byte) (int, error) {
	n := min(len(b), maxPrefix-len(p.b))
	p.b = append(p.b, b[:n]...)
	p.skipped += len(b) - n
	return len(b), nil
}

func (p *prefix) text() []byte {
	if p.skipped == 0 {
		return p.b
	}
	return append(p.b, "\n... omitting "+strconv.Itoa(p.skipped)+" bytes ..."...)
}
