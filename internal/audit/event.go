// Package audit writes what happens in a session as one typed stream of events:
// JSON lines, each written while it happens. docs/events.md describes the
// stream and docs/events.schema.json is its schema.
package audit

import (
	"encoding/json"
	"fmt"
	"time"
)

// Version is the version of the stream. It grows when a field changes its
// meaning or goes away; new fields and new types of event do not change it, so a
// reader must skip what it does not know.
const Version = 1

// Type names a type of event.
type Type string

// The types of event.
const (
	TypeSessionStart Type = "session.start"
	TypeExec         Type = "exec"
	TypeExit         Type = "exit"
	TypeProgram      Type = "program"
	TypeProgramExit  Type = "program.exit"
	TypeDecision     Type = "decision"
	TypeDenial       Type = "denial"
	TypeLimit        Type = "limit"
	TypeFlow         Type = "flow"
	TypeApproval     Type = "approval"
	TypePolicyChange Type = "policy.change"
	TypeSessionEnd   Type = "session.end"
)

// Event is one line of the stream.
type Event struct {
	Version int       `json:"v"`
	Seq     uint64    `json:"seq"` // 1, 2, 3 … within the session, without gaps
	Time    time.Time `json:"time"`
	Session string    `json:"session"`
	Type    Type      `json:"type"`
	Data    Data      `json:"data"`
}

// Data is what an event says; its concrete type decides the event's type.
type Data interface {
	// Type is the type of event that carries this data.
	Type() Type
	// scrubbed returns a copy with every free text passed through f.
	scrubbed(f func(string) string) Data
}

// SessionStart opens a session: what was promised, and what the kernel gave.
type SessionStart struct {
	Bailey   string   `json:"bailey"` // bailey's version
	Policy   string   `json:"policy"` // hash of the effective policy
	Layers   []Layer  `json:"layers"`
	Profiles []string `json:"profiles"`
	Tier     string   `json:"tier"`
	Mode     string   `json:"mode"`
	Dir      string   `json:"dir"`      // working directory, as seen inside
	Writable []string `json:"writable"` // host directories the box may write
	Weaker   []string `json:"weaker,omitempty"`
	// Walls is what stands, as the backend read it back when the box was open.
	Walls json.RawMessage `json:"walls,omitempty"`
}

// Layer is one file, profile or command line the policy was built from.
type Layer struct {
	Layer   string `json:"layer"`
	File    string `json:"file,omitempty"`
	Hash    string `json:"hash,omitempty"`
	Trusted bool   `json:"trusted,omitempty"` // a project file a person has trusted as it is
}

// Exec is a command that bailey started in the box.
type Exec struct {
	PID  int      `json:"pid"` // on the host
	Args []string `json:"argv"`
	Dir  string   `json:"dir"`
}

// Exit is the end of a command that bailey started.
type Exit struct {
	PID    int    `json:"pid"`
	Status Status `json:"status"`
}

// Program is a program that a process inside has asked the kernel to execute. The
// file was there and had the right to be executed; that the kernel did it is not
// known.
type Program struct {
	PID    int      `json:"pid"`                  // on the host
	Inside int      `json:"pid_inside,omitempty"` // in the box
	Parent int      `json:"ppid,omitempty"`       // on the host
	Path   string   `json:"path"`                 // as it was asked for
	Real   string   `json:"real,omitempty"`       // where that leads, when it is another
	Args   []string `json:"argv"`
	More   int      `json:"more,omitempty"` // arguments that are not in Args, or not whole
	Dir    string   `json:"dir,omitempty"`
	By     string   `json:"by,omitempty"` // the program that asked, as seen inside
}

// ProgramExit is the end of a process that a Program was told of.
type ProgramExit struct {
	PID    int    `json:"pid"`
	Inside int    `json:"pid_inside,omitempty"`
	Known  bool   `json:"known"` // the kernel told how
	Code   int    `json:"code"`  // as a shell says it: 128+n after signal n
	Signal string `json:"signal,omitempty"`
}

// Decision is an answer of the decision engine.
type Decision struct {
	Op      string `json:"op"`
	Target  string `json:"target"`
	Verdict string `json:"verdict"` // allow, ask or deny
	Rule    string `json:"rule,omitempty"`
	Layer   string `json:"layer,omitempty"`
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	PID     int    `json:"pid,omitempty"`
}

// Denial is something the box tried and was refused.
type Denial struct {
	Op     string `json:"op"`
	Target string `json:"target"`
	Rule   string `json:"rule"`
	Hint   string `json:"hint,omitempty"`
	PID    int    `json:"pid,omitempty"`
	Exe    string `json:"exe,omitempty"` // the program, as seen inside, when it could still be read
	// Count is how often the same was refused so far. A box that repeats itself
	// is written at 1, 10, 100 … so that it cannot fill the disk.
	Count int `json:"count"`
}

// Limit is a limit that was reached.
type Limit struct {
	Limit string `json:"limit"` // timeout, output, denials …
	Value int64  `json:"value"` // in the unit Unit
	Unit  string `json:"unit"`  // ns, bytes, count
	PID   int    `json:"pid,omitempty"`
}

