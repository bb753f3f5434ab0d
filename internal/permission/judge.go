package permission

import (
	"net/netip"
	"strings"

	"github.com/bailey-run/bailey/internal/policy"
)

// Check answers for one call of a tool.
func (s *Set) Check(c Call, ctx Context) Decision {
	if ctx.Cwd == "" {
		ctx.Cwd = "/"
	}
	switch canonical(c.Tool) {
	case toolBash:
		return s.checkShell(c.Input, &ctx)
	case toolRead:
		parts := []Part{s.checkFile(c.Input.Path, false, &ctx)}
		if c.Input.Glob != "" {
			parts = append(parts, s.checkGlob(c.Input.Path, c.Input.Glob, &ctx))
		}
		return s.conclude(parts)
	case toolEdit:
		return s.conclude([]Part{s.checkFile(c.Input.Path, true, &ctx)})
	case toolFetch:
		return s.conclude([]Part{s.checkFetch(c.Input.URL)})
	case toolMCP:
		return s.conclude([]Part{s.checkName(c.Tool, c.Tool, Ask, "an MCP server runs outside the box, and no rule is about this tool")})
	case toolAgent, toolSkill:
		return s.conclude([]Part{s.checkName(canonical(c.Tool), c.Input.Name, Allow, "what it does is judged when it does it")})
	case "WebSearch":
		verdict := Allow
		if s.approval == policy.Untrusted {
			verdict = Ask
		}
		return s.conclude([]Part{s.checkName(c.Tool, c.Input.Query, verdict, "no rule is about it, and approval is "+string(s.approval))})
	case "":
		return Refuse("there is no tool " + quoted(c.Tool) + " that a rule could be about")
	}
	return s.conclude([]Part{s.checkName(c.Tool, c.Tool, Allow, "this tool does nothing outside the agent")})
}

func quoted(s string) string { return `"` + short(s) + `"` }

// Refuse is the decision for a call that cannot be judged.
func Refuse(reason string) Decision {
	return Decision{Verdict: Deny, Parts: []Part{}, Reason: reason}
}

// checkShell judges a shell text.
func (s *Set) checkShell(in Input, ctx *Context) Decision {
	if why := refused(in.Command); why != "" {
		d := Refuse(why)
		d.Parts = []Part{{Kind: kindText, Text: short(strings.ToValidUTF8(in.Command, "�")), Verdict: Deny, Reason: why}}
		return d
	}
	a := &analysis{ctx: ctx, parsers: s.parsers}
	a.shellText(in.Command, in.Shell)
	a.ownFiles()
	parts := make([]Part, 0, len(a.commands)+len(a.notes)+len(a.accesses))
	for _, c := range a.commands {
		parts = append(parts, s.checkCommand(c))
	}
	seen := map[string]bool{}
	for i := range a.accesses {
		for _, p := range s.checkAccess(a, &a.accesses[i]) {
			key := p.Kind + p.Text + string(p.Verdict) + p.Rule
			if !seen[key] {
				seen[key] = true
				parts = append(parts, p)
			}
		}
	}
	for _, n := range a.notes {
		parts = append(parts, s.checkNote(n))
	}
	return s.conclude(parts)
}

// by makes the part that a rule decides.
func (r *rule) by(kind, text string) Part {
	p := Part{Kind: kind, Text: text, Verdict: r.list, List: r.list, Rule: r.text, From: r.from}
	p.Reason = r.origin()
	if r.reason != "" {
		p.Reason = r.reason + " (" + p.Reason + ")"
	}
	switch {
	case r.list == Allow:
	case r.from.Layer == policy.LayerBuiltin:
		p.Change = "a built-in rule always asks"
	default:
		p.Change = "change the rule at " + place(r.from)
	}
	return p
}

