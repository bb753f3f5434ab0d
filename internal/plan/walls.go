package plan

import (
	"fmt"
	"strconv"
	"time"

	"github.com/bailey-run/bailey/internal/policy"
)

// A builder writes the list of walls of one plan.
type builder struct {
	c    *compiler
	weak bool // tier landlock
	root bool // the box's processes are uid 0 of the host
}

// walls says what the policy asks for and what is expected to hold it here. It
// comes last: it describes the plan.
func (c *compiler) walls() {
	b := &builder{c: c, weak: c.pl.Tier == policy.TierLandlock, root: c.pl.Identity.HostUID == 0}
	c.pl.Accept = c.p.Accept
	c.pl.Walls = make([]Wall, 0, len(policy.Walls()))
	if c.pl.Tier == policy.TierNone {
		from := sourceOf(c.p.Mode.From)
		for _, id := range policy.Walls() {
			c.pl.Walls = append(c.pl.Walls, Wall{ID: id, Status: NotRequested, Sources: from})
		}
		return
	}
	b.files()
	b.outside()
	b.powers()
	b.landlock()
	b.limits()
}

// by is a mechanism that is expected to hold.
func by(name string) Mechanism { return Mechanism{Name: name, Held: true, How: HowPredicted} }

// without is a mechanism that cannot be had here.
func without(name, why string) Mechanism { return Mechanism{Name: name, Detail: why} }

// part is a mechanism that holds a part of its wall.
func part(m Mechanism) Mechanism {
	m.Part = true
	return m
}

// onlyIf is by or without.
func onlyIf(ok bool, name, why string) Mechanism {
	if ok {
		return by(name)
	}
	return without(name, why)
}

// add appends a wall and judges it.
func (b *builder) add(w Wall) {
	if w.Requested == "" {
		w.Mechanisms = nil
	}
	w.Judge()
	if w.Status == Missing {
		w.Accepted = b.accepted(w.ID)
	}
	b.c.pl.Walls = append(b.c.pl.Walls, w)
}

// accepted is the rule that lets the wall id be missing, if there is one. What
// tier landlock can hold on no machine is accepted with the tier.
func (b *builder) accepted(id string) *policy.Source {
	for i := range b.c.p.Accept {
		if b.c.p.Accept[i].V == id {
			return &b.c.p.Accept[i].From
		}
	}
	if b.weak && b.weakTierLacks(id) {
		return &b.c.p.MinTier.From
	}
	return nil
}

// weakTierLacks says that tier landlock holds the wall id nowhere: whoever asks
// for the tier has accepted that. A cgroup, where there is one, holds memory all
// the same.
func (b *builder) weakTierLacks(id string) bool {
	switch id {
	case policy.WallMemory, policy.WallScratch:
		return true
	case policy.WallPids: // no kernel counts root's processes without a namespace or a cgroup
		return b.c.pl.Identity.HostUID == 0
	}
	return false
}

