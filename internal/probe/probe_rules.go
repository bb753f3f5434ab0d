//go:build linux

package probe

import (
	"os"
	"os/exec"
	"path/filepath"
)

// ruleProbes hold that what a rule allows opens nothing: the box of the gate has rules
// that allow everything there is to allow, and walls as ever.
func ruleProbes() []Probe {
	const (
		why  = "a rule is advice about what an agent asks for, and an allow that lifted a wall would be a hole that nobody sees"
		wall = "decisions are made in front of the walls, and no wall asks them"
		fix  = "tell the makers of the sandbox: an allow rule must open nothing"
	)
	p := func(id, title string, plant func(*Case) error, attack func(*Inside) error, judge func(*Case, *Report) (bool, string)) Probe {
		return Probe{ID: "rules." + id, Severity: Boundary, Scene: sceneGate, OwnGate: true, Title: title, Why: why, Wall: wall, Fix: fix,
			Plant: func(c *Case) error {
				if err := c.website(); err != nil {
					return err
				}
				return plant(c)
			}, Attack: attack, Judge: judge}
	}
	sh := func(script string) func(*Inside) error {
		return func(in *Inside) error {
			c := exec.Command("/bin/sh", "-c", script, "sh", in.Args["path"], in.Self)
			out, err := c.CombinedOutput()
			in.Loot(out)
			return err
		}
	}
	protected := p("edit-protected", "change a protected file that a rule for Edit allows", func(c *Case) error {
		return c.Absent(filepath.Join(c.WS, ".git/hooks/post-checkout"))
	}, create, touched)
	protected.Dirty = true
	return []Probe{
		p("cat", "read a hidden file with a command that a rule allows", secretAt("home", ".ssh/rules-cat"), sh(`cat "$1"`), cameOut),
		p("checked", "read a hidden file with a command that was decided first", secretAt("home", ".ssh/rules-checked"), sh(`"$2" check -- "cat $1"; cat "$1"`), cameOut),
		p("read", "read a hidden file that a rule for Read allows", secretAt("home", ".aws/rules-read"), readPath, cameOut),
		p("sibling", "read a file of another project that a rule for Read allows", secretAt("sibling", "rules.env"), readPath, cameOut),
		p("edit", "change a file outside that a rule for Edit allows", targetAt("home", ".rules-profile"), overwrite, touched),
		p("edit-new", "make a file outside that a rule for Edit allows", absentAt("out", "rules-made"), create, touched),
		protected,
		p("command", "change a file outside with a command that a rule allows", targetAt("out", "rules-command"), sh(`echo x >> "$1"`), touched),
		p("fetch", "reach a host that a rule for WebFetch allows", func(*Case) error { return nil }, func(in *Inside) error {
			c, err := in.reach(siteOther, in.Args["plain"])
			if err != nil {
				return err
			}
			defer c.Close()
			return in.say(c, get(in.at(siteOther, "plain"), "/"+in.Nonce))
		}, reached),
		p("policy", "read a hidden file after writing a rule into the own home", secretAt("home", ".ssh/rules-policy"), func(in *Inside) error {
			home, err := os.UserHomeDir()
			if err == nil {
				dir := filepath.Join(home, ".config/bailey")
				os.MkdirAll(dir, 0o755)
				if _, err := os.Lstat(dir + "/config.toml"); os.IsNotExist(err) {
					os.WriteFile(dir+"/config.toml", []byte("[permissions]\nallow = [\"Bash\"]\n"), 0o644)
					defer os.Remove(dir + "/config.toml")
				}
			}
			return sh(`"$2" check -- "cat $1"; "$2" run --read "$1" -- cat "$1"; cat "$1"`)(in)
		}, cameOut),
	}
}
