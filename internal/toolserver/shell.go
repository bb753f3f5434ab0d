package toolserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"time"

	"github.com/bailey-run/bailey"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	// defaultTimeout is for a command that names none, in seconds; an agent that
	// waits longer than that should have said so.
	defaultTimeout = 120
	// maxTimeout is the longest that may be asked for, in seconds. A policy's
	// limits.timeout holds below it.
	maxTimeout = 3600
	// waitDelay is how long the output of a command may stay open after its end: a
	// process in the background holds it, and lives on in the box.
	waitDelay = 500 * time.Millisecond
	// progressEvery is how often a client that asked for it hears of a command.
	progressEvery = time.Second
)

// shellArgs are the arguments of the tool shell.
type shellArgs struct {
	Command string `json:"command" jsonschema:"the text for the shell (bash, or sh where there is none)"`
	Cwd     string `json:"cwd,omitempty" jsonschema:"the directory to start in; the working directory when empty"`
	Timeout int    `json:"timeout,omitempty" jsonschema:"seconds after which the command is ended, at most 3600; 120 when not given"`
}

func (s *Server) runShell(ctx context.Context, req *mcp.CallToolRequest, in shellArgs) *mcp.CallToolResult {
	switch {
	case strings.TrimSpace(in.Command) == "":
		return refusal("the command is empty")
	case strings.IndexByte(in.Cwd, 0) >= 0 || strings.IndexByte(in.Command, 0) >= 0:
		return refusal("a NUL byte can be in no command and no path")
	case in.Timeout < 0 || in.Timeout > maxTimeout:
		return refusal(fmt.Sprintf("timeout is %d, and must be 1 to %d seconds", in.Timeout, maxTimeout))
	case in.Timeout == 0:
		in.Timeout = defaultTimeout
	}
	dir := s.start(ctx, req, in.Cwd)
	call := bailey.Call("Bash", map[string]string{"command": in.Command, "shell": s.shell})
	done, no := s.decide(ctx, req, question{tool: "shell", rules: "Bash", call: call, dir: dir, text: in.Command, what: "run this command"})
	if no != nil {
		return no
	}
	defer done()
	var out output
	var cmd *bailey.Cmd
	after := s.refused()
	limit, cancel := context.WithTimeout(ctx, time.Duration(in.Timeout)*time.Second)
	defer cancel()
	defer s.progress(limit, req, &out)()
	err := s.run(limit, func(b *bailey.Box, ctx context.Context) *bailey.Cmd {
		cmd = b.Command(ctx, s.shell, "-c", in.Command)
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
		return cmd
	})
	text := out.text()
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	res := &mcp.CallToolResult{Meta: mcp.Meta{}}
	code, note := ending(ctx, limit, cmd, err, in.Timeout)
	if note != "" {
		text += note + "\n"
	}
	denials := s.refusedSince(after)
	text += denialText(denials)
	if code != 0 || text == "" {
		text += fmt.Sprintf("exit code %d\n", code)
	}
	res.IsError = code != 0
	res.Meta["bailey/exit_code"] = code
	if len(denials) > 0 {
		res.Meta["bailey/denials"] = denials
	}
	res.Content = []mcp.Content{&mcp.TextContent{Text: text}}
	return res
}

// run runs a command in the box. When a limit has ended the box, a new one is
// opened, once.
func (s *Server) run(ctx context.Context, make func(*bailey.Box, context.Context) *bailey.Cmd) error {
	box := s.current()
	for again := true; ; again = false {
		cmd := make(box, ctx)
		// All of the command's process group goes: a shell that is killed alone
		// leaves what it waits for running.
		cmd.Cancel = func() error { return cmd.Process.SignalGroup(syscall.SIGKILL) }
		cmd.WaitDelay = waitDelay
		err := cmd.Run()
		// A box that a limit has ended is closed, or cannot be entered any more.
		var setup *bailey.SetupError
		if !errors.Is(err, bailey.ErrClosed) && !errors.As(err, &setup) || !again || ctx.Err() != nil {
			return err
		}
		var openErr error
		if box, openErr = s.open(ctx, box); openErr != nil {
			return fmt.Errorf("the box has ended, and another could not be opened: %w", openErr)
		}
	}
}

// The exit codes of bailey itself.
const (
	exitTimeout  = 124
	exitFailed   = 125
	exitDenied   = 126
	exitNotFound = 127
)

// ending is the exit code of a command, and what is to be said beside its output.
func ending(ctx, limit context.Context, cmd *bailey.Cmd, err error, timeout int) (int, string) {
	var exit *bailey.ExitError
	var over *bailey.LimitError
	var path *fs.PathError
	switch {
	case ctx.Err() != nil:
		return 128 + int(syscall.SIGKILL), "cancelled: the command was ended"
	case limit.Err() != nil:
		return exitTimeout, fmt.Sprintf("the command was ended after its timeout of %d seconds; a longer one can be given, up to %d", timeout, maxTimeout)
	case err == nil:
		return 0, ""
	case errors.Is(err, bailey.ErrWaitDelay):
		return cmd.ProcessState.ExitCode(), "a process that the command has left in the background still holds its output; it runs on until the session ends"
	case errors.As(err, &over):
		if over.Limit == "timeout" {
			return exitTimeout, over.Error()
		}
		return 128 + int(syscall.SIGKILL), over.Error() + ": the command was ended"
	case errors.As(err, &exit):
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return 128 + int(ws.Signal()), "ended by signal: " + ws.Signal().String()
		}
		return exit.ExitCode(), ""
	case errors.As(err, &path) && errors.Is(err, fs.ErrNotExist):
		return exitNotFound, err.Error()
	case errors.As(err, &path):
		return exitDenied, err.Error()
	}
	return exitFailed, err.Error()
}

// progress tells a client that wants to know, while a command runs. The function
// that it returns ends that.
func (s *Server) progress(ctx context.Context, req *mcp.CallToolRequest, out *output) func() {
	token := req.Params.GetProgressToken()
	if token == nil {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		begin := time.Now()
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			took := time.Since(begin).Seconds()
			if req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
				ProgressToken: token, Progress: took,
				Message: fmt.Sprintf("running for %.0f s, %d bytes of output", took, out.size()),
			}) != nil {
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

// seen is how often each thing was refused.
type seen map[[3]string]int

func key(d bailey.Denial) [3]string { return [3]string{d.Op, d.Target, d.Rule} }

func (s *Server) refused() seen {
	counts := seen{}
	for _, d := range s.current().Denials() {
		counts[key(d)] = d.Count
	}
	return counts
}

// refusedSince are the refusals that came since, in the box as a whole: of calls
// at the same time each lists what was refused to any.
func (s *Server) refusedSince(before seen) []bailey.Denial {
	var out []bailey.Denial
	for _, d := range s.current().Denials() {
		if n := d.Count - before[key(d)]; n > 0 {
			d.Count = n
			out = append(out, d)
		}
	}
	return out
}

// maxDenials is how many refusals a result lists.
const maxDenials = 10

func denialText(list []bailey.Denial) string {
	var b strings.Builder
	for i, d := range list {
		if i == maxDenials {
			fmt.Fprintf(&b, "and %d more refusals\n", len(list)-i)
			break
		}
		fmt.Fprintf(&b, "denied: %s %s (%s)\n", d.Op, plain(d.Target), plain(d.Rule))
		if d.Hint != "" {
			fmt.Fprintf(&b, "hint: %s\n", plain(d.Hint))
		}
	}
	return b.String()
}
