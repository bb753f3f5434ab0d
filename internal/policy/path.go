package policy

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// places are the directories that paths are resolved against and checked with.
type places struct {
	home    string   // "" when there is none
	base    string   // where a relative path starts
	project string   // a relative path may not leave it; "" when it may go anywhere
	private []string // bailey's own directories
}

// resolve makes the path of an entry absolute and clean.
func (p *places) resolve(e *entry) (problem, hint string) {
	text, relative, problem, hint := p.anchor(e.text, plain)
	if problem == "" && relative {
		problem, hint = p.confine(e.text, text)
	}
	e.text = text
	return problem, hint
}

// pattern makes a path or pattern of files.deny or files.protect absolute, and
// writes out its {a,b} alternatives. Patterns that hold at any depth (without a
// slash, or starting with **/) stay as they are.
func (p *places) pattern(text string) (list []string, problem, hint string) {
	if !validGlob(text) {
		return nil, strconv.Quote(text) + " is not a valid pattern", `close every [ and {, or write \[ and \{ for the characters themselves`
	}
	list = alternatives(text)
	if len(list) > maxAlternatives {
		return nil, fmt.Sprintf("%q stands for more than %d patterns", text, maxAlternatives), "write fewer {a,b} alternatives"
	}
	for i, one := range list {
		if list[i], problem, hint = p.onePattern(one); problem != "" {
			return nil, problem, hint
		}
	}
	return list, "", ""
}

func (p *places) onePattern(text string) (anchored, problem, hint string) {
	trimmed := strings.TrimRight(text, "/")
	switch {
	case strings.HasPrefix(trimmed, "!"):
		problem, hint = checkGlob(trimmed)
		return "", problem, hint
	case strings.Trim(trimmed, "/*") == "", path.Clean(trimmed) == "/":
		return "", strconv.Quote(text) + " stands for everything", "name what is meant"
	case strings.HasPrefix(trimmed, "**/") && !climbs(trimmed):
		return path.Clean(trimmed), "", ""
	case !strings.Contains(text, "/") || !strings.Contains(trimmed, "/"):
		if trimmed[0] != '~' && trimmed != "." && trimmed != ".." {
			return trimmed, "", ""
		}
	case climbs(trimmed) && strings.ContainsAny(trimmed, `*?[`):
		// What ** and * stand for is not known, so neither is what ".."
		// after them would take away.
		return "", strconv.Quote(text) + " climbs with ..", "write the path it means"
	}
	anchored, relative, problem, hint := p.anchor(trimmed, escape)
	if problem == "" && relative {
		problem, hint = p.confine(text, anchored)
	}
	return anchored, problem, hint
}

func plain(text string) string { return text }

// anchor makes a path absolute. write turns the directory it is put below into
// the language of the path: itself, or a pattern for it.
func (p *places) anchor(text string, write func(string) string) (anchored string, relative bool, problem, hint string) {
	switch {
	case text == "~" || strings.HasPrefix(text, "~/"):
		if p.home == "" {
			return "", false, strconv.Quote(text) + " needs a home directory, and none is known", "write the whole path"
		}
		text = write(p.home) + text[1:]
	case text[0] == '~':
		return "", false, strconv.Quote(text) + ": other users' homes are not looked up", `write the whole path, or "./` + text + `" for a file of that name`
	case text[0] != '/':
		if p.base == "" {
			return "", false, strconv.Quote(text) + " is a relative path", "write ~/… or the whole path"
		}
		text, relative = write(p.base)+"/"+text, true
	}
	return path.Clean(text), relative, "", ""
}

// confine refuses relative paths that cannot mean what their writer thinks.
func (p *places) confine(text, anchored string) (problem, hint string) {
	if p.project != "" && !within(anchored, p.project) && !within(anchored, escape(p.project)) {
		return strconv.Quote(text) + " leaves the project", "write ~/… or the whole path"
	}
	for _, own := range p.private {
		if within(anchored, own) || within(anchored, escape(own)) {
			return strconv.Quote(text) + " would be looked for in bailey's own directory " + own, "write ~/…, the whole path, or **/… for any depth"
		}
	}
	return "", ""
}

// RefusedRoot says why path must not be a writable root, or "" when it may be
// one: the home directory, the root, the parents of both, the system's
// directories, and bailey's own directories with their parents and children. The
// caller resolves symbolic links and asks again, because policy opens no file.
func RefusedRoot(root, home string, private []string) string {
	root = path.Clean(root)
	switch {
	case root == "/":
		return "the root of the file system"
	case home != "" && root == path.Clean(home):
		return "the home directory"
	case home != "" && within(home, root):
		return "a parent of the home directory"
	}
	for _, own := range private {
		switch {
		case within(root, own):
			return "inside bailey's own directory " + own
		case within(own, root):
			return "a parent of bailey's own directory " + own
		}
	}
	switch root {
	case "/bin", "/boot", "/etc", "/home", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/root", "/run", "/sbin", "/srv", "/tmp", "/usr", "/var":
		return "a directory of the system"
	}
	for _, kernel := range [...]string{"/proc", "/sys", "/dev"} {
		if within(root, kernel) {
			return "the kernel's own tree " + kernel
		}
	}
	return ""
}

// within reports whether name is dir or below it. Both are clean.
func within(name, dir string) bool {
	return name == dir || dir == "/" || len(name) > len(dir) && name[len(dir)] == '/' && name[:len(dir)] == dir
}

// root refuses paths that must not be writable roots. A cache is one too, seen
// from inside.
func (p *places) root(e *entry) (problem, hint string) {
	if why := RefusedRoot(e.text, p.home, p.private); why != "" {
		return quoteOdd(e.text) + " cannot be writable: it is " + why, "name the directory that is needed inside it"
	}
	return "", ""
}
