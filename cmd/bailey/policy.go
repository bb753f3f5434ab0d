package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/layers"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

func policyVerb(a *app) *verb {
	return &verb{
		name: "policy", args: "show|lint|schema|init|import|reload", short: "look at the policy, check it, begin one",
		long: `The policy is made from layers: built-in profiles, your own configuration, the
project's bailey.toml and .bailey/local.toml, the command line, and what the
machine's owner put into /etc/bailey. Higher layers win; any layer may deny; a
project's files only tighten until you trust them (bailey trust).`,
		sub: []entry{
			{"show", policyShowVerb},
			{"lint", policyLintVerb},
			{"schema", policySchemaVerb},
			{"init", policyInitVerb},
			{"import", policyImportVerb},
			{"reload", policyReloadVerb},
		},
	}
}

// noWords refuses words behind a verb that takes none.
func noWords(name string, words []string) error {
	if len(words) > 0 {
		return &usageError{"bailey " + name + " takes no arguments, and got " + quote(words[0]), "bailey help " + name}
	}
	return nil
}

func policyShowVerb(a *app) *verb {
	var c bailey.Config
	return &verb{
		name: "policy show", args: "[flags]", short: "print the effective policy, each value with the file and line it comes from",
		long:  "Prints every value in force. Flags count as they would for run.",
		flags: append(policyFlags(&c), a.jsonFlag("the policy as JSON")),
		run: func(words []string) error {
			if err := noWords("policy show", words); err != nil {
				return err
			}
			p, err := bailey.LoadPolicy(c)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(p)
			}
			_, err = a.out.WriteString(p.Text())
			return err
		},
	}
}

func policyLintVerb(a *app) *verb {
	var c bailey.Config
	return &verb{
		name: "policy lint", args: "[flags]", short: "check the policy",
		long: `Finds errors, and values that are legal and still hardly what was meant. The
exit code is 0 when there is nothing but notes, 1 with warnings, and 125 with
errors.`,
		flags: append(policyFlags(&c), a.jsonFlag("the findings as JSON")),
		run: func(words []string) error {
			if err := noWords("policy lint", words); err != nil {
				return err
			}
			p, err := bailey.LoadPolicy(c)
			if err != nil {
				return err
			}
			return a.printFindings(p.Lint())
		},
	}
}

func (a *app) printFindings(all []bailey.Finding) error {
	bad := false
	for _, f := range all {
		bad = bad || f.Severity == policy.Warning
		if a.json {
			continue
		}
		text := fmt.Sprintf("%s: %s: %s: %s %s", plan.Where(f.From), f.Severity, f.Key, f.Value, f.Problem)
		if f.Hint != "" {
			text += " (" + f.Hint + ")"
		}
		if _, err := a.out.WriteString(printable(text) + "\n"); err != nil {
			return err
		}
	}
	if a.json {
		if all == nil {
			all = []bailey.Finding{}
		}
		if err := a.printJSON(all); err != nil {
			return err
		}
	}
	if bad {
		return exitCode(1)
	}
	return nil
}

func policySchemaVerb(a *app) *verb {
	return &verb{
		name: "policy schema", short: "print the JSON Schema of policy files, for editors",
		long: "Prints the schema that describes bailey.toml.",
		run: func(words []string) error {
			if err := noWords("policy schema", words); err != nil {
				return err
			}
			_, err := a.out.Write(policy.Schema())
			return err
		},
	}
}

func policyInitVerb(a *app) *verb {
	var dir string
	return &verb{
		name: "policy init", args: "[flags]", short: "write a commented bailey.toml for this project",
		long:  "Writes bailey.toml into the project's directory. A file that is there is left alone.",
		flags: []*flag{{name: "chdir", value: "DIR", help: "the project's directory", kind: "dir", set: text(&dir)}},
		run: func(words []string) error {
			if err := noWords("policy init", words); err != nil {
				return err
			}
			return a.policyInit(dir)
		},
	}
}

func (a *app) policyInit(dir string) error {
	project, err := layers.FindProject(dir)
	if err != nil {
		return err
	}
	p, err := bailey.LoadPolicy(bailey.Config{Dir: dir, Caller: "--"})
	if err != nil {
		return err
	}
	var profiles []string
	for _, name := range p.Profiles() {
		if name != "default" {
			profiles = append(profiles, name)
		}
	}
	name := filepath.Join(project.Root, "bailey.toml")
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return &usageError{quote(name) + " exists", "bailey policy show prints what it says; edit it, or move it away"}
	}
	if err != nil {
		return fmt.Errorf("write policy: %w", err)
	}
	_, err = f.WriteString(policy.Init(profiles...))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write policy: %w", err)
	}
	a.info("wrote %s", strconv.Quote(name))
	return nil
}
