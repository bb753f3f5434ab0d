package seccomp

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

type attempt struct {
	name string
	do   func() error
	want string
}

func raw(nr uintptr, args ...uintptr) func() error {
	return func() error {
		var a [6]uintptr
		copy(a[:], args)
		_, _, errno := unix.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
		if errno != 0 {
			return errno
		}
		return nil
	}
}

func socket(family, kind, protocol int) func() error {
	return func() error {
		fd, err := unix.Socket(family, kind, protocol)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}
}

// attempts are tried by root and by an ordinary user.
func attempts(p Profile, dir string) []attempt {
	if p.Proxy {
		return proxyAttempts()
	}
	if p.Sockets {
		return hostAttempts()
	}
	return boxAttempts(dir)
}

// hostAttempts are tried under Profile.Sockets, without a broker: what goes to
// it gets ENOSYS.
func hostAttempts() []attempt {
	pair := func(kind int) func() error {
		return func() error { _, err := unix.Socketpair(unix.AF_UNIX, kind, 0); return err }
	}
	return []attempt{
		{"tcp", socket(unix.AF_INET, unix.SOCK_STREAM, 0), "EACCES"},
		{"udp", socket(unix.AF_INET6, unix.SOCK_DGRAM, 0), "EACCES"},
		{"netlink", socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE), "EAFNOSUPPORT"},
		{"unix datagram", socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0), "EACCES"},
		{"unix raw", socket(unix.AF_UNIX, unix.SOCK_RAW, 0), "EACCES"},
		{"pair of datagram", pair(unix.SOCK_DGRAM | unix.SOCK_CLOEXEC), "EACCES"},
		{"unix connect", func() error {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			return unix.Connect(fd, &unix.SockaddrUnix{Name: "/run/docker.sock"})
		}, "ENOSYS"},
		{"shared memory", func() error { _, err := unix.SysvShmGet(unix.IPC_PRIVATE, 4096, unix.IPC_CREAT|0o600); return err }, "ENOSYS"},
		{"message queue", raw(unix.SYS_MQ_OPEN, 0, 0), "ENOSYS"},
		{"limit of the parent", func() error { return unix.Prlimit(os.Getppid(), unix.RLIMIT_CORE, &unix.Rlimit{}, nil) }, "EPERM"},
		{"chmod", func() error { return unix.Chmod("/", 0o777) }, "ENOSYS"},
		{"utimes", func() error { return unix.Utimes("/", make([]unix.Timeval, 2)) }, "ENOSYS"},

		{"unix stream", socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0), "ok"},
		{"pair of stream", pair(unix.SOCK_STREAM | unix.SOCK_NONBLOCK), "ok"},
		{"own limit", func() error { return unix.Prlimit(0, unix.RLIMIT_CORE, &unix.Rlimit{}, nil) }, "ok"},
		{"limit of the parent, read", func() error { return unix.Prlimit(os.Getppid(), unix.RLIMIT_CORE, nil, new(unix.Rlimit)) }, "ok"},
	}
}

// proxyAttempts are tried under Profile.Proxy.
func proxyAttempts() []attempt {
	list := hostAttempts()[1:] // TCP is what Proxy allows
	return append(list,
		attempt{"tcp", socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0), "ok"},
		attempt{"tcp6", socket(unix.AF_INET6, unix.SOCK_STREAM, unix.IPPROTO_TCP), "ok"},
		attempt{"multipath", socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP), "EACCES"},
		attempt{"vsock", socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0), "EAFNOSUPPORT"},
		attempt{"alg", socket(unix.AF_ALG, unix.SOCK_SEQPACKET, 0), "EAFNOSUPPORT"},
		attempt{"raw", socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW), "EACCES"},
		attempt{"listen", func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			return unix.Listen(fd, 1)
		}, "ENOSYS"},
		attempt{"fast open", func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			return unix.Sendto(fd, []byte("x"), unix.MSG_FASTOPEN, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}})
		}, "ENOTSUP"},
	)
}

