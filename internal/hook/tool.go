package hook

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/bailey-run/bailey/internal/permission"
)

// tool reads the call of one tool as the agent names it. A tool that is not known
// here keeps its name, and the rules deny it.
func (r *Request) tool(name string, raw json.RawMessage) error {
	if name == "" {
		return errors.New("the input names no tool")
	}
	if raw == nil {
		return fmt.Errorf("%s has no input", name)
	}
	var err error
	if r.input, err = permission.Object(raw); err != nil {
		return fmt.Errorf("the input of %s: %w", name, err)
	}
	switch r.Agent {
	case "claude":
		return r.claude(name, raw)
	case "codex":
		return r.codex(name, raw)
	case "gemini":
		return r.gemini(name, raw)
	case "opencode":
		return r.opencode(name, raw)
	case "amp":
		return r.amp(name, raw)
	}
	return r.cursor(name, raw)
}

// as makes the one call of r.
func (r *Request) as(tool string, raw json.RawMessage) error {
	r.Calls = append(r.Calls, Call{Tool: tool, Input: raw})
	return nil
}

// with makes a call whose input is made of strings.
func (r *Request) with(tool string, input map[string]string) error {
	raw, err := json.Marshal(input)
	if err != nil {
		return err
	}
	return r.as(tool, raw)
}

// shell makes a call that runs the text in input[key].
func (r *Request) shell(key string) error {
	r.key = key
	var command string
	if err := text(r.input, key, &command, true); err != nil {
		return err
	}
	r.Command = &command
	return r.with("Bash", map[string]string{"command": command})
}

// one is the value of the first of keys that the input has. More than one of them
// with different values is an error: which one counts is not known here.
func (r *Request) one(keys ...string) (string, error) {
	found, value := "", ""
	for _, key := range keys {
		v, ok := r.input[key]
		if !ok || isNull(v) {
			continue
		}
		var s string
		if err := json.Unmarshal(v, &s); err != nil {
			return "", fmt.Errorf("%s is not a string", key)
		}
		if found != "" && s != value {
			return "", fmt.Errorf("%s and %s differ", found, key)
		}
		found, value = key, s
	}
	return value, nil
}

// file makes a call of a tool for files.
func (r *Request) file(tool string, keys ...string) error {
	value, err := r.one(keys...)
	if err != nil {
		return err
	}
	if value == "" {
		return fmt.Errorf("the input of %s names no file", tool)
	}
	return r.with(tool, map[string]string{"file_path": value})
}

// search makes a call of a tool that looks through a directory, "." when none is
// named.
func (r *Request) search(tool string, keys ...string) error {
	value, err := r.one(keys...)
	if err != nil {
		return err
	}
	input := map[string]string{"path": value}
	if value == "" {
		input["path"] = "."
	}
	if tool == "Grep" {
		if input["glob"], err = r.one("glob", "include", "include_pattern"); err != nil {
			return err
		}
	}
	if tool == "Glob" {
		pattern, err := r.one("pattern", "filePattern", "glob_pattern")
		if err != nil {
			return err
		}
		if err := r.with("LS", input); err != nil { // the directory that is named counts as well
			return err
		}
		input["pattern"] = pattern
	}
	return r.with(tool, input)
}

// run sets the directory in which a command runs, when its input names one.
func (r *Request) run(keys ...string) error {
	dir, err := r.one(keys...)
	if err != nil || dir == "" {
		return err
	}
	if !path.IsAbs(dir) {
		if r.Cwd == "" {
			return errors.New("the directory of the command is relative to one that is not known")
		}
		dir = path.Join(r.Cwd, dir)
	}
	if r.Dir == "" {
		r.Dir = r.Cwd
	}
	r.Cwd = dir
	return nil
}

func (r *Request) claude(name string, raw json.RawMessage) error {
	switch name {
	case "Bash":
		return r.shell("command")
	case "Monitor":
		if _, ok := r.input["ws"]; ok {
			return errors.New("the tool Monitor opens a connection of its own, and no wall is in front of it")
		}
		return r.shell("command")
	}
	return r.as(name, raw)
}

func (r *Request) codex(name string, raw json.RawMessage) error {
	switch name {
	case "Bash", "shell", "shell_command", "exec_command", "local_shell":
		if _, ok := r.input["cmd"]; ok {
			return r.shell("cmd")
		}
		return r.shell("command")
	case "apply_patch", "Edit", "Write":
		patch, err := r.one("command", "input", "patch")
		if err != nil {
			return err
		}
		return r.patch(patch)
	case "view_image":
		return r.file("Read", "path")
	case "update_plan", "request_user_input", "write_stdin", "wait", "wait_agent", "close_agent":
		return r.as("TodoWrite", raw) // nothing outside the agent, or to a command that is in a box already
	case "spawn_agent", "send_input", "resume_agent":
		return r.with("Agent", map[string]string{"subagent_type": "general-purpose"})
	}
	return r.as(name, raw)
}

