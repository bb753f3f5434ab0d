//go:build linux

package linux

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
	"github.com/bailey-run/bailey/internal/seccomp"
)

// Box is an open sandbox. Its commands are direct children of this process.
type Box struct {
	plan     *plan.Plan
	options  Options
	init     *os.File // pid 1's program
	lifeline *os.File // closing it ends the box
	pid1     int
	pid1FD   int
	cgroup   string // the box's own directory, or ""
	single   bool   // opened with its only command
	stop     chan struct{}

	// Tier landlock only.
	private     string // the directory that is HOME inside
	privateLock *os.File
	moved       map[string]string // variables that name it, as planned and as they are

	mu      sync.Mutex
	procs   map[*Process]struct{}
	brokers []*broker
	closed  bool
	report  Report
}

const (
	boxNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP
	// Terminal and descriptors are set before the walls; the rest is the same for
	// every command of a box.
	commandFlags = unix.CLONE_PARENT | uintptr(unix.SIGCHLD)
)

// Open makes a box from p and, when first is not nil, starts first in it: one
// fork and one list of system calls for both.
func Open(p *plan.Plan, first *Command, o Options) (*Box, *Process, error) {
	b := &Box{plan: p, single: first != nil, options: o, procs: map[*Process]struct{}{}, pid1FD: -1, stop: make(chan struct{})}
	var err error
	if b.init, err = initFile(); err != nil {
		return nil, nil, err
	}
	if p.Limits.Cgroup != "" {
		if err := b.makeCgroup(); err != nil {
			b.Close()
			return nil, nil, err
		}
	}
	open := b.open
	if p.Tier == policy.TierLandlock {
		open = b.openWeak
	}
	proc, err := open(first)
	if err != nil {
		b.Close()
		return nil, nil, err
	}
	if p.Limits.Memory > 0 && b.cgroup == "" && b.pid1FD >= 0 {
		go b.watchMemory(p.Limits.Memory, b.stop)
	}
	return b, proc, nil
}

func (b *Box) open(first *Command) (*Process, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make the lifeline: %w", err)
	}
	life := os.NewFile(uintptr(fds[0]), "lifeline")
	defer life.Close()
	b.lifeline = os.NewFile(uintptr(fds[1]), "lifeline")

	l, err := b.newLaunch(first)
	if err != nil {
		return nil, err
	}
	defer l.close()
	p := l.p
	byParent := os.Geteuid() == 0
	if err := l.identity(byParent); err != nil {
		return nil, err
	}
	l.network()
	p.do("enter a pid namespace", unix.SYS_UNSHARE, num(unix.CLONE_NEWPID))

	fork1, pid1 := p.forkHere("start pid 1")
	p.add("report pid 1", op{kind: opSend, args: [6]operand{num(msgPids), pid1.operand(), num(0)}})
	fork2, pid2 := p.forkHere("start the command")
	p.add("report the command", op{kind: opSend, args: [6]operand{num(msgPids), pid2.operand(), num(1)}})
	p.add("end", op{kind: opExit})

	p.ops[fork1].jump = len(p.ops)
	l.becomeInit(life, b.init)
	p.ops[fork2].jump = len(p.ops)
	if err := l.becomeCommand(byParent); err != nil {
		return nil, err
	}
	return b.launch(l, boxNamespaces, byParent)
}

