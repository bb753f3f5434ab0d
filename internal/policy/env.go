package policy

import "strings"

// Decide reports whether a variable of the caller's environment passes into the
// box, and the rule that says so; without a rule it does not pass, for the
// environment is an allow list. Deny wins over allow, with one exception: the
// built-in safety net of names that look like secrets gives way to a person, or to
// the preset of an agent, who allowed, or set, exactly that name.
func (e *Env) Decide(name string) (pass bool, rule Value[string], found bool) {
	var allow *Value[string]
	exact := false
	if v, ok := e.Set[name]; ok {
		rule, found = Value[string]{V: name, Set: true, From: v.From}, true
		exact = v.From.knows()
	}
	for i := range e.Allow {
		v := &e.Allow[i]
		if !matchName(v.V, name, false) {
			continue
		}
		if allow == nil {
			allow = v
		}
		if v.V == name && v.From.knows() {
			allow, exact = v, true
		}
	}
	for i := range e.Deny {
		v := &e.Deny[i]
		if (v.From.Layer != LayerBuiltin || !exact) && matchName(v.V, name, true) {
			return false, *v, true
		}
	}
	if found {
		return true, rule, true
	}
	if allow == nil {
		return false, Value[string]{}, false
	}
	return true, *allow, true
}

// knows says that a value is of somebody who knows what the variable is for.
func (s Source) knows() bool {
	return s.Layer != LayerBuiltin || strings.HasPrefix(s.File, "agent:")
}

// Secret reports whether the name of a variable looks like a secret's, so that
// its value must not be printed.
func (e *Env) Secret(name string) bool {
	for i := range e.Deny {
		if v := &e.Deny[i]; v.From.Layer == LayerBuiltin && matchName(v.V, name, true) {
			return true
		}
	}
	return false
}

// matchName matches a pattern in which * stands for any run of characters. With
// fold, upper and lower case ASCII letters are the same.
func matchName(pattern, name string, fold bool) bool {
	if fold {
		pattern, name = strings.ToUpper(pattern), strings.ToUpper(name)
	}
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == name
	}
	if !strings.HasPrefix(name, head) {
		return false
	}
	name = name[len(head):]
	for {
		part, next, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(name, part)
		}
		at := strings.Index(name, part)
		if at < 0 {
			return false
		}
		name, rest = name[at+len(part):], next
	}
}
