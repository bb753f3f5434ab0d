//go:build linux

package linux

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An outcome is how a child fared that tried something step by step.
type outcome struct {
	step  string     // that failed; empty when all went well
	errno unix.Errno // of that step
	err   error      // the child could not be asked
	data  []byte     // what it sent
	tried bool
}

func (o outcome) ok() bool { return o.tried && o.err == nil && o.step == "" }

// have tells a refusal from a question that could not be put.
func (o outcome) have() Have {
	if !o.tried || o.err != nil {
		return Unknown
	}
	return have(o.ok())
}

func (o outcome) String() string {
	switch {
	case !o.tried:
		return "not tried"
	case o.err != nil:
		return o.err.Error()
	case o.step != "":
		return o.step + ": " + o.errno.Error()
	}
	return ""
}

const cloneStep = "make namespaces"

// try runs the steps that build adds in a child with new namespaces.
func try(flags uintptr, build func(p *program)) outcome {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return outcome{tried: true, err: fmt.Errorf("make a socket pair: %w", err)}
	}
	defer unix.Close(fds[0])
	p := &program{control: uintptr(fds[1])}
	build(p)
	p.add("report", op{kind: opSend, args: [6]operand{num(msgReady), num(0), num(0)}})
	p.add("end", op{kind: opExit})
	pid, errno := p.fork(flags)
	runtime.KeepAlive(p)
	unix.Close(fds[1])
	if errno != 0 {
		return outcome{tried: true, step: cloneStep, errno: errno}
	}
	o := outcome{tried: true, err: fmt.Errorf("the probing child ended without a word")}
	buf := make([]byte, 256)
	for {
		n, err := unix.Read(fds[0], buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			break
		}
		if n != messageSize {
			o.data = append(o.data, buf[:n]...)
			continue
		}
		switch m := *(*message)(unsafe.Pointer(&buf[0])); m.kind {
		case msgReady:
			o.err = nil
		case msgFailed:
			o.err, o.step, o.errno = nil, p.stepName(m.index), unix.Errno(m.errno)
		}
	}
	for {
		if _, err := unix.Wait4(pid, nil, unix.WALL, nil); err != unix.EINTR {
			return o
		}
	}
}

const probeNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

// mapIDs gives the child one user and one group: not 0, because mapping that
// asks root in a container for a capability it may not have.
func (p *program) mapIDs() {
	for _, f := range []struct{ name, content string }{
		{"setgroups", "deny"},
		{"uid_map", fmt.Sprintf("1000 %d 1\n", os.Geteuid())},
		{"gid_map", fmt.Sprintf("1000 %d 1\n", os.Getegid())},
	} {
		fd := p.call("open "+f.name, unix.SYS_OPENAT, num(unix.AT_FDCWD), p.str("/proc/self/"+f.name), num(unix.O_WRONLY|unix.O_CLOEXEC), num(0))
		p.do("write "+f.name, unix.SYS_WRITE, fd.operand(), p.bytes([]byte(f.content)), num(len(f.content)))
		p.do("close "+f.name, unix.SYS_CLOSE, fd.operand())
	}
}

// privateRoot keeps what the child mounts from the host. It is the first thing
// that fails where namespaces come without capabilities.
func (p *program) privateRoot() {
	p.do("make mounts private", unix.SYS_MOUNT, num(0), p.str("/"), num(0), num(unix.MS_REC|unix.MS_PRIVATE), num(0))
}

// filesystem makes a detached mount of a type with options.
func (p *program) filesystem(kind string, options ...[2]string) reg {
	fs := p.call("open file system "+kind, unix.SYS_FSOPEN, p.str(kind), num(unix.FSOPEN_CLOEXEC))
	for _, o := range options {
		cmd, value := unix.FSCONFIG_SET_STRING, p.str(o[1])
		if o[1] == "" {
			cmd, value = unix.FSCONFIG_SET_FLAG, num(0)
		}
		p.do("set "+kind+" option "+o[0], unix.SYS_FSCONFIG, fs.operand(), num(cmd), p.str(o[0]), value, num(0))
	}
	p.do("make file system "+kind, unix.SYS_FSCONFIG, fs.operand(), num(unix.FSCONFIG_CMD_CREATE), num(0), num(0), num(0))
	return p.call("mount "+kind, unix.SYS_FSMOUNT, fs.operand(), num(unix.FSMOUNT_CLOEXEC), num(unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV))
}

// tryUserNS makes the namespaces of a box and does in them what a box needs:
// ids, private mounts, a read-only clone of a mount, a tmpfs put somewhere.
func tryUserNS() outcome {
	return try(probeNamespaces, func(p *program) {
		p.mapIDs()
		p.privateRoot()
		tree := p.call("clone a mount", unix.SYS_OPEN_TREE, num(unix.AT_FDCWD), p.str("/"), num(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE))
		attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID}
		p.keep = append(p.keep, attr)
		p.do("make a mount read-only", unix.SYS_MOUNT_SETATTR, tree.operand(), p.bytes([]byte{0}), num(unix.AT_EMPTY_PATH|unix.AT_RECURSIVE), mem(unsafe.Pointer(attr)), num(int(unsafe.Sizeof(*attr))))
		p.place(p.filesystem("tmpfs"), "/")
		p.do("make a pid namespace", unix.SYS_UNSHARE, num(unix.CLONE_NEWPID))
	})
}

// place moves a detached mount to a path.
func (p *program) place(mount reg, path string) {
	p.do("place a mount", unix.SYS_MOVE_MOUNT, mount.operand(), p.bytes([]byte{0}), num(unix.AT_FDCWD), p.str(path), num(unix.MOVE_MOUNT_F_EMPTY_PATH))
}

