//go:build linux

package linux

import (
	"fmt"
	"net/netip"
	"os"
	"path"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/plan"
)

// confiner appends the steps between a finished file tree and the command: its
// terminal and descriptors, limits, keyring, capabilities, Landlock, syscall
// filter, the self-check, and execve.
type confiner struct {
	p        *program
	plan     *plan.Plan
	cmd      *Command
	received func(n int) reg // descriptors that came over the control socket, or nil
	weak     bool            // tier landlock: no namespaces, no capability to drop any
	local    []netip.Prefix  // that are the box's own in its network
}

// stdio puts the command's descriptors at 0, 1 and 2, opening a terminal of the
// box where the command asks for one.
func (c *confiner) stdio() error {
	p := c.p
	files := [3]*os.File{c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr}
	var from [3]reg
	var slave reg
	came := 0
	if c.cmd.TTY != [3]bool{} {
		slave = c.terminal()
	}
	for i, f := range files {
		switch {
		case c.cmd.TTY[i]:
			from[i] = slave
		case f == nil:
			from[i] = p.call("open /dev/null", unix.SYS_OPENAT, atCwd, p.str("/dev/null"), num(unix.O_RDWR|unix.O_CLOEXEC), num(0))
		default:
			if err := safeStdio(i, f); err != nil {
				return err
			}
			if c.received != nil {
				from[i] = c.received(came)
				came++
				continue
			}
			if int(f.Fd()) == i {
				continue
			}
			// Moved out of the way first: a later dup3 may overwrite the original.
			from[i] = p.call("copy descriptor", unix.SYS_FCNTL, word(f.Fd()), num(unix.F_DUPFD_CLOEXEC), num(3))
		}
	}
	for i, r := range from {
		if r == 0 {
			p.do("keep descriptor", unix.SYS_FCNTL, num(i), num(unix.F_SETFD), num(0))
			continue
		}
		p.do("place descriptor", unix.SYS_DUP3, r.operand(), num(i), num(0))
	}
	// Everything else this process ever had open closes at exec.
	p.do("close inherited descriptors", unix.SYS_CLOSE_RANGE, num(3), word(^uintptr(0)>>1&0xffffffff), num(unix.CLOSE_RANGE_CLOEXEC))
	return nil
}

// safeStdio refuses descriptors that would be a way around the file wall: a
// directory leads to its parents, a block device to a whole file system.
func safeStdio(i int, f *os.File) error {
	fi, err := f.Stat()
	if err != nil {
		return fmt.Errorf("check descriptor %d: %w", i, err)
	}
	m := fi.Mode()
	if m.IsDir() || m&os.ModeDevice != 0 && m&os.ModeCharDevice == 0 {
		return &SetupError{Step: fmt.Sprintf("pass descriptor %d (%s) into the box: a directory or block device would open a way around the walls", i, f.Name()), Errno: unix.EPERM}
	}
	return nil
}

// terminal opens a pty of the box's own devpts, makes the command's end its
// controlling terminal and sends the other end to the supervisor.
func (c *confiner) terminal() reg {
	p := c.p
	ptmx := "/dev/pts/ptmx"
	if c.weak {
		ptmx = "/dev/ptmx"
	}
	master := p.call("open a terminal", unix.SYS_OPENAT, atCwd, p.str(ptmx), num(unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC), num(0))
	zero := make([]byte, 4)
	p.do("unlock the terminal", unix.SYS_IOCTL, master.operand(), num(unix.TIOCSPTLCK), p.bytes(zero))
	slave := p.call("open the terminal's other end", unix.SYS_IOCTL, master.operand(), num(unix.TIOCGPTPEER), num(unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC))
	if c.cmd.Rows > 0 && c.cmd.Cols > 0 {
		ws := hold(p, unix.Winsize{Row: c.cmd.Rows, Col: c.cmd.Cols})
		p.do("size the terminal", unix.SYS_IOCTL, slave.operand(), num(unix.TIOCSWINSZ), mem(unsafe.Pointer(ws)))
	}
	p.do("take the terminal", unix.SYS_IOCTL, slave.operand(), num(unix.TIOCSCTTY), num(0))
	p.sendFile("hand over the terminal", master, fileTerminal)
	return slave
}

