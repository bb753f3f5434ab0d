//go:build linux

package probe

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernelProbes ask for parts of the kernel that a box has no use for. Only the
// probe can say whether a call was refused.
func kernelProbes() []Probe { return concat(callProbes(), abiProbes(), familyProbes(), rightProbes()) }

// callProbes make system calls with arguments that change nothing where they are
// allowed: they are wrong.
func callProbes() []Probe {
	call := func(id, title, why string, nr uintptr, args ...uintptr) Probe {
		return Probe{ID: "kernel." + id, Severity: Hardening, Title: title, Why: why, Wall: "syscall allow list", Fix: "run with a tier that filters system calls",
			Needs: needCall(nr, title, args...), Attack: func(*Inside) error { return rawCall(nr, args...) }}
	}
	root := func(p Probe) Probe { p.NeedsRoot = true; return p }
	const (
		ring    = "it does system calls that no filter sees"
		surface = "its errors have been a way out before"
		keys    = "keys outlive the box and belong to the person"
		module  = "who loads a module is the kernel"
		machine = "it is the machine's, not the box's"
		others  = "it reaches into other processes"
		handles = "it leads to files by numbers, whatever is mounted"
		clock   = "logs, certificates and other programs believe the clock"
	)
	bad := ^uintptr(0)       // no descriptor, no command
	nowhere := uintptr(4096) // an address that is not mapped
	list := []Probe{
		call("io-uring", "set up io_uring", ring, unix.SYS_IO_URING_SETUP),
		call("io-uring-enter", "use io_uring", ring, unix.SYS_IO_URING_ENTER, bad),
		call("io-uring-register", "register with io_uring", ring, unix.SYS_IO_URING_REGISTER, bad),
		root(call("bpf", "load programs into the kernel (bpf)", surface, unix.SYS_BPF, bad, 0, 0)),
		call("perf", "count events of the machine (perf_event_open)", surface, unix.SYS_PERF_EVENT_OPEN, 0, 0, 0, 0, 1<<62),
		call("userfaultfd", "handle page faults (userfaultfd)", "it stops the kernel in the middle of what it does, which makes races easy to win", unix.SYS_USERFAULTFD, 1|1<<30),
		call("keyctl", "work on keyrings (keyctl)", keys, unix.SYS_KEYCTL, bad),
		call("add-key", "add a key (add_key)", keys, unix.SYS_ADD_KEY, nowhere, nowhere, 0, 0, 0),
		call("request-key", "request a key (request_key)", "the kernel starts a program outside to find it", unix.SYS_REQUEST_KEY, nowhere, nowhere, 0, 0),
		root(call("init-module", "load a module (init_module)", module, unix.SYS_INIT_MODULE, 0, 0, nowhere)),
		root(call("finit-module", "load a module from a file (finit_module)", module, unix.SYS_FINIT_MODULE, bad, nowhere, 0)),
		root(call("delete-module", "unload a module (delete_module)", module, unix.SYS_DELETE_MODULE, nowhere, 0)),
		root(call("kexec", "load another kernel (kexec_load)", module, unix.SYS_KEXEC_LOAD, 0, 0, 0, bad)),
		root(call("reboot", "restart the machine (reboot)", machine, unix.SYS_REBOOT, 0, 0, 0)),
		call("swapon", "use a file as swap (swapon)", machine, unix.SYS_SWAPON, nowhere, bad),
		root(call("swapoff", "stop using swap (swapoff)", machine, unix.SYS_SWAPOFF, nowhere)),
		root(call("acct", "account for processes (acct)", machine, unix.SYS_ACCT, nowhere)),
		root(call("syslog", "read the kernel's log (syslog)", "it tells addresses and what others do", unix.SYS_SYSLOG, 99, 0, 0)),
		call("settimeofday", "set the clock (settimeofday)", clock, unix.SYS_SETTIMEOFDAY, nowhere, 0),
		call("clock-settime", "set the clock (clock_settime)", clock, unix.SYS_CLOCK_SETTIME, 999, nowhere),
		root(call("sethostname", "set the machine's name (sethostname)", machine, unix.SYS_SETHOSTNAME, nowhere, bad)),
		root(call("setdomainname", "set the machine's domain (setdomainname)", machine, unix.SYS_SETDOMAINNAME, nowhere, bad)),
		call("quotactl", "work on disk quotas (quotactl)", machine, unix.SYS_QUOTACTL, 0xff, 0, 0, 0),
		call("fanotify", "watch all files (fanotify_init)", "it sees what every program opens", unix.SYS_FANOTIFY_INIT, 0x200|1<<30, 0),
		call("name-to-handle", "ask for a file's handle (name_to_handle_at)", handles, unix.SYS_NAME_TO_HANDLE_AT, bad, nowhere, nowhere, nowhere, 0),
		root(call("open-by-handle", "open a file by a handle (open_by_handle_at)", handles, unix.SYS_OPEN_BY_HANDLE_AT, bad, nowhere, 0)),
		call("vm-writev", "write to another process (process_vm_writev)", others, unix.SYS_PROCESS_VM_WRITEV, 0, 0, 0, 0, 0, 1),
		call("process-madvise", "advise about another process's memory (process_madvise)", others, unix.SYS_PROCESS_MADVISE, bad, nowhere, 1, 0, 0),
		call("kcmp", "compare processes (kcmp)", "it tells kernel addresses apart", unix.SYS_KCMP, uintptr(os.Getpid()), uintptr(os.Getpid()), 99, 0, 0),
		call("open-tree", "clone mounts (open_tree)", surface, unix.SYS_OPEN_TREE, bad, nowhere, 1<<30),
		call("fsconfig", "configure a file system (fsconfig)", surface, unix.SYS_FSCONFIG, bad, 0, 0, 0, 0),
		// What the kernel looks at before it asks for a capability is wrong, so that its
		// answer is another than the filter's.
		call("mount", "mount (mount)", surface, unix.SYS_MOUNT, nowhere, nowhere, nowhere, 0, nowhere),
		call("umount", "unmount (umount2)", surface, unix.SYS_UMOUNT2, nowhere, bad),
		call("chroot", "change the root (chroot)", surface, unix.SYS_CHROOT, nowhere),
		call("mount-setattr", "change a mount's attributes (mount_setattr)", surface, unix.SYS_MOUNT_SETATTR, bad, nowhere, bad, nowhere, 0),
		call("quotactl-fd", "work on disk quotas (quotactl_fd)", machine, unix.SYS_QUOTACTL_FD, bad, 0, 0, 0),
		call("fanotify-mark", "choose what is watched (fanotify_mark)", "it sees what every program opens", unix.SYS_FANOTIFY_MARK, bad, bad, bad, bad, nowhere),
		call("clock-adjtime", "adjust a clock (clock_adjtime)", clock, unix.SYS_CLOCK_ADJTIME, 0, nowhere),
		call("adjtimex", "adjust the clock (adjtimex)", clock, unix.SYS_ADJTIMEX, nowhere),
		call("migrate-pages", "move a process's memory (migrate_pages)", others, unix.SYS_MIGRATE_PAGES, 0, 64, nowhere, nowhere),
		call("move-pages", "move pages of memory (move_pages)", others, unix.SYS_MOVE_PAGES, 0, 0, 0, 0, 0, 0),
		call("vm-readv", "read another process (process_vm_readv)", others, unix.SYS_PROCESS_VM_READV, 0, 0, 0, 0, 0, 1),
		call("pidfd-getfd", "take a descriptor out of another process (pidfd_getfd)", others, unix.SYS_PIDFD_GETFD, bad, 0, 0),
		call("ptrace-attach", "attach to another process (ptrace)", others, unix.SYS_PTRACE, unix.PTRACE_ATTACH, 1<<30, 0, 0),
		call("ptrace-seize", "trace another process (ptrace)", others, unix.SYS_PTRACE, unix.PTRACE_SEIZE, 1<<30, 0, 0),
		call("set-mm", "make /proc show another program than runs (prctl)", "what looks at processes is told what they want", unix.SYS_PRCTL, unix.PR_SET_MM, bad, 0, 0, 1),
		call("unknown", "make a system call that does not exist yet", "what is new tomorrow nobody has looked at today", 600),
	}
	// A kernel that does not know it and a filter that refuses it answer the same.
	unknown := &list[len(list)-1]
	unknown.Needs = nil
	unknown.Attack = func(*Inside) error {
		if mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0); err == nil && mode == 2 {
			return rawCall(600)
		}
		return nil // nothing looks at system calls
	}
	return list
}

