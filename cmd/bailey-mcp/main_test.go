//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bailey-run/bailey"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// serveArg makes the test binary the server.
const serveArg = "serve"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == serveArg {
		os.Exit(Main(os.Args[2:]))
	}
	if filepath.Base(os.Args[0]) == "bailey-mcp" {
		os.Exit(Main(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// long is far more than anything here takes on a busy machine.
const long = time.Minute

// place is a project and what lies outside it.
type place struct {
	dir     string // the project
	outside string // a directory beside it
	key     string // a file there that no box may read
}

// newPlace makes them, and skips where no box can be made.
func newPlace(t *testing.T, policy string) place {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := place{dir: filepath.Join(root, "work"), outside: filepath.Join(root, "outside")}
	p.key = filepath.Join(p.outside, "key")
	for _, dir := range []string{p.dir, p.outside, filepath.Join(root, "config/bailey"), filepath.Join(root, "state"), filepath.Join(root, "cache")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	put(t, p.key, "PLANTED-KEY")
	put(t, filepath.Join(root, "config/bailey/config.toml"), policy)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(root, "config"))
	t.Setenv("XDG_STATE_HOME", filepath.Join(root, "state"))
	t.Setenv("XDG_CACHE_HOME", filepath.Join(root, "cache"))
	if _, err := bailey.Prepare(bailey.Config{Dir: p.dir}); errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	return p
}

func put(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// server is the program, not yet started.
func (p place) server(t *testing.T) *exec.Cmd {
	t.Helper()
	order, err := json.Marshal(map[string]any{"Version": bailey.Version(), "Config": map[string]any{"Dir": p.dir}})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], serveArg, string(order))
	cmd.Stderr = os.Stderr
	return cmd
}

// connect starts the server with the SDK's own client.
func (p place) connect(t *testing.T, options *mcp.ClientOptions) *mcp.ClientSession {
	t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, options)
	cs, err := client.Connect(t.Context(), &mcp.CommandTransport{Command: p.server(t)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cs.Close() })
	return cs
}

// call calls a tool and returns its text.
func call(t *testing.T, cs *mcp.ClientSession, tool string, args map[string]any) (text string, failed bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	res, err := cs.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: args})
	if err != nil {
		t.Fatalf("%s %v: %v", tool, args, err)
	}
	return textOf(res), res.IsError
}

func textOf(res *mcp.CallToolResult) string {
	var b strings.Builder
	for _, c := range res.Content {
		if t, ok := c.(*mcp.TextContent); ok {
			b.WriteString(t.Text + "\n")
		}
	}
	return b.String()
}

