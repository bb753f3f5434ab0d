package main

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/bailey-run/bailey/internal/layers"
	"github.com/bailey-run/bailey/internal/secret"
	"golang.org/x/term"
)

func secretVerb(a *app) *verb {
	return &verb{
		name: "secret", args: "set NAME | ls | rm NAME…", short: "keep values that boxes use and do not learn",
		long: `Values are kept in the keyring of the operating system, or in an encrypted file
where there is none. A policy names them as source = "keyring:NAME" of a secret;
the box sees a placeholder, and the gate puts the value into requests to the
secret's hosts.`,
		sub: []entry{
			{"set", secretSetVerb},
			{"ls", secretLsVerb},
			{"rm", secretRmVerb},
		},
	}
}

func secretSetVerb(a *app) *verb {
	file, keyFile := false, false
	return &verb{
		name: "secret set", args: "[--file] [--key-file] [--json] NAME", mixed: true, short: "keep a value",
		long: `Reads the value from standard input, or asks for it on the terminal, and replaces
what was kept under the name. The value is never an argument: other users see
those, and shells remember them.

Where there is no keyring, the first value asks for the passphrase of a new
encrypted file. With --key-file the file's key lies beside it instead: nobody is
asked when a box starts, and the file protects no better than its mode does.`,
		flags: []*flag{
			{name: "file", help: "use the encrypted file, also where there is a keyring", set: toggle(&file)},
			{name: "key-file", help: "the same, and a new file has its key in a file beside it", set: toggle(&keyFile)},
			a.jsonFlag("what was done as JSON"),
		},
		run: func(words []string) error { return a.secretSet(words, file, keyFile) },
	}
}

func secretLsVerb(a *app) *verb {
	return &verb{
		name: "secret ls", args: "[--json]", short: "list what is kept",
		long:  "Lists names, where each value is, and when it was set. Values are never shown.",
		flags: []*flag{a.jsonFlag("the list as JSON")},
		run: func(words []string) error {
			if err := noWords("secret ls", words); err != nil {
				return err
			}
			return a.secretLs()
		},
	}
}

func secretRmVerb(a *app) *verb {
	return &verb{
		name: "secret rm", args: "[--json] NAME…", mixed: true, short: "forget values",
		long:  "Removes values. One that is not there is an error, after all others were removed.",
		flags: []*flag{a.jsonFlag("what was done as JSON")},
		run:   a.secretRm,
	}
}

// keep is the store of secrets of the person.
func (a *app) keep() (*secret.Keep, error) {
	if os.Getenv("BAILEY") == "1" {
		return nil, &usageError{"secrets are not to be had inside a box", "run bailey secret in a terminal of your own"}
	}
	dir, err := layers.SecretsDir()
	if err != nil {
		return nil, err
	}
	return &secret.Keep{Dir: dir, Ask: secret.AskTerminal}, nil
}

func (a *app) secretSet(words []string, file, keyFile bool) error {
	switch {
	case len(words) == 0:
		return &usageError{"bailey secret set needs a name", "bailey secret set NAME, and the value on standard input"}
	case len(words) > 1: // what follows may be a value: it is not repeated
		return &usageError{"bailey secret set takes a name and nothing else", "the value comes from standard input or the terminal; one that was an argument is known to others: change it"}
	}
	name := words[0]
	if !secret.ValidName(name) {
		return &usageError{"this is no name for a secret", "letters, digits, _, - and . make one; the value comes from standard input or the terminal"}
	}
	k, err := a.keep()
	if err != nil {
		return err
	}
	k.File, k.KeyFile = file, keyFile
	var v secret.Value
	if term.IsTerminal(int(a.in.Fd())) {
		v, err = secret.ReadTerminal("bailey: value of " + name + " (not shown): ")
	} else {
		v, err = secret.ReadInput(a.in)
	}
	if err != nil {
		return err
	}
	defer v.Wipe()
	where, err := k.Set(context.Background(), name, v)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(map[string]string{"name": name, "where": where})
	}
	place := "the keyring"
	if where == secret.InFile {
		place = "the encrypted file " + quote(k.Dir)
	}
	a.info("%s is kept in %s; a policy names it as source = \"keyring:%s\"", name, place, name)
	return nil
}

func (a *app) secretLs() error {
	k, err := a.keep()
	if err != nil {
		return err
	}
	items, err := k.List()
	if err != nil {
		return err
	}
	if a.json {
		if items == nil {
			items = []secret.Item{}
		}
		return a.printJSON(items)
	}
	width := 0
	for _, i := range items {
		width = max(width, len(i.Name))
	}
	for _, i := range items {
		line := i.Name + strings.Repeat(" ", width-len(i.Name)+2) + i.Where + strings.Repeat(" ", len(secret.InKeyring)-len(i.Where)+2) + i.At.Format(time.DateOnly) + "\n"
		if _, err := a.out.WriteString(line); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) secretRm(words []string) error {
	if len(words) == 0 {
		return &usageError{"bailey secret rm needs a name", "bailey secret ls lists them"}
	}
	k, err := a.keep()
	if err != nil {
		return err
	}
	type done struct {
		Name    string `json:"name"`
		Removed bool   `json:"removed"`
	}
	all := []done{}
	var missing []string
	for _, name := range words {
		had, err := k.Remove(context.Background(), name)
		if err != nil {
			return err
		}
		all = append(all, done{name, had})
		switch {
		case !had:
			missing = append(missing, quote(name))
		case !a.json:
			a.info("%s is forgotten", name)
		}
	}
	if a.json {
		if err := a.printJSON(all); err != nil {
			return err
		}
	}
	if missing != nil {
		return &usageError{"not kept: " + strings.Join(missing, ", "), "bailey secret ls lists what is"}
	}
	return nil
}
