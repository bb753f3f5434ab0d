package permission

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Input is what a tool was called with, as far as rules look at it.
type Input struct {
	Command string // Bash
	Shell   string // Bash: the shell that will run it; "" is bash
	Path    string // the file tools
	Glob    string // Grep: which files below Path, by a pattern
	URL     string // WebFetch
	Name    string // Agent, Skill
	Query   string // WebSearch
}

// ParseInput reads the JSON object that a tool is called with. Keys count exactly
// as they are spelled, because the tool will read them so; a key that stands
// twice is an error, because which one counts differs from reader to reader.
func ParseInput(tool string, raw []byte) (Input, error) {
	var in Input
	fields, err := object(raw)
	if err != nil {
		return in, err
	}
	text := func(key string, to *string) error {
		value, ok := fields[key]
		if !ok || bytes.Equal(value, []byte("null")) {
			return nil
		}
		if err := json.Unmarshal(value, to); err != nil {
			return fmt.Errorf("the %s of %s is not a string", key, tool)
		}
		return nil
	}
	needed := ""
	switch canonical(tool) {
	case toolBash:
		needed, err = "command", text("command", &in.Command)
		if err == nil {
			err = text("shell", &in.Shell)
		}
		if err == nil && in.Command == "" {
			if value, ok := fields["command"]; ok && !bytes.Equal(value, []byte("null")) {
				needed = ""
			}
		}
	case toolRead, toolEdit:
		needed = "file_path"
		for _, key := range [...]string{"path", "notebook_path", "file_path"} {
			was := in.Path
			if err = text(key, &in.Path); err != nil {
				break
			}
			if was != "" && in.Path != was {
				return in, fmt.Errorf("%s names two paths", tool)
			}
		}
		switch tool {
		case "Grep", "Glob", "LS":
			needed = ""
			if in.Path == "" {
				in.Path = "."
			}
		}
		if tool == "Grep" && err == nil {
			err = text("glob", &in.Glob)
		}
		if tool == "Glob" && err == nil {
			var pattern string
			err = text("pattern", &pattern)
			if root := globRoot(pattern); root != "" {
				in.Path = root
			}
		}
	case toolFetch:
		needed, err = "url", text("url", &in.URL)
	case toolAgent:
		needed, err = "subagent_type", text("subagent_type", &in.Name)
		if err == nil && in.Name == "" {
			err = text("name", &in.Name)
		}
		if err == nil && in.Name == "" {
			in.Name = "general-purpose" // what Claude Code starts when no kind is named
		}
	case toolSkill:
		var command string
		if err = text("skill", &in.Name); err == nil {
			err = text("command", &command)
		}
		switch {
		case in.Name == "":
			in.Name = command
		case command != "" && command != in.Name:
			return in, fmt.Errorf("%s names two skills", tool)
		}
	case "WebSearch":
		err = text("query", &in.Query)
	}
	if err != nil {
		return in, err
	}
	if needed != "" && in.Command == "" && in.Path == "" && in.URL == "" && in.Name == "" {
		return in, fmt.Errorf("%s needs %s", tool, needed)
	}
	return in, nil
}

// globRoot is the directory that an absolute or climbing pattern starts in; ""
// for a pattern below the current directory.
func globRoot(pattern string) string {
	if !strings.HasPrefix(pattern, "/") && !strings.HasPrefix(pattern, "~") && !strings.HasPrefix(pattern, "..") {
		return ""
	}
	if i := strings.IndexAny(pattern, "*?[{"); i >= 0 {
		pattern = pattern[:i]
		if j := strings.LastIndexByte(pattern, '/'); j >= 0 {
			pattern = pattern[:j+1]
		}
	}
	return pattern
}

// object reads a JSON object without a second value for any key.
func object(raw []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(raw) {
		return nil, fmt.Errorf("the input is not UTF-8") // readers make different texts of it
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	start, err := d.Token()
	if err != nil || start != json.Delim('{') {
		return nil, fmt.Errorf("the input is not a JSON object")
	}
	fields := make(map[string]json.RawMessage, 4)
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("the input is not valid JSON")
		}
		name, ok := key.(string)
		if !ok {
			return nil, fmt.Errorf("the input is not valid JSON")
		}
		if _, twice := fields[name]; twice {
			return nil, fmt.Errorf("the input has the key %q twice", name)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, fmt.Errorf("the input is not valid JSON")
		}
		fields[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("the input is not valid JSON")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("there is text behind the JSON object")
	}
	return fields, nil
}

// ParseCall reads {"tool": …, "input": {…}}.
func ParseCall(line []byte) (Call, error) {
	fields, err := object(line)
	if err != nil {
		return Call{}, err
	}
	var c Call
	for name, value := range fields {
		switch name {
		case "tool":
			if err := json.Unmarshal(value, &c.Tool); err != nil {
				return c, fmt.Errorf("tool is not a string")
			}
		case "input":
		default:
			return c, fmt.Errorf("unknown key %q; the keys are tool and input", name)
		}
	}
	if c.Tool == "" {
		return c, fmt.Errorf("there is no tool")
	}
	raw, ok := fields["input"]
	if !ok {
		return c, fmt.Errorf("there is no input")
	}
	c.Input, err = ParseInput(c.Tool, raw)
	return c, err
}

// Object reads a JSON object and refuses one that has a key twice.
func Object(raw []byte) (map[string]json.RawMessage, error) { return object(raw) }

// Access is what a tool does with the file that its input names: "read", "search"
// for one that prints what it finds in files, "list" for one that prints their
// names, "write", or "" for a tool that is not about a file.
func Access(tool string) string {
	switch canonical(tool) {
	case toolEdit:
		return "write"
	case toolRead:
		switch tool {
		case "Grep":
			return "search"
		case "Glob", "LS":
			return "list"
		}
		return "read"
	}
	return ""
}

// Fetches reports whether a tool opens the address that its input names.
func Fetches(tool string) bool { return canonical(tool) == toolFetch }

// Own reports whether a tool does nothing outside the agent itself, or starts
// another agent, whose calls are judged in their turn. Whether an agent asks
// before it uses one is its own affair.
func Own(tool string) bool {
	c := canonical(tool)
	return c == toolAgent || c == toolSkill || harmless(c)
}