// patch reads the names of the files that a patch of Codex's form changes. A line
// that looks like a header counts as one wherever it stands: too many names do no
// harm.
func (r *Request) patch(patch string) error {
	for line := range strings.SplitSeq(patch, "\n") {
		line = strings.TrimSpace(line)
		head, ok := strings.CutPrefix(line, "*** ")
		if !ok {
			continue
		}
		kind, name, named := strings.Cut(head, ":")
		name = strings.TrimSpace(name)
		switch kind {
		case "Add File", "Update File", "Delete File", "Move to":
			if !named || name == "" {
				return fmt.Errorf("the patch has a header without a name: %q", line)
			}
			if err := r.with("Edit", map[string]string{"file_path": name}); err != nil {
				return err
			}
		case "Begin Patch", "End Patch", "End of File":
		default:
			return fmt.Errorf("the patch has a header that is not known: %q", line)
		}
	}
	if len(r.Calls) == 0 {
		return errors.New("the patch names no file")
	}
	return nil
}

func (r *Request) gemini(name string, raw json.RawMessage) error {
	switch name {
	case "run_shell_command":
		if err := r.run("dir_path", "directory"); err != nil {
			return err
		}
		return r.shell("command")
	case "read_file":
		return r.file("Read", "file_path", "absolute_path", "path")
	case "write_file", "replace", "edit":
		return r.file("Edit", "file_path", "absolute_path", "path")
	case "list_directory":
		return r.search("LS", "dir_path", "path")
	case "glob":
		return r.search("Glob", "dir_path", "path")
	case "grep_search", "search_file_content":
		return r.search("Grep", "dir_path", "path")
	case "read_many_files":
		return r.manyFiles()
	case "google_web_search":
		return r.as("WebSearch", raw)
	case "web_fetch":
		return r.prompt()
	case "activate_skill":
		return r.named("Skill", "skill", "name")
	case "invoke_agent", "delegate_to_agent":
		return r.named("Agent", "subagent_type", "agent_name", "name")
	case "write_todos", "ask_user", "enter_plan_mode", "exit_plan_mode", "update_topic", "complete_task", "get_internal_docs",
		"tracker_create_task", "tracker_update_task", "tracker_get_task", "tracker_list_tasks", "tracker_add_dependency", "tracker_visualize",
		"list_mcp_resources", "read_mcp_resource":
		return r.as("TodoWrite", raw)
	}
	return r.unknown(name)
}

// named makes a call whose input is one string, of the first of keys that is there.
func (r *Request) named(tool, as string, keys ...string) error {
	value, err := r.one(keys...)
	if err != nil {
		return err
	}
	return r.with(tool, map[string]string{as: value})
}

// manyFiles reads patterns of files that are all read.
func (r *Request) manyFiles() error {
	for _, key := range [...]string{"include", "paths"} {
		raw, ok := r.input[key]
		if !ok || isNull(raw) {
			continue
		}
		var list []string
		if err := json.Unmarshal(raw, &list); err != nil {
			return fmt.Errorf("%s is not a list of strings", key)
		}
		for _, pattern := range list {
			if at := strings.IndexAny(pattern, "*?[{"); at >= 0 {
				pattern = path.Dir(pattern[:at] + "x")
			}
			if err := r.with("Grep", map[string]string{"path": pattern}); err != nil {
				return err
			}
		}
	}
	if len(r.Calls) == 0 {
		return errors.New("the input of read_many_files names no file")
	}
	return nil
}

// prompt finds the addresses in the words of web_fetch.
func (r *Request) prompt() error {
	prompt, err := r.one("prompt", "url")
	if err != nil {
		return err
	}
	for word := range strings.FieldsSeq(prompt) {
		if strings.Contains(word, "://") {
			if err := r.with("WebFetch", map[string]string{"url": word}); err != nil {
				return err
			}
		}
	}
	if len(r.Calls) == 0 {
		return errors.New("the prompt of web_fetch names no address")
	}
	return nil
}

func (r *Request) geminiMCP(context, raw json.RawMessage) error {
	fields, err := permission.Object(context)
	if err != nil {
		return fmt.Errorf("mcp_context: %w", err)
	}
	var server, tool string
	if err := text(fields, "server_name", &server, true); err != nil {
		return err
	}
	if err := text(fields, "tool_name", &tool, true); err != nil {
		return err
	}
	return r.mcp(server, tool, raw)
}

// mcp makes a call of an MCP server's tool.
func (r *Request) mcp(server, tool string, raw json.RawMessage) error {
	if strings.Contains(server, "__") {
		return fmt.Errorf("the name of the MCP server %q has a mark of its own in it", server)
	}
	if raw == nil {
		raw = json.RawMessage("{}")
	}
	return r.as("mcp__"+server+"__"+tool, raw)
}

