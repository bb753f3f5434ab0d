//go:build linux

package linux

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/plan"
)

// Mount attributes that every mount of a box gets.
const attrBase = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV

// rootSize is what the root file system may hold beside the box's scratch space,
// which lies on it too: directories, links and the small files of a plan.
const rootSize = 64 << 20

// layerDir holds the upper layers of overlays that live as long as the box. Only
// the overlay driver looks into it.
const layerDir = ".layers"

// tree appends the steps that build the box's file tree to a program. The steps
// run in the box's own mount namespace, as the future command, with every
// capability over that namespace and none over the host.
type tree struct {
	p        *program
	plan     *plan.Plan
	switchID func() // appended after the sources are open: become the box's user

	made    map[string]bool // directories of the root and scratch file systems that exist
	binds   []string        // paths below which the host's files are seen
	sources []reg           // sources[i] is the detached clone for plan.Tree[i]
	pidMax  int64           // bound on process numbers, 0 for none
	masks   [2]reg          // an empty file, an empty directory: made when first needed
	layers  int
	root    reg
	procFS  reg
	fixed   []plan.Node // already built
	late    []reg       // mounts that become read-only when everything below them is there

	names      string // for /etc/hosts
	redirected []byte // all zero when connections to them are redirected
}

func (p *program) attr(set, clear uint64) (operand, operand) {
	a := hold(p, unix.MountAttr{Attr_set: set, Attr_clr: clear})
	return mem(unsafe.Pointer(a)), num(int(unsafe.Sizeof(*a)))
}

func (p *program) how(flags, resolve uint64) (operand, operand) {
	h := hold(p, unix.OpenHow{Flags: flags, Resolve: resolve})
	return mem(unsafe.Pointer(h)), num(int(unsafe.Sizeof(*h)))
}

var (
	atCwd = num(unix.AT_FDCWD)
	empty = []byte{0}
)

// setattr sets the attributes of the mount at fd, and of all below when rec.
func (t *tree) setattr(what string, fd reg, set uint64, rec bool) {
	a, n := t.p.attr(set, 0)
	flags := unix.AT_EMPTY_PATH
	if rec {
		flags |= unix.AT_RECURSIVE
	}
	t.p.do("set mount attributes of "+what, unix.SYS_MOUNT_SETATTR, fd.operand(), t.p.bytes(empty), num(flags), a, n)
}

// clone appends the steps that make a detached copy of the mounts at path.
func (t *tree) clone(n *plan.Node) reg {
	p := t.p
	flags := unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC | unix.AT_RECURSIVE
	if !n.NoFollow {
		return p.call("open "+n.Source, unix.SYS_OPEN_TREE, atCwd, p.str(n.Source), num(flags))
	}
	h, size := p.how(unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, unix.RESOLVE_NO_SYMLINKS)
	fd := p.call("open "+n.Source, unix.SYS_OPENAT2, atCwd, p.str(n.Source), h, size)
	return p.call("clone mounts of "+n.Source, unix.SYS_OPEN_TREE, fd.operand(), p.bytes(empty), num(flags|unix.AT_EMPTY_PATH))
}

func bindAttr(n *plan.Node) uint64 {
	set := uint64(attrBase)
	if !n.Writable {
		set |= unix.MOUNT_ATTR_RDONLY
	}
	if !n.Exec {
		set |= unix.MOUNT_ATTR_NOEXEC
	}
	return set
}

// source appends the steps that make a detached copy of what n binds.
func (t *tree) source(n *plan.Node) reg {
	fd := t.clone(n)
	set := bindAttr(n)
	if n.Device {
		// Read-only, a device still takes what is written to it. What cannot change
		// is the node, which is the host's: its mode and owner, where that is root.
		set = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC
	}
	t.setattr(n.Source, fd, set, true)
	return fd
}

// openSources appends the steps that pin everything of the host that will be
// seen: afterwards only these descriptors lead to the host.
func (t *tree) openSources() {
	t.sources = make([]reg, len(t.plan.Tree))
	for i := range t.plan.Tree {
		if n := &t.plan.Tree[i]; n.Kind == plan.Bind && !n.Pin && !t.isFixed(n) {
			t.sources[i] = t.source(n)
		}
	}
}

