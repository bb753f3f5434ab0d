package main

import (
	"strings"

	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/plan"
)

func rulesVerb(a *app) *verb {
	o := &checkOptions{}
	o.config.Caller = "--"
	builtin := false
	return &verb{
		name: "rules", args: "[flags]", short: "list the rules that allow, ask and deny, each with its file and line",
		long: `Prints the rules of the policy in the order they are asked: deny before ask before
allow. With --builtin, prints the built-in ones: commands that are always asked
about, and commands that only read and are allowed under approval = "untrusted".`,
		flags: append(ruleFlags(o),
			&flag{name: "builtin", help: "the built-in rules", set: toggle(&builtin)},
			a.jsonFlag("the rules as JSON")),
		run: func(words []string) error {
			if err := noWords("rules", words); err != nil {
				return err
			}
			var list []bailey.ListedRule
			if builtin {
				list = bailey.BuiltinRules()
			} else {
				p, err := o.load()
				if err != nil {
					return err
				}
				list = p.Rules()
			}
			if a.json {
				return a.printJSON(list)
			}
			var b strings.Builder
			for _, r := range list {
				line := pad(string(r.List), 6) + pad(printable(r.Rule), 38) + " # " + plan.Where(r.From)
				if r.Reason != "" {
					line += ": " + printable(r.Reason)
				}
				b.WriteString(line + "\n")
			}
			_, err := a.out.WriteString(b.String())
			return err
		},
	}
}