// Start runs another command in the box.
func (b *Box) Start(cmd *Command) (*Process, error) {
	b.mu.Lock()
	closed := b.closed
	b.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	if b.plan.Tier == policy.TierLandlock {
		return b.startWeak(cmd)
	}
	l, err := b.newLaunch(cmd)
	if err != nil {
		return nil, err
	}
	defer l.close()
	p := l.p
	// Nothing inside may look at this process before it has become the command:
	// until then its memory is a copy of the supervisor's.
	p.do("hide this process", unix.SYS_PRCTL, num(unix.PR_SET_DUMPABLE), num(0), num(0), num(0), num(0))
	p.do("enter the box", unix.SYS_SETNS, num(b.pid1FD), word(boxNamespaces|unix.CLONE_NEWPID))
	p.do("hide this process", unix.SYS_PRCTL, num(unix.PR_SET_DUMPABLE), num(0), num(0), num(0), num(0))
	fork, pid := p.forkHere("start the command")
	p.add("report the command", op{kind: opSend, args: [6]operand{num(msgPids), pid.operand(), num(1)}})
	p.add("end", op{kind: opExit})
	p.ops[fork].jump = len(p.ops)
	if os.Geteuid() == 0 {
		l.switchID()
	}
	if err := l.confine(nil); err != nil {
		return nil, err
	}
	return b.launch(l, 0, false)
}

// launch forks, lets the child run the list, and collects what it reports until
// the command has been executed or a step has failed.
func (b *Box) launch(l *launch, flags uintptr, writeMaps bool) (*Process, error) {
	l.p.inject(b.options.fault)
	l.p.regs = make([]uintptr, l.p.nregs+1)
	helper, e := b.fork(l.p, flags)
	runtime.KeepAlive(l.p)
	if e != 0 {
		return nil, &SetupError{Step: "clone with new namespaces", Errno: e}
	}
	l.child.Close()
	l.child = nil
	var mapErr error
	if writeMaps {
		mapErr = l.writeMaps(helper)
	}
	r := l.receive()
	var ws unix.WaitStatus
	wait4(helper, &ws)
	if l.weak {
		l.guard = r.pids[0]
	} else if r.pids[0] > 0 {
		b.pid1 = r.pids[0]
		b.pid1FD, _ = unix.PidfdOpen(b.pid1, 0)
	}
	var proc *Process
	if r.pids[1] > 0 {
		proc = newProcess(b, r.pids[1], r.terminal)
	}
	fail := func(err error) (*Process, error) {
		if r.listener != nil {
			r.listener.Close()
		}
		if proc != nil {
			unix.Kill(proc.PID, unix.SIGKILL)
			proc.reap()
		}
		return nil, err
	}
	switch {
	case mapErr != nil && errors.Is(r.err, unix.Errno(0)): // the child only saw that no maps came
		return fail(mapErr)
	case r.err != nil:
		return fail(r.err)
	case !r.ready && l.cmd != nil:
		return fail(&SetupError{Step: "start the command: it ended before the walls stood" + describe(proc), Errno: unix.EPIPE})
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.report = b.achieved(l)
	if r.listener != nil {
		if err := b.serve(r.listener); err != nil {
			return fail(err)
		}
	}
	if proc == nil {
		return nil, nil
	}
	b.procs[proc] = struct{}{}
	if r.exec != 0 {
		proc.reap()
		delete(b.procs, proc)
		return nil, &ExecError{Path: l.cmd.Path, Errno: r.exec}
	}
	return proc, nil
}

// fork starts the list in the box's cgroup, where there is one.
func (b *Box) fork(p *program, flags uintptr) (int, unix.Errno) {
	if b.cgroup == "" {
		return p.fork(flags)
	}
	dir, err := unix.Open(b.cgroup, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, errnoOf(err)
	}
	defer unix.Close(dir)
	return p.forkInto(&cloneArgs{flags: uint64(flags) | unix.CLONE_INTO_CGROUP, exitSignal: uint64(unix.SIGCHLD), cgroup: uint64(dir)})
}

func describe(p *Process) string {
	if p == nil {
		return ""
	}
	st, err := p.reap()
	if err != nil {
		return ""
	}
	return " (" + st.String() + ")"
}

func wait4(pid int, ws *unix.WaitStatus) {
	for {
		if _, err := unix.Wait4(pid, ws, unix.WALL, nil); err != unix.EINTR {
			return
		}
	}
}

// Close kills everything in the box and returns when all of it is gone.
func (b *Box) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	close(b.stop)
	procs := make([]*Process, 0, len(b.procs))
	for p := range b.procs {
		procs = append(procs, p)
	}
	b.mu.Unlock()
	if b.lifeline != nil {
		b.lifeline.Close()
	}
	if b.init != nil {
		b.init.Close()
	}
	if b.pid1 > 0 {
		unix.Kill(b.pid1, unix.SIGKILL)
	}
	for _, p := range procs {
		if p.guard != nil {
			unix.Kill(p.PID, unix.SIGKILL)
		}
		p.reap()
		p.guard.end()
	}
	if b.pid1 > 0 {
		// Returns when the kernel has ended every process of the pid namespace.
		var ws unix.WaitStatus
		wait4(b.pid1, &ws)
	}
	for _, br := range b.brokers {
		br.Close()
	}
	if b.pid1FD >= 0 {
		unix.Close(b.pid1FD)
	}
	b.removePrivate()
	if b.cgroup != "" {
		unix.Rmdir(b.cgroup)
	}
	return nil
}