func TestTools(t *testing.T) {
	p := newPlace(t, "[permissions]\ndeny = [{rule = \"Bash(git push *)\", reason = \"people push\"}, \"Read(secret.txt)\"]\n")
	put(t, filepath.Join(p.dir, "secret.txt"), "by rule")
	put(t, filepath.Join(p.dir, "lines"), "one\ntwo\nthree\nfour\n")
	put(t, filepath.Join(p.dir, "binary"), "a\x00b")
	for name, to := range map[string]string{"link": p.key, "dir": p.outside, "rule-link": "secret.txt"} {
		if err := os.Symlink(to, filepath.Join(p.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(p.dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	cs := p.connect(t, nil)
	tools, err := cs.ListTools(t.Context(), nil)
	if err != nil || len(tools.Tools) != 3 {
		t.Fatalf("%v tools, %v", tools, err)
	}
	args := func(kv ...any) map[string]any {
		m := map[string]any{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i].(string)] = kv[i+1]
		}
		return m
	}
	for _, c := range []struct {
		name, tool string
		args       map[string]any
		want       string
		fails      bool
	}{
		{"a command", "shell", args("command", "echo hello; pwd"), "hello\n" + p.dir, false},
		{"its exit code", "shell", args("command", "exit 7"), "exit code 7", true},
		{"both streams", "shell", args("command", "echo no >&2; true"), "no\n", false},
		{"a directory", "shell", args("command", "pwd", "cwd", "/usr"), "/usr", false},
		{"a directory that is not there", "shell", args("command", "pwd", "cwd", "nowhere"), "nowhere", true},
		{"a timeout", "shell", args("command", "sleep 1000", "timeout", 1), "timeout of 1 seconds", true},
		{"a timeout that is none", "shell", args("command", "true", "timeout", -1), "must be 1 to", true},
		{"something in the background", "shell", args("command", "sleep 1000 & echo started"), "in the background", false},
		{"too much output", "shell", args("command", "echo first; head -c 300000 /dev/zero | tr '\\0' x; echo last"), "bytes left out", false},
		{"a signal", "shell", args("command", "kill -TERM $$"), "exit code 143", true},
		{"nothing", "shell", args("command", " "), "empty", true},
		{"a rule", "shell", args("command", "cd . && env X=1 git push origin"), "people push", true},
		{"the key, by a command", "shell", args("command", "cat "+p.key+" link dir/key"), "No such file", true},
		{"the key, by its name", "read", args("path", p.key), "No such file", true},
		{"the key, by a link", "read", args("path", "link"), "No such file", true},
		{"the key, by a directory", "read", args("path", "dir/key"), "No such file", true},
		{"the key, by climbing", "read", args("path", "../outside/key"), "No such file", true},
		{"the way to read it", "read", args("path", p.key), "--read", true},
		{"a rule for a file", "read", args("path", "secret.txt"), "denied", true},
		{"the same by a link", "read", args("path", "rule-link"), "denied", true},
		{"the server's environment", "shell", args("command", "tr '\\0' '\\n' < /proc/1/environ | grep XDG_STATE_HOME"), "exit code", true},
		{"a file", "read", args("path", "lines"), "one\ntwo\nthree\nfour\n", false},
		{"some lines", "read", args("path", "lines", "offset", 2, "limit", 2), "two\nthree\n\nline 3 is the last", false},
		{"lines behind the end", "read", args("path", "lines", "offset", 9), "ends at line 4", false},
		{"a directory as a file", "read", args("path", "."), "directory", true},
		{"a file without end", "read", args("path", "/dev/zero", "limit", 1), "binary", false},
		{"bytes that are no text", "read", args("path", "binary"), "binary", false},
		{"no path", "read", args("path", ""), "empty", true},
		{"a NUL", "read", args("path", "a\x00b"), "NUL", true},
		{"a dash", "write", args("path", "-", "content", "x"), "wrote 1 bytes", false},
		{"a new file", "write", args("path", "new/deep/$(touch hacked)`touch hacked`'\".txt", "content", "text\n"), "wrote 5 bytes", false},
		{"writing outside", "write", args("path", p.key, "content", "x"), "hint", true},
		{"writing through a link", "write", args("path", "link", "content", "x"), "", true},
		{"writing through a directory", "write", args("path", "dir/new", "content", "x"), "", true},
		{"a protected name", "write", args("path", ".vscode/tasks.json", "content", "{}"), "hint", true},
		{"a git hook", "write", args("path", ".git/hooks/pre-commit", "content", "x"), "denied", true},
		{"bailey's own policy", "write", args("path", "bailey.toml", "content", ""), "denied", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, failed := call(t, cs, c.tool, c.args)
			if failed != c.fails || !strings.Contains(text, c.want) {
				t.Errorf("failed %v, want %v:\n%.2000s\nwant %q", failed, c.fails, text, c.want)
			}
			if strings.Contains(text, "PLANTED") {
				t.Error("the key was read")
			}
		})
	}
	for _, name := range []string{"hacked", ".vscode/tasks.json", ".git", "bailey.toml"} {
		if _, err := os.Lstat(filepath.Join(p.dir, name)); err == nil {
			t.Errorf("%s was made", name)
		}
	}
	if key, _ := os.ReadFile(p.key); string(key) != "PLANTED-KEY" {
		t.Errorf("the key is now %q", key)
	}
	if _, err := os.Lstat(filepath.Join(p.outside, "new")); err == nil {
		t.Error("a file was made outside")
	}
	if text, failed := call(t, cs, "shell", args("command", "touch hacked", "comand", "x")); !failed {
		t.Errorf("an unknown argument is passed over: %q", text)
	}
	// Without the wall, what the tests attempt succeeds.
	if out, err := exec.Command("sh", "-c", "cd "+p.dir+" && cat link dir/key").Output(); err != nil || !strings.Contains(string(out), "PLANTED") {
		t.Errorf("outside the key is not read either: %q, %v", out, err)
	}
}

// A file that a box swaps for a link while it is read or written is resolved
// inside, by a program inside.
func TestSwap(t *testing.T) {
	p := newPlace(t, "")
	put(t, filepath.Join(p.dir, "file"), "harmless")
	cs := p.connect(t, nil)
	call(t, cs, "shell", map[string]any{"command": "(while :; do ln -sf " + p.key + " x; mv -f x file; echo harmless > y; mv -f y file; done) >/dev/null 2>&1 &"})
	for range 50 {
		if text, _ := call(t, cs, "read", map[string]any{"path": "file"}); strings.Contains(text, "PLANTED") {
			t.Fatal("the key was read")
		}
		call(t, cs, "write", map[string]any{"path": "file", "content": "OVERWRITTEN"})
	}
	if key, _ := os.ReadFile(p.key); string(key) != "PLANTED-KEY" {
		t.Errorf("the key is now %q", key)
	}
}

// bailey mcp becomes the server, with its flags, when it lies beside it.
func TestVerb(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "../bailey")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p := newPlace(t, "") // afterwards: it moves Go's build cache, too
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "bailey-mcp"), self, 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(p.dir, "hidden"), "SECRET")
	cmd := exec.Command(filepath.Join(bin, "bailey"), "mcp", "--chdir", p.dir, "--read", p.outside, "--deny", "hidden", "--setenv", "FLAG=set", "--quiet")
	cmd.Stderr = os.Stderr
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	cs, err := client.Connect(t.Context(), &mcp.CommandTransport{Command: cmd}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cs.Close() })
	text, _ := call(t, cs, "shell", map[string]any{"command": "echo $FLAG; cat " + p.key + " hidden"})
	if !strings.HasPrefix(text, "set\nPLANTED-KEY") || strings.Contains(text, "SECRET") {
		t.Errorf("the flags do not hold: %q", text)
	}
	// What the program cannot be is an error, and not a box with less.
	for _, arg := range [][]string{{"--mode", "read-only"}, {`{"Version":"other","Config":{}}`}, {`{"Config":{"Raed":["x"]}}`}, {"{"}, {`{} {}`}} {
		out, err := exec.Command(filepath.Join(bin, "bailey-mcp"), arg...).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 125 || !strings.Contains(string(out), "bailey: error: ") {
			t.Errorf("%q: %v, %s", arg, err, out)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	p := newPlace(t, "")
	cs := p.connect(t, nil)
	var all sync.WaitGroup
	// Each waits for all others, so that they have to run at the same time.
	const n = 20
	for i := range n {
		all.Go(func() {
			text, failed := call(t, cs, "shell", map[string]any{"command": fmt.Sprintf("echo > there-%d; until [ $(ls | grep -c there-) = %d ]; do sleep 0.05; done; echo call-%d", i, n, i), "timeout": 60})
			if failed || text != fmt.Sprintf("call-%d\n\n", i) {
				t.Errorf("call %d: %q", i, text)
			}
		})
	}
	all.Wait()
}

func TestCancel(t *testing.T) {
	p := newPlace(t, "")
	heard := make(chan string, 100)
	cs := p.connect(t, &mcp.ClientOptions{ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
		select {
		case heard <- r.Params.Message:
		default:
		}
	}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		params := &mcp.CallToolParams{Name: "shell", Arguments: map[string]any{"command": "echo > running; sleep 7771; echo > survived", "timeout": 3600}}
		params.SetProgressToken("token")
		_, err := cs.CallTool(ctx, params)
		ended <- err
	}()
	wait(t, "the command to run", func() bool { _, err := os.Stat(filepath.Join(p.dir, "running")); return err == nil })
	select {
	case m := <-heard:
		if !strings.Contains(m, "running for") {
			t.Errorf("progress says %q", m)
		}
	case <-time.After(long):
		t.Error("no progress was told")
	}
	cancel()
	if err := <-ended; err == nil {
		t.Error("a cancelled call has a result")
	}
	// The shell and what it waited for are gone; the box lives.
	wait(t, "the command to end", func() bool {
		text, _ := call(t, cs, "shell", map[string]any{"command": `for p in /proc/[0-9]*; do [ "$(tr '\0' ' ' 2>/dev/null <$p/cmdline)" = "sleep 7771 " ] && echo $p; done`})
		return !strings.Contains(text, "/proc/")
	})
	if _, err := os.Stat(filepath.Join(p.dir, "survived")); err == nil {
		t.Error("the shell went on")
	}
}

func wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(long); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited for %s", what)
		}
	}
}

