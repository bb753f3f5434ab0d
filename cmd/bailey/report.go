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
	State    string          `json:"state"` // planned, running, ended, failed
	Session  string          `json:"session,omitempty"`
	Bailey   string          `json:"bailey"`
	Policy   string          `json:"policy"`
	Tier     bailey.Tier     `json:"tier"`
	Mode     bailey.Mode     `json:"mode"`
	Except   string          `json:"exception,omitempty"` // why there are no walls
	Profiles []string        `json:"profiles"`
	Writable []string        `json:"writable"`
	Weaker   []string        `json:"weaker,omitempty"`
	Landlock int             `json:"landlock_abi"`
	Walls    []bailey.Wall   `json:"walls"`             // predicted while planned, then what stands
	Network  string          `json:"network,omitempty"` // how connections come to the gate
	Error    string          `json:"error,omitempty"`
	Exit     *int            `json:"exit_code,omitempty"`
	Limit    string          `json:"limit,omitempty"` // the limit that ended the command
	Seconds  float64         `json:"seconds"`
	User     float64         `json:"user_seconds"`
	System   float64         `json:"system_seconds"`
	Denials  []bailey.Denial `json:"denials"`
}

// reportFile is written three times: when the plan is made, when the command
// runs, and when it has ended. So it says what stood also when bailey is killed,
// and a file that cannot be written is an error before the command and not after.
type reportFile struct {
	f     *os.File
	begin time.Time
	out   report
}

func (r *reportFile) open(p *bailey.Plan, name, exception string) error {
	if name == "" {
		return nil
	}
	f, err := p.OpenOutside(name)
	if err != nil {
		return err
	}
	r.f, r.begin = f, time.Now()
	have := p.Report()
	r.out = report{
		Version: 1, State: "planned", Bailey: bailey.Version(), Policy: p.Hash(),
		Tier: p.Tier(), Mode: p.Mode(), Except: exception, Profiles: p.Profiles(), Writable: p.Writable(), Weaker: p.Weaker(),
		Landlock: have.Landlock, Walls: have.Walls, Denials: []bailey.Denial{},
	}
	return r.write()
}

func (r *reportFile) close() {
	if r.f != nil {
		r.f.Close()
	}
}

// failed notes that the command did not start.
func (r *reportFile) failed(err error, exit int) {
	if r.f == nil {
		return
	}
	r.out.State, r.out.Error, r.out.Exit = "failed", err.Error(), &exit
	r.write() // the error that is told is err
}

// started notes what stands.
func (r *reportFile) started(cmd *bailey.Cmd) error {
	if r.f == nil {
		return nil
	}
	have := cmd.Box().Report()
	r.out.State, r.out.Session, r.out.Landlock, r.out.Walls, r.out.Network = "running", cmd.Box().Session(), have.Landlock, have.Walls, have.Network
	for i := range have.Walls {
		if w := &have.Walls[i]; w.Status == bailey.WallMissing && w.Accepted == nil {
			r.write()
			return errors.New("wall " + w.ID + " does not stand: " + w.Detail)
		}
	}
	return r.write()
}

// ended notes how the command ended.
func (r *reportFile) ended(cmd *bailey.Cmd, err error, exit int) error {
	if r.f == nil {
		return nil
	}
	r.out.State, r.out.Exit, r.out.Seconds, r.out.Denials = "ended", &exit, time.Since(r.begin).Seconds(), cmd.Box().Denials()
	if r.out.Denials == nil {
		r.out.Denials = []bailey.Denial{}
	}
	var limit *bailey.LimitError
	if errors.As(err, &limit) {
		r.out.Limit = limit.Limit
	}
	if st := cmd.ProcessState; st != nil {
		r.out.User, r.out.System = st.UserTime().Seconds(), st.SystemTime().Seconds()
	}
	return r.write()
}

// write replaces what the file, which is open for appending, holds.
func (r *reportFile) write() error {
	text, err := json.MarshalIndent(&r.out, "", "  ")
	if err != nil {
		return err
	}
	if err := r.f.Truncate(0); err != nil {
		return err
	}
	_, err = r.f.Write(append(text, '\n'))
	return err
}
