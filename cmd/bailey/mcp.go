package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"syscall"

	"github.com/bailey-run/bailey"
)

// mcpProgram is the server behind bailey mcp, beside bailey.
const mcpProgram = "bailey-mcp"

func mcpVerb(a *app) *verb {
	o := &runOptions{}
	return &verb{
		name: "mcp", args: "[flags]", short: "serve a sandboxed shell, read and write to an agent, over MCP",
		long: `Speaks the Model Context Protocol on standard input and output. The tools shell,
read and write work in one open box, which ends with the client. An agent starts
it itself, as in

    claude mcp add bailey -- bailey mcp

The rules of the policy are asked before each call. What they ask about goes to
the person at the client, where the client can ask one, and is refused elsewhere.

The server is a program of its own, bailey-mcp, that lies beside bailey.`,
		flags: append(append(policyFlags(&o.config),
			&flag{name: "log", value: "FILE", help: "append the session's events to FILE as JSON lines", kind: "file", set: text(&o.config.Log)},
			&flag{name: "net-log", value: "FILE", help: "append the session's connections to FILE as JSON lines", kind: "file", set: text(&o.config.NetLog)},
		), a.messageFlags()...),
		run: func(words []string) error {
			if err := noWords("mcp", words); err != nil {
				return err
			}
			return a.mcp(o.config)
		},
	}
}

// mcp becomes the server. What can be known to be wrong is said before.
func (a *app) mcp(config bailey.Config) error {
	program, err := adjacent(mcpProgram)
	if err != nil {
		return err
	}
	p, err := bailey.Prepare(config)
	if err != nil {
		return err
	}
	a.announce(p)
	order, err := json.Marshal(map[string]any{"Version": bailey.Version(), "Config": plainFields(config)})
	if err != nil {
		return err
	}
	err = syscall.Exec(program, []string{mcpProgram, string(order)}, os.Environ())
	return &fs.PathError{Op: "exec", Path: program, Err: err}
}

// plainFields are the fields of a Config that are set and are data: the flags set
// no others.
func plainFields(config bailey.Config) map[string]any {
	out := map[string]any{}
	v := reflect.ValueOf(config)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if k := f.Type.Kind(); f.IsExported() && !v.Field(i).IsZero() && k != reflect.Func && k != reflect.Interface {
			out[f.Name] = v.Field(i).Interface()
		}
	}
	return out
}

// adjacent finds a program of the same build: in the directory of this one, as it
// was called or as links lead to it. PATH is not searched: a directory there may
// be a project's.
func adjacent(name string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	dirs := []string{filepath.Dir(self)}
	if real, err := filepath.EvalSymlinks(self); err == nil {
		dirs = append(dirs, filepath.Dir(real))
	}
	for _, dir := range dirs {
		program := filepath.Join(dir, name)
		st, err := os.Stat(program)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		if st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return program, nil
		}
	}
	return "", &usageError{name + " is not in " + quote(dirs[0]), "install both: go install github.com/bailey-run/bailey/cmd/bailey github.com/bailey-run/bailey/cmd/" + name + "; in a clone: go install ./cmd/..."}
}
