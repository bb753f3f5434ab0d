//go:build linux

package linux

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/policy"
)

// reservedPids are the low numbers that the kernel does not give out again after
// it has wrapped around (RESERVED_PIDS), so pid_max must lie above them.
const reservedPids = 300

// pidMax returns the bound on process numbers that this box's pid namespace
// gets. RLIMIT_NPROC, which bounds other boxes, does not apply to processes
// whose host uid is 0, so a box of root's is bounded by the numbers there are.
// Before Linux 6.14 the setting is the whole machine's: never touched there.
func (b *Box) pidMax() int64 {
	pl := b.plan
	if b.options.fault.oldKernel || pl.Identity.HostUID != 0 || pl.Limits.Pids <= 0 || !kernelAtLeast(6, 14) {
		return 0
	}
	return pl.Limits.Pids + reservedPids + 1
}

// kernelAtLeast compares the running kernel's version.
func kernelAtLeast(major, minor int) bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	parts := strings.SplitN(unix.ByteSliceToString(u.Release[:]), ".", 3)
	if len(parts) < 2 {
		return false
	}
	have, err := strconv.Atoi(parts[0])
	if err != nil {
		return false
	}
	if have != major {
		return have > major
	}
	have, err = strconv.Atoi(strings.TrimRight(parts[1], "-+abcdefghijklmnopqrstuvwxyz"))
	return err == nil && have >= minor
}

// cgroupCount tells the cgroups of one supervisor apart.
var cgroupCount atomic.Int64

// makeCgroup makes the box's own cgroup and sets its limits. The directory's
// name holds our pid, so that a later run can remove what a killed one left.
func (b *Box) makeCgroup() error {
	l := b.plan.Limits
	sweepCgroups(l.Cgroup)
	dir := filepath.Join(l.Cgroup, "bailey-"+strconv.Itoa(os.Getpid())+"-"+strconv.FormatInt(cgroupCount.Add(1), 10))
	err := b.options.fault.own.at("make cgroup")
	if err == nil {
		err = os.Mkdir(dir, 0o755)
	}
	if err != nil {
		return &SetupError{Step: "make cgroup " + dir, Errno: errnoOf(err)}
	}
	b.cgroup = dir
	set := func(file string, v int64) error {
		if v <= 0 {
			return nil
		}
		err := b.options.fault.own.at("set " + file)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, file), []byte(strconv.FormatInt(v, 10)), 0)
		}
		if err != nil {
			return &SetupError{Step: "set " + file + " of cgroup " + dir, Errno: errnoOf(err)}
		}
		return nil
	}
	if err := set("memory.max", l.Memory); err != nil {
		return err
	}
	return set("pids.max", l.Pids)
}

// sweepCgroups removes empty cgroups of supervisors that were killed. rmdir
// fails for one that is in use, so nothing alive can be hit.
func sweepCgroups(parent string) {
	old, _ := filepath.Glob(filepath.Join(parent, "bailey-*-*"))
	for _, d := range old {
		unix.Rmdir(d)
	}
}

func errnoOf(err error) unix.Errno {
	for err != nil {
		if e, ok := err.(unix.Errno); ok {
			return e
		}
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			break
		}
		err = u.Unwrap()
	}
	return unix.EIO
}

// memoryInterval is how often the memory of a box without a cgroup is looked at.
// A process can take a few GiB a second, so a shorter interval would bound the
// overshoot better and cost a busy box more: reading 100 processes takes about a
// millisecond.
const memoryInterval = 250 * time.Millisecond

// watchable says whether the box has a limit that only a look from time to time
// holds: no cgroup, and a pid namespace to look into.
func (b *Box) watchable() bool {
	return b.plan.Tier == policy.TierFull && b.plan.Limits.Cgroup == "" && (b.plan.Limits.Memory > 0 || b.watchesPids())
}

// watchesPids says that nothing else bounds the number of processes.
func (b *Box) watchesPids() bool {
	l := &b.plan.Limits
	return b.plan.Identity.HostUID == 0 && l.Pids > 0 && l.Cgroup == "" && b.pidMax() == 0
}

// watchLimits kills the box when it is seen to use more than its limits. It costs
// nothing before the first look.
func (b *Box) watchLimits() {
	l := &b.plan.Limits
	pids := int64(0)
	if b.watchesPids() {
		pids = l.Pids
	}
	proc := -1
	b.mu.Lock() // on a busy machine the first look may come before its timer is kept
	defer b.mu.Unlock()
	b.watch = time.AfterFunc(memoryInterval, func() {
		if proc < 0 {
			var err error
			proc, err = unix.Open("/proc/"+strconv.Itoa(b.pid1)+"/root/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			if err != nil {
				return // pid 1 is gone, and the box with it
			}
		}
		used, tasks := inUse(proc, pids > 0)
		name, limit, have := "memory", l.Memory, used
		if pids > 0 && tasks > pids {
			name, limit, have = "pids", pids, tasks
		}
		over := limit > 0 && have > limit
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.closed || over {
			unix.Close(proc)
		}
		if b.closed {
			return
		}
		if !over {
			b.watch.Reset(memoryInterval)
			return
		}
		if b.options.Limit != nil {
			b.options.Limit(name, limit, have)
		}
		unix.PidfdSendSignal(b.pid1FD, unix.SIGKILL, nil, 0)
	})
}

// inUse adds up the private memory of all processes that the procfs at dir
// shows, and what the scratch file system holds; and, when asked to, their
// threads.
func inUse(dir int, threads bool) (total, tasks int64) {
	fd, err := unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, 0
	}
	f := os.NewFile(uintptr(fd), "proc")
	defer f.Close()
	names, _ := f.Readdirnames(-1)
	page := int64(os.Getpagesize())
	var buf [256]byte
	for _, n := range names {
		if n[0] < '1' || n[0] > '9' {
			continue
		}
		if threads {
			// A directory has two links of its own, and this one one for each thread.
			var st unix.Stat_t
			if unix.Fstatat(dir, n+"/task", &st, 0) == nil {
				tasks += max(int64(st.Nlink)-2, 1)
			}
		}
		s, err := unix.Openat(dir, n+"/statm", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		k, _ := unix.Read(s, buf[:])
		unix.Close(s)
		total += privatePages(buf[:max(k, 0)]) * page
	}
	for _, scratch := range []string{"../tmp", "../dev/shm"} {
		s, err := unix.Openat(dir, scratch, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		var st unix.Statfs_t
		if unix.Fstatfs(s, &st) == nil && st.Type == unix.TMPFS_MAGIC {
			total += int64(st.Blocks-st.Bfree) * st.Bsize
			unix.Close(s)
			break // all scratch directories lie on one file system
		}
		unix.Close(s)
	}
	return total, tasks
}

// privatePages reads /proc/PID/statm: what is resident, less what is shared.
func privatePages(statm []byte) int64 {
	var n [3]int64
	rest := statm
	for i := range n {
		rest = bytes.TrimLeft(rest, " ")
		word := rest
		if at := bytes.IndexAny(rest, " \n"); at >= 0 {
			word, rest = rest[:at], rest[at:]
		} else {
			rest = nil
		}
		v, err := strconv.ParseUint(string(word), 10, 40) // pages: 4 EiB
		if err != nil {
			return 0
		}
		n[i] = int64(v)
	}
	return max(n[1]-n[2], 0)
}
