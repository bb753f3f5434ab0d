//go:build linux

package linux

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/plan"
)

// launch is one fork being prepared, or waiting for the rest of its list.
type launch struct {
	b       *Box
	p       *program
	cmd     *Command
	own     *os.File // the supervisor's end of the control socket
	child   *os.File
	helper  int              // pid of the fork, once there is one
	ruleset *landlockRuleset // nil for none
	tried   bool             // a step tries something that Landlock alone refuses

	tree   *tree
	umask  reg
	id     plan.Identity
	mapErr error
	coming *handover // what the child waits for, or nil
	early  result    // reports that were read before the child went on

	byParent bool    // the id maps are written from outside
	weak     bool    // tier landlock
	scoped   bool    // Landlock keeps signals inside
	pid1FD   int     // 0 for none
	guard    int     // its guard's pid
	dumpable uintptr // what this process was before a child shared its memory
	key      uint64  // lets the command's own execve pass the filter; 0 for none
}

func newLaunch(cmd *Command, f fault) (*launch, error) {
	if err := f.own.at("make the control socket"); err != nil {
		return nil, err
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make the control socket: %w", err)
	}
	return &launch{cmd: cmd, p: newProgram(uintptr(fds[1])),
		own: os.NewFile(uintptr(fds[0]), "control"), child: os.NewFile(uintptr(fds[1]), "control")}, nil
}

func (b *Box) newLaunch(cmd *Command) (*launch, error) {
	l, err := newLaunch(cmd, b.options.fault)
	if err == nil {
		l.b = b
	}
	return l, err
}

func (l *launch) close() {
	l.own.Close()
	if l.child != nil {
		l.child.Close()
		l.child = nil
	}
}

func (l *launch) fork(flags uintptr) error {
	if err := l.b.options.fault.own.at("clone"); err != nil {
		return err
	}
	helper, e := l.p.fork(flags)
	runtime.KeepAlive(l.p)
	if e != 0 {
		return &SetupError{Step: "clone with new namespaces", Errno: e}
	}
	l.helper = helper
	l.child.Close()
	l.child = nil
	return nil
}

// release lets the waiting child go on, with the command's descriptors.
func (l *launch) release(cgroup string) error {
	if l.mapErr != nil {
		l.stop()
		return l.mapErr
	}
	// Without pid 1 nothing would end the box.
	for !l.early.up || l.early.pids[0] == 0 {
		if !l.next(&l.early) {
			l.stop()
			return &SetupError{Step: "wait for pid 1", Errno: unix.ESRCH}
		}
		if l.early.err != nil {
			l.stop()
			return l.early.err
		}
	}
	if !l.weak {
		// Later commands enter by it, and the watch ends the box with it.
		err := l.b.options.fault.own.at("open pid 1")
		if err == nil {
			l.pid1FD, err = unix.PidfdOpen(l.early.pids[0], 0)
		}
		if err != nil {
			l.stop()
			return &SetupError{Step: "open pid 1", Errno: errnoOf(err)}
		}
	}
	if cgroup != "" {
		// The helper has ended or will at once; the command is what counts.
		if err := l.enter(cgroup); err != nil {
			l.stop()
			return err
		}
	}
	var fds []int
	for _, f := range l.cmd.passed() {
		fds = append(fds, int(f.Fd()))
	}
	var rights []byte
	if fds != nil {
		rights = unix.UnixRights(fds...)
	}
	err := l.b.options.fault.own.at("let the command go on")
	if err == nil {
		err = unix.Sendmsg(int(l.own.Fd()), []byte{1}, rights, nil, unix.MSG_NOSIGNAL)
	}
	if err != nil {
		// It would wait for ever, and we for it.
		l.stop()
		return &SetupError{Step: "let the command go on", Errno: errnoOf(err)}
	}
	return nil
}

// enter moves the waiting command into the box's cgroup. It has reported its pid
// by now, or is about to.
func (l *launch) enter(cgroup string) error {
	for l.early.pids[1] == 0 {
		if !l.next(&l.early) {
			return &SetupError{Step: "enter cgroup " + cgroup, Errno: unix.ESRCH}
		}
	}
	err := l.b.options.fault.own.at("enter cgroup " + cgroup)
	if err == nil {
		err = os.WriteFile(cgroup+"/cgroup.procs", []byte(strconv.Itoa(l.early.pids[1])), 0)
	}
	if err != nil {
		return &SetupError{Step: "enter cgroup " + cgroup, Errno: errnoOf(err)}
	}
	return nil
}

