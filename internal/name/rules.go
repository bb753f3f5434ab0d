// Package name decides which file names a box may make or change below its
// writable roots: names that would run code, or change a policy, outside the box
// later. It is pure: package linux acts on its verdicts.
package name

// Rules is the protection of one box, as data.
type Rules struct {
	Roots     []Root   `json:"roots"`
	Protect   []string `json:"protect"`        // gitignore-like patterns; without a slash: at any depth
	Deny      []string `json:"deny,omitempty"` // gitignore-like patterns, absolute or any depth: neither read nor made
	NestedGit string   `json:"nested_git"`     // "deny" or "hold"
}

// Root is one writable directory of the host, as seen inside.
type Root struct {
	Path string `json:"path"`
	// Git says that Path itself is a git directory (a common directory of a
	// linked worktree, a submodule's), so its own entries are guarded.
	Git bool `json:"git,omitempty"`
	// TopGit says that Path/.git exists on the host: the repository the run is
	// about, as opposed to a nested one made inside.
	TopGit bool `json:"top_git,omitempty"`
}
