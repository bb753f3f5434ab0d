package toolserver

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bailey-run/bailey"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// question is a call that the rules judge.
type question struct {
	tool  string
	rules string // the tool, as rules call it
	call  []byte // as Policy.Decide reads it
	dir   string // where it starts
	text  string // the command or the file, as a person is shown it
	what  string // what would be done, for a sentence
}

// id is the call and nothing but this call.
func (q *question) id() [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%q %q %q", q.tool, q.dir, q.call))
}

// maxPending is how many questions may wait for their answer. Beyond it the answer
// is no: nobody reads that many.
const maxPending = 100

// maxWait is how long a question may wait. A client that gives one up does not say
// so; beyond this the answer is no.
const maxWait = 10 * time.Minute

// pending is a question that waits.
type pending struct {
	id [sha256.Size]byte
	at time.Time
}

// asking are the questions that wait, and the answers that hold.
type asking struct {
	mu      sync.Mutex                 // guards what follows
	pending map[string]pending         // by the state that went to the client
	granted map[[sha256.Size]byte]bool // for this session
	running []*bailey.ToolDecision     // about calls that a person has allowed and that run now
	client  *mcp.ServerSession         // of a client that can be asked between calls; nil for none
}

// The answers that a person chooses from.
const (
	answerName  = "answer"
	answerOnce  = "once"
	answerLong  = "session"
	answerNever = "no"
)

// decide returns no result for a call that may go on; done is called when it has
// ended. A result is the answer to the call: a refusal with its reason, or a
// question for the person at the client.
func (s *Server) decide(ctx context.Context, req *mcp.CallToolRequest, q question) (done func(), no *mcp.CallToolResult) {
	rules := s.policy.At(q.dir)
	d := rules.Decide(q.call)
	switch d.Verdict {
	case bailey.Allow:
		return func() {}, nil
	case bailey.Ask:
		if canAsk(req.Session.InitializeParams()) {
			if no := s.ask(req, q, d); no != nil {
				return nil, no
			}
			return s.asking.run(d), nil
		}
		a := rules.Ask(ctx, q.rules, d, nil)
		if a.Verdict == bailey.Allow {
			return s.asking.run(d), nil
		}
		return nil, refusal("denied: a person has to be asked, and this client cannot ask one (it has no elicitation)\n" + reason(a))
	}
	return nil, refusal("denied: " + reason(d))
}

// run notes a call that a person has allowed. When a program is executed inside,
// the same rule asks about it again; what was shown as it is need not be shown twice.
func (a *asking) run(d bailey.ToolDecision) (done func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running = append(a.running, &d)
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.running = slices.DeleteFunc(a.running, func(o *bailey.ToolDecision) bool { return o == &d })
	}
}

// Ask answers what the box asks while it runs: about programs that are executed
// deep inside, and about hosts.
func (s *Server) Ask(ctx context.Context, q bailey.Question) bailey.Answer {
	s.asking.mu.Lock()
	shown := q.Kind == bailey.KindCommand && slices.ContainsFunc(s.asking.running, func(d *bailey.ToolDecision) bool { return d.Asked(q.Rule, q.Where, q.Subject) })
	client := s.asking.client
	s.asking.mu.Unlock()
	switch {
	case shown:
		return bailey.Answer{Allow: true, Scope: bailey.ScopeOnce, By: "client", Rule: "allowed with the call"}
	case client == nil:
		return bailey.Answer{By: "nobody", Rule: "this client cannot ask between calls"}
	}
	ctx, cancel := context.WithTimeout(ctx, maxBetween)
	defer cancel()
	message := fmt.Sprintf("bailey: a program in the box wants to use %s:\n  | %s\n", q.Kind, plain(q.Subject))
	if q.Exe != "" {
		message += "asked for by " + plain(q.Exe) + "\n"
	}
	if q.Rule != "" {
		message += fmt.Sprintf("asked because: %s at %s\n", plain(q.Rule), plain(q.Where))
	}
	r, err := client.Elicit(ctx, form(message, "once: this time; session: exactly this, until the box ends"))
	switch {
	case err != nil:
		return bailey.Answer{By: "client", Rule: "the client did not answer"}
	case chosen(r) == answerOnce:
		return bailey.Answer{Allow: true, Scope: bailey.ScopeOnce, By: "client", Rule: "allowed once"}
	case chosen(r) == answerLong:
		return bailey.Answer{Allow: true, Scope: bailey.ScopeSession, By: "client", Rule: "allowed for the session"}
	}
	return bailey.Answer{Scope: bailey.ScopeOnce, By: "client", Rule: "a person did not allow it"}
}

