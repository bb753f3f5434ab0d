package main

import (
	"encoding/json"

	"github.com/bailey-run/bailey"
)

func planVerb(a *app) *verb {
	o := &runOptions{}
	return &verb{
		name: "plan", args: "[flags] [--] [CMD [ARG…]]", words: "command",
		short: "print what run would do",
		long: `Prints the plan: every mount, rule, variable and limit, and the syscall filter,
each with the policy line it comes from. Nothing is opened or changed. The plan
is the same for every command; CMD is accepted so that run can be replaced by
plan in a command line.`,
		flags: append(policyFlags(&o.config), a.jsonFlag("the plan as JSON")),
		run: func([]string) error {
			p, err := bailey.Prepare(o.config)
			if err != nil {
				return err
			}
			return a.printPlan(p)
		},
	}
}

func (a *app) jsonFlag(help string) *flag {
	return &flag{name: "json", help: help, set: toggle(&a.json)}
}

func (a *app) printPlan(p *bailey.Plan) error {
	if a.json {
		return a.printJSON(p)
	}
	_, err := a.out.WriteString(p.Text())
	return err
}

// printJSON prints what a program asked for.
func (a *app) printJSON(v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = a.out.Write(append(text, '\n'))
	return err
}
