package main

import (
	"strings"

	"github.com/bailey-run/bailey/internal/policy"
)

// flag is one flag of a verb. The parser is our own and small: package net, which
// the usual ones bring along for flags that are addresses, costs every start
// some 70 us.
type flag struct {
	name  string
	short string // one letter, or ""
	value string // what help calls the value; "" for a switch
	help  string
	many  bool     // may be repeated
	offer []string // values for completion
	kind  string   // "file" or "dir", for completion
	set   func(value string) error
}

// parse takes the flags off args and returns the words. "--" ends the flags; so
// does the first word, unless the verb is mixed.
func (v *verb) parse(args []string) (words []string, help bool, err error) {
	for len(args) > 0 {
		arg := args[0]
		switch {
		case arg == "--":
			return append(words, args[1:]...), false, nil
		case arg == "-h", arg == "--help":
			return nil, true, nil
		case len(arg) < 2 || arg[0] != '-':
			if !v.mixed {
				return args, false, nil
			}
			words = append(words, arg)
			args = args[1:]
			continue
		}
		n, err := v.flag(args)
		if err != nil {
			return nil, false, err
		}
		args = args[n:]
	}
	return words, false, nil
}

// flag takes the flag at the front of args and returns how many of args it took.
func (v *verb) flag(args []string) (int, error) {
	arg := args[0]
	name, value, given := strings.Cut(arg, "=")
	f := v.lookup(name)
	if f == nil {
		if f := v.cluster(arg); f != nil { // -qv
			for _, one := range f {
				one.set("")
			}
			return 1, nil
		}
		hint := "bailey help " + v.name + " lists the flags"
		if near := policy.Nearest(name, v.flagNames()); near != "" {
			hint = "did you mean " + near + "?"
		} else if !v.mixed && v.words == "command" {
			hint += "; flags of the command go behind it"
		}
		return 0, &usageError{"unknown flag " + quote(name) + " of bailey " + v.name, hint}
	}
	n := 1
	switch {
	case f.value == "" && given:
		return 0, &usageError{"flag " + name + " takes no value", "write " + name}
	case f.value != "" && !given:
		if len(args) < 2 {
			return 0, &usageError{"flag " + name + " needs a value", "write " + name + " " + f.value}
		}
		value, n = args[1], 2
	}
	if f.value != "" && value == "" {
		return 0, &usageError{"flag " + name + " has an empty value", "write " + name + " " + f.value + ", or leave it out"}
	}
	return n, f.set(value)
}

func (v *verb) lookup(name string) *flag {
	for _, f := range v.flags {
		if name == "--"+f.name || f.short != "" && name == "-"+f.short {
			return f
		}
	}
	return nil
}

// cluster reads several one-letter switches in one word.
func (v *verb) cluster(arg string) []*flag {
	if len(arg) < 3 || arg[1] == '-' {
		return nil
	}
	var all []*flag
	for _, letter := range arg[1:] {
		f := v.lookup("-" + string(letter))
		if f == nil || f.value != "" {
			return nil
		}
		all = append(all, f)
	}
	return all
}

func (v *verb) flagNames() []string {
	out := []string{"--help"}
	for _, f := range v.flags {
		out = append(out, "--"+f.name)
	}
	return out
}

// The kinds of values.

func text(to *string) func(string) error {
	return func(s string) error { *to = s; return nil }
}

func list(to *[]string) func(string) error {
	return func(s string) error { *to = append(*to, s); return nil }
}

func toggle(to *bool) func(string) error {
	return func(string) error { *to = true; return nil }
}

func keyword[T ~string](to *T) func(string) error {
	return func(s string) error { *to = T(s); return nil }
}