func (b *Box) achieved(l *launch) Report {
	r := l.report
	r.Tier = string(b.plan.Tier)
	r.Namespaces = b.plan.Namespaces
	r.Filter = true
	r.Broker = b.plan.Syscalls.Broker
	r.Limits = b.mechanisms()
	return r
}

// Report says which walls this box really has.
func (b *Box) Report() Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.report
}

// launch is one fork being prepared.
type launch struct {
	b      *Box
	p      *program
	cmd    *Command
	own    *os.File // the supervisor's end of the control socket
	child  *os.File
	report Report
	weak   bool // tier landlock
	scoped bool // Landlock keeps signals inside
	guard  int  // its guard's pid
}

func (b *Box) newLaunch(cmd *Command) (*launch, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make the control socket: %w", err)
	}
	l := &launch{b: b, cmd: cmd, p: &program{control: uintptr(fds[1])},
		own: os.NewFile(uintptr(fds[0]), "control"), child: os.NewFile(uintptr(fds[1]), "control")}
	return l, nil
}

func (l *launch) close() {
	l.own.Close()
	if l.child != nil {
		l.child.Close()
	}
}

// identity appends the steps that give the child its ids. An ordinary user maps
// itself. Root maps from outside, because only then can supplementary groups be
// dropped and ids other than its own be mapped.
func (l *launch) identity(byParent bool) error {
	p, id := l.p, l.b.plan.Identity
	if byParent {
		buf := make([]byte, 1)
		o := p.do("wait for the id maps", unix.SYS_READ, word(p.control), p.bytes(buf), num(1))
		o.judge, o.want = mustEqual, 1
		p.do("drop supplementary groups", unix.SYS_SETGROUPS, num(0), num(0))
		return nil
	}
	write := func(name, content string) {
		fd := p.call("open "+name, unix.SYS_OPENAT, cwd, p.str("/proc/self/"+name), num(unix.O_WRONLY|unix.O_CLOEXEC), num(0))
		o := p.do("write "+name, unix.SYS_WRITE, fd.operand(), p.bytes([]byte(content)), num(len(content)))
		o.judge, o.want = mustEqual, uintptr(len(content))
		p.do("close "+name, unix.SYS_CLOSE, fd.operand())
	}
	write("setgroups", "deny")
	write("uid_map", idMap(id.UID, id.HostUID))
	write("gid_map", idMap(id.GID, id.HostGID))
	return nil
}

func idMap(inside, host int) string {
	return strconv.Itoa(inside) + " " + strconv.Itoa(host) + " 1\n"
}

func (l *launch) writeMaps(pid int) error {
	id := l.b.plan.Identity
	dir := "/proc/" + strconv.Itoa(pid)
	for _, f := range [][2]string{{"uid_map", idMap(id.UID, id.HostUID)}, {"gid_map", idMap(id.GID, id.HostGID)}} {
		if err := os.WriteFile(dir+"/"+f[0], []byte(f[1]), 0); err != nil {
			unix.Shutdown(int(l.own.Fd()), unix.SHUT_WR) // the child's read ends, and it with it
			var errno unix.Errno
			errors.As(err, &errno)
			return &SetupError{Step: "write " + f[0], Errno: errno}
		}
	}
	_, err := unix.Write(int(l.own.Fd()), []byte{1})
	return err
}

