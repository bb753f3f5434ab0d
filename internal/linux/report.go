//go:build linux

package linux

import (
	"slices"
	"strings"

	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

// stands is what the supervisor knows of a box's walls besides the plan. What the
// kernel alone can say is checked by steps of the list, each of which is fatal.
type stands struct {
	landlock *landlockRuleset // of the newest command; nil for none
	tried    bool             // a step tried something that Landlock alone refuses
	checked  bool             // a command got as far as saying that all walls stand
	pidMax   bool             // a bound on process numbers is part of the list
	watched  bool             // the watch on memory, and on processes, runs or will
}

// walls applies what is known to the walls that the plan asks for. Before the
// first command has said that its walls stand, what is only set up for commands
// counts as planned.
func (b *Box) walls() []plan.Wall {
	out := b.plan.CloneWalls()
	for i := range out {
		w := &out[i]
		for j := range w.Mechanisms {
			m := &w.Mechanisms[j]
			m.Held, m.How, m.Detail = b.held(m.Name, m.Detail)
			if !m.Held {
				m.How = ""
			}
		}
		w.Judge()
		if w.Status != plan.Missing {
			w.Accepted = nil
		} else if w.Accepted == nil {
			w.Accepted = b.accepted(w.ID)
		}
	}
	return out
}

// accepted is the rule of the plan that lets a wall be missing.
func (b *Box) accepted(id string) *policy.Source {
	for i := range b.plan.Accept {
		if b.plan.Accept[i].V == id {
			return &b.plan.Accept[i].From
		}
	}
	return nil
}

// held says whether a mechanism of the plan stands, how that is known, and what
// there is to say about it. why is what the plan says.
func (b *Box) held(name, why string) (bool, string, string) {
	full := b.plan.Tier == policy.TierFull
	l := &b.plan.Limits
	// What a command is put behind: once one has been, its steps have said so.
	step := func(ok bool, how, otherwise string) (bool, string, string) {
		switch {
		case !ok:
			return false, "", otherwise
		case !b.stands.checked:
			return true, plan.HowPredicted, "set up for each command"
		}
		return true, how, ""
	}
	landlock := func(names ...string) (bool, string, string) {
		r := b.stands.landlock
		if r == nil && !b.stands.checked && b.plan.Landlock.MinABI > 0 {
			return true, plan.HowPredicted, "set up for each command"
		}
		if r == nil {
			return false, "", otherwise(why, "no Landlock ruleset is in force")
		}
		for _, n := range names {
			if !slices.Contains(r.Handled, n) {
				if slices.Contains(names, "signal") && !b.single {
					return false, "", "several commands share the box, and a domain each would keep them from signalling each other"
				}
				return false, "", otherwise(why, "not handled: "+n)
			}
		}
		detail := ""
		if name != plan.ByLandlockScope && len(r.Missing) > 0 {
			detail = "this kernel does not know " + strings.Join(r.Missing, ", ")
		}
		if b.stands.tried {
			return true, plan.HowSelfCheck, detail
		}
		return true, plan.HowReported, detail
	}
	const noSpace = "there is no such namespace in this tier"
	switch name {
	case plan.ByTree, plan.ByReadOnly, plan.ByNetNS, plan.ByPidNS:
		return step(full, plan.HowSelfCheck, noSpace)
	case plan.ByIPCNS, plan.ByTmpfs, plan.ByMasks, plan.ByPins:
		return full, plan.HowReported, ""
	case plan.ByInit:
		return full, plan.HowReported, ""
	case plan.ByGuard:
		return step(!full, plan.HowReported, "")
	case plan.ByBroker:
		return step(b.plan.Syscalls.Broker, plan.HowReported, "the plan has none")
	case plan.ByFilter, plan.ByFilterKeys, plan.ByFilterTerminal:
		return step(true, plan.HowSelfCheck, "")
	case plan.ByFilterSockets, plan.ByFilterIPC:
		return step(b.plan.Syscalls.Sockets, plan.HowSelfCheck, "the plan's filter does not look at them")
	case plan.ByCapset, plan.ByBounding, plan.ByNoNewPrivs, plan.ByKeyring:
		return step(true, plan.HowSelfCheck, "")
	case plan.ByEnv, plan.ByCloseRange, plan.BySession:
		return step(true, plan.HowReported, "")
	case plan.ByLandlockRead:
		return landlock("read_file", "read_dir", "write_file", "make_reg")
	case plan.ByLandlockWrite:
		return landlock("write_file", "make_reg")
	case plan.ByLandlockScope:
		return landlock("signal", "abstract_unix_socket")
	case plan.ByLandlockTCP:
		return landlock("bind_tcp", "connect_tcp")
	case plan.ByCgroupMemory:
		return b.cgroup != "" && l.Memory > 0, plan.HowReported, why
	case plan.ByCgroupPids:
		return b.cgroup != "" && l.Pids > 0, plan.HowReported, why
	case plan.ByWatch:
		return b.stands.watched, plan.HowBailey, otherwise(why, "looked at every "+memoryInterval.String())
	case plan.ByPidMax:
		return b.stands.pidMax, plan.HowReported, why
	case plan.ByNproc:
		return step(l.Pids > 0 && b.plan.Identity.HostUID != 0, plan.HowReported, "it does not bind uid 0 of the host")
	case plan.ByCPU:
		return step(l.CPU > 0, plan.HowReported, "")
	case plan.ByFsize:
		return step(l.FileSize > 0, plan.HowReported, "")
	case plan.ByNofile:
		return step(l.OpenFiles > 0, plan.HowReported, "")
	case plan.ByTimer:
		return l.Timeout > 0, plan.HowBailey, ""
	case plan.ByMeter:
		return l.Output > 0 || l.OutputRate > 0, plan.HowBailey, ""
	}
	return false, "", "this backend has no " + name
}

func otherwise(why, or string) string {
	if why != "" {
		return why
	}
	return or
}
