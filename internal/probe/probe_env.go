//go:build linux

package probe

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// envProbes look for secrets in environments.
func envProbes() []Probe {
	own := func(in *Inside) error { in.Loot([]byte(strings.Join(os.Environ(), "\n"))); return nil }
	p := func(id, name, why string) Probe {
		return Probe{ID: "env." + id, Severity: Boundary, Title: "read " + name + " from the environment", Why: why,
			Wall: "the environment is an allow list", Fix: "take " + name + " out of env.allow", Plant: variable(name, ""), Attack: own, Judge: cameOut}
	}
	const (
		token = "tokens in variables are what an attacker looks for first"
		runs  = "it makes every program of its kind load code, or shows where your files lie"
	)
	// load are variables that make programs do something; their values here do no
	// harm to a program that takes them.
	load := func(id, name, before string) Probe {
		q := p(id, name, runs)
		q.Severity, q.Title, q.Plant = Hardening, "be given "+name, variable(name, before)
		return q
	}
	return []Probe{
		p("aws", "AWS_SECRET_ACCESS_KEY", token),
		p("github", "GITHUB_TOKEN", token),
		p("npm", "NPM_TOKEN", token),
		p("openai", "OPENAI_API_KEY", token),
		p("database", "DATABASE_URL", "it holds a password between two other words"),
		p("vault", "VAULT_TOKEN", token),
		p("kubeconfig", "KUBECONFIG", "it tells where the keys of your clusters lie"),
		p("password", "PGPASSWORD", token),
		p("unknown", "PROVE_SESSION_COOKIE", "no list of names knows them all"),
		p("innocent", "EDITOR_STATE", "a secret need not have a name that sounds like one"),
		p("ssh-agent", "SSH_AUTH_SOCK", "it leads to an agent that signs for you"),
		p("display", "DBUS_SESSION_BUS_ADDRESS", "it leads to everything of the desktop"),
		p("proxy", "HTTPS_PROXY", "proxies have passwords, and lead out"),
		load("bash-env", "BASH_ENV", "/nonexistent/"),
		load("node-options", "NODE_OPTIONS", "--title="),
		load("python-path", "PYTHONPATH", "/nonexistent/"),
		load("library-path", "LD_LIBRARY_PATH", "/nonexistent/"),
		{ID: "env.ancestors", Severity: Boundary, Title: "read the environment of the processes above", Why: "who starts a box has the secrets that it keeps from it", Wall: "process 1 inside has an empty environment, and what is above it is in no namespace of the box", Fix: "do not run in mode danger-full-access",
			Plant: variable("PROVE_ANCESTOR_SECRET", ""), Attack: func(in *Inside) error {
				var errs error
				pid := os.Getpid()
				for range 32 {
					if pid = parentOf(pid); pid <= 0 {
						break
					}
					errs = errors.Join(errs, lootFile(in, fmt.Sprintf("/proc/%d/environ", pid)))
				}
				return errors.Join(errs, lootFile(in, "/proc/1/environ"))
			}, Judge: cameOut},
		{ID: "env.victim", Severity: Boundary, Title: "read the environment of a process outside", Why: "your other programs have the secrets of their own work", Wall: "pid namespace, Landlock", Fix: "do not run in mode danger-full-access",
			Plant: victimCase, Attack: func(in *Inside) error { return lootFile(in, fmt.Sprintf("/proc/%d/environ", victimPID(in))) }, Judge: cameOut},
		{ID: "env.any", Severity: Boundary, Title: "read the environment of any process in /proc", Why: "one process outside is enough", Wall: "pid namespace, Landlock", Fix: "do not run in mode danger-full-access",
			Plant: victimCase, Attack: func(in *Inside) error {
				entries, err := os.ReadDir("/proc")
				if err != nil {
					return err
				}
				for _, e := range entries {
					if _, err := strconv.Atoi(e.Name()); err != nil {
						continue
					}
					for _, f := range []string{"/environ", "/task/" + e.Name() + "/environ"} {
						b, err := os.ReadFile("/proc/" + e.Name() + f)
						if err != nil {
							continue
						}
						for s := range strings.SplitSeq(string(b), "\x00") {
							if strings.HasPrefix(s, "VICTIM_SECRET=") {
								in.Loot([]byte(s + "\n"))
							}
						}
					}
				}
				return errHeld
			}, Judge: cameOut},
	}
}

// parentOf is the process above another, or 0.
func parentOf(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	rest := string(b[strings.LastIndexByte(string(b), ')')+1:])
	if f := strings.Fields(rest); len(f) > 1 {
		n, _ := strconv.Atoi(f[1])
		return n
	}
	return 0
}

// variable plants the token in the sandbox's own environment, behind a text that
// makes it harmless.
func variable(name, before string) func(*Case) error {
	return func(c *Case) error {
		c.Args["variable"] = name
		c.secretEnv = append(c.secretEnv, name+"="+before+c.Token)
		return nil
	}
}
