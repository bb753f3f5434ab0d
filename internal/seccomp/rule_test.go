package seccomp

import (
	"testing"
)

// number returns the number of a syscall by its kernel name, -1 for none.
func number(t testing.TB, archName, name string) int {
	a, err := archFor(archName)
	if err != nil {
		t.Fatal(err)
	}
	for c, n := range callNames {
		if n == name {
			return int(a.numbers[c])
		}
	}
	t.Fatalf("no syscall is called %q", name)
	return -1
}

// TestVerdicts says by hand what the filter must do, beside the tables.
func TestVerdicts(t *testing.T) {
	const (
		atFDCWD = 0xffff_ff9c
		high    = 1 << 40
	)
	type args = [6]uint64
	var (
		plain  = Profile{}
		broker = Profile{Broker: true}
		reads  = Profile{Broker: true, Reads: true}
		host   = Profile{Broker: true, Interfaces: true, Sockets: true, Metadata: true}
		ifaces = Profile{Interfaces: true}
		debug  = Profile{Debug: true}
	)
	tests := []struct {
		p    Profile
		call string
		args args
		want verdict
	}{
		{plain, "read", args{}, retAllow},
		{plain, "execve", args{}, retAllow},
		{plain, "openat", args{atFDCWD, 0, 0o101}, retAllow},
		{plain, "openat2", args{}, retAllow},
		{plain, "clone3", args{}, eNOSYS},
		{plain, "io_uring_setup", args{}, eNOSYS},
		{plain, "io_uring_enter", args{}, eNOSYS},
		{plain, "io_uring_register", args{}, eNOSYS},
		{plain, "keyctl", args{}, ePERM},
		{plain, "bpf", args{}, ePERM},
		{plain, "perf_event_open", args{}, ePERM},
		{plain, "userfaultfd", args{}, ePERM},
		{plain, "mount", args{}, ePERM},
		{plain, "open_tree", args{}, ePERM},
		{plain, "open_tree_attr", args{}, ePERM},
		{plain, "mount_setattr", args{}, ePERM},
		{plain, "pivot_root", args{}, ePERM},
		{plain, "chroot", args{}, ePERM},
		{plain, "setns", args{}, ePERM},
		{plain, "open_by_handle_at", args{}, ePERM},
		{plain, "name_to_handle_at", args{}, ePERM},
		{plain, "init_module", args{}, ePERM},
		{plain, "kexec_load", args{}, ePERM},
		{plain, "reboot", args{}, ePERM},
		{plain, "syslog", args{}, ePERM},
		{plain, "fanotify_init", args{}, ePERM},
		{plain, "quotactl_fd", args{}, ePERM},

		{plain, "clone", args{0x11}, retAllow},
		{plain, "clone", args{0x3d0f00}, retAllow}, // pthread_create
		{plain, "clone", args{0x4111}, retAllow},   // vfork and SIGCHLD
		{plain, "clone", args{0x1000_0011}, ePERM}, // NEWUSER
		{plain, "clone", args{0x2_0011}, ePERM},    // NEWNS
		{plain, "clone", args{0x4000_0011}, ePERM}, // NEWNET
		{plain, "clone", args{0x200_0011}, ePERM},  // NEWCGROUP
		{plain, "clone", args{high | 0x1000_0011}, ePERM},
		{plain, "clone", args{0x8011}, ePERM}, // PARENT
		{plain, "unshare", args{0}, retAllow},
		{plain, "unshare", args{0x400}, retAllow},
		{plain, "unshare", args{0x600}, retAllow},
		{plain, "unshare", args{0x1000_0000}, ePERM},
		{plain, "unshare", args{0x80}, ePERM}, // NEWTIME
		{plain, "unshare", args{0x1000_0400}, ePERM},
		{plain, "unshare", args{high | 0x400}, ePERM},

		{plain, "ioctl", args{0, 0x5401}, retAllow},
		{plain, "ioctl", args{0, 0x5412}, ePERM},
		{plain, "ioctl", args{0, 0x541c}, ePERM},
		{plain, "ioctl", args{0, high | 0x5412}, ePERM},
		{plain, "ioctl", args{0, 0xffff_ffff_0000_541c}, ePERM},

		{plain, "personality", args{0}, retAllow},
		{plain, "personality", args{0xffff_ffff}, retAllow},
		{plain, "personality", args{8}, retAllow},
		{plain, "personality", args{0x4_0000}, retAllow},
		{plain, "personality", args{0x40_0000}, ePERM}, // READ_IMPLIES_EXEC
		{plain, "personality", args{0x44_0000}, ePERM},
		{plain, "personality", args{4}, ePERM},

		{plain, "ptrace", args{0}, retAllow},
		{plain, "ptrace", args{7}, retAllow},
		{plain, "ptrace", args{16}, ePERM},
		{plain, "ptrace", args{0x4206}, ePERM},
		{debug, "ptrace", args{16}, retAllow},
		{plain, "process_vm_readv", args{}, ePERM},
		{debug, "process_vm_readv", args{}, retAllow},
		{plain, "pidfd_getfd", args{}, ePERM},
		{debug, "pidfd_getfd", args{}, retAllow},
		{plain, "seccomp", args{1, 0}, retAllow},
		{plain, "seccomp", args{1, 1}, retAllow},
		{plain, "seccomp", args{1, 8}, ePERM},
		{debug, "seccomp", args{1, 9}, ePERM},
		{plain, "prctl", args{22, 2}, retAllow},
		{plain, "prctl", args{35}, ePERM},

		{plain, "socket", args{1, 1, 0}, retAllow},
		{plain, "socket", args{1, 2, 0}, retAllow},
		{plain, "socket", args{1, 0x80801, 0}, retAllow},
		{plain, "socket", args{2, 1, 0}, retAllow},
		{plain, "socket", args{2, 0x80801, 6}, retAllow},
		{plain, "socket", args{10, 0x80002, 17}, retAllow},
		{plain, "socket", args{10, 2, 0}, retAllow},
		{plain, "socket", args{2, 1, 262}, ePROTONOSUPPORT},  // MPTCP
		{plain, "socket", args{2, 1, 132}, ePROTONOSUPPORT},  // SCTP
		{plain, "socket", args{10, 5, 132}, ePROTONOSUPPORT}, // SCTP
		{plain, "socket", args{2, 2, 136}, ePROTONOSUPPORT},  // UDP-Lite
		{plain, "socket", args{2, 2, 1}, eACCES},
		{plain, "socket", args{10, 2, 58}, eACCES},
		{plain, "socket", args{2, 3, 1}, ePERM},
		{plain, "socket", args{2, 0x80003, 255}, ePERM},
		{plain, "socket", args{2, 10, 0}, ePROTONOSUPPORT}, // SOCK_PACKET
		{plain, "socket", args{16, 3, 0}, eAFNOSUPPORT},
		{plain, "socket", args{16, 0x80003, 9}, eAFNOSUPPORT},
		{ifaces, "socket", args{16, 0x80003, 0}, retAllow},
		{ifaces, "socket", args{16, 3, 9}, eAFNOSUPPORT},  // audit
		{ifaces, "socket", args{16, 3, 12}, eAFNOSUPPORT}, // netfilter
		{ifaces, "socket", args{17, 3, 0}, eAFNOSUPPORT},
		{ifaces, "socket", args{2, 3, 0}, ePERM},
		{ifaces, "socket", args{2, 1, 0}, retAllow},
		{plain, "socket", args{17, 3, 0}, eAFNOSUPPORT},
		{plain, "socket", args{38, 5, 0}, eAFNOSUPPORT}, // ALG
		{plain, "socket", args{40, 1, 0}, eAFNOSUPPORT}, // VSOCK
		{plain, "socket", args{31, 3, 0}, eAFNOSUPPORT}, // BLUETOOTH
		{plain, "socket", args{44, 3, 0}, eAFNOSUPPORT}, // XDP
		{plain, "socket", args{high | 40, 1, 0}, eAFNOSUPPORT},
		{plain, "socketpair", args{1, 1, 0}, retAllow},
		{plain, "socketpair", args{30, 1, 0}, eOPNOTSUPP}, // TIPC
		{plain, "connect", args{}, retAllow},

		{plain, "sendto", args{0, 0, 0, 0x4000}, retAllow},
		{plain, "sendto", args{0, 0, 0, 0x2000_0000}, eOPNOTSUPP},
		{plain, "sendmsg", args{0, 0, 0x2000_4000}, eOPNOTSUPP},
		{plain, "sendmsg", args{0, 0, 0, 0x2000_0000}, retAllow},
		{plain, "sendmmsg", args{0, 0, 1, 0x2000_0000}, eOPNOTSUPP},

		{broker, "openat", args{atFDCWD, 0, 0}, retAllow},
		{broker, "openat", args{atFDCWD, 0, 0x88000}, retAllow},
		{broker, "openat", args{atFDCWD, 0, 1}, retNotify},
		{broker, "openat", args{atFDCWD, 0, 2}, retNotify},
		{broker, "openat", args{atFDCWD, 0, 3}, retNotify},
		{broker, "openat", args{atFDCWD, 0, 0x40}, retNotify},
		{broker, "openat", args{atFDCWD, 0, 0x200}, retNotify},
		{broker, "openat", args{atFDCWD, 0, 0x41_0002}, retNotify},
		{broker, "openat", args{atFDCWD, 0, 0x20_0000}, retAllow},
		{broker, "openat", args{atFDCWD, 0, 0x20_0042}, retAllow}, // the kernel drops O_CREAT beside O_PATH
		{broker, "openat", args{atFDCWD, 0, high | 0x41}, retNotify},
		{broker, "openat", args{atFDCWD, 0x41, 0}, retAllow},
		{broker, "openat2", args{}, eNOSYS},
		{broker, "renameat2", args{}, retNotify},
		{broker, "unlinkat", args{}, retNotify},
		{broker, "mkdirat", args{}, retNotify},
		{broker, "symlinkat", args{}, retNotify},
		{broker, "linkat", args{}, retNotify},
		{broker, "mknodat", args{}, retNotify},
		{broker, "truncate", args{}, retNotify},
		{broker, "umask", args{0o22}, retNotify},
		{broker, "landlock_create_ruleset", args{}, eNOSYS},
		{broker, "landlock_restrict_self", args{}, eNOSYS},
		{broker, "ftruncate", args{}, retAllow},
		{broker, "fchmod", args{3, 0o644}, retAllow},
		{broker, "fchmod", args{3, 0o755}, retNotify},
		{broker, "fchmodat", args{3, 0, 0o001}, retNotify},
		{broker, "fchmodat", args{3, 0o777, 0o600}, retAllow},
		{broker, "fchmodat2", args{3, 0, 0o100, 0}, retNotify},
		{broker, "setxattr", args{}, retNotify},
		{broker, "removexattr", args{}, retAllow},
		{broker, "utimensat", args{}, retAllow},
		{broker, "connect", args{}, retAllow},
		{broker, "bind", args{}, retAllow},

		{reads, "openat", args{atFDCWD, 0, 0}, retNotify},
		{reads, "openat", args{atFDCWD, 0, 0x41}, retNotify},
		{reads, "openat", args{atFDCWD, 0, 0x20_0000}, retAllow},
		{reads, "openat2", args{}, eNOSYS},

		{host, "socket", args{1, 1, 0}, retAllow},
		{host, "socket", args{1, 0x80005, 0}, retAllow},
		{host, "socket", args{1, 2, 0}, eACCES},
		{host, "socket", args{1, 3, 0}, eACCES}, // the kernel makes it a datagram socket
		{host, "socket", args{2, 1, 0}, eACCES},
		{host, "socket", args{10, 2, 17}, eACCES},
		{host, "socket", args{16, 3, 0}, eAFNOSUPPORT},
		{host, "socket", args{40, 1, 0}, eAFNOSUPPORT},
		{host, "socketpair", args{1, 0x80001, 0}, retAllow},
		{host, "socketpair", args{1, 2, 0}, eACCES},
		{host, "connect", args{}, retNotify},
		{host, "shmget", args{}, eNOSYS},
		{host, "mq_open", args{}, eNOSYS},
		{host, "prlimit64", args{0, 7, 1}, retAllow},
		{host, "prlimit64", args{77, 7, 0, 1}, retAllow},
		{host, "prlimit64", args{77, 7, 1}, ePERM},
		{host, "prlimit64", args{77, 7, 1 << 32}, ePERM},
		{host, "fchmod", args{3, 0o644}, retNotify},
		{host, "utimensat", args{}, retNotify},
		{host, "fchownat", args{}, retNotify},
		{host, "fremovexattr", args{}, retNotify},
	}
	for _, archName := range []string{"amd64", "arm64"} {
		a, _ := archFor(archName)
		for _, tt := range tests {
			nr := number(t, archName, tt.call)
			if nr < 0 {
				continue
			}
			prog, err := Compile(tt.p, archName, 0)
			if err != nil {
				t.Fatal(err)
			}
			d := data{nr: uint32(nr), arch: a.audit, args: tt.args}
			if got := newVM(t, prog).run(t, d); got != tt.want {
				t.Errorf("%s %+v: %s%#x gives %v, want %v", archName, tt.p, tt.call, tt.args, got, tt.want)
			}
		}
	}
}

