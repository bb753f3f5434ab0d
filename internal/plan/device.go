package plan

// deviceNames are the device nodes of a box: none of them leads to hardware or
// to another process.
var deviceNames = [...]string{"null", "zero", "full", "random", "urandom", "tty"}

// procMasks are files of /proc that tell about, or reach, more than the box,
// although everything of others is gone: the ones every user can read, and the
// ones that only the host's user 0 can, and needs no capability for.
var (
	procMasks     = [...]string{"/proc/keys", "/proc/key-users"}
	procMasksRoot = [...]string{"/proc/kpagecount", "/proc/kpageflags", "/proc/kpagecgroup", "/proc/sysrq-trigger", "/proc/timer_list", "/proc/sched_debug", "/proc/latency_stats", "/proc/slabinfo", "/proc/vmallocinfo"}
)

// sysDir is what runtimes ask for to count processors; sysFiles what Go and Java
// read to size their pages.
const sysDir = "/sys/devices/system/cpu"

var sysFiles = [...]string{"/sys/kernel/mm/transparent_hugepage/enabled", "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"}

// Fixed is the part of a tree that is the same for every policy: /dev and /proc,
// as far as the host has them. A backend may build it before it has a plan. root
// says that the box's processes are the host's user 0.
func Fixed(exists func(string) bool, root bool) []Node {
	var nodes []Node
	from := builtin("devices")
	for _, name := range deviceNames {
		if p := "/dev/" + name; exists(p) {
			nodes = append(nodes, Node{Kind: Bind, Path: p, Source: p, Device: true, From: from})
		}
	}
	nodes = append(nodes, Node{Kind: Devpts, Path: "/dev/pts", From: from}, Node{Kind: Scratch, Path: "/dev/shm", Mode: 0o1777, From: from})
	for _, l := range [...][2]string{{"ptmx", "pts/ptmx"}, {"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"}} {
		nodes = append(nodes, Node{Kind: Symlink, Path: "/dev/" + l[0], Source: l[1], From: from})
	}

	from = builtin("proc")
	nodes = append(nodes, Node{Kind: Proc, Path: "/proc", From: from})
	masks := procMasks[:]
	if root {
		masks = append(masks[:len(masks):len(masks)], procMasksRoot[:]...)
	}
	for _, p := range masks {
		if exists(p) {
			nodes = append(nodes, Node{Kind: Mask, Path: p, Mode: maskFile, From: from})
		}
	}
	return nodes
}

// devices puts /dev, /proc and the little of /sys that a box sees.
func (c *compiler) devices() {
	for _, n := range Fixed(func(p string) bool { return c.f.path(p).Exists }, c.pl.Identity.HostUID == 0) {
		c.t.put(n)
	}

	from := builtin("sys")
	if c.f.path(sysDir).IsDir {
		c.t.put(Node{Kind: Bind, Path: sysDir, Source: sysDir, From: from})
	}
	for _, p := range sysFiles {
		if f := c.f.path(p); f.Regular && f.Mode&0o004 != 0 {
			c.t.put(Node{Kind: Copy, Path: p, Source: p, Mode: 0o444, Optional: true, From: from})
		}
	}
}

// The type of what a Mask hides, in its Mode (the S_IFDIR and S_IFREG of stat(2)).
const (
	maskDir  = 0o040000
	maskFile = 0o100000
)

// scratch puts the directories that live as long as the box.
func (c *compiler) scratch() {
	from := builtin("scratch")
	c.t.put(Node{Kind: Scratch, Path: "/tmp", Mode: 0o1777, Exec: true, From: from})
	c.t.put(Node{Kind: Scratch, Path: "/var/tmp", Mode: 0o1777, Exec: true, From: from})
	c.t.put(Node{Kind: Scratch, Path: "/run", Mode: 0o755, From: from})
	c.t.put(Node{Kind: Scratch, Path: c.home, Mode: 0o700, Exec: true, From: builtin("home")})
	if named := c.f.Account.Named; named != "" && named != c.home && clean(named) {
		c.linkAncestor(named)
	}
}

// linkAncestor makes a path that the host reaches through a symbolic link
// (/home -> /var/home) reachable inside too.
func (c *compiler) linkAncestor(p string) {
	for i := 1; i <= len(p); i++ {
		if i < len(p) && p[i] != '/' {
			continue
		}
		if l := c.f.path(p[:i]); l.Link != "" {
			c.t.put(Node{Kind: Symlink, Path: p[:i], Source: l.Link, From: builtin("home")})
			return
		}
	}
}
