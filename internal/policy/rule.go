package policy

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"
)

// maxRule is the longest rule, in characters. A rule names a command or a path;
// the longest path of Linux has as many bytes. A longer one is an error.
const maxRule = 4096

// The patterns of rules and of the program that answers; the JSON Schema
// publishes them. What a rule's text means, package permission checks.
const (
	rulePattern    = `^[^\x00-\x1f\x7f]+$`
	programPattern = `^(/|~/)[^\x00]*$`
)

// extra is what a table says of a rule beside its text.
type extra struct {
	reason          string
	match, notMatch []string
}

// rulePart reads one field of a rule that is written as a table.
func (d *decoder) rulePart(e *entry, field string, from Source, value *unstable.Node) {
	name := e.key.name + "." + field
	if e.rule == nil {
		e.rule = &extra{}
	}
	switch field {
	case "rule", "reason":
		if value.Kind != unstable.String {
			d.fail(from, name, "expected a string, not "+describe(value.Kind), "", "")
			return
		}
		from = d.source(int(value.Raw.Offset))
		text := d.string(value)
		if field == "reason" {
			e.rule.reason = text
			d.check(checkText, text, from, name)
			return
		}
		e.text, e.from = text, from
		d.check(checkRule, text, from, name)
	case "match":
		e.rule.match = d.examples(name, from, value)
	case "not-match":
		e.rule.notMatch = d.examples(name, from, value)
	default:
		d.fail(from, name, "unknown key", "", nearest(field, []string{"rule", "reason", "match", "not-match"}))
	}
}

// examples reads a list of strings.
func (d *decoder) examples(name string, from Source, value *unstable.Node) []string {
	if value.Kind != unstable.Array {
		d.fail(from, name, "expected a list of strings, not "+describe(value.Kind), "", "")
		return nil
	}
	var list []string
	for it := value.Children(); it.Next(); {
		item := it.Node()
		if item.Kind != unstable.String {
			d.fail(from, name, "expected a string in the list, not "+describe(item.Kind), "", "")
			return nil
		}
		text := d.string(item)
		if !d.check(checkText, text, d.source(int(item.Raw.Offset)), name) {
			return nil
		}
		list = append(list, text)
	}
	return list
}

func checkRule(text string) (problem, hint string) {
	switch {
	case text == "":
		return "an empty string is not a rule", "remove it"
	case utf8.RuneCountInString(text) > maxRule:
		return "the rule is longer than " + strconv.Itoa(maxRule) + " characters", "write fewer words and a *"
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return strconv.Quote(text) + " holds a control character", "a rule is one line"
	}
	return "", ""
}

func checkProgram(text string) (problem, hint string) {
	switch {
	case strings.IndexByte(text, 0) >= 0:
		return "a NUL byte is not allowed in a path", ""
	case utf8.RuneCountInString(text) > maxPath:
		return "the path is longer than any path can be", ""
	case !strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "~/"):
		return strconv.Quote(text) + " is not the whole path of a program", "write /… or ~/…"
	}
	return "", ""
}

// typedRule gives a rule its typed form.
func (e *entry) typedRule() Rule {
	r := Rule{Text: e.text, Base: e.aux}
	if e.rule != nil {
		r.Reason, r.Match, r.NotMatch = e.rule.reason, e.rule.match, e.rule.notMatch
	}
	return r
}

// rules is where a list of rules is kept; nil for other keys.
func (p *Policy) rules(k *key) *[]Value[Rule] {
	switch k.name {
	case "permissions.deny":
		return &p.Permissions.Deny
	case "permissions.ask":
		return &p.Permissions.Ask
	case "permissions.allow":
		return &p.Permissions.Allow
	}
	return nil
}

// show prints a rule the way it is written, and what its path is below.
func (r *Rule) show() string {
	text := r.Text
	if i := strings.IndexByte(text, '('); i >= 0 && strings.HasPrefix(text[i:], "(/") && !strings.HasPrefix(text[i:], "(//") && r.Base != "" {
		text += " below " + r.Base
	}
	if r.Reason != "" {
		text += " (" + r.Reason + ")"
	}
	return text
}
