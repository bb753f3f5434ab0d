package hook

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/bailey-run/bailey/internal/permission"
)

func TestUnwrap(t *testing.T) {
	b := Box{Program: "/opt/it's here/bailey", Args: []string{"run", "--within", "/a b"}}
	for _, text := range []string{"", "ls", "echo 'a b'", `echo "$x" '\'' "`, "a\nb", "'", "''", `\`, `'\''`, "' -- bash -c '"} {
		for _, asked := range []bool{false, true} {
			got, ours := b.Unwrap(b.Wrap(text, asked))
			if !ours || got != text {
				t.Errorf("%q comes back as %q, ours %v", text, got, ours)
			}
		}
	}
	ls := b.Wrap("ls", false)
	other := Box{Program: "/tmp/bailey", Args: b.Args}
	wider := Box{Program: b.Program, Args: []string{"run", "--within", "/"}}
	for _, forged := range []string{
		"ls", ls + "; rm x", ls + " && rm x", "rm x; " + ls, "X=1 " + ls, ls + "\nrm x", ls + " > f", ls + "'", ls + "'x'", ls + "$(rm x)",
		strings.TrimSuffix(ls, "'"), ls[:len(ls)-1] + `' ; rm x '`, strings.Replace(ls, "-c 'ls'", "-c ls", 1), strings.Replace(ls, "bash", "bash  ", 1),
		other.Wrap("ls", true), wider.Wrap("ls", false), strings.Replace(ls, " -- ", " --asked --asked -- ", 1), `'/opt/it'\''s here/bailey' run --within '/a b' -- bash -c 'ls'`,
	} {
		if text, ours := b.Unwrap(forged); ours {
			t.Errorf("%s is taken for ours, with the text %s", forged, text)
		}
	}
}

// samples are inputs that are read, one for each way of each agent.
func samples() map[string][]string {
	return map[string][]string{
		"claude": {
			`{"hook_event_name":"PreToolUse","cwd":"/p","permission_mode":"default","tool_name":"Bash","tool_input":{"command":"ls","timeout":1}}`,
			`{"hook_event_name":"PreToolUse","cwd":"/p","permission_mode":"plan","tool_name":"Edit","tool_input":{"file_path":"/p/x"}}`,
			`{"hook_event_name":"PreToolUse","cwd":"/p","tool_name":"mcp__a__b","tool_input":{}}`,
			`{"hook_event_name":"PreToolUse","cwd":"/p","tool_name":"Monitor","tool_input":{"command":"tail -f x","persistent":true,"timeout_ms":1}}`,
		},
		"codex": {
			`{"hook_event_name":"PreToolUse","cwd":"/p","permission_mode":"default","tool_name":"Bash","tool_input":{"command":"ls"}}`,
			`{"hook_event_name":"PreToolUse","cwd":"/p","tool_name":"apply_patch","tool_input":{"command":"*** Begin Patch\n*** Add File: x\n+a\n*** Delete File: y\n*** End Patch"}}`,
		},
		"gemini": {
			`{"hook_event_name":"BeforeTool","cwd":"/p","tool_name":"run_shell_command","tool_input":{"command":"ls","dir_path":"sub"}}`,
			`{"hook_event_name":"BeforeTool","cwd":"/p","tool_name":"read_many_files","tool_input":{"include":["a/**","b"]}}`,
			`{"hook_event_name":"BeforeTool","cwd":"/p","tool_name":"web_fetch","tool_input":{"prompt":"read https://a.example/ and http://b.example"}}`,
			`{"hook_event_name":"BeforeTool","cwd":"/p","tool_name":"mcp_s_t","tool_input":{},"mcp_context":{"server_name":"s","tool_name":"t"}}`,
			`{"hook_event_name":"BeforeTool","cwd":"/p","tool_name":"glob","tool_input":{"pattern":"**/*.go"}}`,
		},
		"opencode": {
			`{"tool":"bash","cwd":"/p","args":{"command":"ls","workdir":"/p/sub"}}`,
			`{"tool":"read","cwd":"/p","args":{"filePath":"x"}}`,
			`{"tool":"git_hub_search","cwd":"/p","args":{}}`,
		},
		"amp": {`{"cmd":"ls","cwd":"/p"}`, `{"command":"ls"}`},
		"cursor": {
			`{"hook_event_name":"preToolUse","cwd":"/p","workspace_roots":["/p"],"tool_name":"Shell","tool_input":{"command":"ls","working_directory":"/p"}}`,
			`{"hook_event_name":"beforeShellExecution","cwd":"/p","command":"ls"}`,
			`{"hook_event_name":"beforeReadFile","workspace_roots":["/p"],"file_path":"/p/x","content":"c"}`,
			`{"hook_event_name":"beforeMCPExecution","workspace_roots":["/p"],"tool_name":"MCP:s:t","tool_input":"{}"}`,
		},
	}
}