// TestLists holds that every syscall of the table was thought of: it is in
// exactly one list or has a condition, or is known to be history.
func TestLists(t *testing.T) {
	history := map[string]bool{ // numbers that no kernel of this century answers
		"_sysctl": true, "afs_syscall": true, "create_module": true, "epoll_ctl_old": true, "epoll_wait_old": true,
		"get_kernel_syms": true, "get_thread_area": true, "getpmsg": true, "putpmsg": true, "query_module": true,
		"security": true, "set_thread_area": true, "tuxcall": true, "uprobe": true, "vserver": true,
	}
	seen := map[call]int{}
	for _, list := range [][]call{allowed[:], refused[:], absent[:]} {
		for _, c := range list {
			seen[c]++
		}
	}
	rules := rulesFor(Profile{})
	for c := range callCount {
		switch {
		case seen[c] > 1:
			t.Errorf("%s is in two lists", callNames[c])
		case rules[c] == nil && !history[callNames[c]]:
			t.Errorf("%s has no rule", callNames[c])
		case rules[c] != nil && history[callNames[c]]:
			t.Errorf("%s has a rule", callNames[c])
		}
	}
	for _, list := range [][]call{debugged[:], named[:], described[:], shared[:]} {
		for _, c := range list {
			if seen[c] == 0 {
				t.Errorf("%s changes its rule but has none", callNames[c])
			}
		}
	}
}

