package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"

	"github.com/bailey-run/bailey"
)

func shellVerb(a *app) *verb {
	o := &runOptions{}
	return &verb{
		name: "shell", args: "[flags]", short: "work in a box with your shell",
		long: `Runs $SHELL, or bash, or sh, in a box. Its prompt begins with (bailey).
Leaving the shell ends everything in the box.`,
		flags: a.runFlags(o),
		run: func(words []string) error {
			if len(words) > 0 {
				return &usageError{"bailey shell takes no command", "to run one: bailey run -- " + words[0] + " …"}
			}
			return a.runShell(o)
		},
	}
}

func (a *app) runShell(o *runOptions) error {
	if o.dryRun {
		return a.runCommand(o, nil)
	}
	announced := false
	o.config.Planned = func(p *bailey.Plan) error {
		if announced {
			return nil
		}
		announced = true
		return a.planned(o, p)
	}
	var err error
	for _, shell := range []string{os.Getenv("SHELL"), "bash", "sh"} {
		if _, known := prompts(shell); !known {
			continue // also a SHELL that is none, such as nologin
		}
		var started bool
		started, err = a.execute(o, []string{shell})
		var path *fs.PathError
		if started || !errors.Is(err, exec.ErrNotFound) && !(errors.As(err, &path) && path.Op == "exec") {
			return err
		}
	}
	return err
}

// prompts returns variables that make a shell show where it is, and whether the
// program is a shell at all. Start files inside may set the prompt again, so bash
// does it before each prompt.
func prompts(program string) (env []string, shell bool) {
	switch base(program) {
	case "bash":
		return []string{`PROMPT_COMMAND=case $PS1 in "(bailey) "*) ;; *) PS1="(bailey) $PS1";; esac`, `PS1=(bailey) \w\$ `}, true
	case "zsh":
		return []string{"PS1=(bailey) %~ %# "}, true
	case "sh", "dash", "ash", "ksh", "mksh", "busybox":
		return []string{"PS1=(bailey) $ "}, true
	case "fish":
		return nil, true // its prompt shows the host name, which is bailey
	}
	return nil, false
}
