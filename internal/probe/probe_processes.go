//go:build linux

package probe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// processProbes reach for a process outside.
func processProbes() []Probe {
	return concat(signalProbes(), memoryProbes(), tuneProbes(), seeProbes())
}

const (
	wallPID = "pid namespace, Landlock signal scope"
	fixFull = "run with the tier full"
)

// signalProbes end or stop it.
func signalProbes() []Probe {
	p := func(id, title string, attack func(in *Inside, pid int) error) Probe {
		return Probe{ID: "processes." + id, Severity: Boundary, Title: title, Why: "a box must not end your other work", Wall: wallPID, Fix: "do not run in mode danger-full-access",
			Plant: victimCase, Attack: func(in *Inside) error { return attack(in, victimPID(in)) }, Judge: died}
	}
	return []Probe{
		p("kill", "kill a process outside", func(_ *Inside, pid int) error { return unix.Kill(pid, unix.SIGKILL) }),
		p("stop", "stop a process outside", func(_ *Inside, pid int) error { return unix.Kill(pid, unix.SIGSTOP) }),
		p("kill-thread", "kill a process outside through one of its threads", func(_ *Inside, pid int) error { return unix.Tgkill(pid, pid, unix.SIGKILL) }),
		p("kill-group", "kill a process group outside", func(_ *Inside, pid int) error { return unix.Kill(-pid, unix.SIGKILL) }),
		p("pidfd-signal", "kill a process outside by its descriptor", func(_ *Inside, pid int) error {
			fd, err := unix.PidfdOpen(pid, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
		}),
		p("queue-signal", "queue a signal for a process outside", func(_ *Inside, pid int) error {
			var info [128]byte
			binary.NativeEndian.PutUint32(info[0:], uint32(unix.SIGKILL))
			binary.NativeEndian.PutUint32(info[8:], 0xffffffff) // SI_QUEUE
			_, _, e := unix.Syscall(unix.SYS_RT_SIGQUEUEINFO, uintptr(pid), uintptr(unix.SIGKILL), uintptr(unsafe.Pointer(&info[0])))
			return errno(e)
		}),
		p("owner-signal", "have the kernel signal a process outside as the owner of a pipe", func(_ *Inside, pid int) error {
			var fds [2]int
			if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
				return err
			}
			const setsig = 10 // F_SETSIG
			if _, err := unix.FcntlInt(uintptr(fds[0]), unix.F_SETOWN, pid); err != nil {
				return err
			}
			if _, err := unix.FcntlInt(uintptr(fds[0]), setsig, int(unix.SIGKILL)); err != nil {
				return err
			}
			if _, err := unix.FcntlInt(uintptr(fds[0]), unix.F_SETFL, unix.O_ASYNC); err != nil {
				return err
			}
			_, err := unix.Write(fds[1], []byte("x"))
			return err
		}),
	}
}

func errno(e unix.Errno) error {
	if e != 0 {
		return e
	}
	return nil
}

// memoryProbes read and write what it works with.
func memoryProbes() []Probe {
	p := func(id, title string, judge func(*Case, *Report) (bool, string), attack func(in *Inside, pid int, addr uintptr) error) Probe {
		return Probe{ID: "processes." + id, Severity: Boundary, Title: title, Why: "the memory of your programs holds your secrets", Wall: "pid namespace, syscall allow list, Landlock", Fix: "process.debug = false, and do not run in mode danger-full-access",
			Plant: victimCase, Attack: func(in *Inside) error {
				addr, err := strconv.ParseUint(in.Args["addr"], 16, 64)
				if err != nil {
					return err
				}
				return attack(in, victimPID(in), uintptr(addr))
			}, Judge: judge}
	}
	mem := func(pid int, flags int) (*os.File, error) {
		return os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), flags, 0)
	}
	return []Probe{
		p("ptrace", "attach to a process outside and read its memory", cameOut, func(in *Inside, pid int, addr uintptr) error {
			runtime.LockOSThread()
			if err := unix.PtraceAttach(pid); err != nil {
				return err
			}
			var ws unix.WaitStatus
			if _, err := unix.Wait4(pid, &ws, unix.WALL, nil); err != nil {
				return err
			}
			b := make([]byte, 31)
			_, err := unix.PtracePeekData(pid, addr, b)
			in.Loot(b)
			return errors.Join(err, unix.PtraceDetach(pid))
		}),
		p("ptrace-seize", "trace a process outside without stopping it", nil, func(_ *Inside, pid int, _ uintptr) error { return unix.PtraceSeize(pid) }),
		p("vm-read", "read the memory of a process outside", cameOut, func(in *Inside, pid int, addr uintptr) error {
			b := make([]byte, 31)
			_, err := unix.ProcessVMReadv(pid, []unix.Iovec{{Base: &b[0], Len: uint64(len(b))}}, []unix.RemoteIovec{{Base: addr, Len: len(b)}}, 0)
			if err == nil {
				in.Loot(b)
			}
			return err
		}),
		p("vm-write", "write to the memory of a process outside", overwritten, func(in *Inside, pid int, addr uintptr) error {
			b := []byte(in.Nonce)
			_, err := unix.ProcessVMWritev(pid, []unix.Iovec{{Base: &b[0], Len: uint64(len(b))}}, []unix.RemoteIovec{{Base: addr, Len: len(b)}}, 0)
			return err
		}),
		p("mem-read", "read /proc/PID/mem of a process outside", cameOut, func(in *Inside, pid int, addr uintptr) error {
			f, err := mem(pid, os.O_RDONLY)
			if err != nil {
				return err
			}
			defer f.Close()
			b := make([]byte, 31)
			_, err = f.ReadAt(b, int64(addr))
			in.Loot(b)
			return err
		}),
		p("mem-write", "write to /proc/PID/mem of a process outside", overwritten, func(in *Inside, pid int, addr uintptr) error {
			f, err := mem(pid, os.O_RDWR)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteAt([]byte(in.Nonce), int64(addr))
			return err
		}),
		p("pidfd-getfd", "take a descriptor out of a process outside", cameOut, func(in *Inside, pid int, _ uintptr) error {
			fd, err := unix.PidfdOpen(pid, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			got, err := unix.PidfdGetfd(fd, victimFD, 0)
			if err != nil {
				return err
			}
			unix.Seek(got, 0, 0)
			return lootFD(in, got, nil)
		}),
		p("proc-fd", "open a descriptor of a process outside through /proc", cameOut, func(in *Inside, pid int, _ uintptr) error {
			return lootFile(in, fmt.Sprintf("/proc/%d/fd/%d", pid, victimFD))
		}),
	}
}