// TestLoosening holds that every field but Debug and Interfaces only takes away.
func TestLoosening(t *testing.T) {
	base := rulesFor(Profile{})
	for p := range profiles {
		if p.Debug || p.Interfaces {
			continue
		}
		for c, r := range rulesFor(p) {
			if base[c] != r && base[c] != nil && len(base[c].clauses) == 0 && base[c].otherwise != retAllow {
				t.Errorf("%+v changes %s, which was %v", p, callNames[c], base[c].otherwise)
			}
		}
	}
}

func TestDescribe(t *testing.T) {
	entries, err := Describe(Profile{Broker: true}, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	last := -1
	for _, e := range entries[:len(entries)-1] {
		got[e.String()] = true
		if e.Number < last {
			t.Fatalf("%v stands after number %d", e, last)
		}
		last = e.Number
	}
	for _, want := range []string{
		"read: allow", "mkdir: broker", "mount: EPERM", "io_uring_setup: ENOSYS", "openat2: ENOSYS",
		"openat: allow when flags has O_PATH", "openat: allow", "ioctl: EPERM when request is TIOCSTI",
		"socket: EPROTONOSUPPORT", "clone: EPERM when flags has a CLONE_NEW bit", "_sysctl: ENOSYS",
	} {
		if !got[want] {
			t.Errorf("no entry %q", want)
		}
	}
	if e := entries[len(entries)-1]; e.String() != "*: ENOSYS" {
		t.Errorf("the last entry is %q", e)
	}
}