// Flow is a connection through the gate, told at its start and at its end; a
// refused one is told once, at its end.
type Flow struct {
	ID       uint64 `json:"flow"`               // the same at start and end
	State    string `json:"state"`              // start or end
	Network  string `json:"network"`            // tcp or udp
	Via      string `json:"via,omitempty"`      // direct, connect or socks5: how the program came to the gate
	Protocol string `json:"protocol,omitempty"` // tls, http, tcp or udp, as identified
	Host     string `json:"host,omitempty"`
	Port     int    `json:"port,omitempty"`
	Addr     string `json:"addr,omitempty"`  // the address dialled
	Proxy    string `json:"proxy,omitempty"` // the upstream proxy it went through
	Verdict  string `json:"verdict"`         // allow or deny
	Rule     string `json:"rule,omitempty"`
	Layer    string `json:"layer,omitempty"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Reason   string `json:"reason,omitempty"` // why it was refused, or ended badly
	Up       int64  `json:"up"`               // bytes from the box
	Down     int64  `json:"down"`             // bytes to it
	Duration int64  `json:"duration_ns"`
	PID      int    `json:"pid,omitempty"`
	Exe      string `json:"exe,omitempty"`
}

// Approval is a question and its answer.
type Approval struct {
	Kind    string `json:"kind"` // network, read, write, command, tool or exception
	Subject string `json:"subject"`
	Verdict string `json:"verdict"` // allow or deny
	Scope   string `json:"scope"`   // once, session, project or always
	By      string `json:"by"`      // terminal, approve, grant, delegate, program, policy or nobody
	Rule    string `json:"rule"`    // what decided, in words
	Expires string `json:"expires,omitempty"`
	Note    string `json:"note,omitempty"`
	Why     string `json:"why,omitempty"`  // what the asking program said for itself
	Asks    string `json:"asks,omitempty"` // the rule that asks
	PID     int    `json:"pid,omitempty"`
	Exe     string `json:"exe,omitempty"`
}

// PolicyChange is a new generation of the policy in an open session.
type PolicyChange struct {
	Policy string  `json:"policy"` // the new hash
	Layers []Layer `json:"layers"`
	Why    string  `json:"why"`
}

// SessionEnd closes a session. Status is absent when the session ran no command
// to its end, and that of the last command otherwise.
type SessionEnd struct {
	Status   *Status `json:"status,omitempty"`
	Duration int64   `json:"duration_ns"`
	Commands int     `json:"commands"`
	Denials  int     `json:"denials"`
	Programs int     `json:"programs,omitempty"` // executed inside, when they are recorded
	Error    string  `json:"error,omitempty"`    // why bailey itself ended it
}

// Status is how a command ended, and what it used.
type Status struct {
	Code     int    `json:"code"` // as a shell says it: 128+n after signal n
	Signal   string `json:"signal,omitempty"`
	Duration int64  `json:"duration_ns"`
	User     int64  `json:"user_ns"`
	System   int64  `json:"system_ns"`
	MaxRSS   int64  `json:"max_rss"` // bytes
}

func (SessionStart) Type() Type { return TypeSessionStart }
func (Exec) Type() Type         { return TypeExec }
func (Exit) Type() Type         { return TypeExit }
func (Program) Type() Type      { return TypeProgram }
func (ProgramExit) Type() Type  { return TypeProgramExit }
func (Decision) Type() Type     { return TypeDecision }
func (Denial) Type() Type       { return TypeDenial }
func (Limit) Type() Type        { return TypeLimit }
func (Flow) Type() Type         { return TypeFlow }
func (Approval) Type() Type     { return TypeApproval }
func (PolicyChange) Type() Type { return TypePolicyChange }
func (SessionEnd) Type() Type   { return TypeSessionEnd }

// UnmarshalJSON reads one line of the stream. An unknown type of event is an
// error that names it: the caller decides whether to skip it.
func (e *Event) UnmarshalJSON(b []byte) error {
	type envelope Event // without this method
	var raw struct {
		envelope
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return fmt.Errorf("read event: %w", err)
	}
	*e = Event(raw.envelope)
	var err error
	switch e.Type {
	case TypeSessionStart:
		e.Data, err = read[SessionStart](raw.Data)
	case TypeExec:
		e.Data, err = read[Exec](raw.Data)
	case TypeExit:
		e.Data, err = read[Exit](raw.Data)
	case TypeProgram:
		e.Data, err = read[Program](raw.Data)
	case TypeProgramExit:
		e.Data, err = read[ProgramExit](raw.Data)
	case TypeDecision:
		e.Data, err = read[Decision](raw.Data)
	case TypeDenial:
		e.Data, err = read[Denial](raw.Data)
	case TypeLimit:
		e.Data, err = read[Limit](raw.Data)
	case TypeFlow:
		e.Data, err = read[Flow](raw.Data)
	case TypeApproval:
		e.Data, err = read[Approval](raw.Data)
	case TypePolicyChange:
		e.Data, err = read[PolicyChange](raw.Data)
	case TypeSessionEnd:
		e.Data, err = read[SessionEnd](raw.Data)
	default:
		return fmt.Errorf("read event: unknown type %q", e.Type)
	}
	if err != nil {
		return fmt.Errorf("read event %s: %w", e.Type, err)
	}
	return nil
}

func read[T Data](b []byte) (Data, error) {
	var d T
	err := json.Unmarshal(b, &d)
	return d, err
}
