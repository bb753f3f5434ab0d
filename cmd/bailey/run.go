package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/approval"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/terminal"
)

// runOptions are the flags of run and shell.
type runOptions struct {
	config bailey.Config
	dryRun bool
	report string
	terse  bool   // say nothing about the box, and what was denied all the same
	within string // a directory that the project must be in
	asked  bool   // a person was asked about the text of the shell that is run
	except string // run only
}

func (a *app) runFlags(o *runOptions) []*flag {
	return append(append(policyFlags(&o.config),
		&flag{name: "dry-run", help: "print what would be done, and do nothing", set: toggle(&o.dryRun)},
		&flag{name: "log", value: "FILE", help: "append the session's events to FILE as JSON lines", kind: "file", set: text(&o.config.Log)},
		&flag{name: "net-log", value: "FILE", help: "append the session's connections to FILE as JSON lines", kind: "file", set: text(&o.config.NetLog)},
		&flag{name: "within", value: "DIR", help: "start only when the project is DIR or lies in it", kind: "dir", set: text(&o.within)},
		&flag{name: "asked", help: "a person was asked already about the text of the shell that is run; its commands are not asked about again", set: toggle(&o.asked)},
		&flag{name: "terse", help: "do not say what the box is, only what was denied", set: toggle(&o.terse)},
		&flag{name: "report", value: "FILE", help: "write a summary of the session to FILE as JSON", kind: "file", set: text(&o.report)},
	), a.messageFlags()...)
}

func runVerb(a *app) *verb { return runVerbAt(a, "") }

// runVerbAt is run with another home directory.
func runVerbAt(a *app, home string) *verb {
	o := &runOptions{}
	o.config.Home = home
	return &verb{
		name: "run", args: "[flags] [--] CMD [ARG…]", words: "command",
		short: "run a command inside walls",
		long: `The command runs in a box: it may read and write the project around the current
directory, read the system and toolchains, and nothing else. HOME is private,
there is no network but what --allow-net and the policy name, and only named
variables of the environment get in. When
the command ends, nothing it started survives it; when bailey dies, neither does
the command. A wall that does not stand is an error: the command does not run.

The name of a coding agent (claude, codex, gemini, opencode, aider, amp, goose) as
CMD brings its preset; bailey agent show NAME says what that is.

The flags end at the first word that is not one. What they say is a layer of the
policy (see bailey policy show) and can be asked about with bailey why.`,
		flags: append(a.runFlags(o),
			&flag{name: "exception", value: "NAME", help: "ask to run the command WITHOUT walls, as [exceptions.NAME] of the policy says", set: text(&o.except)}),
		run: func(words []string) error {
			if len(words) == 0 {
				return &usageError{"no command to run", "as in: bailey run -- go test ./..."}
			}
			o.config.AgentOf = words[0]
			return a.runCommand(o, words)
		},
	}
}

// runCommand runs words in a box of their own.
func (a *app) runCommand(o *runOptions, words []string) error {
	if err := alreadyInside(); err != nil {
		return err
	}
	if o.dryRun {
		p, err := bailey.Prepare(o.config)
		if err != nil {
			return err
		}
		return a.printPlan(p)
	}
	if o.except != "" {
		if err := a.except(o, words); err != nil {
			return err
		}
	}
	o.config.Planned = func(p *bailey.Plan) error { return a.planned(o, p) }
	o.config.Reloaded = a.reloaded
	_, err := a.execute(o, words)
	return err
}

// planned looks at the plan before a box is opened from it.
func (a *app) planned(o *runOptions, p *bailey.Plan) error {
	if o.within != "" {
		dir, err := filepath.Abs(o.within)
		if err != nil {
			return err
		}
		if !below(p.Workspace(), dir) {
			return &usageError{"the project " + quote(p.Workspace()) + " is not in " + quote(dir), "start it in a directory of that project"}
		}
	}
	if !o.terse {
		a.announce(p)
	}
	return nil
}

