package permission

import "strings"

// git looks at what git's settings, aliases and subcommands run.
func (a *analysis) git(cmd *command) {
	words := cmd.words
	for i := 1; i < len(words); i++ {
		text := words[i].alts[0]
		switch {
		case text == "-c" && i+1 < len(words):
			a.gitSetting(cmd, words[i+1])
		case strings.HasPrefix(text, "-c") && strings.Contains(text, "=") && len(text) > 2:
			a.gitSetting(cmd, word{alts: []string{text[2:]}, exact: words[i].exact, src: words[i].src})
		case strings.HasPrefix(text, "--config-env"):
			cmd.problem = "what " + text + " sets is not known"
		case strings.HasPrefix(text, "ext::"):
			cmd.problem = "an address of this kind runs a command"
			a.shellText(strings.TrimPrefix(text, "ext::"), "sh")
		case text == "foreach":
			for i++; i < len(words) && strings.HasPrefix(words[i].alts[0], "-"); i++ {
			}
			if i < len(words) {
				a.innerText(cmd, joined(words[i:]), "sh")
			}
			cmd.problem = orElse(cmd.problem, "git runs a command in each submodule")
		case text == "--config" && i+1 < len(words):
			a.gitSetting(cmd, words[i+1])
		case strings.HasPrefix(text, "--config="):
			a.gitSetting(cmd, word{alts: []string{text[len("--config="):]}, exact: words[i].exact})
		case text == "clone" || text == "grep":
			a.gitPrograms(cmd, text, words[i+1:])
		case text == "remote-ext" && i+2 < len(words):
			cmd.problem = "an address of this kind runs a command"
			a.innerText(cmd, joined(words[i+2:]), "sh")
		case text == "run" && i > 1 && words[i-1].alts[0] == "bisect":
			a.inside(cmd, i+1)
		case text == "config":
			for _, w := range words[i+1:] {
				if runsSetting(w.alts[0]) {
					cmd.problem = "git runs what this setting says"
				}
			}
			for _, w := range words[i+1:] {
				if strings.HasPrefix(w.alts[0], "!") {
					a.shellText(w.alts[0][1:], "sh")
				}
			}
		}
	}
}

// gitPrograms looks at the programs that options of one letter name: -u of git clone,
// and -O of git grep.
func (a *analysis) gitPrograms(cmd *command, sub string, args []word) {
	p, option := &program{takes: "-b -o -j -c"}, "-u"
	if sub == "grep" {
		p, option = &program{takes: "-e -f -m -A -B -C"}, "-O"
	}
	for i, w := range args {
		text := w.alts[0]
		if len(text) < 2 || text[0] != '-' || text[1] == '-' || !p.has(args[i:i+1], option) {
			continue
		}
		cmd.problem = option + " of git " + sub + " runs a command"
		if at := strings.IndexByte(text, option[1]); at+1 < len(text) {
			a.innerText(cmd, word{alts: []string{text[at+1:]}, exact: w.exact}, "sh")
		} else if i+1 < len(args) && sub == "clone" {
			a.innerText(cmd, args[i+1], "sh")
		}
	}
}

func (a *analysis) gitSetting(cmd *command, w word) {
	if harmlessSetting(w) {
		return
	}
	cmd.problem = "-c changes what git runs"
	if _, value, ok := strings.Cut(w.alts[0], "="); ok {
		a.innerText(cmd, word{alts: []string{strings.TrimPrefix(value, "!")}, exact: w.exact}, "sh")
	}
}

// runsSetting reports whether git runs the value of a setting.
func runsSetting(key string) bool {
	key = strings.ToLower(key)
	switch key {
	case "core.pager", "core.editor", "sequence.editor", "core.sshcommand", "core.fsmonitor", "core.hookspath", "core.askpass", "core.gitproxy", "core.alternaterefscommand", "core.attributesfile", "core.worktree", "diff.external", "gpg.program", "credential.helper", "init.templatedir", "uploadpack.packobjectshook", "interactive.difffilter", "web.browser":
		return true
	}
	for _, prefix := range [...]string{"alias.", "pager.", "include", "browser.", "man.", "hook.", "url.", "protocol."} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	for _, suffix := range [...]string{".cmd", ".command", ".textconv", ".driver", ".clean", ".smudge", ".process", ".program", ".helper", ".path", ".vcs", ".uploadpack", ".receivepack", ".proxy"} {
		if strings.HasSuffix(key, suffix) {
			return true
		}
	}
	return false
}
