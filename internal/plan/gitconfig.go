package plan

import (
	"strings"
)

// gitSetting is one line of a git configuration, in git's own canonical form:
// section and key in lower case, the subsection as it was written.
type gitSetting struct {
	section, subsection, key, value string
}

// gitKeys are the settings that pass into a box: none names a program, a file, an
// address or a secret. "section.*" passes the section's keys of that form.
var gitKeys = [...]string{
	"user.name", "user.email", "user.useconfigonly", "author.name", "author.email", "committer.name", "committer.email",
	"core.autocrlf", "core.eol", "core.safecrlf", "core.quotepath", "core.abbrev", "core.filemode", "core.ignorecase", "core.precomposeunicode", "core.longpaths", "core.commentchar",
	"init.defaultbranch", "init.defaultobjectformat",
	"pull.rebase", "pull.ff", "pull.twohead", "push.*", "branch.*", "color.*", "column.*", "advice.*", "status.*", "rebase.*", "fetch.prune", "fetch.prunetags", "fetch.parallel",
	"merge.conflictstyle", "merge.ff", "merge.renames", "merge.log", "merge.autostash", "merge.stat",
	"diff.algorithm", "diff.colormoved", "diff.colormovedws", "diff.renames", "diff.renamelimit", "diff.mnemonicprefix", "diff.noprefix", "diff.context", "diff.interhunkcontext", "diff.indentheuristic", "diff.submodule", "diff.ignoresubmodules",
	"log.date", "log.abbrevcommit", "log.decorate", "log.follow", "format.pretty", "blame.date", "blame.coloring", "grep.linenumber", "grep.patterntype", "grep.extendedregexp",
	"rerere.enabled", "rerere.autoupdate", "commit.verbose", "commit.cleanup", "commit.status", "tag.sort", "versionsort.suffix", "submodule.recurse", "feature.manyfiles", "index.version",
}

// gitForced are settings that would run a program outside of the box's reach; when
// they are set they are turned off instead of dropped, so that commits work.
var gitForced = [...]string{"commit.gpgsign", "tag.gpgsign", "tag.forcesignannotated"}

// gitNever are keys of the sections passed as a whole that do not pass.
var gitNever = [...]string{"push.gpgsign"}

// SanitizeGitConfig returns the settings of a git configuration file that are of
// use inside a box and can neither run code nor carry a secret, and how many
// settings it left out. A file that is not understood passes nothing from the
// line on where that was.
func SanitizeGitConfig(content string) (string, int) {
	settings, ok := parseGitConfig(content)
	dropped := 0
	if !ok {
		dropped++
	}
	var b strings.Builder
	head := ""
	for _, s := range settings {
		name := s.section + "." + s.key
		switch {
		case s.subsection == "" && has(gitForced[:], name):
			s.value = "false"
		case !gitPasses(s, name), hasUserinfo(s.value), strings.ContainsAny(s.value, "\x00\r\n"):
			dropped++
			continue
		}
		h := "[" + s.section + "]"
		if s.subsection != "" {
			h = "[" + s.section + " " + quoteSubsection(s.subsection) + "]"
		}
		if h != head {
			b.WriteString(h + "\n")
			head = h
		}
		b.WriteString("\t" + s.key + " = " + quoteGit(s.value) + "\n")
	}
	return b.String(), dropped
}

// GitValue returns the last value of a setting without a subsection in a git
// configuration file, section and key in lower case. A file that is not
// understood to its end has no values.
func GitValue(content, section, key string) (string, bool) {
	settings, ok := parseGitConfig(content)
	if !ok {
		return "", false
	}
	for i := len(settings) - 1; i >= 0; i-- {
		if s := settings[i]; s.section == section && s.subsection == "" && s.key == key {
			return s.value, true
		}
	}
	return "", false
}

