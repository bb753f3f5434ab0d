package plan

import (
	"slices"
	"strings"

	"github.com/bailey-run/bailey/internal/policy"
)

// Status says what became of a wall.
type Status string

// The statuses.
const (
	Enforced     Status = "enforced"      // as asked for
	Weakened     Status = "weaker"        // held, but less exactly or by less than it should be
	Missing      Status = "missing"       // asked for, and nothing holds it
	NotRequested Status = "not requested" // the policy does not ask for it
)

// How it is known that a mechanism holds. The order is that of their worth.
const (
	HowPredicted = "predicted"                           // from probes of this machine; nothing was opened yet
	HowReported  = "reported by the step that succeeded" // the kernel said yes when it was set up
	HowSelfCheck = "self-check"                          // tried from inside, under all walls, before the command
	HowRead      = "read back from the kernel"           // the supervisor read it from outside
	HowBailey    = "held by bailey itself"               // by the supervisor, which is running
)

// Mechanism is one thing that holds a wall.
type Mechanism struct {
	Name   string `json:"name"`
	Held   bool   `json:"held"`
	Part   bool   `json:"part,omitempty"` // it holds a part of the wall: alone it is not enough
	How    string `json:"how,omitempty"`
	Detail string `json:"detail,omitempty"` // what was found; why not, when it does not hold
}

// Wall is one thing that a policy asks for, and what stands for it. In a plan it
// is what this machine is expected to achieve, in a report what it did.
type Wall struct {
	ID        string          `json:"id"` // one of policy.Walls
	Status    Status          `json:"status"`
	Requested string          `json:"requested,omitempty"` // in words; empty when not requested
	Sources   []policy.Source `json:"sources,omitempty"`   // the rules that ask for it; none when every box has it
	Achieved  string          `json:"achieved,omitempty"`  // in words, empty when nothing holds it
	How       string          `json:"how,omitempty"`       // how that is known: of the mechanism that counts
	// Mechanisms are what is to hold it, the primary first; each is independent
	// of the others.
	Mechanisms []Mechanism `json:"mechanisms,omitempty"`
	Detail     string      `json:"detail,omitempty"` // why it is weaker or missing
	// Accepted is the rule that lets the box start although the wall is missing.
	Accepted *policy.Source `json:"accepted,omitempty"`

	limit string // what the tier itself cannot hold of it, whatever stands
	why   string // what it means when the primary mechanism is not there
}

// The mechanisms. Backends know them by these names.
const (
	ByTree           = "file tree of its own"
	ByReadOnly       = "read-only mounts"
	ByMasks          = "masks"
	ByBroker         = "name broker"
	ByPins           = "read-only mounts over protected names"
	ByLandlockRead   = "Landlock on reading"
	ByLandlockWrite  = "Landlock on writing"
	ByLandlockScope  = "Landlock scope"
	ByLandlockTCP    = "Landlock on TCP"
	ByNetNS          = "network namespace"
	ByPidNS          = "pid namespace"
	ByIPCNS          = "ipc namespace"
	ByInit           = "pid 1 with a lifeline"
	ByGuard          = "guard with a lifeline"
	ByFilter         = "syscall filter"
	ByFilterSockets  = "syscall filter on sockets"
	ByFilterIPC      = "syscall filter on ipc"
	ByFilterKeys     = "syscall filter on keyctl"
	ByFilterTerminal = "syscall filter on TIOCSTI"
	ByCapset         = "empty capability sets"
	ByBounding       = "empty bounding set"
	ByNoNewPrivs     = "no_new_privs"
	ByEnv            = "environment built from nothing"
	ByCloseRange     = "close_range"
	ByKeyring        = "session keyring of its own"
	BySession        = "session of its own"
	ByCgroupMemory   = "cgroup memory.max"
	ByCgroupPids     = "cgroup pids.max"
	ByWatch          = "watch"
	ByNproc          = "RLIMIT_NPROC"
	ByPidMax         = "pid_max of the pid namespace"
	ByCPU            = "RLIMIT_CPU"
	ByFsize          = "RLIMIT_FSIZE"
	ByNofile         = "RLIMIT_NOFILE"
	ByTmpfs          = "tmpfs size"
	ByTimer          = "timer"
	ByMeter          = "meter"
)