// tryProc mounts a proc of an own pid namespace. The kernel refuses it where the
// outer proc is partly covered, as in most containers.
func tryProc() outcome {
	return try(probeNamespaces|unix.CLONE_NEWPID, func(p *program) {
		p.privateRoot()
		p.filesystem("proc")
	})
}

// tryOverlay mounts an overlay with upper and work directories below dir, or
// with tmpfs on a tmpfs of the child, and copies up, whites out and makes opaque:
// a mount alone says nothing, writes are where it fails.
func tryOverlay(dir string, tmpfs bool) outcome {
	top, err := overlayDirs(dir)
	if err != nil {
		return outcome{tried: true, err: err}
	}
	defer func() {
		os.Chmod(top+"/work/work", 0o700) // overlayfs leaves it closed to everyone
		os.RemoveAll(top)
	}()
	return try(probeNamespaces, func(p *program) {
		at, self := num(unix.AT_FDCWD), top
		p.mapIDs()
		p.privateRoot()
		if tmpfs {
			// Over the upper's parent only: the lower directory stays the host's.
			self = top + "/own"
			p.place(p.filesystem("tmpfs"), self)
		}
		for _, d := range []string{"upper", "work"} {
			p.do("make "+d, unix.SYS_MKDIRAT, at, p.str(self+"/"+d), num(0o700))
		}
		m := p.filesystem("overlay", [2]string{"lowerdir", top + "/lower"}, [2]string{"upperdir", self + "/upper"}, [2]string{"workdir", self + "/work"}, [2]string{"userxattr", ""})
		fd := p.call("copy a file up", unix.SYS_OPENAT, m.operand(), p.str("file"), num(unix.O_WRONLY|unix.O_CLOEXEC), num(0))
		p.do("write a file", unix.SYS_WRITE, fd.operand(), p.bytes([]byte("x")), num(1))
		p.do("remove a lower file", unix.SYS_UNLINKAT, m.operand(), p.str("file"), num(0))
		p.do("remove a lower directory", unix.SYS_UNLINKAT, m.operand(), p.str("dir"), num(unix.AT_REMOVEDIR))
		p.do("make a directory over a removed one", unix.SYS_MKDIRAT, m.operand(), p.str("dir"), num(0o700))
	})
}

// overlayDirs makes a directory with a lower tree, for one probe.
func overlayDirs(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the cache directory: %w", err)
	}
	top, err := os.MkdirTemp(dir, ".probe-")
	if err != nil {
		return "", fmt.Errorf("make a directory to probe overlayfs: %w", err)
	}
	for _, d := range []string{"/own", "/lower", "/lower/dir"} {
		err = errors.Join(err, os.Mkdir(top+d, 0o700))
	}
	if err = errors.Join(err, os.WriteFile(top+"/lower/file", []byte("lower"), 0o600)); err != nil {
		os.RemoveAll(top)
		return "", fmt.Errorf("make a directory to probe overlayfs: %w", err)
	}
	return top, nil
}

// tryNotify loads a filter with a listener, with the flag that keeps a call that
// is being answered from being interrupted: without it Go programs, which signal
// themselves all the time, would make calls twice.
func tryNotify() outcome {
	return try(0, func(p *program) { p.listener() })
}

// tryWake asks for the listener option that hands the processor straight over.
func tryWake() outcome {
	return try(0, func(p *program) {
		fd := p.listener()
		const setFlags, syncWakeUp = 0x40082104, 1 // SECCOMP_IOCTL_NOTIF_SET_FLAGS
		p.do("set the listener's flags", unix.SYS_IOCTL, fd.operand(), num(setFlags), num(syncWakeUp))
	})
}

func (p *program) listener() reg {
	allow := &unix.SockFilter{Code: unix.BPF_RET, K: 0x7fff_0000}
	prog := &unix.SockFprog{Len: 1, Filter: allow}
	p.keep = append(p.keep, prog)
	p.do("set no_new_privs", unix.SYS_PRCTL, num(unix.PR_SET_NO_NEW_PRIVS), num(1), num(0), num(0), num(0))
	const waitKillable = 1 << 5 // SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	return p.call("load a filter with a listener", unix.SYS_SECCOMP, num(unix.SECCOMP_SET_MODE_FILTER),
		num(unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|waitKillable), mem(unsafe.Pointer(prog)))
}

// tryNFTables asks nf_tables of a new network namespace for its generation.
func tryNFTables() outcome {
	const getGeneration = 10<<8 | 16 // NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN
	request := []byte{20, 0, 0, 0, getGeneration & 0xff, getGeneration >> 8, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	reply := make([]byte, 64)
	return try(probeNamespaces, func(p *program) {
		s := p.call("open a netfilter socket", unix.SYS_SOCKET, num(unix.AF_NETLINK), num(unix.SOCK_RAW|unix.SOCK_CLOEXEC), num(unix.NETLINK_NETFILTER))
		p.do("ask nf_tables", unix.SYS_SENDTO, s.operand(), p.bytes(request), num(len(request)), num(0), num(0), num(0))
		p.do("hear nf_tables", unix.SYS_RECVFROM, s.operand(), p.bytes(reply), num(len(reply)), num(unix.MSG_DONTWAIT), num(0), num(0))
		p.do("pass it on", unix.SYS_SENDTO, word(p.control), p.bytes(reply), num(len(reply)), num(0), num(0), num(0))
	})
}
