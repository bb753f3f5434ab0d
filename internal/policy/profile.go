package policy

import (
	"path"
	"strings"
)

//go:generate go test -run TestProfilesAreCurrent -update .

// The built-in profiles are TOML files in profiles, decoded ahead of time into
// profiles_gen.go: reading them on every start would cost a quarter of a
// millisecond, a fifth of what starting a box may take.

// baseProfile is the profile that every policy starts from.
const baseProfile = "default"

// Profiles names the built-in profiles, the one every policy starts from first.
func Profiles() []string {
	return []string{baseProfile, "go", "node", "python", "rust", "java", "ruby", "c"}
}

// builtin returns a built-in profile, nil when there is none of that name. Nobody
// may change it.
func builtin(name string) *document {
	switch name {
	case baseProfile:
		return &defaultProfile
	case "go":
		return &goProfile
	case "node":
		return &nodeProfile
	case "python":
		return &pythonProfile
	case "rust":
		return &rustProfile
	case "java":
		return &javaProfile
	case "ruby":
		return &rubyProfile
	case "c":
		return &cProfile
	}
	return nil
}

// profileSet puts profiles in the order they apply in.
type profileSet struct {
	source  func(name string) *document
	open    []string // the chain of extends being followed
	order   []*document
	applied []Value[string]
	errs    []*Error
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
	doc := s.source(name)
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

// detect applies every profile that a file in the workspace's root asks for.
func (s *profileSet) detect(names []string) {
	for _, profile := range Profiles() {
		doc := s.source(profile)
		if doc == nil || profile == baseProfile {
			continue
		}
		if name := detected(doc, names); name != "" {
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
