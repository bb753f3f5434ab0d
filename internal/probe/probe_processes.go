//go:build linux

package probe

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// processProbes reach for a process outside.
func processProbes() []Probe {
	return []Probe{
		{ID: "processes.kill", Severity: Boundary, Title: "kill a process outside", Why: "a box must not end your other work", Wall: "pid namespace, Landlock signal scope", Fix: "do not run in mode danger-full-access",
			Plant: victimCase, Attack: func(in *Inside) error { return unix.Kill(victimPID(in), unix.SIGKILL) }, Judge: died},
	}
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
