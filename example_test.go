//go:build linux

package bailey_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/bailey-run/bailey"
)

// project makes a directory to work in, for the examples.
func project() (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	return dir, func() { os.RemoveAll(dir) }
}

func Example() {
	dir, remove := project()
	defer remove()
	ctx := context.Background()

	// The zero Config is the safe one; Dir is the project.
	box, err := bailey.Open(ctx, bailey.Config{Dir: dir})
	if err != nil {
		log.Fatal(err)
	}
	defer box.Close()

	// Many commands, one after the other or at the same time.
	if err := box.Command(ctx, "sh", "-c", "echo hello > greeting").Run(); err != nil {
		log.Fatal(err)
	}
	out, err := box.Command(ctx, "cat", "greeting").Output()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("inside:  %s", out)

	// The project is the host's own directory.
	text, _ := os.ReadFile(filepath.Join(dir, "greeting"))
	fmt.Printf("outside: %s", text)
	// Output:
	// inside:  hello
	// outside: hello
}

// A command with a box of its own: the fastest way to run one, and nothing it
// leaves running survives it.
func ExampleCommand() {
	dir, remove := project()
	defer remove()

	cmd := bailey.Command(context.Background(), bailey.Config{Dir: dir, Mode: bailey.ReadOnly}, "touch", "file")
	cmd.Stdout = os.Stdout
	err := cmd.Run()

	var exit *exec.ExitError
	fmt.Println("exit code 1:", errors.As(err, &exit) && exit.ExitCode() == 1)
	_, err = os.Stat(filepath.Join(dir, "file"))
	fmt.Println("file exists:", err == nil)
	// Output:
	// exit code 1: true
	// file exists: false
}

// Prepare says what a box would be, without opening one.
func ExamplePrepare() {
	dir, remove := project()
	defer remove()

	plan, err := bailey.Prepare(bailey.Config{Dir: dir})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("tier:", plan.Tier())
	fmt.Println("mode:", plan.Mode())
	e := plan.Explain("notes.txt")
	fmt.Println("notes.txt:", e.Read, e.Write)
	e = plan.Explain("/etc/shadow")
	fmt.Println("/etc/shadow:", e.Read, e.Write)
	// Output:
	// tier: full
	// mode: workspace-write
	// notes.txt: true true
	// /etc/shadow: false false
}

// A program sees the environment of its box, not yours.
func ExampleBox_Environ() {
	dir, remove := project()
	defer remove()
	ctx := context.Background()
	os.Setenv("MY_TOKEN", "secret")
	defer os.Unsetenv("MY_TOKEN")

	box, err := bailey.Open(ctx, bailey.Config{Dir: dir})
	if err != nil {
		log.Fatal(err)
	}
	defer box.Close()

	cmd := box.Command(ctx, "sh", "-c", "echo token=$MY_TOKEN greeting=$GREETING")
	cmd.Env = append(box.Environ(), "GREETING=hello")
	cmd.Stdout = os.Stdout
	cmd.Run()

	cmd = box.Command(ctx, "true")
	cmd.Env = os.Environ() // as one writes with os/exec
	var denied *bailey.DeniedError
	fmt.Println("denied:", errors.As(cmd.Run(), &denied))
	// Output:
	// token= greeting=hello
	// denied: true
}

// The events of a session, as docs/events.md describes them.
func ExampleConfig_events() {
	dir, remove := project()
	defer remove()

	var types []string
	cfg := bailey.Config{Dir: dir, Events: func(e bailey.Event) { types = append(types, string(e.Type)) }}
	bailey.Command(context.Background(), cfg, "true").Run()
	fmt.Println(strings.Join(types, " "))
	// Output: session.start exec exit session.end
}

// What a box may do can be asked without opening one.
func ExamplePlan_Decide() {
	dir, remove := project()
	defer remove()
	plan, err := bailey.Prepare(bailey.Config{Dir: dir})
	if err != nil {
		log.Fatal(err)
	}
	for _, question := range [][]string{{"write", "main.go"}, {"write", ".git/hooks/pre-commit"}, {"exec", "env", "-i"}, {"env", "AWS_SECRET_ACCESS_KEY"}} {
		d := plan.Decide(question[0], question[1:]...)
		fmt.Println(d.Verdict, d.Op, d.Target)
	}
	// Output:
	// allow write main.go
	// deny write .git/hooks/pre-commit
	// allow exec env -i
	// deny env AWS_SECRET_ACCESS_KEY
}

// The rules of a policy answer for an agent's tools: before a command is run, a
// file is written, an address is fetched.
func ExamplePolicy_Check() {
	dir, remove := project()
	defer remove()
	file := filepath.Join(dir, "rules.toml")
	os.WriteFile(file, []byte("permissions.deny = [\"Bash(git push *)\"]\n"), 0o666)

	p, err := bailey.LoadPolicyFile(dir, file)
	if err != nil {
		log.Fatal(err)
	}
	d := p.Check("Bash", []byte(`{"command": "make && env A=1 git -C sub push"}`))
	fmt.Println(d.Verdict)
	for _, part := range d.Parts {
		fmt.Printf("%s %q %q\n", part.Verdict, part.Text, part.Rule)
	}
	// Output:
	// deny
	// allow "make" ""
	// deny "env A=1 git -C sub push" "Bash(git push *)"
}
