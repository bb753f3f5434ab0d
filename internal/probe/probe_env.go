//go:build linux

package probe

import (
	"os"
	"strings"
)

// envProbes look for secrets in environments.
func envProbes() []Probe {
	own := func(in *Inside) error { in.Loot([]byte(strings.Join(os.Environ(), "\n"))); return nil }
	p := func(id, name string) Probe {
		return Probe{ID: "env." + id, Severity: Boundary, Title: "read " + name + " from the environment", Why: "tokens in variables are what an attacker looks for first",
			Wall: "the environment is an allow list", Fix: "take " + name + " out of env.allow", Plant: variable(name), Attack: own, Judge: cameOut}
	}
	return []Probe{
		p("aws", "AWS_SECRET_ACCESS_KEY"),
	}
}

// variable plants the token in the sandbox's own environment.
func variable(name string) func(*Case) error {
	return func(c *Case) error {
		c.Args["variable"] = name
		c.secretEnv = append(c.secretEnv, name+"="+c.Token)
		return nil
	}
}
