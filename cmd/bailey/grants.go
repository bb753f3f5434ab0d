package main

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/approval"
)

func grantsVerb(a *app) *verb {
	return &verb{
		name: "grants", args: "[ls|show|revoke]", short: "list and take back what was answered for good",
		long: `An answer for the project or for always is kept as a grant: one exact command,
path, host or tool. Running boxes notice at once when one is taken back.`,
		sub:      []entry{{"ls", grantsLsVerb}, {"show", grantsShowVerb}, {"revoke", grantsRevokeVerb}},
		fallback: "ls",
	}
}

func grantsLsVerb(a *app) *verb {
	return &verb{
		name: "grants ls", args: "[--json]", short: "list the grants",
		long:  "Lists every grant, the oldest first. One that has expired counts no more.",
		flags: []*flag{a.jsonFlag("the list as JSON")}, mixed: true,
		run: func(words []string) error {
			if err := noWords("grants ls", words); err != nil {
				return err
			}
			list, err := bailey.Grants()
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(append([]bailey.Grant{}, list...))
			}
			for i := range list {
				if _, err := a.out.WriteString(grantLine(&list[i]) + "\n"); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// grantLine is a grant on one line.
func grantLine(g *bailey.Grant) string {
	verdict := "deny "
	if g.Allow {
		verdict = "allow"
	}
	line := g.ID + "  " + verdict + "  " + pad(string(g.Scope), 7) + "  " + pad(string(g.Kind), 9) + "  " + approval.Quote(g.Subject)
	if g.Scope == bailey.ScopeProject {
		line += "  in " + quote(g.Project)
	}
	if !g.Expires.IsZero() {
		verb := "  ends "
		if !time.Now().Before(g.Expires) {
			verb = "  ended "
		}
		line += verb + g.Expires.Local().Format("2006-01-02 15:04")
	}
	return line
}

func grantsShowVerb(a *app) *verb {
	return &verb{
		name: "grants show", args: "[--json] ID", short: "show one grant",
		long:  "Shows what exactly one grant allows or denies, for what, by whom, until when, and how often it decided.",
		flags: []*flag{a.jsonFlag("the grant as JSON")}, mixed: true,
		run: func(words []string) error {
			if len(words) != 1 {
				return &usageError{"bailey grants show takes one id", "bailey grants ls lists them"}
			}
			list, err := bailey.Grants()
			if err != nil {
				return err
			}
			i := slices.IndexFunc(list, func(g bailey.Grant) bool { return g.ID == words[0] })
			if i < 0 {
				return noGrant(words[0])
			}
			if a.json {
				return a.printJSON(list[i])
			}
			return a.showGrant(&list[i])
		},
	}
}

func noGrant(id string) error {
	return &usageError{"there is no grant " + quote(id), "bailey grants ls lists them"}
}

func (a *app) showGrant(g *bailey.Grant) error {
	var b strings.Builder
	row := func(name, value string) {
		if value != "" {
			b.WriteString(pad(name, 9) + value + "\n")
		}
	}
	verdict := "deny"
	if g.Allow {
		verdict = "allow"
	}
	row("grant", g.ID)
	row("verdict", verdict)
	row("kind", string(g.Kind))
	row("subject", approval.Quote(g.Subject))
	row("scope", string(g.Scope))
	if g.Project != "" {
		row("project", quote(g.Project))
	}
	row("made", g.Made.Local().Format("2006-01-02 15:04"))
	row("by", g.By)
	if !g.Expires.IsZero() {
		row("ends", g.Expires.Local().Format("2006-01-02 15:04"))
	}
	if g.Note != "" {
		row("note", approval.Quote(g.Note))
	}
	uses := strconv.Itoa(g.Uses)
	if !g.Used.IsZero() {
		uses += ", last on " + g.Used.Local().Format("2006-01-02 15:04")
	}
	row("uses", uses)
	row("revoke", "bailey grants revoke "+g.ID)
	_, err := a.out.WriteString(b.String())
	return err
}

func grantsRevokeVerb(a *app) *verb {
	all := false
	return &verb{
		name: "grants revoke", args: "ID…|--all", short: "take grants back",
		long: `Forgets grants. A box that runs asks again, and loses paths that were shown to it
while it ran, where files that are open stay open, and hosts, whose connections are
closed; one that the gate asked about stays until it ends. A box that was started
with a path keeps it.`,
		flags: []*flag{{name: "all", help: "all of them", set: toggle(&all)}, a.jsonFlag("what was taken back as JSON")}, mixed: true,
		run: func(words []string) error {
			if len(words) == 0 != all {
				return &usageError{"name the grants to take back, or say --all", "bailey grants ls lists them"}
			}
			if os.Getenv("BAILEY") != "" {
				return &usageError{"grants cannot be changed from inside a box", "run bailey grants in a terminal of your own"}
			}
			list, err := bailey.Grants()
			if err != nil {
				return err
			}
			for _, id := range words {
				if !slices.ContainsFunc(list, func(g bailey.Grant) bool { return g.ID == id }) {
					return noGrant(id) // before any is taken back
				}
			}
			gone, err := bailey.RevokeGrants(all, words...)
			if err != nil {
				return err
			}
			if a.json {
				if _, err := bailey.FollowGrants(); err != nil {
					return err
				}
				return a.printJSON(append([]bailey.Grant{}, gone...))
			}
			for i := range gone {
				a.info("taken back: %s", grantLine(&gone[i]))
			}
			return a.followed(gone)
		},
	}
}

// followed says what running boxes made of grants that are gone.
func (a *app) followed(gone []bailey.Grant) error {
	list, err := bailey.FollowGrants()
	if err != nil {
		return err
	}
	for _, f := range list {
		for _, what := range f.Gone {
			open := "; its connections are closed"
			if strings.HasPrefix(what, string(bailey.KindRead)+" ") {
				open = "; files that are open there stay open"
			}
			a.info("session %s has it no more: %s%s", f.Session, printable(what), open)
		}
		for _, what := range f.Kept {
			a.say(message{Level: "warning", Text: "session " + f.Session + " keeps until it ends: " + printable(what)})
		}
	}
	for i := range gone {
		if g := &gone[i]; g.Allow && (g.Kind == bailey.KindRead || g.Kind == bailey.KindWrite) {
			a.info("a box that was started with a path keeps it until it ends")
			break
		}
	}
	return nil
}
