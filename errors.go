package bailey

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/bailey-run/bailey/internal/linux"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

// ErrClosed is returned when a command is started in a box that was closed.
var ErrClosed = linux.ErrClosed

// PolicyError is one thing wrong with the policy, with file, line, column and
// the nearest known key. [Prepare] reports all it finds; errors.As finds the first.
type PolicyError = policy.Error

// SetupError is a step of opening a box that failed. Nothing was run, and nothing
// is left behind.
type SetupError = linux.SetupError

// DeniedError is something that the policy refuses.
type DeniedError struct {
	Op     string // what was to be done, as in "setenv"
	Target string // to what
	Rule   string // which rule refuses it
	Hint   string // what to do about it
}

func (e *DeniedError) Error() string {
	return fmt.Sprintf("%s %s: denied by %s", e.Op, plan.Show(e.Target), e.Rule)
}

// UnsupportedError is something that this machine cannot do.
type UnsupportedError struct {
	Feature string // what was asked for
	Need    string // what it takes
	Have    string // what there is
	Hint    string // what to do about it
}

func (e *UnsupportedError) Error() string {
	s := e.Feature + " is not possible here"
	switch {
	case e.Have != "":
		s += ": " + e.Have
	case e.Need != "":
		s += ": it needs " + e.Need
	}
	return s
}

// Is makes errors.Is(err, errors.ErrUnsupported) true.
func (e *UnsupportedError) Is(target error) bool { return target == errors.ErrUnsupported }

// LimitError says that a limit of the policy ended a command. It unwraps to the
// command's *ExitError.
type LimitError struct {
	Limit string // "timeout", "output", "memory" or "pids"
	Value int64  // in Unit
	Unit  string // "ns", "bytes" or "count"
	Err   error
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s limit of %s reached", e.Limit, e.Amount())
}

// Unwrap returns how the command ended.
func (e *LimitError) Unwrap() error { return e.Err }

// startError turns the launcher's error into what package os/exec would say.
func (c *Cmd) startError(err error) error {
	var e *linux.ExecError
	if !errors.As(err, &e) {
		return err
	}
	if e.Errno == syscall.ENOENT && !strings.Contains(c.Path, "/") {
		return &exec.Error{Name: c.Path, Err: exec.ErrNotFound}
	}
	path := c.Path
	if !filepath.IsAbs(path) && e.Path != "" {
		path = e.Path
	}
	return &fs.PathError{Op: "exec", Path: path, Err: e.Errno}
}

// planError makes a wall that cannot be held an *UnsupportedError; every other
// reason why there is no plan stays as it is.
func planError(err error, min Tier) error {
	var e *plan.Error
	if !errors.As(err, &e) || e.Wall == "" {
		return err
	}
	if min == "" {
		min = TierFull
	}
	return &UnsupportedError{Feature: "tier " + string(min), Need: e.Wall, Have: e.What, Hint: e.Hint}
}

// wallError makes walls that are missing an *UnsupportedError; every other error
// stays as it is.
func wallError(err error) error {
	var e *plan.WallError
	if !errors.As(err, &e) {
		return err
	}
	return &UnsupportedError{Feature: e.Feature(), Need: e.Walls[0].Requested, Have: e.Why(), Hint: e.Hint()}
}