// doubt is the part for what a rule may be about.
func (r *rule) doubt(kind, text string) Part {
	p := r.by(kind, text)
	p.Verdict = Ask
	p.Reason = "it depends on what is not known before it runs: " + r.origin()
	p.Change = "write out what it is, without variables"
	return p
}

func (s *Set) checkNote(n note) Part {
	p := Part{Kind: n.kind, Text: n.text, Verdict: Ask, Reason: n.reason, Change: "write it more plainly"}
	for _, r := range s.shellRules() {
		if r.list != Allow && r.all && n.kind == kindText {
			return r.by(n.kind, n.text)
		}
	}
	return p
}

// checkCommand judges one simple command, with everything that it runs.
func (s *Set) checkCommand(c *command) Part {
	var doubt *rule
	for _, r := range s.shellRules() {
		if r.list == Allow {
			break
		}
		m := yes
		if !r.all {
			m = deepest(r.shell, c, 0)
		}
		switch {
		case m == yes && r.list == Deny:
			return r.by(kindCommand, c.src)
		case m == yes && doubt == nil:
			return r.by(kindCommand, c.src)
		case m == yes:
			return doubt.doubt(kindCommand, c.src)
		case m == maybe && doubt == nil && r.from.Layer != policy.LayerBuiltin:
			// A built-in rule asks when it is sure: kill $pid is no kill -9 -1.
			doubt = r
		}
	}
	if doubt != nil {
		return doubt.doubt(kindCommand, c.src)
	}
	if problem := c.doubtful(0); problem != "" {
		return Part{Kind: kindCommand, Text: c.src, Verdict: Ask, Reason: problem, Change: "write it more plainly"}
	}
	var last *rule
	if s.covered(c, &last) {
		if last != nil {
			return last.by(kindCommand, c.src)
		}
		return Part{Kind: kindCommand, Text: c.src, Verdict: Allow, Reason: "it is on the built-in list of commands that only read"}
	}
	p := Part{Kind: kindCommand, Text: c.src, Verdict: Allow, Reason: "no rule is about it, and approval is " + string(s.approval) + ": the walls hold it"}
	if s.approval == policy.Untrusted {
		p.Verdict = Ask
		p.Reason = "no rule is about it, and approval is untrusted"
		p.Change = s.suggestion(c)
	}
	return p
}

// maxDeep bounds how deep commands inside commands are judged: deeper than any is
// made.
const maxDeep = 2 * maxWrapped

// deepest is the surest match of a pattern with a command and everything that it
// runs or may become.
func deepest(p *shellPattern, c *command, depth int) match {
	best := p.hits(c)
	if depth > maxDeep {
		return best
	}
	for _, list := range [...][]*command{c.spelled, c.inner} {
		for _, one := range list {
			if best == yes {
				return yes
			}
			best = max(best, deepest(p, one, depth+1))
		}
	}
	return best
}

// doubtful is the first problem of a command and what it runs.
func (c *command) doubtful(depth int) string {
	if c.problem != "" || depth > maxDeep {
		return c.problem
	}
	for _, list := range [...][]*command{c.inner, c.spelled} {
		for _, in := range list {
			if problem := in.doubtful(depth + 1); problem != "" {
				return problem
			}
		}
	}
	return ""
}

// covered reports whether allow rules, or the built-in list, cover a command and
// what it runs. The rule is nil for the built-in list.
func (s *Set) covered(c *command, by **rule) bool {
	for _, r := range s.shellRules() {
		if r.list == Allow && (r.all || r.shell.allows(c)) {
			*by = r
			return true
		}
	}
	if c.setting == "" && !s.bare && len(c.inner) == 0 && (c.readOnly() || harmlessBuiltin(c)) {
		return true
	}
	if c.apart {
		return true // what it runs has parts of its own
	}
	if !c.look || len(c.inner) == 0 || c.setting != "" {
		return false
	}
	for _, in := range c.inner {
		if !s.covered(in, by) {
			return false
		}
	}
	return true
}

