package main

import (
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/plan"
)

func agentVerb(a *app) *verb {
	return &verb{
		name: "agent", args: "ls | show NAME | install NAME | uninstall NAME", short: "what bailey knows about coding agents",
		long: `bailey run claude, or the name of another agent that is known, runs it with what
its preset says: directories of its own that are kept for this project, the hosts
of its models, its keys as placeholders. A file agents/NAME.toml in bailey's
configuration directory adds to a preset, or is a new one.`,
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
		long:  "Lists the agents that bailey run knows by name, where each is installed, and which files its preset is from.",
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
		long: `Prints what bailey run NAME does in this project beside the policy: directories,
copies, keys that were found, and each value of the policy that the preset brings,
with the file and line that say so.`,
		flags: []*flag{a.jsonFlag("the preset as JSON")},
		run:   a.agentShow,
	}
}

// agentLine is one agent of the list.
type agentLine struct {
	Name    string   `json:"name"`
	Program string   `json:"program,omitempty"` // where it is installed
	Keys    []string `json:"keys,omitempty"`
	Presets []string `json:"presets,omitempty"`
	Error   string   `json:"error,omitempty"`
}

func (a *app) agentLs() error {
	names, err := bailey.AgentNames()
	if err != nil {
		return err
	}
	list := make([]agentLine, 0, len(names))
	for _, name := range names {
		l := agentLine{Name: name}
		if file, err := exec.LookPath(name); err == nil {
			l.Program = file
		}
		if agent, err := bailey.LoadAgent(bailey.Config{Agent: name, Caller: "--"}); err != nil {
			l.Error = err.Error()
		} else {
			l.Keys, l.Presets = agent.Keys, agent.Presets
		}
		list = append(list, l)
	}
	if a.json {
		return a.printJSON(list)
	}
	var b strings.Builder
	for _, l := range list {
		program := "not installed"
		if l.Program != "" {
			program = plan.Show(l.Program)
		}
		line := pad(l.Name, 10) + pad(program, 40)
		switch {
		case l.Error != "":
			line += "error: " + printable(l.Error)
		case len(l.Keys) > 0:
			line += "keys: " + strings.Join(l.Keys, " ")
		default:
			line += "no key found"
		}
		if own := l.Presets; len(own) > 1 || len(own) == 1 && filepath.IsAbs(own[0]) {
			line += "; " + plan.Show(own[len(own)-1])
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err = a.out.WriteString(b.String())
	return err
}

// agentDetails is what agent show prints.
type agentDetails struct {
	*bailey.Agent
	Policy []string `json:"policy"` // values of the policy that the preset brings
}

func (a *app) agentShow(words []string) error {
	if len(words) != 1 {
		return &usageError{"bailey agent show needs the name of one agent", "bailey agent ls lists them"}
	}
	config := bailey.Config{Agent: words[0], Caller: "--"}
	agent, err := bailey.LoadAgent(config)
	if err != nil {
		return err
	}
	p, err := bailey.LoadPolicy(config)
	if err != nil {
		return err
	}
	d := agentDetails{Agent: agent, Policy: p.OfAgent()}
	if a.json {
		return a.printJSON(d)
	}
	var b strings.Builder
	section := func(title string, lines []string) {
		for i, l := range lines {
			if i > 0 {
				title = ""
			}
			b.WriteString(pad(title, 10) + l + "\n")
		}
	}
	b.WriteString(agent.Name + ": " + agent.Description + "\n")
	section("  presets", agent.Presets)
	var kept, files []string
	for _, name := range slices.Sorted(maps.Keys(agent.Kept)) {
		kept = append(kept, "~/"+name+" is "+plan.Show(agent.Kept[name]))
	}
	section("  kept", kept)
	for _, f := range agent.Files {
		line := "~/" + f.Name
		switch {
		case f.Auth:
			line += ", with placeholders for what is secret"
		case f.Copy == "":
			line += ", made"
		case f.Copy == f.Name:
			line += ", copied from yours"
		default:
			line += ", copied from your ~/" + f.Copy
		}
		files = append(files, line+" ("+plan.Where(f.From)+")")
	}
	section("  files", files)
	if len(agent.Keys) == 0 {
		section("  keys", []string{"none was found"})
	}
	section("  keys", agent.Keys)
	if len(agent.Args) > 0 {
		section("  args", []string{quoteAll(agent.Args)})
	}
	section("  notes", agent.Notes)
	section("  policy", d.Policy)
	_, err = a.out.WriteString(b.String())
	return err
}

func quoteAll(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = quote(w)
	}
	return strings.Join(out, " ")
}

// announceAgent says what a preset does.
func (a *app) announceAgent(p *bailey.Plan) {
	agent := p.Agent()
	if agent == nil {
		return
	}
	line := "agent " + agent.Name + ": directories of its own, kept for this project"
	if len(agent.Keys) > 0 {
		line += "; placeholders for " + strings.Join(agent.Keys, " ")
	}
	a.info("%s (bailey agent show %s)", line, agent.Name)
	for _, n := range agent.Notes {
		a.info("%s", n)
	}
}
