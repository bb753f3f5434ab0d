//go:build linux

package walls

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What is outside must be neither read nor written, whatever the way.
func TestFilesOutside(t *testing.T) {
	tiers(t, func(t *testing.T, b box) {
		w := newWorld(t)
		b.flags = []string{"--read", w.RO}
		if b.tier == "landlock" {
			b.flags = append(b.flags, "--env", "HOME")
		}
		var list []attempt
		add := func(kind string, control bool, args ...string) {
			for _, a := range args {
				list = append(list, attempt{kind: kind, arg: a, control: control})
			}
		}
		home := func(s string) string { return filepath.Join(w.Home, s) }
		add("read", true, w.secret(), home(".ssh/id"), home(".aws/credentials"), home(".bash_history"), home(".netrc"), home("sibling/secret"), home(".config/bailey/config.toml"), w.Out+"/file")
		add("read", os.Geteuid() == 0, "/etc/shadow")
		add("read", false, "/etc/gshadow", "/proc/kcore", "/proc/1/environ", "/proc/1/maps", "/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda", "/var/run/docker.sock")
		list = append(list, attempt{"read", "/proc/keys", false, "full"}) // tier landlock hides nothing in /proc, and says so
		add("list", true, w.Out, w.Home+"/.ssh")
		add("list", false, "/proc/1/root/", "/proc/1/cwd/", "/proc/1/fd/0/", "/proc/1/task/1/root/")
		add("dotdot", true, "../sibling/secret", "../../secret", "./.././../home/sibling/secret")
		for _, p := range []string{w.Out + "/target", w.RO + "/target", home("sibling/target")} {
			add("write", true, p)
			add("exchange", true, p)
			add("append", true, p)
			add("chmod", true, p)
			add("chown", true, p)
			add("utimes", true, p)
			add("truncate", true, p)
			add("openat2", true, p)
			add("setxattr", false, p)
		}
		add("reopen", true, w.RO+"/file")
		add("reopen", false, "/usr/bin/env", "/etc/passwd")
		add("create", true, w.Out+"/new", w.RO+"/new", home(".bashrc"), home(".config/bailey/x"))
		add("mkdir", true, w.Out+"/newdir", w.RO+"/newdir")
		add("tmpfile", false, w.Out+"/tmpf", w.RO+"/tmpf")
		add("rename out", true, w.RO+"/moved")
		add("rename out", true, w.Out+"/moved")
		add("link out", true, w.secret(), w.RO+"/file")
		add("symlink out", true, "read", "write", "create", "mkdir", "rename", "final")
		add("handle", false, w.WS)
		add("write", false, "/usr/bin/env", "/etc/passwd", "/etc/resolv.conf")
		add("create", false, "/usr/bin/x", "/etc/x", "/opt/x", "/new")
		add("listener", true, "")
		for _, d := range []string{"/dev/null", "/dev/zero", "/dev/urandom"} {
			// As root these work outside, which is not tried: everything here uses them.
			add("remode", false, d)
			add("utimes", false, d)
			add("rechown", false, d)
		}
		add("setid", true, "open suid", "open sgid", "mknod suid", "late suid", "late sgid", "fchmod suid", "tmpfile suid")
		if b.tier == "landlock" {
			// A private home and /tmp need mounts. What the policy keeps out stays out.
			list = drop(list, "create "+home(".bashrc"))
		}
		assault(t, b, w, list)
	})
}

func drop(list []attempt, names ...string) []attempt {
	var out []attempt
	for _, a := range list {
		keep := true
		for _, n := range names {
			keep = keep && a.String() != n
		}
		if keep {
			out = append(out, a)
		}
	}
	return out
}

