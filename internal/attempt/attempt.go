// Package attempt tries what policy tests speak of: opening files, making them,
// starting programs, connecting. Serve does it inside a box, and leaves nothing
// behind; what comes of it is judged outside, from the answers that Read reads.
// Nothing here knows the policy.
package attempt

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Try is one attempt.
type Try struct {
	Op     string   `json:"op"`     // read, write, exec, connect or env
	Target []string `json:"target"` // an absolute path, a program and its arguments, HOST:PORT, a name
}

// Answer is what came of one attempt.
type Answer struct {
	Index int    `json:"i"` // which Try
	Done  bool   `json:"done,omitempty"`
	Errno int    `json:"errno,omitempty"` // why not
	Step  string `json:"step,omitempty"`  // the system call or thing that failed, or that showed it was done
	// Skip says why it was not tried, or why nothing follows from what came of it.
	Skip string `json:"skip,omitempty"`
	// Left is a path that was made and could not be removed again.
	Left string `json:"left,omitempty"`
	// Dev and Ino are those of the file, or of the directory a new one was made in.
	Dev uint64 `json:"dev,omitempty"`
	Ino uint64 `json:"ino,omitempty"`
	// Micros is how long it took, in microseconds, as the box says.
	Micros int64 `json:"us,omitempty"`
}

// maxAnswers bounds what is read from inside: some 200 bytes for each Try.
func maxAnswers(tries int) int64 { return 1<<16 + int64(tries)*(8<<10) }

// maxMicros is an hour; a try that waits does so for seconds.
const maxMicros = 3600e6

// Read reads the answers to n tries, one each in any order. They come from
// inside a box, so nothing about them is taken for granted.
func Read(r io.Reader, n int) ([]Answer, error) {
	dec := json.NewDecoder(io.LimitReader(r, maxAnswers(n)))
	dec.DisallowUnknownFields()
	out, seen := make([]Answer, n), make([]bool, n)
	for count := 0; ; count++ {
		var a Answer
		err := dec.Decode(&a)
		switch {
		case err == io.EOF && count == n:
			return out, nil
		case err == io.EOF:
			return nil, fmt.Errorf("read answers: %d of %d came", count, n)
		case err != nil:
			return nil, fmt.Errorf("read answers: %w", err)
		case a.Index < 0 || a.Index >= n || seen[a.Index]:
			return nil, fmt.Errorf("read answers: one to a question that was not put (%d)", a.Index)
		case a.Micros < 0 || a.Micros > maxMicros:
			return nil, errors.New("read answers: one took an impossible time")
		case a.Done && (a.Errno != 0 || a.Skip != "") || !a.Done && a.Errno == 0 && a.Skip == "":
			return nil, errors.New("read answers: one contradicts itself")
		}
		out[a.Index], seen[a.Index] = a, true
	}
}

// maxAtOnce bounds the connections that are waited for at the same time.
const maxAtOnce = 16

// Serve reads tries as a JSON array, tries each, and writes the answers: one by
// one, but for connections, which may take their time.
func Serve(in io.Reader, out io.Writer) error {
	var tries []Try
	if err := json.NewDecoder(in).Decode(&tries); err != nil {
		return fmt.Errorf("read tries: %w", err)
	}
	answers := make([]Answer, len(tries))
	var waiting sync.WaitGroup
	room := make(chan struct{}, maxAtOnce)
	for i, t := range tries {
		if t.Op != "connect" {
			continue
		}
		waiting.Go(func() {
			room <- struct{}{}
			answers[i] = t.do()
			<-room
		})
	}
	for i, t := range tries {
		if t.Op != "connect" {
			answers[i] = t.do()
		}
	}
	waiting.Wait()
	enc := json.NewEncoder(out)
	for i, a := range answers {
		a.Index = i
		if err := enc.Encode(a); err != nil {
			return fmt.Errorf("write answers: %w", err)
		}
	}
	return nil
}

// do tries, and says how long that took.
func (t *Try) do() Answer {
	began := time.Now()
	a := t.once()
	a.Micros = min(time.Since(began).Microseconds(), maxMicros)
	return a
}

func (t *Try) once() Answer {
	if len(t.Target) == 0 {
		return Answer{Skip: "there is no target"}
	}
	switch t.Op {
	case "read":
		return read(t.Target[0])
	case "write":
		return write(t.Target[0])
	case "connect":
		return connect(t.Target[0])
	case "env":
		return env(t.Target[0])
	case "exec":
		return start(t.Target)
	}
	return Answer{Skip: "it cannot be tried"}
}
