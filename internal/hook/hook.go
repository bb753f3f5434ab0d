// Package hook speaks the protocols by which coding agents ask a program before
// they use a tool: what an agent writes is read into calls that the rules know,
// and an answer is written as that agent reads it. It decides nothing, opens no
// file and makes no system call.
package hook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/bailey-run/bailey/internal/permission"
)

// Blocked is the exit code that keeps a tool from being used, for every agent
// here. Claude Code, Codex and Gemini CLI take most others for a mishap of the hook
// and go on.
const Blocked = 2

// MaxInput is how much an agent may write, in bytes: a tool that writes a file has
// all of the file in its input. Beyond it the call is blocked.
const MaxInput = 16 << 20

// Names are the agents whose protocols are known.
func Names() []string { return []string{"claude", "opencode", "codex", "gemini", "amp", "cursor"} }

// Request is what an agent asks about.
type Request struct {
	Agent string
	Event string // Cursor asks about one thing in several ways
	Cwd   string // where the tool will run, absolute; "" when the agent does not say
	Dir   string // the project's directory as the agent knows it; "" when it does not say
	Plan  bool   // the agent only plans: commands get a box that writes nothing

	// Calls are what the tool does, in the names that rules have; all of them must
	// be allowed. There is at least one.
	Calls []Call

	// Command is the shell text that will be run, when the tool runs one.
	Command *string

	key   string                     // the key of the input that holds Command
	input map[string]json.RawMessage // as the agent wrote it
}

// Call is one call of a tool.
type Call struct {
	Tool  string          `json:"tool"`
	Input json.RawMessage `json:"input"`

	// Or are other names that the same call could have: the strictest deny and the
	// mildest other answer count. OpenCode joins the names of an MCP server and its
	// tool by a mark that both may have in them.
	Or []string `json:"-"`
}

// JSON is the call as the rules read it, under one of its names.
func (c *Call) JSON(tool string) []byte {
	out, err := json.Marshal(Call{Tool: tool, Input: c.Input})
	if err != nil {
		return nil // which no reader of calls takes
	}
	return out
}

// Answer is what became of a request.
type Answer struct {
	Verdict permission.Verdict
	Reason  string
	// Command takes the place of the request's; "" leaves it as it is.
	Command string
	// Silent says that bailey has no opinion: the agent goes on as without a hook.
	Silent bool
}

// Reply is what the hook writes and how it ends.
type Reply struct {
	Stdout []byte
	Stderr string
	Code   int
}

// Rewrites reports whether the agent runs another command when it is told to. The
// others are told to send it themselves.
func (r *Request) Rewrites() bool {
	return r.Agent != "amp" && (r.Agent != "cursor" || r.Event == "preToolUse")
}

// Asks reports whether the agent asks its person when it is told to.
func (r *Request) Asks() bool {
	switch r.Agent {
	case "claude", "gemini", "amp":
		return true
	case "cursor":
		return r.Event == "beforeShellExecution" || r.Event == "beforeMCPExecution"
	}
	return false // Codex takes "ask" for a mistake of the hook, and goes on
}

// Read reads what an agent wrote. Getenv is os.Getenv.
func Read(agent string, in []byte, getenv func(string) string) (*Request, error) {
	if len(in) > MaxInput {
		return nil, fmt.Errorf("the input is longer than %d bytes", MaxInput)
	}
	fields, err := permission.Object(in)
	if err != nil {
		return nil, err
	}
	r := &Request{Agent: agent}
	switch agent {
	case "claude", "codex", "gemini":
		err = r.readEvent(fields, getenv)
	case "opencode":
		err = r.readOpenCode(fields)
	case "amp":
		err = r.tool(getenv("AGENT_TOOL_NAME"), in)
	case "cursor":
		err = r.readCursor(fields)
	default:
		return nil, fmt.Errorf("there is no agent %q; known are %s", agent, strings.Join(Names(), ", "))
	}
	if err != nil {
		return nil, err
	}
	if len(r.Calls) == 0 {
		return nil, errors.New("the input names nothing that is done")
	}
	return r, nil
}

