//go:build linux

package walls

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

var errHeld = errors.New("nothing got through")

// attacks are what the attacker can do. Nil means that the wall gave way.
var attacks map[string]func(w *world, arg string) error

func init() {
	attacks = map[string]func(w *world, arg string) error{
		"read": readFile, "list": listDir, "write": writeFile, "append": appendFile, "create": createFile,
		"link out": linkOut, "rename out": renameOut, "exchange": exchange,
		"reopen": reopen, "tmpfile": tmpfile, "chmod": chmodFile, "chown": chownFile, "utimes": utimesFile, "setxattr": setxattr,
		"truncate": truncateFile, "mkdir": mkdir, "openat2": openat2,
		"uplink": uplink,
		"kill":   kill, "ptrace": ptrace, "vm_readv": vmRead, "pidfd": pidfd, "oom": oomScore,
		"syscall": rawCall, "x32": x32, "ioctl": ioctl, "unshare": unshare, "clone": clone,
		"self mem": selfMem, "make": makeName, "change": changeName, "race": race, "deny": denied, "remode": remode, "rechown": rechown,
	}
}

func holds(b []byte) error {
	if bytes.Contains(b, []byte(canary)) {
		return nil
	}
	return fmt.Errorf("%w: %d bytes", errHeld, len(b))
}

// readFile reads arg. A planted file must hold the canary, any other something.
func readFile(w *world, arg string) error {
	b := make([]byte, 4096)
	f, err := os.Open(arg)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := f.Read(b)
	if n == 0 {
		return fmt.Errorf("empty: %v", err)
	}
	if strings.HasPrefix(arg, w.Base) {
		return holds(b[:n])
	}
	return nil
}

func listDir(_ *world, arg string) error {
	e, err := os.ReadDir(arg)
	if err == nil && len(e) == 0 {
		return errHeld
	}
	return err
}

