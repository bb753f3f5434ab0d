package plan

import (
	"path"
	"slices"

	"github.com/bailey-run/bailey/internal/policy"
	"github.com/bailey-run/bailey/internal/seccomp"
)

// Private is a directory of the host that belongs to one run of a box without a
// file tree of its own: the backend makes it, empty, before the command starts,
// puts Nodes into it and removes it after. Runs at the same time need one each,
// so Dir is where the backend makes them, until Plan.WithPrivate names one.
type Private struct {
	Dir   string `json:"dir"`   // HOME inside; its tmp is TMPDIR
	Nodes []Node `json:"nodes"` // dir, data and symlink nodes below Dir, parents before children
}

// landlockTier compiles for machines without user namespaces: the host's own
// tree, and Landlock, the syscall filter and the name broker as the walls.
func (c *compiler) landlockTier() error {
	if n := c.pl.Network; n != nil && len(n.Publish) > 0 {
		return &Error{What: "programs in tier landlock cannot listen, so no port can be published", From: n.Publish[0].From, Hint: "leave it out, or use a machine with user namespaces"}
	}
	if err := c.findRoots(); err != nil {
		return err
	}
	if c.f.CacheDir == "" {
		return &Error{What: "there is no directory for bailey's own files, which the tier landlock needs", Hint: "make the home directory writable, or set XDG_CACHE_HOME"}
	}
	// The tree of tier full says what may be seen; only its consequences are kept.
	c.home = c.f.Account.Home
	for i := range c.roots {
		c.roots[i].path = c.roots[i].source
	}
	c.putRoots()
	if err := c.reads(); err != nil {
		return err
	}
	c.system()
	c.etc()
	c.toolchains()
	if err := c.denies(); err != nil {
		return err
	}
	private := path.Join(c.f.CacheDir, "run")
	c.baseLandlock(true)
	c.weakRules(private)
	c.names()
	c.weakHome(private)
	c.weakEnv(private)
	c.home = private
	c.pl.Identity.Home = private
	c.pl.Identity.UID, c.pl.Identity.GID = c.pl.Identity.HostUID, c.pl.Identity.HostGID
	c.pl.Syscalls = seccomp.Profile{Debug: c.p.Process.Debug.V, Broker: true, Reads: len(c.p.Files.Deny) > 0, Sockets: true, Metadata: true, Proxy: c.pl.Network != nil, Exec: c.p.Deep()}
	c.weaker()
	return nil
}

func (c *compiler) weakRules(private string) {
	given := map[string]Access{}
	add := func(p string, a Access) {
		if !covers(given, p, a) {
			given[p] = a
			c.pl.Landlock.Paths = append(c.pl.Landlock.Paths, PathRule{p, a})
		}
	}
	for _, n := range c.t.sorted() {
		switch {
		case n.Kind == Bind && n.Writable:
			add(n.Source, Full)
		case n.Kind == Bind && n.Exec:
			add(n.Source, ReadExec)
		case n.Kind == Bind || n.Kind == Copy:
			add(n.Source, Read)
		case n.Kind == Data && c.f.path(n.Path).Regular && under(n.Path, "/etc"):
			add(n.Path, Read)
		}
	}
	for _, name := range deviceNames {
		if p := "/dev/" + name; c.f.path(p).Exists {
			add(p, Devices)
		}
	}
	// Other terminals of the person are in /dev/pts too, and Landlock cannot tell them
	// from one that the box makes: that is announced.
	for _, p := range [...]string{"/dev/pts", "/dev/ptmx"} {
		if c.f.path(p).Exists {
			add(p, Devices)
		}
	}
	add("/proc", Read)
	if c.f.path(sysDir).IsDir {
		add(sysDir, Read)
	}
	for _, v := range c.p.Files.Caches {
		if source, own := c.weakCache(v); own {
			add(path.Dir(source), Full)
		} else if source != "" {
			add(source, ReadExec)
		}
	}
	for _, k := range c.f.Kept {
		add(k.Source, Full)
	}
	add(private, Full)
}

// weakCache is where a cache is without layers: the host's downloads, read-only,
// or a directory of this project's own, which then is to be made.
func (c *compiler) weakCache(v policy.Value[policy.Cache]) (source string, own bool) {
	p, _ := c.cachePath(v)
	if c.refuseCache(p) != "" || !under(v.V.Path, c.f.Account.Home) {
		return "", false
	}
	if f := c.f.path(p); f.IsDir && isDownload(p, v.V.Env) {
		return f.Real, false
	}
	return path.Join(c.f.CacheDir, "own", cacheID(p)), true
}

