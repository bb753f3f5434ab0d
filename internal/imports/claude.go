package imports

import (
	"path"
	"strings"
)

// mcpElsewhere and hooksElsewhere are settings of the agents themselves.
const (
	mcpElsewhere   = "servers are started by the agent; run the agent in a box to wall them in"
	hooksElsewhere = "hooks are programs that the agent starts outside; a policy starts none"
	envElsewhere   = "values may be secrets; name what a box needs in env.allow or env.set"
	outsideWalls   = "nothing runs outside the walls by a rule; name the command in [exceptions], which is approved each time"
)

// claude reads settings.json of Claude Code.
func claude(m *importer) error {
	root, err := parseJSON(m.file.Content)
	if err != nil {
		return err
	}
	m.fields(root, "", map[string]func(string, int, *node){
		"permissions": func(s string, _ int, v *node) {
			m.fields(v, s+".", map[string]func(string, int, *node){
				"deny": m.claudeRules("deny"), "ask": m.claudeRules("ask"), "allow": m.claudeRules("allow"),
				"additionalDirectories":        m.paths("files.write"),
				"defaultMode":                  m.claudeMode,
				"disableBypassPermissionsMode": m.needless("no mode of a policy passes by its rules"),
			})
		},
		"sandbox":    m.claudeSandbox,
		"env":        m.because(envElsewhere),
		"hooks":      m.because(hooksElsewhere),
		"mcpServers": m.servers,

		"disabledMcpjsonServers": m.refusedServers,
		"deniedMcpServers": func(s string, at int, v *node) {
			for _, server := range v.items {
				found := false
				for _, f := range server.members {
					if f.key == "serverName" && f.value.kind == text {
						m.refusesMCP(f.at, s+" "+quote(f.value.text), f.value.text, "")
						found = true
					}
				}
				if !found {
					m.drop(server.at, s, "NOT HELD: a rule names a server, not what it runs or where it is")
				}
			}
			if v.kind != array {
				m.drop(at, s, "expected a list")
			}
		},
	})
	m.unsaid("approval", "untrusted", "Claude Code asks about what no rule names")
	return nil
}

func (m *importer) claudeMode(s string, _ int, v *node) {
	if v.text != "bypassPermissions" {
		m.modeEnds()
	}
	switch v.text {
	case "default":
		m.choice(v.at, s+" \"default\"", "approval", "untrusted", "")
	case "acceptEdits":
		m.choice(v.at, s+" \"acceptEdits\"", "approval", "untrusted", "")
		m.modeAllows(v.at, s+" \"acceptEdits\"", "Edit(./**)")
	case "plan":
		m.choice(v.at, s+" \"plan\"", "mode", "read-only", "")
	case "dontAsk":
		m.drop(v.at, s+" \"dontAsk\"", "it refuses what no rule allows, and approval = \"never\" leaves that to the walls; approval = \"untrusted\" asks, and refuses where nobody can be asked")
	case "bypassPermissions":
		m.drop(v.at, s+" \"bypassPermissions\"", "it lifts every rule; bailey run --mode danger-full-access is as close, and is never a default")
	default:
		m.drop(v.at, s, "not a mode that is known here")
	}
}

func (m *importer) claudeRules(list string) func(string, int, *node) {
	return func(setting string, _ int, v *node) {
		m.strings(v, setting, func(at int, s, text string) { m.claudeRule(at, s, list, text) })
	}
}

// claudeRule imports a rule in Claude Code's syntax.
func (m *importer) claudeRule(at int, setting, list, text string) {
	tool, spec, has := strings.Cut(text, "(")
	spec, closed := strings.CutSuffix(spec, ")")
	if !has || !closed {
		m.rule(at, setting, list, text, "", "")
		return
	}
	switch tool {
	case "Read", "Edit", "Write", "MultiEdit", "NotebookEdit", "NotebookRead", "Grep", "Glob", "LS":
		moved := m.anchored(spec)
		m.rule(at, setting, list, tool+"("+moved+")", "", "", tool)
	case "Bash":
		m.bash(at, setting, list, text, spec, "")
	default:
		m.rule(at, setting, list, text, "", "", tool)
	}
}

