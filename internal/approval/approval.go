// Package approval says who is asked when a rule or a wall leaves it to a person,
// and keeps what was answered.
package approval

import (
	"context"
	"slices"
	"time"
)

// Kind is what a question is about; it says how Subject is written.
type Kind string

// The kinds.
const (
	Network   Kind = "network"   // host:port, or host:port/udp, in canonical form
	Read      Kind = "read"      // an absolute path without symbolic links
	Write     Kind = "write"     // the same
	Command   Kind = "command"   // the shell text of one command, as the rules judged it
	Tool      Kind = "tool"      // the name of a tool that is no shell, as in mcp__server__tool
	Exception Kind = "exception" // the command that would run outside the box
)

// Scope is how long an answer holds.
type Scope string

// The scopes. The zero Answer is a denial that holds once.
const (
	Once    Scope = "once"    // for this one call
	Session Scope = "session" // until the box is closed
	Project Scope = "project" // for every box of this project, kept on disk
	Always  Scope = "always"  // for every box of this user, kept on disk
)

// Question is what a person is asked. Kind and Subject are exactly what an answer
// grants; everything else only explains.
type Question struct {
	Kind    Kind
	Subject string
	Why     string  // what the asking program says for itself: untrusted text
	Rule    string  // the rule that asks, as it is written; "" for the default
	Where   string  // where that rule is, as file:line:column
	Session string  // id of the box
	Project string  // root of the project
	PID     int     // of the asking process, on the host; 0: not known
	Exe     string  // its program, as seen inside; untrusted text
	Scopes  []Scope // that an answer may have, beside once
	Unclear bool    // Subject has things in it that are known only when it runs: nothing is kept
}

// Answer is what a person, or whoever answered in place of one, said.
type Answer struct {
	Allow   bool
	Scope   Scope
	Expires time.Time // zero: when the scope ends
	Note    string    // a person's own words
	By      string    // who answered: "terminal", "approve", "grant", "delegate", "nobody"
	Rule    string    // what to name as the rule that decided, with its place
}

// Nobody is who answers where there is nobody to ask: an Answer by it makes
// room for whoever can be asked next.
const Nobody = "nobody"

// Offers reports whether an answer of a scope may be given to q.
func (q *Question) Offers(s Scope) bool {
	return s == Once || slices.Contains(q.Scopes, s)
}

// Asker asks a person.
type Asker interface {
	// Ask returns when there is an answer, or when ctx is done, with a denial. It
	// is called from several goroutines.
	Ask(ctx context.Context, q Question) Answer
}