// fs appends the steps that create a file system and returns its mount.
func (t *tree) fs(kind string, attr uint64, options ...string) reg {
	p := t.p
	const cloexec = 1 // FSOPEN_CLOEXEC, FSMOUNT_CLOEXEC
	ctx := p.call("open file system "+kind, unix.SYS_FSOPEN, p.str(kind), num(cloexec))
	for i := 0; i+1 < len(options); i += 2 {
		k, v := options[i], options[i+1]
		if v == "" {
			p.do("set "+kind+" option "+k, unix.SYS_FSCONFIG, ctx.operand(), num(unix.FSCONFIG_SET_FLAG), p.str(k), num(0), num(0))
			continue
		}
		p.do("set "+kind+" option "+k, unix.SYS_FSCONFIG, ctx.operand(), num(unix.FSCONFIG_SET_STRING), p.str(k), p.str(v), num(0))
	}
	p.do("create file system "+kind, unix.SYS_FSCONFIG, ctx.operand(), num(unix.FSCONFIG_CMD_CREATE), num(0), num(0), num(0))
	return p.call("mount file system "+kind, unix.SYS_FSMOUNT, ctx.operand(), num(cloexec), word(uintptr(attr)))
}

// rel turns an absolute path inside into one relative to the new root, which is
// the working directory while the tree is built.
func rel(inside string) string {
	if r := strings.TrimLeft(inside, "/"); r != "" {
		return r
	}
	return "."
}

// insideBind says whether inside lies below a bind: its directories are then the
// host's, and must exist there.
func (t *tree) insideBind(inside string) bool {
	// The last mount that covers the path decides, and nodes come in order.
	for i := len(t.binds) - 1; i >= 0; i-- {
		b := t.binds[i]
		if below(inside, strings.TrimPrefix(b, "!")) {
			return b[0] != '!'
		}
	}
	return false
}

// below says whether p is dir or lies below it.
func below(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir) && len(p) > len(dir) && p[len(dir)] == '/'
}

func (t *tree) mkdirs(inside string, mode uint32) {
	if inside == "/" || t.made[inside] || t.insideBind(inside) {
		return
	}
	t.mkdirs(path.Dir(inside), 0o755)
	t.made[inside] = true
	t.p.do("make directory "+inside, unix.SYS_MKDIRAT, atCwd, t.p.str(rel(inside)), num(int(mode))).allow(unix.EEXIST)
}

// target appends the steps that make sure there is something at inside to mount on.
func (t *tree) target(inside string, dir bool) {
	if dir {
		t.mkdirs(inside, 0o755)
		return
	}
	t.mkdirs(path.Dir(inside), 0o755)
	if !t.insideBind(inside) && !t.made[inside] {
		t.made[inside] = true
		t.p.do("make mount point "+inside, unix.SYS_MKNODAT, atCwd, t.p.str(rel(inside)), num(unix.S_IFREG|0o444), num(0)).allow(unix.EEXIST)
	}
}

const moveEmpty = unix.MOVE_MOUNT_F_EMPTY_PATH

func (t *tree) attach(fd reg, inside string) {
	t.p.do("mount "+inside, unix.SYS_MOVE_MOUNT, fd.operand(), t.p.bytes(empty), atCwd, t.p.str(rel(inside)), num(moveEmpty))
}

// maxCopy bounds a file that is copied; what is larger is bound.
const maxCopy = 1 << 20

// file makes a small file, with the plan's content or the host's.
func (t *tree) file(n *plan.Node, mode uint32) {
	p := t.p
	t.mkdirs(path.Dir(n.Path), 0o755)
	t.made[n.Path] = true
	var src reg
	var open int
	if n.Kind == plan.Copy {
		src = p.call("open "+n.Source, unix.SYS_OPENAT, atCwd, p.str(n.Source), num(unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY), num(0))
		open = len(p.ops) - 1
	}
	fd := p.call("create "+n.Path, unix.SYS_OPENAT, atCwd, p.str(rel(n.Path)), num(unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW), num(int(mode)))
	if n.Kind == plan.Copy {
		p.do("copy "+n.Source, unix.SYS_SENDFILE, fd.operand(), src.operand(), num(0), num(maxCopy))
		p.do("close "+n.Source, unix.SYS_CLOSE, src.operand())
	} else if len(n.Content) > 0 {
		o := p.do("write "+n.Path, unix.SYS_WRITE, fd.operand(), p.bytes([]byte(n.Content)), num(len(n.Content)))
		o.judge, o.want = mustEqual, uintptr(len(n.Content))
	}
	if n.Path == "/etc/hosts" && len(t.redirected) > 0 && t.names != "" {
		// Where connections are not redirected, each name gets listeners while the command
		// runs already, and is found when the name server answers.
		p.add("see whether connections are redirected", op{kind: opZero, args: [6]operand{mem(unsafe.Pointer(&t.redirected[0])), num(len(t.redirected))}})
		at := len(p.ops) - 1
		o := p.do("write names to "+n.Path, unix.SYS_WRITE, fd.operand(), p.bytes([]byte(t.names)), num(len(t.names)))
		o.judge, o.want = mustEqual, uintptr(len(t.names))
		p.ops[at].judge, p.ops[at].jump = mayFail, len(p.ops)
	}
	p.do("close "+n.Path, unix.SYS_CLOSE, fd.operand())
	if n.Kind == plan.Copy && n.Optional {
		p.ops[open].judge, p.ops[open].jump = mayFail, len(p.ops)
	}
}

