// Package imports reads the settings of other agents and sandboxes, and makes a
// policy of them that allows no more than they did, with a report of what became
// of each line. It opens no file.
package imports

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/bailey-run/bailey/internal/permission"
	"github.com/bailey-run/bailey/internal/policy"
)

// Agents are the names that Import knows.
func Agents() []string {
	return []string{"claude", "codex", "opencode", "gemini", "srt", "amp", "cursor"}
}

// Outcome says what became of a setting.
type Outcome string

// The outcomes.
const (
	Imported Outcome = "imported" // it says the same
	Narrowed Outcome = "narrowed" // what was written allows less than the setting did
	Dropped  Outcome = "dropped"  // it is not in the policy
	Needless Outcome = "needless" // it holds without a word in the policy
)

// Line is one line of the report.
type Line struct {
	File    string  `json:"file"`
	Line    int     `json:"line,omitempty"`   // 1-based; 0 for a file as a whole
	Column  int     `json:"column,omitempty"` // 1-based, in characters
	Setting string  `json:"setting"`
	Outcome Outcome `json:"outcome"`
	As      string  `json:"as,omitempty"`  // what stands in the policy
	Why     string  `json:"why,omitempty"` // where it is not the same
}

// File is one settings file.
type File struct {
	Path    string // absolute
	Content []byte
	// User says that it is the user's, and not of the project.
	User bool
}

// Input is everything Import knows of the world.
type Input struct {
	Agent   string
	Files   []File // lowest first
	Home    string
	Project string // root of the project
	// Portable keeps patterns relative to the project: for a policy that will lie
	// in its root.
	Portable bool
}

// Result is a policy and how it came about.
type Result struct {
	Policy string `json:"policy"`
	Report []Line `json:"report"`
}

// Error is a settings file that cannot be read.
type Error struct {
	File         string
	Line, Column int
	Problem      string
}

func (e *Error) Error() string {
	return policy.Source{File: e.File, Line: e.Line, Column: e.Column}.String() + ": " + e.Problem
}

// maxEntries is how many lines a policy may get. Beyond it the import fails: half
// of the settings would be another policy.
const maxEntries = 5000

// entry is one value of the policy to be.
type entry struct {
	key    string // as in permissions.deny
	value  string // TOML
	file   string
	line   int
	reason string
	mode   bool // it stands for a mode that a later file may take back
}

// importer collects.
type importer struct {
	in      Input
	file    *File
	entries []entry
	report  []Line
	unset   []entry // what holds where no setting says otherwise
	judge   judge

	boxed, unboxed bool // Claude Code: commands in its sandbox are allowed; that is switched off
	boxedAt        func()
}

// Import makes the policy.
func Import(in Input) (*Result, error) {
	read := map[string]func(*importer) error{
		"claude": claude, "codex": codex, "opencode": opencode, "gemini": gemini, "srt": srt, "amp": amp, "cursor": cursor,
	}[in.Agent]
	if read == nil {
		return nil, fmt.Errorf("there is no importer for %q", in.Agent)
	}
	m := &importer{in: in, judge: judge{in: &in}}
	for i := range in.Files {
		m.file = &in.Files[i]
		if err := read(m); err != nil {
			if e, ok := err.(*syntaxError); ok {
				line, column := m.place(e.at)
				err = &Error{m.file.Path, line, column, e.problem}
			}
			return nil, err
		}
		if len(m.entries) > maxEntries {
			return nil, &Error{File: m.file.Path, Problem: fmt.Sprintf("there are more than %d settings", maxEntries)}
		}
	}
	if m.boxed && !m.unboxed {
		m.boxedAt()
	}
	m.settle()
	text := m.toml()
	if problem := m.judge.whole(text); problem != "" {
		return nil, fmt.Errorf("the policy made from these settings does not load, which is a fault of bailey: %s", problem)
	}
	return &Result{text, m.report}, nil
}

// place turns an offset into line and column.
func (m *importer) place(at int) (line, column int) {
	at = min(max(at, 0), len(m.file.Content))
	before := string(m.file.Content[:at])
	start := strings.LastIndexByte(before, '\n') + 1
	return strings.Count(before, "\n") + 1, len([]rune(before[start:])) + 1
}

// say adds a line to the report.
func (m *importer) say(at int, setting string, o Outcome, as, why string) {
	line, column := m.place(at)
	m.report = append(m.report, Line{m.file.Path, line, column, setting, o, as, why})
}

func (m *importer) drop(at int, setting, why string) { m.say(at, setting, Dropped, "", why) }

