package permission

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/bailey-run/bailey/internal/policy"
)

// rule is one rule, ready to be asked.
type rule struct {
	list   Verdict // the list it is in, which is its answer
	text   string
	reason string // the writer's, "" for none
	from   policy.Source
	tool   string // canonical
	all    bool   // nothing in parentheses: every call of the tool
	shell  *shellPattern
	paths  []pathPattern // the alternatives of one pattern
	word   string        // WebFetch: a host pattern; MCP, Agent, Skill: a name pattern
}

// syntaxError is a rule that cannot be read.
type syntaxError struct{ problem, hint, near string }

func (e *syntaxError) Error() string { return e.problem }

// parseRule reads a rule of a list. Base is the directory a pattern that starts
// with one slash is below, home what ~ stands for.
func parseRule(list Verdict, text, base, home string) (*rule, error) {
	r := &rule{list: list, text: text}
	name, spec, has := strings.Cut(text, "(")
	if has {
		if !strings.HasSuffix(spec, ")") {
			return nil, &syntaxError{problem: strconv.Quote(text) + " does not end with )", hint: "write Tool or Tool(specifier)"}
		}
		spec = spec[:len(spec)-1]
		if strings.TrimSpace(spec) == "" {
			return nil, &syntaxError{problem: strconv.Quote(text) + " has nothing in its parentheses", hint: "write " + name + " for every call of the tool"}
		}
	}
	r.tool = canonical(name)
	if r.tool == "" {
		return nil, &syntaxError{problem: "there is no tool " + strconv.Quote(name), hint: "the tools are Bash, Read, Edit, WebFetch, WebSearch, Agent, Skill and mcp__SERVER__TOOL", near: policy.Nearest(name, toolNames())}
	}
	if r.tool == toolMCP {
		if has {
			return nil, &syntaxError{problem: strconv.Quote(text) + ": an MCP tool takes no parentheses", hint: "write mcp__SERVER, mcp__SERVER__TOOL or mcp__SERVER__*"}
		}
		r.word = name
		if server := strings.TrimPrefix(name, toolMCP); list == Allow && strings.HasPrefix(server, "*") {
			return nil, &syntaxError{problem: strconv.Quote(text) + " allows every server, also one that is added later", hint: "name the server"}
		}
		return r, nil
	}
	if !has || spec == "*" {
		r.all = true
		return r, nil
	}
	var err error
	switch r.tool {
	case toolBash:
		r.shell, err = parseShellPattern(spec)
	case toolRead, toolEdit:
		r.paths, err = parsePathPattern(spec, list, base, home)
	case toolFetch:
		r.word, err = parseDomain(spec)
	case toolAgent, toolSkill:
		r.word = spec
	default:
		err = &syntaxError{problem: strconv.Quote(text) + ": " + name + " takes no parentheses", hint: "write " + name}
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// parseDomain reads domain:HOST.
func parseDomain(spec string) (string, error) {
	host, ok := strings.CutPrefix(spec, "domain:")
	if !ok {
		return "", &syntaxError{problem: strconv.Quote(spec) + " is not domain:HOST", hint: "write WebFetch(domain:example.com)"}
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	plain := strings.TrimPrefix(host, "*.")
	if host != "*" && (plain == "" || strings.ContainsAny(plain, "*/:@?#[] ")) {
		return "", &syntaxError{problem: strconv.Quote(host) + " is not the name of a host", hint: "write domain:example.com, or domain:*.example.com for the names below it"}
	}
	return host, nil
}

// origin says in a sentence where a rule is.
func (r *rule) origin() string {
	return fmt.Sprintf("%s %s at %s", r.list, r.text, place(r.from))
}

func place(from policy.Source) string {
	if from.File == "" {
		return string(from.Layer)
	}
	return from.String()
}