// files are the walls around the host's files.
func (b *builder) files() {
	c, p := b.c, b.c.p
	abi := c.f.Kernel.LandlockABI
	noABI := "this kernel has no Landlock"

	read := Wall{ID: policy.WallRead, Requested: "of the host's files only what the policy names can be seen",
		Sources: sources(p.Files.Read, p.Files.System, p.Files.Etc)}
	write := Wall{ID: policy.WallWrite, Requested: "nothing of the host can be changed outside the writable directories",
		Sources: append(sourceOf(p.Mode.From), sources(p.Files.Write)...)}
	names := Wall{ID: policy.WallNames, Sources: sources(p.Files.Protect)}
	if len(c.pl.Writable) > 0 {
		names.Requested = "protected names cannot be made or changed"
	}
	deny := Wall{ID: policy.WallDeny, Sources: sources(p.Files.Deny)}
	if len(p.Files.Deny) > 0 {
		deny.Requested = "denied paths and patterns are hidden"
	}
	if b.weak {
		read.Mechanisms = []Mechanism{by(ByLandlockRead)}
		read.limit = "whether a file exists, its size and its owner can be asked for by full path"
		write.Mechanisms = []Mechanism{by(ByLandlockWrite), part(by(ByBroker))}
		write.limit = "modes, owners, times and extended attributes are held by the name broker alone"
		if c.pl.Mode == policy.ReadOnly {
			write.limit = "held by Landlock alone"
		}
		names.Mechanisms = []Mechanism{by(ByBroker)}
		names.limit = "without read-only mounts over what is there"
		deny.Mechanisms = []Mechanism{by(ByBroker)}
		deny.limit = "that a denied file exists can be seen"
	} else {
		read.Mechanisms = []Mechanism{by(ByTree)}
		if c.pl.Landlock.Strict || p.Files.Strict.V {
			read.Mechanisms = append(read.Mechanisms, onlyIf(abi > 0, ByLandlockRead, noABI))
		}
		write.Mechanisms = []Mechanism{by(ByReadOnly), onlyIf(abi > 0, ByLandlockWrite, noABI)}
		names.Mechanisms = []Mechanism{by(ByBroker), part(by(ByPins))}
		deny.Mechanisms = []Mechanism{by(ByMasks)}
		if c.pl.Syscalls.Reads {
			deny.Mechanisms = []Mechanism{by(ByBroker), part(by(ByMasks))}
		}
	}
	b.add(read)
	b.add(write)
	b.add(deny)
	b.add(names)
}

// outside are the walls towards everything else outside.
func (b *builder) outside() {
	abi := b.c.f.Kernel.LandlockABI
	network := Wall{ID: policy.WallNetwork, Requested: "no address outside the box can be reached, abstract unix sockets included"}
	if n := b.c.pl.Network; n != nil {
		network.Requested = "no address outside the box can be reached but through the gate, which decides by name; abstract unix sockets included"
		network.Sources = n.From
	}
	processes := Wall{ID: policy.WallProcesses, Requested: "no process outside can be seen, looked into, traced or signalled"}
	lifetime := Wall{ID: policy.WallLifetime, Requested: "what the box started ends with it, and with bailey"}
	ipc := Wall{ID: policy.WallIPC, Requested: "System V shared memory, semaphores and message queues of the host are out of reach"}
	if b.weak {
		network.Mechanisms = []Mechanism{by(ByFilterSockets), onlyIf(abi >= abiTCP, ByLandlockTCP, "it needs ABI 4")}
		processes.Mechanisms = []Mechanism{onlyIf(abi >= abiScope, ByLandlockScope, "it needs ABI 6")}
		processes.limit = "the processes of the host are listed in /proc with their command lines"
		lifetime.Mechanisms = []Mechanism{by(ByGuard)}
		lifetime.limit = "processes that leave the session are ended by bailey's guard, not by the kernel"
		ipc.Mechanisms = []Mechanism{by(ByFilterIPC)}
	} else {
		network.Mechanisms = []Mechanism{by(ByNetNS)}
		processes.Mechanisms = []Mechanism{by(ByPidNS), onlyIf(abi >= abiScope, ByLandlockScope, "it needs ABI 6")}
		lifetime.Mechanisms = []Mechanism{by(ByInit)}
		ipc.Mechanisms = []Mechanism{by(ByIPCNS)}
	}
	b.add(network)
	b.add(processes)
	b.add(lifetime)
	b.add(ipc)
}

