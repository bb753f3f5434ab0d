//go:build linux

package linux

import (
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/plan"
)

// What needs a feature.
const (
	forFull     = "tier full"
	forBoth     = "tiers full and landlock"
	forLandlock = "tier landlock; the second layer of tier full"
)

// Features finds out everything that doctor tells, afresh, and makes the answers
// the ones that ProbeCached gives. dir is as for Probe.
func Features(dir string) []Feature {
	var p probe
	p.kernel(dir)
	keep(dir, p.Kernel)
	var list []Feature
	add := func(f Feature) {
		if f.Have == Yes {
			f.Fix = ""
		}
		list = append(list, f)
	}

	add(Feature{Name: "kernel", Have: Yes, Detail: p.Release + " on " + runtime.GOARCH})
	add(p.userNSFeature())
	add(Feature{Name: "fresh /proc", For: forFull, Have: p.proc.have(), Detail: p.proc.String(),
		Fix: "the outer /proc is partly covered, as in containers: start the container with unmasked system paths (Docker: --security-opt systempaths=unconfined)"})
	add(p.overlayFeature())
	add(p.landlockFeature())
	add(Feature{Name: "syscall filter with a listener", For: forBoth + ": the name broker", Have: p.notify.have(), Detail: p.notify.String(),
		Fix: "use Linux 5.19 or newer; inside another sandbox that listens itself there can be no second listener"})
	wake := outcome{}
	if p.notify.ok() {
		wake = tryWake()
	}
	add(Feature{Name: "quick handover to a listener", For: "speed of the name broker", Have: wake.have(), Detail: wake.String(), Fix: "use Linux 6.6 or newer"})
	add(cgroupFeature(p.Kernel))
	for _, c := range []struct {
		name, since string
		nr          uintptr
		args        [3]uintptr
	}{
		{"pidfd_open", "5.3", unix.SYS_PIDFD_OPEN, [3]uintptr{uintptr(unix.Getpid())}},
		{"close_range", "5.11", unix.SYS_CLOSE_RANGE, [3]uintptr{^uintptr(0) >> 33, ^uintptr(0) >> 33, unix.CLOSE_RANGE_CLOEXEC}},
	} {
		r, _, errno := unix.Syscall(c.nr, c.args[0], c.args[1], c.args[2])
		if errno == 0 && c.nr == unix.SYS_PIDFD_OPEN {
			unix.Close(int(r))
		}
		f := Feature{Name: c.name, For: forBoth, Have: have(errno == 0), Fix: "use Linux " + c.since + " or newer"}
		if errno != 0 {
			f.Detail = errno.Error()
		}
		add(f)
	}
	add(p.nftFeature())
	add(containerFeature())
	lsm, ok := modules()
	f := Feature{Name: "security modules", Have: Unknown, Detail: "securityfs is not mounted"}
	if ok {
		f.Have, f.Detail = Yes, strings.ReplaceAll(lsm, ",", " ")
	}
	add(f)
	return list
}

func (p *probe) userNSFeature() Feature {
	f := Feature{Name: "user namespaces", For: forFull, Have: p.userNS.have(), Detail: p.UserNSWhy}
	if f.Have != Yes {
		f.Fix = userNSFix(p.userNS)
	} else if n, ok := readNumber(sysctlMax); ok {
		f.Detail = fmt.Sprintf("at most %d", n)
	}
	return f
}

func (p *probe) overlayFeature() Feature {
	f := Feature{Name: "overlayfs in a user namespace", For: "package caches shared with the host, overlay workspaces", Have: p.upper.have(), Detail: p.upper.String()}
	switch p.Overlay {
	case "upper":
		f.Detail = "with a lasting upper directory"
	case "tmpfs":
		f.Detail = "only with an upper directory in memory: " + f.Detail
		f.Fix = "put bailey's cache directory on a file system with user extended attributes (ext4, xfs, btrfs); until then caches are plain private directories"
	default:
		f.Fix = "use Linux 5.11 or newer with CONFIG_OVERLAY_FS; until then caches are plain private directories"
	}
	return f
}

func (p *probe) landlockFeature() Feature {
	f := Feature{Name: "Landlock", For: forLandlock, Have: have(p.LandlockABI > 0), Fix: "use a kernel with CONFIG_SECURITY_LANDLOCK and landlock in its lsm= list"}
	switch {
	case p.landErr != nil:
		f.Have, f.Detail = Unknown, p.landErr.Error()
	case p.LandlockABI > 0:
		l := plan.Landlock{TCP: true, Scoped: []string{"signal", "abstract-unix-socket"}}
		if r, err := newLandlockRuleset(l, true, p.LandlockABI); err == nil {
			f.Detail = fmt.Sprintf("ABI %d", p.LandlockABI)
			if len(r.Missing) > 0 {
				f.Detail += "; newer kernels also hold " + strings.Join(r.Missing, ", ")
			}
			if p.LandlockABI < scopeABI {
				f.Detail += "; tier landlock needs ABI 6 (Linux 6.12)"
			}
		}
	}
	return f
}

func cgroupFeature(k plan.Kernel) Feature {
	f := Feature{Name: "cgroup v2 for limits", For: "limits on memory and processes of the whole box", Have: have(k.CgroupV2 != ""), Detail: k.CgroupV2,
		Fix: "start bailey from a systemd user session (systemd-run --user --scope bash), or where cgroup v1 is in use boot with systemd.unified_cgroup_hierarchy=1; until then rlimits and a watch hold less exactly"}
	if f.Have != Yes {
		f.Detail = k.CgroupWhy
	}
	return f
}

func (p *probe) nftFeature() Feature {
	f := Feature{Name: "nf_tables in a network namespace", For: "the network gate (or one listener a port)", Have: Unknown, Detail: "needs user namespaces"}
	if !p.UserNS {
		return f
	}
	o := tryNFTables()
	f.Have, f.Detail = o.have(), o.String()
	const newGeneration = 10<<8 | 15
	if o.ok() && (len(o.data) < 6 || int(o.data[4])|int(o.data[5])<<8 != newGeneration) {
		f.Have, f.Detail = No, "the kernel answers with an error"
	}
	f.Fix = "sudo modprobe nf_tables"
	return f
}

func containerFeature() Feature {
	f := Feature{Name: "container around bailey", Have: No}
	if c := container(); c != "" {
		f.Have, f.Detail = Yes, c
	}
	return f
}