// except asks for a run without walls.
func (a *app) except(o *runOptions, words []string) error {
	if o.config.Mode != "" {
		return &usageError{"--exception and --mode exclude each other", "an exception is without walls, once a person agrees"}
	}
	s := newStreams(a)
	if err := o.config.Except(context.Background(), o.except, words, approval.NewTerminal(&stage{s: s})); err != nil {
		return err
	}
	// Also with --quiet: nobody should find out later.
	a.say(message{Level: "warning", Text: "OUTSIDE THE BOX, without walls: exception " + o.except + ": " + shellQuote(words)})
	return nil
}

// execute runs one command. started says whether it got as far as running.
func (a *app) execute(o *runOptions, words []string) (started bool, err error) {
	s := newStreams(a)
	defer s.restore()
	var r reportFile
	defer r.close()
	ended := func() {} // the command, and with it what is printed meanwhile
	config := o.config
	config.Ask = approval.NewTerminal(&stage{s: s})
	before := &seen{next: config.Ask}
	if o.asked {
		config.Ask = before
	}
	if a.verbose && !a.quiet {
		l := newLive(s)
		end := sync.OnceFunc(l.end)
		defer end()
		config.Denied = l.add
		ended = end
	}
	config.Planned = func(p *bailey.Plan) error {
		if o.asked {
			before.command = askedBefore(p, words)
		}
		if err := r.open(p, o.report, o.except); err != nil {
			return err
		}
		if err := o.config.Planned(p); err != nil {
			return err
		}
		s.connect(p)
		if agent := p.Agent(); agent != nil && base(words[0]) == agent.Name && o.config.AgentOf != "" {
			s.cmd.Args = slices.Concat(s.cmd.Args[:1], agent.Args, s.cmd.Args[1:])
		}
		if env, _ := prompts(words[0]); env != nil && s.raw {
			s.cmd.Env = append(p.Environ(), env...)
		}
		return nil
	}
	if exe, err := os.Executable(); err == nil {
		// One that was replaced meanwhile has no name any more: the box does without.
		if _, err := os.Stat(exe); err == nil {
			config.Program = exe
		}
	}
	s.cmd = bailey.Command(context.Background(), config, words[0], words[1:]...)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = a.in, a.out, a.err
	if err := s.cmd.Start(); err != nil {
		r.failed(err, a.exit(err))
		return false, err
	}
	if err := r.started(s.cmd); err != nil {
		s.cmd.Process.Kill()
		s.cmd.Wait()
		return true, fmt.Errorf("write report: %w", err)
	}
	s.started()
	err = s.cmd.Wait()
	s.restore()
	ended()
	a.denied(s.cmd.Denials())
	if b := s.cmd.Box(); b != nil {
		for _, line := range b.Unreached() {
			a.info("network: %s", printable(line))
		}
		if n := b.Programs(); a.verbose && n > 0 {
			a.info("%d programs were executed inside", n)
		}
	}
	result := s.result(err)
	if b := s.cmd.Box(); b != nil && err != nil {
		b.Plan().Offer(context.Background(), s.cmd.Denials(), config.Ask)
	}
	if writeErr := r.ended(s.cmd, err, a.exit(result)); writeErr != nil {
		a.say(message{Level: "error", Text: "write report: " + writeErr.Error()})
	}
	s.raise()
	return true, result
}

// askedBefore is what the rules ask about the text that a shell is run with.
func askedBefore(p *bailey.Plan, words []string) bailey.ToolDecision {
	line, err := parseShell(words[1:])
	if err != nil || !line.command {
		return bailey.ToolDecision{}
	}
	return p.Policy().CheckLine(bailey.Call("Bash", map[string]string{"command": line.text, "shell": base(words[0])}))
}

