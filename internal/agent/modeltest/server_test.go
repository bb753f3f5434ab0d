package modeltest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestServer: in each protocol the first turn gets the command, the next one the end.
func TestServer(t *testing.T) {
	for _, c := range []struct{ name, path, first, second, call, result string }{
		{"anthropic", "/v1/messages",
			`{"stream":S,"tools":[{"name":"Bash","input_schema":{"properties":{"command":{"type":"string"}}}}],"messages":[]}`,
			`{"stream":S,"tools":[{"name":"Bash","input_schema":{}}],"messages":[{"role":"user","content":[{"type":"tool_result","content":[{"type":"text","text":"out"}]}]}]}`,
			"tool_use", "end_turn"},
		{"chat", "/v1/chat/completions",
			`{"stream":S,"tools":[{"function":{"name":"bash","parameters":{"properties":{"command":{"type":"string"}}}}}],"messages":[]}`,
			`{"stream":S,"tools":[{"function":{"name":"bash","parameters":{}}}],"messages":[{"role":"tool","content":"out"}]}`,
			"tool_calls", `"stop"`},
		{"responses", "/v1/responses",
			`{"stream":S,"tools":[{"type":"function","name":"shell","parameters":{"properties":{"command":{"type":"array"}}}}],"input":[]}`,
			`{"stream":S,"tools":[{"type":"function","name":"shell","parameters":{}}],"input":[{"type":"function_call_output","output":"out"}]}`,
			"function_call", "output_text"},
		{"gemini", "/v1beta/models/m:METHOD",
			`{"tools":[{"functionDeclarations":[{"name":"run_shell_command","parametersJsonSchema":{"properties":{"command":{"type":"string"}}}}]}],"contents":[]}`,
			`{"tools":[{"functionDeclarations":[{"name":"run_shell_command","parametersJsonSchema":{}}]}],"contents":[{"parts":[{"functionResponse":{"response":{"output":"out"}}}]}]}`,
			"functionCall", "STOP"},
	} {
		for _, stream := range []bool{false, true} {
			s := &Server{Commands: []string{"echo hello"}, Answer: "the end"}
			web := httptest.NewServer(s)
			path, method := c.path, "generateContent"
			flag := "false"
			if stream {
				method, flag = "streamGenerateContent", "true"
			}
			path = strings.Replace(path, "METHOD", method, 1)
			ask := func(body string) string {
				r, err := http.Post(web.URL+path, "application/json", strings.NewReader(strings.Replace(body, "S,", flag+",", 1)))
				if err != nil {
					t.Fatal(err)
				}
				defer r.Body.Close()
				b, _ := io.ReadAll(r.Body)
				if r.StatusCode != http.StatusOK || strings.HasPrefix(r.Header.Get("Content-Type"), "text/event-stream") != stream {
					t.Errorf("%s: %s %s", c.name, r.Status, r.Header)
				}
				return string(b)
			}
			if got := ask(c.first); !strings.Contains(got, "echo hello") || !strings.Contains(got, c.call) {
				t.Errorf("%s, stream %v: %s", c.name, stream, got)
			}
			if got := ask(c.second); !strings.Contains(got, "the end") || strings.Contains(got, "echo hello") || !strings.Contains(got, c.result) {
				t.Errorf("%s, stream %v: %s", c.name, stream, got)
			}
			if got := s.Results(); len(got) != 1 || got[0] != "out" {
				t.Errorf("%s: %q", c.name, got)
			}
			web.Close()
		}
	}
}