// put adds a value when the policy takes it. It says why not otherwise.
func (m *importer) put(at int, key, value, reason string) (problem string) {
	if problem := m.judge.one(key, value, reason); problem != "" {
		return problem
	}
	line, _ := m.place(at)
	e := entry{key: key, value: value, file: m.file.Path, line: line, reason: reason}
	if !slices.ContainsFunc(m.entries, func(o entry) bool { return o.key == key && o.value == value }) {
		m.entries = append(m.entries, e)
	}
	return ""
}

// list adds a string to a list of the policy, or reports why it is not there.
func (m *importer) list(at int, setting, key, value string) bool {
	if problem := m.put(at, key, quote(value), ""); problem != "" {
		m.drop(at, setting, problem)
		return false
	}
	m.say(at, setting, Imported, key+" "+quote(value), "")
	return true
}

// choice sets a key that has one value. The files that come later count; among
// two values of approval or mode the import takes the tighter.
func (m *importer) choice(at int, setting, key, value, why string) {
	line, _ := m.place(at)
	e := entry{key: key, value: quote(value), file: m.file.Path, line: line}
	o := Imported
	if why != "" {
		o = Narrowed
	}
	for i := range m.entries {
		if m.entries[i].key != key {
			continue
		}
		if tightness(unquote(m.entries[i].value)) > tightness(value) {
			m.say(at, setting, Narrowed, key+" = "+m.entries[i].value, "another setting is tighter")
			return
		}
		m.entries[i] = e
		m.say(at, setting, o, key+" = "+e.value, why)
		return
	}
	m.entries = append(m.entries, e)
	m.say(at, setting, o, key+" = "+e.value, why)
}

// tightness orders the values of approval and of mode.
func tightness(value string) int {
	switch value {
	case "untrusted", "read-only":
		return 3
	case "on-request", "workspace-write":
		return 2
	case "on-failure":
		return 1
	}
	return 0
}

// rule adds a rule. One that the policy cannot take is dropped when it allows,
// and replaced by the first of the wider ones when it asks or denies.
func (m *importer) rule(at int, setting, list, rule, reason, why string, wider ...string) bool {
	key := "permissions." + list
	reason = clean(reason)
	problem := m.put(at, key, quote(rule), reason)
	if problem == "" {
		o := Imported
		if why != "" {
			o = Narrowed
		}
		m.say(at, setting, o, key+" "+quote(rule), why)
		return true
	}
	if list == "allow" {
		m.drop(at, setting, problem)
		return false
	}
	for _, w := range wider {
		if m.put(at, key, quote(w), reason) == "" {
			m.say(at, setting, Narrowed, key+" "+quote(w), problem+"; a wider rule stands in its place")
			return true
		}
	}
	m.drop(at, setting, "NOT HELD: "+problem)
	return false
}

// modeAllows adds an allow rule that stands for a mode. A file that comes later and
// names another mode takes it back with modeEnds.
func (m *importer) modeAllows(at int, setting, rule string) {
	before := len(m.entries)
	if m.rule(at, setting, "allow", rule, "", "") && len(m.entries) > before {
		m.entries[before].mode = true
	}
}

func (m *importer) modeEnds() {
	m.entries = slices.DeleteFunc(m.entries, func(e entry) bool {
		for i := range m.report {
			if l := &m.report[i]; e.mode && l.File == e.file && l.Line == e.line && l.As == e.key+" "+e.value {
				l.Outcome, l.As, l.Why = Dropped, "", "a file that comes later names another mode"
			}
		}
		return e.mode
	})
}

// maxReason is how much of a reason is kept, in characters.
const maxReason = 500

// clean makes a reason one line that the policy takes.
func clean(reason string) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return ' '
		}
		return r
	}, reason))
	return strings.TrimSpace(string(runes[:min(len(runes), maxReason)]))
}

// path makes a directory of the settings one of the policy: absolute, or below ~.
func (m *importer) path(name string) string {
	switch {
	case name == "~" || strings.HasPrefix(name, "~/") || name == "":
		return name
	case strings.HasPrefix(name, "//"):
		return path.Clean(name[1:])
	case path.IsAbs(name):
		return path.Clean(name)
	case m.file.User && m.in.Project == "":
		return name // the policy will say what is wrong with it
	}
	return path.Join(m.in.Project, name)
}

// strings are the strings of a list; everything else is reported.
func (m *importer) strings(n *node, setting string, each func(at int, setting, value string)) {
	if n == nil {
		return
	}
	if n.kind != array {
		m.drop(n.at, setting, "expected a list")
		return
	}
	for i, item := range n.items {
		name := setting + "[" + strconv.Itoa(i) + "]"
		if item.kind != text {
			m.drop(item.at, name, "expected a string")
			continue
		}
		each(item.at, name+" "+quote(item.text), item.text)
	}
}

