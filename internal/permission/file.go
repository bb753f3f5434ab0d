package permission

import (
	"path"
	"slices"
	"strings"

	"github.com/bailey-run/bailey/internal/policy"
)

// checkFile judges a file that a tool reads or changes: as it is written, and
// where its symbolic links lead.
func (s *Set) checkFile(file string, write bool, ctx *Context) Part {
	kind := kindRead
	if write {
		kind = kindWrite
	}
	if why := refusedPath(file); why != "" {
		return Part{Kind: kind, Text: short(strings.ToValidUTF8(file, "�")), Verdict: Deny, Reason: why}
	}
	full, ok := ctx.absolute(file)
	if !ok {
		return Part{Kind: kind, Text: file, Verdict: Ask, Reason: "the home directory is not known", Change: "write the whole path"}
	}
	return s.judgePaths(kind, file, ctx.led([]string{full}, []string{ctx.Cwd}, file), ctx.Cwd)
}

// led adds to the paths of a file where they lead. Behind a link, .. is not what stands
// in front of it: such a file is looked at as it is written, too.
func (c *Context) led(paths, dirs []string, file string) []string {
	if c.Real == nil {
		return paths
	}
	look := paths
	if strings.Contains(file, "..") {
		if strings.HasPrefix(file, "/") || strings.HasPrefix(file, "~") {
			look = append(slices.Clone(look), strings.Replace(file, "~", c.Home, 1))
		} else {
			for _, dir := range dirs {
				look = append(slices.Clone(look), dir+"/"+file)
			}
		}
	}
	for _, p := range look {
		if real := c.Real(p); real != "" && !slices.Contains(paths, real) {
			paths = append(paths, real)
		}
	}
	return paths
}

