package bailey

import (
	"net"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/bailey-run/bailey/internal/gate"
	"github.com/bailey-run/bailey/internal/permission"
	"github.com/bailey-run/bailey/internal/policy"
)

// DecideTool judges a call of a tool of an agent that stands outside a box, as
// [Policy.Decide] does, and besides by what a box of this plan could do: the agent
// reads, writes and fetches with its own hands, where no wall is, so what a wall
// would stop is denied here. Call is as for [Policy.Decide].
//
// This is a guardrail. The agent is free to do otherwise; a command that is run in
// a box is not.
func (p *Plan) DecideTool(call []byte) ToolDecision {
	rules := p.Policy()
	c, err := permission.ParseCall(call)
	if err != nil {
		return permission.Refuse(err.Error())
	}
	wall, there := p.wall(&c)
	if wall.Verdict == Deny {
		return strengthen(rules.CheckLine(call), wall)
	}
	d := rules.Decide(call)
	if there {
		d = strengthen(d, wall)
	}
	return d
}

// strengthen adds a part to a decision, which can only make it stricter.
func strengthen(d ToolDecision, part ToolPart) ToolDecision {
	d.Parts = append(d.Parts[:len(d.Parts):len(d.Parts)], part)
	if part.Verdict == Deny && d.Verdict != Deny || part.Verdict == Ask && d.Verdict == Allow {
		d.Verdict, d.Reason, d.Change = part.Verdict, part.Text+": "+part.Reason, part.Change
	}
	return d
}

// wall is what a box would make of a call; there is none for a tool that is not
// about one file or address.
func (p *Plan) wall(c *permission.Call) (part ToolPart, there bool) {
	if !p.walled() {
		return part, false
	}
	access := permission.Access(c.Tool)
	switch {
	case permission.Fetches(c.Tool):
		part = p.fetchWall(c.Input.URL)
	case access != "":
		part = p.fileWall(access, c.Input.Path)
	default:
		return part, false
	}
	if part.Verdict == Ask && p.policy.Approval.V == policy.Never {
		part.Verdict = Deny
		part.Reason += "; nobody is asked under approval = \"never\""
	}
	return part, true
}

// fileWall says whether the box could use a file as a tool would.
func (p *Plan) fileWall(access, file string) ToolPart {
	kind, op := "read", "read"
	if access == "write" {
		kind, op = "write", "write"
	}
	part := ToolPart{Kind: kind, Text: file, Verdict: Allow, Reason: "a box could do it too"}
	// The agent's own reader may take a leading ~ for the home directory, or for a
	// name; both are looked at.
	names := []string{file}
	if strings.HasPrefix(file, "~") {
		names = append(names, "./"+file)
		if !strings.HasPrefix(file, "~/") && file != "~" {
			part.Verdict, part.Reason, part.Change = Deny, "another user's home directory", "write the path in full"
			return part
		}
	}
	for _, n := range names {
		if d := p.Decide(op, n); d.Verdict != Allow {
			why := d.Why
			if at := d.Where(); d.Rule != "" && at != "" {
				why += " (" + d.Rule + ", " + at + ")"
			}
			part.Verdict, part.Reason = Deny, "a box could not "+op+" it, and nor may the agent: "+why
			part.Change = d.Hint
			if strings.HasPrefix(d.Hint, "--") { // the agent's caller has no flags
				part.Change = op + " = [" + strconv.Quote(n) + "] under [files] of a policy file"
			}
			part.From = policy.Source{Layer: policy.Layer(d.Layer), File: d.File, Line: d.Line}
			return part
		}
	}
	if access == "search" {
		if rule := p.hiddenBelow(p.Resolve(file)); rule != nil {
			part.Verdict, part.From = Deny, rule.From
			part.Reason = "the search could print files that files.deny hides (" + rule.V + "), and no wall is in front of the agent's own search"
			part.Change = "search with a shell command, as in grep -rn, which runs in a box"
		}
	}
	return part
}

// hiddenBelow finds an entry of files.deny that could be about something below a
// directory.
func (p *Plan) hiddenBelow(dir string) *policy.Value[string] {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil // one file, which has been looked at
	}
	for i := range p.policy.Files.Deny {
		entry := &p.policy.Files.Deny[i]
		fixed := entry.V
		if at := strings.IndexAny(fixed, `*?[{\`); at >= 0 {
			fixed = path.Dir(fixed[:at] + "x")
		}
		if !path.IsAbs(fixed) || within(fixed, dir) || fixed != entry.V && within(dir, fixed) {
			return entry
		}
	}
	return nil
}

// within reports whether a path is a directory or below it.
func within(file, dir string) bool {
	return file == dir || dir == "/" || strings.HasPrefix(file, strings.TrimSuffix(dir, "/")+"/")
}

// fetchWall says whether the gate of a box would connect to an address.
func (p *Plan) fetchWall(address string) ToolPart {
	part := ToolPart{Kind: "fetch", Text: address, Verdict: Deny}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		part.Reason = "the address is not understood"
		return part
	}
	port := u.Port()
	if port == "" {
		port = map[bool]string{true: "443", false: "80"}[u.Scheme == "https"]
	}
	target := net.JoinHostPort(u.Hostname(), port)
	e, err := p.ExplainNet(target, false)
	if err != nil {
		part.Reason = "the host is not understood: " + err.Error()
		return part
	}
	part.From, part.Change = e.From, e.Hint
	switch {
	case e.Verdict == gate.Allow && e.Inside:
		part.Reason = "the gate looks into requests to this host, and nobody would look into the agent's own"
		part.Change = "fetch it with a shell command, which goes through the gate"
	case e.Verdict == gate.Allow:
		part.Verdict, part.Reason, part.Change = Allow, "the gate would connect a box to it", ""
	case e.Verdict == gate.Ask:
		part.Verdict, part.Reason = Ask, "no network rule names the host, and network.default = \"ask\""
	default:
		part.Reason = "a box could not reach it, and nor may the agent"
		if e.Rule != "" {
			part.Reason += " (" + e.Rule + ")"
		}
	}
	return part
}
