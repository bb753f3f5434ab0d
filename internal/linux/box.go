//go:build linux

package linux

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/name"
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
	cgroup   string      // the box's own directory, or ""
	single   bool        // opened with its only command
	watch    *time.Timer // of the memory, or nil

	dial      *dialler // into the network namespace, when it was needed
	gateway   string   // for Report.Network
	diag      int      // asks about sockets inside; 0 for none
	nft       int      // asks what the box's kernel refused; 0 for none
	lastOwner int      // who made the last connection

	requests int     // listens for programs inside, until Requests hands it out; 0 for none
	shown    []shown // what Show has shown, for the Landlock domains of later commands; without descriptors

	net sockets // those made inside for the gate, until Sockets hands them out

	// Tier landlock only.
	private     string // the directory that is HOME inside
	privateLock *os.File
	moved       map[string]string // variables that name it, as planned and as they are
	asking      *asking           // what Options.Requests leads to, or nil

	mu      sync.Mutex
	procs   map[*Process]struct{}
	serving sync.WaitGroup // of brokers being started
	brokers []*broker
	watches []*os.File // listeners nobody has asked yet
	names   *name.Matcher
	closed  bool
	stands  stands
	newest  *Process // whose status Report reads
}

const (
	boxNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP
	// Terminal and descriptors are set before the walls; the rest is the same for
	// every command of a box.
	commandFlags = unix.CLONE_PARENT | uintptr(unix.SIGCHLD)
)

// Open makes a box from p and, when first is not nil, starts first in it: one
// fork and one list of system calls for both.
func Open(p *plan.Plan, first *Command, o Options) (_ *Box, _ *Process, err error) {
	b := &Box{plan: p, single: first != nil, options: o, procs: map[*Process]struct{}{}, pid1FD: -1}
	b.stands.watched = b.watchable()
	defer func() {
		if err != nil {
			b.Close()
		}
	}()
	if p.Limits.Cgroup != "" {
		if err := b.makeCgroup(); err != nil {
			o.Begun.Abandon() // nobody has taken it over yet
			return nil, nil, err
		}
	}
	var proc *Process
	if p.Tier == policy.TierLandlock {
		o.Begun.Abandon()
		proc, err = b.openWeak(first)
	} else {
		proc, err = b.open(first)
	}
	if err != nil {
		return nil, nil, err
	}
	if b.stands.watched {
		b.watchLimits()
	}
	return b, proc, nil
}

func (b *Box) open(first *Command) (*Process, error) {
	g := b.options.Begun
	if g != nil && !g.fits(b.plan) {
		g.Abandon()
		g = nil
	}
	if g == nil {
		var err error
		if g, err = begin(b.plan.Identity, b.options.fault, nil); err != nil {
			return nil, err
		}
	}
	l := g.l
	l.b, l.cmd = b, first
	b.init, b.lifeline = g.init, g.lifeline
	defer l.close()
	l.tree.plan = b.plan
	p := l.p
	name := b.plan.Hostname
	p.do("set the host name", unix.SYS_SETHOSTNAME, p.str(name), num(len(name)))
	if b.options.Network != nil {
		l.network(b.options.Network)
	}
	if err := l.becomeCommand(); err != nil {
		l.giveUp()
		return nil, err
	}
	return b.launch(l, 0)
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
	if b.cgroup != "" {
		// Before the namespaces: what leads to it is not seen inside.
		var procs *os.File
		err := b.options.fault.own.at("open cgroup")
		if err == nil {
			procs, err = os.OpenFile(b.cgroup+"/cgroup.procs", os.O_WRONLY, 0)
		}
		if err != nil {
			return nil, &SetupError{Step: "open cgroup " + b.cgroup, Errno: errnoOf(err)}
		}
		defer procs.Close()
		o := p.do("enter the cgroup", unix.SYS_WRITE, word(procs.Fd()), p.str("0"), num(1))
		o.judge, o.want = mustEqual, 1
	}
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
	return b.launch(l, 0)
}

