package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/bailey-run/bailey/internal/graft"
	"github.com/bailey-run/bailey/internal/hook"
	"github.com/bailey-run/bailey/internal/layers"
	"github.com/bailey-run/bailey/internal/policy"
)

type installOptions struct {
	user, project, dryRun, yes bool
	dir                        string
}

func (o *installOptions) flags() []*flag {
	return []*flag{
		{name: "user", help: "for all projects (the default)", set: toggle(&o.user)},
		{name: "project", help: "for the project around the current directory", set: toggle(&o.project)},
		{name: "dry-run", help: "show the change, and make none", set: toggle(&o.dryRun)},
		{name: "yes", short: "y", help: "do not ask", set: toggle(&o.yes)},
		{name: "dir", value: "DIR", help: "shim: the directory for the links", kind: "dir", set: text(&o.dir)},
	}
}

func installNames() string { return strings.Join(append(hook.Names(), "shim"), " ") }

func agentInstallVerb(a *app) *verb {
	o := &installOptions{}
	return &verb{
		name: "agent install", args: "[--user|--project] [--dry-run] [--yes] NAME", mixed: true, words: installNames(),
		short: "make an agent that runs outside ask bailey before it uses a tool",
		long: `Writes the hook, plugin or delegate of an agent's own configuration, so that each of
its shell commands runs in a box and each other tool is judged by the rules. The
change is shown first; bailey agent uninstall NAME takes it back. NAME is one of
` + strings.Join(hook.Names(), ", ") + `, or shim: shells (bailey-sh, bash, sh, zsh) in
--dir DIR that run what they are given in a box.`,
		flags: o.flags(),
		run: func(words []string) error {
			if err := o.check("install", words); err != nil {
				return err
			}
			return a.agentInstall(o, words[0])
		},
	}
}

func agentUninstallVerb(a *app) *verb {
	o := &installOptions{}
	return &verb{
		name: "agent uninstall", args: "[--user|--project] [--dry-run] [--yes] NAME", mixed: true, words: installNames(),
		short: "take back what bailey agent install wrote",
		long: `Files that nobody has changed since are put back byte by byte; in others, what
bailey added is taken out and the rest stays as it is.`,
		flags: o.flags(),
		run: func(words []string) error {
			if err := o.check("uninstall", words); err != nil {
				return err
			}
			return a.agentUninstall(o, words[0])
		},
	}
}

func (o *installOptions) check(verb string, words []string) error {
	known := strings.Fields(installNames())
	if len(words) != 1 {
		return &usageError{"bailey agent " + verb + " needs the name of one agent", "known are " + strings.Join(known, ", ")}
	}
	for _, n := range known {
		if n == words[0] {
			switch {
			case o.user && o.project:
				return &usageError{"--user and --project exclude each other", "choose one"}
			case n == "shim" && o.dir == "":
				return &usageError{"bailey agent " + verb + " shim needs --dir DIR", "a directory of its own, to be the first on the PATH of the agent"}
			case n != "shim" && o.dir != "":
				return &usageError{"--dir is for the shim", "bailey agent " + verb + " " + n}
			case os.Getenv("BAILEY") == "1":
				return &usageError{"agents are not set up from inside a box", "run it in a terminal of your own"}
			}
			return nil
		}
	}
	hint := "known are " + strings.Join(known, ", ")
	if near := policy.Nearest(words[0], known); near != "" {
		hint = "did you mean " + near + "?"
	}
	return &usageError{"there is no agent " + quote(words[0]) + " that can be set up", hint}
}

// addition is a value for a list in a file of JSON.
type addition struct {
	path  []string
	value any
	front bool
}

// target is a file that install writes.
type target struct {
	file  string
	adds  []addition // in a person's own JSON
	whole string     // or all of a file of ours
	link  string     // or what a symbolic link of ours leads to
	mode  os.FileMode
	need  []addition // values that the file has when it is new
}

