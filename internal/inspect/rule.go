package inspect

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/bailey-run/bailey/internal/gate"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/urlpath"
)

// The presets, for rules that were not written out: words that stand among the
// methods.
const (
	ReadOnly = "read-only" // GET, HEAD and OPTIONS
	Full     = "full"      // every method
)

// verdict is what the rules say to one request.
type verdict struct {
	allow bool
	rule  *plan.NetRule // what decided; nil: no rule matched
	why   string
}

// decide asks the rules about a method and a raw path: denials first, then
// grants. A path that can be read in two ways is denied when any rule looks at
// paths, and cannot change the answer when none does.
func decide(t *gate.Target, method, raw string) verdict {
	// Servers may not tell capitals apart: what is refused is so however it is written.
	upper := strings.ToUpper(method)
	if upper == "CONNECT" || upper == "TRACE" {
		return verdict{why: "the method " + upper + " is never let through"}
	}
	path, err := urlpath.Canonical(raw)
	if raw == "*" && method == "OPTIONS" {
		path, err = "*", nil
	}
	looks := func(r plan.NetRule) bool { return len(r.Paths) > 0 }
	if err != nil && (slices.ContainsFunc(t.Allow, looks) || slices.ContainsFunc(t.Deny, looks)) {
		return verdict{why: "the path can be read in more than one way: " + err.Error()}
	}
	for i := range t.Deny {
		if err := usable(&t.Deny[i]); err != nil {
			return verdict{rule: &t.Deny[i], why: "the deny rule cannot be used: " + err.Error()}
		}
		if r := &t.Deny[i]; matchMethod(r.Methods, upper) && matchAny(r.Paths, path, urlpath.MatchDeny) {
			return verdict{rule: r, why: "a deny rule matches"}
		}
	}
	for i := range t.Allow {
		if r := &t.Allow[i]; matchMethod(r.Methods, method) && matchAny(r.Paths, path, urlpath.Match) {
			return verdict{allow: true, rule: r}
		}
	}
	if t.Granted {
		return verdict{allow: true}
	}
	return verdict{why: "no allow rule for this host matches the method and the path"}
}

// override is the name of a header with which some servers replace the method or
// the path that rules were asked about, when a rule of the host looks at those, or "".
func override(t *gate.Target, h http.Header) string {
	looks := func(r plan.NetRule) bool { return len(r.Methods) > 0 || len(r.Paths) > 0 }
	if !slices.ContainsFunc(t.Allow, looks) && !slices.ContainsFunc(t.Deny, looks) {
		return ""
	}
	for name := range h {
		// Servers that make variables of headers do not tell _ from -.
		switch http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-")) {
		case "X-Http-Method-Override", "X-Http-Method", "X-Method-Override", "X-Original-Url", "X-Original-Uri", "X-Rewrite-Url", "X-Override-Url":
			return name
		}
	}
	return ""
}

func matchMethod(methods []string, method string) bool {
	if len(methods) == 0 {
		return true
	}
	for _, m := range methods {
		switch m {
		case Full, method:
			return true
		case ReadOnly:
			if method == "GET" || method == "HEAD" || method == "OPTIONS" {
				return true
			}
		}
	}
	return false
}

func matchAny(paths []string, path string, match func(pattern, path string) bool) bool {
	return len(paths) == 0 || slices.ContainsFunc(paths, func(p string) bool { return match(p, path) })
}

// usable says why the patterns of a rule cannot be matched with. A deny rule
// that never matches would be an open door, so it closes its host.
func usable(r *plan.NetRule) error {
	for _, p := range r.Paths {
		if err := urlpath.CheckPattern(p); err != nil {
			return fmt.Errorf("%q is no path pattern: %w", p, err)
		}
	}
	return nil
}

// suggest is the rule that would allow a request, in the one-line form of a
// policy file.
func suggest(t *gate.Target, method, raw string) string {
	s := t.Host
	if strings.Contains(s, ":") {
		s = "[" + s + "]"
	}
	if t.Port != 443 && t.Port != 80 {
		s += ":" + strconv.Itoa(int(t.Port))
	}
	s += " methods=" + method
	path, err := urlpath.Canonical(raw)
	if err == nil && len(path) <= maxShown && urlpath.CheckPattern(path) == nil && !strings.ContainsAny(path, " *,") {
		s += " paths=" + path
	}
	return s
}
