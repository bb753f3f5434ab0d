package bailey

import (
	"context"
	"path"
	"path/filepath"
	"strings"

	"github.com/bailey-run/bailey/internal/permission"
)

// grantSubject is what a grant about one part of a call is about; ok is false where
// none can be, because what the part would do is not all in its text.
func (p *Policy) grantSubject(tool string, part *ToolPart) (kind Kind, subject string, ok bool) {
	switch part.Kind {
	case "command":
		// What a variable or a substitution stands for is not shown.
		return KindCommand, part.Text, !strings.ContainsAny(part.Text, "$`(")
	case "read", "write":
		kind = KindRead
		if part.Kind == "write" {
			kind = KindWrite
		}
		file := part.Text
		if rest, home := strings.CutPrefix(file, "~/"); home && p.p.Home != "" {
			file = path.Join(p.p.Home, rest)
		}
		if !path.IsAbs(file) {
			if tool == "Bash" {
				return kind, "", false // the text may have changed the directory
			}
			file = path.Join(p.dir, file)
		}
		file = real(filepath.Clean(file))
		return kind, file, file != ""
	case "fetch":
		host, problem := permission.HostOf(part.Text)
		return KindTool, "WebFetch(domain:" + host + ")", problem == ""
	case "tool":
		return KindTool, part.Text, true
	}
	return "", "", false
}

// granted lets grants decide the parts of a decision that are asked about, and
// deny what rules allow. A rule that denies stays. use notes which decided.
func (p *Policy) granted(tool string, d ToolDecision, use bool) ToolDecision {
	if p.grants == nil || d.Verdict == Deny || unkept(p.p) != "" {
		return d
	}
	held, err := p.grants.Snapshot(p.p.Workspace)
	if err != nil {
		return permission.Refuse(err.Error())
	}
	if len(held) == 0 {
		return d
	}
	var parts []ToolPart
	for i := range d.Parts {
		kind, subject, ok := p.grantSubject(tool, &d.Parts[i])
		if !ok || d.Parts[i].Verdict == Deny {
			continue
		}
		g, ok := held.Find(kind, subject)
		if !ok || g.Allow && d.Parts[i].Verdict == Allow {
			continue
		}
		if use {
			p.grants.Use(g.ID)
		}
		if parts == nil {
			parts = append(parts, d.Parts...)
		}
		parts[i] = decidedBy(parts[i], g.Allow, "grant "+g.ID, g.Origin())
		if !g.Allow {
			parts[i].Change = "bailey grants revoke " + g.ID
		}
	}
	if parts == nil {
		return d
	}
	return permission.Conclude(parts)
}

func decidedBy(part ToolPart, allow bool, rule, reason string) ToolPart {
	part.Verdict, part.Change = Deny, ""
	if allow {
		part.Verdict = Allow
	}
	part.List, part.Rule, part.Reason = part.Verdict, rule, reason
	return part
}

// Ask asks a person about the parts of a decision that are left to one, and keeps
// the answers that are for longer than this call: person, which may be nil, and
// whoever waits with bailey approve. Where there is nobody the answer is no, at once.
// Tool is the tool of the call that d is about. It is for whoever runs a command
// outside of a box that is open, as a hook does; a box asks by itself.
func (p *Policy) Ask(ctx context.Context, tool string, d ToolDecision, person Asker) ToolDecision {
	if d.Verdict != Ask {
		return d
	}
	desk, done := askOutside(p.facts, p.p, person)
	defer done()
	parts := append([]ToolPart(nil), d.Parts...)
	for i := range parts {
		part := &parts[i]
		if part.Verdict != Ask {
			continue
		}
		kind, subject, clear := p.grantSubject(tool, part)
		if kind == "" || subject == "" {
			kind, subject = KindCommand, part.Text
			if part.Kind == "read" || part.Kind == "write" {
				kind = Kind(part.Kind)
			}
		}
		q := Question{Kind: kind, Subject: subject, Rule: part.Rule, Unclear: !clear, Exe: tool + ", outside of a box", Scopes: []Scope{ScopeProject, ScopeAlways}} // there is no session
		if part.From.File != "" {
			q.Where = part.From.String()
		}
		if part.Rule == "" {
			q.Rule = part.Reason
		}
		a := desk.Ask(ctx, q)
		change := part.Change
		*part = decidedBy(*part, a.Allow, part.Rule, part.Reason+"; "+answeredBy(&a))
		if !a.Allow {
			part.Change = change
			break // the whole is denied: nobody needs to look at the rest
		}
	}
	return permission.Conclude(parts)
}
