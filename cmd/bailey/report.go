package main

import (
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/bailey-run/bailey"
)

// report is what --report writes, version 1: new fields do not change it.
type report struct {
	Version  int             `json:"v"`
	Session  string          `json:"session"`
	Bailey   string          `json:"bailey"`
	Policy   string          `json:"policy"`
	Tier     bailey.Tier     `json:"tier"`
	Mode     bailey.Mode     `json:"mode"`
	Profiles []string        `json:"profiles"`
	Writable []string        `json:"writable"`
	Weaker   []string        `json:"weaker,omitempty"`
	Walls    bailey.Report   `json:"walls"`
	Exit     int             `json:"exit_code"`
	Limit    string          `json:"limit,omitempty"` // the limit that ended the command
	Seconds  float64         `json:"seconds"`
	User     float64         `json:"user_seconds"`
	System   float64         `json:"system_seconds"`
	Denials  []bailey.Denial `json:"denials"`
}

// reportFile is opened before the command runs, so that a file that cannot be
// written is an error before and not after.
type reportFile struct {
	f     *os.File
	begin time.Time
}

func (r *reportFile) open(p *bailey.Plan, name string) error {
	if name == "" {
		return nil
	}
	f, err := p.OpenOutside(name)
	r.f, r.begin = f, time.Now()
	return err
}

func (r *reportFile) close() {
	if r.f != nil {
		r.f.Close()
	}
}

// write writes the report of a command that has ended.
func (r *reportFile) write(cmd *bailey.Cmd, err error, exit int) error {
	if r.f == nil {
		return nil
	}
	box := cmd.Box()
	p := box.Plan()
	out := report{
		Version: 1, Session: box.Session(), Bailey: bailey.Version(), Policy: p.Hash(),
		Tier: p.Tier(), Mode: p.Mode(), Profiles: p.Profiles(), Writable: p.Writable(), Weaker: p.Weaker(),
		Walls: box.Report(), Exit: exit, Seconds: time.Since(r.begin).Seconds(), Denials: box.Denials(),
	}
	var limit *bailey.LimitError
	if errors.As(err, &limit) {
		out.Limit = limit.Limit
	}
	if st := cmd.ProcessState; st != nil {
		out.User, out.System = st.UserTime().Seconds(), st.SystemTime().Seconds()
	}
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	if err := r.f.Truncate(0); err != nil {
		return err
	}
	_, err = r.f.Write(append(text, '\n'))
	return err
}
