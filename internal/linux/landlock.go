//go:build linux

package linux

import (
	"fmt"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/plan"
)

// landlockRulesetAttr is struct landlock_ruleset_attr as of ABI 6. Older kernels
// take a prefix of it; the fields that ABI 10 added say which denials are not
// logged and are left out.
type landlockRulesetAttr struct {
	fs, net, scoped uint64
}

// landlockPathAttr is struct landlock_path_beneath_attr, which is packed, so that
// its 12 bytes are no multiple of eight. The child stores the descriptor.
type landlockPathAttr struct {
	rights [2]uint32 // one number of 64 bits, the low half first
	fd     int32
}

// A landlockRuleset is a plan's Landlock section worked out for one kernel: what
// to hand to landlock_create_ruleset, which rights each rule gives, and, for the
// report, what is held and what this kernel cannot hold.
type landlockRuleset struct {
	attr  landlockRulesetAttr
	size  uintptr // of attr, as this kernel knows it
	flags uintptr // for landlock_restrict_self

	ABI     int      // what the kernel has, as far as this table goes
	Handled []string // names of everything denied unless a rule gives it
	Missing []string // names that the plan would handle but this kernel does not know
}

// newLandlockRuleset works out l for a kernel that has abi. It fails when the
// plan asks for more than the kernel has; what is beyond MinABI and not there is
// in Missing, never silently dropped.
//
// With strict every right is handled. Otherwise reading and truncating are not,
// because the mounts hide what may not be read and a handled right to truncate
// makes every open, also one for reading, walk the path up to the root: 0.5 to
// 1.3 us each, where all other rights together cost 0.1. Writing is handled
// still, so only truncate(2) and O_RDONLY|O_TRUNC are held by one mechanism less.
func newLandlockRuleset(l plan.Landlock, strict bool, abi int) (*landlockRuleset, error) {
	if abi < max(l.MinABI, 1) {
		return nil, &UnsupportedError{Feature: "Landlock", Need: fmt.Sprintf("ABI %d", max(l.MinABI, 1)), Have: haveABI(abi)}
	}
	want := landlockRulesetAttr{fs: landlockAllFS}
	if !strict {
		want.fs &^= unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if l.TCP {
		want.net = landlockAllNet
	}
	for _, s := range l.Scoped {
		switch s {
		case "signal":
			want.scoped |= unix.LANDLOCK_SCOPE_SIGNAL
		case "abstract-unix-socket":
			want.scoped |= unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
		default:
			return nil, &UnsupportedError{Feature: "Landlock scope " + s, Need: "signal or abstract-unix-socket", Have: "no such scope"}
		}
	}

	r := &landlockRuleset{ABI: min(abi, len(landlockABIs))}
	var known landlockRulesetAttr
	for i := range landlockABIs[:r.ABI] {
		v := &landlockABIs[i]
		known.fs |= v.adds.fs
		known.net |= v.adds.net
		known.scoped |= v.adds.scoped
		r.flags |= v.flags
		r.size = max(r.size, v.size)
	}
	r.attr = landlockRulesetAttr{want.fs & known.fs, want.net & known.net, want.scoped & known.scoped}
	r.Handled = landlockNames(r.attr)
	r.Missing = landlockNames(landlockRulesetAttr{want.fs &^ known.fs, want.net &^ known.net, want.scoped &^ known.scoped})
	return r, nil
}

func haveABI(abi int) string {
	if abi == 0 {
		return "none"
	}
	return fmt.Sprintf("ABI %d", abi)
}

// rights returns what a rule with access a gives to a path, as far as the
// ruleset handles it; the kernel refuses rules with other rights, rights of a
// directory on anything else, and rules without any: 0 means no rule.
func (r *landlockRuleset) rights(a plan.Access, dir bool) (uint64, error) {
	var v uint64
	switch a {
	case plan.List:
		v = unix.LANDLOCK_ACCESS_FS_READ_DIR
	case plan.Read:
		v = landlockRead
	case plan.ReadExec:
		v = landlockRead | unix.LANDLOCK_ACCESS_FS_EXECUTE
	case plan.ReadWrite:
		v = landlockRead | landlockWrite
	case plan.Full:
		v = landlockRead | landlockWrite | unix.LANDLOCK_ACCESS_FS_EXECUTE
	case plan.Devices:
		v = landlockRead | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	default:
		return 0, &UnsupportedError{Feature: "Landlock access " + string(a), Need: "an access of package plan", Have: "no such access"}
	}
	if !dir {
		v &= landlockFileRights
	}
	return v & r.attr.fs, nil
}

// landlockPath makes the attribute of a rule that gives rights. The descriptor
// stays to be filled in.
func landlockPath(rights uint64) *landlockPathAttr {
	return &landlockPathAttr{rights: *(*[2]uint32)(unsafe.Pointer(&rights)), fd: -1}
}

func landlockNames(a landlockRulesetAttr) []string {
	var names []string
	for _, g := range []struct {
		bits  uint64
		names []string
	}{{a.fs, landlockFSNames[:]}, {a.net, landlockNetNames[:]}, {a.scoped, landlockScopeNames[:]}} {
		for i, n := range g.names {
			if g.bits&(1<<i) != 0 {
				names = append(names, n)
			}
		}
	}
	return names
}

// landlockABI asks the kernel which Landlock it has: 0 for none, because it was
// not built in, not switched on at boot, or is refused by a container's filter.
func landlockABI() (int, error) {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch errno {
	case 0:
		return int(v), nil
	case unix.ENOSYS, unix.EOPNOTSUPP, unix.EPERM:
		return 0, nil
	}
	return 0, fmt.Errorf("ask for the Landlock ABI: %w", errno)
}

// String is for doctor: "ABI 7: execute write …".
func (r *landlockRuleset) String() string {
	s := fmt.Sprintf("ABI %d: %s", r.ABI, strings.Join(r.Handled, " "))
	if len(r.Missing) > 0 {
		s += "; not held: " + strings.Join(r.Missing, " ")
	}
	return s
}
