package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/plan"
)

func whyVerb(a *app) *verb {
	o := &runOptions{}
	write, asNet, udp := false, false, false
	return &verb{
		name: "why", args: "[flags] PATH|--net HOST[:PORT]", words: "file", mixed: true,
		short: "say whether the box may read or write a path, or reach a host, and which rule says so",
		long: `Answers for one path as the box sees it: whether it can be read, written and
executed, which rule in which file decides, and what would allow more. The exit
code is 0 when the path can be read (with --write: written) and 1 when not. With
--net it answers for a host and port in the same way (443 when none is named).`,
		// Here --write is the question and not an answer to it.
		flags: append(without(policyFlags(&o.config), "read", "write"),
			&flag{name: "write", help: "let the exit code say whether the path can be written", set: toggle(&write)},
			&flag{name: "net", help: "ask about a host and port, and not about a path", set: toggle(&asNet)},
			&flag{name: "udp", help: "with --net: ask about UDP", set: toggle(&udp)},
			a.jsonFlag("the answer as JSON")),
		run: func(words []string) error {
			if asNet {
				return a.whyNet(o, words, udp)
			}
			if len(words) != 1 {
				return &usageError{"bailey why needs one path", "as in: bailey why ~/.ssh/id_ed25519"}
			}
			p, err := bailey.Prepare(o.config)
			if err != nil {
				return err
			}
			e := p.Explain(words[0])
			if a.json {
				err = a.printJSON(e)
			} else {
				_, err = a.out.WriteString(explain(p, e))
			}
			if err != nil {
				return err
			}
			if write && !e.Write || !e.Read && !e.Write {
				return exitCode(1)
			}
			return nil
		},
	}
}

// explain prints an explanation for people.
func explain(p *bailey.Plan, e bailey.Explanation) string {
	var can []string
	for _, c := range []struct {
		is   bool
		word string
	}{{e.Read, "read"}, {e.Write, "write"}, {e.Exec, "execute"}} {
		if c.is {
			can = append(can, c.word)
		}
	}
	answer := "hidden"
	if len(can) > 0 {
		answer = strings.Join(can, ", ")
	}
	var b strings.Builder
	b.WriteString(p.Short(e.Path) + ": " + answer + "\n")
	line := func(name, text string) {
		if text != "" {
			b.WriteString("  " + name + strings.Repeat(" ", 7-len(name)) + printable(text) + "\n")
		}
	}
	line("why", e.Why)
	if e.Rule != "" {
		line("rule", e.Rule+" ("+plan.Where(e.From)+")")
	}
	if e.Host != "" && e.Host != e.Path {
		line("host", e.Host)
	}
	line("allow", e.Allow)
	return b.String()
}

// without leaves flags out.
func without(flags []*flag, names ...string) []*flag {
	return slices.DeleteFunc(flags, func(f *flag) bool { return slices.Contains(names, f.name) })
}

// whyNet answers for a host and port.
func (a *app) whyNet(o *runOptions, words []string, udp bool) error {
	if len(words) != 1 {
		return &usageError{"bailey why --net needs one host", "as in: bailey why --net example.org:443"}
	}
	p, err := bailey.Prepare(o.config)
	if err != nil {
		return err
	}
	e, err := p.ExplainNet(words[0], udp)
	if err != nil {
		return &usageError{err.Error(), "as in: bailey why --net example.org:443"}
	}
	if a.json {
		err = a.printJSON(e)
	} else {
		_, err = a.out.WriteString(explainNet(e))
	}
	if err == nil && e.Verdict != "allow" {
		err = exitCode(1)
	}
	return err
}

func explainNet(e bailey.NetExplanation) string {
	var b strings.Builder
	host := e.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	answer := map[string]string{"allow": "reachable", "ask": "asked about", "deny": "refused"}[string(e.Verdict)]
	b.WriteString(printable(host) + ":" + strconv.Itoa(int(e.Port)) + ": " + answer + "\n")
	line := func(name, text string) {
		if text != "" {
			b.WriteString("  " + name + strings.Repeat(" ", 7-len(name)) + printable(text) + "\n")
		}
	}
	if e.Rule != "" {
		where := ""
		if e.From.File != "" {
			where = " (" + plan.Where(e.From) + ")"
		}
		line("rule", e.Rule+where)
	}
	switch {
	case e.Inside:
		line("how", "the gate looks inside: the name, and method and path of each request, must be allowed")
	case e.Identity != "":
		line("how", "TLS or HTTP whose name agrees")
	case e.Verdict == "allow":
		line("how", "anything that speaks to that host and port")
	}
	if e.Verdict == "allow" && !e.Private && e.Identity != "" {
		line("but", "not when the name resolves to a private address")
	}
	line("allow", e.Hint)
	return b.String()
}