// bash imports a rule for commands; the wider ones are its first word, and all.
func (m *importer) bash(at int, setting, list, rule, spec, reason string) {
	wider := []string{"Bash"}
	if first, _, _ := strings.Cut(strings.TrimSpace(spec), " "); first != "" && first == single(first) {
		wider = []string{"Bash(" + first + " *)", "Bash"}
	}
	if syntax(rule) {
		// The words would be read as names of programs, and the rule would never match.
		const problem = "it holds shell syntax, and a rule is about one command"
		if list == "allow" {
			m.drop(at, setting, problem)
			return
		}
		m.rule(at, setting, list, wider[0], reason, problem+"; a wider rule stands in its place", wider...)
		return
	}
	m.rule(at, setting, list, rule, reason, "", wider...)
}

// syntax reports whether a pattern holds what a shell takes for more than a word.
func syntax(spec string) bool {
	quote := rune(0)
	for i, r := range spec {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '\'' || r == '"':
			quote = r
		case strings.ContainsRune(";|&<>`\n", r), strings.HasPrefix(spec[i:], "$("):
			return true
		}
	}
	return false
}

// anchored is a pattern that starts with one slash, where the policy will lie.
func (m *importer) anchored(spec string) string {
	switch {
	case !strings.HasPrefix(spec, "/") || strings.HasPrefix(spec, "//"):
		return spec
	case m.file.User:
		return "/" + literal(path.Dir(m.file.Path)) + spec
	case m.in.Portable:
		return spec
	}
	return "/" + literal(m.in.Project) + spec
}

// literal writes a path as a pattern for it alone.
func literal(name string) string {
	var b strings.Builder
	for i := range len(name) {
		if strings.IndexByte(`*?[]{}\`, name[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

func (m *importer) claudeSandbox(s string, _ int, v *node) {
	// The files are one to Claude Code: what a later one says counts, for each by itself.
	if auto := v.get("autoAllowBashIfSandboxed"); auto != nil {
		m.unboxed = !auto.yes
	}
	if on := v.get("enabled"); on != nil {
		file := m.file
		m.boxed, m.boxedAt = on.yes, func() {
			m.file = file
			m.rule(on.at, s+".enabled", "allow", "Bash", "", "destructive commands are still asked about")
		}
	}
	m.fields(v, s+".", map[string]func(string, int, *node){
		"enabled":                   m.needless("commands always run in the box"),
		"autoAllowBashIfSandboxed":  m.needless("read together with enabled"),
		"failIfUnavailable":         m.needless("a wall that is not there always stops the start"),
		"allowUnsandboxedCommands":  m.because(outsideWalls),
		"excludedCommands":          m.because(outsideWalls),
		"enableWeakerNestedSandbox": m.because("it weakens the walls; --min-tier says so for one run"),
		"network":                   func(s string, _ int, v *node) { m.fields(v, s+".", m.network()) },
		"filesystem":                func(s string, _ int, v *node) { m.fields(v, s+".", m.filesystem()) },
	})
}

// network are the network settings of the sandbox runtime, and of Claude Code.
func (m *importer) network() map[string]func(string, int, *node) {
	return map[string]func(string, int, *node){
		"allowedDomains":      m.hosts("network.allow"),
		"deniedDomains":       m.hosts("network.deny"),
		"allowUnixSockets":    m.because("sockets of the host are not in the box"),
		"allowAllUnixSockets": m.because("sockets of the host are not in the box"),
		"allowLocalBinding":   m.needless("the box has a loopback of its own; network.publish shows its ports"),
		"httpProxyPort":       m.because("the gate needs no proxy inside"),
		"socksProxyPort":      m.because("the gate needs no proxy inside"),
	}
}

// filesystem are the file settings of the sandbox runtime, and of Claude Code.
func (m *importer) filesystem() map[string]func(string, int, *node) {
	return map[string]func(string, int, *node){
		"allowWrite": m.paths("files.write"),
		"denyWrite":  m.patterns("files.protect"),
		"denyRead":   m.patterns("files.deny"),
		"allowRead":  m.paths("files.read"),
	}
}

// srt reads the settings of Anthropic's sandbox runtime.
func srt(m *importer) error {
	root, err := parseJSON(m.file.Content)
	if err != nil {
		return err
	}
	m.fields(root, "", map[string]func(string, int, *node){
		"network":                   func(s string, _ int, v *node) { m.fields(v, s+".", m.network()) },
		"filesystem":                func(s string, _ int, v *node) { m.fields(v, s+".", m.filesystem()) },
		"ignoreViolations":          m.because("refusals are always told"),
		"enableWeakerNestedSandbox": m.because("it weakens the walls; --min-tier says so for one run"),
	})
	return nil
}
