package main

func agentVerb(a *app) *verb {
	return &verb{
		name: "agent", args: "ls | show NAME | install NAME | uninstall NAME", short: "what bailey knows about coding agents",
		long: `bailey run claude, or the name of another agent that is known, runs it with what
its preset says: directories of its own that are kept for this project, the hosts
of its models, its key as a placeholder.`,
		sub: []entry{
			{"ls", agentLsVerb},
			{"show", agentShowVerb},
			{"install", agentInstallVerb},
			{"uninstall", agentUninstallVerb},
		},
	}
}

func agentLsVerb(a *app) *verb {
	return &verb{
		name: "agent ls", args: "[--json]", short: "list the agents that have a preset",
		long:  "Lists the agents that bailey run knows by name, and whether each is installed.",
		flags: []*flag{a.jsonFlag("the list as JSON")},
		run: func(words []string) error {
			if err := noWords("agent ls", words); err != nil {
				return err
			}
			return a.agentLs()
		},
	}
}

func agentShowVerb(a *app) *verb {
	return &verb{
		name: "agent show", args: "[--json] NAME", mixed: true, short: "print what the preset of an agent does here",
		long:  "Prints what bailey run NAME would add to the policy here, and where each part comes from.",
		flags: []*flag{a.jsonFlag("the preset as JSON")},
		run:   a.agentShow,
	}
}

func (a *app) agentLs() error { return nil }

func (a *app) agentShow(words []string) error { return nil }
