package imports

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"
)

// codex reads config.toml and rules/*.rules of Codex.
func codex(m *importer) error {
	if filepath.Ext(m.file.Path) == ".rules" {
		return m.codexRules()
	}
	root, err := parseTOML(m.file.Content)
	if err != nil {
		return err
	}
	search := func(s string, at int, v *node) {
		if v.kind == boolean && !v.yes || v.text == "disabled" {
			m.rule(at, s, "deny", "WebSearch", "", "")
			return
		}
		m.drop(at, s, "tools are the agent's; a policy only refuses them")
	}
	m.fields(root, "", map[string]func(string, int, *node){
		"approval_policy": func(s string, _ int, v *node) {
			switch v.text {
			case "untrusted", "on-request", "on-failure", "never":
				m.choice(v.at, s, "approval", v.text, "")
			default:
				m.drop(v.at, s, "not a policy that is known here")
			}
		},
		"sandbox_mode": func(s string, _ int, v *node) {
			switch v.text {
			case "read-only", "workspace-write":
				m.choice(v.at, s, "mode", v.text, "")
			default:
				m.drop(v.at, s+" "+quote(v.text), "it takes the walls away; bailey run --mode danger-full-access says so for one run")
			}
		},
		"sandbox_workspace_write": func(s string, _ int, v *node) {
			m.fields(v, s+".", map[string]func(string, int, *node){
				"writable_roots": m.paths("files.write"),
				"network_access": func(s string, _ int, v *node) {
					if v.yes {
						m.drop(v.at, s, "hosts are named one by one in network.allow")
						return
					}
					m.say(v.at, s, Needless, "", "without network.allow there is no network")
				},
				"exclude_tmpdir_env_var": m.needless("/tmp inside is the box's own"),
				"exclude_slash_tmp":      m.needless("/tmp inside is the box's own"),
			})
		},
		"shell_environment_policy": func(s string, _ int, v *node) {
			names := func(key string) func(string, int, *node) {
				return func(s string, _ int, v *node) {
					m.strings(v, s, func(at int, setting, value string) { m.list(at, setting, key, value) })
				}
			}
			m.fields(v, s+".", map[string]func(string, int, *node){
				"include_only": names("env.allow"), "exclude": names("env.deny"), "set": m.because(envElsewhere),
				"inherit": m.because("variables pass by name alone; name them in env.allow"),
			})
		},
		"profiles":    m.because("a profile counts only when it is named; import it as a file of its own"),
		"projects":    m.because("bailey trust is for one exact content"),
		"mcp_servers": m.servers,
		"tools": func(s string, _ int, v *node) {
			m.fields(v, s+".", map[string]func(string, int, *node){"web_search": search})
		},
		"web_search": search,
		"hooks":      m.because(hooksElsewhere),
	})
	m.unsaid("mode", "read-only", "Codex changes nothing where no sandbox_mode is set")
	return nil
}

// codexRules reads prefix_rule(…) of a file of rules. It is Starlark; what is no
// plain call of prefix_rule is reported, and not read.
func (m *importer) codexRules() error {
	if !utf8.Valid(m.file.Content) || len(m.file.Content) > maxFile {
		return &syntaxError{0, "the file is not UTF-8, or too large"}
	}
	p := &star{src: string(m.file.Content)}
	for {
		p.blank(true)
		if p.i >= len(p.src) {
			return nil
		}
		at := p.i
		name := p.name()
		if name == "" {
			return &syntaxError{at, "expected prefix_rule(…)"}
		}
		args, err := p.args()
		if err != nil {
			return err
		}
		if name != "prefix_rule" {
			m.drop(at, name, "NOT HELD: only prefix_rule is understood")
			continue
		}
		word := "allow"
		if v := args.get("decision"); v != nil {
			word = v.text
		}
		reason := ""
		if v := args.get("justification"); v != nil && v.kind == text {
			reason = v.text
		}
		patterns, ok := expand(args.get("pattern"))
		if !ok {
			return &syntaxError{at, "the pattern is not a list of words"}
		}
		list := map[string]string{"allow": "allow", "prompt": "ask", "forbidden": "deny"}[word]
		if list == "" {
			return &syntaxError{at, "the decision " + quote(word) + " is none of allow, prompt, forbidden"}
		}
		for _, pattern := range patterns {
			quoted := make([]string, len(pattern))
			for i, w := range pattern {
				quoted[i] = single(w)
			}
			setting := name + " " + strings.Join(quoted, " ") + " " + word
			m.bash(at, setting, list, "Bash("+strings.Join(quoted, " ")+" *)", quoted[0], reason)
		}
	}
}