// held opens a path below a writable root without following any link: an earlier
// run may have planted one.
func (t *tree) held(inside string) reg {
	h, size := t.p.how(unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_BENEATH)
	return t.p.call("open "+inside, unix.SYS_OPENAT2, atCwd, t.p.str(rel(inside)), h, size)
}

func (t *tree) attachHeld(src reg, inside string, dst reg) {
	t.p.do("mount over "+inside, unix.SYS_MOVE_MOUNT, src.operand(), t.p.bytes(empty), dst.operand(), t.p.bytes(empty), num(moveEmpty|unix.MOVE_MOUNT_T_EMPTY_PATH))
}

// pin puts a read-only mount of a thing over itself.
func (t *tree) pin(n *plan.Node) {
	dst := t.held(n.Path)
	flags := unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC | unix.AT_EMPTY_PATH | unix.AT_RECURSIVE
	src := t.p.call("clone mounts of "+n.Path, unix.SYS_OPEN_TREE, dst.operand(), t.p.bytes(empty), num(flags))
	t.setattr(n.Path, src, attrBase|unix.MOUNT_ATTR_RDONLY, true)
	t.attachHeld(src, n.Path, dst)
	t.p.do("close "+n.Path, unix.SYS_CLOSE, dst.operand())
}

const (
	maskFile = ".mask-file"
	maskDir  = ".mask-dir"
)

func (t *tree) mask(n *plan.Node) {
	p := t.p
	dir := 0
	if n.Mode&unix.S_IFMT == unix.S_IFDIR || n.Mode == 0 && isDir(n.Path) {
		dir = 1
	}
	if t.masks[dir] == 0 {
		if dir == 1 {
			p.do("make the empty directory", unix.SYS_MKDIRAT, atCwd, p.str(maskDir), num(0))
		} else {
			p.do("make the empty file", unix.SYS_MKNODAT, atCwd, p.str(maskFile), num(unix.S_IFREG), num(0))
		}
		t.masks[dir] = 1
	}
	dst := t.held(n.Path)
	src := p.call("clone the mask", unix.SYS_OPEN_TREE, atCwd, p.str([]string{maskFile, maskDir}[dir]), num(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC))
	t.setattr("the mask", src, attrBase|unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOEXEC, false)
	t.attachHeld(src, n.Path, dst)
	p.do("close "+n.Path, unix.SYS_CLOSE, dst.operand())
}

