package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/hook"
	"github.com/bailey-run/bailey/internal/permission"
)

const (
	// hookReading is how long an agent may take to write what it asks. All of them
	// write at once; one that keeps the pipe open would else wait for its own
	// timeout, and several take that for a yes.
	hookReading = 10 * time.Second
	// hookAnswer is how long the whole answer may take: the delegate program's
	// minute and some. It must be below hookTimeout, which agents are told.
	hookAnswer  = 75 * time.Second
	hookTimeout = 90 * time.Second
)

const hookLong = `Reads what the agent is about to do from standard input, judges it by the rules
and the walls of the project, and answers in the agent's own protocol. A shell
command that is allowed is rewritten so that it runs in a box. bailey agent
install NAME writes the configuration that calls it.

The agent itself runs outside: for its commands there is a wall, for its own
reading, writing and fetching a guardrail.

exit codes:
  0  answered; what was answered is on standard output
  1  amp: ask the person
  2  blocked, with the reason on standard error; so is everything that goes wrong`

func hookVerb(a *app) *verb {
	return &verb{
		name: "hook", args: "NAME", words: strings.Join(hook.Names(), " "), short: "answer an agent that asks before it uses a tool",
		long: hookLong,
		run:  func(words []string) error { return exitCode(a.hook(words)) },
	}
}

// hookStart runs bailey hook, apart from the other verbs: whatever happens, the
// exit code is one that blocks.
func (a *app) hookStart(args []string) int {
	if len(args) == 1 && (args[0] == "-h" || args[0] == "--help") {
		return a.code(a.help(hookVerb(a)))
	}
	return a.hook(args)
}

// hook answers one question of an agent.
func (a *app) hook(args []string) (code int) {
	// Only one may end the program: the answer, a signal or the clock.
	var ended atomic.Bool
	block := func(reason string) int {
		if !ended.CompareAndSwap(false, true) {
			select {} // another is writing, and ends the program
		}
		a.err.WriteString(hook.Block("bailey: error: " + printable(reason)).Stderr)
		return hook.Blocked
	}
	defer func() {
		if problem := recover(); problem != nil {
			code = block(fmt.Sprintf("the hook failed, which is a fault of bailey: %v", problem))
		}
	}()
	signal.Ignore(syscall.SIGPIPE) // a write that fails blocks instead
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)
	reading := time.NewTimer(hookReading)
	whole := time.NewTimer(hookAnswer)
	go func() {
		select {
		case s := <-signals:
			os.Exit(block("blocked: ended by " + s.String()))
		case <-reading.C:
			os.Exit(block(fmt.Sprintf("blocked: standard input was not closed in %v", hookReading)))
		case <-whole.C:
			os.Exit(block(fmt.Sprintf("blocked: there was no answer in %v", hookAnswer)))
		}
	}()
	if len(args) != 1 {
		return block("bailey hook needs the name of one agent: " + strings.Join(hook.Names(), ", "))
	}
	in, err := io.ReadAll(io.LimitReader(a.in, hook.MaxInput+1))
	reading.Stop()
	if err != nil {
		return block("blocked: read standard input: " + err.Error())
	}
	reply, err := a.hookReply(args[0], in)
	if err != nil {
		text, hint := describe(err)
		if hint != "" && hint != helpHint { // who reads this is an agent that typed no verb
			text += "\nbailey: hint: " + hint
		}
		if !ended.CompareAndSwap(false, true) {
			select {}
		}
		a.err.WriteString(hook.Block("bailey: error: blocked: " + text).Stderr)
		return hook.Blocked
	}
	if !ended.CompareAndSwap(false, true) {
		select {}
	}
	a.err.WriteString(reply.Stderr)
	if len(reply.Stdout) > 0 {
		if err := a.tell(reply.Stdout); err != nil {
			a.err.WriteString("bailey: error: blocked: the answer cannot be written: " + err.Error() + "\n")
			return hook.Blocked
		}
	}
	return reply.Code
}

// tell writes the answer. Go puts the null device in the place of a standard output
// that is closed; an agent that gets no answer would run the command as it was.
func (a *app) tell(answer []byte) error {
	null, err := os.Stat(os.DevNull)
	if err != nil {
		return err
	}
	out, err := a.out.Stat()
	if err != nil {
		return err
	}
	if os.SameFile(out, null) {
		return errors.New("standard output is closed, or the null device")
	}
	_, err = a.out.Write(answer)
	return err
}