func TestAsk(t *testing.T) {
	const policy = "[permissions]\nask = [\"Bash(make *)\", \"Edit(*.lock)\"]\n"
	for _, c := range []struct {
		name    string
		options func(said *[]string) *mcp.ClientOptions
		allowed []bool // calls of the same command, one after the other
		asked   int
	}{
		{"a client that cannot ask", func(*[]string) *mcp.ClientOptions { return nil }, []bool{false, false}, 0},
		{"once", answering("accept", "once"), []bool{true, true}, 2},
		{"session", answering("accept", "session"), []bool{true, true}, 1},
		{"no", answering("accept", "no"), []bool{false}, 1},
		{"decline", answering("decline", "once"), []bool{false}, 1},
		{"cancel", answering("cancel", "session"), []bool{false}, 1},
		{"an answer that is none", answering("accept", ""), []bool{false}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlace(t, policy)
			var said []string
			cs := p.connect(t, c.options(&said))
			for i, want := range c.allowed {
				ctx, cancel := context.WithTimeout(t.Context(), long)
				res, err := cs.CallTool(ctx, &mcp.CallToolParams{Name: "shell", Arguments: map[string]any{"command": "echo > ran; make --version\t|| true"}})
				cancel()
				_, ran := os.Stat(filepath.Join(p.dir, "ran"))
				os.Remove(filepath.Join(p.dir, "ran"))
				if want != (ran == nil) || want && err != nil {
					t.Errorf("call %d: ran %v, want %v; %v, %v", i, ran == nil, want, res, err)
				}
				if err == nil && !want && !strings.Contains(textOf(res), "denied") {
					t.Errorf("call %d says %q", i, textOf(res))
				}
			}
			if len(said) != c.asked {
				t.Errorf("asked %d times, want %d", len(said), c.asked)
			}
			for _, m := range said {
				if !strings.Contains(m, `echo > ran; make --version\t|| true`) || !strings.Contains(m, "Bash(make *)") || !strings.Contains(m, p.dir) {
					t.Errorf("the question does not show all:\n%s", m)
				}
			}
		})
	}
}

