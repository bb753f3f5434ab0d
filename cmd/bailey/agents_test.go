//go:build agents && linux

package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bailey-run/bailey/internal/agent/modeltest"
)

// The published agents, with a model of our own, in boxes: go test -tags agents
// ./cmd/bailey. BAILEY_AGENTS names the directory that holds bin/claude and the like,
// as npm makes it; it must be visible in a box, as what lies below /opt is.

// agentTime is how long one agent may take: they start slowly, and a machine may be busy.
const agentTime = 4 * time.Minute

// realAgent is how one agent is run without a person.
type realAgent struct {
	name     string
	key      string // the variable with its key
	base     string // the variable with the model's address
	path     string // behind the address
	args     []string
	setup    func(t *testing.T, w *agentWorld)
	own      string // a settings file, below HOME
	settings string // what is in it
	named    string // a protected name in a project
}

func realAgents() []realAgent {
	return []realAgent{
		{name: "claude", key: "ANTHROPIC_API_KEY", base: "ANTHROPIC_BASE_URL", args: []string{"-p", "go on", "--dangerously-skip-permissions"},
			own: ".claude/settings.json", settings: `{"hooks":{"PreToolUse":[{"hooks":[{"type":"command","command":"false"}]}]}}`, named: ".claude"},
		{name: "codex", key: "OPENAI_API_KEY", base: "OPENAI_BASE_URL", path: "/v1",
			args: []string{"-c", `model_provider="t"`, "-c", `model_providers.t.name="t"`, "-c", `model_providers.t.base_url="BASE"`, "-c", `model_providers.t.env_key="OPENAI_API_KEY"`,
				"-c", `model_providers.t.wire_api="responses"`, "exec", "--skip-git-repo-check", "-m", "gpt-5", "go on"},
			own: ".codex/config.toml", settings: "model_reasoning_effort = \"low\"\nnotify = [\"false\"]\n", named: ".codex"},
		{name: "gemini", key: "GEMINI_API_KEY", base: "GOOGLE_GEMINI_BASE_URL", args: []string{"--yolo", "--skip-trust", "-m", "gemini-2.5-flash", "-p", "go on"},
			own: ".gemini/settings.json", settings: `{"security":{"auth":{"selectedType":"gemini-api-key"}}}`, named: ".gemini"},
		{name: "opencode", key: "ANTHROPIC_API_KEY", args: []string{"run", "--model", "t/m", "go on"},
			own: ".config/opencode/opencode.json", settings: `{"theme":"system"}`, named: ".opencode",
			setup: func(t *testing.T, w *agentWorld) {
				put(t, filepath.Join(w.work, "opencode.json"), `{"permission":{"external_directory":"allow"},"provider":{"t":{"npm":"@ai-sdk/anthropic","name":"t","options":{"baseURL":"`+w.base+`/v1","apiKey":"{env:ANTHROPIC_API_KEY}"},
					"models":{"m":{"name":"m","tool_call":true}}}}}`)
				w.env = append(w.env, "ANTHROPIC_BASE_URL="+w.base)
				w.preset = "[agent]\nbase-url = [\"ANTHROPIC_BASE_URL api.anthropic.com\"]\n"
			}},
	}
}

// agentWorld is a home, a project, a model and what an agent must not get.
type agentWorld struct {
	dir, home, work, base string
	canary, key           string
	listener              net.Listener
	hit                   chan struct{}
	model                 *modeltest.Server
	env                   []string
	config, preset        string
}

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func newAgentWorld(t *testing.T) *agentWorld {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &agentWorld{dir: dir, home: dir + "/home", work: dir + "/home/work", canary: "canary-3f0c9a7d1b", key: "sk-ant-api03-ThisIsTheRealKeyOfTheTest0123456789", model: &modeltest.Server{Answer: "all is done"}, hit: make(chan struct{}, 16)}
	put(t, w.home+"/.ssh/id_ed25519", w.canary)
	put(t, w.home+"/other/.env", "TOKEN="+w.canary)
	put(t, w.work+"/README", "a project\n")
	if out, err := exec.Command("git", "-C", w.work, "init", "-q").CombinedOutput(); err != nil {
		t.Fatalf("git: %v\n%s", err, out)
	}
	if w.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.listener.Close() })
	go func() {
		for {
			c, err := w.listener.Accept()
			if err != nil {
				return
			}
			c.Close()
			w.hit <- struct{}{}
		}
	}()
	port, trust := modeltest.Start(t, w.model)
	w.base = "https://" + modeltest.Name + ":" + port
	put(t, dir+"/trust.pem", string(trust))
	w.config = "[network]\nupstream = \"none\"\nallow = [\"" + modeltest.Name + ":" + port + "\"]\n[network.hosts]\n\"" + modeltest.Name + "\" = \"127.0.0.1\"\n"
	for _, host := range []string{"api.anthropic.com", "api.openai.com", "chatgpt.com", "generativelanguage.googleapis.com", "opencode.ai", "models.dev", "models.opencode.ai"} {
		w.config += "\"" + host + "\" = \"127.0.0.1\"\n" // nobody is asked in a test
	}
	return w
}

