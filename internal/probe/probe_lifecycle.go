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
const lifecycleLimit = 20 * time.Second

// lifecycleProbes let package managers run what a package brings along, which then
// attacks: it reads a secret of the home directory and writes outside.
func lifecycleProbes() []Probe {
	p := func(id, program, title string, files map[string]string, args ...string) Probe {
		return Probe{ID: "lifecycle." + id, Severity: Boundary, Title: title, Why: "a dependency's scripts run with your rights, unseen", Wall: "the same walls as for everything inside", Fix: "see the probes of the category files",
			Needs: needProgram(program), MayLack: true, Limit: lifecycleLimit,
			Plant: func(c *Case) error {
				dir := c.own(c.WS)
				for name, text := range files {
					if err := c.write(filepath.Join(dir, name), text); err != nil {
						return err
					}
				}
				if err := c.write(filepath.Join(dir, "evil.sh"), "cat \"$PROVE_SECRET\" > loot\necho evil > \"$PROVE_TARGET\"\n: > ran\n"); err != nil {
					return err
				}
				c.Watch(c.own(c.Out))
				c.Args["at"], c.Args["target"] = dir, c.own(c.Out)
				return c.Secret(c.own(c.Home))
			},
			Attack: func(in *Inside) error {
				path, err := exec.LookPath(program)
				if err != nil {
					return in.Lack(program)
				}
				c := exec.Command(path, args...)
				c.Dir = in.Args["at"]
				c.Env = append(os.Environ(), "PROVE_SECRET="+in.Args["path"], "PROVE_TARGET="+in.Args["target"])
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
			},
			Judge: either(cameOut, touched)}
	}
	return []Probe{
		p("npm-postinstall", "npm", "read a secret from a postinstall script of npm", map[string]string{
			"package.json": `{"name":"prove","version":"1.0.0","scripts":{"postinstall":"sh ./evil.sh"}}` + "\n",
		}, "install", "--offline", "--no-audit", "--no-fund", "--loglevel=error"),
		p("make", "make", "read a secret from a Makefile", map[string]string{"Makefile": "all:\n\tsh ./evil.sh\n"}),
	}
}
