package policy

import (
	"strconv"
	"strings"
)

// The ids of the walls. An id never changes its meaning; reports, records and
// the key accept use them.
const (
	WallRead         = "files.read"        // the box sees of the host's files only what the policy names
	WallWrite        = "files.write"       // it changes none of them but below its writable directories
	WallDeny         = "files.deny"        // denied paths and patterns are hidden
	WallNames        = "names"             // protected names cannot be made or changed
	WallNetwork      = "network"           // no address outside can be reached
	WallProcesses    = "processes"         // no process outside can be looked into, traced or signalled
	WallLifetime     = "lifetime"          // what the box started ends with it, and with bailey
	WallIPC          = "ipc"               // shared memory, queues and abstract sockets of the host are out of reach
	WallKernel       = "kernel"            // only the system calls on the list can be made
	WallCapabilities = "capabilities"      // no capability, and no way to get one
	WallNoNewPrivs   = "no-new-privileges" // set-user-id programs gain nothing
	WallEnvironment  = "environment"       // only named variables get in
	WallFDs          = "fds"               // no inherited descriptor but 0, 1 and 2
	WallKeyring      = "keyring"           // the caller's kernel keyrings are out of reach
	WallTerminal     = "terminal"          // no input can be put into the caller's terminal

	WallLandlockFiles = "landlock.files" // Landlock says the same about files as the walls above
	WallLandlockScope = "landlock.scope" // signals and abstract sockets stay inside a Landlock domain
	WallLandlockTCP   = "landlock.tcp"   // Landlock refuses TCP

	WallMemory     = "limits.memory"
	WallPids       = "limits.pids"
	WallCPU        = "limits.cpu"
	WallFileSize   = "limits.file-size"
	WallOpenFiles  = "limits.open-files"
	WallScratch    = "limits.scratch"
	WallTimeout    = "limits.timeout"
	WallOutput     = "limits.output"
	WallOutputRate = "limits.output-rate"
)

// wallIDs are all walls, in the order of reports. Those with spare may be
// accepted as missing: they are limits and second layers, without which the
// others still stand. A box that lacks one of the others is not a box.
var wallIDs = [...]struct {
	id    string
	spare bool
}{
	{WallRead, false}, {WallWrite, false}, {WallDeny, false}, {WallNames, false},
	{WallNetwork, false}, {WallProcesses, false}, {WallLifetime, false}, {WallIPC, false},
	{WallKernel, false}, {WallCapabilities, false}, {WallNoNewPrivs, false},
	{WallEnvironment, false}, {WallFDs, false}, {WallKeyring, false}, {WallTerminal, false},
	{WallLandlockFiles, true}, {WallLandlockScope, true}, {WallLandlockTCP, true},
	{WallMemory, true}, {WallPids, true}, {WallCPU, true}, {WallFileSize, true}, {WallOpenFiles, true},
	{WallScratch, true}, {WallTimeout, true}, {WallOutput, true}, {WallOutputRate, true},
}

// Walls returns the ids of all walls, in the order of reports.
func Walls() []string {
	out := make([]string, len(wallIDs))
	for i := range wallIDs {
		out[i] = wallIDs[i].id
	}
	return out
}

// Acceptable returns the ids that the key accept may name.
func Acceptable() []string {
	var out []string
	for i := range wallIDs {
		if wallIDs[i].spare {
			out = append(out, wallIDs[i].id)
		}
	}
	return out
}

// checkWall is the rule for one string of the key accept.
func checkWall(text string) (problem, hint string) {
	for i := range wallIDs {
		if wallIDs[i].id != text {
			continue
		}
		if !wallIDs[i].spare {
			return strconv.Quote(text) + " cannot be done without", `only limits and second layers can; mode "danger-full-access" has no walls at all`
		}
		return "", ""
	}
	problem = "there is no wall " + strconv.Quote(text)
	if near := nearest(text, Acceptable()); near != "" {
		return problem, "did you mean " + strconv.Quote(near) + "?"
	}
	return problem, "the walls that can be accepted as missing are " + strings.Join(Acceptable(), ", ")
}
