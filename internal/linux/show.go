//go:build linux

package linux

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/plan"
)

// showAt is where the tree is put together that will be seen.
const showAt = "shown"

// Find opens what a path of the host leads to, without any right to it, and says
// where that really is.
func Find(name string) (f *os.File, real string, err error) {
	fd, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, "", &os.PathError{Op: "open", Path: name, Err: err}
	}
	f = os.NewFile(uintptr(fd), name)
	if real, err = os.Readlink("/proc/self/fd/" + strconv.Itoa(fd)); err != nil {
		f.Close()
		return nil, "", err
	}
	return f, real, nil
}

// Requests hands out the socket at which programs inside ask; nil when there is
// none, or it was handed out. The caller closes it.
func (b *Box) Requests() *os.File {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.requests <= 0 {
		return nil
	}
	f := os.NewFile(uintptr(b.requests), "requests")
	b.requests = 0
	return f
}

// Show makes s visible in the running box, at once and with everything under it
// that is to stay hidden already hidden.
//
// A child of this process enters the box's user namespace, which gives it power
// over the box's mounts and none over the host's, and takes a mount namespace of
// its own with a copy of the host's mounts: only from there can a mount be cloned.
// It opens the path without following links and hands it here, to be compared.
// Then it puts the tree together, enters the box's mount namespace and mounts it,
// on a mount point that it makes in the box's own file system.
//
// Landlock, where it handles reading (files.strict), keeps what already runs from
// reading it; commands started later may.
func (b *Box) Show(s Show) error {
	pid1, err := b.entrance()
	if err != nil {
		return err
	}
	defer unix.Close(pid1)
	if !strings.HasPrefix(s.Path, "/") || path.Clean(s.Path) != s.Path || s.Path == "/" || strings.IndexByte(s.Path, 0) >= 0 {
		return &SetupError{Step: fmt.Sprintf("check path %q", s.Path), Errno: unix.EINVAL}
	}
	var is unix.Stat_t
	if err := unix.Fstat(int(s.File.Fd()), &is); err != nil {
		return &SetupError{Step: "look at " + s.Path, Errno: err.(unix.Errno)}
	}
	l, err := b.newLaunch(nil)
	if err != nil {
		return err
	}
	defer l.close()
	p := l.p
	t := &tree{p: p, plan: b.plan, made: map[string]bool{}}
	l.enterUser(pid1)
	p.do("take a mount namespace", unix.SYS_UNSHARE, num(unix.CLONE_NEWNS))
	p.do("make mounts private", unix.SYS_MOUNT, num(0), p.str("/"), num(0), num(unix.MS_REC|unix.MS_PRIVATE), num(0))

	h, size := p.how(unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_NO_MAGICLINKS)
	fd := p.call("open "+s.Path, unix.SYS_OPENAT2, atCwd, p.str(s.Path), h, size)
	l.handOver(s.Path, fd)
	flags := unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC | unix.AT_RECURSIVE
	src := p.call("clone mounts of "+s.Path, unix.SYS_OPEN_TREE, fd.operand(), p.bytes(empty), num(flags|unix.AT_EMPTY_PATH))
	t.setattr(s.Path, src, attrBase|unix.MOUNT_ATTR_RDONLY, true)
	if os.Geteuid() == 0 {
		l.switchID()
		l.unseen()
	}
	if len(s.Masks) > 0 {
		src = t.masked(src, s)
	}

	p.do("enter the box", unix.SYS_SETNS, num(pid1), num(unix.CLONE_NEWNS))
	// The root is read-only as it is mounted; another mount of it is not. The
	// directories of the box's scratch space lie on it too.
	dir := p.call("clone the root", unix.SYS_OPEN_TREE, atCwd, p.str("/"), num(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC))
	a, n := p.attr(0, unix.MOUNT_ATTR_RDONLY)
	p.do("open the root for writing", unix.SYS_MOUNT_SETATTR, dir.operand(), p.bytes(empty), num(unix.AT_EMPTY_PATH), a, n)
	parts := strings.Split(s.Path[1:], "/")
	for _, c := range parts[:len(parts)-1] {
		p.do("make directory "+c, unix.SYS_MKDIRAT, dir.operand(), p.str(c), num(0o755)).allow(unix.EEXIST)
		h, size := p.how(unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_DIRECTORY, unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_BENEATH)
		dir = p.call("open directory "+c, unix.SYS_OPENAT2, dir.operand(), p.str(c), h, size)
	}
	last := p.str(parts[len(parts)-1])
	if s.Dir {
		p.do("make mount point "+s.Path, unix.SYS_MKDIRAT, dir.operand(), last, num(0o755)).allow(unix.EEXIST)
	} else {
		p.do("make mount point "+s.Path, unix.SYS_MKNODAT, dir.operand(), last, num(unix.S_IFREG|0o444), num(0)).allow(unix.EEXIST)
	}
	t.attachHeld(src, s.Path, t.held(s.Path))
	if err := l.finish("show "+s.Path, &is); err != nil {
		return err
	}
	b.mu.Lock()
	b.shown = append(b.shown[:len(b.shown):len(b.shown)], shown{pathRule{rule: plan.PathRule{Path: s.Path, Access: plan.ReadExec}, dir: s.Dir}, is})
	b.mu.Unlock()
	return nil
}

