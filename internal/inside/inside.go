// Package inside is what a box knows of itself: where programs inside ask for
// more, and the words they ask in.
package inside

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bailey-run/bailey/internal/audit"
)

// Where things are inside a box of tier full.
const (
	Dir     = "/run/bailey"
	Socket  = Dir + "/socket"
	Readme  = Dir + "/README"
	JSON    = Dir + "/box.json"
	Bin     = Dir + "/bin"
	Program = Bin + "/bailey"
)

// Version is the version of the protocol and of box.json. New fields alone do not
// change it.
const Version = 1

const (
	// MaxRequest bounds a request, in bytes: a path and a reason.
	MaxRequest = 8 << 10
	maxSubject = 4096 // PATH_MAX
	// maxWhy is as much as a person reads before answering.
	maxWhy = 500
	// maxAnswer bounds what a client reads: a thousand denials.
	maxAnswer = 4 << 20
)

// Request is what a program inside sends: one line of JSON on a new connection.
type Request struct {
	Op      string `json:"op"`                // request, denials, grants
	Kind    string `json:"kind,omitempty"`    // of a request: read, write, network, command, exception
	Subject string `json:"subject,omitempty"` // an absolute path, HOST:PORT, a command, a name
	Why     string `json:"why,omitempty"`     // for the person who answers

	Args []string `json:"args,omitempty"` // of an exception: the command, word by word
}

// When a grant holds.
const (
	Now     = "now"
	NextRun = "next-run" // from the next box on
)

// Answer is the one line that comes back.
type Answer struct {
	Granted bool           `json:"granted"`
	Holds   string         `json:"holds,omitempty"`  // of what is granted: now, next-run
	Scope   string         `json:"scope,omitempty"`  // once, session, project, always
	By      string         `json:"by,omitempty"`     // who answered
	Reason  string         `json:"reason,omitempty"` // why not, or why not yet
	Hint    string         `json:"hint,omitempty"`
	Error   string         `json:"error,omitempty"` // the request itself is wrong
	Denials []audit.Denial `json:"denials,omitempty"`
	Grants  []Grant        `json:"grants,omitempty"`
}

// Grant is something that was granted to this box.
type Grant struct {
	Kind    string `json:"kind"`
	Subject string `json:"subject"`
	Scope   string `json:"scope"`
	Holds   string `json:"holds"`
}

// Read reads a request. Every byte of it comes from the box.
func Read(r io.Reader) (Request, error) {
	var q Request
	line := make([]byte, 0, 512)
	for !bytes.HasSuffix(line, []byte("\n")) {
		if len(line) == cap(line) {
			line = append(line, 0)[:len(line)]
		}
		n, err := r.Read(line[len(line):min(cap(line), MaxRequest+1)])
		line = line[:len(line)+n]
		switch {
		case len(line) > MaxRequest:
			return q, fmt.Errorf("a request has at most %d bytes", MaxRequest)
		case err == io.EOF:
			return q, errors.New("a request is one line of JSON")
		case err != nil:
			return q, err
		}
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		return q, fmt.Errorf("a request is one JSON object: %w", err)
	}
	if rest, _ := io.ReadAll(d.Buffered()); len(bytes.TrimSpace(rest)) > 0 {
		return q, errors.New("a request is one JSON object, and nothing behind it")
	}
	return q, q.check()
}

func (q *Request) check() error {
	switch {
	case q.Op == "denials" || q.Op == "grants":
		if q.Kind != "" || q.Subject != "" || q.Why != "" || q.Args != nil {
			return errors.New(q.Op + " takes nothing else")
		}
		return nil
	case q.Op != "request":
		return errors.New("there is no such request: op is request, denials or grants")
	}
	switch q.Kind {
	case "read", "write", "network", "command", "exception":
	default:
		return errors.New("kind is read, write, network, command or exception")
	}
	switch {
	case q.Subject == "":
		return errors.New("the subject is missing")
	case len(q.Subject) > maxSubject:
		return fmt.Errorf("the subject has more than %d bytes", maxSubject)
	case !plain(q.Subject):
		return errors.New("the subject has control characters or bytes that are no UTF-8")
	case len(q.Why) > maxWhy || !plain(q.Why):
		return fmt.Errorf("why is one line of at most %d bytes", maxWhy)
	case q.Args != nil && q.Kind != "exception":
		return errors.New("args are for an exception")
	case slices.ContainsFunc(q.Args, func(w string) bool { return !plain(w) }):
		return errors.New("the command has control characters or bytes that are no UTF-8")
	}
	return nil
}

func plain(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) < 0
}

// Ask sends a request from inside and waits for the answer, as long as a person
// takes.
func Ask(socket string, q Request) (Answer, error) {
	var a Answer
	if err := q.check(); err != nil {
		return a, err
	}
	c, err := net.Dial("unix", socket)
	if err != nil {
		return a, err
	}
	defer c.Close()
	c.SetWriteDeadline(time.Now().Add(5 * time.Second)) // the other side reads at once
	if err := json.NewEncoder(c).Encode(q); err != nil {
		return a, err
	}
	if err := json.NewDecoder(io.LimitReader(c, maxAnswer)).Decode(&a); err != nil {
		return a, fmt.Errorf("no answer: %w", err)
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}
