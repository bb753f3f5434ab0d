package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
)

// Rights on a file, as in its mode.
const (
	CanRead  = 4
	CanWrite = 2
	CanExec  = 1 // of a directory: walk through it
)

// User is who uses a file: without capabilities, whatever the number.
type User struct {
	UID, GID int
	Groups   []int
}

// Obstacle says why the file system itself keeps the user from using the host's
// path p, whatever a policy says: "" when nothing does, as far as modes and the
// system call access tell. The directories above are not looked at. A p that is
// not there is no obstacle.
func (u User) Obstacle(p string, want uint32) string {
	info, err := os.Stat(p)
	if errors.Is(err, fs.ErrPermission) {
		return path.Dir(p) + " cannot be searched"
	}
	if err != nil {
		return ""
	}
	if err := syscall.Access(p, want); errors.Is(err, syscall.EROFS) {
		return p + " is on a read-only file system"
	} else if err != nil && u.UID != 0 && u.UID == os.Getuid() {
		return fmt.Sprintf("the file system says %q for %s (mode %s)", reason(err), p, info.Mode())
	} else if err == nil && u.UID != 0 && u.UID == os.Getuid() {
		return "" // it also knows of access control lists
	}
	if info.Mode().IsRegular() && want&CanExec != 0 && info.Mode()&0o111 != 0 && os.Getuid() == 0 && errors.Is(syscall.Access(p, CanExec), syscall.EACCES) {
		return p + " is on a file system that is mounted noexec" // nothing else keeps root from it
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	mode, who := uint32(info.Mode().Perm()), "others"
	switch {
	case int(st.Uid) == u.UID:
		mode, who = mode>>6, "its owner"
	case int(st.Gid) == u.GID || slices.Contains(u.Groups, int(st.Gid)):
		mode, who = mode>>3, "its group"
	}
	if mode&want == want {
		return ""
	}
	return fmt.Sprintf("%s has mode %s, and the box uses it as %s (user %d, without capabilities)", p, info.Mode(), who, u.UID)
}

func reason(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return strings.TrimSpace(err.Error())
}