// Judge works out Status, Achieved, How and Detail from the mechanisms.
func (w *Wall) Judge() {
	w.Status, w.Achieved, w.How, w.Detail = Missing, "", "", ""
	if w.Requested == "" {
		w.Status = NotRequested
		return
	}
	var held, gone []string
	for i := range w.Mechanisms {
		m := &w.Mechanisms[i]
		if !m.Held {
			why := m.Name
			if m.Detail != "" {
				why += ": " + m.Detail
			}
			gone = append(gone, why)
			continue
		}
		if w.Status == Missing && !m.Part {
			w.How = m.How
			w.Status = Weakened
			if i == 0 && w.limit == "" {
				w.Status = Enforced
			}
		}
		held = append(held, m.Name)
	}
	w.Achieved = strings.Join(held, ", ")
	if w.Status == Enforced {
		return
	}
	var why []string
	if w.limit != "" {
		why = append(why, w.limit)
	}
	if len(gone) > 0 {
		why = append(why, "not held by "+strings.Join(gone, "; "))
		if w.Status == Weakened && w.why != "" {
			why = append(why, w.why)
		}
	}
	w.Detail = strings.Join(why, "; ")
}

// CloneWalls returns a copy that can be changed.
func (pl *Plan) CloneWalls() []Wall {
	out := make([]Wall, len(pl.Walls))
	n := 0
	for i := range pl.Walls {
		n += len(pl.Walls[i].Mechanisms)
	}
	all := make([]Mechanism, 0, n)
	for i, w := range pl.Walls {
		at := len(all)
		all = append(all, w.Mechanisms...)
		w.Mechanisms = all[at:len(all):len(all)]
		out[i] = w
	}
	return out
}

// Lacking returns the walls that are asked for, missing, and not accepted as
// missing: with any, nothing may start.
func Lacking(walls []Wall) []Wall {
	var out []Wall
	for i := range walls {
		if walls[i].Status == Missing && walls[i].Accepted == nil {
			out = append(out, walls[i])
		}
	}
	return out
}

// WallError says that walls are asked for, missing, and not accepted as missing.
type WallError struct{ Walls []Wall }

// Refuse returns a *WallError when walls are lacking.
func Refuse(walls []Wall) error {
	if list := Lacking(walls); list != nil {
		return &WallError{list}
	}
	return nil
}

func (e *WallError) Error() string { return e.Feature() + " is missing: " + e.Why() }

// Feature names the walls.
func (e *WallError) Feature() string {
	if len(e.Walls) == 1 {
		return "wall " + e.Walls[0].ID
	}
	ids := make([]string, len(e.Walls))
	for i := range e.Walls {
		ids[i] = e.Walls[i].ID
	}
	return "walls " + strings.Join(ids, ", ")
}

// Why says why the first of them is missing.
func (e *WallError) Why() string {
	w := &e.Walls[0]
	why := w.Requested + ", " + w.Detail
	for _, from := range w.Sources {
		if from.Layer != policy.LayerBuiltin {
			why += " (asked for at " + Where(from) + ")"
			break
		}
	}
	return why
}

// Hint says what to do.
func (e *WallError) Hint() string {
	spare := policy.Acceptable()
	flags := ""
	for i := range e.Walls {
		if !slices.Contains(spare, e.Walls[i].ID) {
			return "`bailey doctor` says what this machine holds"
		}
		flags += " --accept " + e.Walls[i].ID
	}
	return "`bailey doctor` says what to do about it; or start without it:" + flags
}
