package seccomp

import (
	"fmt"
	"strings"
)

//go:generate go run gen.go

// A call names a syscall independent of its number.
type call uint16

// A verdict is a filter's return value (linux/seccomp.h).
type verdict uint32

// The actions of a filter, strongest first.
const (
	retKill   verdict = 0x8000_0000 // SECCOMP_RET_KILL_PROCESS
	retErrno  verdict = 0x0005_0000 // SECCOMP_RET_ERRNO, errno in the low 16 bits
	retNotify verdict = 0x7fc0_0000 // SECCOMP_RET_USER_NOTIF
	retAllow  verdict = 0x7fff_0000 // SECCOMP_RET_ALLOW
)

// The errors a filter answers with. Their numbers are the same on every
// architecture that bailey knows, and must not come from the host's syscall
// package: filters are compiled on any host.
const (
	ePERM           = retErrno | 1
	eACCES          = retErrno | 13
	eNOSYS          = retErrno | 38
	ePROTONOSUPPORT = retErrno | 93
	eOPNOTSUPP      = retErrno | 95
	eAFNOSUPPORT    = retErrno | 97
)

func (v verdict) String() string {
	switch v {
	case retKill:
		return "kill"
	case retNotify:
		return "broker"
	case retAllow:
		return "allow"
	case ePERM:
		return "EPERM"
	case eACCES:
		return "EACCES"
	case eNOSYS:
		return "ENOSYS"
	case ePROTONOSUPPORT:
		return "EPROTONOSUPPORT"
	case eOPNOTSUPP:
		return "EOPNOTSUPP"
	case eAFNOSUPPORT:
		return "EAFNOSUPPORT"
	}
	return fmt.Sprintf("%#x", uint32(v))
}

// A test looks at one half of one argument: it holds when the half, masked, is
// want, or with not when it is anything else. Most arguments are ints to the
// kernel, which drops the high half itself, so that half is only looked at where
// a rule says so: a rule that compared all 64 bits could be passed by setting
// one that the kernel ignores.
type test struct {
	arg  uint8
	high bool
	mask uint32
	want uint32
	not  bool
}

func is(arg uint8, want uint32) test { return test{arg: arg, mask: ^uint32(0), want: want} }
func isNot(arg uint8, want uint32) test {
	return test{arg: arg, mask: ^uint32(0), want: want, not: true}
}
func masked(arg uint8, mask, v uint32) test { return test{arg: arg, mask: mask, want: v} }
func anyOf(arg uint8, bits uint32) test     { return test{arg: arg, mask: bits, not: true} }
func noneOf(arg uint8, bits uint32) test    { return test{arg: arg, mask: bits} }
func highNot(arg uint8) test                { return test{arg: arg, high: true, mask: ^uint32(0), not: true} }

// A clause gives its verdict when all its tests hold.
type clause struct {
	when string // the same in words
	all  []test
	do   verdict
}

// A rule is a list of clauses, the first that holds decides, and what decides
// when none does: the rule next or, without one, a verdict. Rules are shared by
// syscalls and never changed.
type rule struct {
	clauses   []clause
	next      *rule
	otherwise verdict
}

// An Entry is one line of a filter in words.
type Entry struct {
	Syscall string `json:"syscall"` // "*" for every syscall without a line of its own
	Number  int    `json:"number"`  // -1 for "*"
	When    string `json:"when,omitempty"`
	Verdict string `json:"verdict"` // allow, broker, kill or an errno
}

func (e Entry) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Syscall, e.Verdict)
	if e.When != "" {
		fmt.Fprintf(&b, " when %s", e.When)
	}
	return b.String()
}