// Processes, sockets and memory of the host.
func TestProcessesOutside(t *testing.T) {
	tiers(t, func(t *testing.T, b box) {
		w := newWorld(t)
		w.listen(t)
		var list []attempt
		add := func(kind string, control bool, only string, args ...string) {
			for _, a := range args {
				list = append(list, attempt{kind, a, control, only})
			}
		}
		add("kill", true, "", "")
		add("kill", false, "", fmt.Sprint(os.Getpid()))
		add("ptrace", true, "", "")
		add("ptrace", false, "", "1")
		add("vm_readv", true, "", "")
		add("vm_readv", false, "", "1")
		add("pidfd", true, "", "")
		add("pidfd", false, "", "1")
		add("prlimit", true, "", "")
		add("priority", true, "full", "")
		add("sched", true, "full", "")
		add("oom", true, "", "")
		add("oom", false, "", "1")
		add("self mem", true, "", "")
		add("self mem", false, "", "1")
		add("environ", true, "", "own", "/proc/[0-9]*/environ", fmt.Sprintf("/proc/%d/environ", w.Victim))
		add("environ", false, "", "/proc/self/environ", "/proc/1/environ", "/proc/[0-9]*/task/*/environ")
		add("list", true, "", fmt.Sprintf("/proc/%d/root/", w.Victim), fmt.Sprintf("/proc/%d/cwd/", w.Victim))
		add("list", true, "full", fmt.Sprintf("/proc/%d/fd", w.Victim)) // numbers only, but they are there in tier landlock
		add("tcp", w.TCP != 0, "", "127.0.0.1", "localhost")
		add("tcp", w.TCP6 != 0, "", "::1")
		add("udp", true, "", "127.0.0.1")
		add("unix", true, "", "path", "abstract")
		add("shm", true, "", "")
		add("read", true, "", w.DevShm)
		add("write", true, "", w.DevShm)
		add("uplink", false, "", "192.0.2.1:53", "[2001:db8::1]:53", "8.8.8.8:53", "169.254.169.254:80")
		add("keys", false, "", "search", "add")
		add("keys", false, "full", "")
		add("fd", false, "", "")
		assault(t, b, w, list)
	})
}