// switchID appends the steps that make the process the box's user. Only root's
// boxes need it: there the ids of the child are the supervisor's until now.
func (l *launch) switchID() {
	id, p := l.b.plan.Identity, l.p
	g, u := num(id.GID), num(id.UID)
	p.do("set the group id", unix.SYS_SETRESGID, g, g, g)
	p.do("set the user id", unix.SYS_SETRESUID, u, u, u)
}

// network brings up the loopback device of the new network namespace.
func (l *launch) network() {
	p := l.p
	type ifreq struct {
		name  [16]byte
		flags uint16
		_     [22]byte
	}
	req := &ifreq{flags: unix.IFF_UP | unix.IFF_RUNNING}
	copy(req.name[:], "lo")
	p.keep = append(p.keep, req)
	s := p.call("open a socket for loopback", unix.SYS_SOCKET, num(unix.AF_INET), num(unix.SOCK_DGRAM|unix.SOCK_CLOEXEC), num(0))
	p.do("bring loopback up", unix.SYS_IOCTL, s.operand(), num(unix.SIOCSIFFLAGS), mem(unsafe.Pointer(req)))
	p.do("close the socket", unix.SYS_CLOSE, s.operand())
	name := l.b.plan.Hostname
	p.do("set the host name", unix.SYS_SETHOSTNAME, p.str(name), num(len(name)))
}

// becomeInit appends pid 1: the lifeline as descriptor 0, nothing else.
func (l *launch) becomeInit(life, prog *os.File) {
	p := l.p
	ignore := make([]byte, 32)                  // struct kernel_sigaction
	*(*uintptr)(unsafe.Pointer(&ignore[0])) = 1 // SIG_IGN
	p.do("pid 1: ignore SIGCHLD", unix.SYS_RT_SIGACTION, num(int(unix.SIGCHLD)), p.bytes(ignore), num(0), num(8))
	p.do("pid 1: leave the terminal", unix.SYS_SETSID)
	p.do("pid 1: take the lifeline", unix.SYS_DUP3, word(life.Fd()), num(0), num(0))
	p.do("pid 1: close descriptors", unix.SYS_CLOSE_RANGE, num(1), num(2), num(0))
	p.do("pid 1: close descriptors", unix.SYS_CLOSE_RANGE, num(3), word(0xffffffff), num(unix.CLOSE_RANGE_CLOEXEC))
	p.do("pid 1: chdir", unix.SYS_CHDIR, p.str("/"))
	p.do("pid 1: execute", unix.SYS_EXECVEAT, word(prog.Fd()), p.bytes(empty), mem(unsafe.Pointer(p.vector([]string{"bailey"}))), mem(unsafe.Pointer(p.vector(nil))), num(unix.AT_EMPTY_PATH))
}

// becomeCommand appends the life of the first process: it builds the file tree,
// puts on the walls and becomes the command.
func (l *launch) becomeCommand(root bool) error {
	p := l.p
	umask := p.call("clear the umask", unix.SYS_UMASK, num(0))
	t := &tree{p: p, plan: l.b.plan, pidMax: l.pidMax()}
	if root {
		t.switchID = l.switchID
	}
	if err := t.build(); err != nil {
		return err
	}
	p.do("restore the umask", unix.SYS_UMASK, umask.operand())
	if l.cmd == nil {
		// Nothing to run yet: the box stands, held open by pid 1.
		p.add("report", op{kind: opSend, args: [6]operand{num(msgReady), num(0), num(0)}})
		p.add("end", op{kind: opExit})
		return nil
	}
	return l.confine(nil)
}

