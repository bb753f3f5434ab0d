//go:build linux

package probe

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// resourceProbes look for bounds. What is used up would be the machine's, so the
// bounds are looked at, and only small amounts are taken.
func resourceProbes() []Probe {
	p := func(id, title, why, wall, fix string, root bool, attack func(*Inside) error) Probe {
		return Probe{ID: "resources." + id, Severity: Resource, Title: title, Why: why, Wall: wall, Fix: fix, NeedsRoot: root, Attack: attack}
	}
	// unbounded: the hard limit is more than any box needs.
	unbounded := func(which int, most uint64) func(*Inside) error {
		return func(*Inside) error {
			var l unix.Rlimit
			if err := unix.Getrlimit(which, &l); err != nil {
				return err
			}
			if l.Max <= most {
				return fmt.Errorf("%w: the limit is %d", errHeld, l.Max)
			}
			return nil
		}
	}
	const (
		fixLimits = "set the limit in the policy"
		most      = 1 << 50 // bytes: no disk
	)
	// bounded keeps a probe for machines that do not bound it themselves.
	bounded := func(q Probe) Probe {
		attack := q.Attack
		q.Needs = func(*Case) string {
			if err := attack(nil); err != nil {
				return "this machine bounds it without walls, too: " + err.Error()
			}
			return ""
		}
		return q
	}
	// has keeps one for a root that has a capability, which in a container it may not.
	has := func(which uint, q Probe) Probe {
		return rootCan(q, func(*Case) error {
			if !capable(which) {
				return unix.EPERM
			}
			return nil
		})
	}
	return []Probe{
		bounded(p("core-dumps", "leave a core dump", "on many machines the kernel hands core dumps to a program outside, as root", "the limit on core files is zero", "ulimit -Hc 0", false, unbounded(unix.RLIMIT_CORE, 0))),
		bounded(p("processes", "find no bound on processes", "a fork bomb takes the machine down", "a limit on processes", fixLimits, false, func(in *Inside) error {
			var l unix.Rlimit
			const rlimitNproc = 6
			if err := unix.Getrlimit(rlimitNproc, &l); err == nil && l.Max <= 1<<16 && !mapsEverybody() {
				return fmt.Errorf("%w: the limit is %d", errHeld, l.Max)
			}
			if group := boundedGroup("pids.max"); group != "" {
				return fmt.Errorf("%w: %s", errHeld, group)
			}
			return nil
		})),
		bounded(p("file-size", "write a file without a bound", "one file fills the disk", "a limit on the size of files", fixLimits, false, unbounded(unix.RLIMIT_FSIZE, most))),
		bounded(p("open-files", "open files without a bound", "the machine's table of open files is one for all", "a limit on open files", fixLimits, false, unbounded(unix.RLIMIT_NOFILE, 1<<19))),
		p("tmp", "fill the host's disk or memory through /tmp", "other programs find no room for their own files", "a /tmp of its own, of a bounded size", "scratch in the policy", false, sameRoom("/tmp")).announced("fill the host"),
		p("dev-shm", "fill the host's memory through /dev/shm", "other programs find no memory", "a /dev/shm of its own, of a bounded size", "scratch in the policy", false, sameRoom("/dev/shm")).announced("fill the host"),
		has(unix.CAP_SYS_NICE, p("priority", "run before everybody else (nice)", "a box must not slow down your other work", "no capabilities", "run without host root", true, func(*Inside) error { return unix.Setpriority(unix.PRIO_PROCESS, 0, -5) })),
		has(unix.CAP_SYS_NICE, p("realtime", "run before everybody else (real time)", "a loop in real time stops a processor", "no capabilities", "run without host root", true, func(*Inside) error { return realtime() })),
		has(unix.CAP_SYS_RESOURCE, p("oom-score", "be the last to die when memory is short", "your other work dies in its place", "procfs is read-only, no capabilities", "run without host root", true, func(*Inside) error { return os.WriteFile("/proc/self/oom_score_adj", []byte("-500\n"), 0) })),
		has(unix.CAP_SYS_RESOURCE, p("lift-limit", "raise a hard limit", "a bound that can be lifted is none", "no capabilities", "run without host root", true, func(*Inside) error {
			var l unix.Rlimit
			if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
				return err
			}
			l.Max++
			return unix.Setrlimit(unix.RLIMIT_NOFILE, &l)
		})),
	}
}

// mapsEverybody says whether the process is in the machine's own user namespace as
// root, for whom the limit on processes does not count.
func mapsEverybody() bool {
	b, _ := os.ReadFile("/proc/self/uid_map")
	f := strings.Fields(string(b))
	return os.Geteuid() == 0 && len(f) == 3 && f[2] == "4294967295"
}

// boundedGroup names a control group above this process that has a bound.
func boundedGroup(file string) string {
	b, _ := os.ReadFile("/proc/self/cgroup")
	for l := range strings.Lines(string(b)) {
		parts := strings.SplitN(strings.TrimSpace(l), ":", 3)
		if len(parts) != 3 {
			continue
		}
		top := "/sys/fs/cgroup/" + strings.TrimPrefix(parts[1], "name=")
		if v, err := os.ReadFile(strings.TrimSuffix(top, "/") + parts[2] + "/" + file); err == nil && strings.TrimSpace(string(v)) != "max" {
			return parts[2] + " has " + strings.TrimSpace(string(v))
		}
	}
	return ""
}

// sameRoom says whether a directory shares its room with the host: inside it is as
// large as the half of the machine's memory, or the disk.
func sameRoom(dir string) func(*Inside) error {
	return func(in *Inside) error {
		var st, ws unix.Statfs_t
		if err := unix.Statfs(dir, &st); err != nil {
			return err
		}
		if err := unix.Statfs(in.WS, &ws); err == nil && ws.Fsid == st.Fsid {
			return nil // the disk that the workspace is on
		}
		var info unix.Sysinfo_t
		if err := unix.Sysinfo(&info); err != nil {
			return err
		}
		if room := st.Blocks * uint64(st.Bsize); room > 0 && room < uint64(info.Totalram)*uint64(info.Unit)/2*9/10 {
			return fmt.Errorf("%w: it has room for %d bytes", errHeld, room)
		}
		return nil
	}
}
