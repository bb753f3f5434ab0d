package plan

import "github.com/bailey-run/bailey/internal/policy"

// Facts is what the compiler must know of the machine. Package host collects
// it; tests write it by hand.
type Facts struct {
	OS   string `json:"os"`
	Arch string `json:"arch"`

	// The person who started bailey. Home is from the user database, symlinks
	// resolved; never from a box.
	UID  int    `json:"uid"`
	GID  int    `json:"gid"`
	User string `json:"user"`
	Home string `json:"home"`

	// Account is whom the box's processes are on the host. It is the person above,
	// except when root started bailey: then it is the owner of the workspace.
	Account Account `json:"account"`

	StartDir  string    `json:"start_dir"` // where bailey was started, symlinks resolved
	Workspace Workspace `json:"workspace"`
	Env       []string  `json:"-"` // the caller's environment; values may be secret, so never printed

	// Answers to Wants.
	Paths map[string]Path     `json:"paths"`
	Globs map[string][]string `json:"globs,omitempty"` // matches of each wanted pattern, sorted; each is in Paths too
	Files map[string]string   `json:"-"`               // contents of small wanted files; they may hold secrets

	Kernel Kernel `json:"kernel"`

	StateDir  string `json:"state_dir"`  // bailey's own state (trust store, sessions)
	CacheDir  string `json:"cache_dir"`  // bailey's own caches for this project; "" when there is no place for them
	ConfigDir string `json:"config_dir"` // the user's bailey configuration

	Kept []Kept `json:"kept,omitempty"` // directories of an agent that is run

	Notes []string `json:"notes,omitempty"` // what was seen and not believed, and why
}

// Kept is a directory of bailey's own that a program finds below HOME, and that is
// there again in the next box of the same project.
type Kept struct {
	Name   string        `json:"name"`          // below HOME, as in ".config/x"
	Source string        `json:"source"`        // on the host
	Env    string        `json:"env,omitempty"` // a variable that names the place inside
	From   policy.Source `json:"from"`
}

// Account is an entry of the user database.
type Account struct {
	UID   int    `json:"uid"`
	GID   int    `json:"gid"`
	Name  string `json:"name"`
	Home  string `json:"home"`            // symlinks resolved
	Named string `json:"named,omitempty"` // the home directory as the database names it, when that differs
	Shell string `json:"shell"`
}

// Workspace is the directory tree the run is about.
type Workspace struct {
	Root     string `json:"root"` // nearest ancestor of StartDir that holds .git or bailey.toml, else StartDir
	OwnerUID int    `json:"owner_uid"`
	OwnerGID int    `json:"owner_gid"`
	// GitDirs are git directories that Root's .git file points to. Those outside
	// Root (a linked worktree's common directory, a submodule's) are verified by
	// their pointer back.
	GitDirs []string `json:"git_dirs,omitempty"`
	// GitNames are files and directories in Root that git's configuration in place
	// makes git run, or read as configuration.
	GitNames []string `json:"git_names,omitempty"`
	// Files that exist directly in Root, by name: profiles are switched on by them.
	Names []string `json:"names,omitempty"`
}

// Path is what one host path is. Link describes the path itself, all else what
// it leads to with every symbolic link resolved.
type Path struct {
	Exists  bool   `json:"exists"`
	IsDir   bool   `json:"is_dir,omitempty"`
	Regular bool   `json:"regular,omitempty"` // neither directory, device, socket nor pipe
	Real    string `json:"real,omitempty"`
	Link    string `json:"link,omitempty"` // the target as written, when the path itself is a symbolic link
	UID     int    `json:"uid,omitempty"`
	Mode    uint32 `json:"mode,omitempty"` // permission bits
	Size    int64  `json:"size,omitempty"` // bytes, of a regular file
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

// keeps says that a node shows a kept directory.
func (f *Facts) keeps(n Node) bool {
	for _, k := range f.Kept {
		if n.Kind == Bind && n.Source == k.Source {
			return true
		}
	}
	return false
}

// path returns what is known of a host path; the zero Path when nothing is.
func (f *Facts) path(p string) Path { return f.Paths[p] }

// foreign says that the box belongs to someone else than who started bailey:
// root works in another's project, and nothing of root's may get in.
func (f *Facts) foreign() bool { return f.UID != f.Account.UID }

// env returns a variable of the caller. The last of several wins, as in package os/exec.
func (f *Facts) env(name string) (string, bool) {
	for i := len(f.Env) - 1; i >= 0; i-- {
		e := f.Env[i]
		if len(e) > len(name) && e[len(name)] == '=' && e[:len(name)] == name {
			return e[len(name)+1:], true
		}
	}
	return "", false
}
