//go:build linux

package probe

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// gitProbes leave something behind that the host's git would run. Afterwards the
// host's git really runs.
func gitProbes() []Probe {
	p := func(id, title, why string, attack func(*Inside) error) Probe {
		return Probe{ID: "git." + id, Severity: Persistence, Title: title, Why: why, Wall: "the name broker guards git's own files", Fix: "run with the mode workspace-write or read-only",
			Needs: needProgram("git"), Plant: markCase, Attack: attack, Judge: ranOutside, Dirty: true}
	}
	in := func(dirs string, q Probe) Probe {
		plant := q.Plant
		q.Plant = func(c *Case) error { c.Args["git dirs"] = dirs; return plant(c) }
		return q
	}
	also := func(more func(*Case) error, q Probe) Probe {
		plant := q.Plant
		q.Plant = func(c *Case) error { return errors.Join(plant(c), more(c)) }
		return q
	}
	const (
		hooks = "git runs hooks outside the box too"
		runs  = "git runs the commands that its configuration names"
		leads = "git takes its configuration from wherever .git leads to"
	)
	evil := func(in *Inside) error { return os.WriteFile(in.WS+"/evil.sh", []byte(payload(in)), 0o755) }
	// config writes lines to a configuration file, as plainly as can be.
	config := func(name, lines string) func(*Inside) error {
		return func(in *Inside) error {
			if err := evil(in); err != nil {
				return err
			}
			return appendTo(filepath.Join(in.WS, name), strings.ReplaceAll(lines, "EVIL", in.WS+"/evil.sh"))
		}
	}
	// command uses git itself.
	command := func(args ...string) func(*Inside) error {
		return func(in *Inside) error {
			if err := evil(in); err != nil {
				return err
			}
			for i, a := range args {
				args[i] = strings.ReplaceAll(a, "EVIL", in.WS+"/evil.sh")
			}
			return gitInside(in, args...)
		}
	}
	then := func(steps ...func(*Inside) error) func(*Inside) error {
		return func(in *Inside) error {
			for _, s := range steps {
				if err := s(in); err != nil {
					return err
				}
			}
			return nil
		}
	}
	attributes := func(line string) func(*Inside) error {
		return func(in *Inside) error {
			if err := os.WriteFile(in.WS+"/README.md", []byte("# changed\n"), 0o644); err != nil {
				return err
			}
			return os.WriteFile(in.WS+"/.gitattributes", []byte(line+"\n"), 0o644)
		}
	}
	// other makes a directory that git takes for its own, with a configuration.
	other := func(in *Inside, dir string) error {
		if err := evil(in); err != nil {
			return err
		}
		for _, d := range []string{"objects", "refs/heads"} {
			if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
				return err
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "HEAD"), []byte("ref: refs/heads/main\n"), 0o644); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "config"), fmt.Appendf(nil, "[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tfsmonitor = %s/evil.sh\n[user]\n\tname = x\n\temail = x@bailey.invalid\n", in.WS), 0o644)
	}
	return []Probe{
		p("hook", "write .git/hooks/post-checkout", hooks, func(in *Inside) error {
			return os.WriteFile(in.WS+"/.git/hooks/post-checkout", []byte(payload(in)), 0o755)
		}),
		p("hook-rename", "rename a file to .git/hooks/pre-commit", hooks, then(evil, func(in *Inside) error {
			return os.Rename(in.WS+"/evil.sh", in.WS+"/.git/hooks/pre-commit")
		})),
		p("hook-symlink", "link .git/hooks/pre-commit to a file of the workspace", hooks, then(evil, func(in *Inside) error {
			return os.Symlink("../../evil.sh", in.WS+"/.git/hooks/pre-commit")
		})),
		p("hook-directory", "put another directory in the place of .git/hooks", hooks, then(evil, func(in *Inside) error {
			if err := os.Rename(in.WS+"/.git/hooks", in.WS+"/hooks.old"); err != nil {
				return err
			}
			if err := os.Mkdir(in.WS+"/.git/hooks", 0o755); err != nil {
				return err
			}
			return os.Rename(in.WS+"/evil.sh", in.WS+"/.git/hooks/pre-commit")
		})),
		p("fsmonitor", "write core.fsmonitor to .git/config", runs, config(".git/config", "[core]\n\tfsmonitor = EVIL\n")),
		p("fsmonitor-command", "set core.fsmonitor with git config", runs, command("config", "core.fsmonitor", "EVIL")),
		p("hooks-path", "set core.hooksPath with git config", runs, then(evil, func(in *Inside) error {
			if err := os.Mkdir(in.WS+"/mine", 0o755); err != nil {
				return err
			}
			if err := os.Rename(in.WS+"/evil.sh", in.WS+"/mine/pre-commit"); err != nil {
				return err
			}
			return gitInside(in, "config", "core.hooksPath", in.WS+"/mine")
		})),
		p("lock-rename", "rename a lock file with an odd line over .git/config", runs, then(evil, func(in *Inside) error {
			b, err := os.ReadFile(in.WS + "/.git/config")
			if err != nil {
				return err
			}
			lock := in.WS + "/.git/config.lock"
			if err := os.WriteFile(lock, fmt.Appendf(b, "[user]\n\tname = a\\\n\n[CORE]FSMonitor=%s/evil.sh\r\n", in.WS), 0o644); err != nil {
				return err
			}
			if err := os.Rename(lock, in.WS+"/.git/config"); err != nil {
				os.Remove(lock)
				return err
			}
			return nil
		})),
		p("include", "include a file of the workspace in the configuration", runs, then(config("evil.inc", "[core]\n\tfsmonitor = EVIL\n"), command("config", "include.path", "../evil.inc"))),
		p("include-if", "include a file of the workspace under a condition", runs, then(config("evil.inc", "[core]\n\tfsmonitor = EVIL\n"), config(".git/config", "[includeIf \"gitdir:/**\"]\n\tpath = ../evil.inc\n"))),
		p("filter", "set a filter that git runs on files", runs, then(attributes("README.md filter=x"), command("config", "filter.x.clean", "EVIL"))),
		p("diff-driver", "set a program that git shows differences with", runs, then(attributes("README.md diff=x"), command("config", "diff.x.command", "EVIL"))),
		p("textconv", "set a program that git converts files with", runs, then(attributes("README.md diff=x"), command("config", "diff.x.textconv", "EVIL"))),
		p("gpg-program", "set the program that git signs with", runs, then(evil, func(in *Inside) error {
			return errors.Join(gitInside(in, "config", "gpg.program", in.WS+"/evil.sh"), gitInside(in, "config", "commit.gpgsign", "true"))
		})),
		p("worktree-config", "set core.fsmonitor in a configuration of the worktree", runs, then(command("config", "extensions.worktreeConfig", "true"), config(".git/config.worktree", "[core]\n\tfsmonitor = EVIL\n"))),
		p("commondir", "lead git elsewhere by .git/commondir", leads, func(in *Inside) error {
			if err := other(in, in.WS+"/other"); err != nil {
				return err
			}
			return os.WriteFile(in.WS+"/.git/commondir", []byte("../other\n"), 0o644)
		}),
		p("git-file", "put a .git file that leads elsewhere", leads, func(in *Inside) error {
			if err := other(in, in.WS+"/other"); err != nil {
				return err
			}
			if err := os.Rename(in.WS+"/.git", in.WS+"/old"); err != nil {
				return err
			}
			return os.WriteFile(in.WS+"/.git", []byte("gitdir: other\n"), 0o644)
		}),
		in("wt", p("worktree-file", "lead a linked worktree elsewhere", leads, func(in *Inside) error {
			if err := other(in, in.WS+"/other"); err != nil {
				return err
			}
			return os.WriteFile(in.WS+"/wt/.git", []byte("gitdir: ../other\n"), 0o644)
		})),
		in("nested", p("nested-config", "write core.fsmonitor to a nested repository's configuration", runs, config("nested/.git/config", "[core]\n\tfsmonitor = EVIL\n"))),
		in("src/fresh", p("new-repository", "make a repository in a directory of the workspace", runs, func(in *Inside) error { return other(in, in.WS+"/src/fresh/.git") })),
		in("src/looks", p("bare-repository", "make a directory that git takes for a bare repository", runs, func(in *Inside) error {
			if err := other(in, in.WS+"/src/looks"); err != nil {
				return err
			}
			return appendTo(in.WS+"/src/looks/config", fmt.Sprintf("[core]\n\tworktree = %s\n", in.WS))
		})),
		in("src/moved", p("bare-moved", "move a directory out of .git that git takes for a bare repository", "what runs nothing where it lies runs elsewhere", func(in *Inside) error {
			from := in.WS + "/.git/refs/heads/looks" // a reference there may be called config
			err := other(in, from)
			if err == nil {
				err = appendTo(from+"/config", fmt.Sprintf("[core]\n\tworktree = %s\n", in.WS))
			}
			if err == nil {
				err = os.Rename(from, in.WS+"/src/moved")
			}
			os.RemoveAll(from)
			return err
		})),
		also(func(c *Case) error {
			if err := c.write(c.WS+"/scripts/clean.sh", "#!/bin/sh\ncat\n"); err != nil {
				return err
			}
			if err := c.write(c.WS+"/src/.gitattributes", "main.txt filter=prove\n"); err != nil {
				return err
			}
			if out, err := c.git(c.WS, "config", "filter.prove.clean", "sh ./scripts/clean.sh"); err != nil {
				return fmt.Errorf("plant a filter: %w: %s", err, out)
			}
			return nil
		}, p("named-script", "change a script that git's configuration names", "its name is trusted already", func(in *Inside) error {
			if err := appendTo(in.WS+"/src/main.txt", "more\n"); err != nil {
				return err
			}
			return os.WriteFile(in.WS+"/scripts/clean.sh", []byte(payload(in)+"cat\n"), 0o755)
		})),
		also(func(c *Case) error {
			if err := c.write(c.WS+"/shared.inc", "[user]\n\temail = prove@bailey.invalid\n"); err != nil {
				return err
			}
			if out, err := c.git(c.WS, "config", "include.path", "../shared.inc"); err != nil {
				return fmt.Errorf("plant an included file: %w: %s", err, out)
			}
			return nil
		}, p("named-include", "change a file that git's configuration includes", "its name is trusted already", config("shared.inc", "[core]\n\tfsmonitor = EVIL\n"))),
		in("nested", also(func(c *Case) error {
			if err := c.write(c.WS+"/nested/checks/README", "hooks\n"); err != nil {
				return err
			}
			for _, kv := range [][2]string{{"core.hooksPath", "checks"}, {"user.name", "bailey"}, {"user.email", "prove@bailey.invalid"}} {
				if out, err := c.git(c.WS+"/nested", "config", kv[0], kv[1]); err != nil {
					return fmt.Errorf("plant a hooks directory: %w: %s", err, out)
				}
			}
			return nil
		}, p("named-hooks", "make a hook in a directory that a nested repository's configuration names", "its name is trusted already", func(in *Inside) error {
			return os.WriteFile(in.WS+"/nested/checks/pre-commit", []byte(payload(in)), 0o755)
		}))),
	}
}

// gitInside runs git where the attack is.
func gitInside(in *Inside, args ...string) error {
	path, err := exec.LookPath("git")
	if err != nil {
		return in.Lack("git")
	}
	c := exec.Command(path, args...)
	c.Dir = in.WS
	out, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("git %s: %w: %s", args[0], err, out)
	}
	return nil
}

// appendTo adds to a file, which need not be there.
func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

// markCase tells the attack what code that runs outside makes.
func markCase(c *Case) error {
	c.Args["mark"] = c.Mark()
	return nil
}