// passed are the command's own descriptors, in order.
func (c *Command) passed() []*os.File {
	var list []*os.File
	if c == nil {
		return nil
	}
	for i, f := range [3]*os.File{c.Stdin, c.Stdout, c.Stderr} {
		if f != nil && !c.TTY[i] {
			list = append(list, f)
		}
	}
	return list
}

// settled is called when no child shares our memory any more. Changing ids, as a
// child of root's does, marks the memory as not dumpable.
func (l *launch) settled() {
	if l.dumpable == 1 {
		unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
	}
	runtime.KeepAlive(l.p)
}

// stop ends the child's wait without letting it go on.
func (l *launch) stop() { unix.Shutdown(int(l.own.Fd()), unix.SHUT_WR) }

// giveUp ends a child that waits, and pid 1 with it.
func (l *launch) giveUp() {
	if l.helper == 0 {
		return
	}
	l.stop()
	r := l.receive()
	r.drop()
	var ws unix.WaitStatus
	wait4(l.helper, &ws)
	for _, pid := range []int{r.pids[1], r.pids[0]} { // the command first: pid 1 waits for it
		if pid > 0 {
			unix.Kill(pid, unix.SIGKILL)
			wait4(pid, &ws)
		}
	}
	l.helper = 0
	l.settled()
}

// Begun is a box that has been begun without a plan: its namespaces and pid 1
// are there, and a child waits for the rest of the list. Making namespaces takes
// the kernel about a millisecond, which so goes by while policy and plan are
// being made on another processor.
type Begun struct {
	l        *launch
	init     *os.File
	lifeline *os.File
}

// Begin begins a box of tier full for the ids in id. An error means that this machine cannot have
// one; whether that matters is for the plan to say.
func Begin(id plan.Identity) (*Begun, error) {
	return begin(id, fault{}, plan.Fixed(present, id.HostUID == 0))
}

// lifeline makes the pipe whose other end only the supervisor has.
func lifeline(f fault) (fds [2]int, err error) {
	if err := f.own.at("make the lifeline"); err != nil {
		return fds, err
	}
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return fds, fmt.Errorf("make the lifeline: %w", err)
	}
	return fds, nil
}

func present(p string) bool {
	var st unix.Stat_t
	return unix.Lstat(p, &st) == nil
}

// fits says whether the plan has all that was built before it was there.
func (g *Begun) fits(p *plan.Plan) bool {
	want, have := p.Identity, g.l.id
	if want.UID != have.UID || want.GID != have.GID || want.HostUID != have.HostUID || want.HostGID != have.HostGID {
		return false
	}
	for _, n := range g.l.tree.fixed {
		if !slices.Contains(p.Tree, n) {
			return false
		}
	}
	return true
}

// begin builds the nodes in fixed ahead, where it can: while root's box is not
// the box's user yet, it can make nothing.
func begin(id plan.Identity, f fault, fixed []plan.Node) (_ *Begun, err error) {
	g := &Begun{}
	defer func() {
		if err != nil {
			g.Abandon()
		}
	}()
	if g.init, err = initFile(f); err != nil {
		return nil, err
	}
	if g.l, err = newLaunch(nil, f); err != nil {
		return nil, err
	}
	fds, err := lifeline(f)
	if err != nil {
		return nil, err
	}
	inner := os.NewFile(uintptr(fds[0]), "lifeline")
	defer inner.Close()
	g.lifeline = os.NewFile(uintptr(fds[1]), "lifeline")

	l, p := g.l, g.l.p
	l.tree = &tree{p: p}
	// The signal mask that the child gets is this thread's.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p.ownSignals()
	l.letGo(g.lifeline)
	l.id, l.byParent = id, os.Geteuid() == 0
	if l.byParent {
		o := p.do("wait for the id maps", unix.SYS_READ, word(p.control), p.bytes([]byte{0}), num(1))
		o.judge, o.want = mustEqual, 1
		p.dropGroups()
	} else if id.UID != os.Getuid() || id.GID != os.Getgid() {
		return nil, &SetupError{Step: fmt.Sprintf("check the plan: made for user %d and group %d", id.UID, id.GID), Errno: unix.EPERM}
	} else {
		l.mapSelf()
	}
	l.loopback()
	p.do("enter a pid namespace", unix.SYS_UNSHARE, num(unix.CLONE_NEWPID))
	fork, pid1 := p.forkHere("start pid 1")
	p.add("report pid 1", op{kind: opSend, args: [6]operand{num(msgPids), pid1.operand(), num(0)}})
	fork2, pid2 := p.forkHere("start the command")
	p.add("report the command", op{kind: opSend, args: [6]operand{num(msgPids), pid2.operand(), num(1)}})
	p.add("end", op{kind: opExit})
	p.ops[fork].jump = len(p.ops)
	l.becomeInit(inner, g.init)
	p.ops[fork2].jump = len(p.ops)
	l.closeOthers()
	l.umask = p.call("clear the umask", unix.SYS_UMASK, num(0))
	if id.HostUID == os.Geteuid() {
		l.tree.begin()
		if err := l.tree.fix(fixed); err != nil {
			return nil, err
		}
	}
	l.wait()
	p.inject(f)
	if err := p.publish(); err != nil {
		return nil, err
	}
	if err := f.own.at("clone with new namespaces"); err != nil {
		return nil, err
	}
	l.dumpable, _, _ = unix.RawSyscall(unix.SYS_PRCTL, unix.PR_GET_DUMPABLE, 0, 0)
	helper, e := p.forkShared(boxNamespaces, p.stack())
	if e != 0 {
		return nil, &SetupError{Step: "clone with new namespaces", Errno: e}
	}
	l.helper = helper
	l.child.Close()
	l.child = nil
	if l.byParent {
		if l.mapErr = l.writeMaps(helper, f); l.mapErr == nil {
			_, l.mapErr = unix.Write(int(l.own.Fd()), []byte{1})
		}
	}
	return g, nil
}

