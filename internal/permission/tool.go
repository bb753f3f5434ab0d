package permission

import "strings"

// The tools that rules name. Every other name of a tool stands for one of them,
// or for itself with nothing in parentheses.
const (
	toolBash  = "Bash"
	toolRead  = "Read"
	toolEdit  = "Edit"
	toolFetch = "WebFetch"
	toolAgent = "Agent"
	toolSkill = "Skill"
	toolMCP   = "mcp__"
)

// canonical is the tool that the rules for name are written with; "" when no
// such tool is known.
func canonical(name string) string {
	switch name {
	case toolBash, toolRead, toolEdit, toolFetch, toolAgent, toolSkill:
		return name
	case "Write", "MultiEdit", "NotebookEdit":
		return toolEdit
	case "NotebookRead", "Grep", "Glob", "LS":
		return toolRead
	case "Task":
		return toolAgent
	case "SlashCommand":
		return toolSkill
	case "WebSearch":
		return name
	}
	if harmless(name) {
		return name
	}
	if server, ok := strings.CutPrefix(name, toolMCP); ok && server != "" {
		return toolMCP
	}
	return ""
}

// harmless reports whether a tool of an agent does nothing outside the agent
// itself.
func harmless(name string) bool {
	switch name {
	case "TodoRead", "TodoWrite", "TaskCreate", "TaskGet", "TaskList", "TaskUpdate", "TaskOutput", "TaskStop",
		"BashOutput", "KillBash", "KillShell", "AskUserQuestion", "EnterPlanMode", "ExitPlanMode", "ToolSearch",
		"ListMcpResourcesTool", "ReadMcpResourceTool", "StructuredOutput", "ReportFindings":
		return true
	}
	return false
}

// toolNames are the names that a mistyped one is compared with.
func toolNames() []string {
	return strings.Fields("Bash Read Edit Write MultiEdit NotebookEdit NotebookRead Grep Glob LS WebFetch WebSearch Agent Task Skill SlashCommand TodoRead TodoWrite BashOutput KillShell AskUserQuestion ExitPlanMode")
}
