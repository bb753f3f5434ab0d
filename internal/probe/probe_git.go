//go:build linux

package probe

import "os"

// gitProbes leave something behind that the host's git would run.
func gitProbes() []Probe {
	p := func(id, title, why string, attack func(*Inside) error) Probe {
		return Probe{ID: "git." + id, Severity: Persistence, Title: title, Why: why, Wall: "the name broker guards git's own files", Fix: "run with the mode workspace-write or read-only",
			Needs: needProgram("git"), Plant: markCase, Attack: attack, Judge: ranOutside, Dirty: true}
	}
	return []Probe{
		p("hook", "write .git/hooks/post-checkout", "git runs hooks outside the box too", func(in *Inside) error {
			return os.WriteFile(in.WS+"/.git/hooks/post-checkout", []byte(payload(in)), 0o755)
		}),
	}
}

// markCase tells the attack what code that runs outside makes.
func markCase(c *Case) error {
	c.Args["mark"] = c.Mark()
	return nil
}
