package permission

import (
	"path"
	"strconv"
	"strings"

	"github.com/bailey-run/bailey/internal/name"
	"github.com/bailey-run/bailey/internal/policy"
)

// pathPattern is one gitignore pattern with its anchor. Names compare without
// regard to case, as everywhere in bailey: the file system may do so too.
type pathPattern struct {
	parts  []string // components; "**" stands for any number of them
	cwd    bool     // below the directory of the call, not below /
	prefix string   // the literal directory an absolute pattern starts with
}

// parsePathPattern reads the specifier of Read and Edit: //abs, ~/home,
// /below the file that holds the rule, ./below the directory of the call. Without
// an anchor, a pattern with a slash is below the directory of the call, and one
// without holds at any depth: anywhere for deny and ask, below the directory of
// the call for allow.
func parsePathPattern(spec string, list Verdict, base, home string) ([]pathPattern, error) {
	if strings.HasPrefix(spec, "!") {
		return nil, &syntaxError{problem: strconv.Quote(spec) + " takes a rule back", hint: "a rule cannot be taken back; remove it where it is written"}
	}
	texts, ok := policy.Alternatives(spec)
	if !ok {
		return nil, &syntaxError{problem: strconv.Quote(spec) + " is not a valid pattern", hint: `close every [ and {, or write \[ and \{ for the characters themselves`}
	}
	out := make([]pathPattern, len(texts))
	for i, text := range texts {
		var err error
		if out[i], err = anchored(text, list, base, home); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func anchored(text string, list Verdict, base, home string) (pathPattern, error) {
	var p pathPattern
	below := ""
	rest := text
	switch {
	case strings.HasPrefix(text, "//"):
		rest = text[2:]
	case text == "~" || strings.HasPrefix(text, "~/"):
		if home == "" {
			return p, &syntaxError{problem: strconv.Quote(text) + " needs a home directory, and none is known", hint: "write //… for the whole path"}
		}
		below, rest = home, text[1:]
	case strings.HasPrefix(text, "~"):
		return p, &syntaxError{problem: strconv.Quote(text) + ": other users' homes are not looked up", hint: "write //… for the whole path"}
	case strings.HasPrefix(text, "/"):
		if base == "" {
			return p, &syntaxError{problem: strconv.Quote(text) + " is below the file that holds the rule, and this one is in no file", hint: "write //" + text[1:] + " for the whole path"}
		}
		below = base
	case text == "." || strings.HasPrefix(text, "./"):
		p.cwd, rest = true, text[1:]
	case !strings.Contains(strings.TrimRight(text, "/"), "/"):
		p.parts = []string{"**"}
		p.cwd = list == Allow
	case strings.HasPrefix(text, "**/"):
		p.cwd = list == Allow
	default:
		p.cwd = true
	}
	for c := range strings.SplitSeq(below, "/") {
		if c != "" {
			p.parts = append(p.parts, escape(c))
		}
	}
	for c := range strings.SplitSeq(rest, "/") {
		switch {
		case c == "" || c == ".":
			continue
		case c == "..":
			return p, &syntaxError{problem: strconv.Quote(text) + " climbs with ..", hint: "write the path it means"}
		}
		if err := name.CheckGlob(c); err != nil {
			return p, &syntaxError{problem: strconv.Quote(text) + " " + err.Error()}
		}
		if c == "**" && len(p.parts) > 0 && p.parts[len(p.parts)-1] == "**" {
			continue
		}
		p.parts = append(p.parts, c)
	}
	if !p.cwd {
		for _, c := range p.parts {
			if strings.ContainsAny(c, `*?[\`) {
				break
			}
			p.prefix += "/" + c
		}
	}
	return p, nil
}

// escape writes a name as a pattern for it alone.
func escape(component string) string {
	if !strings.ContainsAny(component, `*?[]\`) {
		return component
	}
	var b strings.Builder
	for i := range len(component) {
		if strings.IndexByte(`*?[]\`, component[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(component[i])
	}
	return b.String()
}

// match reports whether the pattern covers an absolute clean path: the path
// itself, or a directory above it.
func (p *pathPattern) match(file, cwd string) bool {
	if p.cwd {
		if !within(file, cwd) {
			return false
		}
		file = strings.TrimPrefix(file[len(cwd):], "/")
	} else {
		file = file[1:]
	}
	return matchParts(p.parts, file)
}

// matchParts matches components. Patterns have few "**", and a path at most some
// thousand components, so trying is bounded well enough: each "**" only has to be
// tried at the last one's place.
func matchParts(parts []string, file string) bool {
	var starParts []string
	starFile, star := "", false
	for {
		if len(parts) == 0 {
			return true // the rest of the path is below what matched
		}
		if parts[0] == "**" {
			if len(parts) == 1 {
				return true
			}
			parts = parts[1:]
			starParts, starFile, star = parts, file, true
			continue
		}
		if file != "" {
			first, rest, _ := strings.Cut(file, "/")
			if name.Glob(parts[0], first) {
				parts, file = parts[1:], rest
				continue
			}
		}
		if !star || starFile == "" {
			return false
		}
		_, starFile, _ = strings.Cut(starFile, "/")
		parts, file = starParts, starFile
	}
}

func within(name, dir string) bool {
	return name == dir || dir == "/" || len(name) > len(dir) && name[len(dir)] == '/' && name[:len(dir)] == dir
}

// absolute makes a path of a call absolute and clean. It reports false for one
// that starts in another user's home, or in a home that is not known.
func (c *Context) absolute(file string) (string, bool) {
	switch {
	case file == "~" || strings.HasPrefix(file, "~/"):
		if c.Home == "" {
			return "", false
		}
		return path.Clean(c.Home + file[1:]), true
	case strings.HasPrefix(file, "/"):
		return path.Clean(file), true
	}
	return path.Clean(c.Cwd + "/" + file), true
}

// could reports whether the pattern might cover a path of which only parts are
// known. dir is the known directory it starts in, "" when not even that is known;
// last is a pattern for its last component, with every unknown part as *.
func (p *pathPattern) could(dir, last, cwd string, slashes bool) bool {
	prefix := p.prefix
	if p.cwd {
		prefix = cwd
	}
	if dir != "" && prefix != "" && !within(dir, prefix) && !within(prefix, dir) {
		return false
	}
	if slashes || len(p.parts) == 0 {
		return true
	}
	// Only the last component is unknown: a pattern for one name at any depth
	// covers the path through that name, or through a known directory.
	if len(p.parts) == 2 && p.parts[0] == "**" && !strings.ContainsAny(p.parts[1], `*?[\`) {
		return name.Glob(last, p.parts[1]) || p.match(path.Join("/", dir), cwd)
	}
	return true
}
