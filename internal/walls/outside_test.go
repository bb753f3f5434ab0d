//go:build linux

package walls

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What the catalogue of internal/probe does not try: the host's device nodes, and the
// processes above.
func TestOutside(t *testing.T) {
	tiers(t, func(t *testing.T, b box) {
		w := newWorld(t)
		w.listen(t)
		b.flags = []string{"--read", w.RO}
		var list []attempt
		add := func(kind string, control bool, args ...string) {
			for _, a := range args {
				list = append(list, attempt{kind: kind, arg: a, control: control})
			}
		}
		add("read", false, "/proc/kcore", "/proc/1/environ", "/proc/1/maps", "/var/run/docker.sock")
		add("list", false, "/proc/1/root/", "/proc/1/cwd/", "/proc/1/fd/0/", "/proc/1/task/1/root/")
		list = append(list, attempt{"list", fmt.Sprintf("/proc/%d/fd", w.Victim), true, "full"}) // numbers only, but they are there in tier landlock
		for _, p := range []string{w.RO + "/target", w.Home + "/sibling/target"} {
			// A directory that may be read is not one that may be changed.
			for _, kind := range []string{"write", "append", "exchange", "chmod", "chown", "utimes", "truncate", "openat2"} {
				add(kind, true, p)
			}
			add("setxattr", false, p)
		}
		add("reopen", true, w.RO+"/file")
		add("reopen", false, "/usr/bin/env", "/etc/passwd")
		add("create", true, w.RO+"/new")
		add("mkdir", true, w.RO+"/newdir")
		add("tmpfile", false, w.RO+"/tmpf")
		add("rename out", true, w.RO+"/moved")
		add("link out", true, w.RO+"/file")
		add("create", false, "/usr/bin/x", "/etc/x", "/opt/x", "/new")
		for _, d := range []string{"/dev/null", "/dev/zero", "/dev/urandom"} {
			// As root these work outside, which is not tried: everything here uses them.
			add("remode", false, d)
			add("utimes", false, d)
			add("rechown", false, d)
		}
		for _, kind := range []string{"kill", "ptrace", "vm_readv", "pidfd", "oom", "self mem"} {
			if kind != "kill" {
				add(kind, false, "1")
			}
		}
		add("kill", false, fmt.Sprint(os.Getpid()))
		add("uplink", false, "192.0.2.1:53", "[2001:db8::1]:53", "8.8.8.8:53", "169.254.169.254:80")
		assault(t, b, w, list)
	})
}

// Kernel interfaces, in more variants than the catalogue has: the high bits of
// requests and flags, and programs that the host has marked.
func TestKernel(t *testing.T) {
	tiers(t, func(t *testing.T, b box) {
		w := newWorld(t)
		var list []attempt
		add := func(kind string, control bool, args ...string) {
			for _, a := range args {
				list = append(list, attempt{kind: kind, arg: a, control: control})
			}
		}
		for _, nr := range []int{unix.SYS_CLONE3, unix.SYS_OPENAT2, unix.SYS_FSPICK, unix.SYS_LOOKUP_DCOOKIE, unix.SYS_VHANGUP, 600, 1023} {
			add("syscall", false, fmt.Sprint(nr))
		}
		if runtime.GOARCH == "amd64" {
			add("syscall", false, "134") // uselib
			add("x32", false, "39", "2", "257", "59")
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

func sysctls(t *testing.T) string {
	var s strings.Builder
	for _, f := range []string{"kernel/core_pattern", "kernel/hostname", "kernel/domainname", "net/ipv4/ip_forward", "vm/overcommit_memory", "fs/protected_hardlinks", "kernel/unprivileged_userns_clone", "user/max_user_namespaces", "kernel/yama/ptrace_scope"} {
		b, _ := os.ReadFile("/proc/sys/" + f)
		fmt.Fprintf(&s, "%s=%s;", f, strings.TrimSpace(string(b)))
	}
	return s.String()
}
