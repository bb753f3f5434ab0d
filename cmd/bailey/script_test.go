package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/linux"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"bailey": func() { os.Exit(realMain(os.Args[1:])) },
		// weak runs a command on a machine without user namespaces.
		"weak": func() { weak(os.Args[1:]) },
		// code runs a command and prints its exit code, so that scripts can tell
		// one failure from another.
		"code": func() {
			cmd := exec.Command(os.Args[1], os.Args[2:]...)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
			if err := cmd.Run(); cmd.ProcessState == nil {
				fmt.Println(err)
			}
			fmt.Println("exit", cmd.ProcessState.ExitCode())
		},
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			for _, kind := range []string{"STATE", "CONFIG", "CACHE"} {
				dir := filepath.Join(env.WorkDir, ".xdg", kind)
				if err := os.MkdirAll(dir, 0o700); err != nil {
					return err
				}
				env.Setenv("XDG_"+kind+"_HOME", dir)
			}
			env.Setenv("TERM", "xterm")
			env.Setenv("SHELL", "/bin/sh")
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "walls":
				return walls(), nil
			case "root":
				return os.Getuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		RequireUniqueNames: true,
	})
}

// walls says whether this machine can hold tier full.
func walls() bool {
	tier, _, _ := reachable(linux.Probe(os.TempDir()))
	return tier == bailey.TierFull
}