func answering(action, answer string) func(said *[]string) *mcp.ClientOptions {
	return func(said *[]string) *mcp.ClientOptions {
		return &mcp.ClientOptions{ElicitationHandler: func(_ context.Context, r *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			*said = append(*said, r.Params.Message)
			res := &mcp.ElicitResult{Action: action}
			if action == "accept" {
				res.Content = map[string]any{"answer": answer}
			}
			return res, nil
		}}
	}
}

// A program deep inside that a rule asks about is asked about by itself: an answer
// to the call is none to what the call hides.
func TestAskInside(t *testing.T) {
	p := newPlace(t, "[permissions]\nask = [\"Bash(touch *)\"]\n")
	put(t, filepath.Join(p.dir, "script"), "touch made\n")
	for _, c := range []struct {
		options func(*[]string) *mcp.ClientOptions
		made    bool
	}{
		{func(*[]string) *mcp.ClientOptions { return nil }, false},
		{answering("accept", "no"), false},
	} {
		var said []string
		cs := p.connect(t, c.options(&said))
		call(t, cs, "shell", map[string]any{"command": "sh script"})
		if _, err := os.Stat(filepath.Join(p.dir, "made")); (err == nil) != c.made {
			t.Errorf("made %v, want %v, asked %q", err == nil, c.made, said)
		}
	}
	// By a client of a version that can be asked between calls.
	r := p.raw(t)
	defer time.AfterFunc(2*long, func() { r.cmd.Process.Kill() }).Stop()
	r.say(hello + `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"shell","arguments":{"command":"sh script"}}}` + "\n")
	asked := false
	for {
		line, err := r.out.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		var m struct {
			ID     json.RawMessage
			Method string
			Params struct{ Message string }
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		if m.Method == "elicitation/create" {
			asked = asked || strings.Contains(m.Params.Message, "touch made")
			r.say(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"action":"accept","content":{"answer":"once"}}}`+"\n", m.ID))
		} else if string(m.ID) == "2" {
			break
		}
	}
	if _, err := os.Stat(filepath.Join(p.dir, "made")); err != nil || !asked {
		t.Errorf("asked %v, made %v", asked, err)
	}
}

// raw is the server without a client.
type raw struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func (p place) raw(t *testing.T) *raw {
	t.Helper()
	cmd := p.server(t)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return &raw{cmd, in, bufio.NewReader(out)}
}

const hello = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"elicitation":{}},"clientInfo":{"name":"x","version":"1"}}}` + "\n" +
	`{"jsonrpc":"2.0","method":"notifications/initialized"}` + "\n"

func (r *raw) say(text string) { io.WriteString(r.in, text) }

// ends waits for the end of the server.
func (r *raw) ends(t *testing.T) {
	t.Helper()
	done := make(chan error, 1)
	go func() { io.Copy(io.Discard, r.out); done <- r.cmd.Wait() }()
	select {
	case <-done:
	case <-time.After(long):
		t.Fatal("the server goes on")
	}
}

// What is no message ends the connection, or is answered with an error; the server
// never does anything because of it.
func TestMalformed(t *testing.T) {
	p := newPlace(t, "")
	for _, text := range []string{
		"{", "null\n", "[]\n", "\x00\xff\n", `{"jsonrpc":"2.0","id":2,"method":"tools/call"}` + "\n", `{"jsonrpc":"1.0","id":2,"method":"tools/list"}` + "\n",
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"shell","arguments":{"command":["touch","made"]}}}` + "\n",
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"shell","arguments":"touch made"}}` + "\n",
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"shell","arguments":{"Command":"touch made"}}}` + "\n",
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"shell","arguments":{"command":"true"},"requestState":"x","inputResponses":{"answer":{"action":"accept","content":{"answer":"session"}}}}}` + "\n",
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"exec","arguments":{"command":"touch made"}}}` + "\n",
		strings.Repeat("[", 100000) + "\n", strings.Repeat(`{"a":`, 100000) + "\n",
	} {
		r := p.raw(t)
		r.say(hello + text)
		time.Sleep(50 * time.Millisecond) // the end must find it at work, sometimes
		r.in.Close()
		r.ends(t)
	}
	if _, err := os.Stat(filepath.Join(p.dir, "made")); err == nil {
		t.Error("something was run")
	}
}

// An answer that nobody asked for, or that belongs to another question, allows
// nothing.
func TestForgedAnswer(t *testing.T) {
	p := newPlace(t, "[permissions]\nask = [\"Bash(touch *)\"]\n")
	r := p.raw(t)
	defer time.AfterFunc(2*long, func() { r.cmd.Process.Kill() }).Stop()
	meta := `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"x","version":"1"},"io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}`
	const yes = `"inputResponses":{"answer":{"action":"accept","content":{"answer":"session"}}}`
	id := 10
	ask := func(command, more string) string {
		id++
		r.say(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"shell","arguments":{"command":%q},%s%s}}`+"\n", id, command, meta, more))
		for {
			line, err := r.out.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(line, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result"`, id)) || strings.Contains(line, `"error"`) {
				return line
			}
		}
	}
	ask("touch made", ","+yes)
	ask("touch made", `,"requestState":"forged",`+yes)
	first := ask("touch harmless", "")
	var answer struct {
		Result struct {
			RequestState string `json:"requestState"`
		} `json:"result"`
	}
	if err := json.Unmarshal([]byte(first), &answer); err != nil || answer.Result.RequestState == "" {
		t.Fatalf("%v: %s", err, first)
	}
	state := fmt.Sprintf(`,"requestState":%q,`, answer.Result.RequestState)
	ask("touch made", state+yes)
	if got := ask("touch harmless", state+yes); !strings.Contains(got, "denied") {
		t.Errorf("an answer counts twice: %s", got)
	}
	for _, name := range []string{"made", "harmless"} {
		if _, err := os.Stat(filepath.Join(p.dir, name)); err == nil {
			t.Errorf("%s was made", name)
		}
	}
	// The whole way, as a client of that version goes it.
	if err := json.Unmarshal([]byte(ask("touch asked", "")), &answer); err != nil {
		t.Fatal(err)
	}
	got := ask("touch asked", fmt.Sprintf(`,"requestState":%q,`, answer.Result.RequestState)+yes)
	if _, err := os.Stat(filepath.Join(p.dir, "asked")); err != nil {
		t.Errorf("a call that was allowed did not run: %s", got)
	}
}

