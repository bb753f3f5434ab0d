package imports

import (
	"path/filepath"
	"strconv"
	"strings"
)

// opencode reads opencode.json. There the last rule that matches counts, here deny
// does before ask before allow: never less strict.
func opencode(m *importer) error {
	root, err := parseJSON(m.file.Content)
	if err != nil {
		return err
	}
	alike := func(s string, at int, v *node) {
		why := "a policy holds for all agents alike"
		if v.refuses() {
			why = "NOT HELD: " + why
		}
		m.drop(at, s, why)
	}
	m.fields(root, "", map[string]func(string, int, *node){
		"permission": func(s string, at int, v *node) {
			if v.kind == text {
				m.opencodeTool(s, at, "*", v)
				return
			}
			for _, f := range v.members {
				m.opencodeTool(s+"."+f.key, f.at, f.key, f.value)
			}
		},
		"tools": func(s string, _ int, v *node) {
			for _, f := range v.members {
				tool := opencodeTools(f.key)
				switch {
				case f.value.kind != boolean || f.value.yes:
					m.drop(f.at, s+"."+f.key, "tools are the agent's; a policy only refuses them")
				case tool == "" && strings.Contains(f.key, "_"):
					server, _, _ := strings.Cut(f.key, "_")
					m.rule(f.at, s+"."+f.key+" false", "deny", "mcp__"+server+"*", "", "", "mcp__*")
				case tool == "":
					m.drop(f.at, s+"."+f.key, "there is no rule for this tool")
				default:
					m.rule(f.at, s+"."+f.key+" false", "deny", tool, "", "")
				}
			}
		},
		"mcp":   m.servers,
		"agent": alike, "mode": alike,
	})
	return nil
}

func opencodeTools(name string) string {
	switch name {
	case "bash":
		return "Bash"
	case "edit", "write", "patch", "multiedit":
		return "Edit"
	case "read", "grep", "glob", "list":
		return "Read"
	case "webfetch":
		return "WebFetch"
	case "websearch":
		return "WebSearch"
	case "task":
		return "Agent"
	case "skill":
		return "Skill"
	}
	return ""
}

func (m *importer) opencodeTool(setting string, at int, name string, v *node) {
	if name == "*" && v.kind == text {
		switch v.text {
		case "allow":
			m.say(at, setting, Narrowed, "", "what no rule names is left to the walls; destructive commands are asked about")
		case "ask":
			m.choice(at, setting, "approval", "untrusted", "")
		case "deny":
			for _, tool := range []string{"Bash", "Read", "WebFetch", "WebSearch", "Agent", "Skill", "mcp__*"} {
				m.rule(at, setting, "deny", tool, "", "")
			}
		default:
			m.drop(at, setting, "expected allow, ask or deny")
		}
		return
	}
	tool := opencodeTools(name)
	switch {
	case tool == "" && name == "external_directory":
		m.drop(at, setting, "what lies outside the workspace is not in the box; name it in files.read or files.write")
		return
	case tool == "" && strings.Contains(name, "_") && name != "doom_loop" && v.kind == text && v.text != "allow":
		// SERVER_TOOL, and either may have the mark in its name.
		server, _, _ := strings.Cut(name, "_")
		m.action(at, setting, v.text, "mcp__"+server+"*", "mcp__*", "")
		return
	case tool == "":
		m.drop(at, setting, "there is no rule for this tool; tools that are not known are denied")
		return
	case v.kind == text:
		m.action(at, setting, v.text, tool, tool, "")
		return
	case v.kind != object:
		m.drop(at, setting, "expected allow, ask or deny")
		return
	}
	for _, f := range v.members {
		s := setting + "." + quote(f.key)
		rule := tool + "(" + f.key + ")"
		switch {
		case f.key == "*":
			rule = tool
		case tool == "WebFetch":
			rule = tool + "(domain:" + f.key + ")"
		}
		if rule == tool && f.value.text != "deny" && len(v.members) > 1 {
			// As a rule of its own it would hold for the others too.
			switch {
			case f.value.text == "ask" && tool != "Read":
				m.choice(f.at, s, "approval", "untrusted", "")
				continue
			case f.value.text == "ask":
				m.rule(f.at, s, "ask", rule, "", "rules that allow some of it do not count")
				continue
			}
		}
		m.action(f.at, s, f.value.text, rule, tool, f.key)
	}
}

