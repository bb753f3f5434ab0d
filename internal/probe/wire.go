//go:build linux

package probe

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// World is what stands around the box, as an attack is told about it.
type World struct {
	Base    string `json:"base"`    // all of it lies below
	Home    string `json:"home"`    // HOME of the box's owner
	WS      string `json:"ws"`      // the project, where the box starts
	Sibling string `json:"sibling"` // another project
	Out     string `json:"out"`     // a directory that nothing of the policy names
}

// request hands one probe to the program inside.
type request struct {
	ID    string            `json:"id"`
	Nonce string            `json:"nonce"`
	World World             `json:"world"`
	Args  map[string]string `json:"args,omitempty"`
	Limit int64             `json:"limit"` // ms
	Again bool              `json:"again,omitempty"`
	TTY   bool              `json:"tty,omitempty"`
	Hold  bool              `json:"hold,omitempty"` // stay, after it
}

// Report is what came back from inside about one probe. All of it is the box's
// word but for Loot, which can hold a token only if it was read.
type Report struct {
	Nonce   string `json:"nonce"`
	Ended   string `json:"ended"` // done, timeout, signal, crash
	Signal  int    `json:"signal,omitempty"`
	Claimed bool   `json:"claimed"` // the attempt was not refused
	Err     string `json:"err,omitempty"`
	Lack    string `json:"lack,omitempty"` // the program that is missing inside
	Loot    []byte `json:"loot,omitempty"`
}

// What a box may say. A token has some tens of bytes and a message one line.
const (
	maxLoot = 32 << 10
	maxErr  = 2 << 10
	maxLine = 96 << 10  // an encoded report
	maxTalk = 256 << 20 // everything a box says in one run; beyond, it is ended
)

// mark begins a line with a report. It survives terminals and line buffering, and
// nothing else begins like it.
const mark = "@bailey-probe "

// encodeReport makes the line for a report.
func encodeReport(r *Report) []byte {
	r.Loot = r.Loot[:min(len(r.Loot), maxLoot)]
	r.Err = strings.ToValidUTF8(r.Err[:min(len(r.Err), maxErr)], "?")
	text, _ := json.Marshal(r) // strings and bytes: it cannot fail
	line := append([]byte(mark), base64.RawURLEncoding.EncodeToString(text)...)
	return append(line, '\n')
}

var errNoReport = errors.New("not a report")

// parseReport reads a line from inside the box. A line that is no report is
// errNoReport; one that is a bad one is another error.
func parseReport(line []byte) (*Report, error) {
	i := bytes.Index(line, []byte(mark)) // a terminal may put something in front
	if i < 0 {
		return nil, errNoReport
	}
	line = bytes.TrimRight(line[i+len(mark):], "\r\n")
	if len(line) > maxLine {
		return nil, fmt.Errorf("report of %d bytes", len(line))
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(string(line))
	if err != nil {
		return nil, fmt.Errorf("decode report: %w", err)
	}
	return decodeReport(text)
}

func decodeReport(text []byte) (*Report, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var r Report
	if err := d.Decode(&r); err != nil {
		return nil, fmt.Errorf("decode report: %w", err)
	}
	if d.More() {
		return nil, errors.New("decode report: more than one value")
	}
	switch r.Ended {
	case "done", "timeout", "signal", "crash":
	default:
		return nil, errors.New("decode report: no such end")
	}
	if len(r.Nonce) > 64 || len(r.Loot) > maxLoot || len(r.Err) > maxErr || len(r.Lack) > 64 || r.Signal < 0 || r.Signal > 64 {
		return nil, errors.New("decode report: a field is too long")
	}
	if !utf8.ValidString(r.Err) || !utf8.ValidString(r.Lack) {
		return nil, errors.New("decode report: not UTF-8")
	}
	return &r, nil
}

// pack makes requests one word without characters that a shell would read.
func pack(list []request) string {
	text, _ := json.Marshal(list) // strings and numbers: it cannot fail
	return base64.RawURLEncoding.EncodeToString(text)
}

func unpack(word string) ([]request, error) {
	text, err := base64.RawURLEncoding.DecodeString(word)
	if err != nil {
		return nil, fmt.Errorf("decode requests: %w", err)
	}
	var list []request
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("decode requests: %w", err)
	}
	return list, nil
}