// maxBetween is how long a question may wait while a program waits for it, as
// everywhere in bailey; beyond it the answer is no.
const maxBetween = 2 * time.Minute

func reason(d bailey.ToolDecision) string {
	text := plain(d.Reason)
	if d.Change != "" {
		text += "\nhint: " + plain(d.Change)
	}
	return text
}

// ask brings the question to the person, through the client.
func (s *Server) ask(req *mcp.CallToolRequest, q question, d bailey.ToolDecision) *mcp.CallToolResult {
	id := q.id()
	s.asking.mu.Lock()
	defer s.asking.mu.Unlock()
	if s.asking.granted[id] {
		return nil
	}
	if state := req.Params.RequestState; state != "" {
		asked, ok := s.asking.pending[state]
		delete(s.asking.pending, state) // an answer counts once
		if !ok || asked.id != id || time.Since(asked.at) > maxWait {
			return refusal("denied: the answer is to another question, or to none that waits")
		}
		switch answered(req) {
		case answerOnce:
			return nil
		case answerLong:
			if s.asking.granted == nil {
				s.asking.granted = map[[sha256.Size]byte]bool{}
			}
			s.asking.granted[id] = true
			return nil
		}
		return refusal("denied: a person was asked and did not allow it")
	}
	maps.DeleteFunc(s.asking.pending, func(_ string, p pending) bool { return time.Since(p.at) > maxWait })
	if len(s.asking.pending) >= maxPending {
		return refusal(fmt.Sprintf("denied: %d questions wait for an answer already", maxPending))
	}
	if s.asking.pending == nil {
		s.asking.pending = map[string]pending{}
	}
	state := rand.Text()
	s.asking.pending[state] = pending{id, time.Now()}
	return &mcp.CallToolResult{
		RequestState:  state,
		InputRequests: mcp.InputRequestMap{answerName: form(shown(q, d), "once: this call; session: exactly this call, until the server ends")},
	}
}

// canAsk reports whether a client brings forms to a person. One that names no
// kind of question has forms.
func canAsk(p *mcp.InitializeParams) bool {
	if p == nil || p.Capabilities == nil || p.Capabilities.Elicitation == nil {
		return false
	}
	e := p.Capabilities.Elicitation
	return e.Form != nil || e.URL == nil
}

// form is a question for a person.
func form(message, meaning string) *mcp.ElicitParams {
	return &mcp.ElicitParams{
		Mode:    "form",
		Message: message,
		RequestedSchema: map[string]any{
			"type": "object",
			"properties": map[string]any{answerName: map[string]any{
				"type": "string", "title": "Allow it?", "enum": []string{answerNever, answerOnce, answerLong}, "description": meaning,
			}},
			"required": []string{answerName},
		},
	}
}

// answered is what the person chose; everything unclear is no.
func answered(req *mcp.CallToolRequest) string {
	r, _ := req.Params.InputResponses[answerName].(*mcp.ElicitResult)
	return chosen(r)
}

func chosen(r *mcp.ElicitResult) string {
	if r == nil || r.Action != "accept" {
		return answerNever
	}
	text, _ := r.Content[answerName].(string)
	return text
}

// shown is the question as a person reads it: all of what would be done, with
// nothing in it that could hide a part.
func shown(q question, d bailey.ToolDecision) string {
	var b strings.Builder
	fmt.Fprintf(&b, "bailey: an agent wants to %s:\n", q.what)
	for line := range strings.SplitSeq(q.text, "\n") {
		b.WriteString("  | " + plain(line) + "\n")
	}
	fmt.Fprintf(&b, "in %s\n", plain(q.dir))
	for _, p := range d.Parts {
		if p.Verdict == bailey.Ask {
			fmt.Fprintf(&b, "asked because: %s\n", plain(p.Reason))
		}
	}
	return b.String()
}

// plain writes characters that do not show as escapes.
func plain(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r == 0xfffd || !strconv.IsPrint(r) }) {
		return s
	}
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}
