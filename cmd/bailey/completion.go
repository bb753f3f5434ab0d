package main

import (
	"slices"
	"strings"
)

func completionVerb(a *app) *verb {
	return &verb{
		name: "completion", args: "bash|zsh|fish", words: "bash zsh fish", short: "print a completion script for a shell",
		long: `Prints a script for the shell to read:

  bash  source <(bailey completion bash)
  zsh   bailey completion zsh > "${fpath[1]}/_bailey"
  fish  bailey completion fish > ~/.config/fish/completions/bailey.fish`,
		run: func(words []string) error {
			var script string
			switch {
			case len(words) != 1:
				return &usageError{"bailey completion needs a shell", "one of bash, zsh, fish"}
			case words[0] == "bash":
				script = bashCompletion(a)
			case words[0] == "zsh":
				script = zshCompletion(a)
			case words[0] == "fish":
				script = fishCompletion(a)
			default:
				return &usageError{"no completion for " + quote(words[0]), "one of bash, zsh, fish"}
			}
			_, err := a.out.WriteString(script)
			return err
		},
	}
}

// spelled is every spelling of a flag.
func (f *flag) spelled() []string {
	out := []string{"--" + f.name}
	if f.short != "" {
		out = append(out, "-"+f.short)
	}
	return out
}

// values is the bash command that completes a flag's value.
func (f *flag) values() string {
	switch {
	case len(f.offer) > 0:
		return `COMPREPLY=($(compgen -W "` + strings.Join(f.offer, " ") + `" -- "$cur"))`
	case f.kind == "dir":
		return `COMPREPLY=($(compgen -d -- "$cur"))`
	case f.kind == "file":
		return `COMPREPLY=($(compgen -f -- "$cur"))`
	case f.kind == "env":
		return `COMPREPLY=($(compgen -e -- "$cur"))`
	}
	return "COMPREPLY=()"
}

// wordValues is what completes the words of a verb, in bash.
func (v *verb) wordValues() string {
	switch v.words {
	case "":
		return "COMPREPLY=()"
	case "command":
		return `COMPREPLY=($(compgen -c -- "$cur"))`
	case "file":
		return `COMPREPLY=($(compgen -f -- "$cur"))`
	case "verb":
		return `COMPREPLY=($(compgen -W "` + strings.Join(names(verbs()), " ") + `" -- "$cur"))`
	}
	return `COMPREPLY=($(compgen -W "` + v.words + `" -- "$cur"))`
}

// allFlags are the flags of a verb, and --help.
func (v *verb) allFlags() []*flag {
	return append(slices.Clone(v.flags), &flag{name: "help", short: "h", help: "explain this verb"})
}

func bashCompletion(a *app) string {
	var b strings.Builder
	b.WriteString(`# bash completion for bailey
_bailey() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb= i w
	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		COMPREPLY=($(compgen -W "` + strings.Join(names(verbs()), " ") + `" -- "$cur"))
		return
	fi
	verb=${COMP_WORDS[1]}
	case $verb in
`)
	for _, e := range verbs() {
		v := e.make(a)
		if v.sub == nil {
			continue
		}
		b.WriteString("\t" + v.name + ")\n\t\tif ((COMP_CWORD == 2)); then\n\t\t\tCOMPREPLY=($(compgen -W \"" + strings.Join(names(v.sub), " ") + "\" -- \"$cur\"))\n\t\t\treturn\n\t\tfi\n\t\tverb+=\" ${COMP_WORDS[2]}\"\n\t\t;;\n")
	}
	b.WriteString("\tesac\n\tcase $verb in\n")
	for _, v := range everyVerb(a) {
		if v.sub != nil {
			continue
		}
		b.WriteString("\t\"" + v.name + "\")\n")
		var valued, all []string
		for _, f := range v.allFlags() {
			all = append(all, f.spelled()...)
			if f.value != "" {
				valued = append(valued, f.spelled()...)
			}
		}
		if v.words == "command" {
			skip := ""
			if len(valued) > 0 {
				skip = "\t\t\t" + strings.Join(valued, "|") + ") ((i++)) ;;\n"
			}
			b.WriteString("\t\tfor ((i = 2; i < COMP_CWORD; i++)); do\n\t\t\tw=${COMP_WORDS[i]}\n\t\t\tcase $w in\n" + skip +
				"\t\t\t--) ((i++)); _bailey_command $i; return ;;\n\t\t\t-*) ;;\n\t\t\t*) _bailey_command $i; return ;;\n\t\t\tesac\n\t\tdone\n")
		}
		if len(valued) > 0 {
			b.WriteString("\t\tcase $prev in\n")
			for _, f := range v.flags {
				if f.value != "" {
					b.WriteString("\t\t" + strings.Join(f.spelled(), "|") + ") " + f.values() + "; return ;;\n")
				}
			}
			b.WriteString("\t\tesac\n")
		}
		b.WriteString("\t\tif [[ $cur == -* ]]; then\n\t\t\tCOMPREPLY=($(compgen -W \"" + strings.Join(all, " ") + "\" -- \"$cur\"))\n\t\telse\n\t\t\t" + v.wordValues() + "\n\t\tfi\n\t\t;;\n")
	}
	b.WriteString(`	esac
}
_bailey_command() {
	if declare -F _comp_command_offset >/dev/null; then
		_comp_command_offset "$1"
	elif declare -F _command_offset >/dev/null; then
		_command_offset "$1"
	elif (($1 == COMP_CWORD)); then
		COMPREPLY=($(compgen -c -- "${COMP_WORDS[COMP_CWORD]}"))
	else
		COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
	fi
}
complete -o filenames -F _bailey bailey
`)
	return b.String()
}