// launch lets the child run the list, in a new fork or in the one that waits for
// it, and collects what it reports until the command has been executed or a step
// has failed.
func (b *Box) launch(l *launch, flags uintptr) (*Process, error) {
	l.p.inject(b.options.fault)
	if err := b.stand(l); err != nil {
		l.giveUp()
		return nil, err
	}
	var mapErr error
	if l.helper != 0 {
		if err := l.p.publish(); err != nil {
			l.giveUp()
			return nil, err
		}
	} else {
		if err := l.fork(flags); err != nil {
			return nil, err
		}
	}
	if l.coming != nil {
		mapErr = l.release(b.cgroup)
	}
	helper := l.helper
	_, nameErr := b.matcher() // while the child is busy
	r := l.receive()
	var ws unix.WaitStatus
	wait4(helper, &ws)
	l.settled()
	if l.weak {
		l.guard = r.pids[0]
	} else if r.pids[0] > 0 {
		b.pid1 = r.pids[0]
		if l.pid1FD > 0 {
			b.pid1FD = l.pid1FD
		}
	}
	var proc *Process
	if r.pids[1] > 0 {
		proc = newProcess(b, r.pids[1], r.terminal)
	}
	fail := func(err error) (*Process, error) {
		r.drop()
		if proc != nil {
			unix.Kill(proc.PID, unix.SIGKILL)
			proc.reap()
		}
		return nil, err
	}
	switch {
	case nameErr != nil:
		return fail(nameErr)
	case mapErr != nil && (r.err == nil || errors.Is(r.err, unix.Errno(0))): // the child only saw that nothing came
		return fail(mapErr)
	case r.err != nil:
		return fail(r.err)
	case r.ready && l.cmd != nil && b.plan.Syscalls.Notifies() && r.listener == 0:
		// Every name would fail, and nobody could say why.
		return fail(&SetupError{Step: "receive the filter's listener", Errno: unix.ENOENT})
	case !r.ready && l.cmd != nil:
		return fail(&SetupError{Step: "start the command: it ended before the walls stood" + describe(proc), Errno: unix.EPIPE})
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.net != nil {
		b.net, r.net = r.net, nil // the box closes them from here on
		b.gateway = "listeners"
		for i, fd := range b.net {
			if fd > 0 && i < len(b.options.Network.Sockets) && len(b.options.Network.Redirect) > 0 {
				b.gateway = "nf_tables"
			}
		}
		// Behind the listeners come the two that ask the kernel.
		n := b.options.Network
		for i, at := range [...]*int{&b.diag, &b.nft} {
			if k := len(n.Sockets) + len(n.Fallback) + i; k < len(b.net) {
				*at, b.net[k] = b.net[k], 0
			}
		}
	}
	if r.requests > 0 {
		b.requests, r.requests = r.requests, 0
	}
	if l.cmd == nil {
		// The box stands; what built it has ended, and only waits to be reaped.
		if proc != nil {
			proc.reap()
		}
		return nil, nil
	}
	b.stands.checked, b.newest = true, proc
	b.procs[proc] = struct{}{}
	if r.exec != 0 {
		proc.reap()
		delete(b.procs, proc)
		r.drop()
		return nil, &ExecError{Path: l.cmd.Path, Errno: r.exec}
	}
	if r.listener > 0 {
		b.serving.Add(1)
		go b.serve(r.listener, proc.PID)
	}
	return proc, nil
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
	if b.watch != nil {
		b.watch.Stop()
	}
	for _, f := range b.watches {
		f.Close()
	}
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
	b.dial.close()
	b.closeDiag()
	if f := b.Requests(); f != nil {
		f.Close()
	}
	b.net.close()
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
	b.serving.Wait() // a broker that is only just there may have refusals to report
	for _, br := range b.brokers {
		br.Close()
	}
	b.asking.close()
	if b.pid1FD >= 0 {
		unix.Close(b.pid1FD)
	}
	b.removePrivate()
	if b.cgroup != "" {
		unix.Rmdir(b.cgroup)
	}
	return nil
}

// stand notes what the supervisor knows of the walls of a command about to be
// let go on, and refuses when one that is asked for would be missing.
func (b *Box) stand(l *launch) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stands.pidMax = b.plan.Tier == policy.TierFull && b.pidMax() > 0
	if l.cmd != nil {
		b.stands.landlock, b.stands.tried = l.ruleset, l.tried
	}
	return plan.Refuse(b.walls())
}

// switchID appends the steps that make the process the box's user. Only root's
// boxes need it: there the ids of the child are the supervisor's until now.
func (l *launch) switchID() {
	id, p := l.b.plan.Identity, l.p
	g, u := num(id.GID), num(id.UID)
	p.do("set the group id", unix.SYS_SETRESGID, g, g, g)
	p.do("set the user id", unix.SYS_SETRESUID, u, u, u)
}

// becomeCommand appends the life of the first process: it builds the file tree,
// puts on the walls and becomes the command.
func (l *launch) becomeCommand() error {
	p, t := l.p, l.tree
	t.pidMax = l.b.pidMax()
	if l.byParent {
		t.switchID = l.switchID
	}
	if err := t.build(); err != nil {
		return err
	}
	umask := l.umask
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
	if n := l.b.options.Network; n != nil {
		l.b.mu.Lock()
		c.local = slices.Clone(n.Local) // Redirect adds to it
		l.b.mu.Unlock()
	}
	if l.coming != nil {
		c.received = l.received
	}
	p.do("start a session", unix.SYS_SETSID)
	if err := c.stdio(); err != nil {
		return err
	}
	c.limits()
	c.keyring()
	c.privileges()
	if rules == nil {
		rules = l.openRules()
	}
	if err := l.landlock(rules); err != nil {
		return err
	}
	l.checkLandlock()
	if err := l.filter(); err != nil {
		return err
	}
	c.selfCheck(l.scoped)
	return c.exec(l.key)
}

