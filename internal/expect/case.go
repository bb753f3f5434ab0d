// Package expect reads what a team expects of its policy: one case a line, such
// as "deny read ~/.ssh/id_ed25519". It is pure; package bailey decides the cases,
// and package attempt tries them.
package expect

import (
	"path"
	"strings"

	"github.com/bailey-run/bailey/internal/policy"
)

// FileName is the usual name of a file with cases, in the root of a workspace.
// The built-in policy protects it: a box must not rewrite what it is judged by.
const FileName = "bailey.test"

// Case is one expectation.
type Case struct {
	File   string // as the caller named it
	Line   int    // 1-based
	Column int    // 1-based, in characters: of the target
	Want   string // allow, ask or deny
	Op     string // read, write, exec, connect or env
	Target []string
	Reason string // the comment behind the case, or ""
}

// Text is the case as one line, without its reason.
func (c *Case) Text() string {
	words := make([]string, len(c.Target))
	for i, w := range c.Target {
		words[i] = Quote(w)
	}
	return c.Want + " " + c.Op + " " + strings.Join(words, " ")
}

// Path is the path of a case about one, as [Resolve] makes it; for exec "" when
// the program is a name to be looked up.
func (c *Case) Path(dir string) string {
	switch {
	case c.Op == "read" || c.Op == "write", c.Op == "exec" && strings.Contains(c.Target[0], "/"):
		return Resolve(c.Target[0], dir)
	}
	return ""
}

// Resolve makes a path absolute and clean: a relative one counts from dir. What
// begins with ~/ is left to whoever knows the home directory.
func Resolve(name, dir string) string {
	switch {
	case home(name):
		return name
	case path.IsAbs(name):
		return path.Clean(name)
	}
	return path.Join(dir, name)
}

func home(name string) bool { return name == "~" || strings.HasPrefix(name, "~/") }