// Kernel interfaces: system calls, namespaces, capabilities, foreign ABIs.
func TestKernel(t *testing.T) {
	tiers(t, func(t *testing.T, b box) {
		w := newWorld(t)
		var list []attempt
		add := func(kind string, control bool, args ...string) {
			for _, a := range args {
				list = append(list, attempt{kind: kind, arg: a, control: control})
			}
		}
		call := func(nrs ...int) {
			for _, nr := range nrs {
				add("syscall", false, fmt.Sprint(nr))
			}
		}
		call(unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER, unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
			unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD,
			unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_SYSLOG, unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_SETHOSTNAME,
			unix.SYS_FANOTIFY_INIT, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PROCESS_MADVISE, unix.SYS_KCMP,
			unix.SYS_CLONE3, unix.SYS_OPENAT2, unix.SYS_MOVE_MOUNT, unix.SYS_FSMOUNT, unix.SYS_FSCONFIG, unix.SYS_FSPICK, unix.SYS_QUOTACTL, unix.SYS_LOOKUP_DCOOKIE, unix.SYS_VHANGUP, 600, 1023)
		if runtime.GOARCH == "amd64" {
			call(166, 172, 173, 154, 134) // umount2, iopl, ioperm, modify_ldt, uselib
			add("int80", foreign(t, w), "")
			add("x32", false, "39", "2", "257", "59")
		}
		for _, s := range []string{
			fmt.Sprintf("%d %d 0", unix.AF_PACKET, unix.SOCK_RAW), fmt.Sprintf("%d %d 0", unix.AF_ALG, unix.SOCK_SEQPACKET), fmt.Sprintf("%d %d 0", unix.AF_VSOCK, unix.SOCK_STREAM),
			fmt.Sprintf("%d %d 0", unix.AF_NETLINK, unix.SOCK_RAW), fmt.Sprintf("%d %d 9", unix.AF_NETLINK, unix.SOCK_RAW), fmt.Sprintf("%d %d 12", unix.AF_NETLINK, unix.SOCK_DGRAM), fmt.Sprintf("%d %d 255", unix.AF_INET, unix.SOCK_RAW),
			fmt.Sprintf("%d %d 262", unix.AF_INET, unix.SOCK_STREAM), fmt.Sprintf("%d %d 132", unix.AF_INET, unix.SOCK_STREAM), fmt.Sprintf("%d %d 0", unix.AF_BLUETOOTH, unix.SOCK_RAW), fmt.Sprintf("%d %d 1", unix.AF_INET, unix.SOCK_DGRAM),
			fmt.Sprintf("%d %d 0", unix.AF_KEY, unix.SOCK_RAW), fmt.Sprintf("%d %d 0", unix.AF_TIPC, unix.SOCK_STREAM), fmt.Sprintf("%d %d 0", unix.AF_XDP, unix.SOCK_RAW)} {
			add("socket", false, s)
		}
		for _, hi := range []string{"", "f", "80000000", "ffffffff"} {
			for _, req := range []string{"5412", "541c", "541d", "5423"} {
				s := "0x" + req
				if hi != "" {
					s = "0x" + hi + strings.Repeat("0", 8-len(req)) + req
				}
				add("ioctl", false, s)
			}
		}
		for _, f := range []uint64{unix.CLONE_NEWUSER, unix.CLONE_NEWNS, unix.CLONE_NEWPID, unix.CLONE_NEWNET, unix.CLONE_NEWIPC, unix.CLONE_NEWUTS, unix.CLONE_NEWCGROUP, unix.CLONE_NEWTIME, unix.CLONE_NEWUSER | unix.CLONE_NEWNS, 1<<33 | unix.CLONE_FS} {
			add("unshare", false, fmt.Sprintf("%#x", f))
			if f != unix.CLONE_NEWTIME && f < 1<<32 {
				add("clone", false, fmt.Sprintf("%#x", f), fmt.Sprintf("%#x", f|0xffff<<32))
			}
		}
		add("clone", true, "0x8000") // CLONE_PARENT
		add("mount", false, "tmpfs", "bind", "remount", "umount", "pivot", "chroot", "open_tree", "fsopen", "setattr", "setns")
		if b.tier == "full" || os.Geteuid() == 0 {
			add("capabilities", os.Geteuid() == 0, "")
		} else {
			add("capabilities", false, "unbounded")
		}
		add("nnp", true, "")
		// Without a user namespace, what root owns is worked on as root, without a capability.
		list = append(list, attempt{"setuid", "", os.Geteuid() == 0, "full"}, attempt{"setuid", "root", os.Geteuid() == 0, "full"})
		add("personality", true, "0x400000", "0x100000") // READ_IMPLIES_EXEC, MMAP_PAGE_ZERO
		// Root could write these outside, which is never tried.
		for _, p := range []string{"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/drop_caches", "/proc/sys/fs/binfmt_misc/register", "/proc/sysrq-trigger", "/proc/sys/net/ipv4/ip_forward", "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/power/state", "/sys/fs/cgroup/cgroup.procs", "/proc/self/uid_map", "/proc/1/oom_score_adj"} {
			add("openat2", false, p)
			list = append(list, attempt{kind: "open for writing", arg: p})
		}
		before := sysctls(t)
		assault(t, b, w, list)
		if after := sysctls(t); before != after {
			t.Errorf("host settings changed:\n%s\n%s", before, after)
		}
		// Programs with the set-user-id bit of the host give nothing.
		for _, c := range []string{"su -c id", "sudo -n id", "mount -t tmpfs x /tmp", "ping -c1 -W1 127.0.0.1", "newgrp root"} {
			name, _, _ := strings.Cut(c, " ")
			if _, err := exec.LookPath(name); err != nil {
				continue
			}
			if out := b.sh(t, w, c+" </dev/null && echo BROKEN"); strings.Contains(out, "BROKEN") || strings.Contains(out, "uid=0") {
				t.Errorf("%s: %s", c, out)
			}
		}
	})
}

// foreign reports whether this kernel runs 32-bit system calls at all.
func foreign(t *testing.T, w *world) bool {
	r := one("{}", "int80", "", environ(w))
	if !r.Escaped {
		t.Logf("kernel feature missing: 32-bit system calls: %s", r.Text)
	}
	return r.Escaped
}

func sysctls(t *testing.T) string {
	var s strings.Builder
	for _, f := range []string{"kernel/core_pattern", "kernel/hostname", "kernel/domainname", "net/ipv4/ip_forward", "vm/overcommit_memory", "fs/protected_hardlinks", "kernel/unprivileged_userns_clone", "user/max_user_namespaces", "kernel/yama/ptrace_scope"} {
		b, _ := os.ReadFile("/proc/sys/" + f)
		fmt.Fprintf(&s, "%s=%s;", f, strings.TrimSpace(string(b)))
	}
	return s.String()
}
