package policy

import (
	"encoding/json"
	"strconv"
	"strings"
)

// Secret is one [secrets.NAME]: where a value comes from, to which hosts the gate
// may send it and how, and under which name the box sees a placeholder. The value
// itself is never part of a policy.
type Secret struct {
	Source string   `json:"source"`          // "env:NAME", "file:PATH", "json:PATH#FIELD", "command:LINE", "keyring:NAME"
	Cache  int64    `json:"cache,omitempty"` // seconds that a command's answer is kept
	Hosts  []string `json:"hosts"`           // canonical patterns
	Header string   `json:"header,omitempty"`
	Format string   `json:"format,omitempty"`
	Query  string   `json:"query,omitempty"`
	Basic  string   `json:"basic,omitempty"`
	Env    string   `json:"env,omitempty"`
	File   string   `json:"file,omitempty"`
	Body   string   `json:"body,omitempty"` // "block", as without it; "pass" lets the placeholder, not the value, stand in bodies
}

// secretFields are the keys of a secret, in the order of the printed policy.
func secretFields() []string {
	return []string{"source", "cache", "hosts", "header", "format", "query", "basic", "env", "file", "body"}
}

// set stores one field.
func (s *Secret) set(field, text string) (problem, hint string) {
	if strings.IndexFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f }) >= 0 {
		return "control characters are not allowed here", ""
	}
	switch field {
	case "source":
		kind, rest, ok := strings.Cut(text, ":")
		switch {
		case !ok || rest == "", kind != "env" && kind != "file" && kind != "json" && kind != "command" && kind != "keyring":
			return strconv.Quote(text) + " is no source of a secret", `write "env:NAME", "file:PATH", "json:PATH#FIELD", "command:LINE" or "keyring:NAME"`
		case kind == "json" && !jsonSource(rest):
			return strconv.Quote(text) + " names no field of a file", `as in source = "json:~/.config/example/auth.json#token"`
		case kind == "env":
			if problem, hint = checkVar(rest); problem != "" {
				return problem, hint
			}
		}
		s.Source = text
	case "cache":
		n, ok := parseTime(text)
		if !ok {
			return strconv.Quote(text) + " is not a time", `write whole seconds or longer, such as "90s" or "10m"`
		}
		s.Cache = n
	case "hosts":
		r, problem, hint := ParseNetRule(text)
		if problem != "" {
			return problem, hint
		}
		if len(r.Ports) > 0 || r.String() != r.Host {
			return strconv.Quote(text) + " is not a host alone", "a secret goes to its hosts over TLS, on any port that a rule allows"
		}
		if why := r.pattern.Broad(); why != "" {
			return strconv.Quote(text) + " is too broad for a secret: " + why, "name the hosts that need it"
		}
		s.Hosts = appendNew(s.Hosts, r.Host)
	case "header":
		if text == "" || strings.ContainsAny(text, " :") {
			return strconv.Quote(text) + " is not the name of a header", `as in header = "Authorization"`
		}
		s.Header = text
	case "format":
		if strings.Count(text, "{}") != 1 {
			return "the format must hold {} once, where the secret goes", `as in format = "Bearer {}"`
		}
		s.Format = text
	case "query":
		s.Query = text
	case "basic":
		if strings.Contains(text, ":") {
			return "a user name cannot hold a colon", ""
		}
		s.Basic = text
	case "env":
		if problem, hint = checkVar(text); problem != "" {
			return problem, hint
		}
		s.Env = text
	case "file":
		if problem, hint = checkPath(text); problem != "" {
			return problem, hint
		}
		s.File = text
	case "body":
		if text != "block" && text != "pass" {
			return strconv.Quote(text) + " is neither block nor pass", "pass lets the placeholder, which is worth nothing, stand in bodies; the value never"
		}
		s.Body = text
	}
	return "", ""
}

// jsonSource checks what follows "json:".
func jsonSource(rest string) bool {
	file, field, ok := strings.Cut(rest, "#")
	return ok && file != "" && field != ""
}

// check looks at the whole.
func (s *Secret) check() (problem, hint string) {
	ways := 0
	for _, w := range [...]string{s.Header, s.Query, s.Basic} {
		if w != "" {
			ways++
		}
	}
	switch {
	case s.Source == "":
		return "a secret needs a source", `as in source = "env:GITHUB_TOKEN"`
	case len(s.Hosts) == 0:
		return "a secret needs the hosts that it may go to", `as in hosts = ["api.example.org"]`
	case ways > 1:
		return "a secret goes into one place: header, query or basic", "write two secrets with one source"
	case s.Cache > 0 && !strings.HasPrefix(s.Source, "command:"):
		return "only a command's answer is kept", "remove cache"
	}
	return "", ""
}

func (s *Secret) text() string {
	b, _ := json.Marshal(s) // strings and numbers only: it cannot fail
	return string(b)
}

// checkTableName checks that a name may be the name of a secret or an exception.
func checkTableName(name string) (problem, hint string) {
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return strconv.Quote(name) + " is not a name that can stand here", "letters, digits, - and _ are allowed"
		}
	}
	if name == "" || len(name) > 64 {
		return strconv.Quote(name) + " is not a name that can stand here", "1 to 64 letters, digits, - and _ are allowed"
	}
	return "", ""
}
