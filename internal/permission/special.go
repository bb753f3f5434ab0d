package permission

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// runner is an option of a program whose value is run.
type runner struct {
	names   string // programs, with commas between
	options string
	cut     string // what stands in front of the command in the value
	words   bool   // the value is a program and not a shell text
	cluster bool   // the option may stand behind others in one word
}

// runners are the options that deny looks into.
var runners = [...]runner{
	{names: "sort", options: "--compress-program", words: true},
	{names: "rg", options: "--pre --hostname-bin", words: true},
	{names: "tar,gtar,bsdtar", options: "--checkpoint-action", cut: "exec="},
	{names: "tar,gtar,bsdtar", options: "-I --use-compress-program --to-command -F --info-script --new-volume-script --rsh-command --rmt-command"},
	{names: "cpio", options: "--rsh-command"},
	{names: "rsync", options: "-e --rsh --rsync-path", cluster: true},
	{names: "dpkg", options: "--pre-invoke --post-invoke --status-logger"},
	{names: "apt,apt-get,aptitude", options: "-o --option", cut: "Invoke::="},
	{names: "apt,apt-get,aptitude", options: "-o --option", cut: "Invoke="},
	{names: "split", options: "--filter"},
	{names: "zip", options: "-TT --unzip-command"},
	{names: "man", options: "-P --pager -H --html"},
	{names: "pwsh,powershell", options: "-c -Command -command"},
	{names: "scp,sftp", options: "-S", words: true},
	{names: "nc,ncat,netcat", options: "-e -c --exec --sh-exec"},
	{names: "git", options: "-x --exec --extcmd --upload-pack --receive-pack --open-files-in-pager --tree-filter --index-filter --msg-filter --commit-filter --parent-filter --env-filter --tag-name-filter --setup --exec-path --sendmail-cmd --to-cmd --cc-cmd --header-cmd --httpd --access-hook"},
	{names: "go", options: "-exec -toolexec -vettool"},
	{names: "gcc,g++,cc,clang", options: "-wrapper"},
	{names: "npm,pnpm", options: "--script-shell", words: true},
	{names: "wget", options: "--use-askpass", words: true},
	{names: "sdiff", options: "--diff-program", words: true},
	{names: "go", options: "--exec --toolexec --vettool"},
	{names: "make,gmake", options: "--eval -E"},
	{names: "install,ginstall", options: "--strip-program", words: true},
	{names: "rpm", options: "--pipe"},
	{names: "tcpdump,dumpcap", options: "-z", words: true},
	{names: "fzf", options: "--preview"},
	{names: "pandoc", options: "-F --filter --pdf-engine", words: true},
	{names: "git", options: "--smtp-server"},
	{names: "helm", options: "--post-renderer", words: true},
	{names: "cargo", options: "-s --shell"}, // of cargo watch
	{names: "mosh", options: "--ssh"},
	{names: "bat,batcat", options: "--pager"},
	{names: "ag,ack", options: "--pager"},
}

// special looks into programs that run something without being wrappers.
func (a *analysis) special(cmd *command, name string, input *syntax.Redirect) {
	switch name {
	case "find", "gfind":
		a.find(cmd)
	case "fd", "fdfind":
		for i, w := range cmd.words {
			switch text := w.alts[0]; {
			case text == "-x" || text == "-X" || text == "--exec" || text == "--exec-batch":
				a.found(cmd, cmd.words[i+1:])
				return
			case strings.HasPrefix(text, "--exec=") || strings.HasPrefix(text, "--exec-batch="):
				_, value, _ := strings.Cut(text, "=")
				a.found(cmd, append([]word{static(value)}, cmd.words[i+1:]...))
				return
			}
		}
	case "xargs", "gxargs":
		a.xargs(cmd)
		return
	case "git":
		a.git(cmd)
	case "awk", "gawk", "mawk", "nawk":
		a.foreign(cmd, nil)
		a.readsCode(cmd)
		for _, w := range cmd.words[1:] {
			if text := w.alts[0]; strings.Contains(text, "system") || strings.ContainsAny(text, "|@") || strings.Contains(text, "getline") {
				cmd.problem = "the program may run something"
				a.quotedTexts(text)
			}
			for _, file := range awkFiles(w.alts[0]) {
				a.accesses = append(a.accesses, access{true, static(file), cmd.src, true})
			}
		}
	case "sed", "gsed":
		a.foreign(cmd, nil)
		a.readsCode(cmd)
		a.sed(cmd)
	case "make", "gmake":
		a.foreign(cmd, input)
		for i, w := range cmd.words {
			if why := makeRuns(w.alts[0]); why != "" && i > 0 {
				cmd.problem = why
				_, value, _ := makeSetting(w.alts[0])
				a.quiet(strings.NewReplacer("$(shell", "", "${shell", "", "$(eval", "", ")", "", "}", "").Replace(value))
			}
			if f := w.alts[0]; f == "-f-" || strings.HasPrefix(f, "--f") && strings.HasSuffix(f, "=-") || f == "-" && i > 0 {
				cmd.problem = "make runs what it reads from its standard input"
			}
		}
	case "cmake":
		for i, w := range cmd.words {
			if w.alts[0] == "env" || w.alts[0] == "time" {
				a.anySuffix(cmd, &wrapper{name: name}, i+1)
			}
		}
	case "fzf":
		for _, w := range cmd.words[1:] {
			if strings.Contains(w.alts[0], "execute") || strings.Contains(w.alts[0], "become") || strings.Contains(w.alts[0], "reload") {
				cmd.problem = "fzf is told to run something"
				a.quotedTexts(w.alts[0])
			}
		}
	case "crontab":
		if len(cmd.words) == 1 || cmd.words[1].alts[0] == "-" {
			cmd.problem = "what it reads from its standard input will be run"
			if input != nil {
				a.quiet(a.input(input).alts[0])
			}
		}
	case "ip":
		for i, w := range cmd.words {
			if w.alts[0] == "exec" {
				a.inside(cmd, min(i+2, len(cmd.words)))
			}
		}
	}
	a.options(cmd, name, input)
}