// targets are what an agent's configuration gets.
func targets(agent, self string, o *installOptions) ([]target, error) {
	if agent == "shim" {
		dir, err := filepath.Abs(o.dir)
		if err != nil {
			return nil, err
		}
		var out []target
		for _, name := range shimNames() {
			out = append(out, target{file: filepath.Join(dir, name), link: self})
		}
		return out, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, err
	}
	root := ""
	if o.project {
		p, err := layers.FindProject("")
		if err != nil {
			return nil, err
		}
		root = p.Root
	}
	// at is a file of the project, or of the person's own directory, which a
	// variable may have moved.
	at := func(variable, own, project string) string {
		if root != "" {
			return filepath.Join(root, project)
		}
		if dir := os.Getenv(variable); variable != "" && filepath.IsAbs(dir) {
			return filepath.Join(dir, filepath.Base(own))
		}
		return filepath.Join(home, own)
	}
	xdg := func(own, project string) string {
		if root != "" {
			return filepath.Join(root, project)
		}
		if dir := os.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
			return filepath.Join(dir, own)
		}
		return filepath.Join(home, ".config", own)
	}
	command := hook.Command(agent, self)
	seconds := int(hookTimeout.Seconds())
	call := map[string]any{"type": "command", "command": command, "timeout": seconds}
	switch agent {
	case "claude":
		return []target{{file: at("CLAUDE_CONFIG_DIR", ".claude/settings.json", ".claude/settings.json"), adds: []addition{
			{path: []string{"hooks", "PreToolUse"}, value: map[string]any{"matcher": "*", "hooks": []any{call}}},
		}}}, nil
	case "codex":
		return []target{{file: at("CODEX_HOME", ".codex/hooks.json", ".codex/hooks.json"), adds: []addition{
			{path: []string{"hooks", "PreToolUse"}, value: map[string]any{"hooks": []any{call}}},
		}}}, nil
	case "gemini":
		call["name"], call["timeout"] = "bailey", hookTimeout.Milliseconds()
		return []target{{file: at("", ".gemini/settings.json", ".gemini/settings.json"), adds: []addition{
			{path: []string{"hooks", "BeforeTool"}, value: map[string]any{"matcher": "*", "hooks": []any{call}}},
		}}}, nil
	case "cursor":
		t := target{file: at("", ".cursor/hooks.json", ".cursor/hooks.json")}
		for _, event := range []string{"preToolUse", "beforeShellExecution", "beforeMCPExecution", "beforeReadFile"} {
			t.adds = append(t.adds, addition{path: []string{"hooks", event}, value: map[string]any{"command": command, "timeout": seconds, "failClosed": true}})
		}
		t.need = []addition{{path: []string{"version"}, value: 1}}
		return []target{t}, nil
	case "amp":
		data := os.Getenv("XDG_DATA_HOME")
		if !filepath.IsAbs(data) {
			data = filepath.Join(home, ".local/share")
		}
		program := filepath.Join(data, "bailey/bailey-hook-amp")
		return []target{
			{file: program, whole: hook.AmpProgram(self), mode: 0o755},
			{file: xdg("amp/settings.json", ".amp/settings.json"), adds: []addition{
				{path: []string{"amp.permissions"}, value: map[string]any{"tool": "*", "action": "delegate", "to": program}, front: true},
			}},
		}, nil
	case "opencode":
		return []target{{file: xdg("opencode/plugin/bailey.js", ".opencode/plugin/bailey.js"), whole: hook.OpenCodePlugin(self, hookTimeout)}}, nil
	}
	return nil, errors.New("no protocol for " + agent)
}

// content is what a target becomes; made is how much each addition had to make.
func (t *target) content(agent string, old []byte, there bool) (out []byte, made []int, err error) {
	if t.adds == nil {
		return []byte(t.whole), nil, nil
	}
	out = old
	if !there {
		doc := map[string]any{}
		for _, n := range t.need {
			doc[n.path[0]] = n.value
		}
		if len(doc) > 0 {
			if out, err = json.MarshalIndent(doc, "", "  "); err != nil {
				return nil, nil, err
			}
			out = append(out, '\n')
		}
	}
	for _, add := range t.adds {
		want, err := json.Marshal(add.value)
		if err != nil {
			return nil, nil, err
		}
		if len(out) > 0 && graft.Has(out, add.path, want) {
			made = append(made, 0)
			continue
		}
		// What an earlier install wrote, perhaps with another path of bailey, makes
		// room.
		if len(out) > 0 {
			if out, _, err = graft.Remove(out, add.path, func(v []byte) bool { return hook.Ours(agent, v) }, 0); err != nil {
				return nil, nil, err
			}
		}
		n := 0
		if out, n, err = graft.Insert(out, add.path, add.value, add.front); err != nil {
			return nil, nil, err
		}
		made = append(made, n)
	}
	return out, made, nil
}

// snippet is what a person can paste where bailey does not write.
func (t *target) snippet() string {
	var b strings.Builder
	for _, add := range t.adds {
		text, err := json.MarshalIndent(add.value, "  ", "  ")
		if err == nil {
			b.WriteString("in the list " + strings.Join(add.path, " / ") + ":\n  " + string(text) + "\n")
		}
	}
	return b.String()
}
