//go:build linux

package probe

import (
	"fmt"
	"os"
	"path/filepath"
)

// secondProbes leave something in a first run for a second one.
func secondProbes() []Probe {
	p := func(id, title, why, wall string, plant func(*Case) error, first, second func(*Inside) error, judge func(*Case, *Report) (bool, string)) Probe {
		return Probe{ID: "second-run." + id, Severity: Boundary, Scene: sceneSecond, Title: title, Why: why, Wall: wall, Fix: "remove what the first run has left",
			Plant: plant, Attack: first, Again: second, Judge: judge}
	}
	const (
		noLink = "the set-up resolves no link of the workspace"
		follow = "the next run's set-up must not follow it"
		grants = "the next box would be opened with it"
	)
	// link leaves a link in the place of a directory that set-ups know.
	link := func(id, name string) Probe {
		return p(id, "leave a link in place of "+name+" that leads out", follow, noLink, func(c *Case) error { return c.Absent(c.own(c.Out)) },
			func(in *Inside) error {
				path := filepath.Join(in.WS, name)
				os.MkdirAll(filepath.Dir(path), 0o755)
				return os.Symlink(in.Out, path)
			},
			func(in *Inside) error {
				return os.WriteFile(filepath.Join(in.WS, name, filepath.Base(in.Args["path"])), []byte("made"), 0o644)
			}, touched)
	}
	// policy leaves a policy file that gives a directory outside.
	policy := func(id, title string, path func(*Inside) string) Probe {
		return p(id, title, grants, "protected names, and a project's policy counts when a person has trusted it", func(c *Case) error { return c.Absent(filepath.Join(c.own(c.Out), "made")) },
			func(in *Inside) error {
				name := path(in)
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					return err
				}
				return os.WriteFile(name, fmt.Appendf(nil, "[files]\nwrite = [%q]\n", in.Out), 0o644)
			},
			func(in *Inside) error { return os.WriteFile(in.Args["path"], []byte("made"), 0o644) }, touched)
	}
	// leads leaves a file of git that leads to a directory outside, which a set-up
	// might open for git's sake.
	leads := func(id, title, name, text string) Probe {
		return p(id, title, "a set-up that opens git's directories opens what the file names", "a .git file is believed only when the git directory points back", func(c *Case) error {
			dir := c.own(c.Out)
			for _, d := range []string{"objects", "refs"} {
				if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
					return err
				}
			}
			if err := c.write(filepath.Join(dir, "HEAD"), "ref: refs/heads/main\n"); err != nil {
				return err
			}
			c.Args["dir"] = dir
			return c.Absent(filepath.Join(dir, "made"))
		}, func(in *Inside) error {
			path := filepath.Join(in.WS, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
			return os.WriteFile(path, fmt.Appendf(nil, text, in.Args["dir"]), 0o644)
		}, func(in *Inside) error { return os.WriteFile(in.Args["path"], []byte("made"), 0o644) }, touched)
	}
	// stays leaves a file that only the second run can find.
	stays := func(id, title string, plant func(*Case) error, path func(*Inside) string) Probe {
		q := p(id, title, "a program that lies on the path of the next run is run by it", "HOME and /tmp are new for each run", plant, func(in *Inside) error {
			if err := os.MkdirAll(filepath.Dir(path(in)), 0o755); err != nil {
				return err
			}
			return os.WriteFile(path(in), []byte(in.Nonce), 0o755)
		}, func(in *Inside) error { return lootFile(in, path(in)) }, func(c *Case, r *Report) (bool, string) {
			c.Token = c.Nonce
			return cameOut(c, r)
		})
		q.Severity = Persistence
		return q
	}
	return []Probe{
		link("node-modules-link", "node_modules"),
		link("venv-link", ".venv"),
		link("target-link", "target"),
		link("cache-link", ".cache"),
		policy("policy", "leave a policy of the project that gives more", func(in *Inside) string { return in.WS + "/bailey.toml" }),
		policy("local-policy", "leave a local policy that gives more", func(in *Inside) string { return in.WS + "/.bailey/local.toml" }),
		policy("user-policy", "leave a policy of the user that gives more", func(in *Inside) string { return in.Home + "/.config/bailey/config.toml" }),
		leads("git-file", "leave a .git file that leads out", "src/sub/.git", "gitdir: %s\n"),
		leads("commondir", "leave a .git/commondir that leads out", ".git/commondir", "%s\n"),
		leads("worktree", "leave a linked worktree that leads out", "wt/.git", "gitdir: %s\n"),
		leads("alternates", "leave alternates that lead out", ".git/objects/info/alternates", "%s/objects\n"),
		p("hooks-link", "leave a link in place of a protected directory that leads out", "a set-up that mounts something there mounts it outside", noLink, func(c *Case) error { return c.Absent(c.own(c.Out)) },
			func(in *Inside) error { return os.Symlink(in.Out, filepath.Join(in.WS, ".husky")) },
			func(in *Inside) error {
				return os.WriteFile(filepath.Join(in.WS, ".husky", filepath.Base(in.Args["path"])), []byte("made"), 0o644)
			}, touched),
		stays("home-program", "leave a program in HOME for the next run", nil, func(in *Inside) string {
			home, err := os.UserHomeDir()
			if err != nil {
				home = in.Home
			}
			return home + "/.local/bin/prove-" + in.Args["name"]
		}).named(),
		stays("tmp-program", "leave a program in /tmp for the next run", (*Case).NoHostTmp, func(in *Inside) string { return in.Args["path"] }),
	}
}

// named gives the attack a name of its own in both runs: Args["name"].
func (p Probe) named() Probe {
	p.Plant = func(c *Case) error { c.Args["name"] = random(4); return nil }
	return p
}
