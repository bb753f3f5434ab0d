package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/approval"
	"github.com/bailey-run/bailey/internal/inside"
	"golang.org/x/term"
)

// shimNames are the names under which bailey is a shell that puts what it is given
// into a box. bailey-sh is bash.
func shimNames() []string { return []string{"bailey-sh", "bash", "sh", "zsh"} }

// shimName is the shell that this program is called as, "" when it is called as
// itself. A login shell has a dash before its name.
func shimName(arg0 string) string {
	name := strings.TrimPrefix(filepath.Base(arg0), "-")
	for _, n := range shimNames() {
		if n == name {
			return n
		}
	}
	return ""
}

// shellLine is the command line of a shell, taken apart as far as it matters here.
type shellLine struct {
	command bool     // -c was given
	text    string   // its text
	stdin   bool     // -s was given
	rest    []string // a script and its arguments, or the arguments of the text
	changed bool     // an option may make something else of the text
}

// parseShell reads the arguments of bash, sh and zsh. Options are the shell's to
// understand; here it counts which word is the text.
func parseShell(args []string) (shellLine, error) {
	var l shellLine
	i := 0
	for ; i < len(args); i++ {
		a := args[i]
		if a == "--" || a == "-" {
			i++
			break
		}
		if len(a) < 2 || a[0] != '-' && a[0] != '+' {
			break
		}
		if strings.HasPrefix(a, "--") {
			switch a {
			case "--rcfile", "--init-file", "--emulate":
				i++
				l.changed = true
			case "--norc", "--noprofile", "--login":
			default:
				l.changed = true
			}
			continue
		}
		if strings.Trim(a[1:], "ceilsuvx") != "" {
			l.changed = true
		}
		for _, c := range a[1:] {
			switch c {
			case 'c':
				l.command = l.command || a[0] == '-'
			case 's':
				l.stdin = l.stdin || a[0] == '-'
			case 'o', 'O': // takes a word
				i++
			}
		}
	}
	if i > len(args) {
		return l, errors.New("an option of the shell needs a word behind it")
	}
	l.rest = args[i:]
	if l.command {
		if len(l.rest) == 0 {
			return l, errors.New("-c needs a text")
		}
		l.text, l.rest = l.rest[0], l.rest[1:]
	}
	return l, nil
}

// shim is bailey as a shell: what it is given is judged by the rules, and run in a
// box by the real shell of that name.
func (a *app) shim(name string, args []string) error {
	shell := name
	if shell == "bailey-sh" {
		shell = "bash"
	}
	real, err := realShell(shell)
	if err != nil && name == "bailey-sh" {
		shell = "sh"
		real, err = realShell(shell)
	}
	if err != nil {
		return err
	}
	if inBox() {
		return fmt.Errorf("start %s: %w", quote(real), syscall.Exec(real, append([]string{shell}, args...), os.Environ()))
	}
	line, err := parseShell(args)
	if err != nil {
		return &usageError{shell + ": " + err.Error(), "as in: " + shell + " -c 'make test'"}
	}
	o := &runOptions{terse: true}
	o.config.Caller = "--"
	o.config.SetEnv = []string{"SHELL=" + real} // the shim is not there inside
	interactive := !line.command && len(line.rest) == 0 && !line.stdin && term.IsTerminal(int(a.in.Fd()))
	if interactive {
		o.terse = false
		return a.runCommand(o, append([]string{real}, args...))
	}
	in := map[string]string{"command": line.text, "shell": shell}
	if !line.command || line.changed {
		in["command"] = shellQuote(append([]string{shell}, args...))
	}
	p, err := bailey.LoadPolicy(o.config)
	if err != nil {
		return err
	}
	d := p.Decide(bailey.Call("Bash", in))
	if d.Verdict == bailey.Ask {
		d = p.Ask(context.Background(), "Bash", d, approval.NewTerminal(&stage{s: newStreams(a)}))
		o.asked = true
	}
	if d.Verdict != bailey.Allow {
		return a.refuse(d)
	}
	return a.runCommand(o, append([]string{real}, args...))
}

// refuse says why a shell text is not run.
func (a *app) refuse(d bailey.ToolDecision) error {
	a.say(message{"error", "denied: " + d.Reason, d.Change, exitDenied})
	return exitCode(exitDenied)
}

// realShell finds the shell of a name that is not this program.
func realShell(name string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	own, err := os.Stat(self)
	if err != nil {
		return "", err
	}
	dirs := append(filepath.SplitList(os.Getenv("PATH")), "/bin", "/usr/bin", "/usr/local/bin")
	for _, dir := range dirs {
		file := filepath.Join(dir, name)
		info, err := os.Stat(file)
		if err != nil || !filepath.IsAbs(dir) || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 || os.SameFile(info, own) {
			continue
		}
		return file, nil
	}
	return "", &usageError{"there is no " + name + " besides bailey's own", "install it, or set PATH so that it is found"}
}

// boxHost is the name of the host in every box.
const boxHost = "bailey"

// inBox reports whether this process is in a box. A variable could say so falsely
// outside; a process that has given up its privileges, has a filter on its system
// calls and is alone with a host of that name, and with what a box says of itself,
// cannot.
func inBox() bool {
	host, err := os.ReadFile("/proc/sys/kernel/hostname")
	if err != nil || strings.TrimSpace(string(host)) != boxHost {
		return false
	}
	if _, err := os.Stat(inside.JSON); err != nil {
		return false // a container of that name
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	return strings.Contains(string(status), "\nNoNewPrivs:\t1\n") && strings.Contains(string(status), "\nSeccomp:\t2\n")
}
