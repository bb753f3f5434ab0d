package plan

import (
	"strconv"

	"github.com/bailey-run/bailey/internal/policy"
)

// tier picks the strongest tier that this machine can hold and the policy allows.
func (c *compiler) tier() (policy.Tier, error) {
	if c.pl.Mode == policy.DangerFullAccess {
		return policy.TierNone, nil
	}
	k := c.f.Kernel
	if c.f.OS != "linux" {
		return "", &Error{Wall: "backend", What: "no backend for " + c.f.OS + " yet", Hint: "run bailey on Linux, or in a Linux container or virtual machine"}
	}
	if !k.SeccompNotify {
		return "", &Error{Wall: "name broker", What: "system calls cannot be handed to a supervisor here (seccomp user notification), which holds protected names",
			Hint: "inside another box of bailey, or a sandbox like it, there can be no second one: run bailey outside of that; else Linux 5.19 or newer is needed, and `bailey doctor` says what is missing"}
	}
	var missing *Error
	switch {
	case !k.UserNS:
		why := k.UserNSWhy
		if why == "" {
			why = "the kernel refuses them"
		}
		missing = &Error{Wall: "namespaces", What: "user namespaces cannot be used here: " + why}
	case !k.FreshProc:
		missing = &Error{Wall: "proc", What: "a new /proc cannot be mounted here, so the box would see the processes of others"}
	default:
		return policy.TierFull, nil
	}
	missing.Hint = "`bailey doctor` says how to allow it"
	if k.LandlockABI >= abiScope {
		if c.p.MinTier.V == policy.TierLandlock {
			return policy.TierLandlock, nil
		}
		missing.Hint += "; or accept the weaker tier with --min-tier landlock"
	} else if c.p.MinTier.V == policy.TierLandlock {
		// Its guard ends a box by signalling everything that it can reach: without a
		// scope that is every process of the person.
		missing.What += "; tier landlock needs Landlock ABI 6 (Linux 6.12), and this kernel has " + abiName(k.LandlockABI)
	}
	return "", missing
}

func abiName(abi int) string {
	if abi == 0 {
		return "none"
	}
	return "ABI " + strconv.Itoa(abi)
}
