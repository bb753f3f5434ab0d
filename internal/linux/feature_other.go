//go:build !linux

package linux

import (
	"runtime"

	"github.com/bailey-run/bailey/internal/plan"
)

// Probe finds nothing: this is no Linux.
func Probe(dir string) plan.Kernel {
	const why = "these walls are Linux's"
	return plan.Kernel{UserNSWhy: why, CgroupWhy: why}
}

// ProbeCached is Probe.
func ProbeCached(dir string) plan.Kernel { return Probe(dir) }

// Features says what is missing here: everything.
func Features(dir string) []Feature {
	return []Feature{{Name: "Linux", For: "every tier", Have: No, Detail: "this is " + runtime.GOOS, Fix: "run bailey in a Linux machine or virtual machine"}}
}