// fields calls a function for each member, by its name, and reports the others.
func (m *importer) fields(n *node, prefix string, known map[string]func(setting string, at int, v *node)) {
	if n == nil {
		return
	}
	if n.kind != object {
		m.drop(n.at, strings.TrimSuffix(prefix, "."), "expected an object")
		return
	}
	for _, f := range n.members {
		if read := known[f.key]; read != nil {
			read(prefix+f.key, f.at, f.value)
		} else if f.key != "$schema" {
			m.drop(f.at, prefix+f.key, "no wall or rule of bailey's corresponds to it")
		}
	}
}

// because is a field that is left out for a known reason.
func (m *importer) because(why string) func(string, int, *node) {
	return func(setting string, at int, _ *node) { m.drop(at, setting, why) }
}

// refusesMCP denies the tools of a server of which an agent was told not to use them.
func (m *importer) refusesMCP(at int, setting, server, tool string) {
	plain := func(name string) string {
		return strings.Map(func(r rune) rune {
			if r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
				return r
			}
			return '_' // so agents write it in the names of tools
		}, name)
	}
	rule := "mcp__" + plain(server)
	if tool != "" {
		rule += "__" + plain(tool)
	}
	m.rule(at, setting, "deny", rule, "", "", "mcp__*")
}

// servers are MCP servers by name. The agent starts them; which of them, and which of
// their tools, it must not use is a rule.
func (m *importer) servers(setting string, at int, v *node) {
	for _, server := range v.members {
		for _, f := range server.value.members {
			name := setting + "." + server.key + "." + f.key
			switch f.key {
			case "enabled", "disabled":
				if f.value.kind == boolean && f.value.yes == (f.key == "disabled") {
					m.refusesMCP(f.at, name, server.key, "")
				}
			case "excludeTools", "disabledTools", "disabled_tools":
				m.strings(f.value, name, func(at int, setting, tool string) { m.refusesMCP(at, setting, server.key, tool) })
			case "includeTools", "enabledTools", "enabled_tools":
				m.drop(f.at, name, "NOT HELD: a list of all tools there are; write deny rules for the others")
			}
		}
	}
	m.drop(at, setting, mcpElsewhere)
}

// refusedServers is a list of servers that must not be used.
func (m *importer) refusedServers(setting string, _ int, v *node) {
	m.strings(v, setting, func(at int, setting, server string) { m.refusesMCP(at, setting, server, "") })
}

// refuses reports whether somewhere in a setting something is denied or switched off.
func (n *node) refuses() bool {
	if n == nil {
		return false
	}
	return n.kind == text && n.text == "deny" || n.kind == boolean && !n.yes ||
		slices.ContainsFunc(n.items, (*node).refuses) || slices.ContainsFunc(n.members, func(f member) bool { return f.value.refuses() })
}

// needless is a field that asks for what always holds.
func (m *importer) needless(why string) func(string, int, *node) {
	return func(setting string, at int, _ *node) { m.say(at, setting, Needless, "", why) }
}

// paths is a list of directories for a key.
func (m *importer) paths(key string) func(string, int, *node) {
	return func(setting string, _ int, v *node) {
		m.strings(v, setting, func(at int, s, value string) {
			if p := m.path(value); p == m.in.Project && key == "files.write" && p != "" {
				m.say(at, s, Needless, "", "the workspace is writable in mode workspace-write")
			} else {
				m.list(at, s, key, p)
			}
		})
	}
}

// patterns is a list of names or patterns for a key that tightens.
func (m *importer) patterns(key string) func(string, int, *node) {
	return func(setting string, _ int, v *node) {
		m.strings(v, setting, func(at int, s, value string) {
			p := value
			switch {
			case strings.HasPrefix(p, "//"):
				p = p[1:]
			case strings.HasPrefix(p, "/") || strings.HasPrefix(p, "~") || strings.HasPrefix(p, "**/") || !strings.Contains(strings.TrimRight(p, "/"), "/"):
			default:
				p = literal(m.in.Project) + "/" + strings.TrimPrefix(p, "./")
			}
			if problem := m.put(at, key, quote(p), ""); problem != "" {
				m.drop(at, s, "NOT HELD: "+problem)
				return
			}
			m.say(at, s, Imported, key+" "+quote(p), "")
		})
	}
}

// hosts is a list of names for network.allow or network.deny.
func (m *importer) hosts(key string) func(string, int, *node) {
	return func(setting string, _ int, v *node) {
		m.strings(v, setting, func(at int, s, value string) {
			if strings.ContainsAny(value, " #/") {
				m.drop(at, s, "it is not the name of a host")
				return
			}
			m.list(at, s, key, value)
		})
	}
}