// options looks at the options and the code that run something, of wrappers too.
func (a *analysis) options(cmd *command, name string, input *syntax.Redirect) {
	if interprets(name) {
		a.foreign(cmd, input)
		for _, w := range cmd.words[1:] {
			a.code(cmd, w.alts[0])
		}
	}
	args := cmd.words[1:]
	if isTar(name) {
		args = tarOptions(args)
	}
	for i := range runners {
		if r := &runners[i]; among(r.names, name) {
			a.runner(cmd, args, r)
		}
	}
	switch name {
	case "ssh", "scp", "sftp":
		a.sshOptions(cmd, args)
	case "ed", "ex", "vi", "vim", "nvim", "view", "gdb", "less", "more", "dc":
		a.editor(cmd, args, input)
	}
}

// runner reads the values of the options that r names.
func (a *analysis) runner(cmd *command, args []word, r *runner) {
	for i, w := range args {
		text := w.alts[0]
		if len(text) < 2 || text[0] != '-' {
			continue
		}
		name, value, has := strings.Cut(text, "=")
		hit := false
		for option := range strings.FieldsSeq(r.options) {
			switch {
			case name == option, strings.HasPrefix(option, "--") && len(name) > 3 && strings.HasPrefix(option, name):
				hit = true
			case len(option) == 2 && strings.HasPrefix(text, option) && !strings.HasPrefix(text, "--"):
				hit, has, value = true, true, text[2:]
			case r.cluster && len(option) == 2 && text[1] != '-' && strings.IndexByte(text, option[1]) > 0 && text[len(text)-1] != option[1]:
				hit, has, value = true, true, text[strings.IndexByte(text, option[1])+1:]
			case len(option) == 2 && text[1] != '-' && text[len(text)-1] == option[1]:
				hit, has = true, false // the last of a cluster
			}
			if hit {
				break
			}
		}
		if !hit {
			continue
		}
		run := word{alts: []string{value}, exact: w.exact}
		if !has || value == "" {
			if i+1 >= len(args) {
				continue
			}
			run = args[i+1]
		}
		if r.cut != "" {
			rest, ok := strings.CutPrefix(run.alts[0], r.cut)
			if !ok {
				if at := strings.Index(run.alts[0], r.cut); at >= 0 {
					rest, ok = run.alts[0][at+len(r.cut):], true
				}
			}
			if !ok {
				continue
			}
			run = word{alts: []string{rest}, exact: run.exact}
		}
		cmd.problem = name + " of " + cmd.name() + " runs a command"
		if !r.words {
			a.innerText(cmd, run, "sh")
			continue
		}
		cmd.spelled = append(cmd.spelled, &command{words: []word{run}, src: cmd.src, wrapped: cmd.wrapped + 1})
	}
}

