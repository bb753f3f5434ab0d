package plan

// Facts is what the compiler must know of the machine. Package host collects
// it; tests write it by hand.
type Facts struct {
	OS        string    `json:"os"`
	Arch      string    `json:"arch"`
	UID       int       `json:"uid"` // of the person who started bailey
	GID       int       `json:"gid"`
	User      string    `json:"user"`
	Home      string    `json:"home"`      // from the user database, symlinks resolved; never from a box
	StartDir  string    `json:"start_dir"` // where bailey was started, symlinks resolved
	Workspace Workspace `json:"workspace"`
	Env       []string  `json:"-"` // the caller's environment; values may be secret, so never printed

	// Exists answers for every path the compiler asked for through Wants: what
	// the path is, with symbolic links resolved.
	Paths map[string]Path `json:"paths"`

	Kernel Kernel `json:"kernel"`

	StateDir string `json:"state_dir"` // bailey's own state (trust store, sessions)
	CacheDir string `json:"cache_dir"` // bailey's own caches for this project
}

// Workspace is the directory tree the run is about.
type Workspace struct {
	Root     string `json:"root"` // nearest ancestor of StartDir that holds .git or bailey.toml, else StartDir
	OwnerUID int    `json:"owner_uid"`
	OwnerGID int    `json:"owner_gid"`
	// GitDirs are git directories outside Root that Root's .git file points to
	// (a linked worktree's or a submodule's), verified by their pointer back.
	GitDirs []string `json:"git_dirs,omitempty"`
	// Files that exist directly in Root, by name: profiles are switched on by them.
	Names []string `json:"names,omitempty"`
}

// Path is what one host path is.
type Path struct {
	Exists bool   `json:"exists"`
	IsDir  bool   `json:"is_dir"`
	Real   string `json:"real"`           // with every symbolic link resolved
	Link   string `json:"link,omitempty"` // the target, when the path itself is a symbolic link
	UID    int    `json:"uid"`
}

// Kernel is what the running kernel offers, as probed.
type Kernel struct {
	Release       string `json:"release"`
	UserNS        bool   `json:"user_ns"`
	UserNSWhy     string `json:"user_ns_why,omitempty"` // why not
	LandlockABI   int    `json:"landlock_abi"`          // 0: none
	SeccompNotify bool   `json:"seccomp_notify"`
	Overlay       string `json:"overlay"`    // "upper" (persistent upper works), "tmpfs" (only a tmpfs upper), "" (none)
	FreshProc     bool   `json:"fresh_proc"` // a new procfs can be mounted
	CgroupV2      string `json:"cgroup_v2"`  // the delegated cgroup directory, or ""
	CgroupWhy     string `json:"cgroup_why,omitempty"`
}
