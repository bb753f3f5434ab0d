// Command bailey runs commands inside walls that the operating system holds up.
package main

import (
	"io"
	"log"
	"os"
	"strings"

	"github.com/bailey-run/bailey/internal/policy"
)

func main() { os.Exit(realMain(os.Args[1:])) }

// realMain runs bailey with args and returns its exit code.
func realMain(args []string) int {
	// net/http has places where it prints what a server sent, a secret perhaps, and
	// can be told not to in no other way.
	log.SetOutput(io.Discard)
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	if len(args) > 0 && strings.HasPrefix(args[0], "prove-") {
		if code, is := hidden(a, args); is {
			return code
		}
	}
	if name := shimName(os.Args[0]); name != "" {
		return a.code(a.shim(name, args))
	}
	if len(args) > 0 && args[0] == "hook" {
		return a.hookStart(args[1:])
	}
	return a.code(a.dispatch(args))
}

// app is one run of the program.
type app struct {
	in, out, err *os.File
	json         bool // messages are JSON lines
	quiet        bool
	verbose      bool
}

// dispatch finds the verb and runs it.
func (a *app) dispatch(args []string) error {
	if len(args) == 0 {
		a.err.WriteString(overview(a))
		return exitCode(exitFailed)
	}
	name, rest := args[0], args[1:]
	switch name {
	case "-h", "--help":
		name = "help"
	case "--version", "-V":
		name = "version"
	case attemptArg: // not a verb for people: bailey test starts it in a box
		return a.attempt(rest)
	}
	if strings.HasPrefix(name, "-") {
		return &usageError{"unknown flag " + name, "flags follow the verb, as in: bailey run " + name + " … -- CMD"}
	}
	entry := find(verbs(), name)
	if entry == nil {
		hint := "bailey help lists the verbs; to run a command: bailey run -- " + name
		if near := policy.Nearest(name, names(verbs())); near != "" {
			hint = "did you mean bailey " + near + "?"
		}
		return &usageError{"unknown verb " + quote(name), hint}
	}
	return a.invoke(entry.make(a), rest)
}

// invoke parses the flags of a verb and runs it, or the verb below it.
func (a *app) invoke(v *verb, args []string) error {
	if v.sub != nil {
		switch {
		case len(args) > 0 && (args[0] == "-h" || args[0] == "--help"):
			return a.help(v)
		case v.fallback != "" && (len(args) == 0 || find(v.sub, args[0]) == nil):
			return a.invoke(find(v.sub, v.fallback).make(a), args)
		case len(args) == 0:
			return &usageError{"bailey " + v.name + " needs one of " + strings.Join(names(v.sub), ", "), "bailey help " + v.name + " says what they do"}
		}
		entry := find(v.sub, args[0])
		if entry == nil {
			hint := "bailey " + v.name + " has " + strings.Join(names(v.sub), ", ")
			if near := policy.Nearest(args[0], names(v.sub)); near != "" {
				hint = "did you mean bailey " + v.name + " " + near + "?"
			}
			return &usageError{"unknown verb " + quote(v.name+" "+args[0]), hint}
		}
		return a.invoke(entry.make(a), args[1:])
	}
	words, help, err := v.parse(args)
	if err != nil {
		return err
	}
	if help {
		return a.help(v)
	}
	return v.run(words)
}