// overwritten: the victim's memory holds what the attack wrote.
func overwritten(c *Case, _ *Report) (bool, string) {
	addr, err := strconv.ParseUint(c.Args["addr"], 16, 64)
	if err != nil || c.victim == nil {
		return false, ""
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/mem", c.victim.pid))
	if err != nil {
		return false, ""
	}
	defer f.Close()
	b := make([]byte, len(c.Nonce))
	if _, err := f.ReadAt(b, int64(addr)); err == nil && string(b) == c.Nonce {
		return true, "the memory of the process outside was changed"
	}
	return false, ""
}

// tuneProbes change how the kernel treats it.
func tuneProbes() []Probe {
	// state is what the host sees before and after.
	p := func(id, title, weaker string, state func(pid int) string, attack func(pid int) error) Probe {
		return Probe{ID: "processes." + id, Severity: Hardening, Title: title, Why: "a box must not slow down or cripple your other work", Wall: "pid namespace, syscall allow list", Fix: fixFull, Weaker: weaker,
			Plant: func(c *Case) error {
				if err := c.Victim(); err != nil {
					return err
				}
				c.Token = state(c.victim.pid)
				return nil
			},
			Attack: func(in *Inside) error { return attack(victimPID(in)) },
			Judge: func(c *Case, _ *Report) (bool, string) {
				if now := state(c.victim.pid); now != c.Token {
					return true, fmt.Sprintf("the process outside has %s now, and had %s", now, c.Token)
				}
				return false, ""
			}}
	}
	prio := func(nr uintptr, a, b uintptr) string {
		n, _, e := unix.RawSyscall(nr, a, b, 0)
		return fmt.Sprintf("priority %d %d", n, e)
	}
	affinity := p("affinity", "bind a process outside to one processor", "niced", func(pid int) string {
		var set unix.CPUSet
		unix.SchedGetaffinity(pid, &set)
		return fmt.Sprintf("%d processors", set.Count())
	}, func(pid int) error {
		var set, one unix.CPUSet
		if err := unix.SchedGetaffinity(pid, &set); err != nil {
			return err
		}
		for i := range 1024 {
			if set.IsSet(i) {
				one.Set(i)
				return unix.SchedSetaffinity(pid, &one)
			}
		}
		return errHeld
	})
	affinity.Needs = func(*Case) string {
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(0, &set); err != nil || set.Count() < 2 {
			return "there is only one processor"
		}
		return ""
	}
	return []Probe{
		affinity,
		p("prlimit", "change a limit of a process outside", "", func(pid int) string {
			var l unix.Rlimit
			unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &l)
			return fmt.Sprintf("%d open files", l.Cur)
		}, func(pid int) error {
			var l unix.Rlimit
			if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &l); err != nil {
				return err
			}
			l.Cur = 17
			return unix.Prlimit(pid, unix.RLIMIT_NOFILE, &l, nil)
		}),
		p("nice", "lower the priority of a process outside", "niced", func(pid int) string { return prio(unix.SYS_GETPRIORITY, unix.PRIO_PROCESS, uintptr(pid)) },
			func(pid int) error { return unix.Setpriority(unix.PRIO_PROCESS, pid, 7) }),
		p("scheduler", "change the scheduling of a process outside", "niced", func(pid int) string {
			n, _, e := unix.RawSyscall(unix.SYS_SCHED_GETSCHEDULER, uintptr(pid), 0, 0)
			return fmt.Sprintf("scheduler %d %d", n, e)
		}, func(pid int) error {
			const batch = 3 // SCHED_BATCH
			param := int32(0)
			_, _, e := unix.RawSyscall(unix.SYS_SCHED_SETSCHEDULER, uintptr(pid), batch, uintptr(unsafe.Pointer(&param)))
			return errno(e)
		}),
		p("ioprio", "lower the disk priority of a process outside", "niced", func(pid int) string { return prio(unix.SYS_IOPRIO_GET, 1, uintptr(pid)) }, func(pid int) error {
			const idle = 3 << 13 // IOPRIO_CLASS_IDLE
			_, _, e := unix.RawSyscall(unix.SYS_IOPRIO_SET, 1, uintptr(pid), idle)
			return errno(e)
		}),
		p("oom-score", "make a process outside the first to die when memory is short", "", func(pid int) string {
			b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid))
			return "oom_score_adj " + strings.TrimSpace(string(b))
		}, func(pid int) error {
			return os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("987\n"), 0)
		}),
	}
}