// Quote writes a word as a case does.
func Quote(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t'\"\\#*?[$") && (s[0] != '~' || home(s)) {
		return s
	}
	if !strings.Contains(s, "'") {
		return "'" + s + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

var (
	wants = [...]string{"allow", "ask", "deny"}
	ops   = [...]string{"read", "write", "exec", "connect", "env"}
)

// maxShown bounds a word in a message: a file of another kind may be one long word.
const maxShown = 60

// shown is a word in a message.
func shown(s string) string {
	if len(s) > maxShown {
		s = strings.ToValidUTF8(s[:maxShown], "") + "…"
	}
	return Quote(s)
}

// check judges the words of a line and makes them a case.
func (l *line) check(words []word) (Case, *policy.Error) {
	c := Case{File: l.file, Line: l.number, Want: words[0].text}
	if !has(wants[:], c.Want) {
		e := l.fault(words[0], "unknown expectation "+shown(c.Want))
		e.Hint = "a case begins with allow, ask or deny"
		e.Nearest = policy.Nearest(c.Want, wants[:])
		if has(ops[:], c.Want) {
			e.Hint = "write allow or deny in front, as in: deny " + c.Want + " …"
		}
		return c, e
	}
	if len(words) < 2 {
		e := l.fault(l.end(), "what is to be "+past(c.Want)+" is missing")
		e.Hint = "as in: " + c.Want + " read ~/.ssh/id_ed25519"
		return c, e
	}
	c.Op = words[1].text
	if !has(ops[:], c.Op) {
		e := l.fault(words[1], "unknown verb "+shown(c.Op))
		e.Hint = "the verbs are read, write, exec, connect and env"
		e.Nearest = policy.Nearest(c.Op, ops[:])
		return c, e
	}
	if len(words) < 3 {
		e := l.fault(l.end(), c.Op+" needs "+needs(c.Op))
		e.Hint = "as in: " + c.Want + " " + c.Op + " " + example(c.Op)
		return c, e
	}
	target := words[2:]
	c.Column = target[0].column
	if len(target) > 1 && c.Op != "exec" {
		e := l.fault(target[1], c.Op+" takes one word")
		e.Hint = "put a name with blanks in quotes; a reason stands behind #"
		return c, e
	}
	for _, w := range target {
		c.Target = append(c.Target, w.text)
	}
	return c, l.target(c.Op, target[0])
}

// target judges the first word behind the verb.
func (l *line) target(op string, w word) *policy.Error {
	switch op {
	case "read", "write":
		return l.path(w)
	case "exec":
		if w.text == "" {
			return l.fault(w, "the program has no name")
		}
		if strings.Contains(w.text, "/") {
			return l.path(w)
		}
	case "env":
		if w.text == "" || strings.ContainsAny(w.text, "= \t$") {
			e := l.fault(w, shown(w.text)+" is no name of a variable")
			e.Hint = "the name alone, as in: deny env AWS_SECRET_ACCESS_KEY"
			return e
		}
		return l.pattern(w)
	case "connect":
		if _, _, err := HostPort(w.text); err != "" {
			e := l.fault(w, shown(w.text)+" is no host and port: "+err)
			e.Hint = "as in: deny connect example.org:443"
			return e
		}
	}
	return nil
}

func (l *line) path(w word) *policy.Error {
	hint := ""
	switch {
	case w.text == "":
		return l.fault(w, "the path is empty")
	case w.bare && strings.HasPrefix(w.text, "~") && !home(w.text):
		hint = "only ~/ is expanded; write the other home directory out, or put the name in quotes"
	case w.bare && strings.Contains(w.text, "$"):
		hint = "variables are not expanded; write the path out, or put it in quotes"
	default:
		return l.pattern(w)
	}
	e := l.fault(w, shown(w.text)+" is not a path that can be tested")
	e.Hint = hint
	return e
}

// pattern refuses what a person may take for a pattern: a case that is about no
// file at all must not pass as if it were about many.
func (l *line) pattern(w word) *policy.Error {
	if !w.bare || !strings.ContainsAny(w.text, "*?[") {
		return nil
	}
	e := l.fault(w, shown(w.text)+" looks like a pattern, and a case is about one thing")
	e.Hint = "write one case for each; a name with such a character goes in quotes"
	return e
}

// HostPort splits HOST:PORT. why says what is wrong with it.
func HostPort(s string) (host string, port int, why string) {
	if strings.Contains(s, "//") {
		return "", 0, "it is a URL"
	}
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", 0, "the port is missing"
	}
	host = s[:i]
	if bare, ok := strings.CutPrefix(host, "["); ok {
		if host, ok = strings.CutSuffix(bare, "]"); !ok || !strings.Contains(host, ":") {
			return "", 0, "the brackets hold no IPv6 address"
		}
	} else if strings.Contains(host, ":") {
		return "", 0, "an IPv6 address stands in brackets, as in [::1]:443"
	}
	if host == "" || strings.ContainsAny(host, "/@*?[] \t\\") {
		return "", 0, "the host is not one name or address"
	}
	for _, r := range s[i+1:] {
		if r < '0' || r > '9' || port > 65535 {
			return "", 0, "the port is not a number from 1 to 65535"
		}
		port = port*10 + int(r-'0')
	}
	if port < 1 || port > 65535 {
		return "", 0, "the port is not a number from 1 to 65535"
	}
	return host, port, ""
}

func past(want string) string {
	switch want {
	case "allow":
		return "allowed"
	case "deny":
		return "denied"
	}
	return "asked"
}

func needs(op string) string {
	switch op {
	case "exec":
		return "a command"
	case "connect":
		return "a host and a port"
	case "env":
		return "the name of a variable"
	}
	return "a path"
}

func example(op string) string {
	switch op {
	case "read":
		return "~/.ssh/id_ed25519"
	case "write":
		return "./build/x"
	case "exec":
		return "git push"
	case "connect":
		return "example.org:443"
	}
	return "AWS_SECRET_ACCESS_KEY"
}

func has(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