// settle orders the report, and adds what no file has said.
func (m *importer) settle() {
	slices.SortStableFunc(m.report, func(a, b Line) int {
		if a.File != b.File {
			return 0
		}
		return cmp.Or(a.Line-b.Line, a.Column-b.Column)
	})
	for _, e := range m.unset {
		if m.has(e.key) {
			continue
		}
		m.entries = append(m.entries, entry{key: e.key, value: e.value})
		m.report = append(m.report, Line{File: e.file, Setting: "(unset)", Outcome: Imported, As: e.key + " = " + e.value, Why: e.reason})
	}
}

// has reports whether a key has been set.
func (m *importer) has(key string) bool {
	return slices.ContainsFunc(m.entries, func(e entry) bool { return e.key == key })
}

// unsaid is what an agent does without a setting, as a value of the policy: when
// none of the files says otherwise.
func (m *importer) unsaid(key, value, why string) {
	m.unset = append(m.unset, entry{key: key, value: quote(value), file: m.file.Path, reason: why})
}

// toml writes the policy, each value below a comment that says where it is from.
func (m *importer) toml() string {
	var b strings.Builder
	b.WriteString("# Made by bailey policy import " + m.in.Agent + ".\n")
	comment := func(indent string, e *entry) {
		if e.file != "" {
			b.WriteString(indent + "# " + strings.Trim(quote(e.file), `"`) + ":" + strconv.Itoa(e.line) + "\n")
		}
	}
	for _, key := range []string{"mode", "approval"} {
		for i := range m.entries {
			if e := &m.entries[i]; e.key == key {
				comment("", e)
				b.WriteString(key + " = " + e.value + "\n")
			}
		}
	}
	for _, section := range []struct{ name, keys string }{
		{"files", "read write deny protect"}, {"env", "allow deny"}, {"network", "allow deny"}, {"permissions", "deny ask allow"},
	} {
		begun := false
		for key := range strings.FieldsSeq(section.keys) {
			open := false
			for i := range m.entries {
				e := &m.entries[i]
				if e.key != section.name+"."+key {
					continue
				}
				if !begun {
					b.WriteString("\n[" + section.name + "]\n")
					begun = true
				}
				if !open {
					b.WriteString(key + " = [\n")
					open = true
				}
				comment("  ", e)
				if e.reason != "" {
					b.WriteString("  {rule = " + e.value + ", reason = " + quote(e.reason) + "},\n")
				} else {
					b.WriteString("  " + e.value + ",\n")
				}
			}
			if open {
				b.WriteString("]\n")
			}
		}
	}
	return b.String()
}

// quote writes a TOML basic string.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f || !strconv.IsPrint(r):
			fmt.Fprintf(&b, `\U%08X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func unquote(s string) string { return strings.Trim(s, `"`) }

// judge asks the policy's own reader.
type judge struct{ in *Input }

// one says what is wrong with one value; "" when nothing is.
func (j *judge) one(key, value, reason string) string {
	section, name, _ := strings.Cut(key, ".")
	if reason != "" {
		value = "{rule = " + value + ", reason = " + quote(reason) + "}"
	}
	return j.whole("[" + section + "]\n" + name + " = [" + value + "]\n")
}

// whole says what is wrong with a policy.
func (j *judge) whole(content string) string {
	home, project := j.in.Home, j.in.Project
	if home == "" {
		home = "/home/nobody"
	}
	if project == "" {
		project = path.Join(home, "project")
	}
	file := policy.File{Layer: policy.LayerUser, Path: path.Join(home, ".config/bailey/config.toml"), Required: true}
	if j.in.Portable {
		file = policy.File{Layer: policy.LayerProject, Path: path.Join(project, "bailey.toml"), Required: true}
	}
	p, err := policy.Load(policy.LoadInput{
		Files: []policy.File{file},
		ReadFile: func(name string) ([]byte, error) {
			if name != file.Path {
				return nil, fs.ErrNotExist
			}
			return []byte(content), nil
		},
		Trusted: func(string, []byte) bool { return true },
		Home:    home, StartDir: project, Workspace: project,
		Private: []string{path.Join(home, ".config/bailey"), path.Join(home, ".local/state/bailey"), path.Join(home, ".cache/bailey")},
	})
	if err == nil {
		_, err = permission.New(p)
	}
	if err == nil {
		return ""
	}
	if all, ok := err.(policy.Errors); ok && len(all) > 0 {
		if all[0].Hint != "" {
			return all[0].Problem + "; " + all[0].Hint
		}
		return all[0].Problem
	}
	return err.Error()
}