// letGo appends the steps that close the supervisor's ends of what the child
// waits on: with copies of its own it would wait for ever when the supervisor is
// gone.
func (l *launch) letGo(lifeline *os.File) {
	l.p.do("let go of the control socket", unix.SYS_CLOSE, word(l.own.Fd()))
	l.p.do("let go of the lifeline", unix.SYS_CLOSE, word(lifeline.Fd()))
}

// closeOthers appends the steps that close what this process had open, up to the
// control socket: the child may wait for a while, and would keep pipes open.
func (l *launch) closeOthers() {
	p, c := l.p, int(l.p.control)
	if c > 3 {
		p.do("close inherited descriptors", unix.SYS_CLOSE_RANGE, num(3), num(c-1), num(0))
	}
	p.do("close inherited descriptors", unix.SYS_CLOSE_RANGE, num(c+1), word(0xffffffff), num(0))
}

// handover is what the child waits for: one byte, and the command's descriptors,
// which may not have been open yet when it was forked.
type handover struct {
	hdr  unix.Msghdr
	iov  unix.Iovec
	byte [8]byte
	cmsg [32]byte // CMSG_SPACE of three descriptors on 64-bit
}

func (p *program) handover(fds []int) *handover {
	h := hold(p, handover{})
	h.iov.Base, h.iov.Len = &h.byte[0], 1
	h.hdr.Iov, h.hdr.Iovlen = &h.iov, 1
	h.hdr.Control, h.hdr.Controllen = &h.cmsg[0], uint64(len(h.cmsg))
	if fds != nil {
		h.hdr.Controllen = uint64(copy(h.cmsg[:], unix.UnixRights(fds...)))
	}
	return h
}

// wait appends the wait for the plan.
func (l *launch) wait() {
	l.coming = l.p.handover(nil)
	o := l.p.do("wait for the plan", unix.SYS_RECVMSG, word(l.p.control), mem(unsafe.Pointer(&l.coming.hdr)), num(unix.MSG_CMSG_CLOEXEC))
	o.judge, o.want = mustEqual, 1
}

// received returns the register of descriptor n of those that came.
func (l *launch) received(n int) reg {
	r := l.p.newReg()
	l.p.add("take a descriptor", op{kind: opLoad, out: r, args: [6]operand{mem(unsafe.Pointer(&l.coming.cmsg[unix.CmsgLen(0)+4*n]))}})
	return r
}

// Abandon ends a box that will have no plan. It may be called on nil, and on one
// that Open has taken over.
func (g *Begun) Abandon() {
	if g == nil {
		return
	}
	if g.l != nil {
		g.l.giveUp()
		g.l.close()
		g.l = nil
	}
	if g.lifeline != nil {
		g.lifeline.Close()
	}
	if g.init != nil {
		g.init.Close()
	}
}