// powers are the walls around what a process may do at all.
func (b *builder) powers() {
	p := b.c.p
	kernel := Wall{ID: policy.WallKernel, Requested: "only the system calls on the list can be made", Mechanisms: []Mechanism{by(ByFilter)}}
	if p.Process.Debug.V {
		kernel.Requested += ", and those of debuggers"
		kernel.Sources = sourceOf(p.Process.Debug.From)
	}
	b.add(kernel)
	caps := []Mechanism{by(ByCapset), by(ByBounding)}
	if b.weak && b.c.f.UID != 0 {
		caps = caps[:1] // an ordinary user has no right to empty the other, and nothing in it
	}
	b.add(Wall{ID: policy.WallCapabilities, Requested: "no capability, and no way to get one", Mechanisms: caps})
	b.add(Wall{ID: policy.WallNoNewPrivs, Requested: "set-user-id programs gain nothing", Mechanisms: []Mechanism{by(ByNoNewPrivs)}})
	b.add(Wall{ID: policy.WallEnvironment, Requested: "only named variables get in", Mechanisms: []Mechanism{by(ByEnv)},
		Sources: sources(p.Env.Allow, p.Env.Deny)})
	b.add(Wall{ID: policy.WallFDs, Requested: "no inherited descriptor but 0, 1 and 2", Mechanisms: []Mechanism{by(ByCloseRange)}})
	b.add(Wall{ID: policy.WallKeyring, Requested: "the caller's keyrings are out of reach", Mechanisms: []Mechanism{by(ByFilterKeys), by(ByKeyring)}})
	b.add(Wall{ID: policy.WallTerminal, Requested: "no input can be put into the caller's terminal", Mechanisms: []Mechanism{by(BySession), by(ByFilterTerminal)}})
}

// landlock are the parts of the second layer. In tier full it stands behind
// mounts and namespaces, which hold what it holds: a kernel without it makes them
// the only layer, which is weaker and not missing. It is a wall of its own when
// files.strict asks for it, and in tier landlock.
func (b *builder) landlock() {
	c := b.c
	abi := c.f.Kernel.LandlockABI
	have := "this kernel has none"
	if abi > 0 {
		have = "this kernel has ABI " + strconv.Itoa(abi)
	}
	second := func(id, name, what string, asked bool, need int, first string) {
		w := Wall{ID: id}
		if asked {
			w.Requested = what
			w.Mechanisms = []Mechanism{onlyIf(abi >= need, name, have+", and it needs ABI "+strconv.Itoa(need))}
			if first != "" {
				w.Mechanisms = append(w.Mechanisms, by(first))
				w.why = "there is no second layer behind it"
			}
		}
		if id == policy.WallLandlockFiles && c.p.Files.Strict.V {
			w.Sources = sourceOf(c.p.Files.Strict.From)
		}
		b.add(w)
	}
	mounts, ns := ByReadOnly, ByPidNS
	if b.weak {
		mounts, ns = "", ""
	}
	if b.weak || c.p.Files.Strict.V {
		second(policy.WallLandlockFiles, ByLandlockRead, "Landlock says about reading and writing what the file wall says", true, 1, "")
	} else {
		second(policy.WallLandlockFiles, ByLandlockWrite, "Landlock says about writing what the file wall says", true, 1, mounts)
	}
	second(policy.WallLandlockScope, ByLandlockScope, "signals and abstract sockets stay in the box", true, abiScope, ns)
	second(policy.WallLandlockTCP, ByLandlockTCP, "Landlock refuses TCP", b.weak, abiTCP, "")
}