// boxAttempts are tried under the zero Profile. Each is refused by the filter
// with an errno that the kernel itself, asked by root, would not give.
func boxAttempts(dir string) []attempt {
	path := []byte(dir + "\x00")
	p := uintptr(unsafe.Pointer(&path[0]))
	const high = 1 << 32
	list := []attempt{
		{"mount", func() error { return unix.Mount("none", dir, "tmpfs", 0, "") }, "EPERM"},
		{"chroot", func() error { return unix.Chroot(dir) }, "EPERM"},
		{"open_tree", func() error { _, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE); return err }, "EPERM"},
		{"fsopen", func() error { _, err := unix.Fsopen("tmpfs", 0); return err }, "EPERM"},
		{"unshare user", func() error { return unix.Unshare(unix.CLONE_NEWUSER) }, "EPERM"},
		{"unshare mount", func() error { return unix.Unshare(unix.CLONE_NEWNS) }, "EPERM"},
		{"unshare high bits", raw(unix.SYS_UNSHARE, high|unix.CLONE_FILES), "EPERM"},
		{"clone user", raw(unix.SYS_CLONE, unix.CLONE_NEWUSER|uintptr(unix.SIGCHLD)), "EPERM"},
		{"clone high bits", raw(unix.SYS_CLONE, high|unix.CLONE_NEWUSER|uintptr(unix.SIGCHLD)), "EPERM"},
		{"clone3", raw(unix.SYS_CLONE3, 0, 0), "ENOSYS"},
		{"setns", raw(unix.SYS_SETNS, 0, 0), "EPERM"},
		{"io_uring", raw(unix.SYS_IO_URING_SETUP, 1, 0), "ENOSYS"},
		{"keyctl", func() error { _, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_USER_KEYRING, true); return err }, "EPERM"},
		{"bpf", raw(unix.SYS_BPF, 0, 0, 0), "EPERM"},
		{"userfaultfd", raw(unix.SYS_USERFAULTFD, 0), "EPERM"},
		{"perf", raw(unix.SYS_PERF_EVENT_OPEN, 0), "EPERM"},
		{"handle", raw(unix.SYS_NAME_TO_HANDLE_AT, 0), "EPERM"},
		{"syslog", func() error { _, err := unix.Klogctl(10, nil); return err }, "EPERM"},
		{"fanotify", func() error { _, err := unix.FanotifyInit(unix.FAN_REPORT_FID, 0); return err }, "EPERM"},
		{"sethostname", raw(unix.SYS_SETHOSTNAME, p, 0), "EPERM"},
		{"ptrace attach", raw(unix.SYS_PTRACE, unix.PTRACE_ATTACH, 1), "EPERM"},
		{"ptrace seize", raw(unix.SYS_PTRACE, unix.PTRACE_SEIZE, 1), "EPERM"},
		{"process_vm_readv", raw(unix.SYS_PROCESS_VM_READV, uintptr(os.Getpid()), 0, 0, 0, 0, 0), "EPERM"},
		{"pidfd_getfd", raw(unix.SYS_PIDFD_GETFD, 0, 0, 0), "EPERM"},
		{"TIOCSTI", raw(unix.SYS_IOCTL, 0, unix.TIOCSTI, p), "EPERM"},
		{"TIOCSTI high bits", raw(unix.SYS_IOCTL, 0, high|unix.TIOCSTI, p), "EPERM"},
		{"TIOCLINUX", raw(unix.SYS_IOCTL, 0, 0x541c, p), "EPERM"},
		{"personality", raw(unix.SYS_PERSONALITY, 0x40_0000), "EPERM"},
		{"seccomp listener", raw(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, 0), "EPERM"},
		{"vsock", socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0), "EAFNOSUPPORT"},
		{"packet", socket(unix.AF_PACKET, unix.SOCK_RAW, 0), "EAFNOSUPPORT"},
		{"crypto", socket(unix.AF_ALG, unix.SOCK_SEQPACKET, 0), "EAFNOSUPPORT"},
		{"raw", socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP), "EPERM"},
		{"raw with flags", socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW), "EPERM"},
		{"ping", socket(unix.AF_INET6, unix.SOCK_DGRAM, unix.IPPROTO_ICMPV6), "EACCES"},
		{"multipath", socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP), "EPROTONOSUPPORT"},
		{"netlink", socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE), "EAFNOSUPPORT"},
		{"uevent", socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_KOBJECT_UEVENT), "EAFNOSUPPORT"},
		{"unknown number", raw(600), "ENOSYS"},
		{"number -1", raw(^uintptr(0)), "ENOSYS"},

		{"tcp", socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP), "ok"},
		{"udp6", socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK, 0), "ok"},
		{"unix", socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0), "ok"},
		{"unshare semaphores", func() error { return unix.Unshare(unix.CLONE_SYSVSEM) }, "ok"}, // the other allowed ones would split the threads of this program
		{"memfd", func() error { _, err := unix.MemfdCreate("x", 0); return err }, "ok"},
		{"personality query", raw(unix.SYS_PERSONALITY, 0xffff_ffff), "ok"},
		{"mkdir", func() error { return os.Mkdir(filepath.Join(dir, "x"), 0o755) }, "ok"},
	}
	if runtime.GOARCH == "amd64" {
		list = append(list, attempt{"x32", raw(0x4000_0000 | 20), "ENOSYS"}) // getpid elsewhere
	}
	return list
}

