package bailey

import (
	"crypto/x509"

	"github.com/bailey-run/bailey/internal/audit"
	"github.com/bailey-run/bailey/internal/linux"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

// Mode says what a box may change.
type Mode = policy.Mode

// The modes. The default is WorkspaceWrite.
const (
	ReadOnly         = policy.ReadOnly         // nothing of the host
	WorkspaceWrite   = policy.WorkspaceWrite   // the project, and what the policy adds
	DangerFullAccess = policy.DangerFullAccess // everything: there are no walls
)

// Approval says when a person is asked. It is separate from the mode.
type Approval = policy.Approval

// The approval policies; docs/approvals.md says what each asks. The default is
// OnRequest.
const (
	Untrusted = policy.Untrusted // everything but what only reads
	OnRequest = policy.OnRequest // what rules ask, and what is asked for
	OnFailure = policy.OnFailure // the same, and what the walls refused
	Never     = policy.Never     // nothing: what would be asked is denied
)

// Tier is what the kernel really enforces for a box.
type Tier = policy.Tier

// The tiers, strongest first. The default minimum is TierFull.
const (
	TierFull     = policy.TierFull
	TierLandlock = policy.TierLandlock
	TierNone     = policy.TierNone
)

// Event is one event of a session, described in docs/events.md.
type Event = audit.Event

// Report says which walls are asked for and what stands for each.
type Report = linux.Report

// Wall is one wall of a [Report].
type Wall = plan.Wall

// Mechanism is one thing that holds a [Wall].
type Mechanism = plan.Mechanism

// WallStatus says what became of a wall.
type WallStatus = plan.Status

// The statuses of a wall. One that is missing stops the start, unless the policy
// accepts that.
const (
	WallEnforced     = plan.Enforced
	WallWeaker       = plan.Weakened
	WallMissing      = plan.Missing
	WallNotRequested = plan.NotRequested
)

// Explanation says whether a box may read or write a path, and which rule in
// which file says so.
type Explanation = plan.Explanation

// Config says what a box is opened with. It is a layer of the policy, above the
// files of the user and the project, below the managed ones; the zero Config adds
// nothing to them.
type Config struct {
	// Dir is where the box starts; "" is the current directory. The project
	// around it is the workspace: the nearest directory upwards that holds .git
	// or bailey.toml, below the home directory.
	Dir string

	// Home is taken for the caller's home directory, in place of what the user
	// database says: for boxes over a scratch home, as bailey prove makes them. ""
	// is right for all others.
	Home string

	Mode     Mode     // "" is what the policy files say, else WorkspaceWrite
	Approval Approval // "" is what the policy files say, else OnRequest
	MinTier  Tier     // "" is what the policy files say, else TierFull
	Profiles []string // profiles to use besides those the project switches on

	Read    []string // paths that are visible, read-only; relative to Dir
	Write   []string // paths that are visible and writable
	Deny    []string // paths or globs that are hidden, whatever else says
	Protect []string // names that cannot be made or changed, in any writable directory

	// Accept are ids of walls that may be missing, as in "limits.pids". One that
	// the policy asks for, that this machine cannot hold and that is not named
	// here or in a policy file, stops the start.
	Accept []string

	Env    []string // names of variables of this process that pass
	SetEnv []string // variables that are set, NAME=VALUE

	AllowNet  []string // hosts that the box may reach, HOST[:PORTS][/tcp|/udp] with words as in network.allow
	DenyNet   []string // hosts that it may not, whatever else says
	Localhost []string // ports of the host's loopback that it may reach, as host.bailey.internal
	Publish   []string // ports that it listens on, to be reached on the host's loopback
	Resolve   []string // NAME=ADDRESS: names with pinned addresses, private ones too

	Memory  string // of all processes together, as in "2GiB"; "none" for no limit
	Pids    string // processes and threads, as in "512"
	Timeout string // wall time of a command, as in "10m"

	// Set sets any other key of the policy, in order.
	Set []Setting

	// Agent names a coding agent whose preset is a layer of the policy, above the
	// profiles: directories of its own that are kept for the project, the hosts of its
	// models, its keys as placeholders. "none" is none, "" what AgentOf says.
	Agent string

	// AgentOf is the name of a program: when there is a preset of that name, it is used.
	AgentOf string

	// PolicyFile is read in place of the user's own configuration file.
	PolicyFile string

	// Log is a file that the session's events are appended to as JSON lines,
	// while they happen. It must not lie in a directory that the box may write.
	// When an event cannot be written, the box is closed.
	Log string

	// NetLog is such a file for the events of connections alone.
	NetLog string

	// Reloaded, when not nil, is called when a policy file changed while a box with
	// a network runs: with what changed, or with why nothing did.
	Reloaded func(Reloaded, error)

	// Ask answers what rules and walls leave to a person; nil is no to everything
	// that is not granted already.
	Ask Asker

	// Program is a bailey executable of the host that programs inside find last on
	// PATH, to ask with: bailey request, bailey denials. "" shows none; the socket is
	// there all the same, docs/inside.md describes it.
	Program string

	// Events, when not nil, is called with each event of a session, one at a
	// time and in order. It must not call methods of the box, and be quick: what
	// the event is about waits for it.
	Events func(Event)

	// Denied, when not nil, is called with what the box tried and was refused, at its
	// first, tenth, hundredth … time. Like Events it must be quick.
	Denied func(Denial)

	// Planned, when not nil, is called with the plan before a box is opened from
	// it. An error keeps the box from being opened.
	Planned func(*Plan) error

	roots    *x509.CertPool  // tests: whom the gate trusts outwards, when it looks inside
	excepted *audit.Approval // why there are no walls, by Except
	perPort  bool            // tests: a listener for each port, as where the kernel has no nf_tables

	// Caller is how error messages name the fields: "--" for a command line,
	// where Read is called --read. By default they are Config.read and so on.
	Caller string
}

// Setting is one value for one key of the policy, as in "limits.cpu".
type Setting = policy.Setting

// overrides makes the policy layer of c.
func (c *Config) overrides() policy.Overrides {
	o := policy.Overrides{
		Mode: string(c.Mode), Approval: string(c.Approval), MinTier: string(c.MinTier), Profiles: c.Profiles,
		Read: c.Read, Write: c.Write, Deny: c.Deny, Protect: c.Protect,
		Accept: c.Accept, Env: c.Env, SetEnv: c.SetEnv,
		AllowNet: c.AllowNet, DenyNet: c.DenyNet, Localhost: c.Localhost, Publish: c.Publish, Pin: c.Resolve,
		Memory: c.Memory, Pids: c.Pids, Timeout: c.Timeout,
		Config: c.PolicyFile, Extra: c.Set, Caller: "Config",
	}
	if c.Caller == "--" {
		o.Caller = ""
	}
	return o
}