// filter appends the syscall filter, and hands its listener to the supervisor
// when names are brokered.
func (l *launch) filter() error {
	if l.b.plan.Syscalls.Exec {
		l.key = rand.Uint64() | 1
	}
	prog, err := seccomp.Compile(l.b.plan.Syscalls, runtime.GOARCH, l.key)
	if err != nil {
		return fmt.Errorf("compile the syscall filter: %w", err)
	}
	code := l.p.bytes(unsafe.Slice((*byte)(unsafe.Pointer(&prog[0])), len(prog)*int(unsafe.Sizeof(prog[0]))))
	f := hold(l.p, unix.SockFprog{Len: uint16(len(prog)), Filter: (*unix.SockFilter)(code.ptr)})
	flags := 0
	if l.b.plan.Syscalls.Notifies() {
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
	up       bool // pid 1 or the guard runs
	ready    bool
	exec     unix.Errno
	err      error
	terminal *os.File
	listener int // 0 for none: the supervisor's own stdin is never one
	requests int // the same
	net      sockets
}

// drop closes the descriptors that came.
func (r *result) drop() {
	if r.listener > 0 {
		unix.Close(r.listener)
		r.listener = 0
	}
	if r.requests > 0 {
		unix.Close(r.requests)
		r.requests = 0
	}
	if r.terminal != nil {
		r.terminal.Close()
		r.terminal = nil
	}
	r.net.close()
}

// receive reads reports until every process that could send one is gone or has
// become something else.
func (l *launch) receive() result {
	r := l.early
	for l.next(&r) {
	}
	return r
}

// next reads one report into r, and says whether there was one.
func (l *launch) next(r *result) bool {
	var m message
	buf := unsafe.Slice((*byte)(unsafe.Pointer(&m)), messageSize)
	oob := make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := unix.Recvmsg(int(l.own.Fd()), buf, oob, unix.MSG_CMSG_CLOEXEC)
	// ECONNRESET says, once, that the child ended without reading all; what it said
	// is still there.
	for err == unix.EINTR || err == unix.ECONNRESET {
		n, oobn, _, _, err = unix.Recvmsg(int(l.own.Fd()), buf, oob, unix.MSG_CMSG_CLOEXEC)
	}
	if err != nil || n == 0 {
		return false
	}
	fd := 0
	if oobn > 0 {
		if fd, err = descriptor(oob[:oobn]); err != nil {
			r.err = err
			return true
		}
	}
	if !l.note(r, n, &m, fd) && fd > 0 {
		unix.Close(fd)
	}
	return true
}

// note puts a message of n bytes into r, with the descriptor that came with it,
// if one did, and says whether that has been kept.
func (l *launch) note(r *result, n int, m *message, fd int) (kept bool) {
	if n != messageSize {
		r.err = &SetupError{Step: "read the child's report", Errno: unix.EBADMSG}
		return false
	}
	switch m.kind {
	case msgFailed:
		if r.err == nil {
			r.err = &SetupError{Step: l.p.stepName(m.index), Errno: unix.Errno(m.errno)}
		}
	case msgPids:
		// A number that is none would later be a signal to many.
		if m.index < 2 && m.value > 0 {
			r.pids[m.index] = int(m.value)
		}
	case msgUp:
		r.up = true
	case msgReady:
		r.ready = true
	case msgExec:
		r.exec = unix.Errno(m.errno)
	case msgFile:
		switch {
		case fd <= 0:
			r.err = &SetupError{Step: "receive a descriptor", Errno: unix.EBADMSG}
		case m.value == fileTerminal && r.terminal == nil:
			r.terminal = os.NewFile(uintptr(fd), "terminal")
			return true
		case m.value == fileListener && r.listener == 0:
			r.listener = fd
			return true
		case m.value == fileRequests && r.requests == 0:
			r.requests = fd
			return true
		case m.value >= fileSocket && m.value < fileSocket+maxSockets:
			r.net.put(int(m.value-fileSocket), fd)
			return true
		}
	}
	return false
}

// descriptor takes the one descriptor out of a control message. What else came
// is closed.
func descriptor(oob []byte) (int, error) {
	bad := &SetupError{Step: "receive a descriptor", Errno: unix.EBADMSG}
	cmsgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0, bad
	}
	var fds []int
	for i := range cmsgs {
		if len(cmsgs[i].Data)%4 != 0 {
			continue // no list of descriptors, and x/sys would read beyond it
		}
		some, err := unix.ParseUnixRights(&cmsgs[i])
		if err != nil {
			continue
		}
		fds = append(fds, some...)
	}
	// A descriptor 0 would be the supervisor's own stdin, which is never one.
	if len(fds) == 1 && fds[0] > 0 {
		return fds[0], nil
	}
	for _, fd := range fds {
		if fd > 2 {
			unix.Close(fd)
		}
	}
	return 0, bad
}
