package main

import (
	"strings"

	"github.com/bailey-run/bailey/internal/policy"
)

func helpVerb(a *app) *verb {
	return &verb{
		name: "help", args: "[VERB]", words: "verb", short: "explain a verb",
		long: "Without VERB, lists all of them.",
		run: func(words []string) error {
			if len(words) == 0 {
				_, err := a.out.WriteString(overview(a))
				return err
			}
			list := verbs()
			var v *verb
			for _, w := range words {
				entry := find(list, w)
				if entry == nil {
					hint := "bailey help lists the verbs"
					if near := policy.Nearest(w, names(list)); near != "" {
						hint = "did you mean bailey help " + near + "?"
					}
					return &usageError{"there is no verb " + quote(strings.Join(words, " ")), hint}
				}
				v = entry.make(a)
				list = v.sub
			}
			return a.help(v)
		},
	}
}

// exitCodes is told wherever a command is run.
const exitCodes = `The command's own exit code is passed on. Others:
  124  the command was ended by its time limit
  125  bailey failed: nothing was run, or not to its end
  126  the command was found but cannot be executed
  127  the command was not found in the box
  128+n  the command was ended by signal n
`

// overview is the help of all verbs.
func overview(a *app) string {
	var b strings.Builder
	b.WriteString("bailey runs commands inside walls that the operating system holds up.\n\n  bailey run -- go test ./...\n\nverbs:\n")
	for _, e := range verbs() {
		b.WriteString("  " + pad(e.name, 12) + e.make(a).short + "\n")
	}
	b.WriteString("\nbailey help VERB explains one.\n")
	return b.String()
}

// help prints the help of one verb.
func (a *app) help(v *verb) error {
	_, err := a.out.WriteString(helpText(a, v))
	return err
}

func helpText(a *app, v *verb) string {
	var b strings.Builder
	b.WriteString("usage: bailey " + v.synopsis() + "\n\n" + v.long + "\n")
	if v.sub != nil {
		b.WriteString("\nverbs:\n")
		for _, e := range v.sub {
			b.WriteString("  " + pad(e.name, 12) + e.make(a).short + "\n")
		}
	}
	if len(v.flags) > 0 {
		b.WriteString("\nflags:\n")
		for _, f := range v.flags {
			line := f.usage()
			if f.many {
				line = pad(line, 26) + f.help + " (repeatable)"
			} else {
				line = pad(line, 26) + f.help
			}
			b.WriteString("  " + line + "\n")
		}
	}
	if v.words == "command" || v.name == "shell" {
		b.WriteString("\n" + exitCodes)
	}
	return b.String()
}

func (v *verb) synopsis() string {
	if v.args == "" {
		return v.name
	}
	return v.name + " " + v.args
}

// usage is how a flag is written.
func (f *flag) usage() string {
	s := "    --" + f.name
	if f.short != "" {
		s = "-" + f.short + ", --" + f.name
	}
	if f.value != "" {
		s += " " + f.value
	}
	return s
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(width-len(s), 1))
}
