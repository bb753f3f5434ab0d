package secret

import (
	"os"
	"strings"
)

// NoCore keeps the memory of this process out of core dumps: a dump that is made
// all the same, by a crash with GOTRACEBACK=crash or by a person, holds threads
// and registers, which may have a few bytes of anything, but no memory. It returns what takes that back.
//
// PR_SET_DUMPABLE would do it too, and keep processes of the same user from
// looking into this one; but it makes root the owner of /proc/self/uid_map, which
// an ordinary user's supervisor must write, and it cannot be had for a part of
// the time while boxes are opened. The limit on the size of a core is not asked
// where core_pattern is a pipe.
//
// The setting is inherited: a process that a box starts after this has it too.
func NoCore() (undo func(), err error) {
	const name = "/proc/self/coredump_filter"
	was, err := os.ReadFile(name)
	if err != nil {
		return func() {}, err
	}
	// 0: no anonymous, file-backed, huge or DAX mapping, and no ELF header.
	if err := os.WriteFile(name, []byte("0"), 0); err != nil {
		return func() {}, err
	}
	return func() { os.WriteFile(name, []byte("0x"+strings.TrimSpace(string(was))), 0) }, nil
}
