package bailey

import (
	"io"

	"github.com/bailey-run/bailey/internal/gate"
)

// Asker answers questions about hosts that no rule names, where the policy says
// network.default = "ask". The connection waits meanwhile, for two minutes at most.
type Asker = gate.Asker

// Question is what a person is asked: exactly what will be granted.
type Question = gate.Question

// Answer is what a person said. The zero Answer is no.
type Answer = gate.Answer

// Scope is how long an answer holds.
type Scope = gate.Scope

// The scopes.
const (
	ScopeOnce    = gate.Once    // this connection
	ScopeSession = gate.Session // this box
	ScopeProject = gate.Project // this box; whoever asks also writes the policy
)

// AskOn returns an asker that writes its questions to out and reads lines from in,
// one question at a time. At the end of in every answer is no.
func AskOn(in io.Reader, out io.Writer) Asker { return gate.NewTerminal(in, out) }
