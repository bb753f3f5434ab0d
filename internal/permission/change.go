package permission

import (
	"fmt"
	"slices"
	"strings"
)

// What would change an answer is said so that it can be typed as it stands: a rule
// that is named has been tried.

// adding says that a rule, or the one for the whole tool where there can be none, would
// allow it.
func adding(rule, tool string) string {
	if _, err := parseRule(Allow, rule, "/", "/"); err != nil {
		rule = tool
	}
	return "add " + inTOML(rule) + " to permissions.allow in your own configuration"
}

// addingFiles names the rules that would allow a file under all of its paths.
func addingFiles(tool string, paths []string, cwd string) string {
	var rules []string
	for _, p := range paths {
		pattern := "/" + asPattern(p)
		if below := strings.TrimPrefix(p, cwd+"/"); below != p {
			pattern = asPattern(below)
			if pattern[0] == '~' || pattern[0] == '!' {
				pattern = "./" + pattern
			}
		}
		if rule := inTOML(tool + "(" + pattern + ")"); !slices.Contains(rules, rule) {
			rules = append(rules, rule)
		}
	}
	return "add " + strings.Join(rules, " and ") + " to permissions.allow in your own configuration"
}

// asPattern writes a path as a pattern for it alone.
func asPattern(file string) string {
	return strings.NewReplacer("{", `\{`, "}", `\}`).Replace(escape(file))
}

// maxSuggested is the longest command that a rule is suggested for word by word, in
// bytes: a longer one is not written into a file.
const maxSuggested = 200

// suggestion says which rule would allow a command.
func (s *Set) suggestion(c *command) string {
	if c.setting != "" {
		return "leave out " + c.setting + "=: a rule for a command does not cover it"
	}
	for _, spec := range [...]string{firstWords(c), everyWord(c)} {
		if p, err := parseShellPattern(spec); spec != "" && err == nil && p.allows(c) {
			return adding("Bash("+spec+")", toolBash)
		}
	}
	if c.look {
		var by *rule
		for _, in := range c.inner {
			if !s.covered(in, &by) {
				return s.suggestion(in)
			}
		}
	}
	return "no rule but one for all of Bash covers it; answer when you are asked"
}

// firstWords is a pattern of the name and the subcommand.
func firstWords(c *command) string {
	var out []string
	for i := range c.words {
		if i == 2 || !c.words[i].exact || c.words[i].alts[0] == "" || strings.ContainsAny(c.words[i].alts[0], " *()\"'\\\t\n") || i > 0 && strings.HasPrefix(c.words[i].alts[0], "-") {
			break
		}
		out = append(out, c.words[i].alts[0])
	}
	if len(out) == 0 {
		return ""
	}
	if len(out) < len(c.words) {
		out = append(out, "*")
	}
	return strings.Join(out, " ")
}

// everyWord is a pattern for exactly this command; "" where some of it is not known.
func everyWord(c *command) string {
	var b strings.Builder
	for i, w := range c.words {
		if !w.exact || b.Len() > maxSuggested {
			return ""
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		switch text := w.alts[0]; {
		case text != "" && !strings.ContainsAny(text, " *\"'\\\t\n;&|"):
			b.WriteString(text)
		case !strings.Contains(text, "'"):
			b.WriteString("'" + text + "'")
		default:
			for _, r := range text {
				if strings.ContainsRune(" *\"'\\", r) {
					b.WriteByte('\\')
				}
				b.WriteRune(r)
			}
		}
	}
	return b.String()
}

// inTOML writes a string as it stands in a policy.
func inTOML(s string) string {
	control := strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
	switch {
	case !control && !strings.ContainsAny(s, "\"\\"):
		return `"` + s + `"`
	case !control && !strings.Contains(s, "'"):
		return "'" + s + "'"
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}
