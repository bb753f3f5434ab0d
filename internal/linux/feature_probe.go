//go:build linux

package linux

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/plan"
)

// Probe finds out what this kernel lets this process do, by doing it in
// short-lived children. It takes some milliseconds: ProbeCached is for the way to
// a command. dir is where persistent overlay uppers would live; it may be missing.
func Probe(dir string) plan.Kernel {
	var p probe
	p.kernel(dir)
	return p.Kernel
}

// A probe is what was found out, with the reasons that plan.Kernel has no room
// for.
type probe struct {
	plan.Kernel
	userNS  outcome
	proc    outcome
	upper   outcome
	tmpfs   outcome
	notify  outcome
	landErr error
}

func (p *probe) kernel(dir string) {
	p.Release = release()
	p.LandlockABI, p.landErr = landlockABI()
	p.notify = tryNotify()
	p.SeccompNotify = p.notify.ok()
	p.CgroupV2, p.CgroupWhy = cgroupV2()
	p.userNS = tryUserNS()
	p.UserNS = p.userNS.ok()
	if !p.UserNS {
		p.UserNSWhy = p.userNS.String() + userNSReason(p.userNS)
		return
	}
	p.proc = tryProc()
	p.FreshProc = p.proc.ok()
	if p.upper = tryOverlay(dir, false); p.upper.ok() {
		p.Overlay = "upper"
	} else if p.tmpfs = tryOverlay(os.TempDir(), true); p.tmpfs.ok() {
		p.Overlay = "tmpfs"
	}
}

func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}
