package seccomp

// The rules of the lists, as rules.
var (
	allowRule  = rule{otherwise: retAllow}
	refuseRule = rule{otherwise: ePERM}
	absentRule = rule{otherwise: eNOSYS}
	notifyRule = rule{otherwise: retNotify}
	execRule   = rule{otherwise: retNotify} // apart from notifyRule, because Compile replaces it
)

// An arch is one architecture that filters can be made for.
type arch struct {
	audit   uint32 // AUDIT_ARCH of linux/audit.h
	numbers *[callCount]int16
	// foreign is the lowest number that belongs to another interface of the same
	// audit architecture (x32), 0 for none.
	foreign uint32
}

// archFor returns the architecture named as by GOARCH.
func archFor(name string) (arch, error) {
	switch name {
	case "amd64":
		return arch{audit: 0xc000_003e, numbers: &amd64Numbers, foreign: 0x4000_0000}, nil
	case "arm64":
		return arch{audit: 0xc000_00b7, numbers: &arm64Numbers}, nil
	}
	return arch{}, &ArchError{Arch: name}
}

// An ArchError says that no filter can be made for an architecture.
type ArchError struct{ Arch string }

func (e *ArchError) Error() string {
	return "no syscall filter for architecture " + e.Arch + ": only amd64 and arm64 are known"
}

// rulesFor returns the rule of every syscall; nil means absentRule.
func rulesFor(p Profile) (rules [callCount]*rule) {
	set := func(r *rule, calls ...call) {
		for _, c := range calls {
			rules[c] = r
		}
	}
	set(&allowRule, allowed[:]...)
	set(&refuseRule, refused[:]...)
	set(&absentRule, absent[:]...)

	set(&cloneRule, sysClone)
	set(&unshareRule, sysUnshare)
	set(&ioctlRule, sysIoctl)
	set(&prctlRule, sysPrctl)
	set(&personalityRule, sysPersonality)
	set(&ptraceRule, sysPtrace)
	set(&seccompRule, sysSeccomp)
	set(&socketRule, sysSocket)
	set(&pairRule, sysSocketpair)
	set(&sendtoRule, sysSendto, sysSendmmsg)
	set(&sendmsgRule, sysSendmsg)

	if p.Debug {
		set(&allowRule, debugged[:]...)
		set(&allowRule, sysPtrace)
	}
	if p.Broker {
		set(&notifyRule, named[:]...)
		set(&openRule, sysOpen)
		set(&openatRule, sysOpenat)
		set(&absentRule, sysOpenat2)
		set(&chmodRule, sysChmod, sysFchmod)
		set(&chmodatRule, sysFchmodat, sysFchmodat2)
	}
	if p.Broker || p.Reads {
		// What the broker does for a program it does outside the program's own
		// Landlock domain. Better no domain than one that does not hold.
		set(&absentRule, sysLandlockCreateRuleset, sysLandlockAddRule, sysLandlockRestrictSelf)
	}
	if p.Reads {
		set(&openReadRule, sysOpen)
		set(&openatReadRule, sysOpenat)
		set(&absentRule, sysOpenat2)
	}
	if p.Interfaces {
		set(&interfaceSocketRule, sysSocket)
	}
	if p.Sockets { // after Interfaces: those would be the host's
		set(&hostSocketRule, sysSocket)
		set(&hostPairRule, sysSocketpair)
		set(&notifyRule, sysConnect)
		if p.Proxy {
			set(&proxySocketRule, sysSocket)
			set(&notifyRule, sysListen)
		}
		set(&absentRule, shared[:]...)
		set(&prlimitRule, sysPrlimit64)
	}
	if p.Metadata {
		set(&notifyRule, described[:]...)
	}
	if p.Exec {
		set(&execRule, sysExecve)
		set(&notifyRule, sysExecveat)
	}
	return rules
}

// byNumber is rulesFor in the order of an architecture's numbers. A number that
// no syscall has gets absentRule, as does everything above the last.
func byNumber(p Profile, a arch) []*rule {
	rules := rulesFor(p)
	var table [tableSize]*rule
	end := 0
	for c, nr := range a.numbers {
		if nr < 0 {
			continue
		}
		end = max(end, int(nr)+1)
		table[nr] = rules[c]
	}
	for nr := range end {
		if table[nr] == nil {
			table[nr] = &absentRule
		}
	}
	return table[:end:end]
}

// tableSize is above every number of the tables: both architectures stand at 471
// and share the numbers that the kernel adds. A generated table that outgrows it
// fails to compile a filter, in every test.
const tableSize = 640
