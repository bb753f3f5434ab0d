package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/audit"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
	"github.com/bailey-run/bailey/internal/secret"
	"github.com/bailey-run/bailey/internal/statefile"
)

// The exit codes. Every other code is the command's own.
const (
	exitTimeout   = 124 // the command was ended by its time limit, as timeout(1) says it
	exitFailed    = 125 // bailey failed; nothing was run, or it could not be run to its end
	exitDenied    = 126 // the command was found but could not be executed
	exitNotFound  = 127
	exitSignalled = 128 // plus the signal's number
)

// exitCode ends the program without another word.
type exitCode int

func (e exitCode) Error() string { return "exit code " + strconv.Itoa(int(e)) }

// usageError is a mistake in the command line.
type usageError struct{ what, hint string }

func (e *usageError) Error() string { return e.what }

// message is one line for the person, or for a program with --json.
type message struct {
	Level string `json:"level"` // info, warning, error
	Text  string `json:"message"`
	Hint  string `json:"hint,omitempty"`
	Code  int    `json:"exit_code,omitempty"`
}

// say prints a message.
func (a *app) say(m message) { a.err.WriteString(a.line(m)) }

// line is a message as it is printed.
func (a *app) line(m message) string {
	if a.json {
		line, _ := json.Marshal(m) // strings and numbers only: it cannot fail
		return string(line) + "\n"
	}
	prefix := "bailey: "
	if m.Level != "info" {
		prefix += m.Level + ": "
	}
	out := prefix + printable(m.Text) + "\n"
	if m.Hint != "" {
		out += "bailey: hint: " + printable(m.Hint) + "\n"
	}
	return out
}

func (a *app) info(format string, args ...any) {
	if !a.quiet {
		a.say(message{Level: "info", Text: fmt.Sprintf(format, args...)})
	}
}

// printable keeps names that a box or a project has chosen from acting on the
// terminal, and from hiding a part of themselves.
func printable(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r == 0xfffd || !strconv.IsPrint(r) }) {
		return s
	}
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// quote prints a word of the command line.
func quote(s string) string { return plan.Show(s) }

// code prints the error, if any, and returns the exit code for it.
func (a *app) code(err error) int {
	var code exitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	}
	n := exitFor(err)
	var all policy.Errors
	if errors.As(err, &all) {
		for _, e := range all {
			text, hint := describe(e)
			a.say(message{"error", text, hint, n})
		}
		return n
	}
	text, hint := describe(err)
	a.say(message{"error", text, hint, n})
	return n
}

// exit is the exit code for an error.
func (a *app) exit(err error) int {
	var code exitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	}
	return exitFor(err)
}

// exitFor returns the exit code for an error that bailey prints.
func exitFor(err error) int {
	var limit *bailey.LimitError
	var path *fs.PathError
	var denied *bailey.DeniedError
	switch {
	case errors.As(err, &denied) && denied.Op == "exec":
		return exitDenied
	case errors.As(err, &limit) && limit.Limit == "timeout":
		return exitTimeout
	case errors.As(err, &limit):
		return exitSignalled + int(syscall.SIGKILL)
	case errors.Is(err, exec.ErrNotFound):
		return exitNotFound
	case errors.As(err, &path) && path.Op == "exec" && errors.Is(err, fs.ErrNotExist):
		return exitNotFound
	case errors.As(err, &path) && path.Op == "exec":
		return exitDenied
	}
	return exitFailed
}

// describe splits an error into what went wrong and what to do.
func describe(err error) (text, hint string) {
	text = strings.TrimPrefix(err.Error(), "bailey: ")
	var (
		usage       *usageError
		pol         *policy.Error
		noPlan      *plan.Error
		unsupported *bailey.UnsupportedError
		denied      *bailey.DeniedError
		publish     *bailey.PublishError
		reload      *bailey.ReloadError
		store       *statefile.Error
		setup       *bailey.SetupError
		path        *audit.PathError
		exe         *exec.Error
		file        *fs.PathError
		limit       *bailey.LimitError
		hidden      *secret.Error
		unknown     *bailey.UnknownAgentError
	)
	switch {
	case errors.As(err, &usage):
		hint = usage.hint
	case errors.As(err, &unknown):
		hint = "there are " + strings.Join(unknown.Known, ", ") + "; bailey agent ls says more"
		if near := policy.Nearest(unknown.Name, unknown.Known); near != "" {
			hint = "did you mean " + near + "? bailey agent ls lists them"
		}
	case errors.As(err, &pol):
		text = place(pol) + pol.Problem
		hint = pol.Hint
		if pol.Nearest != "" {
			hint = "did you mean " + pol.Nearest + "?"
		}
	case errors.As(err, &noPlan):
		hint = noPlan.Hint
	case errors.As(err, &unsupported):
		hint = unsupported.Hint
	case errors.As(err, &publish):
		hint = publish.Hint()
	case errors.As(err, &reload):
		hint = reload.Hint
	case errors.As(err, &denied):
		hint = denied.Hint
	case errors.As(err, &path):
		hint = path.Hint
	case errors.As(err, &store):
		text = store.What + " " + quote(store.Path) + ": " + store.Problem
		hint = store.Hint
	case errors.As(err, &hidden):
		hint = hidden.Hint
	case errors.Is(err, syscall.EMFILE):
		hint = "bailey needs more open files: ulimit -n 1024"
	case errors.As(err, &setup):
		hint = "bailey doctor says what this machine offers"
	case errors.As(err, &exe):
		text = quote(exe.Name) + ": command not found in the box"
		hint = "bailey why $(command -v " + printable(exe.Name) + ") says whether the box can see it; --read shows it more"
	case errors.As(err, &file) && file.Op == "exec":
		text = quote(file.Path) + ": " + file.Err.Error()
		if errors.Is(err, fs.ErrNotExist) {
			hint = "the box does not see this file, or not its interpreter: bailey why " + quote(file.Path)
		} else {
			hint = "the file is not an executable program inside the box"
		}
	case errors.As(err, &limit):
		text = limit.Limit + " limit of " + limit.Amount() + " reached: the command was ended"
		switch limit.Limit {
		case "timeout", "memory", "pids":
			hint = "--" + limit.Limit + " sets another limit"
		default:
			hint = "limits." + limit.Limit + " in a policy file sets another limit"
		}
	}
	if hint == "" {
		hint = fallback(err)
	}
	return text, hint
}

// fallback is what to do about an error that does not say so itself.
func fallback(err error) string {
	var pol *policy.Error
	var errno syscall.Errno
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "check the path"
	case errors.Is(err, fs.ErrPermission):
		return "check who may read and write it"
	case errors.As(err, &pol):
		return "bailey policy schema lists every key and its values"
	case errors.Is(err, syscall.ENOSPC):
		return "make room on the disk"
	case errors.As(err, &errno): // the kernel's, about no file
		return "bailey doctor says what this machine offers"
	}
	return helpHint
}

// helpHint is the hint where there is none better.
const helpHint = "bailey help explains each verb"

// place is where a policy error is, in front of the problem.
func place(e *policy.Error) string {
	s := policy.Source{File: e.File, Line: e.Line, Column: e.Column}.String()
	if s != "" {
		s += ": "
	}
	if e.Key != "" && !strings.HasPrefix(e.File, "--") {
		s += e.Key + ": "
	}
	return s
}