// shown is what [Box.Show] has shown.
type shown struct {
	pathRule
	is unix.Stat_t // the file or directory that it is
}

// Hide takes back what Show has shown at a path: something empty that nobody may
// read covers it. What is open stays open, with what is hidden in it still hidden;
// to unmount it would uncover that for who stands in the directory.
//
// A child enters the box's namespaces and opens the path without following links.
// What it finds is compared here, so that it is not something else that is covered
// where the box may rename the directories above.
func (b *Box) Hide(name string) error {
	pid1, err := b.entrance()
	if err != nil {
		return err
	}
	defer unix.Close(pid1)
	b.mu.Lock()
	i := slices.IndexFunc(b.shown, func(s shown) bool { return s.rule.Path == name })
	var is unix.Stat_t
	if i >= 0 {
		is = b.shown[i].is
	}
	b.mu.Unlock()
	if i < 0 {
		return &SetupError{Step: "hide " + name, Errno: unix.ENOENT}
	}
	l, err := b.newLaunch(nil)
	if err != nil {
		return err
	}
	defer l.close()
	p := l.p
	l.enterUser(pid1)
	p.do("take a mount namespace", unix.SYS_UNSHARE, num(unix.CLONE_NEWNS))
	p.do("make mounts private", unix.SYS_MOUNT, num(0), p.str("/"), num(0), num(unix.MS_REC|unix.MS_PRIVATE), num(0))
	if os.Geteuid() == 0 {
		l.switchID()
		l.unseen()
	}
	t := &tree{p: p, plan: b.plan, made: map[string]bool{}}
	src := t.cover(is.Mode&unix.S_IFMT == unix.S_IFDIR)
	p.do("enter the box", unix.SYS_SETNS, num(pid1), num(unix.CLONE_NEWNS))
	h, size := p.how(unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_NO_MAGICLINKS)
	fd := p.call("open "+name, unix.SYS_OPENAT2, atCwd, p.str(name), h, size)
	l.handOver(name, fd)
	t.attachHeld(src, name, fd)
	if err := l.finish("hide "+name, &is); err != nil {
		return err
	}
	b.mu.Lock()
	b.shown = slices.DeleteFunc(slices.Clone(b.shown), func(s shown) bool { return s.rule.Path == name })
	b.mu.Unlock()
	return nil
}

// entrance is a copy of the descriptor of pid 1, by which the box's namespaces are
// entered. The box may be closed meanwhile: the number of its own could be another
// box's by then.
func (b *Box) entrance() (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.pid1FD < 0 {
		return -1, ErrClosed
	}
	return unix.FcntlInt(uintptr(b.pid1FD), unix.F_DUPFD_CLOEXEC, 3)
}

// unseen keeps the box from looking into this process.
func (l *launch) unseen() {
	l.p.do("hide this process", unix.SYS_PRCTL, num(unix.PR_SET_DUMPABLE), num(0), num(0), num(0), num(0))
}