// hookReply judges what the agent wrote.
func (a *app) hookReply(agent string, in []byte) (hook.Reply, error) {
	r, err := hook.Read(agent, in, os.Getenv)
	if err != nil {
		return hook.Reply{}, err
	}
	dir, project, err := hookDirs(r)
	if err != nil {
		return hook.Reply{}, err
	}
	p, err := bailey.Prepare(bailey.Config{Dir: project, Caller: "--"})
	if err != nil {
		return hook.Reply{}, err
	}
	root := p.Workspace()
	if dir != project {
		// The rules and walls are those of the place where it happens, and that place
		// must be in the project: an agent that could choose it could choose what it
		// may write.
		if p, err = bailey.Prepare(bailey.Config{Dir: dir, Caller: "--"}); err != nil {
			return hook.Reply{}, err
		}
		if !below(p.Workspace(), root) {
			return r.Reply(hook.Answer{Verdict: permission.Deny, Reason: "bailey: denied: " + printable(dir) + " is not in the project " + printable(root) + "; start the agent there, or stay in the project"}), nil
		}
	}
	box, err := hookBox(root, r.Plan)
	if err != nil {
		return hook.Reply{}, err
	}
	boxed := false
	if r.Command != nil {
		if text, ours := box.Unwrap(*r.Command); ours {
			r.Command, boxed = &text, true
			r.Calls = []hook.Call{{Tool: "Bash", Input: bailey.CallInput(map[string]string{"command": text})}}
		}
	}
	answer, asked := hookJudge(p, r)
	if r.Command != nil && !boxed && answer.Verdict != permission.Deny {
		answer.Command = box.Wrap(*r.Command, asked)
		if !r.Rewrites() {
			answer.Reason = "bailey: denied: a command runs in a box. Send exactly this command in its place, and it is judged by the rules:\n" + answer.Command
		}
	}
	return r.Reply(answer), nil
}

// hookDirs are the directory in which the tool will run, and the project's as the
// agent knows it. Both must be there.
func hookDirs(r *hook.Request) (dir, project string, err error) {
	dir, project = r.Cwd, r.Dir
	if dir == "" {
		dir = project
	}
	if dir == "" {
		if dir, err = os.Getwd(); err != nil {
			return "", "", fmt.Errorf("find the current directory: %w", err)
		}
	}
	if project == "" {
		project = dir
	}
	for _, d := range [...]*string{&dir, &project} {
		if !filepath.IsAbs(*d) {
			return "", "", fmt.Errorf("the directory %s is not absolute", quote(*d))
		}
		info, err := os.Stat(*d)
		if err != nil {
			return "", "", fmt.Errorf("look at the agent's directory: %w", err)
		}
		if !info.IsDir() {
			return "", "", fmt.Errorf("%s is not a directory", quote(*d))
		}
		*d = filepath.Clean(*d)
	}
	return dir, project, nil
}

// hookBox is how commands are put into a box: not outside the project, whatever
// directory the agent starts them in.
func hookBox(root string, plan bool) (*hook.Box, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program itself: %w", err)
	}
	if _, err := os.Stat(self); err != nil {
		return nil, fmt.Errorf("find the program itself: %w", err)
	}
	b := &hook.Box{Program: self, Args: []string{"run", "--terse", "--within", root}}
	if plan {
		b.Args = append(b.Args, "--mode", "read-only")
	}
	return b, nil
}

// hookAsking is how long a person may take where bailey asks in place of the agent.
const hookAsking = hookAnswer - 5*time.Second

// hookJudge asks the rules and walls about all that a request does. asked says that
// a person is asked before it is done, or has been.
func hookJudge(p *bailey.Plan, r *hook.Request) (answer hook.Answer, asked bool) {
	ctx, cancel := context.WithTimeout(context.Background(), hookAsking)
	defer cancel()
	asks := r.Asks()
	if r.Agent == "gemini" && !agentTerminal() {
		asks = false // it would wait for ever for somebody to confirm
	}
	answer = hook.Answer{Verdict: permission.Allow, Reason: "bailey: allowed", Silent: true}
	for i := range r.Calls {
		c := &r.Calls[i]
		d := p.DecideTool(c.JSON(c.Tool))
		for _, other := range c.Or {
			o := p.DecideTool(c.JSON(other))
			if o.Verdict == permission.Deny && d.Verdict != permission.Deny || o.Verdict == permission.Allow && d.Verdict == permission.Ask {
				d = o
			}
		}
		if d.Verdict == permission.Ask {
			asked = true
			if !asks {
				// Whoever waits with bailey approve is asked; where nobody does it is denied.
				d = p.Policy().Ask(ctx, c.Tool, d, nil)
			}
		}
		answer.Silent = answer.Silent && (permission.Own(c.Tool) || r.Plan && permission.Access(c.Tool) == "write")
		if d.Verdict == permission.Allow || answer.Verdict == permission.Deny || answer.Verdict == permission.Ask && d.Verdict == permission.Ask {
			continue
		}
		answer.Verdict, answer.Reason = d.Verdict, hookReason(d)
	}
	if asked && answer.Verdict == permission.Deny && !asks {
		answer.Reason += "\nbailey: this agent asks nobody for a hook here; a person who waits with bailey approve is asked"
	}
	return answer, asked
}

// hookReason is why something is refused or asked about, and what would change it,
// for an agent to read.
func hookReason(d bailey.ToolDecision) string {
	said := "bailey: denied: "
	if d.Verdict == permission.Ask {
		said = "bailey: asks: "
	}
	said += printable(d.Reason)
	if d.Change != "" {
		said += "\nbailey: hint: a person can change that: " + printable(d.Change)
	}
	return said
}
