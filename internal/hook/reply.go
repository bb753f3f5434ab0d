package hook

import (
	"encoding/json"
	"strings"

	"github.com/bailey-run/bailey/internal/permission"
)

// Block is the reply that blocks, for every agent. Codex needs a reason to block,
// so there always is one.
func Block(reason string) Reply {
	reason = strings.TrimSpace(reason)
	if reason == "" {
		reason = "bailey: error: blocked without a reason, which is a fault of bailey"
	}
	return Reply{Stderr: reason + "\n", Code: Blocked}
}

// Reply writes an answer as the agent reads it. What cannot be written blocks.
func (r *Request) Reply(a Answer) Reply {
	switch {
	case a.Verdict == permission.Allow:
	case a.Verdict == permission.Ask && r.Asks():
	default:
		return r.deny(a.Reason)
	}
	if a.Command != "" && !r.Rewrites() {
		return r.deny(a.Reason)
	}
	switch r.Agent {
	case "claude":
		return r.claudeReply(a)
	case "codex":
		return r.codexReply(a)
	case "gemini":
		return r.geminiReply(a)
	case "opencode":
		out := map[string]any{"decision": a.Verdict}
		if a.Command != "" {
			out["command"] = a.Command
		}
		return written(out)
	case "amp":
		if a.Verdict == permission.Ask {
			return Reply{Stderr: a.Reason + "\n", Code: 1}
		}
		return Reply{}
	case "cursor":
		out := map[string]any{"permission": a.Verdict}
		if a.Verdict == permission.Ask {
			out["user_message"], out["agent_message"] = a.Reason, a.Reason
		}
		if a.Command != "" {
			out["updated_input"] = r.rewritten(a.Command)
		}
		return written(out)
	}
	return Block("bailey: error: no protocol for " + r.Agent)
}

// deny blocks. Cursor shows the reason only when it is told in its own form.
func (r *Request) deny(reason string) Reply {
	b := Block(reason)
	if r.Agent == "cursor" {
		w := written(map[string]any{"permission": permission.Deny, "user_message": reason, "agent_message": reason})
		b.Stdout = w.Stdout
	}
	return b
}

func (r *Request) claudeReply(a Answer) Reply {
	if a.Silent && a.Verdict == permission.Allow && a.Command == "" {
		return Reply{}
	}
	out := map[string]any{"hookEventName": "PreToolUse", "permissionDecision": a.Verdict, "permissionDecisionReason": a.Reason}
	if a.Command != "" {
		out["updatedInput"] = r.rewritten(a.Command)
	}
	return written(map[string]any{"hookSpecificOutput": out})
}

// codexReply says nothing where nothing is changed: Codex takes a bare "allow" for
// a mistake of the hook.
func (r *Request) codexReply(a Answer) Reply {
	if a.Command == "" {
		return Reply{}
	}
	return written(map[string]any{"hookSpecificOutput": map[string]any{
		"hookEventName": "PreToolUse", "permissionDecision": a.Verdict, "updatedInput": r.rewritten(a.Command),
	}})
}

func (r *Request) geminiReply(a Answer) Reply {
	out := map[string]any{"decision": a.Verdict}
	if a.Verdict == permission.Ask {
		out["reason"], out["systemMessage"] = a.Reason, a.Reason
	}
	if a.Command != "" {
		out["hookSpecificOutput"] = map[string]any{"hookEventName": "BeforeTool", "tool_input": map[string]any{r.key: a.Command}}
	}
	return written(out)
}

// rewritten is the agent's input with another command, and everything else as it
// was.
func (r *Request) rewritten(command string) map[string]any {
	out := make(map[string]any, len(r.input))
	for key, value := range r.input {
		out[key] = value
	}
	out[r.key] = command
	return out
}

func written(v any) Reply {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return Block("bailey: error: the answer cannot be written: " + err.Error())
	}
	return Reply{Stdout: []byte(b.String())}
}