// find looks at what -exec and its like run.
func (a *analysis) find(cmd *command) {
	for i := 1; i < len(cmd.words); i++ {
		switch cmd.words[i].alts[0] {
		case "-exec", "-execdir", "-ok", "-okdir":
		default:
			if !cmd.words[i].exact && strings.IndexAny(cmd.words[i].alts[0], "\x00\x04") == 0 && cmd.problem == "" && i > 1 {
				// It may be -exec, and what follows a command.
				in := &command{words: cmd.words[i+1:], src: cmd.src, wrapped: cmd.wrapped + 1}
				if len(in.words) > 0 {
					cmd.spelled = append(cmd.spelled, in)
				}
			}
			continue
		}
		end := i + 1
		for end < len(cmd.words) && cmd.words[end].alts[0] != ";" && !(cmd.words[end].alts[0] == "+" && cmd.words[end-1].alts[0] == "{}") {
			end++
		}
		a.found(cmd, cmd.words[i+1:end])
		i = end
	}
}

// found adds a command that is run for what is found: {} is not known.
func (a *analysis) found(cmd *command, words []word) {
	out := make([]word, len(words))
	for i, w := range words {
		for _, place := range [...]string{"{}", "{/}", "{//}", "{.}", "{/.}"} {
			if strings.Contains(w.alts[0], place) {
				w = word{alts: []string{strings.ReplaceAll(w.alts[0], place, "./"+string(rune(markUnknown)))}, src: w.src}
				if i == 0 {
					w.alts[0] = string(rune(markUnknown))
				}
			}
		}
		out[i] = w
	}
	if len(out) > 0 {
		a.runs(cmd, out)
	}
}

// xargs looks at the command that is given more words.
func (a *analysis) xargs(cmd *command) {
	w := wrapper{name: "xargs", values: "-a --arg-file -d --delimiter -E -I -i -L -l --max-lines -n --max-args -P --max-procs -s --max-chars --process-slot-var --replace", flags: "-0 --null -e --eof -o --open-tty -p --interactive -r --no-run-if-empty -t --verbose -x --exit"}
	at, replace, look := 1, "", true
	for at < len(cmd.words) {
		one := cmd.words[at]
		text := one.alts[0]
		if !one.exact {
			cmd.problem = "an option of xargs is not known before it runs"
			a.anySuffix(cmd, &w, at)
			return
		}
		if text == "--" {
			at++
			break
		}
		if len(text) < 2 || text[0] != '-' {
			break
		}
		name, value, has := strings.Cut(text, "=")
		kind, rest := w.option(text)
		switch {
		case text == "-i" || text == "-l" || text == "-e" || text == "--replace" || text == "--max-lines" || text == "--eof" ||
			(strings.HasPrefix(text, "-i") || strings.HasPrefix(text, "-l") || strings.HasPrefix(text, "-e")) && !strings.HasPrefix(text, "--"):
			// An old option, whose value is joined to it or not there.
			if text[1] == 'i' || text == "--replace" {
				replace = "{}"
				if len(text) > 2 && text[1] == 'i' {
					replace = text[2:]
				}
			}
			at++
		case kind == 'v' && !has && rest == "":
			if text == "-I" && at+1 < len(cmd.words) {
				replace = cmd.words[at+1].alts[0]
			}
			look = look && text != "-a" && text != "--arg-file"
			at += 2
		case kind == 'v':
			if strings.HasPrefix(text, "-I") {
				replace = text[2:]
			} else if name == "--replace" {
				replace = value
			}
			look = look && !strings.HasPrefix(text, "-a") && !strings.HasPrefix(text, "--arg")
			at++
		case kind == 'f':
			at++
		default:
			cmd.problem = "the option " + text + " of xargs is not understood"
			a.anySuffix(cmd, &w, at)
			return
		}
	}
	if at >= len(cmd.words) {
		return // echo
	}
	words := append([]word(nil), cmd.words[at:]...)
	added := word{alts: []string{string(rune(markSplit))}, src: "(standard input)"}
	if replace == "" {
		words = append(words, added)
	}
	for i := range words {
		if replace != "" && strings.Contains(words[i].alts[0], replace) {
			words[i] = word{alts: []string{strings.ReplaceAll(words[i].alts[0], replace, string(rune(markUnknown)))}, src: words[i].src}
		}
	}
	if name := baseName(words[0].alts[0]); isShell(name) || name == "env" || findWrapper(name) != nil && len(words) < 3 {
		cmd.problem = "what xargs runs is not known before it runs"
	}
	if cmd.reach == 0 {
		cmd.reach = at
	}
	a.runs(cmd, words)
	cmd.look = look
}

func orElse(s, t string) string {
	if s != "" {
		return s
	}
	return t
}