// Which descriptor a msgFile message carries.
const (
	fileTerminal = 1 + iota
	fileListener
	fileRuleset
	fileRequests
	fileSocket // and what follows: the network's sockets, by their index
)

// maxSockets is far above what a policy of usual size asks for; further ones are
// closed, and what they are for is refused.
const maxSockets = 1 << 14

// sendFile appends a sendmsg that carries the descriptor in r.
func (p *program) sendFile(name string, r reg, which int32) {
	type packet struct {
		hdr  unix.Msghdr
		iov  unix.Iovec
		msg  message
		cmsg [24]byte // CMSG_SPACE(4) on 64-bit
	}
	k := hold(p, packet{msg: message{kind: msgFile, value: which}})
	k.iov.Base, k.iov.Len = (*byte)(unsafe.Pointer(&k.msg)), uint64(messageSize)
	h := (*unix.Cmsghdr)(unsafe.Pointer(&k.cmsg[0]))
	h.Level, h.Type = unix.SOL_SOCKET, unix.SCM_RIGHTS
	h.SetLen(unix.CmsgLen(4))
	k.hdr.Iov, k.hdr.Iovlen = &k.iov, 1
	k.hdr.Control, k.hdr.Controllen = &k.cmsg[0], uint64(unix.CmsgSpace(4))
	p.add(name, op{kind: opStore, args: [6]operand{r.operand(), mem(unsafe.Pointer(&k.cmsg[unix.CmsgLen(0)]))}})
	p.do(name, unix.SYS_SENDMSG, word(p.control), mem(unsafe.Pointer(&k.hdr)), num(unix.MSG_NOSIGNAL))
}

// limits sets the resource limits of the command. None can be raised above what
// this process itself may have.
func (c *confiner) limits() {
	l := c.plan.Limits
	set := func(name string, res int, v int64, always bool) {
		if v <= 0 && !always {
			return
		}
		var have unix.Rlimit
		if unix.Getrlimit(res, &have) == nil && uint64(v) > have.Max {
			v = int64(have.Max)
		}
		r := hold(c.p, unix.Rlimit{Cur: uint64(v), Max: uint64(v)})
		c.p.do("limit "+name, unix.SYS_PRLIMIT64, num(0), num(res), mem(unsafe.Pointer(r)), num(0))
	}
	set("core dumps", unix.RLIMIT_CORE, l.Core, true)
	set("processes", unix.RLIMIT_NPROC, l.Pids, false)
	set("processor time", unix.RLIMIT_CPU, l.CPU, false)
	set("file size", unix.RLIMIT_FSIZE, l.FileSize, false)
	set("open files", unix.RLIMIT_NOFILE, l.OpenFiles, false)
	set("message queues", unix.RLIMIT_MSGQUEUE, 1<<20, false)
	set("locked memory", unix.RLIMIT_MEMLOCK, 64<<20, false)
}

// keyring gives the command a session keyring of its own, and checks that it is
// not the caller's.
func (c *confiner) keyring() {
	const getKeyringID, joinSessionKeyring, sessionKeyring = 0, 1, -3
	p := c.p
	ours, _, e := unix.RawSyscall(unix.SYS_KEYCTL, getKeyringID, ^uintptr(2), 0)
	p.do("start a keyring", unix.SYS_KEYCTL, num(joinSessionKeyring), num(0)).allow(unix.ENOSYS)
	if e == 0 {
		o := p.do("self-check: keyring", unix.SYS_KEYCTL, num(getKeyringID), num(sessionKeyring), num(0))
		o.judge, o.want = mustDiffer, ours
	}
}

// dropBounding keeps every capability from being got again.
func (p *program) dropBounding() {
	for i := range 64 {
		// The kernel knows about 41; EINVAL says that a number is beyond the last.
		p.do("drop a capability from the bounding set", unix.SYS_PRCTL, num(unix.PR_CAPBSET_DROP), num(i), num(0), num(0), num(0)).allow(unix.EINVAL)
	}
}

