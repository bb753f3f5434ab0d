package bailey

import (
	"io"

	"github.com/bailey-run/bailey/internal/approval"
)

// Asker answers what a rule or a wall leaves to a person. Whoever asks waits
// meanwhile, for two minutes at most.
type Asker = approval.Asker

// Question is what a person is asked: Kind and Subject are exactly what an answer
// grants.
type Question = approval.Question

// Answer is what a person said. The zero Answer is no.
type Answer = approval.Answer

// Kind is what a question is about; it says how the subject is written.
type Kind = approval.Kind

// The kinds of questions.
const (
	KindNetwork   = approval.Network
	KindRead      = approval.Read
	KindWrite     = approval.Write
	KindCommand   = approval.Command
	KindTool      = approval.Tool
	KindException = approval.Exception
)

// Scope is how long an answer holds.
type Scope = approval.Scope

// The scopes.
const (
	ScopeOnce    = approval.Once    // this one call
	ScopeSession = approval.Session // this box
	ScopeProject = approval.Project // every box of this project
	ScopeAlways  = approval.Always  // every box of this user
)

// AskOn returns an asker that writes its questions to out and reads lines from in,
// one question at a time. At the end of in every answer is no.
func AskOn(in io.Reader, out io.Writer) Asker { return approval.NewTerminal(approval.Lines(in, out)) }