func TestAttempts(t *testing.T) {
	for _, p := range []Profile{{}, {Sockets: true, Metadata: true}, {Sockets: true, Metadata: true, Proxy: true}} {
		for _, user := range []bool{false, true} {
			t.Run(fmt.Sprintf("sockets=%t/proxy=%t/user=%t", p.Sockets, p.Proxy, user), func(t *testing.T) {
				if user && os.Getuid() != 0 {
					t.Skip("the other run was by an ordinary user")
				}
				cmd := helperCommand(t, helper{Do: "attempt", Profile: p, User: user})
				cmd.Stderr = os.Stderr
				out, err := cmd.Output()
				if err != nil {
					t.Fatal(err)
				}
				var got map[string]string
				if err := json.Unmarshal(out, &got); err != nil {
					t.Fatal(err)
				}
				for _, a := range attempts(p, t.TempDir()) {
					if user && a.name == "limit of the parent, read" {
						continue // the parent is root's here
					}
					if got[a.name] != a.want {
						t.Errorf("%s: %s, want %s", a.name, got[a.name], a.want)
					}
				}
			})
		}
	}
}

// TestInt80 runs a program that makes one system call by the 32-bit gate.
func TestInt80(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("amd64 only")
	}
	prog := filepath.Join(t.TempDir(), "int80")
	if err := os.WriteFile(prog, int80ELF(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := exec.CommandContext(t.Context(), prog).Run(); err != nil {
		t.Skipf("this kernel has no 32-bit gate: %v", err)
	}
	err := helperCommand(t, helper{Do: "exec", Args: []string{prog}}).Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != unix.SIGSYS {
		t.Fatalf("a 32-bit system call gave %v, want death by SIGSYS", err)
	}
}

// int80ELF is a static program: getpid by int 0x80, then exit(0) by syscall.
func int80ELF() []byte {
	const base = 0x40_0000
	code := []byte{
		0xb8, 20, 0, 0, 0, // mov eax, 20
		0xcd, 0x80, // int 0x80
		0xb8, 60, 0, 0, 0, // mov eax, 60
		0x31, 0xff, // xor edi, edi
		0x0f, 0x05, // syscall
	}
	const headers = 64 + 56
	var b []byte
	le := func(n int, v uint64) {
		for range n {
			b = append(b, byte(v))
			v >>= 8
		}
	}
	b = append(b, 0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	le(2, 2)            // ET_EXEC
	le(2, 62)           // EM_X86_64
	le(4, 1)            // version
	le(8, base+headers) // entry
	le(8, 64)           // program headers
	le(8, 0)            // section headers
	le(4, 0)            // flags
	le(2, 64)           // header size
	le(2, 56)           // program header size
	le(2, 1)            // program headers
	le(6, 0)            // sections
	le(4, 1)            // PT_LOAD
	le(4, 5)            // read, execute
	le(8, 0)            // offset
	le(8, base)         // address
	le(8, base)         // physical address
	n := uint64(headers + len(code))
	le(8, n)
	le(8, n)
	le(8, 0x1000)
	return append(b, code...)
}