// privileges takes every capability away, in every set and for good.
func (c *confiner) privileges() {
	p := c.p
	// An ordinary user without a namespace has no capability to give away, and
	// may not even say so. Nor may a process that has just become one: its bounding
	// set was emptied before.
	gone := c.weak && (os.Geteuid() != 0 || c.plan.Identity.HostUID != 0)
	if !gone {
		p.dropBounding()
	}
	p.do("clear ambient capabilities", unix.SYS_PRCTL, num(unix.PR_CAP_AMBIENT), num(unix.PR_CAP_AMBIENT_CLEAR_ALL), num(0), num(0), num(0))
	// Each of NOROOT, NO_SETUID_FIXUP and NO_CAP_AMBIENT_RAISE with its lock, and KEEP_CAPS locked off.
	const securebits = 0xef
	if !gone {
		p.do("lock the secure bits", unix.SYS_PRCTL, num(unix.PR_SET_SECUREBITS), num(securebits), num(0), num(0), num(0))
	}
	hdr := hold(p, unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3})
	data := hold(p, [2]unix.CapUserData{})
	p.do("drop capabilities", unix.SYS_CAPSET, mem(unsafe.Pointer(hdr)), mem(unsafe.Pointer(data)))
	p.do("set no_new_privs", unix.SYS_PRCTL, num(unix.PR_SET_NO_NEW_PRIVS), num(1), num(0), num(0), num(0))
}

// selfCheck appends calls that must fail, or give a certain answer, if the walls
// are there. They run inside, under everything the command will run under.
func (c *confiner) selfCheck(scoped bool) {
	p := c.p
	check := func(what string, nr uintptr, args ...operand) *op { return p.do("self-check: "+what, nr, args...) }
	equal := func(o *op, v uintptr) { o.judge, o.want = mustEqual, v }
	fails := func(o *op) { o.judge = mustFailAny }

	equal(check("no_new_privs", unix.SYS_PRCTL, num(unix.PR_GET_NO_NEW_PRIVS), num(0), num(0), num(0), num(0)), 1)
	equal(check("syscall filter", unix.SYS_PRCTL, num(unix.PR_GET_SECCOMP)), 2)
	if !c.weak || os.Geteuid() == 0 {
		equal(check("bounding set", unix.SYS_PRCTL, num(unix.PR_CAPBSET_READ), num(unix.CAP_SYS_ADMIN)), 0)
	}
	hdr := hold(p, unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3})
	data := hold(p, [2]unix.CapUserData{})
	check("read capabilities", unix.SYS_CAPGET, mem(unsafe.Pointer(hdr)), mem(unsafe.Pointer(data)))
	p.add("self-check: capabilities", op{kind: opZero, args: [6]operand{mem(unsafe.Pointer(data)), num(int(unsafe.Sizeof(*data)))}})
	check("new namespaces", unix.SYS_UNSHARE, num(unix.CLONE_NEWUSER)).deny(unix.EPERM)
	const getKeyringID, sessionKeyring = 0, -3
	check("keyrings", unix.SYS_KEYCTL, num(getKeyringID), num(sessionKeyring), num(0)).deny(unix.EPERM)
	// Without the filter it is ENOTTY, or EIO, or works.
	check("terminal input", unix.SYS_IOCTL, num(0), num(unix.TIOCSTI), p.bytes([]byte{0})).deny(unix.EPERM)
	if c.plan.Syscalls.Sockets {
		kind := unix.SOCK_STREAM
		if c.plan.Syscalls.Proxy {
			kind = unix.SOCK_DGRAM // TCP sockets can be made there, and connected by the broker alone
		}
		check("sockets", unix.SYS_SOCKET, num(unix.AF_INET), num(kind|unix.SOCK_CLOEXEC), num(0)).deny(unix.EACCES)
		check("shared memory", unix.SYS_SHMGET, num(0), num(0), num(0)).deny(unix.ENOSYS)
	}
	if c.weak {
		if scoped {
			check("signals", unix.SYS_KILL, num(os.Getpid()), num(0)).deny(unix.EPERM)
		}
		return
	}
	if scoped {
		// Pid 1 is outside the Landlock domain; without it, it could be asked for.
		check("Landlock", unix.SYS_KILL, num(1), num(0)).deny(unix.EPERM)
	}
	equal(check("pid namespace", unix.SYS_GETPPID), 0)
	check("mounts", unix.SYS_MOUNT, num(0), p.str("/"), num(0), num(unix.MS_REMOUNT), num(0)).deny(unix.EPERM)
	check("the root", unix.SYS_FACCESSAT, atCwd, p.str("/"), num(unix.W_OK)).deny(unix.EROFS)
	const hidden = "/etc/shadow"
	if !slices.ContainsFunc(c.plan.Tree, func(n plan.Node) bool { return n.Path == hidden }) { // nobody asked for it
		fails(check(hidden, unix.SYS_FACCESSAT, atCwd, p.str(hidden), num(unix.F_OK)))
	}
	fails(check("/proc/sys", unix.SYS_FACCESSAT, atCwd, p.str("/proc/sys/kernel/core_pattern"), num(unix.W_OK)))
	for i := range c.plan.Tree {
		n := &c.plan.Tree[i]
		if n.Kind == plan.Bind && !n.Writable && !n.Device && !n.Optional {
			// Not by access: to most people the owner's bits alone say no. What cannot
			// be reached needs no answer.
			st := hold(p, unix.Statfs_t{Flags: unix.ST_RDONLY})
			check(n.Path, unix.SYS_STATFS, p.str(n.Path), mem(unsafe.Pointer(st))).allow(unix.EACCES)
			p.add("self-check: "+n.Path+" is read-only", op{kind: opBits, args: [6]operand{mem(unsafe.Pointer(&st.Flags)), num(unix.ST_RDONLY)}})
		}
	}
	nowhere, ok := c.nowhere()
	if !ok {
		return // every address arrives inside; that the namespace is another, the report reads back
	}
	sa := hold(p, unix.RawSockaddrInet4{Family: unix.AF_INET, Port: 0x3500, Addr: nowhere.As4()})
	s := p.call("self-check: make a socket", unix.SYS_SOCKET, num(unix.AF_INET), num(unix.SOCK_DGRAM|unix.SOCK_CLOEXEC), num(0))
	check("the network", unix.SYS_CONNECT, s.operand(), mem(unsafe.Pointer(sa)), num(unix.SizeofSockaddrInet4)).deny(unix.ENETUNREACH)
}