// enterUser begins the life of a child that works on a running box: it enters its
// user namespace.
func (l *launch) enterUser(pid1 int) {
	p := l.p
	p.do("let go of the control socket", unix.SYS_CLOSE, word(l.own.Fd()))
	p.do("leave the terminal", unix.SYS_SETSID)
	l.unseen()
	p.do("clear the umask", unix.SYS_UMASK, num(0))
	if os.Geteuid() == 0 {
		p.dropGroups()
	}
	p.do("enter the box's user namespace", unix.SYS_SETNS, num(pid1), num(unix.CLONE_NEWUSER))
	l.unseen()
}

// handOver has what the child opened compared, and the child wait for that.
func (l *launch) handOver(name string, fd reg) {
	p := l.p
	p.sendFile("hand over what is at "+name, fd, fileSocket)
	o := p.do("wait for the comparison", unix.SYS_READ, word(p.control), p.bytes([]byte{0}), num(1))
	o.judge, o.want = mustEqual, 1
}

// finish ends the child's list and runs it; want is what it is to hand over.
func (l *launch) finish(step string, want *unix.Stat_t) error {
	l.p.add("report", op{kind: opSend, args: [6]operand{num(msgReady), num(0), num(0)}})
	l.p.add("end", op{kind: opExit})
	l.p.inject(l.b.options.fault)
	if err := l.fork(0); err != nil {
		return err
	}
	r := l.compare(want)
	for l.next(&r) {
	}
	r.drop()
	var ws unix.WaitStatus
	wait4(l.helper, &ws)
	if r.err == nil && !r.ready {
		r.err = &SetupError{Step: step, Errno: unix.EPIPE}
	}
	return r.err
}

// compare lets the child go on when it has opened the file that is wanted.
func (l *launch) compare(want *unix.Stat_t) (r result) {
	for r.err == nil && len(r.net) == 0 && l.next(&r) {
	}
	if r.err != nil || len(r.net) == 0 || r.net[0] <= 0 {
		return r
	}
	var have unix.Stat_t
	err := unix.Fstat(r.net[0], &have)
	r.net.close()
	r.net = nil
	if err == nil && (want.Dev != have.Dev || want.Ino != have.Ino || want.Mode&unix.S_IFMT != have.Mode&unix.S_IFMT) {
		err = ErrChanged
	}
	if err == nil {
		err = unix.Sendmsg(int(l.own.Fd()), []byte{1}, nil, nil, unix.MSG_NOSIGNAL)
	}
	if err != nil {
		l.stop()
		for l.next(&r) { // what it says now is only that it was stopped
		}
		r.err = err
	}
	return r
}

// cover makes something empty that nobody may read, to be mounted over a directory or
// over a file.
func (t *tree) cover(dir bool) reg {
	p := t.p
	t.ownRoot()
	if dir {
		p.do("make the empty directory", unix.SYS_MKDIRAT, atCwd, p.str(showAt), num(0))
	} else {
		p.do("make the empty file", unix.SYS_MKNODAT, atCwd, p.str(showAt), num(unix.S_IFREG), num(0))
	}
	src := p.call("clone it", unix.SYS_OPEN_TREE, atCwd, p.str(showAt), num(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC))
	t.setattr("it", src, attrBase|unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOEXEC, false)
	return src
}

// ownRoot covers this process's root, in the mount namespace that is its alone, with
// an empty file system, and enters that.
func (t *tree) ownRoot() {
	p := t.p
	root := t.fs("tmpfs", attrBase, "mode", "0755")
	p.do("cover the root", unix.SYS_MOVE_MOUNT, root.operand(), p.bytes(empty), atCwd, p.str("/"), num(moveEmpty))
	p.do("enter it", unix.SYS_FCHDIR, root.operand())
}

// masked puts src on a file system of its own, with what is to be hidden covered,
// and returns a clone of the whole.
func (t *tree) masked(src reg, s Show) reg {
	p := t.p
	t.ownRoot()
	p.do("make a mount point", unix.SYS_MKDIRAT, atCwd, p.str(showAt), num(0o755))
	p.do("mount it", unix.SYS_MOVE_MOUNT, src.operand(), p.bytes(empty), atCwd, p.str(showAt), num(moveEmpty))
	for i := range s.Masks {
		n := s.Masks[i]
		n.Path = "/" + showAt + strings.TrimPrefix(n.Path, s.Path)
		t.mask(&n)
	}
	return p.call("clone what will be seen", unix.SYS_OPEN_TREE, atCwd, p.str(showAt), num(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE))
}