func env(name string) string {
	if name == "AGENT_TOOL_NAME" {
		return "Bash"
	}
	return ""
}

func TestSamples(t *testing.T) {
	for agent, list := range samples() {
		for _, s := range list {
			r, err := Read(agent, []byte(s), env)
			if err != nil {
				t.Errorf("%s: %s: %v", agent, s, err)
				continue
			}
			for i := range r.Calls {
				c := r.Calls[i]
				if _, err := permission.ParseCall(c.JSON(c.Tool)); err != nil {
					t.Errorf("%s: %s makes the call %s: %v", agent, s, c.JSON(c.Tool), err)
				}
			}
		}
	}
}

// TestCut holds that a message that was cut short anywhere is an error.
func TestCut(t *testing.T) {
	for agent, list := range samples() {
		for _, s := range list {
			for i := range s {
				if _, err := Read(agent, []byte(s[:i]), env); err == nil {
					t.Errorf("%s: %s is read", agent, s[:i])
				}
			}
		}
	}
}

// TestInput holds what the rules are asked about where an input says it in its own
// way, and what is no input.
func TestInput(t *testing.T) {
	gemini := func(tool, input string) string {
		return `{"hook_event_name":"BeforeTool","cwd":"/p","tool_name":"` + tool + `","tool_input":` + input + `}`
	}
	for _, c := range []struct{ agent, in, want string }{
		{"gemini", gemini("invoke_agent", `{"agent_name":"a"}`), `{"tool":"Agent","input":{"subagent_type":"a"}}`},
		{"gemini", gemini("invoke_agent", `{"agent_name":"a","name":"b"}`), "error"},
		{"gemini", gemini("activate_skill", `{"name":["a"]}`), "error"},
		{"gemini", gemini("grep_search", `{"pattern":"x","include":".env"}`), `{"tool":"Grep","input":{"glob":".env","path":"."}}`},
		{"gemini", gemini("grep_search", `{"pattern":"x","include":".env","glob":"a"}`), "error"},
		{"gemini", gemini("read_file", `{"file_path":"a","absolute_path":"/b"}`), "error"},
		{"opencode", `{"tool":"grep","cwd":"/p","args":{"pattern":"x","include":".env"}}`, `{"tool":"Grep","input":{"glob":".env","path":"."}}`},
		{"opencode", `{"tool":"bash","cwd":"/p","args":{"command":"ls"}}}`, "error"},
		{"opencode", `{"tool":"bash","cwd":"/p","args":{"command":"ls","command":"rm x"}}`, "error"},
		{"opencode", `{"tool":"bash","cwd":"/p","args":{"Command":"ls"}}`, "error"},
		{"opencode", "{\"tool\":\"bash\",\"cwd\":\"/p\",\"args\":{\"command\":\"ls \xff\"}}", "error"},
		{"opencode", `{"tool":"Bash","cwd":"/p","args":{"command":"ls"}}`, "error"},
		{"cursor", `{"hook_event_name":"preToolUse","tool_name":"Grep","tool_input":{"path":"a","target_directory":"b"}}`, "error"},
	} {
		got := "error"
		if r, err := Read(c.agent, []byte(c.in), env); err == nil {
			got = string(r.Calls[0].JSON(r.Calls[0].Tool))
		}
		if got != c.want {
			t.Errorf("%s: %s: %s, want %s", c.agent, c.in, got, c.want)
		}
	}
}

