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

	"github.com/bailey-run/bailey/internal/linux"
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

// Start starts the command. The error is a *[exec.Error] or a *[fs.PathError] as
// from package os/exec when the program cannot be executed, and one of this
// package's otherwise.
func (c *Cmd) Start() error {
	if c.started.Swap(true) {
		return errors.New("bailey: already started")
	}
	err := c.start()
	if err != nil {
		c.io.closeAll()
	}
	return err
}

func (c *Cmd) start() error {
	if c.Err != nil {
		return c.Err
	}
	if c.Path == "" || strings.IndexByte(c.Path, 0) >= 0 {
		return &exec.Error{Name: c.Path, Err: exec.ErrNotFound}
	}
	if err := c.ctx.Err(); err != nil {
		return err
	}
	var ahead ahead
	defer ahead.abandon()
	if c.config != nil {
		var err error
		if c.plan, err = ahead.prepare(*c.config); err != nil {
			return err
		}
	}
	plan := c.source()
	if err := plan.checkEnv(c.Env); err != nil {
		return err
	}
	box, first := c.box, c.box == nil
	if first {
		var err error
		if box, err = plan.newBox(); err != nil {
			return err
		}
	}
	lc := &linux.Command{Path: c.Path, Args: c.Args, Dir: plan.dir(c.Dir), Env: c.Env}
	if lc.Env == nil {
		lc.Env = box.Environ()
	}
	lc.Env = commandEnv(lc.Env, lc.Dir)
	if len(lc.Args) == 0 {
		lc.Args = []string{c.Path}
	}
	if err := c.io.setUp(c, lc, box.meter, plan.walled()); err != nil {
		if first {
			box.abandon()
		}
		return err
	}
	var p process
	var err error
	c.begin = time.Now()
	if first {
		p, err = box.open(lc, ahead.take())
	} else {
		p, err = box.backend.Start(lc)
	}
	if err != nil {
		return c.startError(err)
	}
	c.box = box
	c.Process = &Process{Pid: p.pid(), p: p}
	c.io.started(c, p.terminal())
	c.exited = make(chan struct{})
	c.watch(time.Duration(plan.plan.Limits.Timeout))
	err = c.box.executed(c.Process.Pid, lc)
	if first {
		c.box.denials.begin(c.box.add)
	}
	if err != nil {
		c.Process.Kill()
		c.wait()
		return err
	}
	return nil
}

// commandEnv drops all but the last of each name, as package os/exec does, and
// adds PWD when it is missing.
func commandEnv(env []string, dir string) []string {
	at := make(map[string]int, len(env)+1)
	out := make([]string, 0, len(env)+1)
	for _, kv := range env {
		name, _, ok := strings.Cut(kv, "=")
		if !ok || name == "" {
			continue
		}
		if i, ok := at[name]; ok {
			out[i] = kv
			continue
		}
		at[name] = len(out)
		out = append(out, kv)
	}
	if _, ok := at["PWD"]; !ok && dir != "" {
		out = append(out, "PWD="+dir)
	}
	return out
}

// Denials returns what the command's box tried and was refused, as
// [Box.Denials]; it is for commands with a box of their own.
func (c *Cmd) Denials() []Denial {
	if c.box == nil {
		return nil
	}
	return c.box.Denials()
}

// Box returns the command's box; nil before a command with a box of its own has
// started.
func (c *Cmd) Box() *Box { return c.box }

// watch lets the context and the wall time limit end the command.
func (c *Cmd) watch(timeout time.Duration) {
	if timeout > 0 {
		c.timer = time.AfterFunc(timeout, func() { c.exceed(&LimitError{Limit: "timeout", Value: int64(timeout), Unit: "ns"}) })
	}
	if c.ctx.Done() == nil {
		return
	}
	c.ctxDone = make(chan error, 1)
	go func() {
		select {
		case <-c.exited:
			c.ctxDone <- nil
			return
		case <-c.ctx.Done():
		}
		err := c.ctx.Err()
		if c.Cancel != nil {
			if cancelErr := c.Cancel(); cancelErr == nil {
				// Cancelled as asked: the context says why.
			} else if errors.Is(cancelErr, os.ErrProcessDone) {
				err = nil
			} else {
				err = cancelErr
			}
		}
		if c.WaitDelay > 0 {
			delay := time.NewTimer(c.WaitDelay)
			defer delay.Stop()
			select {
			case <-c.exited:
			case <-delay.C:
				c.Process.Kill()
			}
		}
		c.ctxDone <- err
	}()
}

// exceed ends the command because of a limit.
func (c *Cmd) exceed(e *LimitError) {
	if c.limit.CompareAndSwap(nil, e) {
		c.box.exceeded(c.Process.Pid, e)
		c.Process.Kill()
	}
}

// Wait waits for the command to exit and for its input and output to be copied.
// The error is nil when it succeeded, a *LimitError when a limit ended it, and a
// *[ExitError] when it failed.
func (c *Cmd) Wait() error {
	switch {
	case c.Process == nil:
		return errors.New("bailey: not started")
	case c.waited:
		return errors.New("bailey: Wait was already called")
	}
	return c.wait()
}

func (c *Cmd) wait() error {
	c.waited = true
	state, err := c.Process.p.Wait()
	c.ProcessState = state
	close(c.exited)
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.owned {
		// Ends what the command left running, and so closes the pipes.
		c.box.kill()
	}
	ioErr := c.io.finish(c.WaitDelay)
	closeErr := c.box.ended(c.Process.Pid, state, c.begin)
	if c.owned {
		closeErr = c.box.Close()
	}
	var ctxErr error
	if c.ctxDone != nil {
		ctxErr = <-c.ctxDone
	}
	if err == nil && !state.Success() {
		err = &ExitError{ProcessState: state}
	}
	l := c.limit.Load()
	if l == nil && err != nil {
		l = c.box.limit.Load() // the memory watch ends the whole box
	}
	if l != nil {
		return &LimitError{Limit: l.Limit, Value: l.Value, Unit: l.Unit, Err: err}
	}
	if f := c.box.failure.Load(); f != nil && err != nil {
		return *f
	}
	for _, e := range []error{ctxErr, ioErr, closeErr} {
		if err == nil {
			err = e
		}
	}
	return err
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