// action imports a rule whose list is written as a word.
func (m *importer) action(at int, setting, word, rule, tool, spec string) {
	list := ""
	switch word {
	case "allow":
		list = "allow"
	case "ask", "prompt", "ask_user":
		list = "ask"
	case "deny", "reject", "forbidden":
		list = "deny"
	default:
		m.drop(at, setting, "expected allow, ask or deny, not "+quote(word))
		return
	}
	if tool == "Bash" {
		m.bash(at, setting+" "+quote(word), list, rule, spec, "")
		return
	}
	m.rule(at, setting+" "+quote(word), list, rule, "", "", tool)
}

// geminiTools are the tools of Gemini CLI, in both of its spellings.
func geminiTools(name string) string {
	switch name {
	case "run_shell_command", "ShellTool":
		return "Bash"
	case "write_file", "replace", "edit", "WriteFileTool", "EditTool":
		return "Edit"
	case "read_file", "read_many_files", "glob", "search_file_content", "grep_search", "list_directory", "ReadFileTool", "ReadManyFilesTool", "GlobTool", "GrepTool", "LSTool":
		return "Read"
	case "web_fetch", "WebFetchTool":
		return "WebFetch"
	case "google_web_search", "WebSearchTool":
		return "WebSearch"
	}
	return ""
}

// gemini reads settings.json and policies/*.toml of Gemini CLI.
func gemini(m *importer) error {
	if filepath.Ext(m.file.Path) == ".toml" {
		return m.geminiPolicy()
	}
	root, err := parseJSON(m.file.Content)
	if err != nil {
		return err
	}
	core := func(s string, _ int, v *node) {
		has := map[string]bool{}
		m.strings(v, s, func(at int, setting, value string) {
			name, _, limited := strings.Cut(value, "(")
			has[geminiTools(name)] = true
			why := "read together with the list"
			if limited {
				m.drop(at, setting, "NOT HELD: a list of all commands there are; write deny rules, or approval = \"untrusted\"")
				return
			}
			m.say(at, setting, Needless, "", why)
		})
		for _, tool := range []string{"Bash", "Edit", "WebFetch", "WebSearch"} {
			if v.kind == array && !has[tool] {
				m.rule(v.at, s+" is without "+tool, "deny", tool, "", "")
			}
		}
	}
	tools := map[string]func(string, int, *node){
		"allowed": m.geminiList("allow"), "exclude": m.geminiList("deny"), "core": core,
		"sandbox": m.needless("the walls always stand"),
	}
	m.fields(root, "", map[string]func(string, int, *node){
		"tools":        func(s string, _ int, v *node) { m.fields(v, s+".", tools) },
		"allowedTools": tools["allowed"], "excludeTools": tools["exclude"], "coreTools": core, "sandbox": tools["sandbox"],
		"mcpServers": m.servers, "hooks": m.because(hooksElsewhere),
		"mcp": func(s string, _ int, v *node) {
			m.fields(v, s+".", map[string]func(string, int, *node){
				"excluded": m.refusedServers, "allowed": m.because("NOT HELD: a list of all servers there are; write deny rules for the others"),
			})
		},
		"general": func(s string, _ int, v *node) {
			m.fields(v, s+".", map[string]func(string, int, *node){"defaultApprovalMode": func(s string, _ int, v *node) {
				m.modeEnds()
				switch v.text {
				case "default":
					m.choice(v.at, s, "approval", "untrusted", "")
				case "auto_edit":
					m.choice(v.at, s, "approval", "untrusted", "")
					m.modeAllows(v.at, s, "Edit(./**)")
				case "plan":
					m.choice(v.at, s, "mode", "read-only", "")
				default:
					m.drop(v.at, s+" "+quote(v.text), "it lifts every question")
				}
			}})
		},
	})
	m.unsaid("approval", "untrusted", "Gemini CLI asks about what no rule names")
	return nil
}

func (m *importer) geminiList(list string) func(string, int, *node) {
	return func(setting string, _ int, v *node) {
		m.strings(v, setting, func(at int, s, value string) {
			name, spec, limited := strings.Cut(value, "(")
			tool := geminiTools(name)
			switch {
			case tool == "":
				m.drop(at, s, "there is no rule for this tool; tools that are not known are denied")
			case !limited:
				m.rule(at, s, list, tool, "", "")
			case tool == "Bash":
				spec = strings.TrimSuffix(spec, ")")
				m.bash(at, s, list, "Bash("+words(spec)+" *)", spec, "")
			default:
				m.rule(at, s, list, tool+"("+spec, "", "", tool)
			}
		})
	}
}

