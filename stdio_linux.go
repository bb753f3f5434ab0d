package bailey

import (
	"os"
	"syscall"
)

// pipefs is the magic number of the file system of anonymous pipes
// (linux/magic.h PIPEFS_MAGIC).
const pipefs = 0x50495045

// nullDevice is the device number of /dev/null on Linux: major 1, minor 3
// (Documentation/admin-guide/devices.txt).
const nullDevice = 1<<8 | 3

// harmless reports whether a descriptor gives a box nothing but its bytes, so
// that it can be handed over as it is: an anonymous pipe or the null device. A
// regular file could have its mode and owner changed through it, a terminal could
// be typed into, a socket could carry descriptors, and a directory leads to all
// its parents.
func harmless(f *os.File) bool {
	conn, err := f.SyscallConn()
	if err != nil {
		return false
	}
	ok := false
	err = conn.Control(func(fd uintptr) {
		var st syscall.Stat_t
		if syscall.Fstat(int(fd), &st) != nil {
			return
		}
		switch st.Mode & syscall.S_IFMT {
		case syscall.S_IFCHR:
			ok = uint64(st.Rdev) == nullDevice
		case syscall.S_IFIFO:
			// A named pipe is a file with a mode and an owner.
			var fs syscall.Statfs_t
			ok = syscall.Fstatfs(int(fd), &fs) == nil && fs.Type == pipefs
		}
	})
	return err == nil && ok
}