// allows reports whether a pattern of an allow rule covers a command.
func (p *shellPattern) allows(c *command) bool {
	text := c.text()
	if !p.covers(text) {
		if !systemPath(c.words[0].alts[0]) || !p.covers(bareName(text)) {
			return false
		}
	}
	if p.everything() {
		return true
	}
	if c.setting != "" {
		return false
	}
	if c.reach > 0 && p.literal() <= c.reach {
		return false // the star would cover which command is run
	}
	c.find()
	prog, args := c.prog, c.args
	if prog == nil {
		return true
	}
	if p.literal() == len(c.words) && !(p.open && len(c.words) == 1) {
		return true // every word is named
	}
	if prog != c.whole {
		whole, before := c.whole, c.before()
		if bad := whole.badOption(before); bad != "" && !p.names(bad) || whole.look != nil && whole.look(before) != "" && !p.names("-c") {
			return false
		}
	}
	rest := args
	for {
		bad := prog.badOption(rest)
		if bad == "" {
			break
		}
		if !p.names(bad) {
			return false
		}
		// The rule names this one; there may be others.
		next := without(rest, prog, bad)
		if len(next) == len(rest) {
			return false
		}
		rest = next
	}
	if prog.look != nil && !prog.safe && prog.look(args) != "" {
		return false
	}
	if prog.safe && prog.look != nil && runsText(prog) && prog.look(args) != "" {
		return false
	}
	return true
}

// runsText reports whether a program's look is about what it runs, and not only
// about what it changes.
func runsText(p *program) bool {
	return strings.HasPrefix(p.names, "sed") || strings.HasPrefix(p.names, "awk") || p.names == "git"
}

// names reports whether a pattern names an option.
func (p *shellPattern) names(option string) bool {
	for _, w := range p.words[1:] {
		name, _, _ := strings.Cut(w, "=")
		if name == option || len(option) == 2 && len(w) > 2 && w[0] == '-' && w[1] != '-' && strings.IndexByte(w, option[1]) > 0 {
			return true
		}
	}
	return false
}

// without drops the words that hold an option.
func without(args []word, p *program, bad string) []word {
	var out []word
	for _, w := range args {
		if w.src == bad || w.exact && strings.HasPrefix(w.alts[0], "-") && p.isBad(w.alts[0]) == bad {
			continue
		}
		out = append(out, w)
	}
	return out
}

// harmlessBuiltin reports whether a command of the shell itself changes nothing
// but the shell.
func harmlessBuiltin(c *command) bool {
	switch c.words[0].alts[0] {
	case "cd", "pushd", "popd", "dirs", "read", "set", "shift", "return", "exit", "break", "continue", "wait", "jobs", "getopts", "umask", "ulimit", "times", "local", "declare", "readonly", "typeset", "unset", "shopt", "command", "builtin", "hash", "let", "mapfile", "readarray", "export", "caller", "disown", "bg", "fg", "suspend", "logout", "alias", "unalias", "trap":
		return len(c.inner) == 0
	}
	return false
}

// checkName judges a tool by a name.
func (s *Set) checkName(tool, name string, verdict Verdict, reason string) Part {
	text := tool
	if name != "" && name != tool {
		text = tool + "(" + name + ")"
	}
	mcp := strings.HasPrefix(tool, toolMCP)
	for _, r := range s.rules {
		switch {
		case mcp && r.tool == toolMCP && mcpMatch(r.word, tool, r.list),
			!mcp && r.tool == tool && (r.all || star(r.word, name)):
			return r.by(kindTool, text)
		}
	}
	p := Part{Kind: kindTool, Text: text, Verdict: verdict, Reason: reason}
	if verdict == Ask {
		p.Change = adding(text, tool)
	}
	return p
}