// lets reports whether an agent would use the tool after this reply: what each
// agent makes of exit codes is in docs/hooks.md.
func lets(agent string, r Reply) bool {
	switch agent {
	case "amp":
		return r.Code == 0 || r.Code == 1
	}
	return r.Code != Blocked || r.Stderr == "" && agent == "codex"
}

func TestRepliesBlock(t *testing.T) {
	for agent, list := range samples() {
		for _, s := range list {
			r, err := Read(agent, []byte(s), env)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range []permission.Verdict{permission.Deny, "", "nonsense"} {
				if reply := r.Reply(Answer{Verdict: v, Reason: "no"}); lets(agent, reply) || strings.Contains(string(reply.Stdout), "allow") {
					t.Errorf("%s lets %s through after %q: %+v", agent, s, v, reply)
				}
			}
			if !r.Asks() {
				if reply := r.Reply(Answer{Verdict: permission.Ask, Reason: "ask"}); lets(agent, reply) {
					t.Errorf("%s asks nobody, and lets %s through: %+v", agent, s, reply)
				}
			}
			if !r.Rewrites() && r.Command != nil {
				if reply := r.Reply(Answer{Verdict: permission.Allow, Reason: "send another", Command: "x"}); lets(agent, reply) {
					t.Errorf("%s rewrites nothing, and lets %s through: %+v", agent, s, reply)
				}
			}
		}
	}
	if b := Block(" "); b.Code != Blocked || strings.TrimSpace(b.Stderr) == "" {
		t.Error("a block without a reason, which Codex lets through")
	}
}

func TestOurs(t *testing.T) {
	for _, agent := range Names() {
		value, err := json.Marshal(map[string]any{"hooks": []any{map[string]any{"command": Command(agent, "/x/bailey")}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range Names() {
			if other != "amp" && Ours(other, value) != (other == agent) {
				t.Errorf("what is written for %s is taken for %s's: %v", agent, other, Ours(other, value))
			}
		}
	}
	if Ours("claude", []byte(`{"command": "bailey hook claude"}`)) {
		t.Error("what a person wrote is taken for ours")
	}
	if p := OpenCodePlugin(`/x/"b`, time.Second); !strings.Contains(p, `const BAILEY = "/x/\"b"`) || !strings.Contains(p, "timeout: 1000,") || strings.Contains(p, "@") {
		t.Error(p)
	}
}

// FuzzRead holds for every protocol that no input makes it panic; that what is
// read has calls that the rules can judge or refuse; that the command of a request
// is the one that the rules see; and that no refusal is written as anything else.
func FuzzRead(f *testing.F) {
	for i, agent := range Names() {
		for _, s := range samples()[agent] {
			f.Add(uint8(i), []byte(s), "Bash")
		}
		f.Add(uint8(i), []byte(`{"tool_input":null}`), "Read")
		f.Add(uint8(i), []byte(`[]`), "")
	}
	b := Box{Program: "/b", Args: []string{"run"}}
	f.Fuzz(func(t *testing.T, which uint8, in []byte, tool string) {
		agent := Names()[int(which)%len(Names())]
		r, err := Read(agent, in, func(string) string { return tool })
		if err != nil {
			return
		}
		if len(r.Calls) == 0 {
			t.Fatal("a request without a call")
		}
		if r.Command != nil {
			c, err := permission.ParseCall(r.Calls[0].JSON(r.Calls[0].Tool))
			if err == nil && (c.Tool != "Bash" || c.Input.Command != *r.Command) {
				t.Fatalf("the rules see %q, and %q is run", c.Input.Command, *r.Command)
			}
			wrapped := b.Wrap(*r.Command, which%2 == 1)
			if text, ours := b.Unwrap(wrapped); !ours || text != *r.Command {
				t.Fatalf("%q comes back as %q", *r.Command, text)
			}
			reply := r.Reply(Answer{Verdict: permission.Allow, Command: wrapped})
			if r.Rewrites() {
				var v any
				if json.Unmarshal(reply.Stdout, &v) != nil || reply.Code != 0 {
					t.Fatalf("the rewritten command is not written: %+v", reply)
				}
			}
		}
		if reply := r.Reply(Answer{Verdict: permission.Deny}); lets(agent, reply) {
			t.Fatalf("a refusal lets it through: %+v", reply)
		}
	})
}
