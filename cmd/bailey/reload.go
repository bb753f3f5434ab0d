package main

import (
	"strings"

	"github.com/bailey-run/bailey"
)

func policyReloadVerb(a *app) *verb {
	return &verb{
		name: "policy reload", args: "[flags] [SESSION]", short: "let a running session read its policy anew",
		long: `A session with a network, or with rules for programs, looks at its policy files
once a second; this asks at once and says what came of it. The new policy is
checked as a whole: with an error nothing changes. Connections that it would not
allow are closed, and programs are judged by its rules. Everything else holds from
the next run. SESSION may be left out when one session runs.`,
		flags: []*flag{a.jsonFlag("the answer as JSON")},
		mixed: true,
		run: func(words []string) error {
			if len(words) > 1 {
				return &usageError{"bailey policy reload takes one session", "bailey policy reload lists them when there are several"}
			}
			session, err := oneSession(words)
			if err != nil {
				return err
			}
			r, err := bailey.ReloadSession(session)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(r)
			}
			a.reloaded(r, nil)
			return nil
		},
	}
}

func oneSession(words []string) (string, error) {
	if len(words) == 1 {
		return words[0], nil
	}
	list, err := bailey.Sessions()
	if err != nil {
		return "", err
	}
	switch len(list) {
	case 0:
		return "", &usageError{"no session runs whose policy can change", "bailey run --allow-net HOST -- CMD starts one"}
	case 1:
		return list[0], nil
	}
	return "", &usageError{"several sessions run: " + strings.Join(list, ", "), "bailey policy reload SESSION"}
}

// reloaded says what became of a new policy.
func (a *app) reloaded(r bailey.Reloaded, err error) {
	if err != nil {
		text, hint := describe(err)
		a.say(message{Level: "warning", Text: "the policy changed and does not load, so the old one stays: " + text, Hint: hint})
		return
	}
	what := "the network and the rules are as they were"
	if r.Changed {
		what = "the new policy is in force"
	}
	if r.Note != "" {
		what += "; " + r.Note
	}
	a.info("session %s: %s", r.Session, what)
}
