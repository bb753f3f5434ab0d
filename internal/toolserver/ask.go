package toolserver

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bailey-run/bailey"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// question is a call that the rules judge.
type question struct {
	tool string
	call []byte // as Policy.Decide reads it
	dir  string // where it starts
	text string // the command or the file, as a person is shown it
	what string // what would be done, for a sentence
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
}

// The answers that a person chooses from.
const (
	answerName  = "answer"
	answerOnce  = "once"
	answerLong  = "session"
	answerNever = "no"
)

// decide returns nil for a call that may go on. Any other result is the answer to
// the call: a refusal with its reason, or a question for the person at the client.
func (s *Server) decide(ctx context.Context, req *mcp.CallToolRequest, q question) *mcp.CallToolResult {
	d := s.policy.At(q.dir).Decide(q.call)
	switch d.Verdict {
	case bailey.Allow:
		return nil
	case bailey.Ask:
		return s.ask(req, q, d)
	}
	return refusal("denied: " + reason(d))
}

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
	switch p := req.Session.InitializeParams(); {
	case p == nil || p.Capabilities == nil || p.Capabilities.Elicitation == nil ||
		p.Capabilities.Elicitation.Form == nil && p.Capabilities.Elicitation.URL != nil:
		return refusal("denied: a person has to be asked, and this client cannot ask one (it has no elicitation)\n" + reason(d))
	case len(s.asking.pending) >= maxPending:
		return refusal(fmt.Sprintf("denied: %d questions wait for an answer already", maxPending))
	}
	if s.asking.pending == nil {
		s.asking.pending = map[string]pending{}
	}
	state := rand.Text()
	s.asking.pending[state] = pending{id, time.Now()}
	return &mcp.CallToolResult{
		RequestState: state,
		InputRequests: mcp.InputRequestMap{answerName: &mcp.ElicitParams{
			Mode:    "form",
			Message: shown(q, d),
			RequestedSchema: map[string]any{
				"type": "object",
				"properties": map[string]any{answerName: map[string]any{
					"type": "string", "title": "Allow it?", "enum": []string{answerNever, answerOnce, answerLong},
					"description": "once: this call; session: exactly this call, until the server ends",
				}},
				"required": []string{answerName},
			},
		}},
	}
}

// answered is what the person chose; everything unclear is no.
func answered(req *mcp.CallToolRequest) string {
	r, ok := req.Params.InputResponses[answerName].(*mcp.ElicitResult)
	if !ok || r == nil || r.Action != "accept" {
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