func writeFile(_ *world, arg string) error {
	f, err := os.OpenFile(arg, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(canary)
	return err
}

func appendFile(_ *world, arg string) error {
	f, err := os.OpenFile(arg, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString("\n")
	return err
}

func createFile(_ *world, arg string) error {
	f, err := os.OpenFile(arg, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	f.Close()
	return os.Remove(arg)
}

// The next make a name in the workspace lead out and go through it.

func linkOut(w *world, arg string) error {
	to := filepath.Join(w.WS, fmt.Sprintf("hard%d", os.Getpid()))
	if err := os.Link(arg, to); err != nil {
		return err
	}
	defer os.Remove(to)
	return readFile(w, to)
}

func renameOut(w *world, arg string) error {
	from := filepath.Join(w.WS, fmt.Sprintf("mv%d", os.Getpid()))
	if err := os.WriteFile(from, nil, 0o644); err != nil {
		return err
	}
	defer os.Remove(from)
	if err := os.Rename(from, arg); err != nil {
		return err
	}
	return os.Remove(arg)
}

func exchange(w *world, arg string) error {
	from := filepath.Join(w.WS, fmt.Sprintf("xc%d", os.Getpid()))
	if err := os.WriteFile(from, []byte(canary), 0o644); err != nil {
		return err
	}
	defer os.Remove(from)
	return unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, arg, unix.RENAME_EXCHANGE)
}

// reopen opens arg for reading and its descriptor again for writing.
func reopen(_ *world, arg string) error {
	f, err := os.Open(arg)
	if err != nil {
		return err
	}
	again, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = again.WriteString(canary)
	return err
}

func tmpfile(_ *world, arg string) error {
	fd, err := unix.Open(filepath.Dir(arg), unix.O_TMPFILE|unix.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	if err := unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, arg, unix.AT_SYMLINK_FOLLOW); err != nil {
		return err
	}
	return os.Remove(arg)
}

func chmodFile(_ *world, arg string) error { return os.Chmod(arg, 0o604) }
func chownFile(_ *world, arg string) error { return os.Chown(arg, os.Getuid(), os.Getgid()) }
func utimesFile(_ *world, arg string) error {
	return os.Chtimes(arg, time.Unix(1, 0), time.Unix(1, 0))
}
func setxattr(_ *world, arg string) error     { return unix.Setxattr(arg, "user.walls", []byte("x"), 0) }
func truncateFile(_ *world, arg string) error { return unix.Truncate(arg, 3) }
func mkdir(_ *world, arg string) error {
	if err := os.Mkdir(arg, 0o755); err != nil {
		return err
	}
	return os.Remove(arg)
}

func openat2(w *world, arg string) error {
	fd, err := unix.Openat2(unix.AT_FDCWD, arg, &unix.OpenHow{Flags: unix.O_WRONLY})
	if err == nil {
		unix.Close(fd)
	}
	return err
}

// uplink looks for any interface but loopback, and any way out.
func uplink(_ *world, arg string) error {
	c, err := net.DialTimeout("udp", arg, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Write([]byte("x"))
	return err
}

func (w *world) pid(arg string) int {
	if arg == "" {
		return w.Victim
	}
	n, _ := strconv.Atoi(arg)
	return n
}

func kill(w *world, arg string) error { return unix.Kill(w.pid(arg), unix.SIGCONT) }

func ptrace(w *world, arg string) error {
	pid := w.pid(arg)
	if err := unix.PtraceSeize(pid); err != nil {
		return err
	}
	unix.PtraceInterrupt(pid)
	var ws unix.WaitStatus
	unix.Wait4(pid, &ws, unix.WALL, nil)
	return unix.PtraceDetach(pid)
}

func vmRead(w *world, arg string) error {
	pid := w.pid(arg)
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	addr := uint64(0x400000)
	if err == nil {
		a, _, _ := strings.Cut(string(maps), "-")
		addr, _ = strconv.ParseUint(a, 16, 64)
	}
	b := make([]byte, 16)
	_, err = unix.ProcessVMReadv(pid, []unix.Iovec{{Base: &b[0], Len: 16}}, []unix.RemoteIovec{{Base: uintptr(addr), Len: 16}}, 0)
	return err
}

func pidfd(w *world, arg string) error {
	fd, err := unix.PidfdOpen(w.pid(arg), 0)
	if err != nil {
		return err
	}
	got, err := unix.PidfdGetfd(fd, 1, 0)
	if err == nil {
		unix.Close(got)
	}
	return err
}

func oomScore(w *world, arg string) error {
	return writeFile2(fmt.Sprintf("/proc/%d/oom_score_adj", w.pid(arg)), "500")
}

func writeFile2(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// rawCall makes a system call by number with harmless arguments: it must be
// refused before the kernel looks at them, so anything but the filter's answers
// is a hole.
func rawCall(_ *world, arg string) error {
	var nr uintptr
	var a [4]uintptr
	fmt.Sscan(arg, &nr, &a[0], &a[1], &a[2], &a[3])
	_, _, e := unix.RawSyscall6(nr, a[0], a[1], a[2], a[3], 0, 0)
	if e == unix.ENOSYS || e == unix.EPERM || e == unix.EACCES {
		return e
	}
	return nil
}

func x32(_ *world, arg string) error {
	nr, _ := strconv.Atoi(arg)
	_, _, e := unix.RawSyscall(uintptr(0x40000000|nr), 0, 0, 0)
	if e != 0 {
		return e
	}
	return nil
}

// ioctl on a terminal of the box's own: anything but EPERM is a hole.
func ioctl(_ *world, arg string) error {
	req, err := strconv.ParseUint(arg, 0, 64)
	if err != nil {
		return err
	}
	fd, err := unix.Open("/dev/null", unix.O_RDWR, 0)
	if err != nil {
		return nil
	}
	b := byte('x')
	_, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), uintptr(req), uintptr(unsafe.Pointer(&b)))
	if e == unix.EPERM {
		return e
	}
	return nil
}

func unshare(_ *world, arg string) error {
	n, err := strconv.ParseUint(arg, 0, 64)
	if err != nil {
		return nil
	}
	return unix.Unshare(int(n))
}

func clone(_ *world, arg string) error {
	n, _ := strconv.ParseUint(arg, 0, 64)
	pid, _, e := unix.RawSyscall6(unix.SYS_CLONE, uintptr(n)|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if e != 0 {
		return e
	}
	if pid == 0 {
		unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	return nil
}

// selfMem writes to read-only memory of a file through /proc/self/mem: the file
// itself must not change, the write is to a private copy. Others' mem is a hole.
func selfMem(w *world, arg string) error {
	f, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", w.pid(arg)), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	f.Close()
	return nil
}

// remode and rechown set what is there already, so that they do no harm where
// they work.
func remode(_ *world, arg string) error {
	var st unix.Stat_t
	if err := unix.Stat(arg, &st); err != nil {
		return err
	}
	return unix.Chmod(arg, st.Mode&0o777)
}

func rechown(_ *world, arg string) error { return unix.Chown(arg, -1, os.Getgid()) }
