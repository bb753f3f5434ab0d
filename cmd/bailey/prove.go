package main

import (
	"strings"

	"github.com/bailey-run/bailey"
)

// proveOptions are the flags of prove.
type proveOptions struct {
	config     bailey.Config
	given      []string // the flags of the policy, as words
	only, skip []string
	gate       string
	scratch    string
	junit      string
	sarif      string
	list       bool
	selfCheck  bool
	lenient    bool
}

func proveVerb(a *app) *verb {
	o := &proveOptions{}
	flags := policyFlags(&o.config)
	for _, f := range flags {
		set := f.set
		f.set = func(value string) error {
			o.given = append(o.given, "--"+f.name+"="+value)
			return set(value)
		}
	}
	return &verb{
		name: "prove", args: "[flags] [-- PREFIX…]", words: "command",
		short: "attack a box from inside and say what held",
		long: `Plants secrets, sockets and processes in a scratch directory, opens a box with the
policy of the current project, and lets a program inside try to get at them. What
happened is judged from outside. Ordinary work is tried too: a box in which
nothing works proves nothing. Everything is removed afterwards.

With a command behind --, that is put in front of the probe program in place of
bailey's own box, as in: bailey prove -- bwrap --ro-bind / / --dev /dev. In its
words {ws}, {home}, {bin} and {base} stand for the scratch project, home, the
probe program's directory and the directory that holds all of it.

The exit code is 0 when the proof holds, 1 when something escaped, was not
reported, or ordinary work did not work, and 125 when nothing could be proved.`,
		flags: append(flags,
			&flag{name: "only", value: "NAME", help: "only these probes: an id, a category or a glob", many: true, set: words(&o.only)},
			&flag{name: "skip", value: "NAME", help: "not these probes", many: true, set: words(&o.skip)},
			&flag{name: "gate", value: "LIST", help: "severities whose escapes fail the proof: boundary, persistence, hardening, resource", set: text(&o.gate)},
			&flag{name: "allow-weaker", help: "report escapes that the tier announces (see weaker), and let the proof hold", set: toggle(&o.lenient)},
			&flag{name: "self-check", help: "run the probes without any sandbox: each must get through", set: toggle(&o.selfCheck)},
			&flag{name: "scratch", value: "DIR", help: "make the scratch directory in DIR instead of /var/tmp", kind: "dir", set: text(&o.scratch)},
			&flag{name: "list", help: "list the probes", set: toggle(&o.list)},
			&flag{name: "junit", value: "FILE", help: "write JUnit XML to FILE (- for standard output)", kind: "file", set: text(&o.junit)},
			&flag{name: "sarif", value: "FILE", help: "write SARIF to FILE (- for standard output)", kind: "file", set: text(&o.sarif)},
			&flag{name: "json", help: "the proof as JSON", set: toggle(&a.json)},
			&flag{name: "quiet", short: "q", help: "no progress line", set: toggle(&a.quiet)},
			&flag{name: "verbose", short: "v", help: "every probe, not only those that failed", set: toggle(&a.verbose)},
		),
		run: func(words []string) error { return a.prove(o, words) },
	}
}

// words appends the words of a list with commas.
func words(to *[]string) func(string) error {
	return func(s string) error {
		for w := range strings.SplitSeq(s, ",") {
			*to = append(*to, strings.TrimSpace(w))
		}
		return nil
	}
}
