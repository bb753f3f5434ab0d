package main

// verb is one thing bailey does. The table of verbs drives parsing, help,
// completion and the manual pages.
type verb struct {
	name  string // "run", "policy show"
	args  string // as in a synopsis
	short string // one line
	long  string // paragraphs, for help and the manual page
	flags []*flag
	mixed bool    // flags may stand behind words: the words are no command line
	sub   []entry // the verbs below this one; then run is nil
	// fallback is the verb below that is meant when none is named.
	fallback string
	words    string // what completion offers for words: "command", "file", "verb", or words themselves
	run      func(words []string) error
}

// entry makes its verb only when it is asked for: start-up pays for one verb.
type entry struct {
	name string
	make func(*app) *verb
}

func find(list []entry, name string) *entry {
	for i := range list {
		if list[i].name == name {
			return &list[i]
		}
	}
	return nil
}

func names(list []entry) []string {
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = e.name
	}
	return out
}

// verbs are all verbs, in the order of the help.
func verbs() []entry {
	return []entry{
		{"run", runVerb},
		{"shell", shellVerb},
		{"plan", planVerb},
		{"why", whyVerb},
		{"test", testVerb},
		{"check", checkVerb},
		{"rules", rulesVerb},
		{"hook", hookVerb},
		{"policy", policyVerb},
		{"trust", trustVerb},
		{"approve", approveVerb},
		{"grants", grantsVerb},
		{"secret", secretVerb},
		{"agent", agentVerb},
		{"request", requestVerb},
		{"denials", denialsVerb},
		{"mcp", mcpVerb},
		{"doctor", doctorVerb},
		{"prove", proveVerb},
		{"version", versionVerb},
		{"completion", completionVerb},
		{"man", manVerb},
		{"help", helpVerb},
	}
}