// confine appends everything from the finished tree to execve. rules are the
// Landlock rules whose paths are open already.
func (l *launch) confine(rules []pathRule) error {
	p, pl := l.p, l.b.plan
	dir := l.cmd.Dir
	if dir == "" {
		dir = pl.Dir
	}
	p.do("change to directory "+dir, unix.SYS_CHDIR, p.str(dir))
	c := &confiner{p: p, plan: pl, cmd: l.cmd, weak: l.weak}
	p.do("start a session", unix.SYS_SETSID)
	if err := c.stdio(); err != nil {
		return err
	}
	c.limits()
	const joinSessionKeyring = 1
	p.do("start a keyring", unix.SYS_KEYCTL, num(joinSessionKeyring), num(0)).allow(unix.ENOSYS)
	c.privileges()
	if rules == nil {
		rules = l.openRules()
	}
	if err := l.landlock(rules); err != nil {
		return err
	}
	if err := l.filter(); err != nil {
		return err
	}
	c.selfCheck(l.scoped)
	return c.exec()
}

// filter appends the syscall filter, and hands its listener to the supervisor
// when names are brokered.
func (l *launch) filter() error {
	prog, err := seccomp.Compile(l.b.plan.Syscalls, runtime.GOARCH)
	if err != nil {
		return fmt.Errorf("compile the syscall filter: %w", err)
	}
	f := &unix.SockFprog{Len: uint16(len(prog)), Filter: (*unix.SockFilter)(unsafe.Pointer(&prog[0]))}
	l.p.keep = append(l.p.keep, f, prog)
	flags := 0
	if l.b.plan.Syscalls.Broker {
		flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	}
	fd := l.p.call("install the syscall filter", unix.SYS_SECCOMP, num(unix.SECCOMP_SET_MODE_FILTER), num(flags), mem(unsafe.Pointer(f)))
	if flags != 0 {
		l.p.sendFile("hand over the filter's listener", fd, fileListener)
	}
	return nil
}

// result is what a child reported.
type result struct {
	pids     [2]int
	ready    bool
	exec     unix.Errno
	err      error
	terminal *os.File
	listener *os.File
}

// receive reads reports until every process that could send one is gone or has
// become something else.
func (l *launch) receive() (r result) {
	fd := int(l.own.Fd())
	var m message
	buf := unsafe.Slice((*byte)(unsafe.Pointer(&m)), messageSize)
	oob := make([]byte, unix.CmsgSpace(4))
	for {
		n, oobn, _, _, err := unix.Recvmsg(fd, buf, oob, unix.MSG_CMSG_CLOEXEC)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return r
		}
		if n != messageSize {
			r.err = &SetupError{Step: "read the child's report", Errno: unix.EBADMSG}
			continue
		}
		switch m.kind {
		case msgFailed:
			if r.err == nil {
				r.err = &SetupError{Step: l.p.stepName(m.index), Errno: unix.Errno(m.errno), index: int(m.index)}
			}
		case msgPids:
			if m.index < 2 {
				r.pids[m.index] = int(m.value)
			}
		case msgReady:
			r.ready = true
		case msgExec:
			r.exec = unix.Errno(m.errno)
		case msgFile:
			l.file(&r, m.value, oob[:oobn])
		}
	}
}

func (l *launch) file(r *result, which int32, oob []byte) {
	cmsgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(cmsgs) != 1 {
		r.err = &SetupError{Step: "receive a descriptor", Errno: unix.EBADMSG}
		return
	}
	fds, err := unix.ParseUnixRights(&cmsgs[0])
	if err != nil || len(fds) != 1 {
		r.err = &SetupError{Step: "receive a descriptor", Errno: unix.EBADMSG}
		return
	}
	f := os.NewFile(uintptr(fds[0]), "box")
	switch which {
	case fileTerminal:
		r.terminal = f
	case fileListener:
		r.listener = f
	default:
		f.Close()
	}
}
