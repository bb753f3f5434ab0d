package bailey

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/bailey-run/bailey/internal/linux"
)

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
	} else if box.network != nil {
		lc.Env = box.network.dress.environ(slices.Clone(lc.Env))
	}
	lc.Env = commandEnv(box.aboutEnv(lc.Env), lc.Dir)
	if len(lc.Args) == 0 {
		lc.Args = []string{c.Path}
	}
	if err := box.topCommand(c.ctx, lc.Args); err != nil {
		if first {
			box.abandon()
		}
		return err
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