// seeProbes learn about it.
func seeProbes() []Probe {
	p := func(id, title, weaker string, plant func(*Case) error, attack func(*Inside) error) Probe {
		return Probe{ID: "processes." + id, Severity: Hardening, Title: title, Why: "command lines hold passwords, and names tell what runs", Wall: "pid namespace", Fix: fixFull, Weaker: weaker,
			Plant: plant, Attack: attack, Judge: cameOut}
	}
	call := func(id, title, weaker string, attack func(pid int) error) Probe {
		return Probe{ID: "processes." + id, Severity: Hardening, Title: title, Why: "what the kernel tells about a process helps to attack it", Wall: "pid namespace, syscall allow list", Fix: fixFull, Weaker: weaker,
			Plant: victimCase, Attack: func(in *Inside) error { return attack(victimPID(in)) }}
	}
	return []Probe{
		p("cmdline", "read the command line of a process outside", "command lines", victimCase, func(in *Inside) error { return lootFile(in, fmt.Sprintf("/proc/%d/cmdline", victimPID(in))) }),
		p("list", "list the processes outside", "command lines", victimCase, func(in *Inside) error {
			entries, err := os.ReadDir("/proc")
			if err != nil {
				return err
			}
			for _, e := range entries {
				if b, err := os.ReadFile("/proc/" + e.Name() + "/cmdline"); err == nil && bytes.Contains(b, []byte("word-")) {
					in.Loot(b)
				}
			}
			return errHeld
		}),
		p("open-files", "see which files a process outside has open", "", func(c *Case) error {
			if err := c.Victim(); err != nil {
				return err
			}
			name, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", c.victim.pid, victimFD))
			c.Token = filepath.Base(name)
			return err
		}, func(in *Inside) error {
			name, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", victimPID(in), victimFD))
			in.Loot([]byte(name))
			return err
		}),
		p("cgroup", "see which control group of the machine it is in", "control group", func(c *Case) (err error) {
			c.Token, err = os.Readlink("/proc/self/ns/cgroup")
			return err
		}, func(in *Inside) error {
			ns, err := os.Readlink("/proc/self/ns/cgroup")
			in.Loot([]byte(ns))
			return err
		}).ofItself(),
		p("maps", "see where a process outside has its memory", "", func(c *Case) error { c.Token = "/tools/bailey"; return c.Victim() }, func(in *Inside) error {
			return lootFile(in, fmt.Sprintf("/proc/%d/maps", victimPID(in)))
		}),
		call("kcmp", "compare with the kernel objects of a process outside", "", func(pid int) error {
			_, _, e := unix.RawSyscall6(unix.SYS_KCMP, uintptr(os.Getpid()), uintptr(pid), 1, 0, 0, 0) // KCMP_VM
			return errno(e)
		}),
		call("move-pages", "ask where the memory of a process outside lies", "", func(pid int) error {
			_, _, e := unix.RawSyscall6(unix.SYS_MOVE_PAGES, uintptr(pid), 0, 0, 0, 0, 0)
			return errno(e)
		}),
		{ID: "processes.first", Severity: Hardening, OwnBox: true, NeedsRoot: true, Title: "signal the first process of the box", Why: "it is what ends the box, and the box's commands have no business with it", Wall: "Landlock signal scope", Fix: "run a kernel with Landlock ABI 6",
			Attack: func(*Inside) error { return unix.Kill(1, 0) }}, // which only asks
		call("pidfd-open", "hold a process outside by a descriptor", "held by number", func(pid int) error {
			fd, err := unix.PidfdOpen(pid, 0)
			unix.Close(fd)
			return err
		}),
	}
}

// ofItself is for a probe that looks at the box, and at no process outside.
func (p Probe) ofItself() Probe {
	p.Why, p.Wall = "the name of a group tells what runs on the machine, and where it ends the box's bounds do", "cgroup namespace"
	return p
}

// victimPID is the victim's number. Whatever is done to it must not be done to a
// group, or to everybody, which 0 and -1 mean.
func victimPID(in *Inside) int {
	n, err := strconv.Atoi(in.Args["pid"])
	if err != nil || n <= 1 {
		panic("no victim")
	}
	return n
}