func (r *Request) opencode(name string, raw json.RawMessage) error {
	switch name {
	case "bash", "shell":
		if err := r.run("workdir", "cwd"); err != nil {
			return err
		}
		return r.shell("command")
	case "read", "view_image":
		return r.file("Read", "filePath", "path")
	case "write", "edit", "multiedit":
		return r.file("Edit", "filePath", "path")
	case "apply_patch", "patch":
		patch, err := r.one("patchText", "patch")
		if err != nil {
			return err
		}
		return r.patch(patch)
	case "grep", "codesearch_local":
		return r.search("Grep", "path")
	case "glob":
		return r.search("Glob", "path")
	case "list":
		return r.search("LS", "path")
	case "webfetch":
		return r.as("WebFetch", raw)
	case "websearch", "codesearch":
		return r.as("WebSearch", raw)
	case "task":
		return r.as("Agent", raw)
	case "skill":
		return r.named("Skill", "skill", "name")
	case "todowrite", "todoread", "question", "plan_enter", "plan_exit", "invalid", "StructuredOutput",
		"list_mcp_resources", "list_mcp_resource_templates", "read_mcp_resource":
		return r.as("TodoWrite", raw)
	}
	// An MCP server and its tool, joined by a mark that either may have in it.
	var names []string
	for at := 1; at < len(name)-1; at++ {
		if name[at] == '_' && name[at-1] != '_' && name[at+1] != '_' {
			names = append(names, "mcp__"+name[:at]+"__"+name[at+1:])
		}
	}
	if len(names) == 0 {
		return r.unknown(name)
	}
	r.Calls = append(r.Calls, Call{Tool: names[0], Or: names[1:], Input: raw})
	return nil
}

func (r *Request) amp(name string, raw json.RawMessage) error {
	switch name {
	case "Bash", "shell_command":
		if err := r.run("cwd", "workdir"); err != nil {
			return err
		}
		if _, ok := r.input["command"]; ok {
			return r.shell("command")
		}
		return r.shell("cmd")
	case "Read", "read_file", "view_media", "look_at", "get_diagnostics":
		return r.file("Read", "path", "file_path")
	case "edit_file", "create_file", "undo_edit", "format_file", "delete_file":
		return r.file("Edit", "path", "file_path")
	case "apply_patch":
		patch, err := r.one("input", "patch", "patchText")
		if err != nil {
			return err
		}
		return r.patch(patch)
	case "Grep":
		return r.search("Grep", "path")
	case "glob", "Glob":
		return r.search("Glob", "path")
	case "list_directory":
		return r.search("LS", "path")
	case "read_web_page":
		return r.as("WebFetch", raw)
	case "web_search":
		return r.named("WebSearch", "query", "query", "objective")
	case "Task", "oracle", "librarian", "finder":
		return r.with("Agent", map[string]string{"subagent_type": name})
	case "skill":
		return r.named("Skill", "skill", "name")
	case "todo_write", "todo_read", "mermaid":
		return r.as("TodoWrite", raw)
	}
	if strings.HasPrefix(name, "mcp__") {
		return r.as(name, raw)
	}
	return r.unknown(name)
}

func (r *Request) cursor(name string, raw json.RawMessage) error {
	switch name {
	case "Shell":
		if err := r.run("working_directory", "workingDirectory"); err != nil {
			return err
		}
		return r.shell("command")
	case "Read", "ReadFile":
		return r.file("Read", "file_path", "path", "target_file")
	case "Write", "StrReplace", "Edit", "Delete", "TabWrite":
		return r.file("Edit", "file_path", "path", "target_file")
	case "EditNotebook":
		return r.file("Edit", "target_notebook", "file_path", "path")
	case "ReadLints":
		return r.as("TodoWrite", raw)
	case "Grep":
		return r.search("Grep", "path", "target_directory")
	case "Glob":
		return r.search("Glob", "target_directory", "path")
	case "LS":
		return r.search("LS", "target_directory", "path")
	case "WebFetch", "WebSearch":
		return r.as(name, raw)
	case "Task":
		return r.as("Agent", raw)
	case "TodoWrite", "AskQuestion", "CreatePlan", "SwitchMode":
		return r.as("TodoWrite", raw)
	}
	if tool, ok := strings.CutPrefix(name, "MCP:"); ok {
		// beforeMCPExecution says which server it is, and is asked as well.
		if tool == "" {
			return r.unknown(name)
		}
		return r.as("TodoWrite", raw)
	}
	return r.unknown(name)
}

// cursorMCP reads a call of an MCP server. Cursor names the tool and how the
// server is reached, and not always the server.
func (r *Request) cursorMCP(fields map[string]json.RawMessage) error {
	var tool, server string
	if err := text(fields, "tool_name", &tool, true); err != nil {
		return err
	}
	for _, key := range [...]string{"server_name", "server"} {
		if err := text(fields, key, &server, false); err != nil {
			return err
		}
		if server != "" {
			break
		}
	}
	tool = strings.TrimPrefix(tool, "MCP:")
	if server == "" {
		server, tool, _ = strings.Cut(tool, ":")
		if tool == "" {
			server, tool = "unnamed", server
		}
	}
	return r.mcp(server, tool, nil)
}

// unknown keeps a tool under a name that the rules do not know, so that they deny
// it: a name may mean another tool in the rules than in the agent.
func (r *Request) unknown(name string) error {
	return fmt.Errorf("there is no tool %q that bailey knows of", name)
}
