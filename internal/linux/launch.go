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
	b      *Box
	p      *program
	cmd    *Command
	own    *os.File // the supervisor's end of the control socket
	child  *os.File
	helper int // pid of the fork, once there is one
	report Report

	tree  *tree
	umask reg

	byParent bool    // the id maps are written from outside
	weak     bool    // tier landlock
	scoped   bool    // Landlock keeps signals inside
	guard    int     // its guard's pid
	dumpable uintptr // what this process was before a child shared its memory
}

func newLaunch(cmd *Command) (*launch, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make the control socket: %w", err)
	}
	return &launch{cmd: cmd, p: newProgram(uintptr(fds[1])),
		own: os.NewFile(uintptr(fds[0]), "control"), child: os.NewFile(uintptr(fds[1]), "control")}, nil
}

func (b *Box) newLaunch(cmd *Command) (*launch, error) {
	l, err := newLaunch(cmd)
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

// release lets the waiting child go on.
func (l *launch) release(cgroup string) error {
	if l.byParent {
		if err := l.writeMaps(l.helper); err != nil {
			return err
		}
	}
	if cgroup != "" {
		if err := os.WriteFile(cgroup+"/cgroup.procs", []byte(strconv.Itoa(l.helper)), 0); err != nil {
			l.stop()
			return &SetupError{Step: "enter cgroup " + cgroup, Errno: errnoOf(err)}
		}
	}
	_, err := unix.Write(int(l.own.Fd()), []byte{1})
	return err
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

// Begin begins a box of tier full. An error means that this machine cannot have
// one; whether that matters is for the plan to say.
func Begin() (*Begun, error) { return begin(fault{}, plan.Fixed(present, false)) }

func present(p string) bool {
	var st unix.Stat_t
	return unix.Lstat(p, &st) == nil
}

// fits says whether the plan has all that was built before it was there.
func (g *Begun) fits(p *plan.Plan) bool {
	for _, n := range g.l.tree.fixed {
		if !slices.Contains(p.Tree, n) {
			return false
		}
	}
	return true
}

// begin builds the nodes in fixed ahead, where it can: a box of root's gets its
// ids from the plan, and can make nothing before.
func begin(f fault, fixed []plan.Node) (_ *Begun, err error) {
	g := &Begun{}
	defer func() {
		if err != nil {
			g.Abandon()
		}
	}()
	if g.init, err = initFile(); err != nil {
		return nil, err
	}
	if g.l, err = newLaunch(nil); err != nil {
		return nil, err
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make the lifeline: %w", err)
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
	l.byParent = os.Geteuid() == 0
	if !l.byParent {
		l.mapSelf()
	}
	l.loopback()
	p.do("enter a pid namespace", unix.SYS_UNSHARE, num(unix.CLONE_NEWPID))
	fork, pid1 := p.forkHere("start pid 1")
	p.add("report pid 1", op{kind: opSend, args: [6]operand{num(msgPids), pid1.operand(), num(0)}})
	if l.byParent {
		// Without id maps nothing can be made yet.
		l.wait()
	} else {
		l.command()
	}
	p.add("go on", op{kind: opJump})
	skip := len(p.ops) - 1
	p.ops[fork].jump = len(p.ops)
	l.becomeInit(inner, g.init)
	p.ops[skip].jump = len(p.ops)
	if !l.byParent {
		l.umask = p.call("clear the umask", unix.SYS_UMASK, num(0))
		l.tree.begin()
		if err := l.tree.fix(fixed); err != nil {
			return nil, err
		}
		l.wait()
	}
	p.inject(f)
	if err := p.publish(); err != nil {
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
	return g, nil
}

// wait appends the wait for the plan.
func (l *launch) wait() {
	o := l.p.do("wait for the plan", unix.SYS_READ, word(l.p.control), l.p.bytes([]byte{0}), num(1))
	o.judge, o.want = mustEqual, 1
}

// command appends the fork of the command, whose steps follow, and the end of
// the helper.
func (l *launch) command() {
	p := l.p
	fork, pid := p.forkHere("start the command")
	p.add("report the command", op{kind: opSend, args: [6]operand{num(msgPids), pid.operand(), num(1)}})
	p.add("end", op{kind: opExit})
	p.ops[fork].jump = len(p.ops)
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

func idMap(inside, host int) string {
	return strconv.Itoa(inside) + " " + strconv.Itoa(host) + " 1\n"
}

func (l *launch) writeMaps(pid int) error {
	id := l.b.plan.Identity
	dir := "/proc/" + strconv.Itoa(pid)
	for _, f := range [][2]string{{"uid_map", idMap(id.UID, id.HostUID)}, {"gid_map", idMap(id.GID, id.HostGID)}} {
		if err := os.WriteFile(dir+"/"+f[0], []byte(f[1]), 0); err != nil {
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
	type action struct { // struct kernel_sigaction
		handler, flags, restorer, mask uintptr
	}
	const ignore = 1 // SIG_IGN
	act := hold(p, action{handler: ignore})
	p.do("pid 1: ignore SIGCHLD", unix.SYS_RT_SIGACTION, num(int(unix.SIGCHLD)), mem(unsafe.Pointer(act)), num(0), num(8))
	p.do("pid 1: leave the terminal", unix.SYS_SETSID)
	p.do("pid 1: take the lifeline", unix.SYS_DUP3, word(life.Fd()), num(0), num(0))
	p.do("pid 1: close descriptors", unix.SYS_CLOSE_RANGE, num(1), num(2), num(0))
	p.do("pid 1: close descriptors", unix.SYS_CLOSE_RANGE, num(3), word(0xffffffff), num(unix.CLOSE_RANGE_CLOEXEC))
	p.do("pid 1: chdir", unix.SYS_CHDIR, p.str("/"))
	p.do("pid 1: execute", unix.SYS_EXECVEAT, word(prog.Fd()), p.bytes(empty), mem(unsafe.Pointer(p.vector([]string{"bailey"}))), mem(unsafe.Pointer(p.vector(nil))), num(unix.AT_EMPTY_PATH))
}
