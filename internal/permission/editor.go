package permission

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// editor looks at the commands that editors, pagers and debuggers are given: as
// options, and in a here-document. Most of them run what stands behind a !.
func (a *analysis) editor(cmd *command, args []word, input *syntax.Redirect) {
	commands, files := (&program{}).values(args, "-c --cmd"), (&program{}).values(args, "-S -u")
	if cmd.name() == "gdb" || cmd.name() == "dc" {
		p := &program{whole: true}
		commands, files = p.values(args, "-ex -iex -eval-command -init-eval-command -e -expression"), p.values(args, "-x -ix -command -init-command -f -file")
	}
	for _, w := range files {
		if !w.exact {
			cmd.problem = "what " + cmd.name() + " is told to do is not known before it runs"
		}
	}
	for _, w := range args {
		if text := w.alts[0]; strings.HasPrefix(text, "+") {
			commands = append(commands, word{alts: []string{text[1:]}, exact: w.exact})
		}
	}
	if input != nil {
		commands = append(commands, a.input(input))
	}
	for _, w := range commands {
		if !w.exact {
			cmd.problem = "what " + cmd.name() + " is told to do is not known before it runs"
		}
		for line := range strings.SplitSeq(w.alts[0], "\n") {
			a.editorLine(cmd, line)
		}
	}
}

func (a *analysis) editorLine(cmd *command, line string) {
	signs := []string{"!", "system", "term ", "terminal ", "job_start", "term_start"}
	if cmd.name() == "gdb" {
		signs = []string{"!", "| "}
		if word, rest, _ := strings.Cut(strings.TrimSpace(line), " "); len(word) > 1 {
			for _, name := range [...]string{"shell", "python", "pipe", "source", "make", "guile"} {
				if strings.HasPrefix(name, word) {
					cmd.problem = "gdb runs a command"
					a.quiet(rest)
					a.quotedTexts(rest)
				}
			}
		}
	}
	for _, sign := range signs {
		at := strings.Index(line, sign)
		if at < 0 || sign == "!" && strings.TrimSpace(line[at+1:]) == "" {
			continue // q! is no command of the shell
		}
		cmd.problem = cmd.name() + " runs a command"
		a.quiet(line[at+len(sign):])
		a.quotedTexts(line)
	}
}

// sshOptions looks at settings of ssh that are a command, whatever their case and
// whatever stands between the name and the value.
func (a *analysis) sshOptions(cmd *command, args []word) {
	if list := (&program{takes: "-o"}).values(args, "-F"); len(list) > 0 && !list[0].exact {
		cmd.problem = "the settings of " + cmd.name() + " are not known before it runs"
	}
	p := &program{takes: "-B -b -c -D -E -e -F -I -i -J -L -l -m -O -P -p -Q -R -S -W -w -X"}
	for _, w := range p.values(args, "-o") {
		at := strings.IndexAny(w.alts[0], "= \t")
		if at < 0 {
			continue
		}
		switch name := strings.ToLower(w.alts[0][:at]); name {
		case "proxycommand", "localcommand", "remotecommand", "knownhostscommand", "match", "pkcs11provider", "securitykeyprovider", "include":
			cmd.problem = name + " of " + cmd.name() + " runs a command"
			a.quiet(strings.TrimLeft(w.alts[0][at:], "= \t"))
		}
	}
}
