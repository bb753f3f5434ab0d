//go:build linux

package probe

import (
	"strings"
	"time"
)

// Severity says what is lost when a probe escapes.
type Severity string

// The severities, worst first.
const (
	Boundary    Severity = "boundary"    // something outside is read, changed or reached
	Persistence Severity = "persistence" // something runs outside later
	Hardening   Severity = "hardening"   // a layer that makes the others hold is missing
	Resource    Severity = "resource"    // the machine can be used up
)

// The scenarios: how the box is run for a probe.
const (
	sceneMain      = ""           // one box, one probe after the other
	sceneSlow      = "slow"       // the same, for categories that take long
	sceneTTY       = "tty"        // on a terminal
	sceneFDs       = "fds"        // with inherited descriptors
	sceneStdin     = "stdin"      // with a directory as standard input
	sceneStdinFile = "stdin-file" // with a file as standard input
	sceneSecond    = "second"     // two boxes, one after the other
	sceneKill      = "kill"       // killed in the middle
	sceneEnd       = "end"        // ended in the usual way
	sceneGate      = "gate"       // with a gate that leads to servers of ours, and a secret
	sceneWeb       = "web"        // the same without a secret: other code reads the requests then
	sceneAsk       = "ask"        // with somebody outside who is waited for and does not answer
)

// Probe is one attempt, or a control.
type Probe struct {
	ID       string // category.name
	Severity Severity
	Title    string // what it attempts
	Why      string // why it matters, one sentence
	Wall     string // what should hold it
	Fix      string // what to do when it does not
	Control  bool   // must happen
	Writes   bool   // a control that writes to the workspace: not in mode read-only
	Scene    string // how the box is run for it

	// Needs says what the machine lacks for it; "" for nothing. It runs outside.
	Needs     func(*Case) string
	NeedsRoot bool // only root can do it without walls
	MayLack   bool // the attack may say that a program is missing inside
	OwnGate   bool // with a gate: about bailey's, and of no meaning for another sandbox
	NeedsGate bool // with a gate: what is attacked is there only where there is a gate
	OwnBox    bool // about what bailey keeps and what its boxes have, and of no meaning for another sandbox
	NeedsBox  bool // what is attacked is there only in a box
	// Asks says that it asks for something, and Supervised that it is about rules for
	// programs: see Policy.
	Asks, Supervised bool
	// Weaker is a word in the sentence by which bailey run announces that a tier
	// does not hold this wall; "" for walls that every tier holds.
	Weaker string

	Plant  func(*Case) error
	Attack func(*Inside) error
	Again  func(*Inside) error // sceneSecond: in the second box
	Judge  func(*Case, *Report) (happened bool, what string)
	Undo   func(*Case)
	Dirty  bool          // put the workspace back when it happened
	Limit  time.Duration // for the attack; 0 is attackLimit
}

// announced says by which word a tier announces that it does not hold a probe.
func (p Probe) announced(word string) Probe { p.Weaker = word; return p }

// Category is the part of the id in front of the dot.
func (p *Probe) Category() string {
	category, _, _ := strings.Cut(p.ID, ".")
	return category
}

// Evidence is who says what happened: host or probe.
func (p *Probe) Evidence() string {
	if p.Judge == nil {
		return "probe"
	}
	return "host"
}

// attackLimit is for one attack: those that are refused take milliseconds, and a
// connection that nobody answers must not hold up the others.
const attackLimit = 4 * time.Second

func (p *Probe) limit() time.Duration {
	if p.Limit > 0 {
		return p.Limit
	}
	return attackLimit
}

// Categories are the names of all categories, in the order of the report.
func Categories() []string {
	return []string{"files", "aliases", "names", "git", "processes", "env", "fds", "terminal", "mounts", "kernel", "ipc",
		"resources", "network", "gate", "rules", "approvals", "programs", "sockets", "lifecycle", "second-run", "leftovers", "controls"}
}

// All are all probes, by category.
func All() []Probe {
	var all []Probe
	for _, list := range [...]func() []Probe{
		filesProbes, aliasProbes, nameProbes, gitProbes, processProbes, envProbes, fdProbes, terminalProbes, mountProbes, kernelProbes, ipcProbes,
		resourceProbes, networkProbes, gateProbes, ruleProbes, approvalProbes, programProbes, socketProbes, lifecycleProbes, secondProbes, leftoverProbes, controlProbes, requestControl, gateControls,
	} {
		all = append(all, list()...)
	}
	return all
}

// lookup finds a probe by its id.
func lookup(id string) *Probe {
	for _, p := range All() {
		if p.ID == id {
			return &p
		}
	}
	return nil
}