// gitPasses says whether a setting is of use and harmless.
func gitPasses(s gitSetting, name string) bool {
	if has(gitNever[:], name) || strings.ContainsAny(s.subsection, "\x00\r\n") {
		return false
	}
	sub := s.section == "branch" || s.section == "color"
	if s.subsection != "" && !sub || hasUserinfo(s.subsection) {
		return false
	}
	for _, k := range gitKeys {
		if k == name {
			return true
		}
		if p, all := strings.CutSuffix(k, "*"); all && strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// hasUserinfo says that a value may hold an address with a user name or password
// in it. Where the address ends is not looked for: too much is better than little.
func hasUserinfo(v string) bool {
	_, rest, ok := strings.Cut(v, "://")
	return ok && strings.Contains(rest, "@")
}

// quoteGit quotes a value the way git reads it back unchanged.
func quoteGit(v string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(v) + `"`
}

// quoteSubsection quotes the second part of a section header, where a backslash
// only takes away the meaning of the next character.
func quoteSubsection(v string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
}

// parseGitConfig reads git-config(1) syntax. It is strict where git is; ok is
// false when it met something it does not understand, after which it stops.
func parseGitConfig(content string) (settings []gitSetting, ok bool) {
	p := gitParser{s: strings.TrimPrefix(content, "\xef\xbb\xbf")}
	for {
		p.blank()
		if p.s == "" {
			return settings, true
		}
		if p.s[0] == '[' {
			if !p.header() {
				return settings, false
			}
			continue
		}
		s, good := p.setting()
		if !good {
			return settings, false
		}
		settings = append(settings, s)
	}
}

type gitParser struct {
	s                   string
	section, subsection string
}

// blank skips white space, empty lines and comments.
func (p *gitParser) blank() {
	for {
		p.s = strings.TrimLeft(p.s, " \t\r\n")
		if p.s == "" || p.s[0] != '#' && p.s[0] != ';' {
			return
		}
		_, p.s, _ = strings.Cut(p.s, "\n")
	}
}

func (p *gitParser) header() bool {
	i := 1
	for i < len(p.s) && (alnum(p.s[i]) || p.s[i] == '-' || p.s[i] == '.') {
		i++
	}
	if i == 1 || i == len(p.s) {
		return false
	}
	p.section, p.subsection = strings.ToLower(p.s[1:i]), ""
	if p.s[i] == ']' {
		p.s = p.s[i+1:]
		// The old form [section.Subsection]; git lowers it.
		p.section, p.subsection, _ = strings.Cut(p.section, ".")
		return p.section != ""
	}
	rest := strings.TrimLeft(p.s[i:], " \t")
	if len(rest) == len(p.s[i:]) || rest == "" || rest[0] != '"' || strings.Contains(p.section, ".") {
		return false
	}
	var b strings.Builder
	for i := 1; i < len(rest); i++ {
		switch ch := rest[i]; ch {
		case '\n', 0:
			return false
		case '\\':
			if i++; i == len(rest) || rest[i] == '\n' {
				return false
			}
			b.WriteByte(rest[i])
		case '"':
			if i+1 == len(rest) || rest[i+1] != ']' {
				return false
			}
			p.subsection, p.s = b.String(), rest[i+2:]
			return true
		default:
			b.WriteByte(ch)
		}
	}
	return false
}

func (p *gitParser) setting() (gitSetting, bool) {
	i := 0
	for i < len(p.s) && (alnum(p.s[i]) || p.s[i] == '-') {
		i++
	}
	if i == 0 || p.section == "" || !letter(p.s[0]) {
		return gitSetting{}, false
	}
	s := gitSetting{section: p.section, subsection: p.subsection, key: strings.ToLower(p.s[:i])}
	p.s = strings.TrimLeft(p.s[i:], " \t")
	if p.s == "" || p.s[0] == '\n' || strings.HasPrefix(p.s, "\r\n") || p.s[0] == '#' || p.s[0] == ';' {
		s.value = "true" // a key alone means true
		_, p.s, _ = strings.Cut(p.s, "\n")
		return s, true
	}
	if p.s[0] != '=' {
		return gitSetting{}, false
	}
	p.s = p.s[1:]
	var good bool
	s.value, good = p.value()
	return s, good
}

// value reads up to the end of the line, with quotes, escapes, continued lines
// and comments.
func (p *gitParser) value() (string, bool) {
	var b []byte
	keep := 0 // length up to which trailing white space stays
	quoted := false
	i := 0
	for ; i < len(p.s); i++ {
		ch := p.s[i]
		switch {
		case ch == '\n':
			p.s = p.s[i+1:]
			return string(b[:keep]), !quoted
		case ch == '\r' && i+1 < len(p.s) && p.s[i+1] == '\n':
			// The end of a line in DOS form.
		case ch == 0:
			return "", false
		case !quoted && (ch == ' ' || ch == '\t'):
			if len(b) > 0 {
				b = append(b, ch)
			}
		case !quoted && (ch == '#' || ch == ';'):
			_, p.s, _ = strings.Cut(p.s[i:], "\n")
			return string(b[:keep]), true
		case ch == '\\':
			if i++; i == len(p.s) {
				return "", false
			}
			switch p.s[i] {
			case '\n':
				continue
			case '\r':
				if i+1 < len(p.s) && p.s[i+1] == '\n' {
					i++
					continue
				}
				return "", false
			case 't':
				b = append(b, '\t')
			case 'n':
				b = append(b, '\n')
			case 'b':
				b = append(b, '\b')
			case '\\', '"':
				b = append(b, p.s[i])
			default:
				return "", false
			}
			keep = len(b)
		case ch == '"':
			quoted = !quoted
			keep = len(b)
		default:
			b = append(b, ch)
			keep = len(b)
		}
	}
	p.s = ""
	return string(b[:keep]), !quoted
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func alnum(c byte) bool  { return letter(c) || c >= '0' && c <= '9' }
