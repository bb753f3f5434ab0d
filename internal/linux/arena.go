//go:build linux

package linux

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// arenaSize is how much address space an arena takes. Only what is written
// becomes memory: some 150 kB for an ordinary plan. A plan of 10,000 mounts
// needs about 20 MiB; a list that does not fit is refused, not cut.
const arenaSize = 64 << 20

// An arena is memory that a forked child shares with this process, at the same
// address. It holds no pointer that the garbage collector would have to follow:
// everything in it points into it.
type arena struct {
	mem  []byte
	used uintptr
}

func newArena() (*arena, error) {
	m, err := unix.Mmap(-1, 0, arenaSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("map memory for the set-up: %w", err)
	}
	return &arena{mem: m}, nil
}

// alloc returns n zero bytes, aligned for any type. It panics with errArena when
// the arena is full.
func (a *arena) alloc(n uintptr) unsafe.Pointer {
	at := (a.used + 15) &^ 15
	if n > arenaSize || at > arenaSize-n {
		panic(errArena)
	}
	a.used = at + n
	return unsafe.Pointer(unsafe.SliceData(a.mem[at:]))
}

var errArena = &SetupError{Step: "prepare the set-up: the policy has too many entries", Errno: unix.E2BIG}

func (a *arena) free() {
	if a != nil && a.mem != nil {
		unix.Munmap(a.mem)
		a.mem = nil
	}
}