// readEvent reads the form that Claude Code invented and Codex and Gemini CLI took
// over.
func (r *Request) readEvent(fields map[string]json.RawMessage, getenv func(string) string) error {
	want := "PreToolUse"
	if r.Agent == "gemini" {
		want = "BeforeTool"
	}
	var tool, mode string
	for _, f := range []struct {
		key    string
		to     *string
		needed bool
	}{{"hook_event_name", &r.Event, true}, {"tool_name", &tool, true}, {"cwd", &r.Cwd, true}, {"permission_mode", &mode, false}} {
		if err := text(fields, f.key, f.to, f.needed); err != nil {
			return err
		}
	}
	if r.Event != want {
		return fmt.Errorf("the event is %q; this hook answers %s", r.Event, want)
	}
	r.Plan = mode == "plan"
	if r.Agent == "claude" {
		r.Dir = getenv("CLAUDE_PROJECT_DIR")
	}
	if context, ok := fields["mcp_context"]; ok && r.Agent == "gemini" && !isNull(context) {
		return r.geminiMCP(context, fields["tool_input"])
	}
	return r.tool(tool, fields["tool_input"])
}

func (r *Request) readOpenCode(fields map[string]json.RawMessage) error {
	var tool string
	for _, f := range []struct {
		key string
		to  *string
	}{{"tool", &tool}, {"cwd", &r.Cwd}} {
		if err := text(fields, f.key, f.to, true); err != nil {
			return err
		}
	}
	r.Dir = r.Cwd
	return r.tool(tool, fields["args"])
}

func (r *Request) readCursor(fields map[string]json.RawMessage) error {
	if err := text(fields, "hook_event_name", &r.Event, true); err != nil {
		return err
	}
	if err := text(fields, "cwd", &r.Cwd, false); err != nil {
		return err
	}
	if roots, ok := fields["workspace_roots"]; ok && !isNull(roots) {
		var list []string
		if err := json.Unmarshal(roots, &list); err != nil {
			return errors.New("workspace_roots is not a list of strings")
		}
		if len(list) > 0 {
			r.Dir = list[0]
		}
	}
	switch r.Event {
	case "preToolUse":
		var tool string
		if err := text(fields, "tool_name", &tool, true); err != nil {
			return err
		}
		return r.tool(tool, fields["tool_input"])
	case "beforeShellExecution":
		return r.tool("Shell", object(fields, "command"))
	case "beforeReadFile":
		return r.tool("Read", object(fields, "file_path"))
	case "beforeMCPExecution":
		return r.cursorMCP(fields)
	}
	return fmt.Errorf("the event is %q; this hook answers preToolUse, beforeShellExecution, beforeMCPExecution and beforeReadFile", r.Event)
}

// text reads a string.
func text(fields map[string]json.RawMessage, key string, to *string, needed bool) error {
	value, ok := fields[key]
	if !ok || isNull(value) {
		if needed {
			return fmt.Errorf("the input has no %s", key)
		}
		return nil
	}
	if err := json.Unmarshal(value, to); err != nil {
		return fmt.Errorf("%s is not a string", key)
	}
	if needed && *to == "" {
		return fmt.Errorf("%s is empty", key)
	}
	return nil
}

func isNull(raw json.RawMessage) bool { return bytes.Equal(bytes.TrimSpace(raw), []byte("null")) }

// object is some of the fields, as an object of their own.
func object(fields map[string]json.RawMessage, keys ...string) json.RawMessage {
	some := make(map[string]json.RawMessage, len(keys))
	for _, key := range keys {
		if v, ok := fields[key]; ok {
			some[key] = v
		}
	}
	out, err := json.Marshal(some)
	if err != nil {
		return nil
	}
	return out
}