// announce is the one line that says what the box is.
func (a *app) announce(p *bailey.Plan) {
	if a.quiet {
		return
	}
	line := "tier " + string(p.Tier()) + ", mode " + string(p.Mode())
	if w := p.Writable(); len(w) > 0 {
		short := make([]string, len(w))
		for i, dir := range w {
			short[i] = p.Short(dir)
		}
		line += ", writable " + strings.Join(short, " ")
	}
	if hosts := p.Network(); hosts != nil {
		const some = 3 // of perhaps hundreds; bailey plan lists all
		line += ", network " + printable(strings.Join(hosts[:min(len(hosts), some)], " "))
		if n := len(hosts) - some; n > 0 {
			line += " and " + strconv.Itoa(n) + " more"
		}
	}
	if names := slices.DeleteFunc(slices.Clone(p.Profiles()), func(n string) bool { return n == "default" }); len(names) > 0 {
		line += ", profiles " + strings.Join(names, " ")
	}
	a.info("%s", line)
	for _, w := range p.Weaker() {
		a.info("weaker: %s", w)
	}
	a.announceAgent(p)
	a.announceWalls(p)
	if a.verbose {
		for _, n := range p.Notes() {
			a.info("%s", n)
		}
	}
}

// announceWalls says which walls are missing and why it starts nevertheless, and
// with -v which hold less exactly.
func (a *app) announceWalls(p *bailey.Plan) {
	for _, w := range p.Report().Walls {
		switch {
		case w.Status == bailey.WallMissing && w.Accepted != nil:
			a.info("missing: %s, %s (accepted: %s)", w.ID, w.Detail, plan.Where(*w.Accepted))
		case w.Status == bailey.WallWeaker && a.verbose:
			a.info("weaker: %s, %s", w.ID, w.Detail)
		}
	}
}

// maxDenials is how many refusals the end of a run shows; with -v all are listed.
const maxDenials = 5

// denied sums up what was refused: the most frequent first, each with what would
// allow it. What the kernel alone refuses is not among it.
func (a *app) denied(list []bailey.Denial) {
	if len(list) == 0 || a.quiet {
		return
	}
	list = sortDenials(list)
	shown := list
	if !a.verbose && !a.json {
		shown = list[:min(len(list), maxDenials)]
	}
	for _, d := range shown {
		a.err.WriteString(a.denialLine(d, ""))
	}
	if n := len(list) - len(shown); n > 0 {
		a.info("and %d more; -v lists them", n)
	}
}

// denialLine is a denial as it is printed; more are other fields for --json.
func (a *app) denialLine(d bailey.Denial, more string) string {
	if a.json {
		return `{"level":"info",` + more + `"denied":` + strings.TrimSuffix(denialJSON(d), "\n") + "}\n"
	}
	return a.line(message{Level: "info", Text: denialText(d), Hint: d.Hint})
}

// live prints what a box is refused while it runs.
type live struct {
	done chan struct{}

	mu    sync.Mutex         // guards what follows
	lines chan bailey.Denial // nil when it has ended
}

// maxLive is how many wait to be printed. A terminal that is stopped must not stop the
// box: what is more is left to the end of the run.
const maxLive = 64

func newLive(s *streams) *live {
	lines := make(chan bailey.Denial, maxLive)
	l := &live{lines: lines, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for d := range lines {
			line := s.app.denialLine(d, `"live":true,`)
			if s.filter == nil || !terminal.Is(s.app.err) {
				s.app.err.WriteString(line)
			} else {
				s.filter.Note(line)
			}
		}
	}()
	return l
}

func (l *live) add(d bailey.Denial) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select { // a nil channel takes nothing
	case l.lines <- d:
	default:
	}
}

// end prints what is left.
func (l *live) end() {
	l.mu.Lock()
	close(l.lines)
	l.lines = nil
	l.mu.Unlock()
	<-l.done
}

// base is the name of a program without its directory.
func base(s string) string { return filepath.Base(s) }

// commandStatus returns the exit error of a command, if err is one.
func commandStatus(err error) *bailey.ExitError {
	var limit *bailey.LimitError
	var exit *bailey.ExitError
	if !errors.As(err, &limit) && errors.As(err, &exit) {
		return exit
	}
	return nil
}
