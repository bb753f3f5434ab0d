//go:build linux

package linux

import (
	"bytes"
	"maps"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/plan"
)

// Report says which walls the box really has. What can be read back from the
// kernel now is: a start does not wait for that, because the steps that each
// command goes through before it is executed have checked the same from inside.
func (b *Box) Report() Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	abi, _ := landlockABI()
	r := Report{Tier: string(b.plan.Tier), Landlock: abi, Walls: b.walls(), Network: b.gateway}
	if b.options.Proxy != nil {
		r.Network = "proxy"
	}
	seen := b.read()
	for i := range r.Walls {
		w := &r.Walls[i]
		for j := range w.Mechanisms {
			m := &w.Mechanisms[j]
			if f, ok := seen[m.Name]; ok && m.Held {
				m.Held, m.How = f.held, plan.HowRead
				if f.detail != "" {
					m.Detail = f.detail
				}
			}
		}
		w.Judge()
		if w.Status == plan.Missing && w.Accepted == nil {
			w.Accepted = b.accepted(w.ID)
		}
	}
	return r
}

// found is what was read of one mechanism.
type found struct {
	held   bool
	detail string
}

// read reads back what it can: of pid 1, which lives as long as the box, and of
// the newest command, as long as that has not been waited for.
func (b *Box) read() map[string]found {
	out := map[string]found{}
	if b.closed {
		return out
	}
	if b.pid1 > 0 {
		b.readNamespaces(out)
		b.readScratch(out)
	}
	b.readCgroup(out)
	if p := b.newest; p != nil {
		seen := map[string]found{}
		b.readCommand(seen, p.PID)
		// Once it has been waited for, its number may be another's. This goes by a
		// descriptor of the process, and says that it has not been.
		if p.Signal(unix.Signal(0)) == nil {
			maps.Copy(out, seen)
		}
	}
	return out
}

func (b *Box) readNamespaces(out map[string]found) {
	for _, ns := range [...]struct{ file, name string }{
		{"net", plan.ByNetNS}, {"pid", plan.ByPidNS}, {"ipc", plan.ByIPCNS}, {"mnt", plan.ByTree},
	} {
		ours, err := os.Readlink("/proc/self/ns/" + ns.file)
		if err != nil {
			continue
		}
		its, err := os.Readlink("/proc/" + strconv.Itoa(b.pid1) + "/ns/" + ns.file)
		if err != nil {
			continue // it has just ended, or an LSM forbids looking
		}
		f := found{its != ours, its}
		if !f.held {
			f.detail = "the box is in the namespace of its supervisor, " + ours
		}
		out[ns.name] = f
	}
}

// readScratch asks the box's own file system, which all scratch directories share,
// how large it may become.
func (b *Box) readScratch(out map[string]found) {
	want := b.plan.Limits.Scratch
	for i := range b.plan.Tree {
		n := &b.plan.Tree[i]
		if want <= 0 || n.Kind != plan.Scratch {
			continue
		}
		var st unix.Statfs_t
		if unix.Statfs("/proc/"+strconv.Itoa(b.pid1)+"/root"+n.Path, &st) != nil {
			return
		}
		size := int64(st.Blocks) * st.Bsize
		// The tree itself lies on it too. The kernel rounds up to pages.
		held := st.Type == unix.TMPFS_MAGIC && st.Blocks > 0 && size <= want+rootSize+int64(os.Getpagesize())
		out[plan.ByTmpfs] = found{held, strconv.FormatInt(size, 10) + " bytes, the file tree included"}
		return
	}
}

func (b *Box) readCommand(out map[string]found, pid int) {
	dir := "/proc/" + strconv.Itoa(pid)
	if text, err := os.ReadFile(dir + "/status"); err == nil {
		st := parseStatus(text)
		note := func(name, field string, ok func(string) bool) {
			if v, have := st[field]; have {
				out[name] = found{ok(v), field + ": " + v}
			}
		}
		is := func(want string) func(string) bool { return func(v string) bool { return v == want } }
		note(plan.ByFilter, "Seccomp", is("2"))
		note(plan.ByNoNewPrivs, "NoNewPrivs", is("1"))
		note(plan.ByCapset, "CapPrm", zero)
		for _, set := range [...]string{"CapInh", "CapEff", "CapAmb"} {
			if v, have := st[set]; have && !zero(v) {
				out[plan.ByCapset] = found{false, set + ": " + v}
			}
		}
		note(plan.ByBounding, "CapBnd", zero)
	}
	l := &b.plan.Limits
	for _, r := range [...]struct {
		name string
		res  int
		want int64
	}{
		{plan.ByNproc, unix.RLIMIT_NPROC, l.Pids}, {plan.ByCPU, unix.RLIMIT_CPU, l.CPU},
		{plan.ByFsize, unix.RLIMIT_FSIZE, l.FileSize}, {plan.ByNofile, unix.RLIMIT_NOFILE, l.OpenFiles},
	} {
		var have unix.Rlimit
		if r.want > 0 && unix.Prlimit(pid, r.res, nil, &have) == nil {
			// The command may have lowered its own.
			out[r.name] = found{have.Max <= uint64(r.want), "hard limit " + strconv.FormatUint(have.Max, 10)}
		}
	}
}

func zero(hex string) bool { return hex != "" && string(bytes.Trim([]byte(hex), "0")) == "" }

func (b *Box) readCgroup(out map[string]found) {
	if b.cgroup == "" {
		return
	}
	for _, f := range [...]struct {
		name, file string
		want       int64
	}{{plan.ByCgroupMemory, "memory.max", b.plan.Limits.Memory}, {plan.ByCgroupPids, "pids.max", b.plan.Limits.Pids}} {
		text, err := os.ReadFile(b.cgroup + "/" + f.file)
		if f.want <= 0 || err != nil {
			continue
		}
		have := string(bytes.TrimSpace(text))
		n, err := strconv.ParseInt(have, 10, 64)
		out[f.name] = found{err == nil && n <= f.want, f.file + " is " + have}
	}
}

// parseStatus reads /proc/PID/status. The first line of a name counts: a program
// chooses its own name, which the kernel escapes, and which comes first.
func parseStatus(text []byte) map[string]string {
	out := map[string]string{}
	for line := range bytes.Lines(text) {
		key, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		if _, have := out[string(key)]; !have {
			out[string(key)] = string(bytes.TrimSpace(value))
		}
	}
	return out
}
