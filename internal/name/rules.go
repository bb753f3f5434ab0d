// Package name decides which file names a box may make or change below its
// writable roots: names that would run code, or change a policy, outside the box
// later. It is pure: package linux acts on its verdicts.
//
// What names cannot hold, and is not held:
//   - git's own state in a repository may be changed freely, or no commit could
//     be made: a rebase left unfinished inside may hold exec lines that run when it
//     is continued outside (.git/rebase-merge/git-rebase-todo, sequencer).
//   - a new remote may be added, and a branch may be told to push there: a plain
//     git push outside then goes to it. URLs of remotes that exist stay.
//   - a bare repository that already lies in the tree, and on file systems that
//     fold case a new one: git outside reads its configuration when it is run
//     in that directory. safe.bareRepository=explicit keeps git from it.
//   - what existing configuration points to inside the tree (core.hooksPath,
//     include.path, filter programs) and a .git that is a symbolic link: the
//     compiler of the plan adds patterns and roots for those.
//   - denied names still show in listings, and their size and times with stat.
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
