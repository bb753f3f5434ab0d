//go:build linux

package probe

import (
	"encoding/binary"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// raceName makes a name in a directory while another thread changes the bytes of
// the path: of eight bytes, which change at once.
func raceName(dir string) error {
	if err := os.Chdir(dir); err != nil {
		return err
	}
	var path [2]uint64 // the second is the end of the path
	good, evil := binary.NativeEndian.Uint64([]byte("fine.x\x00\x00")), binary.NativeEndian.Uint64([]byte(".envrc\x00\x00"))
	path[0] = good
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !stop.Load() {
			atomic.StoreUint64(&path[0], good)
			atomic.StoreUint64(&path[0], evil)
		}
	})
	wg.Go(func() {
		at := int64(unix.AT_FDCWD)
		for !stop.Load() {
			fd, _, e := unix.Syscall6(unix.SYS_OPENAT, uintptr(at), uintptr(unsafe.Pointer(&path[0])), unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o644, 0, 0)
			if e == 0 {
				unix.Close(int(fd))
			}
			os.Remove("fine.x")
		}
	})
	time.Sleep(raceTime)
	stop.Store(true)
	wg.Wait()
	return errHeld // the host looks whether the file is there
}