// words writes text as the literal words of a pattern.
func words(text string) string { return strings.ReplaceAll(text, "*", `\*`) }

func (m *importer) geminiPolicy() error {
	root, err := parseTOML(m.file.Content)
	if err != nil {
		return err
	}
	for _, f := range root.members {
		if f.key != "rule" || f.value.kind != array {
			m.drop(f.at, f.key, "no wall or rule of bailey's corresponds to it")
			continue
		}
		for i, r := range f.value.items {
			setting := "rule[" + strconv.Itoa(i) + "]"
			word, name := "", ""
			if v := r.get("decision"); v != nil {
				word = v.text
			}
			if v := r.get("toolName"); v != nil {
				name = v.text
			}
			tool := geminiTools(name)
			prefix, limited := r.get("commandPrefix"), r.get("commandRegex") != nil || r.get("argsPattern") != nil
			for _, key := range []string{"modes", "mcpName", "interactive"} {
				limited = limited || r.get(key) != nil
			}
			switch {
			case tool == "":
				m.drop(r.at, setting, "there is no rule for tool "+quote(name)+"; tools that are not known are denied")
			case prefix != nil && tool == "Bash" && (word != "allow" || !limited):
				list := prefix.items
				if prefix.kind == text {
					list = []*node{prefix}
				}
				for _, p := range list {
					m.action(p.at, setting+" "+quote(p.text), word, "Bash("+words(p.text)+" *)", tool, p.text)
				}
			case limited && word == "allow":
				m.drop(r.at, setting, "a regular expression or a mode limits it, and rules have neither")
			case limited:
				m.action(r.at, setting+" (its limits are left out, so that it holds for more)", word, tool, tool, "")
			default:
				m.action(r.at, setting, word, tool, tool, "")
			}
		}
	}
	m.unsaid("approval", "untrusted", "Gemini CLI asks about what no rule names")
	return nil
}

// amp reads settings.json of Amp. There the first rule that matches counts, here
// deny does before ask before allow: never less strict.
func amp(m *importer) error {
	root, err := parseJSON(m.file.Content)
	if err != nil {
		return err
	}
	m.fields(root, "", map[string]func(string, int, *node){
		"amp.permissions": func(s string, _ int, v *node) {
			for i, r := range v.items {
				m.ampRule(s+"["+strconv.Itoa(i)+"]", r)
			}
		},
		"amp.commands.allowlist": func(s string, _ int, v *node) {
			m.strings(v, s, func(at int, setting, value string) { m.bash(at, setting, "allow", "Bash("+value+")", value, "") })
		},
		"amp.tools.disable": func(s string, _ int, v *node) {
			m.strings(v, s, func(at int, setting, value string) {
				if tool := ampTools(value); tool != "" {
					m.rule(at, setting, "deny", tool, "", "")
				} else {
					m.drop(at, setting, "there is no rule for this tool; tools that are not known are denied")
				}
			})
		},
		"amp.dangerouslyAllowAll": m.because("it lifts every question"),
		"amp.mcpServers":          m.servers,
		"amp.hooks":               m.because(hooksElsewhere),
	})
	m.unsaid("approval", "untrusted", "Amp asks about what no rule names")
	return nil
}

func ampTools(name string) string {
	switch name {
	case "Bash", "Read", "Grep", "Task":
		return name
	case "edit_file", "create_file", "undo_edit", "builtin:edit_file", "builtin:create_file":
		return "Edit"
	case "glob", "list_directory":
		return "Read"
	case "read_web_page":
		return "WebFetch"
	case "web_search":
		return "WebSearch"
	}
	if strings.HasPrefix(name, "mcp__") {
		return name
	}
	return ""
}

