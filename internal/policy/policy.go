// Package policy holds what may be read, written, reached, executed and spent:
// its layers, defaults, profiles and merge, each value with its source. It reads
// no file itself; the caller hands it a reader.
package policy

import "strings"

// Policy is the effective policy: every layer merged.
type Policy struct {
	Mode     Value[Mode]              `json:"mode"`
	Approval Value[Approval]          `json:"approval"`
	MinTier  Value[Tier]              `json:"min_tier"`
	Accept   []Value[string]          `json:"accept"`   // ids of walls that may be missing
	Profiles []Value[string]          `json:"profiles"` // in the order applied; auto-detected ones have From.File "detected:go.mod"
	Files    Files                    `json:"files"`
	Env      Env                      `json:"env"`
	Limits   Limits                   `json:"limits"`
	Process  Process                  `json:"process"`
	Network  Network                  `json:"network"`
	Secrets  map[string]Value[Secret] `json:"secrets"`

	Permissions Permissions                 `json:"permissions"`
	Exec        Exec                        `json:"exec"`
	Exceptions  map[string]Value[Exception] `json:"exceptions"`

	Layers    []LayerFile `json:"layers"` // what the policy was made of, lowest first
	Home      string      `json:"home"`   // what ~ stood for
	Workspace string      `json:"workspace"`
}

// LayerFile is one file, profile or command line that took part.
type LayerFile struct {
	Layer Layer  `json:"layer"`
	File  string `json:"file,omitempty"`
	Trust Trust  `json:"trust,omitempty"` // project files only
}

// Trust says whether a project file was approved by a person.
type Trust string

// What is known about a project file.
const (
	TrustNotNeeded Trust = "not-needed" // it only tightens
	TrustGiven     Trust = "trusted"
	TrustMissing   Trust = "missing" // somebody asked, and nobody had; Load fails then
)

// Files is the file wall. Paths are absolute and clean after merging (~ and
// relative paths are resolved against the home directory and the directory of
// the file that holds the rule); globs are kept as written, anchored likewise.
type Files struct {
	Read      []Value[string] `json:"read"`    // visible, read-only, executable
	Write     []Value[string] `json:"write"`   // visible and writable, beside the workspace
	Deny      []Value[string] `json:"deny"`    // paths or globs (gitignore-like): hidden whatever else says
	Protect   []Value[string] `json:"protect"` // names no box may make or change in a writable root (gitignore-like, any depth when without a slash)
	Caches    []Value[Cache]  `json:"caches"`
	Etc       []Value[string] `json:"etc"`        // entries of /etc that are visible
	System    []Value[string] `json:"system"`     // system directories that are visible, read-only
	Missing   Value[string]   `json:"missing"`    // "skip" or "error": a configured read or write path that does not exist
	NestedGit Value[string]   `json:"nested_git"` // "deny" or "hold"
	Strict    Value[bool]     `json:"strict"`     // Landlock handles reads too
}

// Cache is a package or build cache: the host's is a read-only lower layer, and
// writes go to a layer that belongs to bailey and this project.
type Cache struct {
	Path string `json:"path"`          // absolute
	Env  string `json:"env,omitempty"` // a variable that moves it on the host (GOCACHE), honoured when set there
}

// Env is the environment wall: an allow list.
type Env struct {
	Allow []Value[string]          `json:"allow"` // names or prefix globs (LC_*)
	Deny  []Value[string]          `json:"deny"`
	Set   map[string]Value[string] `json:"set"`
}

// Limits bounds what a box may use. Sizes are bytes, times seconds. 0 is no limit,
// whether nobody set one or somebody lifted it with "none".
type Limits struct {
	Memory     Value[int64] `json:"memory"`
	Pids       Value[int64] `json:"pids"`
	CPU        Value[int64] `json:"cpu"`
	FileSize   Value[int64] `json:"file_size"`
	OpenFiles  Value[int64] `json:"open_files"`
	Scratch    Value[int64] `json:"scratch"`
	Timeout    Value[int64] `json:"timeout"`
	Output     Value[int64] `json:"output"`
	OutputRate Value[int64] `json:"output_rate"`
}

// Process is what processes inside may do to each other.
type Process struct {
	Debug Value[bool] `json:"debug"` // ptrace and process_vm_* among the box's own processes
}

// Network is what the gate lets out and in. Rules have the one-line form that
// ParseNetRule reads. Without any grant there is no gate.
type Network struct {
	Default   Value[string]            `json:"default"` // "deny" or "ask"
	Allow     []Value[string]          `json:"allow"`
	Deny      []Value[string]          `json:"deny"`
	Localhost []Value[string]          `json:"localhost"` // ports
	Publish   []Value[string]          `json:"publish"`   // ports
	Hosts     map[string]Value[string] `json:"hosts"`     // name to addresses, with commas
	Resolver  Value[string]            `json:"resolver"`
	Upstream  Value[string]            `json:"upstream"` // "env", "none", or a URL
}

// Permissions are the rules that answer allow, ask or deny. Package permission
// says what they mean.
type Permissions struct {
	Deny     []Value[Rule] `json:"deny"`
	Ask      []Value[Rule] `json:"ask"`
	Allow    []Value[Rule] `json:"allow"`
	Delegate Value[string] `json:"delegate"` // the program that answers in place of a person; absolute
	Grants   Value[string] `json:"grants"`   // "none" or "keep"
}

// Exec is what is done with programs that are executed inside.
type Exec struct {
	Supervise Value[string] `json:"supervise"` // "rules", "log" or "off"
}

// Deep says whether rules hold for programs that are executed inside, however
// deep: there is one about commands, and it is wanted.
func (p *Policy) Deep() bool {
	return p.Exec.Supervise.V == "rules" && (commands(p.Permissions.Deny) || commands(p.Permissions.Ask))
}

// commands says whether a rule of a list is about commands. Built-in ones are
// about what an agent is to be asked, and not about every program of a build.
func commands(list []Value[Rule]) bool {
	for i := range list {
		if v := &list[i]; v.From.Layer != LayerBuiltin && strings.HasPrefix(v.V.Text, "Bash") {
			return true
		}
	}
	return false
}

// Rule is one rule of a list, as it is written.
type Rule struct {
	Text     string   `json:"rule"`
	Reason   string   `json:"reason,omitempty"`    // shown with every answer the rule gives
	Match    []string `json:"match,omitempty"`     // examples that it must match
	NotMatch []string `json:"not_match,omitempty"` // examples that it must not match
	Base     string   `json:"base,omitempty"`      // the directory that a pattern starting with a slash is below
}