// rawCall makes a system call with arguments that do no harm: a wall refuses it
// before the kernel looks at them, so any other answer is a hole.
func rawCall(nr uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	_, _, e := unix.RawSyscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
	if e == unix.ENOSYS || e == unix.EPERM || e == unix.EACCES {
		return e
	}
	return nil
}

// abiProbes use other doors to the same kernel, and what few programs use.
func abiProbes() []Probe {
	p := func(id, title, why string, attack func(*Inside) error) Probe {
		return Probe{ID: "kernel." + id, Severity: Hardening, Title: title, Why: why, Wall: "syscall allow list, which checks the architecture", Fix: "run with a tier that filters system calls", Attack: attack}
	}
	list := []Probe{
		p("personality", "make all memory programs (personality)", "data becomes code", func(*Inside) error {
			const readImpliesExec = 0x0400000
			_, _, e := unix.RawSyscall(unix.SYS_PERSONALITY, readImpliesExec, 0, 0)
			return errno(e)
		}),
		p("personality-zero", "map the first page (personality)", "errors of the kernel that use a null pointer find it", func(*Inside) error {
			const mmapPageZero = 0x0100000
			_, _, e := unix.RawSyscall(unix.SYS_PERSONALITY, mmapPageZero, 0, 0)
			return errno(e)
		}),
		p("clone-parent", "make a process that is the supervisor's child (CLONE_PARENT)", "the supervisor waits for a process that it has not made", func(*Inside) error { return forkParent() }),
		p("seccomp-listener", "listen to system calls of one's own (seccomp notification)", "a second listener comes before the name broker", seccompListener),
	}
	if runtime.GOARCH == "amd64" {
		list = append(list, foreign(p)...)
	}
	return list
}