// nowhere is an address to which no route may lead: one that is reserved for
// documentation (RFC 5737), and that no rule of the box makes its own.
func (c *confiner) nowhere() (netip.Addr, bool) {
	for _, a := range [...]netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, 1}), netip.AddrFrom4([4]byte{198, 51, 100, 1}), netip.AddrFrom4([4]byte{203, 0, 113, 1})} {
		if !slices.ContainsFunc(c.local, func(p netip.Prefix) bool { return p.Contains(a) }) {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// exec ends the list: say that all walls stand, then become the command. key is
// what lets its execve pass the filter.
func (c *confiner) exec(key uint64) error {
	p := c.p
	for _, s := range append(append([]string{c.cmd.Path, c.cmd.Dir}, c.cmd.Args...), c.cmd.Env...) {
		if strings.IndexByte(s, 0) >= 0 {
			return &SetupError{Step: "check the command: a NUL byte in an argument", Errno: unix.EINVAL}
		}
	}
	p.add("report", op{kind: opSend, args: [6]operand{num(msgReady), num(0), num(0)}})
	p.add("execute", op{kind: opExec, args: [6]operand{word(uintptr(key))}, cand: p.vector(c.candidates()), argv: p.vector(c.cmd.Args), envv: p.vector(c.cmd.Env)})
	return nil
}

// vector makes a NULL-terminated array of C strings.
func (p *program) vector(list []string) **byte {
	b := p.buffer((len(list) + 1) * int(unsafe.Sizeof((*byte)(nil))))
	v := unsafe.Slice((**byte)(unsafe.Pointer(unsafe.SliceData(b))), len(list)+1)
	for i, s := range list {
		v[i] = (*byte)(p.str(s).ptr)
	}
	return &v[0]
}

// candidates are the paths to try, as execvp would.
func (c *confiner) candidates() []string {
	if strings.ContainsRune(c.cmd.Path, '/') || c.cmd.Path == "" {
		return []string{c.cmd.Path}
	}
	var list []string
	for _, e := range c.cmd.Env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			list = nil
			for _, d := range strings.Split(v, ":") {
				// An empty or relative entry means the working directory, which the
				// box can write: not searched.
				if path.IsAbs(d) {
					list = append(list, path.Join(d, c.cmd.Path))
				}
			}
		}
	}
	return list
}