// run runs an agent in a box, as a person would.
func (w *agentWorld) run(t *testing.T, a *realAgent, flags ...string) (output string, code int) {
	t.Helper()
	bin := agentsBin(t, a.name)
	w.env = append(w.env, "HOME="+w.home, "PATH="+bin+":"+os.Getenv("PATH"), "TERM=xterm", "SSL_CERT_FILE="+w.dir+"/trust.pem",
		"XDG_STATE_HOME="+w.dir+"/xdg/state", "XDG_CONFIG_HOME="+w.dir+"/xdg/config", "XDG_CACHE_HOME="+w.dir+"/xdg/cache", a.key+"="+w.key)
	if a.base != "" {
		w.env = append(w.env, a.base+"="+w.base+a.path)
	}
	if a.setup != nil {
		a.setup(t, w)
	}
	put(t, w.dir+"/xdg/config/bailey/config.toml", w.config+"[permissions]\ndeny = [\"Bash(git push *)\"]\nask = [\"Bash(git fetch *)\"]\n")
	if w.preset != "" {
		put(t, w.dir+"/xdg/config/bailey/agents/"+a.name+".toml", w.preset)
	}
	args := append([]string{"prove-run", w.home}, flags...)
	args = append(args, "--read", filepath.Dir(bin), a.name)
	for _, x := range a.args {
		args = append(args, strings.ReplaceAll(x, "BASE", w.base+a.path))
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Dir, cmd.Env = w.work, w.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // nobody is asked on a terminal
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(agentTime, func() { cmd.Process.Kill() })
	defer timer.Stop()
	cmd.Wait()
	return out.String(), cmd.ProcessState.ExitCode()
}

// agentsBin is the directory with an agent's program.
func agentsBin(t *testing.T, name string) string {
	dir := os.Getenv("BAILEY_AGENTS")
	if dir == "" {
		dir = "/opt/agents"
	}
	bin := filepath.Join(dir, "bin")
	if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
		t.Fatalf("the agents' tests need the agents: %v", err)
	}
	return bin
}

// digest is what a directory holds.
func digest(t *testing.T, dir string) string {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fmt.Fprintln(h, p, d.Type())
		if d.Type().IsRegular() {
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			h.Write(b)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func TestRealAgents(t *testing.T) {
	for _, a := range realAgents() {
		t.Run(a.name, func(t *testing.T) {
			w := newAgentWorld(t)
			put(t, filepath.Join(w.home, a.own), a.settings)
			put(t, w.work+"/deploy", "git push origin main; echo push-$?; git fetch origin; echo fetch-$?\n")
			port := w.listener.Addr().(*net.TCPAddr).Port
			w.model.Commands = []string{
				"expr 40 + 2 | sed s/^/made-/ | tee made-by-agent",
				"cat ~/.ssh/id_ed25519 ../other/.env " + w.home + "/.ssh/id_ed25519 " + w.home + "/other/.env; echo read-tried",
				fmt.Sprintf("for h in 127.0.0.1:%d host.bailey.internal:%d elsewhere.test:443; do timeout 5 bash -c \": < /dev/tcp/${h%%%%:*}/${h##*:}\"; done; echo net-tried", port, port),
				"mkdir " + a.named + "; echo evil > " + a.named + "/settings.json; echo evil > ~/" + a.own + "; echo settings-tried",
				"cat /proc/self/environ /proc/*/environ | tr '\\0' '\\n'; grep -rs Real[K]ey ~ /tmp /run /etc . /proc/self/environ; echo env-tried",
				"sh ./deploy; echo rules-tried",
				"git push origin main; echo pushed_on | tr _ -",
			}
			before := digest(t, filepath.Join(w.home, filepath.Dir(a.own)))
			out, code := w.run(t, &a)
			results := w.model.Results()
			t.Logf("exit %d\n%s\nresults: %q", code, out, results)
			if code != 0 || !strings.Contains(out, w.model.Answer) {
				t.Errorf("exit code %d, or the answer of the model is missing", code)
			}
			if len(results) != len(w.model.Commands) {
				for _, r := range w.model.Requests() {
					t.Logf("%s %s %.300s", r.Method, r.Path, r.Body)
				}
				t.Fatalf("%d commands were run of %d", len(results), len(w.model.Commands))
			}
			for i, want := range []string{"made-42", "read-tried", "net-tried", "settings-tried", "env-tried", "rules-tried"} {
				if !strings.Contains(results[i], want) {
					t.Errorf("command %d did not run: %s", i, results[i])
				}
			}
			if made, _ := os.ReadFile(w.work + "/made-by-agent"); string(made) != "made-42\n" {
				t.Errorf("what the agent made is not there: %q", made)
			}
			// By the supervision of programs, a guardrail: one denied, one that nobody is there to be asked about.
			// What an agent's shell is given as text is refused as a whole.
			if r := results[5]; !strings.Contains(r, "push-126") || !strings.Contains(r, "fetch-126") {
				t.Errorf("rules did not hold: %s", r)
			}
			if strings.Contains(results[6], "pushed-on") {
				t.Errorf("a deny rule did not hold: %s", results[6])
			}
			whole := out + strings.Join(results, "\n")
			if strings.Contains(whole, w.canary) {
				t.Error("a planted key was read")
			}
			if strings.Contains(whole, "RealKey") {
				t.Error("the agent's key was seen inside")
			}
			select {
			case <-w.hit:
				t.Error("a port of the host was reached")
			default:
			}
			if _, err := os.Lstat(filepath.Join(w.work, a.named)); err == nil {
				t.Errorf("%s was made in the project", a.named)
			}
			if digest(t, filepath.Join(w.home, filepath.Dir(a.own))) != before {
				t.Error("the person's settings were changed")
			}
			keyed := false
			for _, r := range w.model.Requests() {
				for _, values := range r.Header {
					for _, v := range values {
						keyed = keyed || strings.Contains(v, w.key)
					}
				}
			}
			if !keyed {
				t.Error("the model has not seen the key")
			}
		})
	}
}