// Everything ends with the client: when it closes the connection, and when the
// server is killed.
func TestEnd(t *testing.T) {
	for _, how := range []string{"closed", "terminated", "killed"} {
		t.Run(how, func(t *testing.T) {
			p := newPlace(t, "")
			r := p.raw(t)
			mark := filepath.Join(p.dir, "alive")
			r.say(hello + `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"shell","arguments":{"command":"setsid sh -c 'while :; do date +%N > alive; sleep 0.02; done' & sleep 7772"}}}` + "\n")
			wait(t, "the command to run", func() bool { b, _ := os.ReadFile(mark); return len(b) > 0 })
			switch how {
			case "closed":
				r.in.Close()
			case "terminated":
				r.cmd.Process.Signal(syscall.SIGTERM)
			default:
				r.cmd.Process.Kill()
			}
			r.ends(t)
			wait(t, "everything to end", func() bool {
				before, _ := os.ReadFile(mark)
				time.Sleep(300 * time.Millisecond)
				after, _ := os.ReadFile(mark)
				return string(before) == string(after)
			})
		})
	}
}

// Roots choose where calls start, and move no wall.
func TestRoots(t *testing.T) {
	p := newPlace(t, "")
	sub := filepath.Join(p.dir, "sub")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(p.outside, filepath.Join(p.dir, "away")); err != nil {
		t.Fatal(err)
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	//lint:ignore SA1019 clients of the protocols before 2026-07-28 still have roots
	client.AddRoots(&mcp.Root{URI: "file://" + p.outside}, &mcp.Root{URI: "file://" + p.dir + "/away"}, &mcp.Root{URI: "http://" + sub}, &mcp.Root{URI: "file://" + sub})
	cs, err := client.Connect(t.Context(), &mcp.CommandTransport{Command: p.server(t)}, &mcp.ClientSessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cs.Close() })
	version := cs.InitializeResult().ProtocolVersion
	want := p.dir
	if version < "2026-07-28" {
		want = sub
	}
	text, _ := call(t, cs, "shell", map[string]any{"command": "pwd; echo x > " + p.outside + "/made; cat " + p.key})
	if !strings.HasPrefix(text, want+"\n") || strings.Contains(text, "PLANTED") {
		t.Errorf("%s: starts in %q, want %s", version, text, want)
	}
}

// A box that a limit has ended is opened anew.
func TestLimit(t *testing.T) {
	p := newPlace(t, "[limits]\nmemory = \"64MiB\"\n")
	cs := p.connect(t, nil)
	text, failed := call(t, cs, "shell", map[string]any{"command": "head -c 300M /dev/zero | tail -n 1; sleep 30"})
	if !failed {
		t.Errorf("within its limit: %q", text)
	}
	if text, failed := call(t, cs, "shell", map[string]any{"command": "echo again"}); failed || text != "again\n\n" {
		t.Errorf("afterwards: %q", text)
	}
}
