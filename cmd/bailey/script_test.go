package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/linux"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (strings.HasPrefix(os.Args[1], "prove-") || strings.HasSuffix(os.Args[0], ".test") && !strings.HasPrefix(os.Args[1], "-")) {
		os.Exit(realMain(os.Args[1:])) // what bailey runs of itself, whatever it is called
	}
	if shimName(os.Args[0]) != "" {
		os.Exit(realMain(os.Args[1:])) // a link to the program, as agent install shim makes it
	}
	testscript.Main(tidy{m}, map[string]func(){
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

// tidy runs the tests and removes what program has built.
type tidy struct{ *testing.M }

func (m tidy) Run() int {
	defer func() { os.RemoveAll(built) }()
	return m.M.Run()
}

// built is the directory of the program under test, or empty.
var built string

var buildProgram = sync.OnceValues(func() (string, error) {
	var err error
	if built, err = os.MkdirTemp("", "bailey-test"); err != nil {
		return "", err
	}
	bin := filepath.Join(built, "bailey")
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is released
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build bailey: %w\n%s", err, out)
	}
	return bin, nil
})

// program is bailey as it is released, built once. Most tests run their own binary by
// that name instead; it links more, and may have a race detector.
func program(t *testing.T) string {
	t.Helper()
	bin, err := buildProgram()
	if err != nil {
		t.Fatal(err)
	}
	return bin
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
			if v, set := os.LookupEnv("GORACE"); set {
				env.Setenv("GORACE", v)
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
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// expand writes the script's directory into files, in place of @WORK@.
			"expand": func(ts *testscript.TestScript, _ bool, files []string) {
				for _, f := range files {
					text := strings.ReplaceAll(ts.ReadFile(f), "@WORK@", ts.Getenv("WORK"))
					ts.Check(os.WriteFile(ts.MkAbs(f), []byte(text), 0o666))
				}
			},
			// pick takes the string at a path out of the JSON that was printed last, and
			// writes it to a file.
			"pick": func(ts *testscript.TestScript, _ bool, args []string) {
				printed := ts.ReadFile("stdout")
				var v any
				ts.Check(json.Unmarshal([]byte(printed), &v))
				for key := range strings.SplitSeq(args[0], ".") {
					switch in := v.(type) {
					case map[string]any:
						v = in[key]
					case []any:
						i, err := strconv.Atoi(key)
						ts.Check(err)
						v = in[i]
					}
				}
				text, ok := v.(string)
				if !ok {
					ts.Fatalf("no string at %s of %s", args[0], printed)
				}
				ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o666))
			},
		},
		RequireUniqueNames: true,
	})
}

// walls says whether this machine can hold tier full.
func walls() bool {
	tier, _, _ := reachable(linux.Probe(os.TempDir()))
	return tier == bailey.TierFull
}
