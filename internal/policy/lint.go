package policy

import (
	"path"
	"strings"
)

// Severity says how much a finding matters.
type Severity string

// The severities.
const (
	Warning Severity = "warning" // the policy hardly does what its writer meant
	Note    Severity = "note"    // worth knowing
)

// Finding is one remark of Lint.
type Finding struct {
	Severity Severity `json:"severity"`
	Key      string   `json:"key"`
	Value    string   `json:"value"`
	From     Source   `json:"from"`
	Problem  string   `json:"problem"`
	Hint     string   `json:"hint,omitempty"`
}

// Lint looks for values that are legal and still hardly what a person meant.
func Lint(p *Policy) []Finding {
	l := &linter{p: p, denied: map[string]*Value[string]{}}
	for i := range p.Files.Deny {
		if literal, ok := Literal(p.Files.Deny[i].V); ok {
			l.denied[literal] = &p.Files.Deny[i]
		}
	}
	l.deny()
	l.grants()
	l.environment()
	l.network()
	l.scalars()
	return l.findings
}

type linter struct {
	p        *Policy
	denied   map[string]*Value[string] // the literal paths of files.deny
	findings []Finding
}

func (l *linter) add(s Severity, key, value string, from Source, problem, hint string) {
	l.findings = append(l.findings, Finding{s, key, value, from, problem, hint})
}

// above returns the entry of files.deny that hides name itself or a directory
// over it.
func (l *linter) above(name string) *Value[string] {
	for dir := name; ; dir = path.Dir(dir) {
		if v := l.denied[dir]; v != nil {
			return v
		}
		if dir == "/" || dir == "." {
			return nil
		}
	}
}

func (l *linter) deny() {
	if l.p.Workspace != "" {
		if v := l.above(l.p.Workspace); v != nil {
			l.add(Warning, "files.deny", v.V, v.From, "this hides the workspace "+l.p.Workspace, "nothing can be done in such a box; name what is to be hidden inside the workspace")
		}
	}
	for i := range l.p.Files.Deny {
		v := &l.p.Files.Deny[i]
		switch strings.TrimPrefix(v.V, "**/") {
		case "*.*", "?*", "*?", "[!.]*":
			l.add(Warning, "files.deny", v.V, v.From, "this hides nearly everything", "name what is to be hidden")
			continue
		}
		if literal, ok := Literal(v.V); ok && literal != "/" {
			if over := l.above(path.Dir(literal)); over != nil {
				l.add(Note, "files.deny", v.V, v.From, "already hidden by "+over.V+" at "+over.From.String(), "remove it")
			}
		}
	}
}

func (l *linter) grants() {
	l.overlap("files.write", l.p.Files.Write, l.p.Files.Write)
	l.overlap("files.read", l.p.Files.Read, l.p.Files.Write)
	for _, list := range [...]struct {
		key    string
		values []Value[string]
	}{{"files.read", l.p.Files.Read}, {"files.write", l.p.Files.Write}, {"files.system", l.p.Files.System}} {
		for i := range list.values {
			v := &list.values[i]
			l.shadowed(list.key, v.V, v.From)
			if list.key == "files.write" {
				l.protected(v)
			}
			if list.key == "files.read" && (v.V == "/" || l.p.Home != "" && within(l.p.Home, v.V)) {
				l.add(Warning, list.key, v.V, v.From, "this shows the whole home directory to the box, keys and tokens with it", "name the directories that are needed")
			}
		}
	}
	for i := range l.p.Files.Caches {
		v := &l.p.Files.Caches[i]
		l.shadowed("files.caches", v.V.Path, v.From)
	}
}

func (l *linter) shadowed(key, name string, from Source) {
	if over := l.above(name); over != nil {
		l.add(Warning, key, name, from, "never in force: "+over.V+" at "+over.From.String()+" hides it", "deny wins over everything; remove one of the two")
	}
}

// overlap finds values that a writable directory covers already.
func (l *linter) overlap(key string, values, writable []Value[string]) {
	for i := range values {
		v := &values[i]
		for j := range writable {
			w := &writable[j]
			if v != w && within(v.V, w.V) && v.From.Layer != LayerBuiltin {
				l.add(Note, key, v.V, v.From, "already writable through "+w.V+" at "+w.From.String(), "")
				break
			}
		}
	}
}

