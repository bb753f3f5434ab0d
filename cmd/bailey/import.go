package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/bailey-run/bailey/internal/imports"
	"github.com/bailey-run/bailey/internal/layers"
	"github.com/bailey-run/bailey/internal/policy"
)

type importOptions struct {
	user, project, force bool
	from                 []string
	out                  string
	dir                  string
}

func policyImportVerb(a *app) *verb {
	o := &importOptions{}
	return &verb{
		name: "policy import", args: "[flags] " + strings.Join(imports.Agents(), "|"), words: strings.Join(imports.Agents(), " "), mixed: true,
		short: "make a policy from the settings of another agent or sandbox",
		long: `Reads the settings where that program keeps them, the user's and the project's,
and prints a policy that allows no more than they do. What became of each setting
goes to standard error: imported, narrowed, dropped, or needless because it holds
anyway. The policy is a file to read and change; nothing is put in force.`,
		flags: []*flag{
			{name: "user", help: "the user's settings alone", set: toggle(&o.user)},
			{name: "project", help: "the project's settings alone, for a bailey.toml in its root", set: toggle(&o.project)},
			{name: "from", value: "FILE", help: "read FILE in place of the usual ones", many: true, kind: "file", set: list(&o.from)},
			{name: "output", short: "o", value: "FILE", help: "write the policy to FILE, which must not exist", kind: "file", set: text(&o.out)},
			{name: "force", help: "replace FILE", set: toggle(&o.force)},
			{name: "chdir", value: "DIR", help: "the project's directory", kind: "dir", set: text(&o.dir)},
			a.jsonFlag("policy and report as JSON"),
		},
		run: func(words []string) error { return a.policyImport(o, words) },
	}
}

func (a *app) policyImport(o *importOptions, words []string) error {
	if len(words) != 1 || !slices.Contains(imports.Agents(), words[0]) {
		got := "nothing"
		if len(words) > 0 {
			got = quote(strings.Join(words, " "))
		}
		hint := "as in: bailey policy import claude"
		if len(words) == 1 {
			if near := policy.Nearest(words[0], imports.Agents()); near != "" {
				hint = "did you mean bailey policy import " + near + "?"
			}
		}
		return &usageError{"bailey policy import needs one of " + strings.Join(imports.Agents(), ", ") + ", and got " + got, hint}
	}
	if o.user && o.project {
		return &usageError{"--user and --project exclude each other", "without either, both are read"}
	}
	facts, err := layers.Collect(o.dir, "")
	if err != nil {
		return err
	}
	in := imports.Input{Agent: words[0], Home: facts.Home, Project: facts.Workspace.Root, Portable: o.project}
	usual := settings(words[0], facts.Home, facts.Workspace.Root)
	if len(o.from) > 0 {
		usual = nil
		for _, name := range o.from {
			if name, err = filepath.Abs(name); err != nil {
				return err
			}
			usual = append(usual, imports.File{Path: name, User: !o.project})
		}
	}
	for _, f := range usual {
		if len(o.from) == 0 && (o.user && !f.User || o.project && f.User) {
			continue
		}
		f.Content, err = layers.Read(f.Path)
		if errors.Is(err, fs.ErrNotExist) && len(o.from) == 0 {
			continue
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", quote(f.Path), err)
		}
		in.Files = append(in.Files, f)
	}
	if len(in.Files) == 0 {
		var looked []string
		for _, f := range usual {
			looked = append(looked, quote(f.Path))
		}
		return &usageError{"there are no settings of " + words[0], "looked for " + strings.Join(looked, ", ") + "; --from names another file"}
	}
	res, err := imports.Import(in)
	if err != nil {
		return err
	}
	if o.out != "" {
		if err := writeNew(o.out, res.Policy, o.force); err != nil {
			return err
		}
	}
	if a.json {
		return a.printJSON(res)
	}
	if o.out == "" {
		if _, err := a.out.WriteString(res.Policy); err != nil {
			return err
		}
	}
	_, err = a.err.WriteString(importText(res.Report))
	return err
}

// importText is the report for people.
func importText(report []imports.Line) string {
	var b strings.Builder
	for _, l := range report {
		where := l.File
		if l.Line > 0 {
			where += ":" + strconv.Itoa(l.Line) + ":" + strconv.Itoa(l.Column)
		}
		text := where + ": " + l.Setting + ": " + string(l.Outcome)
		if l.As != "" {
			text += " as " + l.As
		}
		if l.Why != "" {
			text += " (" + l.Why + ")"
		}
		b.WriteString(printable(text) + "\n")
	}
	return b.String()
}

// settings are the files that a program reads, lowest first.
func settings(agent, home, project string) []imports.File {
	user := func(name string) imports.File { return imports.File{Path: filepath.Join(home, name), User: true} }
	ours := func(name string) imports.File { return imports.File{Path: filepath.Join(project, name)} }
	// An agent's own variable moves its directory.
	moved := func(variable, usual string) string {
		if dir := os.Getenv(variable); filepath.IsAbs(dir) {
			return dir
		}
		return filepath.Join(home, usual)
	}
	matching := func(pattern string, mine bool) []imports.File {
		names, _ := filepath.Glob(pattern) // an error is a pattern that is none
		var out []imports.File
		for _, name := range names {
			out = append(out, imports.File{Path: name, User: mine})
		}
		return out
	}
	switch agent {
	case "claude":
		return []imports.File{
			{Path: filepath.Join(moved("CLAUDE_CONFIG_DIR", ".claude"), "settings.json"), User: true},
			ours(".claude/settings.json"), ours(".claude/settings.local.json"),
			{Path: "/etc/claude-code/managed-settings.json", User: true},
		}
	case "codex":
		dir := moved("CODEX_HOME", ".codex")
		out := append([]imports.File{{Path: filepath.Join(dir, "config.toml"), User: true}}, matching(filepath.Join(dir, "rules/*.rules"), true)...)
		return append(append(out, ours(".codex/config.toml")), matching(filepath.Join(project, ".codex/rules/*.rules"), false)...)
	case "opencode":
		return []imports.File{user(".config/opencode/opencode.json"), user(".config/opencode/opencode.jsonc"), ours("opencode.json"), ours("opencode.jsonc")}
	case "gemini":
		out := append([]imports.File{user(".gemini/settings.json")}, matching(filepath.Join(home, ".gemini/policies/*.toml"), true)...)
		return append(append(out, ours(".gemini/settings.json")), matching(filepath.Join(project, ".gemini/policies/*.toml"), false)...)
	case "srt":
		return []imports.File{user(".srt-settings.json")}
	case "amp":
		return []imports.File{user(".config/amp/settings.json"), ours(".amp/settings.json")}
	case "cursor":
		return []imports.File{user(".cursor/cli-config.json"), user(".cursor/sandbox.json"), ours(".cursor/cli.json"), ours(".cursor/sandbox.json")}
	}
	return nil
}

// writeNew writes a file in one step: it is there as a whole, or not at all. One
// that exists is left alone, unless it may be replaced.
func writeNew(name, content string, replace bool) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".bailey-import-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(content)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if replace {
		return os.Rename(f.Name(), name)
	}
	if err := os.Link(f.Name(), name); errors.Is(err, fs.ErrExist) {
		return &usageError{quote(name) + " exists", "--force replaces it"}
	} else if err != nil {
		return err
	}
	return nil
}