func isDir(p string) bool {
	var st unix.Stat_t
	return unix.Stat(p, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// own makes the directory at inside a mount of its own: a part of the root file
// system with other attributes than the root's.
func (t *tree) own(inside string, mode uint32, set uint64) reg {
	t.mkdirs(inside, mode)
	fd := t.p.call("clone "+inside, unix.SYS_OPEN_TREE, atCwd, t.p.str(rel(inside)), num(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC))
	if set != 0 {
		t.setattr(inside, fd, set, false)
	}
	t.attach(fd, inside)
	t.covered(inside, false)
	return fd
}

// layer makes a directory of the root file system for one layer of an overlay.
func (t *tree) layer() string {
	if t.layers == 0 {
		t.p.do("make the directory of layers", unix.SYS_MKDIRAT, atCwd, t.p.str(layerDir), num(0o700))
	}
	t.layers++
	dir := layerDir + "/" + strconv.Itoa(t.layers)
	t.p.do("make a layer", unix.SYS_MKDIRAT, atCwd, t.p.str(dir), num(0o755))
	return dir
}

// escapeOverlay escapes what the overlay driver treats as a separator in lowerdir.
func escapeOverlay(p string) string {
	return strings.NewReplacer(`\`, `\\`, `:`, `\:`, `,`, `\,`).Replace(p)
}

// waiting is how many programs of a box may wait to be accepted at once.
const waiting = 16

// socket makes a socket that listens, and hands it out.
func (t *tree) socket(n *plan.Node) {
	p := t.p
	t.mkdirs(path.Dir(n.Path), 0o755)
	t.made[n.Path] = true
	sa := hold(p, unix.RawSockaddrUnix{Family: unix.AF_UNIX})
	for i := range min(len(rel(n.Path)), len(sa.Path)-1) {
		sa.Path[i] = int8(rel(n.Path)[i])
	}
	name := "listen at " + n.Path
	fd := p.call(name, unix.SYS_SOCKET, num(unix.AF_UNIX), num(unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK), num(0))
	p.do(name, unix.SYS_BIND, fd.operand(), mem(unsafe.Pointer(sa)), num(unix.SizeofSockaddrUnix))
	p.do(name, unix.SYS_LISTEN, fd.operand(), num(waiting))
	p.sendFile(name, fd, fileRequests)
	p.do("close the listener", unix.SYS_CLOSE, fd.operand())
}

// node appends the steps for one node; src is the detached copy that it binds.
func (t *tree) node(n *plan.Node, src reg) error {
	p := t.p
	if strings.IndexByte(n.Path, 0) >= 0 || strings.IndexByte(n.Source, 0) >= 0 {
		return &SetupError{Step: fmt.Sprintf("check path %q", n.Path), Errno: unix.EINVAL}
	}
	mode := n.Mode &^ unix.S_IFMT
	if mode == 0 {
		mode = 0o755
	}
	switch n.Kind {
	case plan.Dir:
		if n.Pin {
			t.late = append(t.late, t.own(n.Path, mode, 0))
		} else {
			t.mkdirs(n.Path, mode)
		}
	case plan.Scratch:
		var set uint64
		if !n.Exec {
			set = attrBase | unix.MOUNT_ATTR_NOEXEC
		}
		t.own(n.Path, mode, set)
	case plan.Bind:
		if n.Pin {
			t.pin(n)
			return nil
		}
		t.target(n.Path, isDir(n.Source))
		t.attach(src, n.Path)
		t.covered(n.Path, true)
	case plan.Data, plan.Copy:
		if n.Mode&^unix.S_IFMT == 0 {
			mode = 0o644
		}
		t.file(n, mode)
	case plan.Symlink:
		t.mkdirs(path.Dir(n.Path), 0o755)
		p.do("make symbolic link "+n.Path, unix.SYS_SYMLINKAT, p.str(n.Source), atCwd, p.str(rel(n.Path)))
	case plan.Proc:
		t.proc(n.Path)
		t.covered(n.Path, true)
	case plan.Devpts:
		t.target(n.Path, true)
		t.attach(t.fs("devpts", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC, "ptmxmode", "0666", "mode", "0620"), n.Path)
		t.covered(n.Path, true)
	case plan.Overlay:
		upper, work := n.Upper, n.Work
		if upper == "" {
			upper, work = t.layer(), t.layer()
		}
		t.target(n.Path, true)
		t.attach(t.fs("overlay", attrBase, "source", "bailey", "lowerdir", escapeOverlay(n.Source), "upperdir", upper, "workdir", work, "userxattr", ""), n.Path)
		t.covered(n.Path, true)
	case plan.Socket:
		t.socket(n)
	case plan.Mask:
		t.mask(n)
	default:
		return &SetupError{Step: fmt.Sprintf("build %s: unknown kind %q", n.Path, n.Kind), Errno: unix.EINVAL}
	}
	return nil
}

// proc mounts a procfs that becomes read-only: /proc/sys cannot be written, and
// what is reached through /proc/self/fd lies on other mounts and is not affected.
func (t *tree) proc(inside string) {
	fd := t.fs("proc", attrBase|unix.MOUNT_ATTR_NOEXEC)
	t.target(inside, true)
	t.attach(fd, inside)
	t.procFS = fd
}

// finishProc sets what only the plan knows, and makes the procfs read-only.
func (t *tree) finishProc() {
	p := t.p
	if t.procFS == 0 {
		return
	}
	if t.pidMax > 0 {
		n := strconv.FormatInt(t.pidMax, 10)
		f := p.call("open pid_max", unix.SYS_OPENAT, t.procFS.operand(), p.str("sys/kernel/pid_max"), num(unix.O_WRONLY|unix.O_CLOEXEC), num(0))
		o := p.do("set pid_max of the pid namespace", unix.SYS_WRITE, f.operand(), p.bytes([]byte(n)), num(len(n)))
		o.judge, o.want = mustEqual, uintptr(len(n))
		p.do("close pid_max", unix.SYS_CLOSE, f.operand())
		// Numbers below reservedPids are given out once. Beginning above them makes
		// the bound exact, where the kernel lets us (CONFIG_CHECKPOINT_RESTORE).
		last := strconv.Itoa(reservedPids)
		f = p.call("open ns_last_pid", unix.SYS_OPENAT, t.procFS.operand(), p.str("sys/kernel/ns_last_pid"), num(unix.O_WRONLY|unix.O_CLOEXEC), num(0))
		open := len(p.ops) - 1
		p.do("begin above the reserved process numbers", unix.SYS_WRITE, f.operand(), p.bytes([]byte(last)), num(len(last)))
		p.do("close ns_last_pid", unix.SYS_CLOSE, f.operand())
		p.ops[open].judge, p.ops[open].jump = mayFail, len(p.ops)
	}
	t.setattr("/proc", t.procFS, attrBase|unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOEXEC, false)
}

// covered notes that a mount now covers inside: by files of another place
// (foreign), or by an empty directory of the scratch file system.
func (t *tree) covered(inside string, foreign bool) {
	if foreign {
		t.binds = append(t.binds, inside)
	} else {
		t.binds = append(t.binds, "!"+inside)
	}
}

// begin appends the root file system, with the working directory in it. Absolute
// paths still lead to the old root until the very end.
func (t *tree) begin() {
	p := t.p
	t.made = map[string]bool{}
	p.do("make mounts private", unix.SYS_MOUNT, num(0), p.str("/"), num(0), num(unix.MS_REC|unix.MS_PRIVATE), num(0))
	t.root = t.fs("tmpfs", attrBase, "mode", "0755")
	p.do("mount the new root", unix.SYS_MOVE_MOUNT, t.root.operand(), p.bytes(empty), atCwd, p.str("/"), num(moveEmpty))
	p.do("enter the new root", unix.SYS_FCHDIR, t.root.operand())
}

// fix appends nodes that every plan is expected to have.
func (t *tree) fix(nodes []plan.Node) error {
	t.fixed = nodes
	for i := range nodes {
		n := &nodes[i]
		var src reg
		if n.Kind == plan.Bind {
			src = t.source(n)
		}
		if err := t.node(n, src); err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) isFixed(n *plan.Node) bool {
	return slices.Contains(t.fixed, *n)
}

// build appends everything else, to the moment when the old root is gone and the
// new one is read-only.
func (t *tree) build() error {
	p := t.p
	if t.root == 0 {
		// Opened as root's user still: what that user may reach is not what the
		// box's user may.
		t.openSources()
		if t.switchID != nil {
			t.switchID()
		}
		t.begin()
	} else {
		t.openSources()
	}
	if n := t.plan.Limits.Scratch; n > 0 {
		t.resize(n + rootSize)
	}
	for i := range t.plan.Tree {
		if n := &t.plan.Tree[i]; !t.isFixed(n) {
			if err := t.node(n, t.sources[i]); err != nil {
				return err
			}
		}
	}
	if t.masks[0] != 0 {
		p.do("remove the empty file", unix.SYS_UNLINKAT, atCwd, p.str(maskFile), num(0))
	}
	if t.masks[1] != 0 {
		p.do("remove the empty directory", unix.SYS_UNLINKAT, atCwd, p.str(maskDir), num(unix.AT_REMOVEDIR))
	}
	t.finishProc()
	for _, fd := range t.late {
		t.setattr("a held directory", fd, attrBase|unix.MOUNT_ATTR_RDONLY, false)
	}
	p.do("pivot into the new root", unix.SYS_PIVOT_ROOT, p.str("."), p.str("."))
	p.do("detach the old root", unix.SYS_UMOUNT2, p.str("."), num(unix.MNT_DETACH))
	t.setattr("the new root", t.root, attrBase|unix.MOUNT_ATTR_RDONLY, false)
	return nil
}

// resize bounds the root file system, on which scratch space lies too.
func (t *tree) resize(size int64) {
	p := t.p
	const emptyPath, cloexec = 8, 1 // FSPICK_EMPTY_PATH, FSPICK_CLOEXEC
	ctx := p.call("pick the root file system", unix.SYS_FSPICK, t.root.operand(), p.bytes(empty), num(emptyPath|cloexec))
	p.do("set its size", unix.SYS_FSCONFIG, ctx.operand(), num(unix.FSCONFIG_SET_STRING), p.str("size"), p.str(strconv.FormatInt(size, 10)), num(0))
	p.do("bound the root file system", unix.SYS_FSCONFIG, ctx.operand(), num(unix.FSCONFIG_CMD_RECONFIGURE), num(0), num(0), num(0))
	p.do("close the root file system", unix.SYS_CLOSE, ctx.operand())
}