// mcpMatch compares mcp__server, mcp__server__* and mcp__server__tool with the
// name of a tool. Deny and ask compare without regard to case.
func mcpMatch(pattern, tool string, list Verdict) bool {
	if list != Allow {
		pattern, tool = strings.ToLower(pattern), strings.ToLower(tool)
	}
	if star(pattern, tool) {
		return true
	}
	return strings.Count(pattern, "__") == 1 && strings.HasPrefix(tool, pattern+"__")
}

// star matches a name against a pattern in which * stands for any text.
func star(pattern, name string) bool {
	return wild(strings.ReplaceAll(pattern, "*", string(rune(markRun))), name)
}

// checkFetch judges an address.
func (s *Set) checkFetch(address string) Part {
	host, problem := HostOf(address)
	if problem != "" {
		return Part{Kind: kindFetch, Text: short(address), Verdict: Deny, Reason: problem}
	}
	for _, r := range s.rules {
		if r.tool == toolFetch && (r.all || hostMatch(r.word, host)) {
			return r.by(kindFetch, address)
		}
	}
	p := Part{Kind: kindFetch, Text: address, Verdict: Allow, Reason: "no rule is about " + host + ", and approval is " + string(s.approval)}
	if s.approval == policy.Untrusted {
		p.Verdict = Ask
		p.Change = adding("WebFetch(domain:"+host+")", toolFetch)
	}
	return p
}

// HostOf is the host that an address is about, in the one form that is compared.
// What two readers could take for two hosts is refused: a name in front of the
// host, escapes, backslashes, other letters than those of ASCII.
func HostOf(address string) (host, problem string) {
	if why := refused(address); why != "" || strings.ContainsAny(address, "\t\n \\") {
		return "", "this is not an address"
	}
	text := address
	if scheme, rest, ok := strings.Cut(text, "://"); ok {
		if s := strings.ToLower(scheme); s != "http" && s != "https" {
			return "", "this is not an address of the web"
		}
		text = rest
	} else if s := strings.ToLower(text); strings.HasPrefix(s, "http:") || strings.HasPrefix(s, "https:") {
		return "", "an address with less than two slashes is not what it looks like"
	}
	if i := strings.IndexAny(text, "/?#"); i >= 0 {
		text = text[:i]
	}
	if strings.IndexByte(text, '@') >= 0 {
		return "", "an address with a name in front of its host is not what it looks like"
	}
	host = text
	if strings.HasPrefix(text, "[") {
		end := strings.IndexByte(text, ']')
		if end < 0 {
			return "", "this is not an address of the web"
		}
		host, text = text[1:end], text[end+1:]
	} else if i := strings.IndexByte(text, ':'); i >= 0 {
		host, text = text[:i], text[i:]
	} else {
		text = ""
	}
	if text != "" && (text[0] != ':' || text != ":" && !isDigits(text[1:])) {
		return "", "this is not an address of the web"
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	for i := range len(host) {
		if c := host[i]; !isLetter(c) && !isDigit(c) && strings.IndexByte("-._:", c) < 0 {
			return "", "the host is not written in plain ASCII"
		}
	}
	switch {
	case host == "":
		return "", "the address names no host"
	case strings.Contains(host, "..") || host[0] == '.' || strings.HasSuffix(host, "."):
		return "", "the host has an empty part"
	case oddNumber(host):
		return "", "the host is a number that is not written as an address usually is"
	}
	return host, ""
}

// oddNumber reports whether a host is an IPv4 address in a form that readers of
// addresses take for one, but that is not the usual: 127.1, 0x7f.0.0.1, 2130706433.
func oddNumber(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if !isDigits(last) && !strings.HasPrefix(last, "0x") {
		return false
	}
	_, err := netip.ParseAddr(host)
	return err != nil
}

// hostMatch compares a host with HOST or *.HOST, which stands for the names below.
func hostMatch(pattern, host string) bool {
	if pattern == "*" {
		return true
	}
	if below, ok := strings.CutPrefix(pattern, "*."); ok {
		return strings.HasSuffix(host, "."+below)
	}
	return host == pattern
}