// single quotes a string for a shell.
func single(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func zshCompletion(a *app) string {
	var b strings.Builder
	b.WriteString("#compdef bailey\n_bailey() {\n\tlocal curcontext=$curcontext state line\n\tif ((CURRENT == 2)); then\n\t\tlocal -a verbs=(\n")
	for _, e := range verbs() {
		b.WriteString("\t\t\t" + single(e.name+":"+e.make(a).short) + "\n")
	}
	b.WriteString("\t\t)\n\t\t_describe verb verbs\n\t\treturn\n\tfi\n\tlocal verb=$words[2]\n\tshift words\n\t((CURRENT--))\n\tcase $verb in\n")
	for _, e := range verbs() {
		v := e.make(a)
		b.WriteString("\t" + v.name + ")\n")
		if v.sub == nil {
			b.WriteString("\t\t" + zshArguments(v) + "\n\t\t;;\n")
			continue
		}
		b.WriteString("\t\tif ((CURRENT == 2)); then\n\t\t\tlocal -a subs=(\n")
		for _, s := range v.sub {
			b.WriteString("\t\t\t\t" + single(s.name+":"+s.make(a).short) + "\n")
		}
		b.WriteString("\t\t\t)\n\t\t\t_describe verb subs\n\t\t\treturn\n\t\tfi\n\t\tverb=$words[2]\n\t\tshift words\n\t\t((CURRENT--))\n\t\tcase $verb in\n")
		for _, s := range v.sub {
			b.WriteString("\t\t" + s.name + ") " + zshArguments(s.make(a)) + " ;;\n")
		}
		b.WriteString("\t\tesac\n\t\t;;\n")
	}
	b.WriteString("\tesac\n}\n_bailey \"$@\"\n")
	return b.String()
}

func zshArguments(v *verb) string {
	out := "_arguments -S"
	escape := strings.NewReplacer("[", `\[`, "]", `\]`, ":", `\:`).Replace
	for _, f := range v.allFlags() {
		for _, name := range f.spelled() {
			spec := name
			if f.many {
				spec = "*" + spec
			}
			spec += "[" + escape(f.help) + "]"
			if f.value != "" {
				spec += ":" + escape(f.value) + ":"
				switch {
				case len(f.offer) > 0:
					spec += "(" + strings.Join(f.offer, " ") + ")"
				case f.kind == "dir":
					spec += "_files -/"
				case f.kind == "file":
					spec += "_files"
				case f.kind == "env":
					spec += "_parameters -g \"*export*\""
				}
			}
			out += " " + single(spec)
		}
	}
	switch v.words {
	case "":
	case "command":
		out += ` '(-)1:command:_command_names -e' '*::arguments:_normal'`
	case "file":
		out += " '*:file:_files'"
	case "verb":
		out += " " + single("1:verb:("+strings.Join(names(verbs()), " ")+")")
	default:
		out += " " + single("1:word:("+v.words+")")
	}
	return out
}

func fishCompletion(a *app) string {
	var b strings.Builder
	b.WriteString("# fish completion for bailey\ncomplete -c bailey -f\n")
	top := strings.Join(names(verbs()), " ")
	for _, e := range verbs() {
		v := e.make(a)
		b.WriteString("complete -c bailey -n 'not __fish_seen_subcommand_from " + top + "' -a " + v.name + " -d " + single(v.short) + "\n")
		at := "__fish_seen_subcommand_from " + v.name
		if v.sub == nil {
			b.WriteString(fishVerb(v, at))
			continue
		}
		subs := strings.Join(names(v.sub), " ")
		for _, s := range v.sub {
			sv := s.make(a)
			b.WriteString("complete -c bailey -n '" + at + "; and not __fish_seen_subcommand_from " + subs + "' -a " + s.name + " -d " + single(sv.short) + "\n")
			b.WriteString(fishVerb(sv, at+"; and __fish_seen_subcommand_from "+s.name))
		}
	}
	return b.String()
}

func fishVerb(v *verb, at string) string {
	var b strings.Builder
	for _, f := range v.allFlags() {
		b.WriteString("complete -c bailey -n " + single(at) + " -l " + f.name)
		if f.short != "" {
			b.WriteString(" -s " + f.short)
		}
		if f.value != "" {
			b.WriteString(" -r")
			switch {
			case len(f.offer) > 0:
				b.WriteString(" -a " + single(strings.Join(f.offer, " ")))
			case f.kind == "dir":
				b.WriteString(" -a '(__fish_complete_directories)'")
			case f.kind == "file":
				b.WriteString(" -F")
			case f.kind == "env":
				b.WriteString(" -a '(set -nx)'")
			}
		}
		b.WriteString(" -d " + single(f.help) + "\n")
	}
	switch v.words {
	case "":
	case "command":
		b.WriteString("complete -c bailey -n " + single(at) + " -a '(__fish_complete_subcommand)'\n")
	case "file":
		b.WriteString("complete -c bailey -n " + single(at) + " -F\n")
	case "verb":
		b.WriteString("complete -c bailey -n " + single(at) + " -a " + single(strings.Join(names(verbs()), " ")) + "\n")
	default:
		b.WriteString("complete -c bailey -n " + single(at) + " -a " + single(v.words) + "\n")
	}
	return b.String()
}
