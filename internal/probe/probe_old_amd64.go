//go:build linux

package probe

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls that amd64 has beside their newer forms with at. Package unix and the
// libraries of most languages never make them; a program that is built to get out does.

// oldCall makes one with a path, and what comes behind it.
func oldCall(nr uintptr, path string, more ...uintptr) error {
	b, err := unix.BytePtrFromString(path)
	if err != nil {
		return err
	}
	a := [2]uintptr{}
	copy(a[:], more)
	n, _, e := unix.Syscall(nr, uintptr(unsafe.Pointer(b)), a[0], a[1])
	if e == 0 && (nr == unix.SYS_OPEN || nr == unix.SYS_CREAT) {
		unix.Close(int(n))
	}
	return errno(e)
}

// oldPair makes one with two paths.
func oldPair(nr uintptr, from, to string) error {
	a, err := unix.BytePtrFromString(from)
	if err != nil {
		return err
	}
	b, err := unix.BytePtrFromString(to)
	if err != nil {
		return err
	}
	_, _, e := unix.Syscall(nr, uintptr(unsafe.Pointer(a)), uintptr(unsafe.Pointer(b)), 0)
	return errno(e)
}

// oldWaysToMake make a protected name by each of them.
func oldWaysToMake(p func(id, title string, attack func(in *Inside, path, from string) error) Probe) []Probe {
	return []Probe{
		p("creat", "creat", func(_ *Inside, path, _ string) error { return oldCall(unix.SYS_CREAT, path, 0o644) }),
		p("old-open", "the older open", func(_ *Inside, path, _ string) error {
			return oldCall(unix.SYS_OPEN, path, unix.O_CREAT|unix.O_WRONLY, 0o644)
		}),
		p("old-mkdir", "the older mkdir", func(_ *Inside, path, _ string) error { return oldCall(unix.SYS_MKDIR, path, 0o755) }),
		p("old-mknod", "the older mknod", func(_ *Inside, path, _ string) error { return oldCall(unix.SYS_MKNOD, path, unix.S_IFREG|0o644, 0) }),
		p("old-link", "the older link", func(_ *Inside, path, from string) error { return oldPair(unix.SYS_LINK, from, path) }),
		p("old-symlink", "the older symlink", func(_ *Inside, path, from string) error { return oldPair(unix.SYS_SYMLINK, from, path) }),
		p("old-rename", "the older rename", func(_ *Inside, path, from string) error { return oldPair(unix.SYS_RENAME, from, path) }),
	}
}

// oldWaysToChange change one.
func oldWaysToChange(p func(id, title string, attack func(in *Inside, path, tmp string) error) Probe) []Probe {
	return []Probe{
		p("old-open", "open a protected file for writing by the older open", func(_ *Inside, path, _ string) error {
			return oldCall(unix.SYS_OPEN, path, unix.O_WRONLY|unix.O_TRUNC)
		}),
		p("old-unlink", "remove a protected file by the older unlink", func(_ *Inside, path, _ string) error { return oldCall(unix.SYS_UNLINK, path) }),
		p("old-rename", "rename a protected file by the older rename", func(_ *Inside, path, tmp string) error { return oldPair(unix.SYS_RENAME, path, tmp) }),
		p("old-chmod", "make a protected file a program by the older chmod", func(_ *Inside, path, _ string) error { return oldCall(unix.SYS_CHMOD, path, 0o755) }),
	}
}
