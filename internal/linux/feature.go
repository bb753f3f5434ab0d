package linux

import "fmt"

// Have is the answer to a question about a machine.
type Have string

// The answers. Unknown is for doctor to say and for a tier to treat as No.
const (
	Yes     Have = "yes"
	No      Have = "no"
	Unknown Have = "could not tell"
)

// A Feature is one thing that a kernel offers or does not, found out by trying.
type Feature struct {
	Name   string `json:"name"`
	For    string `json:"for,omitempty"` // what needs it: a tier, a wall; empty for plain information
	Have   Have   `json:"have"`
	Detail string `json:"detail,omitempty"` // what was found
	Fix    string `json:"fix,omitempty"`    // what to do about it when it is missing
}

func (f Feature) String() string {
	s := fmt.Sprintf("%s: %s", f.Name, f.Have)
	if f.Detail != "" {
		s += " (" + f.Detail + ")"
	}
	return s
}

func have(b bool) Have {
	if b {
		return Yes
	}
	return No
}
