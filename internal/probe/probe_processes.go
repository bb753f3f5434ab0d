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

func victimPID(in *Inside) int {
	n, _ := strconv.Atoi(in.Args["pid"])
	return n
}
