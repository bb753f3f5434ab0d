package seccomp

// Bits and numbers of the kernel's interface that rules look at. They are the
// same on amd64 and arm64 (O_DIRECTORY and a few others are not, and not here).
const (
	oACCMODE = 0x3
	oCREAT   = 0x40
	oTRUNC   = 0x200
	oTMPFILE = 0x40_0000 // the bit besides O_DIRECTORY
	oPATH    = 0x20_0000 // the kernel drops every flag that could change a file from an O_PATH open

	cloneFS      = 0x200
	cloneFiles   = 0x400
	cloneSysVSem = 0x4_0000
	cloneParent  = 0x8000
	cloneNew     = 0x7e02_0000 // NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET

	afUnix, afInet, afInet6, afNetlink      = 1, 2, 10, 16
	sockStream, sockDgram, sockRaw, sockSeq = 1, 2, 3, 5
	sockTypeMask                            = 0xf // the rest are SOCK_CLOEXEC and SOCK_NONBLOCK
	ipICMP, ipTCP, ipUDP, ipICMPv6          = 1, 6, 17, 58

	msgFastOpen = 0x2000_0000

	modeBits = 0o6111 // set-user-id, set-group-id, execute
)

// The functions that make clauses and tests are small enough to be inlined, so
// that the Go compiler lays every rule out as data and nothing runs at start.

// openRule holds for open; openatRule for openat, one argument further on.
var (
	openRule   = rule{clauses: []clause{noPath(1), changes(1)}, otherwise: retAllow}
	openatRule = rule{clauses: []clause{noPath(2), changes(2)}, otherwise: retAllow}

	openReadRule   = rule{clauses: []clause{noPath(1)}, otherwise: retNotify}
	openatReadRule = rule{clauses: []clause{noPath(2)}, otherwise: retNotify}
)

func noPath(arg uint8) clause {
	return clause{"flags has O_PATH", []test{anyOf(arg, oPATH)}, retAllow}
}

func changes(arg uint8) clause {
	return clause{"flags has write access, O_CREAT, O_TRUNC or O_TMPFILE",
		[]test{anyOf(arg, oACCMODE|oCREAT|oTRUNC|oTMPFILE)}, retNotify}
}

// chmodRule holds for chmod and fchmod; chmodatRule for the others.
var (
	chmodRule   = rule{clauses: []clause{{"mode has an execute or set-id bit", []test{anyOf(1, modeBits)}, retNotify}}, otherwise: retAllow}
	chmodatRule = rule{clauses: []clause{{"mode has an execute or set-id bit", []test{anyOf(2, modeBits)}, retNotify}}, otherwise: retAllow}
)

var cloneRule = rule{clauses: []clause{
	{"flags has a CLONE_NEW bit", []test{anyOf(0, cloneNew)}, ePERM},
	// The child would be the supervisor's, who reaps only what it started.
	{"flags has CLONE_PARENT", []test{anyOf(0, cloneParent)}, ePERM},
}, otherwise: retAllow}

// unshareRule is an allow list because unshare, unlike clone, has kept getting
// flags, some of them above 32 bits.
var unshareRule = rule{clauses: []clause{
	{"flags has a bit above 32", []test{highNot(0)}, ePERM},
	{"flags are only CLONE_FILES, CLONE_FS, CLONE_SYSVSEM", []test{noneOf(0, ^uint32(cloneFiles|cloneFS|cloneSysVSem))}, retAllow},
}, otherwise: ePERM}

// ioctlRule refuses what would type into, or take over, a terminal shared with
// the host. The kernel reads the low 32 bits of the request only, and so does
// this rule (CVE-2019-10063: a filter that compared 64 was passed).
var ioctlRule = rule{clauses: []clause{
	{"request is TIOCSTI", []test{is(1, 0x5412)}, ePERM},
	{"request is TIOCLINUX", []test{is(1, 0x541c)}, ePERM},
	{"request is TIOCCONS", []test{is(1, 0x541d)}, ePERM},
	{"request is TIOCSETD", []test{is(1, 0x5423)}, ePERM}, // loads a line discipline, many of them old code
}, otherwise: retAllow}

var prctlRule = rule{clauses: []clause{
	{"option is PR_SET_MM", []test{is(0, 35)}, ePERM}, // makes /proc show another program than runs
}, otherwise: retAllow}

// personalityRule allows what setarch, gdb and the sanitizers set: the query,
// PER_LINUX and PER_LINUX32, with UNAME26 or ADDR_NO_RANDOMIZE. No
// READ_IMPLIES_EXEC, MMAP_PAGE_ZERO or foreign personalities.
var personalityRule = rule{clauses: []clause{
	{"the query", []test{is(0, 0xffff_ffff)}, retAllow},
	{"at most PER_LINUX32, UNAME26, ADDR_NO_RANDOMIZE", []test{noneOf(0, ^uint32(0x8|0x2_0000|0x4_0000))}, retAllow},
}, otherwise: ePERM}

