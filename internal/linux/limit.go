//go:build linux

package linux

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// reservedPids are the low numbers that the kernel does not give out again after
// it has wrapped around (RESERVED_PIDS), so pid_max must lie above them.
const reservedPids = 300

// pidMax returns the bound on process numbers that this box's pid namespace
// gets. RLIMIT_NPROC, which bounds other boxes, does not apply to processes
// whose host uid is 0, so a box of root's is bounded by the numbers there are.
// Before Linux 6.14 the setting is the whole machine's: never touched there.
func (l *launch) pidMax() int64 {
	pl := l.b.plan
	if pl.Identity.HostUID != 0 || pl.Limits.Pids <= 0 || !kernelAtLeast(6, 14) {
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