// forkParent makes a sibling, which ends at once.
func forkParent() error {
	pid, _, e := unix.RawSyscall6(unix.SYS_CLONE, unix.CLONE_PARENT|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if e != 0 {
		return e
	}
	if pid == 0 {
		for {
			unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
	return nil
}

func seccompListener(*Inside) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	prog := [...]unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}}
	f := unix.SockFprog{Len: 1, Filter: &prog[0]}
	fd, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&f)))
	if e != 0 {
		return e
	}
	unix.Close(int(fd))
	return nil
}

// familyProbes make sockets of families that a box has no use for.
func familyProbes() []Probe {
	p := func(id, title, why string, root bool, family, kind, proto int) Probe {
		q := Probe{ID: "kernel.socket-" + id, Severity: Hardening, Title: "make a socket for " + title, Why: why, Wall: "syscall filter on socket families", Fix: "run with a tier that filters system calls", NeedsRoot: root,
			Attack: func(*Inside) error { return makeSocket(family, kind, proto) }}
		q.Needs = func(*Case) string {
			if root && os.Geteuid() != 0 {
				return ""
			}
			if err := makeSocket(family, kind, proto); err != nil {
				return "this machine has none without walls either: " + err.Error()
			}
			return ""
		}
		return q
	}
	const (
		rare   = "modules that hardly anybody uses hold errors that hardly anybody finds"
		wire   = "it sees and forges what others send"
		around = "it is not in the network namespace"
	)
	return []Probe{
		p("packet", "raw packets (AF_PACKET)", wire, true, unix.AF_PACKET, unix.SOCK_RAW, 0),
		p("raw", "raw IP", wire, true, unix.AF_INET, unix.SOCK_RAW, 255),
		p("route", "routes and interfaces (netlink route)", "it tells and changes the machine's network", false, unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE),
		p("audit", "the audit log (netlink audit)", "what is logged about the box is not the box's to write", false, unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_AUDIT),
		p("netfilter", "firewall rules (netlink netfilter)", rare, false, unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER),
		p("uevent", "device events (netlink kobject)", rare, false, unix.AF_NETLINK, unix.SOCK_DGRAM, unix.NETLINK_KOBJECT_UEVENT),
		p("alg", "the kernel's ciphers (AF_ALG)", rare, false, unix.AF_ALG, unix.SOCK_SEQPACKET, 0),
		p("vsock", "the machine's host (AF_VSOCK)", around, false, unix.AF_VSOCK, unix.SOCK_STREAM, 0),
		p("xdp", "packets past the network stack (AF_XDP)", wire, true, unix.AF_XDP, unix.SOCK_RAW, 0),
		p("key", "keys of IPsec (AF_KEY)", rare, true, unix.AF_KEY, unix.SOCK_RAW, 2),
		p("bluetooth", "Bluetooth", around, false, unix.AF_BLUETOOTH, unix.SOCK_RAW, 1),
		p("can", "CAN buses", around, false, unix.AF_CAN, unix.SOCK_RAW, 1),
		p("tipc", "TIPC", rare, false, unix.AF_TIPC, unix.SOCK_STREAM, 0),
		p("rds", "RDS", rare, false, unix.AF_RDS, unix.SOCK_SEQPACKET, 0),
		p("qipcrtr", "a modem (AF_QIPCRTR)", around, false, unix.AF_QIPCRTR, unix.SOCK_DGRAM, 0),
	}
}

