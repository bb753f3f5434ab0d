package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/bailey-run/bailey"
)

func manVerb(a *app) *verb {
	return &verb{
		name: "man", args: "DIR", words: "file", short: "write the manual pages into a directory",
		long: "Writes bailey.1 and a page per verb into DIR, which is made if it is not there.",
		run: func(words []string) error {
			if len(words) != 1 {
				return &usageError{"bailey man needs one directory", "as in: bailey man ~/.local/share/man/man1"}
			}
			if err := os.MkdirAll(words[0], 0o755); err != nil {
				return fmt.Errorf("write manual: %w", err)
			}
			for _, page := range a.pages() {
				if err := os.WriteFile(filepath.Join(words[0], page[0]), []byte(page[1]), 0o644); err != nil {
					return fmt.Errorf("write manual: %w", err)
				}
			}
			return nil
		},
	}
}

// pages are the manual pages: name and text.
func (a *app) pages() [][2]string {
	all := everyVerb(a)
	var list strings.Builder
	out := [][2]string{{}}
	for _, v := range all {
		name := "bailey-" + strings.ReplaceAll(v.name, " ", "-")
		list.WriteString(".TP\n.BR " + roff(name) + " (1)\n" + roff(v.short) + "\n")
		out = append(out, [2]string{name + ".1", a.page(name, v)})
	}
	top := header("bailey", "run commands inside walls that the operating system holds up") +
		".SH SYNOPSIS\n.B bailey\nVERB [flags] [arguments]\n.SH VERBS\n" + list.String() +
		".SH EXIT STATUS\n.nf\n" + roff(exitCodes) + ".fi\n"
	out[0] = [2]string{"bailey.1", top}
	return out
}

// everyVerb makes all verbs, those below others behind them.
func everyVerb(a *app) []*verb {
	var all []*verb
	for _, e := range verbs() {
		v := e.make(a)
		all = append(all, v)
		for _, s := range v.sub {
			all = append(all, s.make(a))
		}
	}
	return all
}

func (a *app) page(name string, v *verb) string {
	var b strings.Builder
	b.WriteString(header(name, v.short))
	b.WriteString(".SH SYNOPSIS\n.B bailey " + roff(v.name) + "\n")
	if v.args != "" {
		b.WriteString(roff(v.args) + "\n")
	}
	b.WriteString(".SH DESCRIPTION\n")
	for i, paragraph := range strings.Split(v.long, "\n\n") {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		b.WriteString(roff(paragraph) + "\n")
	}
	if len(v.flags) > 0 {
		b.WriteString(".SH OPTIONS\n")
		for _, f := range v.flags {
			b.WriteString(".TP\n.B " + roff(strings.TrimSpace(f.usage())) + "\n" + roff(f.help))
			if f.many {
				b.WriteString(" (repeatable)")
			}
			b.WriteByte('\n')
		}
	}
	if v.words == "command" || v.name == "shell" {
		b.WriteString(".SH EXIT STATUS\n.nf\n" + roff(exitCodes) + ".fi\n")
	}
	b.WriteString(".SH SEE ALSO\n.BR bailey (1)\n")
	return b.String()
}

func header(name, short string) string {
	return ".TH " + strings.ToUpper(roff(name)) + " 1 \"\" \"bailey " + roff(bailey.Version()) + "\" \"bailey manual\"\n.SH NAME\n" + roff(name) + ` \- ` + roff(short) + "\n"
}

// roff escapes text for the manual: backslashes, dashes (which would become
// hyphens), and dots and quotes that would begin a request.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", `\&...`, "'", `\(aq`, "`", `\(ga`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
