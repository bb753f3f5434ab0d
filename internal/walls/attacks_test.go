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
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

var errHeld = errors.New("nothing got through")

// attacks are what the attacker can do. Nil means that the wall gave way.
var attacks map[string]func(w *world, arg string) error

func init() {
	attacks = map[string]func(w *world, arg string) error{
		"read": readFile, "list": listDir, "write": writeFile, "append": appendFile, "create": createFile, "environ": environOf,
		"symlink out": symlinkOut, "link out": linkOut, "rename out": renameOut, "exchange": exchange, "dotdot": dotdot,
		"reopen": reopen, "tmpfile": tmpfile, "handle": handle, "chmod": chmodFile, "chown": chownFile, "utimes": utimesFile, "setxattr": setxattr,
		"truncate": truncateFile, "remove": removeFile, "mkdir": mkdir, "openat2": openat2,
		"tcp": dialTCP, "udp": dialUDP, "unix": dialUnix, "uplink": uplink, "socket": socket, "shm": shmAttach,
		"kill": kill, "ptrace": ptrace, "vm_readv": vmRead, "pidfd": pidfd, "prlimit": prlimit, "priority": priority, "sched": sched, "oom": oomScore,
		"syscall": rawCall, "int80": int80, "x32": x32, "ioctl": ioctl, "unshare": unshare, "clone": clone, "mount": mount, "capabilities": capabilities,
		"nnp": noNewPrivs, "setuid": setuid, "fd": inherited, "keys": keys, "self mem": selfMem, "personality": personality, "setid": setID, "open for writing": openForWriting, "make": makeName, "change": changeName, "race": race, "deny": denied, "listener": listener, "remode": remode, "rechown": rechown,
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

// environOf looks for planted secrets in the environment of processes.
func environOf(_ *world, arg string) error {
	if arg == "own" {
		return holds([]byte(strings.Join(os.Environ(), "\n")))
	}
	list, err := filepath.Glob(arg)
	if err != nil || len(list) == 0 {
		return errHeld
	}
	for _, p := range list {
		if b, err := os.ReadFile(p); err == nil && holds(b) == nil {
			return nil
		}
	}
	return errHeld
}

// The next make a name in the workspace lead out and go through it.

func symlinkOut(w *world, arg string) error {
	link := filepath.Join(w.WS, fmt.Sprintf("link%d", os.Getpid()))
	if err := os.Symlink(w.Out, link); err != nil {
		return err
	}
	defer os.Remove(link)
	switch arg {
	case "read":
		return readFile(w, link+"/file")
	case "write":
		return writeFile(w, link+"/file")
	case "create":
		return createFile(w, link+"/new")
	case "mkdir":
		return mkdir(w, link+"/newdir")
	case "rename":
		p := link + ".x"
		if err := os.WriteFile(p, nil, 0o644); err != nil {
			return err
		}
		defer os.Remove(p)
		if err := os.Rename(p, link+"/moved"); err != nil {
			return err
		}
		return os.Remove(link + "/moved")
	case "final":
		l2 := link + ".2"
		if err := os.Symlink(w.Out+"/made", l2); err != nil {
			return err
		}
		defer os.Remove(l2)
		if err := os.WriteFile(l2, nil, 0o644); err != nil {
			return err
		}
		return os.Remove(w.Out + "/made")
	}
	return errors.New("no such attack: " + arg)
}

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

func dotdot(w *world, arg string) error {
	fd, err := unix.Open(w.WS, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	f, err := unix.Openat(fd, arg, unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	b := make([]byte, 100)
	n, err := unix.Read(f, b)
	if err != nil {
		return err
	}
	return holds(b[:n])
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

func handle(_ *world, arg string) error {
	_, _, err := unix.NameToHandleAt(unix.AT_FDCWD, arg, 0)
	return err
}

func chmodFile(_ *world, arg string) error { return os.Chmod(arg, 0o604) }
func chownFile(_ *world, arg string) error { return os.Chown(arg, os.Getuid(), os.Getgid()) }
func utimesFile(_ *world, arg string) error {
	return os.Chtimes(arg, time.Unix(1, 0), time.Unix(1, 0))
}
func setxattr(_ *world, arg string) error     { return unix.Setxattr(arg, "user.walls", []byte("x"), 0) }
func truncateFile(_ *world, arg string) error { return unix.Truncate(arg, 3) }
func removeFile(_ *world, arg string) error   { return os.Remove(arg) }
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

func fromConn(c net.Conn, err error) error {
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Second))
	c.Write([]byte("x"))
	b := make([]byte, 64)
	n, err := c.Read(b)
	if n == 0 {
		return fmt.Errorf("no answer: %v", err)
	}
	return holds(b[:n])
}

func dialTCP(w *world, arg string) error {
	port := w.TCP
	if strings.Contains(arg, ":") {
		port = w.TCP6
	}
	return fromConn(net.DialTimeout("tcp", net.JoinHostPort(arg, strconv.Itoa(port)), time.Second))
}

func dialUDP(w *world, arg string) error {
	return fromConn(net.DialTimeout("udp", net.JoinHostPort(arg, strconv.Itoa(w.UDP)), time.Second))
}

func dialUnix(w *world, arg string) error {
	addr := w.Unix
	if arg == "abstract" {
		addr = w.Abstract
	}
	return fromConn(net.DialTimeout("unix", addr, time.Second))
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

// socket makes a socket: family, type, protocol.
func socket(_ *world, arg string) error {
	var family, kind, proto int
	fmt.Sscan(arg, &family, &kind, &proto)
	_, err := unix.Socket(family, kind, proto)
	return err
}

func shmAttach(w *world, _ string) error {
	b, err := unix.SysvShmAttach(w.Shm, 0, unix.SHM_RDONLY)
	if err != nil {
		return err
	}
	return holds(b)
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

func prlimit(w *world, arg string) error {
	var old unix.Rlimit
	if err := unix.Prlimit(w.pid(arg), unix.RLIMIT_CORE, nil, &old); err != nil {
		return err
	}
	return unix.Prlimit(w.pid(arg), unix.RLIMIT_CORE, &old, nil)
}

func priority(w *world, arg string) error {
	return unix.Setpriority(unix.PRIO_PROCESS, w.pid(arg), 5)
}

func sched(w *world, arg string) error {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(w.pid(arg), &set); err != nil {
		return err
	}
	return unix.SchedSetaffinity(w.pid(arg), &set)
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

// int80 asks for the process number through the 32-bit entry.
func int80(_ *world, _ string) error {
	page, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return err
	}
	result := (*uint32)(unsafe.Pointer(&page[2048]))
	// mov eax, 20 (getpid of i386); int 0x80; movabs [result], eax; ret
	code := []byte{0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xa3}
	code = append(code, (*[8]byte)(unsafe.Pointer(&result))[:]...)
	copy(page, append(code, 0xc3))
	entry := &page[0]
	f := unsafe.Pointer(&entry)
	(*(*func())(unsafe.Pointer(&f)))()
	if int(int32(*result)) > 0 {
		return nil
	}
	return syscall.Errno(-int32(*result))
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

func mount(w *world, arg string) error {
	switch arg {
	case "tmpfs":
		return unix.Mount("t", w.WS, "tmpfs", 0, "")
	case "bind":
		return unix.Mount("/", w.WS, "", unix.MS_BIND, "")
	case "remount":
		return unix.Mount("", "/usr", "", unix.MS_REMOUNT|unix.MS_BIND, "")
	case "umount":
		return unix.Unmount("/proc", unix.MNT_DETACH)
	case "pivot":
		return unix.PivotRoot(w.WS, w.WS)
	case "chroot":
		return unix.Chroot(w.WS)
	case "open_tree":
		_, err := unix.OpenTree(unix.AT_FDCWD, "/", 1)
		return err
	case "fsopen":
		_, err := unix.Fsopen("tmpfs", 0)
		return err
	case "setattr":
		return unix.MountSetattr(unix.AT_FDCWD, "/usr", 0, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY})
	case "setns":
		fd, err := unix.Open("/proc/1/ns/mnt", unix.O_RDONLY, 0)
		if err != nil {
			if fd, err = unix.Open("/proc/self/ns/mnt", unix.O_RDONLY, 0); err != nil {
				return err
			}
		}
		return unix.Setns(fd, 0)
	}
	return nil
}

// capabilities must be none, in all five sets. An ordinary user cannot empty the
// bounding set without a namespace; no_new_privs makes it mean nothing.
func capabilities(_ *world, arg string) error {
	b, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		return nil
	}
	seen := 0
	for l := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(l, "Cap"); ok {
			seen++
			if arg == "unbounded" && strings.HasPrefix(rest, "Bnd") {
				continue
			}
			if _, v, _ := strings.Cut(rest, ":"); strings.Trim(v, "0 \t\n") != "" {
				fmt.Print(l)
				return nil
			}
		}
	}
	if seen != 5 {
		return nil
	}
	return errHeld
}

func noNewPrivs(_ *world, _ string) error {
	if n, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err == nil && n == 1 {
		return errHeld
	}
	return nil
}

func setuid(_ *world, arg string) error {
	if os.Geteuid() == 0 && arg == "root" {
		return nil
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETUID, 0, 0, 0); e != 0 {
		return e
	}
	return nil
}

// inherited finds a descriptor above 2 that leads anywhere but to this program's
// own pipes and epoll.
func inherited(_ *world, _ string) error {
	for fd := 3; fd < 64; fd++ {
		to, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil || strings.HasPrefix(to, "anon_inode:") || strings.HasPrefix(to, "/sys/") || strings.HasPrefix(to, "/proc/") {
			continue
		}
		fmt.Println(fd, to)
		return nil
	}
	return errHeld
}

func keys(_ *world, arg string) error {
	switch arg {
	case "search":
		_, err := unix.KeyctlSearch(unix.KEY_SPEC_USER_KEYRING, "user", "walls", 0)
		return err
	case "add":
		_, err := unix.AddKey("user", "walls", []byte("x"), unix.KEY_SPEC_PROCESS_KEYRING)
		return err
	}
	b, err := os.ReadFile("/proc/keys")
	if err == nil && len(b) == 0 {
		return errHeld
	}
	return err
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

func personality(_ *world, arg string) error {
	n, _ := strconv.ParseUint(arg, 0, 32)
	if _, _, e := unix.RawSyscall(unix.SYS_PERSONALITY, uintptr(n), 0, 0); e != 0 {
		return e
	}
	return nil
}

// setID leaves a file in the workspace that gives whoever runs it the rights of
// its owner.
func setID(w *world, arg string) error {
	p := filepath.Join(w.WS, fmt.Sprintf("suid%d", os.Getpid()))
	defer os.Remove(p)
	mode := uint32(0o4755)
	if strings.HasSuffix(arg, "gid") {
		mode = 0o2755
	}
	var err error
	switch {
	case strings.HasPrefix(arg, "open"):
		var fd int
		fd, err = unix.Open(p, unix.O_CREAT|unix.O_WRONLY, mode)
		unix.Close(fd)
	case strings.HasPrefix(arg, "mknod"):
		err = unix.Mknod(p, unix.S_IFREG|mode, 0)
	case strings.HasPrefix(arg, "late"):
		if err = os.WriteFile(p, nil, 0o644); err == nil {
			if err = unix.Chmod(p, mode&0o7666); err == nil {
				err = unix.Chmod(p, mode)
			}
		}
	case strings.HasPrefix(arg, "fchmod"):
		var fd int
		if fd, err = unix.Open(p, unix.O_CREAT|unix.O_WRONLY, 0o644); err == nil {
			err = unix.Fchmod(fd, mode)
		}
	case strings.HasPrefix(arg, "tmpfile"):
		var fd int
		if fd, err = unix.Open(w.WS, unix.O_TMPFILE|unix.O_WRONLY, mode); err == nil {
			err = unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, p, unix.AT_SYMLINK_FOLLOW)
		}
	}
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Stat(p, &st); err != nil {
		return err
	}
	if st.Mode&0o6000 == 0 {
		return errHeld
	}
	return nil
}

func openForWriting(_ *world, arg string) error {
	fd, err := unix.Open(arg, unix.O_WRONLY, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

// listener loads a filter of its own that answers system calls: the newest
// listener is asked first, so it could let pass what the broker refuses.
func listener(_ *world, _ string) error {
	prog := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	f := unix.SockFprog{Len: 1, Filter: &prog[0]}
	if _, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|1<<40, uintptr(unsafe.Pointer(&f))); e != unix.EPERM && e != unix.EINVAL {
		return nil
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&f))); e != 0 {
		return e
	}
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