// weakHome fills the private directory: the made files of HOME, and links to the
// host's toolchains where programs look for them below HOME.
func (c *compiler) weakHome(private string) {
	host := c.t
	c.t = tree{nodes: map[string]Node{}}
	c.home = private
	c.homeFiles()
	c.t.put(Node{Kind: Dir, Path: private + "/tmp", Mode: 0o700, From: builtin("scratch")})
	link := func(p, source string) {
		if rel := p; under(rel, c.f.Account.Home) && rel != c.f.Account.Home && !overlap(rel, private) {
			c.t.put(Node{Kind: Symlink, Path: rebase(rel, c.f.Account.Home, private), Source: source, From: builtin("home")})
		}
	}
	for _, n := range host.sorted() {
		if n.Kind == Bind && !n.Writable {
			link(n.Path, n.Source)
		}
	}
	for _, k := range c.f.Kept {
		c.pl.Make = append(c.pl.Make, k.Source)
		c.t.put(Node{Kind: Symlink, Path: path.Join(private, k.Name), Source: k.Source, From: k.From})
	}
	for _, v := range c.p.Files.Caches {
		source, own := c.weakCache(v)
		if own {
			c.pl.Make = append(c.pl.Make, source)
		}
		if source != "" {
			link(v.V.Path, source)
		}
	}
	nodes := c.t.sorted()
	// A link shows all that is below it.
	nodes = slices.DeleteFunc(nodes, func(n Node) bool {
		up, ok := c.t.above(n.Path)
		return ok && up.Kind == Symlink
	})
	c.pl.Private = &Private{Dir: private, Nodes: nodes}
	c.t = host
}

func (c *compiler) weakEnv(private string) {
	seen := func(p string) bool {
		p = path.Clean(p)
		return c.f.path(p).Exists && slices.ContainsFunc(c.pl.Landlock.Paths, func(r PathRule) bool { return under(c.f.path(p).Real, r.Path) && r.Path != "/" })
	}
	vars := c.passed(seen)
	own := builtin("box")
	search := ""
	for _, e := range c.f.pathEntries() {
		if c.f.path(e).IsDir && seen(e) {
			search += ":" + e
		}
	}
	if search == "" {
		search = ":" + defaultPath
	}
	for _, v := range [...][2]string{
		{"HOME", private}, {"TMPDIR", private + "/tmp"}, {"USER", c.f.Account.Name}, {"LOGNAME", c.f.Account.Name}, {"SHELL", c.shell()},
		{"PATH", search[1:]}, {"BAILEY", "1"}, {"BAILEY_MODE", string(c.pl.Mode)},
	} {
		vars[v[0]] = Var{Name: v[0], Value: v[1], From: own}
	}
	for _, k := range c.f.Kept {
		if k.Env != "" {
			vars[k.Env] = Var{Name: k.Env, Value: k.Source, From: k.From}
		}
	}
	if c.p.Files.NestedGit.V == "hold" {
		vars["GIT_TEMPLATE_DIR"] = Var{Name: "GIT_TEMPLATE_DIR", From: own}
	}
	c.pl.Env = c.finish(vars)
}

// weaker says, wall by wall, what tier full holds and this one does not.
func (c *compiler) weaker() {
	network := "there is no network at all, and programs inside cannot talk over loopback either"
	if c.pl.Network != nil {
		network = "only programs that use a proxy (http_proxy, all_proxy) reach the network, name resolution is the proxy's alone, and programs inside cannot talk over loopback"
	}
	w := []string{
		"whether a file of the host exists, its size and its owner can be asked for by full path, and a directory watched for the names that change in it, though nothing can be read and no directory listed",
		"/proc lists your other processes with their command lines, the names of your keys, the box's control group, and the machine's network interfaces and connections; memory and environment stay closed",
		"your other processes can be held by number, niced and bound to processors, though not signalled",
		"the box can answer a program outside that connects to an abstract unix socket",
		"protected names and denied patterns are held by the name broker alone, without read-only mounts",
		"chmod, chown, timestamps and extended attributes are held by the name broker alone",
		"processes that leave the command's session are found and ended by bailey, not by the kernel",
		"set-user-id bits and device nodes count as far as the host's mounts let them; no_new_privs and Landlock keep them from use",
		"downloads in the host's package caches can be used and not added to",
		"other terminals of yours in /dev/pts can be opened, read and written to",
		"/tmp and /dev/shm have no bound of their own: they fill the host's disk and memory",
		network,
	}
	if c.pl.Mode == policy.ReadOnly {
		w = append(w, "read-only mode is held by Landlock alone")
	}
	if c.f.UID == 0 && c.f.Account.UID == 0 {
		w = append(w, "the command runs as root of the host, without capabilities, and how many processes it starts is not bounded")
	}
	c.pl.Weaker = w
}

// WithPrivate returns the plan with its private directory at another place. The
// plan itself is not changed.
func (pl *Plan) WithPrivate(dir string) *Plan {
	if pl.Private == nil || pl.Private.Dir == dir {
		return pl
	}
	out, old := *pl, pl.Private.Dir
	move := func(p string) string {
		if under(p, old) {
			return rebase(p, old, dir)
		}
		return p
	}
	out.Identity.Home = move(pl.Identity.Home)
	out.Private = &Private{Dir: dir, Nodes: slices.Clone(pl.Private.Nodes)}
	for i := range out.Private.Nodes {
		out.Private.Nodes[i].Path = move(out.Private.Nodes[i].Path)
	}
	out.Env = slices.Clone(pl.Env)
	for i := range out.Env {
		if out.Env[i].From == builtin("box") {
			out.Env[i].Value = move(out.Env[i].Value)
		}
	}
	out.Landlock.Paths = slices.Clone(pl.Landlock.Paths)
	for i := range out.Landlock.Paths {
		out.Landlock.Paths[i].Path = move(out.Landlock.Paths[i].Path)
	}
	return &out
}