// ptraceRule leaves PTRACE_TRACEME and what a tracer does to the child that
// asked for it.
var ptraceRule = rule{clauses: []clause{
	{"request is PTRACE_ATTACH", []test{is(0, 16)}, ePERM},
	{"request is PTRACE_SEIZE", []test{is(0, 0x4206)}, ePERM},
}, otherwise: retAllow}

// seccompRule lets programs add filters of their own (Chromium, OpenSSH and
// systemd do) but no listener: the newest listener is asked first, so it could
// let pass what the broker would refuse.
var seccompRule = rule{clauses: []clause{
	{"flags has SECCOMP_FILTER_FLAG_NEW_LISTENER", []test{is(0, 1), anyOf(1, 1<<3)}, ePERM},
}, otherwise: retAllow}

// The fast open flag carries data in a SYN, which no connect rule sees.
var (
	sendtoRule  = rule{clauses: []clause{fastOpen(3)}, otherwise: retAllow} // sendmmsg too
	sendmsgRule = rule{clauses: []clause{fastOpen(2)}, otherwise: retAllow}
)

func fastOpen(arg uint8) clause {
	return clause{"flags has MSG_FASTOPEN", []test{anyOf(arg, msgFastOpen)}, eOPNOTSUPP}
}

// socketRule names what may be made; the network namespace says whom it reaches.
//
// The errors are chosen so that programs fall back: Go listens with multipath TCP
// first and takes TCP on EPROTONOSUPPORT; glibc's getaddrinfo and the JVM do
// without route netlink whatever the error. Only getifaddrs has no fallback, so
// net.Interfaces of Go fails and os.networkInterfaces of Node throws, on every
// errno alike (Profile.Interfaces).
var socketRule = rule{clauses: []clause{
	{"AF_UNIX", []test{is(0, afUnix)}, retAllow},
	otherFamily(),
	inet("stream, default protocol", sockStream, 0, retAllow),
	inet("stream, TCP", sockStream, ipTCP, retAllow),
	inet("datagram, default protocol", sockDgram, 0, retAllow),
	inet("datagram, UDP", sockDgram, ipUDP, retAllow),
	inet("datagram, ICMP", sockDgram, ipICMP, eACCES), // as where ping_group_range leaves the group out
	inet("datagram, ICMPv6", sockDgram, ipICMPv6, eACCES),
	{"AF_INET or AF_INET6, raw", []test{masked(1, sockTypeMask, sockRaw)}, ePERM}, // as without CAP_NET_RAW
}, otherwise: ePROTONOSUPPORT}

// interfaceSocketRule is socketRule for Profile.Interfaces.
var interfaceSocketRule = rule{clauses: []clause{
	{"AF_NETLINK, route", []test{is(0, afNetlink), is(2, 0)}, retAllow},
}, next: &socketRule}

func otherFamily() clause {
	return clause{"a family but AF_UNIX, AF_INET, AF_INET6", []test{isNot(0, afInet), isNot(0, afInet6)}, eAFNOSUPPORT}
}

func inet(when string, kind, protocol uint32, do verdict) clause {
	return clause{"AF_INET or AF_INET6, " + when, []test{masked(1, sockTypeMask, kind), is(2, protocol)}, do}
}

// pairRule is for socketpair: the kernel makes pairs of little else.
var pairRule = rule{clauses: []clause{
	{"AF_UNIX", []test{is(0, afUnix)}, retAllow},
}, otherwise: eOPNOTSUPP}

// The same for Profile.Sockets.
var (
	hostSocketRule = rule{clauses: []clause{
		unixOnly("stream", sockStream), unixOnly("seqpacket", sockSeq),
		{"AF_UNIX", []test{is(0, afUnix)}, eACCES},
		otherFamily(),
	}, otherwise: eACCES}

	proxySocketRule = rule{clauses: []clause{
		unixOnly("stream", sockStream), unixOnly("seqpacket", sockSeq),
		{"AF_UNIX", []test{is(0, afUnix)}, eACCES},
		otherFamily(), // before inet, which does not look at the family
		inet("stream, default protocol", sockStream, 0, retAllow),
		inet("stream, TCP", sockStream, ipTCP, retAllow),
	}, otherwise: eACCES}

	hostPairRule = rule{clauses: []clause{
		unixOnly("stream", sockStream), unixOnly("seqpacket", sockSeq),
		{"AF_UNIX", []test{is(0, afUnix)}, eACCES},
	}, otherwise: eOPNOTSUPP}
)

func unixOnly(when string, kind uint32) clause {
	return clause{"AF_UNIX, " + when, []test{is(0, afUnix), masked(1, sockTypeMask, kind)}, retAllow}
}

// prlimitRule leaves reading any process's limits and setting one's own: without
// a pid namespace the user's other processes are in reach, and Landlock does not
// cover this.
var prlimitRule = rule{clauses: []clause{
	{"pid is 0", []test{is(0, 0)}, retAllow},
	{"no new limit", []test{is(2, 0), {arg: 2, high: true, mask: ^uint32(0)}}, retAllow},
}, otherwise: ePERM}
