// Package modeltest is a model for tests: a server that speaks the protocols of the
// services that coding agents use, and answers by a script. It runs no model and
// needs no account.
package modeltest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// Server answers each request for a turn of a conversation: with the next command of
// the script as a call of the shell tool that the agent offers, and with Answer when
// there are no more. How far a conversation is, its request says, so requests beside
// it (for a title, say) disturb nothing.
type Server struct {
	Commands []string
	Answer   string

	mu       sync.Mutex // guards what follows
	results  []string
	requests []Request
}

// Request is one request, as it came.
type Request struct {
	Method, Path string
	Header       http.Header
	Body         string
}

// Results are what the agent sent back for each command, in order.
func (s *Server) Results() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.results...)
}

// Requests are all requests so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Reset begins a new conversation. Set Commands before the next request.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.results, s.requests = nil, nil
}

// maxBody bounds a request, in bytes: agents send their whole conversation.
const maxBody = 16 << 20

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		http.Error(w, "cannot read the request", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.requests = append(s.requests, Request{r.Method, r.URL.Path, r.Header.Clone(), string(body)})
	s.mu.Unlock()
	var in map[string]any
	if r.Method == http.MethodPost && json.Unmarshal(body, &in) != nil {
		http.Error(w, `{"error":{"message":"not JSON"}}`, http.StatusBadRequest)
		return
	}
	p := r.URL.Path
	stream := in["stream"] == true
	switch {
	case strings.HasSuffix(p, "/messages/count_tokens"):
		reply(w, object{"input_tokens": 1})
	case strings.HasSuffix(p, "/messages"):
		s.anthropic(w, in, stream)
	case strings.HasSuffix(p, "/chat/completions"):
		s.chat(w, in, stream)
	case r.Method == http.MethodPost && strings.HasSuffix(p, "/responses"):
		s.responses(w, in, stream)
	case strings.HasSuffix(p, ":countTokens"):
		reply(w, object{"totalTokens": 1})
	case strings.HasSuffix(p, ":generateContent"):
		s.gemini(w, in, false)
	case strings.HasSuffix(p, ":streamGenerateContent"):
		s.gemini(w, in, true)
	case strings.HasSuffix(p, "/models"):
		reply(w, object{"object": "list", "data": []any{object{"id": "test", "object": "model"}}})
	default:
		http.Error(w, `{"error":{"message":"no such thing here"}}`, http.StatusNotFound)
	}
}

type object = map[string]any

// tool is a tool for shell commands that an agent offers.
type tool struct {
	name string
	args func(command string) object
}

// shells are the names of such tools, and what they call the command.
var shells = [...]string{"Bash", "bash", "shell", "shell_command", "exec_command", "run_shell_command"}

// shell finds the shell among the tools of a request. schema is where a tool keeps the
// schema of its arguments.
func shell(tools []object, schema string) *tool {
	for _, want := range shells {
		for _, t := range tools {
			if t["name"] != want {
				continue
			}
			s, _ := t[schema].(object)
			if s == nil {
				s, _ = t["parametersJsonSchema"].(object)
			}
			properties, _ := s["properties"].(object)
			return &tool{want, func(command string) object {
				args := object{}
				for name, p := range properties {
					p, _ := p.(object)
					switch {
					case name == "command" && p["type"] == "array":
						args[name] = []string{"sh", "-c", command}
					case name == "command", name == "cmd":
						args[name] = command
					case name == "description":
						args[name] = "runs a command"
					}
				}
				return args
			}}
		}
	}
	return nil
}

// next is the command of a turn with so many results behind it, "" for none. Results
// that are new are kept.
func (s *Server) next(t *tool, results []string) string {
	if t == nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(results) > len(s.results) {
		s.results = results
	}
	if n := len(results); n < len(s.Commands) {
		return s.Commands[n]
	}
	return ""
}

func (s *Server) answer() string {
	if s.Answer == "" {
		return "done"
	}
	return s.Answer
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

// events writes server-sent events.
type events struct{ w http.ResponseWriter }

func newEvents(w http.ResponseWriter) *events {
	w.Header().Set("Content-Type", "text/event-stream")
	return &events{w}
}

func (e *events) send(name string, v any) {
	if name != "" {
		fmt.Fprintf(e.w, "event: %s\n", name)
	}
	b, _ := json.Marshal(v) // our own maps: it cannot fail
	fmt.Fprintf(e.w, "data: %s\n\n", b)
	if f, ok := e.w.(http.Flusher); ok {
		f.Flush()
	}
}

func objects(v any) []object {
	list, _ := v.([]any)
	var out []object
	for _, x := range list {
		if o, ok := x.(object); ok {
			out = append(out, o)
		}
	}
	return out
}

// text is the text in a value that is one, or a list of parts.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		var b strings.Builder
		for _, x := range v {
			b.WriteString(text(x))
		}
		return b.String()
	case object:
		for _, k := range []string{"text", "output", "content", "error"} {
			if t, ok := v[k]; ok {
				return text(t)
			}
		}
		b, _ := json.Marshal(v)
		return string(b)
	}
	return ""
}