func (m *importer) ampRule(setting string, r *node) {
	word, name := "", ""
	if v := r.get("action"); v != nil {
		word = v.text
	}
	if v := r.get("tool"); v != nil {
		name = v.text
	}
	tool := ampTools(name)
	matches := r.get("matches")
	limited := r.get("context") != nil || matches != nil
	switch {
	case word == "delegate":
		m.drop(r.at, setting, "name the program in permissions.delegate, as docs/rules.md describes it; until then what it decided about is asked")
		return
	case name == "*" && matches == nil && word == "ask":
		m.choice(r.at, setting, "approval", "untrusted", "")
		return
	case tool == "":
		m.drop(r.at, setting, "there is no rule for tool "+quote(name)+"; tools that are not known are denied")
		return
	case r.get("context") != nil && word == "allow":
		m.drop(r.at, setting, "it is allowed in one context only")
		return
	}
	key := map[string]string{"Bash": "cmd", "Read": "path", "Edit": "path"}[tool]
	if matches != nil && len(matches.members) == 1 && key != "" && matches.get(key) != nil {
		v := matches.get(key)
		list := v.items
		if v.kind == text {
			list = []*node{v}
		}
		for _, p := range list {
			s := setting + " " + quote(p.text)
			if p.kind != text || strings.HasPrefix(p.text, "/") && strings.HasSuffix(p.text, "/") && len(p.text) > 1 {
				if word == "allow" {
					m.drop(p.at, s, "rules have no regular expressions")
				} else {
					m.action(p.at, s+" (a regular expression, so that it holds for all)", word, tool, tool, "")
				}
				continue
			}
			spec := p.text
			if strings.HasPrefix(spec, "/") && key == "path" {
				spec = "/" + spec
			}
			m.action(p.at, s, word, tool+"("+spec+")", tool, spec)
		}
		return
	}
	if limited && word == "allow" {
		m.drop(r.at, setting, "rules cannot say what limits it")
		return
	}
	m.action(r.at, setting, word, tool, tool, "")
}

// cursor reads cli-config.json and sandbox.json of Cursor.
func cursor(m *importer) error {
	root, err := parseJSON(m.file.Content)
	if err != nil {
		return err
	}
	if filepath.Base(m.file.Path) == "sandbox.json" {
		m.fields(root, "", map[string]func(string, int, *node){
			"additionalReadwritePaths": m.paths("files.write"),
			"additionalReadonlyPaths":  m.paths("files.read"),
			"networkPolicy": func(s string, _ int, v *node) {
				m.fields(v, s+".", map[string]func(string, int, *node){
					"allow": m.hosts("network.allow"), "deny": m.hosts("network.deny"),
					"default": func(s string, _ int, v *node) {
						if v.text == "deny" {
							m.say(v.at, s, Needless, "", "what no rule names is refused")
							return
						}
						m.drop(v.at, s, "hosts are named one by one")
					},
				})
			},
			"type": func(s string, _ int, v *node) {
				switch v.text {
				case "workspace_readwrite":
					m.choice(v.at, s, "mode", "workspace-write", "")
				case "workspace_readonly":
					m.choice(v.at, s, "mode", "read-only", "")
				default:
					m.drop(v.at, s, "it takes the walls away")
				}
			},
		})
		return nil
	}
	m.fields(root, "", map[string]func(string, int, *node){
		"permissions": func(s string, _ int, v *node) {
			m.fields(v, s+".", map[string]func(string, int, *node){"allow": m.cursorRules("allow"), "deny": m.cursorRules("deny")})
		},
		"mcpServers": m.servers, "hooks": m.because(hooksElsewhere),
	})
	m.unsaid("approval", "untrusted", "Cursor asks about what no rule names")
	return nil
}

func (m *importer) cursorRules(list string) func(string, int, *node) {
	return func(setting string, _ int, v *node) {
		m.strings(v, setting, func(at int, s, value string) {
			name, spec, _ := strings.Cut(value, "(")
			spec, closed := strings.CutSuffix(spec, ")")
			switch {
			case !closed:
				m.drop(at, s, "expected Tool(…)")
			case name == "Shell":
				rule := strings.TrimSuffix(spec, ":*") + " *"
				if spec == "*" || spec == "**" {
					m.rule(at, s, list, "Bash", "", "")
				} else {
					m.bash(at, s, list, "Bash("+strings.Replace(rule, ":", " ", 1)+")", spec, "")
				}
			case name == "Read" || name == "Write":
				tool := map[string]string{"Read": "Read", "Write": "Edit"}[name]
				if strings.HasPrefix(spec, "/") {
					spec = "/" + spec
				}
				m.rule(at, s, list, tool+"("+spec+")", "", "", tool)
			case name == "WebFetch":
				m.rule(at, s, list, "WebFetch(domain:"+spec+")", "", "", "WebFetch")
			case name == "Mcp":
				server, tool, _ := strings.Cut(spec, ":")
				if tool == "" {
					tool = "*"
				}
				m.rule(at, s, list, "mcp__"+server+"__"+tool, "", "")
			default:
				m.drop(at, s, "there is no rule for this tool")
			}
		})
	}
}