// protected finds writable directories that lie below a protected name: they are
// writable, and the person may not have meant that.
func (l *linter) protected(v *Value[string]) {
	parts := strings.Split(strings.TrimPrefix(v.V, "/"), "/")
	for i := range l.p.Files.Protect {
		rule := &l.p.Files.Protect[i]
		if literal, ok := Literal(rule.V); ok {
			if within(v.V, literal) {
				l.add(Warning, "files.write", v.V, v.From, "inside "+rule.V+", which is protected at "+rule.From.String(), "remove one of the two")
			}
			continue
		}
		pattern := strings.TrimPrefix(rule.V, "**/")
		depth := 1 + strings.Count(pattern, "/")
		for at := 0; at+depth <= len(parts); at++ {
			if ok, err := path.Match(pattern, strings.Join(parts[at:at+depth], "/")); err == nil && ok {
				l.add(Warning, "files.write", v.V, v.From, "inside "+rule.V+", which is protected at "+rule.From.String(), "name a directory outside it")
				return
			}
		}
	}
}

func (l *linter) environment() {
	for i := range l.p.Env.Allow {
		v := &l.p.Env.Allow[i]
		if v.From.Layer == LayerBuiltin {
			continue
		}
		if strings.Trim(v.V, "*") == "" {
			l.add(Warning, "env.allow", v.V, v.From, "this lets the whole environment in; only names that look like secrets stay out", "name the variables that are needed")
			continue
		}
		if strings.Contains(v.V, "*") {
			if !knownPrefix(v.V) {
				l.add(Note, "env.allow", v.V, v.From, "a pattern for names nobody here knows; what looks like a secret stays out, everything else of that name passes", "name the variables that are needed")
			}
			continue
		}
		if pass, rule, _ := l.p.Env.Decide(v.V); !pass {
			l.add(Warning, "env.allow", v.V, v.From, "never in force: "+rule.V+" at "+rule.From.String()+" denies it", "deny wins; remove one of the two")
		} else if l.p.Env.Secret(v.V) {
			l.add(Note, "env.allow", v.V, v.From, "this passes a variable that looks like a secret, and everything in the box can read it", "")
		}
	}
	for name, v := range l.p.Env.Set {
		if pass, rule, _ := l.p.Env.Decide(name); !pass {
			l.add(Warning, "env.set", name, v.From, "never in force: "+rule.V+" at "+rule.From.String()+" denies it", "deny wins; remove one of the two")
		} else if l.p.Env.Secret(name) {
			l.add(Warning, "env.set", name, v.From, "a secret in a policy file is read by everybody who can read the file", "let it in from the environment with env.allow")
		}
	}
}

// knownPrefix reports whether a pattern such as LC_* is about variables that are
// known to be settings.
func knownPrefix(pattern string) bool {
	for _, known := range [...]string{"LC_", "GO", "CGO_", "NODE_", "NPM_", "PYTHON", "PIP_", "UV_", "CARGO_", "RUST", "JAVA_", "MAVEN_", "GRADLE_", "RUBY", "BUNDLE_", "CMAKE_", "CCACHE_", "MISE_", "GIT_", "XDG_"} {
		if strings.HasPrefix(pattern, known) {
			return true
		}
	}
	return false
}

func (l *linter) scalars() {
	if l.p.Mode.V == DangerFullAccess {
		l.add(Warning, "mode", string(l.p.Mode.V), l.p.Mode.From, "there are no walls in this mode", "")
	}
	if l.p.MinTier.V == TierNone {
		l.add(Warning, "min-tier", string(l.p.MinTier.V), l.p.MinTier.From, "commands run even where nothing can be enforced", `use "landlock" or "full"`)
	}
	for at := range keys {
		k := &keys[at]
		if n := l.p.number(k); n != nil && n.Set && n.V == 0 && n.From.Layer != LayerBuiltin {
			l.add(Note, k.name, noLimit, n.From, "one box can use up the machine's share of this", "")
		}
	}
}