// mapSelf appends the steps by which an ordinary user's child maps its own ids.
// Root's are mapped from outside, because only then can supplementary groups be
// dropped and ids other than its own be mapped.
func (l *launch) mapSelf() {
	p := l.p
	write := func(name, content string) {
		fd := p.call("open "+name, unix.SYS_OPENAT, atCwd, p.str("/proc/self/"+name), num(unix.O_WRONLY|unix.O_CLOEXEC), num(0))
		o := p.do("write "+name, unix.SYS_WRITE, fd.operand(), p.bytes([]byte(content)), num(len(content)))
		o.judge, o.want = mustEqual, uintptr(len(content))
		p.do("close "+name, unix.SYS_CLOSE, fd.operand())
	}
	write("setgroups", "deny")
	write("uid_map", idMap(os.Getuid(), os.Geteuid()))
	write("gid_map", idMap(os.Getgid(), os.Getegid()))
}

// dropGroups appends the step by which root gives its supplementary groups up.
func (p *program) dropGroups() {
	if !groupsStay() {
		p.do("drop supplementary groups", unix.SYS_SETGROUPS, num(0), num(0))
	}
}

// groupsStay says whether nobody may change groups here, root neither: in the user
// namespace of unshare -r or of bubblewrap. Then they stay, as an ordinary user's do.
func groupsStay() bool {
	s, err := os.ReadFile("/proc/self/setgroups")
	return err == nil && string(s) == "deny\n"
}

func idMap(inside, host int) string {
	return strconv.Itoa(inside) + " " + strconv.Itoa(host) + " 1\n"
}

func (l *launch) writeMaps(pid int, flt fault) error {
	id := l.id
	dir := "/proc/" + strconv.Itoa(pid)
	for _, f := range [][2]string{{"uid_map", idMap(id.UID, id.HostUID)}, {"gid_map", idMap(id.GID, id.HostGID)}} {
		err := flt.own.at("write " + f[0])
		if err == nil {
			err = os.WriteFile(dir+"/"+f[0], []byte(f[1]), 0)
		}
		if err != nil {
			l.stop()
			return &SetupError{Step: "write " + f[0], Errno: errnoOf(err)}
		}
	}
	return nil
}

// loopback brings up the only device of the new network namespace.
func (l *launch) loopback() {
	p := l.p
	type ifreq struct {
		name  [16]byte
		flags uint16
		_     [22]byte
	}
	req := hold(p, ifreq{flags: unix.IFF_UP | unix.IFF_RUNNING})
	copy(req.name[:], "lo")
	s := p.call("open a socket for loopback", unix.SYS_SOCKET, num(unix.AF_INET), num(unix.SOCK_DGRAM|unix.SOCK_CLOEXEC), num(0))
	p.do("bring loopback up", unix.SYS_IOCTL, s.operand(), num(unix.SIOCSIFFLAGS), mem(unsafe.Pointer(req)))
	p.do("close the socket", unix.SYS_CLOSE, s.operand())
}

// becomeInit appends pid 1: the lifeline as descriptor 0, nothing else.
func (l *launch) becomeInit(life, prog *os.File) {
	p := l.p
	args := []string{"bailey"}
	if l.weak {
		args = append(args, "guard")
	}
	type action struct { // struct kernel_sigaction
		handler, flags, restorer, mask uintptr
	}
	const ignore = 1 // SIG_IGN
	act := hold(p, action{handler: ignore})
	p.do("pid 1: ignore SIGCHLD", unix.SYS_RT_SIGACTION, num(int(unix.SIGCHLD)), mem(unsafe.Pointer(act)), num(0), num(8))
	p.do("pid 1: leave the terminal", unix.SYS_SETSID)
	p.do("pid 1: take the lifeline", unix.SYS_DUP3, word(life.Fd()), num(0), num(0))
	p.do("pid 1: take the control socket", unix.SYS_DUP3, word(p.control), num(1), num(0))
	p.do("pid 1: close descriptors", unix.SYS_CLOSE_RANGE, num(2), num(2), num(0))
	p.do("pid 1: close descriptors", unix.SYS_CLOSE_RANGE, num(3), word(0xffffffff), num(unix.CLOSE_RANGE_CLOEXEC))
	p.do("pid 1: chdir", unix.SYS_CHDIR, p.str("/"))
	p.do("pid 1: execute", unix.SYS_EXECVEAT, word(prog.Fd()), p.bytes(empty), mem(unsafe.Pointer(p.vector(args))), mem(unsafe.Pointer(p.vector(nil))), num(unix.AT_EMPTY_PATH))
}