// single writes a word as a pattern for it alone.
func single(w string) string {
	if w != "" && !strings.ContainsFunc(w, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./@%+,", r))
	}) {
		return w
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range w {
		if strings.ContainsRune(`"\*`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	b.WriteByte('"')
	return b.String()
}

// maxExpanded is how many rules one pattern with alternatives may make. Codex
// files have a handful; beyond it the file is refused.
const maxExpanded = 256

// expand makes the patterns of a list of words, of which each may be a list of
// alternatives.
func expand(n *node) ([][]string, bool) {
	if n == nil || n.kind != array || len(n.items) == 0 {
		return nil, false
	}
	out := [][]string{nil}
	for _, item := range n.items {
		words := item.items
		if item.kind == text {
			words = []*node{item}
		}
		var next [][]string
		for _, w := range words {
			if w.kind != text || w.text == "" {
				return nil, false
			}
			for _, o := range out {
				next = append(next, append(o[:len(o):len(o)], w.text))
			}
		}
		if out = next; len(out) == 0 || len(out) > maxExpanded {
			return nil, false
		}
	}
	return out, true
}

// star reads the little of Starlark that rules are written in.
type star struct {
	src string
	i   int
}

func (p *star) blank(lines bool) {
	for p.i < len(p.src) {
		switch c := p.src[p.i]; {
		case c == ' ' || c == '\t' || c == '\r' || lines && c == '\n':
			p.i++
		case c == '#':
			for p.i < len(p.src) && p.src[p.i] != '\n' {
				p.i++
			}
		default:
			return
		}
	}
}

func (p *star) name() string {
	start := p.i
	for p.i < len(p.src) {
		c := p.src[p.i]
		if c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9' || p.i == start) {
			break
		}
		p.i++
	}
	return p.src[start:p.i]
}

func (p *star) want(c byte) error {
	p.blank(true)
	if p.i >= len(p.src) || p.src[p.i] != c {
		return &syntaxError{p.i, "expected " + strconv.Quote(string(rune(c))) + "; only plain calls of prefix_rule are understood"}
	}
	p.i++
	return nil
}

// args reads (name = value, …).
func (p *star) args() (*node, error) {
	if err := p.want('('); err != nil {
		return nil, err
	}
	n := &node{kind: object, at: p.i}
	for {
		p.blank(true)
		if p.i < len(p.src) && p.src[p.i] == ')' {
			p.i++
			return n, nil
		}
		at := p.i
		key := p.name()
		if key == "" || n.get(key) != nil {
			return nil, &syntaxError{at, "expected a name that does not stand twice"}
		}
		if err := p.want('='); err != nil {
			return nil, err
		}
		v, err := p.value(0)
		if err != nil {
			return nil, err
		}
		n.members = append(n.members, member{key, at, v})
		p.blank(true)
		if p.i < len(p.src) && p.src[p.i] == ',' {
			p.i++
		} else if p.i >= len(p.src) || p.src[p.i] != ')' {
			return nil, &syntaxError{p.i, "expected a comma or )"}
		}
	}
}

// value reads a string, or a list of values.
func (p *star) value(depth int) (*node, error) {
	p.blank(true)
	n := &node{at: p.i, kind: text}
	switch {
	case p.i >= len(p.src) || depth > maxDepth:
		return nil, &syntaxError{p.i, fmt.Sprintf("expected a value, at most %d deep", maxDepth)}
	case p.src[p.i] == '[':
		n.kind = array
		for p.i++; ; {
			p.blank(true)
			if p.i < len(p.src) && p.src[p.i] == ']' {
				p.i++
				return n, nil
			}
			v, err := p.value(depth + 1)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, v)
			p.blank(true)
			if p.i < len(p.src) && p.src[p.i] == ',' {
				p.i++
			} else if p.i >= len(p.src) || p.src[p.i] != ']' {
				return nil, &syntaxError{p.i, "expected a comma or ]"}
			}
		}
	}
	q := p.src[p.i]
	if q != '"' && q != '\'' || strings.HasPrefix(p.src[p.i:], strings.Repeat(string(rune(q)), 3)) {
		return nil, &syntaxError{p.i, "expected a string in one pair of quotes, or a list"}
	}
	var b strings.Builder
	for p.i++; p.i < len(p.src); p.i++ {
		switch c := p.src[p.i]; {
		case c == q:
			p.i++
			n.text = b.String()
			return n, nil
		case c == '\n':
			return nil, &syntaxError{p.i, "the string does not end"}
		case c == '\\' && p.i+1 < len(p.src) && strings.IndexByte(`\"'`, p.src[p.i+1]) >= 0:
			p.i++
			b.WriteByte(p.src[p.i])
		case c == '\\':
			return nil, &syntaxError{p.i, "an escape that is not understood"}
		default:
			b.WriteByte(c)
		}
	}
	return nil, &syntaxError{n.at, "the string does not end"}
}