// limits are the bounds of what a box may use.
func (b *builder) limits() {
	c, l, p := b.c, &b.c.pl.Limits, &b.c.p.Limits
	k := &c.f.Kernel
	noCgroup := "no cgroup is delegated"
	switch {
	case k.CgroupV2 != "":
		noCgroup = "the delegated " + Show(k.CgroupV2) + " is not used yet"
	case k.CgroupWhy != "":
		noCgroup = k.CgroupWhy
	}
	bound := func(id string, v policy.Value[int64], n int64, unit, why string, ms ...Mechanism) {
		w := Wall{ID: id}
		if v.Set {
			w.Sources = sourceOf(v.From)
		}
		if n > 0 {
			w.Requested = "at most " + strconv.FormatInt(n, 10) + " " + unit
			w.Mechanisms, w.why = ms, why
		}
		b.add(w)
	}
	const inTier = "tier landlock has no namespace to look into"
	bound(policy.WallMemory, p.Memory, l.Memory, "bytes of memory", "the box is killed when it is seen above the limit",
		onlyIf(l.Cgroup != "", ByCgroupMemory, noCgroup), onlyIf(!b.weak, ByWatch, inTier))
	pids := []Mechanism{onlyIf(l.Cgroup != "", ByCgroupPids, noCgroup)}
	switch {
	case !b.root:
		// The count of a user namespace, or of a person, and exact.
		pids = []Mechanism{by(ByNproc)}
		if l.Cgroup != "" {
			pids = []Mechanism{by(ByCgroupPids), by(ByNproc)}
		}
	case l.Cgroup == "" && !b.weak:
		pids = []Mechanism{by(ByPidMax)}
		if !kernelAtLeast(k.Release, 6, 14) {
			pids = []Mechanism{without(ByPidMax, "it needs Linux 6.14"), by(ByWatch)}
		}
	case b.weak && l.Cgroup == "":
		pids = append(pids, without(ByNproc, "it does not bind uid 0 of the host"))
	}
	nproc := ""
	if b.weak && !b.root {
		nproc = "all of your processes count, not only the box's"
	}
	w := Wall{ID: policy.WallPids, why: "the box is killed when it is seen above the limit"}
	if p.Pids.Set {
		w.Sources = sourceOf(p.Pids.From)
	}
	if l.Pids > 0 {
		w.Requested, w.Mechanisms = "at most "+strconv.FormatInt(l.Pids, 10)+" processes and threads", pids
		if pids[0].Name == ByNproc {
			w.limit = nproc
		}
	}
	b.add(w)
	bound(policy.WallCPU, p.CPU, l.CPU, "seconds of processor time of one process", "", by(ByCPU))
	bound(policy.WallFileSize, p.FileSize, l.FileSize, "bytes in one file", "", by(ByFsize))
	bound(policy.WallOpenFiles, p.OpenFiles, l.OpenFiles, "open files of one process", "", by(ByNofile))
	bound(policy.WallScratch, p.Scratch, l.Scratch, "bytes in the box's own directories", "",
		onlyIf(!b.weak, ByTmpfs, "the private directory of tier landlock lies on the host's file system"))
	timeout := Wall{ID: policy.WallTimeout, Mechanisms: []Mechanism{by(ByTimer)}}
	if p.Timeout.Set {
		timeout.Sources = sourceOf(p.Timeout.From)
	}
	if l.Timeout > 0 {
		timeout.Requested = fmt.Sprintf("at most %v for one command", time.Duration(l.Timeout))
	} else {
		timeout.Mechanisms = nil
	}
	b.add(timeout)
	bound(policy.WallOutput, p.Output, l.Output, "bytes of output", "", by(ByMeter))
	bound(policy.WallOutputRate, p.OutputRate, l.OutputRate, "bytes of output a second", "", by(ByMeter))
}

// sources are the places that a list comes from, without those built in, each
// line once.
func sources(lists ...[]policy.Value[string]) []policy.Source {
	var out []policy.Source
	for _, vs := range lists {
		for i := range vs {
			from := vs[i].From
			if from.Layer == policy.LayerBuiltin || from.Layer == "" {
				continue
			}
			from.Column = 0
			seen := false
			for j := range out {
				seen = seen || out[j] == from
			}
			// A list of thousands of rules is not repeated here.
			if !seen && len(out) < maxSources {
				out = append(out, from)
			}
		}
	}
	return out
}

// maxSources bounds the places that a wall names; `bailey policy show` has all.
const maxSources = 20

func sourceOf(s policy.Source) []policy.Source {
	if s == (policy.Source{}) {
		return nil
	}
	return []policy.Source{s}
}

// kernelAtLeast compares a release such as "6.14.0-rc1".
func kernelAtLeast(release string, major, minor int) bool {
	var have [2]int
	part := 0
	for i := 0; i < len(release) && part < 2; i++ {
		switch ch := release[i]; {
		case ch >= '0' && ch <= '9':
			have[part] = have[part]*10 + int(ch-'0')
			if have[part] > 1<<20 {
				return false
			}
		case ch == '.' && part == 0:
			part++
		default:
			part = 2
		}
	}
	return have[0] > major || have[0] == major && have[1] >= minor
}
