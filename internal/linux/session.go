//go:build linux

package linux

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A running session can be told to read its policy anew, over a unix socket in a
// directory that only its user can enter and no box sees.

// socketSuffix ends the name of a session's socket.
const socketSuffix = ".sock"

// ListenSession makes the socket of a session in dir, which is made when it is
// not there and must be the user's own.
func ListenSession(dir, session string) (*net.UnixListener, error) {
	d, err := sessionDir(dir, true)
	if err != nil {
		return nil, fmt.Errorf("listen for the session: %w", err)
	}
	defer d.Close()
	name := inDir(d, session)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: name})
	if err != nil {
		return nil, fmt.Errorf("listen for the session: %w", err)
	}
	l.SetUnlinkOnClose(false) // the name is of a descriptor that is closed by then
	return l, nil
}

// RemoveSession removes the socket of a session that ended.
func RemoveSession(dir, session string) { os.Remove(filepath.Join(dir, session+socketSuffix)) }

// DialSession connects to a running session.
func DialSession(dir, session string) (*net.UnixConn, error) {
	d, err := sessionDir(dir, false)
	if err != nil {
		return nil, fmt.Errorf("find the session: %w", err)
	}
	defer d.Close()
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Net: "unix", Name: inDir(d, session)})
	if err != nil {
		return nil, fmt.Errorf("connect to session %s: %w", session, err)
	}
	return c, nil
}

// Sessions are the running sessions that have a socket in dir. What a killed one
// left behind is removed.
func Sessions(dir string) ([]string, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*"+socketSuffix))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, n := range names {
		s := strings.TrimSuffix(filepath.Base(n), socketSuffix)
		c, err := DialSession(dir, s)
		switch {
		case err == nil:
			c.Close()
			out = append(out, s)
		case errors.Is(err, syscall.ECONNREFUSED):
			os.Remove(n)
		}
	}
	return out, nil
}

// inDir is a short name for a socket in an open directory: a socket's address has
// room for 107 bytes.
func inDir(d *os.File, session string) string {
	return "/proc/self/fd/" + strconv.Itoa(int(d.Fd())) + "/" + session + socketSuffix
}

// sessionDir opens the directory, and makes sure that it is the user's alone.
func sessionDir(dir string, create bool) (*os.File, error) {
	if create {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	d, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(d.Fd()), &st); err != nil {
		d.Close()
		return nil, err
	}
	if int(st.Uid) != os.Geteuid() || st.Mode&0o077 != 0 {
		d.Close()
		return nil, fmt.Errorf("%s is not a directory of yours alone", dir)
	}
	return d, nil
}

// SamePeer says whether the other end of a connection is this user's, or root's.
func SamePeer(c *net.UnixConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	same := false
	raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		same = err == nil && (int(cred.Uid) == os.Geteuid() || cred.Uid == 0) && outside(int(cred.Pid))
	})
	return same
}

// outside says whether a process is in our own user namespace, where no process of
// a box of tier full is, should one ever reach a socket: a person's answers are
// taken here. One that keeps this from being read holds secrets, or runs a program
// that its user may not read. A process of a box can do that too, and is known by its
// pid namespace, which everybody may read.
func outside(pid int) bool {
	theirs, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/user")
	if errors.Is(err, os.ErrPermission) {
		return pid > 0 && samePIDs(pid)
	}
	if err != nil {
		return false
	}
	ours, err := os.Readlink("/proc/self/ns/user")
	return err == nil && ours == theirs
}

// samePIDs says whether a process has one number only, as those of our own pid
// namespace have (proc_pid_status(5), NSpid).
func samePIDs(pid int) bool {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return false
	}
	_, line, found := strings.Cut(string(status), "\nNSpid:")
	line, _, _ = strings.Cut(line, "\n")
	return found && len(strings.Fields(line)) == 1
}

// PeerPID is the process at the other end of a connection, as this process sees
// it, and the program that it runs; 0 and "" when that is not known. For messages:
// a socket may be passed on.
func PeerPID(c *net.UnixConn) (pid int, exe string) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, ""
	}
	raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil && cred.Pid > 0 {
			pid = int(cred.Pid)
		}
	})
	if pid > 0 {
		exe, _ = os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	}
	return pid, exe
}
