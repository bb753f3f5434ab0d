package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/attempt"
	"github.com/bailey-run/bailey/internal/policy"
)

// attemptArg is the first argument of the copy of this program that tries cases
// inside a box.
const attemptArg = "_attempt"

// attempt is that copy.
func (a *app) attempt(args []string) error {
	if len(args) > 1 && args[0] == attempt.StartArg {
		return exitCode(attempt.Start(args[1:]))
	}
	return attempt.Serve(a.in, a.out)
}

// try tries every case in a box.
func (t *trial) try(c bailey.Config) error {
	t.Real = true
	planted := t.plant()
	defer func() {
		for _, name := range planted {
			os.Unsetenv(name)
		}
	}()
	p, exe, err := withSelf(c, t.plan, len(planted) > 0)
	if err != nil {
		return err
	}
	var tries []attempt.Try
	var of []int // which case
	for i := range t.Cases {
		why := t.untried(i)
		if d := &t.Cases[i].Decision; d.Verdict == bailey.Deny && d.Host == exe {
			why = "it is this program, which a box is shown to try the cases"
		}
		if why != "" {
			t.Cases[i].Real = &realResult{How: why}
			continue
		}
		words := t.cases[i].words()
		if d := &t.Cases[i].Decision; d.Op == "read" || d.Op == "write" || d.Op == "exec" && strings.Contains(words[0], "/") {
			words[0] = p.Resolve(words[0])
		}
		tries = append(tries, attempt.Try{Op: t.cases[i].Op, Target: words})
		of = append(of, i)
	}
	answers, err := t.ask(p, exe, tries)
	if err != nil {
		return err
	}
	for n, answer := range answers {
		r := &t.Cases[of[n]]
		if answer.Left != "" {
			return &usageError{"left behind: " + quote(answer.Left), "the box may make files there and not remove them; remove it by hand"}
		}
		r.Real = weigh(&r.Decision, answer)
		r.Micros += answer.Micros
	}
	return nil
}

// untried says why a case is not tried, or "".
func (t *trial) untried(i int) string {
	d := &t.Cases[i].Decision
	switch {
	case d.Op == "write" && d.Apart:
		return "what a box writes there stays in a layer of its own: trying would leave a copy in it"
	case d.Verdict == bailey.Ask:
		return "a person would be asked"
	case d.Op == "connect" && t.Tier == bailey.TierLandlock && t.plan.Network() != nil:
		return "in tier landlock programs connect through the gate's proxy, which is not tried"
	case d.Op == "env" && d.Absent && d.Verdict == bailey.Deny && os.Getenv(t.cases[i].Target[0]) == "":
		return "the caller has no such variable, and setting it would change what bailey does"
	}
	return ""
}

// canary is the value of a variable that is set to see whether it gets in.
const canary = "set by bailey test"

// plant sets the variables that are to be denied and that the caller has not, so
// that there is something to deny. It leaves alone what bailey itself goes by.
func (t *trial) plant() []string {
	var names []string
	for i := range t.Cases {
		d, name := &t.Cases[i].Decision, t.cases[i].Target[0]
		if d.Op != "env" || !d.Absent || d.Verdict != bailey.Deny || leads(name) {
			continue
		}
		if _, set := os.LookupEnv(name); !set && os.Setenv(name, canary) == nil {
			names = append(names, name)
		}
	}
	return names
}

// leads says that a variable changes where bailey, or the tools it makes room
// for, look for things.
func leads(name string) bool {
	for _, s := range [...]string{"XDG_", "BAILEY", "GO"} {
		if strings.HasPrefix(name, s) {
			return true
		}
	}
	for _, s := range [...]string{"_DIR", "_HOME", "_ROOT", "_PATH", "_CACHE", "_cache"} {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	switch name {
	case "HOME", "PATH", "PWD", "OLDPWD", "TMPDIR", "USER", "LOGNAME", "SHELL":
		return true
	}
	return false
}

// withSelf is the plan with this program in it, so that it can be started inside.
func withSelf(c bailey.Config, p *bailey.Plan, again bool) (*bailey.Plan, string, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, "", fmt.Errorf("find this program: %w", err)
	}
	seen := p.Decide("exec", exe).Verdict == bailey.Allow
	if seen && !again {
		return p, exe, nil
	}
	if !seen {
		c.Read = append(append([]string(nil), c.Read...), exe)
	}
	p, err = bailey.Prepare(c)
	var wrong *policy.Error
	switch {
	case !seen && errors.As(err, &wrong):
		return nil, "", &usageError{"this program cannot be shown to the box: " + wrong.Problem, "put bailey where every box sees it, as in /usr/local/bin"}
	case err != nil:
		return nil, "", err
	}
	if d := p.Decide("exec", exe); d.Verdict != bailey.Allow {
		return nil, "", &usageError{"this program cannot be started in the box: " + d.Why, "put bailey where every box sees it, as in /usr/local/bin"}
	}
	return p, exe, nil
}

// untriable is an error about the box that the cases were to be tried in. How the
// copy of this program ended is no command's exit code.
func untriable(err error) error {
	var limit *bailey.LimitError
	var exit *bailey.ExitError
	text := "try the cases in a box: " + err.Error()
	switch {
	case errors.As(err, &limit):
		return &usageError{text, "give the box more, or split the file"}
	case errors.As(err, &exit), exitFor(err) != exitFailed:
		return &usageError{text, "bailey run -- true says whether a box opens at all"}
	}
	return fmt.Errorf("try the cases in a box: %w", err)
}

// ask opens a box and puts the questions.
func (t *trial) ask(p *bailey.Plan, exe string, tries []attempt.Try) ([]attempt.Answer, error) {
	if len(tries) == 0 {
		return nil, nil
	}
	questions, err := json.Marshal(tries)
	if err != nil {
		return nil, err
	}
	cmd := p.Command(context.Background(), exe, attemptArg)
	cmd.Args[0] = "bailey" // also when this is the tests' binary, which goes by it
	cmd.Stdin = bytes.NewReader(questions)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		if said, _, _ := strings.Cut(problems.String(), "\n"); said != "" {
			err = fmt.Errorf("%w: %s", err, said) // a crash of the copy says more, and nothing that helps
		}
		return nil, untriable(err)
	}
	answers, err := attempt.Read(&out, len(tries))
	if err != nil {
		return nil, fmt.Errorf("try the cases in a box: %w", err)
	}
	return answers, nil
}