// checkGlob judges the files below a directory that a search picks by a pattern. One
// without wildcards is a name, at any depth.
func (s *Set) checkGlob(dir, glob string, ctx *Context) Part {
	glob = strings.TrimPrefix(glob, "**/")
	if !strings.ContainsAny(glob, `*?[{!\`) {
		return s.checkFile(path.Join(dir, glob), false, ctx)
	}
	a := &analysis{ctx: ctx}
	pattern := fields(known(glob)).alts[0]
	if i := strings.IndexByte(pattern, '{'); i >= 0 {
		pattern = pattern[:i] + string(rune(markRun)) + pattern[strings.LastIndexByte(pattern, '}')+1:]
	}
	return s.partlyKnown(a, kindRead, glob, path.Join(dir, pattern))
}

func refusedPath(file string) string {
	switch {
	case file == "":
		return "there is no path"
	case strings.IndexByte(file, 0) >= 0:
		return "the path holds a NUL byte"
	case len(file) > maxText:
		return "the path is longer than any path can be"
	}
	return ""
}

// judgePaths asks the rules about one file under all its paths: deny and ask hold
// for any of them, allow needs all.
func (s *Set) judgePaths(kind, text string, paths []string, cwd string) Part {
	tool := toolRead
	if kind == kindWrite {
		tool = toolEdit
	}
	var covered *rule
	for _, r := range s.rules {
		// What may not be read may not be changed either: an edit shows what it
		// changes.
		if r.tool != tool && !(kind == kindWrite && r.list == Deny && r.tool == toolRead) {
			continue
		}
		hit := 0
		for _, p := range paths {
			if r.all || r.covers(p, cwd) {
				hit++
			}
		}
		switch {
		case r.list != Allow && hit > 0:
			return r.by(kind, text)
		case r.list == Allow && hit == len(paths) && covered == nil:
			covered = r
		}
	}
	if covered != nil {
		return covered.by(kind, text)
	}
	return s.unmatchedFile(kind, text, paths, cwd)
}

func (r *rule) covers(file, cwd string) bool {
	for i := range r.paths {
		if r.paths[i].match(file, cwd) {
			return true
		}
	}
	return false
}

// unmatchedFile is the answer for a file that no rule is about: reading is what
// the walls let through, writing under untrusted is asked about. Paths are all that
// are known, none for a file that is not.
func (s *Set) unmatchedFile(kind, text string, paths []string, cwd string) Part {
	p := Part{Kind: kind, Text: text, Verdict: Allow, Reason: "no rule is about it, and the walls say what can be reached"}
	if s.bare || kind == kindWrite && s.approval == policy.Untrusted {
		p.Verdict = Ask
		p.Reason = "no rule is about it, and approval is " + string(s.approval)
		tool := toolRead
		if kind == kindWrite {
			tool = toolEdit
		}
		p.Change = "write out what it is, without variables"
		if len(paths) > 0 {
			p.Change = addingFiles(tool, paths, cwd)
		}
	}
	return p
}

// checkAccess judges a file that a shell text opens. The same text may stand for
// several files.
func (s *Set) checkAccess(a *analysis, x *access) []Part {
	kind := kindRead
	if x.write {
		kind = kindWrite
	}
	var out []Part
	for _, alt := range x.path.alts {
		for file := range strings.SplitSeq(alt, string(rune(markBreak))) {
			if file == "" {
				continue
			}
			if strings.ContainsAny(file, allMarks) {
				out = append(out, s.partlyKnown(a, kind, x.src, file))
				continue
			}
			full, ok := a.ctx.absolute(file)
			if !ok {
				continue
			}
			paths, dirs := []string{full}, []string{a.ctx.Cwd}
			if !strings.HasPrefix(file, "/") && !strings.HasPrefix(file, "~") {
				for _, dir := range a.directories() {
					dirs = append(dirs, dir)
					paths = append(paths, path.Join(dir, file))
				}
				if a.lost() {
					out = append(out, s.partlyKnown(a, kind, x.src, string(rune(markUnknown))+"/"+file))
				}
			}
			paths = a.ctx.led(paths, dirs, file)
			p := s.judgePaths(kind, file, paths, a.ctx.Cwd)
			if p.Kind == kindRead && p.Rule == "" {
				continue // nothing to say: the command itself is judged
			}
			if p.Rule == "" && !redirection(x.src) {
				continue // an operand of a command that is judged itself
			}
			out = append(out, p)
		}
	}
	return out
}

// redirection reports whether the source of an access is a redirection.
func redirection(src string) bool {
	return strings.IndexAny(strings.TrimLeft(src, "0123456789{}abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_&"), "<>") == 0
}

// directories are where the text changes to.
func (a *analysis) directories() []string {
	var out []string
	for _, w := range a.cds {
		for _, alt := range w.alts {
			if strings.ContainsAny(alt, allMarks) {
				continue
			}
			if dir, ok := a.ctx.absolute(alt); ok {
				for _, before := range out {
					if len(out) > 8 {
						break
					}
					if !strings.HasPrefix(alt, "/") && !strings.HasPrefix(alt, "~") {
						out = append(out, path.Join(before, alt))
					}
				}
				out = append(out, dir)
			}
		}
	}
	return out
}

// lost reports whether the text changes to a directory that is not known.
func (a *analysis) lost() bool {
	for _, w := range a.cds {
		for _, alt := range w.alts {
			if strings.ContainsAny(alt, allMarks) {
				return true
			}
		}
	}
	return false
}

// partlyKnown judges a file of whose path not everything is known.
func (s *Set) partlyKnown(a *analysis, kind, src, file string) Part {
	dir, last := path.Split(file)
	if i := strings.IndexAny(dir, allMarks); i >= 0 {
		dir = dir[:i]
		if j := strings.LastIndexByte(dir, '/'); j >= 0 {
			dir = dir[:j+1]
		} else {
			dir = ""
		}
	}
	known := ""
	if strings.IndexAny(file, allMarks) > 0 || dir != "" {
		if strings.HasPrefix(file, "/") || strings.HasPrefix(file, "~") || len(a.cds) == 0 {
			if full, ok := a.ctx.absolute(dir); ok && !strings.Contains(file, "..") {
				known = full
			}
		}
	}
	slashes := strings.ContainsAny(file, "\x00\x04") || strings.ContainsAny(file[:len(file)-len(last)], allMarks)
	pattern := strings.Map(func(r rune) rune {
		switch r {
		case markUnknown, markRun, markSplit:
			return '*'
		case markOne:
			return '?'
		}
		return r
	}, last)
	if strings.ContainsAny(last, `[\`) {
		slashes = true
	}
	if !slashes && known == "" && len(a.cds) == 0 && !strings.HasPrefix(file, "/") && !strings.HasPrefix(file, "~") && !strings.Contains(file, "..") {
		known, _ = a.ctx.absolute(dir)
	}
	tool := toolRead
	if kind == kindWrite {
		tool = toolEdit
	}
	for _, r := range s.rules {
		if r.list == Allow || r.tool != tool && !(kind == kindWrite && r.list == Deny && r.tool == toolRead) {
			continue
		}
		if r.all {
			return r.by(kind, src)
		}
		for i := range r.paths {
			if r.paths[i].could(known, pattern, a.ctx.Cwd, slashes) {
				return r.doubt(kind, src)
			}
		}
	}
	for _, r := range s.rules {
		if r.list == Allow && r.tool == tool && r.all {
			return r.by(kind, src)
		}
	}
	return s.unmatchedFile(kind, src, nil, "")
}
