// Package plan compiles a policy and the facts of one machine into a plan: the
// exact tree, ruleset, syscall filter, environment and limits of a box, as pure
// data. It opens no file and makes no system call, so it runs and is tested on
// every operating system.
package plan

import (
	"github.com/bailey-run/bailey/internal/name"
	"github.com/bailey-run/bailey/internal/policy"
	"github.com/bailey-run/bailey/internal/seccomp"
)

// Version is the version of the plan's JSON form. It grows when a field changes
// its meaning; new fields alone do not change it.
const Version = 1

// Plan is everything a backend needs to open a box. Two compilations of the same
// policy and facts give equal plans.
type Plan struct {
	Version    int                    `json:"version"`
	Tier       policy.Tier            `json:"tier"`
	Mode       policy.Mode            `json:"mode"`
	Namespaces []string               `json:"namespaces,omitempty"` // user, mount, pid, net, ipc, uts, cgroup
	Identity   Identity               `json:"identity"`
	Hostname   string                 `json:"hostname"`
	Tree       []Node                 `json:"tree"`     // parents before children
	Writable   []string               `json:"writable"` // host directories the box may write, as seen inside
	Names      name.Rules             `json:"names"`    // names that may not be made or changed below Writable
	Env        []Var                  `json:"env"`
	Dir        string                 `json:"dir"` // working directory inside
	Landlock   Landlock               `json:"landlock"`
	CacheDir   string                 `json:"cache_dir,omitempty"` // bailey's own caches for this project
	Make       []string               `json:"make,omitempty"`      // bailey's own directories that the tree needs on the host: private to Identity.HostUID
	Private    *Private               `json:"private,omitempty"`   // tier landlock only
	Syscalls   seccomp.Profile        `json:"syscalls"`
	Network    *Network               `json:"network,omitempty"` // nil: loopback alone, and no gate
	Limits     Limits                 `json:"limits"`
	Walls      []Wall                 `json:"walls"`            // what is asked for, and what is expected to hold it here
	Accept     []policy.Value[string] `json:"accept,omitempty"` // ids of walls that may be missing
	Weaker     []string               `json:"weaker,omitempty"` // walls this tier holds less well, one sentence each
	Notes      []string               `json:"notes,omitempty"`  // what was switched on or skipped, and why
	Profiles   []string               `json:"profiles,omitempty"`
}

// Identity says who the box's processes are, inside and on the host. The two
// differ when bailey was started by root: the host ids then are those of the
// workspace's owner, and the inside ids are never 0.
type Identity struct {
	UID     int    `json:"uid"`
	GID     int    `json:"gid"`
	HostUID int    `json:"host_uid"`
	HostGID int    `json:"host_gid"`
	User    string `json:"user"`
	Home    string `json:"home"`
}

// NodeKind is what a Node puts at its Path.
type NodeKind string

// The kinds of Node.
const (
	Dir     NodeKind = "dir"     // an empty directory (read-only once the box runs); with Pin a mount of its own, so that it cannot be renamed
	Scratch NodeKind = "scratch" // an empty writable directory that lives as long as the box
	Bind    NodeKind = "bind"    // Source of the host, with everything mounted below it
	Data    NodeKind = "data"    // a small file with the content Content
	Copy    NodeKind = "copy"    // a small file copied from Source when the box opens
	Symlink NodeKind = "symlink" // a symbolic link to Source
	Proc    NodeKind = "proc"    // a procfs that shows only the box
	Devpts  NodeKind = "devpts"  // a new devpts instance
	Overlay NodeKind = "overlay" // Source as read-only lower layer, Upper and Work (host directories) on top
	Socket  NodeKind = "socket"  // a unix socket at which the supervisor listens
	Mask    NodeKind = "mask"    // nothing readable: an empty file or directory over what is there
)

// Node is one entry of the box's file tree.
type Node struct {
	Kind     NodeKind      `json:"kind"`
	Path     string        `json:"path"`             // absolute, inside
	Source   string        `json:"source,omitempty"` // absolute, on the host; for Symlink its target
	Upper    string        `json:"upper,omitempty"`
	Work     string        `json:"work,omitempty"`
	Content  string        `json:"content,omitempty"`
	Mode     uint32        `json:"mode,omitempty"`      // permission bits for dir, scratch, data, copy; for mask the type bits of what it hides (S_IFDIR, S_IFREG)
	Writable bool          `json:"writable,omitempty"`  // binds only; every other kind has its own rule
	Exec     bool          `json:"exec,omitempty"`      // binds, scratch: programs may be executed
	Device   bool          `json:"device,omitempty"`    // binds: Source is a device node
	Optional bool          `json:"optional,omitempty"`  // a missing Source is skipped, not an error
	NoFollow bool          `json:"no_follow,omitempty"` // Source is opened without following any symbolic link
	Pin      bool          `json:"pin,omitempty"`       // a protection put over something inside a writable root
	From     policy.Source `json:"from"`
}

// Var is one environment variable of the box.
type Var struct {
	Name      string        `json:"name"`
	Value     string        `json:"value"`
	Inherited bool          `json:"inherited,omitempty"` // taken from the caller's environment
	From      policy.Source `json:"from"`
}

// Access is a set of Landlock file rights, in words.
type Access string

// Access sets that a Landlock path rule may name.
const (
	ReadExec  Access = "read-exec"  // read files, list directories, execute
	Read      Access = "read"       // read files, list directories
	ReadWrite Access = "read-write" // everything but device ioctl and execution
	Full      Access = "full"       // ReadWrite and execution
	List      Access = "list"       // list this directory only matters for "/"
	Devices   Access = "devices"    // read, write, ioctl on device nodes
)

// PathRule grants Access beneath Path (as seen inside).
type PathRule struct {
	Path   string `json:"path"`
	Access Access `json:"access"`
}

// Landlock is the second, independent layer over the mounts.
type Landlock struct {
	// Strict makes the ruleset handle reading too, at about 0.9 us an open.
	// Tier landlock always handles it: nothing else hides files there.
	Strict bool       `json:"strict"`
	Paths  []PathRule `json:"paths"`
	Scoped []string   `json:"scoped"` // signal, abstract-unix-socket
	TCP    bool       `json:"tcp"`    // handle bind and connect of TCP (none is granted)
	MinABI int        `json:"min_abi"`
}

// Limits bounds what a box may use. A zero field is no limit.
type Limits struct {
	Memory     int64 `json:"memory,omitempty"`      // bytes, the whole box
	Pids       int64 `json:"pids,omitempty"`        // processes and threads
	CPU        int64 `json:"cpu,omitempty"`         // seconds of processor time of one process
	FileSize   int64 `json:"file_size,omitempty"`   // bytes in one file
	OpenFiles  int64 `json:"open_files,omitempty"`  // descriptors of one process
	Scratch    int64 `json:"scratch,omitempty"`     // bytes in the box's own /tmp, HOME and /dev/shm together
	Core       int64 `json:"core"`                  // bytes of a core dump
	Timeout    int64 `json:"timeout,omitempty"`     // wall time, nanoseconds
	Output     int64 `json:"output,omitempty"`      // bytes written to stdout and stderr in all
	OutputRate int64 `json:"output_rate,omitempty"` // bytes a second

	// Cgroup is the delegated cgroup v2 directory below which the box gets its
	// own, which then holds Memory and Pids. Without one, Memory is held by a
	// watch that kills the box and Pids by the kernel's other counters.
	Cgroup string `json:"cgroup,omitempty"`
}