func makeSocket(family, kind, proto int) error {
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, proto)
	unix.Close(fd)
	return err
}

// rightProbes look at what the box's processes may.
func rightProbes() []Probe {
	p := func(id, title, why, wall string, root bool, attack func(*Inside) error) Probe {
		return Probe{ID: "kernel." + id, Severity: Hardening, Title: title, Why: why, Wall: wall, Fix: fixFull, NeedsRoot: root, Attack: attack}
	}
	// has says whether one of the sets that a word names is not empty.
	has := func(sets ...string) func(*Inside) error {
		return func(*Inside) error {
			b, err := os.ReadFile("/proc/thread-self/status")
			if err != nil {
				return err
			}
			found := 0
			for l := range strings.Lines(string(b)) {
				for _, s := range sets {
					if v, ok := strings.CutPrefix(l, s+":"); ok {
						found++
						if strings.Trim(v, "0 \t\n") != "" {
							return nil
						}
					}
				}
			}
			if found != len(sets) {
				return nil // it could not be seen
			}
			return errHeld
		}
	}
	bound := p("bounding-set", "get capabilities from a program that has them", "what the set holds a program can still get", "the bounding set is empty, or no_new_privs makes it mean nothing", false, func(in *Inside) error {
		if n, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err == nil && n == 1 && os.Geteuid() != 0 {
			return errHeld
		}
		return has("CapBnd")(in)
	})
	return []Probe{
		p("capabilities", "have a capability", "each is a part of root's power", "no capabilities in any set", true, has("CapInh", "CapPrm", "CapEff", "CapAmb")),
		bound,
		p("new-privileges", "gain rights by running a program (no_new_privs)", "sudo and its like run as root, and have errors", "no_new_privs", false, func(*Inside) error {
			if n, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err == nil && n == 1 {
				return errHeld
			}
			return nil
		}),
		p("no-filter", "make any system call at all (seccomp)", "the kernel is large, and a box needs little of it", "syscall allow list", false, func(*Inside) error {
			if mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0); err == nil && mode == 2 {
				return errHeld
			}
			return nil
		}),
		p("setuid", "become root of the host (setuid)", "root of the host owns all of it", "host uid 0 is not used with a capability, no_new_privs", true, func(*Inside) error {
			b, err := os.ReadFile("/proc/self/uid_map")
			if err != nil {
				return err
			}
			if f := strings.Fields(string(b)); len(f) != 3 || f[0] != "0" || f[1] != "0" {
				return fmt.Errorf("%w: the id map is %q", errHeld, b)
			}
			_, _, e := unix.RawSyscall(unix.SYS_SETUID, 0, 0, 0)
			if e == 0 {
				return has("CapEff")(nil)
			}
			return errno(e)
		}),
		p("setgroups", "join other groups (setgroups)", "groups open files", "setgroups is denied, no capabilities", true, func(*Inside) error { return unix.Setgroups([]int{0}) }),
	}
}
