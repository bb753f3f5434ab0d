package policy

import (
	_ "embed"
	"path"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// The built-in profiles. They are parsed on every start, which costs less than
// keeping a generated copy true; BenchmarkLoad holds that.
var (
	//go:embed profiles/default.toml
	defaultProfile string
	//go:embed profiles/go.toml
	goProfile string
	//go:embed profiles/node.toml
	nodeProfile string
	//go:embed profiles/python.toml
	pythonProfile string
	//go:embed profiles/rust.toml
	rustProfile string
	//go:embed profiles/java.toml
	javaProfile string
	//go:embed profiles/ruby.toml
	rubyProfile string
	//go:embed profiles/c.toml
	cProfile string
)

// baseProfile is the profile that every policy starts from.
const baseProfile = "default"

// Profiles names the built-in profiles, the one every policy starts from first.
func Profiles() []string {
	return []string{baseProfile, "go", "node", "python", "rust", "java", "ruby", "c"}
}

// builtin returns the text of a built-in profile.
func builtin(name string) (string, bool) {
	switch name {
	case baseProfile:
		return defaultProfile, true
	case "go":
		return goProfile, true
	case "node":
		return nodeProfile, true
	case "python":
		return pythonProfile, true
	case "rust":
		return rustProfile, true
	case "java":
		return javaProfile, true
	case "ruby":
		return rubyProfile, true
	case "c":
		return cProfile, true
	}
	return "", false
}

// profileSet decodes profiles once and puts them in the order they apply in.
type profileSet struct {
	parser  *unstable.Parser
	source  func(name string) (text string, ok bool)
	home    string
	decoded map[string]*document
	open    []string // the chain of extends being followed
	order   []*document
	applied []Value[string]
	errs    []*Error
}

// document decodes the profile called name.
func (s *profileSet) document(name string) *document {
	if doc := s.decoded[name]; doc != nil {
		return doc
	}
	text, ok := s.source(name)
	if !ok {
		return nil
	}
	doc, errs := decode(s.parser, LayerBuiltin, "profile:"+name, []byte(text), inProfile)
	where := places{home: s.home}
	s.errs = append(s.errs, errs...)
	if len(errs) == 0 {
		s.errs = append(s.errs, resolve(doc, &where)...)
	}
	s.decoded[name] = doc
	return doc
}

// use applies the profile called name and the ones it extends, those first.
func (s *profileSet) use(name string, from Source) {
	for i, above := range s.open {
		if above == name {
			chain := strings.Join(append(s.open[i:len(s.open):len(s.open)], name), " extends ")
			s.errs = append(s.errs, &Error{File: from.File, Line: from.Line, Column: from.Column, Key: "extends", Problem: "the profiles go in a circle: " + chain})
			return
		}
	}
	if s.active(name) {
		return
	}
	doc := s.document(name)
	if doc == nil {
		problem, hint := checkProfile(name)
		s.errs = append(s.errs, &Error{File: from.File, Line: from.Line, Column: from.Column, Key: "extends", Problem: problem, Hint: hint, Nearest: nearest(name, Profiles())})
		return
	}
	s.open = append(s.open, name)
	for i := range doc.entries {
		if e := &doc.entries[i]; e.key.kind == kindProfiles {
			s.use(e.text, e.from)
		}
	}
	s.open = s.open[:len(s.open)-1]
	s.order = append(s.order, doc)
	s.applied = append(s.applied, Value[string]{V: name, Set: true, From: from})
}

// active reports whether the profile is applied already.
func (s *profileSet) active(name string) bool {
	for i := range s.applied {
		if s.applied[i].V == name {
			return true
		}
	}
	return false
}

// detect applies every profile that a file in the workspace's root asks for. It
// reads no more of the others than their [profile] table, which stands first.
func (s *profileSet) detect(names []string) {
	for _, profile := range Profiles() {
		text, ok := s.source(profile)
		if !ok || profile == baseProfile {
			continue
		}
		head, _ := decode(s.parser, LayerBuiltin, "profile:"+profile, []byte(text), inHead)
		if name := detected(head, names); name != "" {
			s.use(profile, Source{Layer: LayerBuiltin, File: "detected:" + name})
		}
	}
}

// detected returns the first of names that the profile looks for.
func detected(doc *document, names []string) string {
	for i := range doc.entries {
		e := &doc.entries[i]
		if e.key.kind != kindTexts {
			continue
		}
		pattern := strings.ContainsAny(e.text, "*?[")
		for _, name := range names {
			if name == e.text {
				return name
			}
			if pattern {
				if ok, err := path.Match(e.text, name); err == nil && ok {
					return name
				}
			}
		}
	}
	return ""
}

// resolve makes every path of a document absolute.
func resolve(doc *document, where *places) []*Error {
	var errs []*Error
	var extra []entry // what {a,b} alternatives add
	for i := range doc.entries {
		e := &doc.entries[i]
		written := *e
		var problem, hint string
		switch e.key.kind {
		case kindPaths, kindCaches:
			problem, hint = where.resolve(e)
			if problem == "" && e.key.name == "files.write" {
				problem, hint = where.root(e)
			}
		case kindGlobs:
			var list []string
			list, problem, hint = where.pattern(e.text)
			for j, text := range list {
				if j == 0 {
					e.text = text
					continue
				}
				more := written
				more.text = text
				extra = append(extra, more)
			}
		case kindEtc:
			if !validGlob(e.text) {
				problem = "\"" + e.text + "\" is not a valid pattern"
			}
			e.text = path.Clean(e.text)
		}
		if problem != "" && len(errs) < maxErrors {
			errs = append(errs, &Error{File: e.from.File, Line: e.from.Line, Column: e.from.Column, Key: e.key.name, Problem: problem, Hint: hint})
		}
	}
	doc.entries = append(doc.entries, extra...)
	return errs
}