// interprets reports whether a program runs code in another language.
func interprets(name string) bool {
	switch name {
	case "perl", "python", "python2", "python3", "pypy", "pypy3", "ruby", "node", "nodejs", "php", "lua", "luajit", "tclsh", "deno", "bun", "osascript", "guile", "R", "Rscript", "julia", "emacs", "sqlite3", "psql", "mysql", "ed", "ftp", "socat", "expect", "groovy", "jshell", "ghci", "ocaml", "erl", "elixir", "iex", "swipl", "octave", "gawk", "groff", "troff", "m4", "gnuplot", "ts-node", "tsx", "pwsh", "powershell", "rpm", "scala", "runghc", "ghc":
		return true
	}
	return strings.HasPrefix(name, "python3.") || strings.HasPrefix(name, "perl5.")
}

// code looks at a text in another language.
func (a *analysis) code(cmd *command, text string) {
	if callsOut(text) {
		cmd.problem = "the code in it may run other programs"
		a.quotedTexts(text)
		a.behindSign(text)
	}
}

// foreign looks at where a program in another language comes from.
func (a *analysis) foreign(cmd *command, input *syntax.Redirect) {
	for _, w := range cmd.words[1:] {
		if text := w.alts[0]; strings.Contains(text, "/dev/fd/") || strings.Contains(text, "/dev/stdin") || strings.Contains(text, "/proc/") {
			cmd.problem = "what " + cmd.name() + " runs is not known before it runs"
		}
	}
	if input == nil {
		return
	}
	w := a.input(input)
	for _, alt := range w.alts {
		a.code(cmd, alt)
	}
	if !w.exact {
		cmd.problem = "what " + cmd.name() + " runs is not known before it runs"
	}
}

// readsCode asks about awk and sed that read their program from the standard input.
func (a *analysis) readsCode(cmd *command) {
	cmd.find()
	for _, w := range cmd.prog.values(cmd.args, "-f --file -E --exec") {
		if w.exact && w.alts[0] == "-" {
			cmd.problem = cmd.name() + " runs what it reads from its standard input"
		}
	}
}

// callsOut reports whether code in another language looks as if it ran programs.
func callsOut(code string) bool {
	for _, sign := range [...]string{"system", "popen", "Popen", "subprocess", "exec", "spawn", "`", "qx", "child_process", "Runtime", ".shell", "\\!", "\\\\!", "%x", "IO.", "Open3", "pty", "fork", "EXEC:", "SYSTEM:", "readpipe", "syscmd", ".pso", "edit(", ".sh", ".sy", "shell-command", "call-process", "start-process", "Deno.Command", "\n!"} {
		if strings.Contains(code, sign) {
			return true
		}
	}
	return strings.HasPrefix(code, "!") || strings.HasPrefix(code, ".") && strings.Contains(code, "|") || strings.Contains(code, "open") && strings.Contains(code, "|")
}

// behindSign reads what stands behind a word that runs the rest of its line.
func (a *analysis) behindSign(code string) {
	for line := range strings.SplitSeq(code, "\n") {
		line = strings.TrimSpace(line)
		for _, sign := range [...]string{"!", ".shell", ".system", ".sys", ".sh", ".sy", ".pso", "exec", "spawn"} {
			if rest, ok := strings.CutPrefix(line, sign); ok {
				a.quiet(rest)
				break
			}
		}
		if _, rest, ok := strings.Cut(line, "|"); ok && line[0] == '.' { // .once |TEXT of sqlite3
			a.quiet(rest)
		}
	}
}

// maxQuoted bounds how many quoted texts of a foreign program are read.
const maxQuoted = 16

// quotedTexts reads the quoted parts of a program in another language as shell
// text, for what is refused in them.
func (a *analysis) quotedTexts(code string) {
	for _, q := range [...]byte{'"', '\'', '`', '('} {
		rest, end := code, q
		if q == '(' {
			end = ')'
		}
		for range maxQuoted {
			i := strings.IndexByte(rest, q)
			if i < 0 {
				break
			}
			rest = rest[i+1:]
			j := strings.IndexByte(rest, end)
			if j < 0 {
				break
			}
			if text := rest[:j]; strings.TrimSpace(text) != "" {
				a.quiet(text)
			}
			rest = rest[j:]
		}
	}
}

// quiet reads a text that may be no shell text at all: only the commands in it
// count.
func (a *analysis) quiet(text string) {
	notes := len(a.notes)
	a.shellText(text, "sh")
	if !a.tooMuch {
		a.notes = a.notes[:notes]
	}
}
