package seccomp

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The tests here load filters into this kernel. A filter cannot be taken off
// again, so each runs in a copy of the test binary, told what to do by this
// variable.
const helperVar = "BAILEY_TEST_SECCOMP"

type helper struct {
	Do      string // exec, attempt, notify
	Profile Profile
	Args    []string
	User    bool // give up root first
}

func TestMain(m *testing.M) {
	if spec := os.Getenv(helperVar); spec != "" {
		os.Unsetenv(helperVar)
		if err := runHelper(spec); err != nil {
			fmt.Fprintln(os.Stderr, "helper:", err)
			os.Exit(99)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func runHelper(spec string) error {
	var h helper
	if err := json.Unmarshal([]byte(spec), &h); err != nil {
		return err
	}
	if h.User && os.Getuid() == 0 {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(65534), syscall.Setuid(65534)); err != nil {
			return err
		}
	}
	switch h.Do {
	case "exec":
		path, err := exec.LookPath(h.Args[0])
		if err != nil {
			return err
		}
		runtime.LockOSThread()
		if _, err := install(h.Profile, unix.SECCOMP_FILTER_FLAG_TSYNC); err != nil {
			return err
		}
		return syscall.Exec(path, h.Args, os.Environ())
	case "attempt":
		dir, err := os.MkdirTemp("", "")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if _, err := install(h.Profile, unix.SECCOMP_FILTER_FLAG_TSYNC); err != nil {
			return err
		}
		results := map[string]string{}
		for _, a := range attempts(h.Profile, dir) {
			results[a.name] = errnoName(a.do())
		}
		return json.NewEncoder(os.Stdout).Encode(results)
	case "notify":
		return notifyHelper(h.Profile)
	}
	return fmt.Errorf("unknown helper %q", h.Do)
}

// install loads the filter of p into the calling thread, or all of them.
func install(p Profile, flags uintptr) (int, error) {
	prog, err := Compile(p, runtime.GOARCH)
	if err != nil {
		return -1, err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return -1, err
	}
	return load(prog, flags)
}

func load(prog []Instruction, flags uintptr) (int, error) {
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: (*unix.SockFilter)(unsafe.Pointer(&prog[0]))}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return -1, fmt.Errorf("seccomp: %w", errno)
	}
	return int(fd), nil
}

func helperCommand(t testing.TB, h helper) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	spec, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), helperVar+"="+string(spec))
	return cmd
}

func errnoName(err error) string {
	var errno syscall.Errno
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &errno):
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

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
		{"unshare files", func() error { return unix.Unshare(unix.CLONE_FILES) }, "ok"},
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
	for _, p := range []Profile{{}, {Sockets: true, Metadata: true}} {
		for _, user := range []bool{false, true} {
			t.Run(fmt.Sprintf("sockets=%t/user=%t", p.Sockets, user), func(t *testing.T) {
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

// TestPrograms runs what people run, under the filter but without a broker.
func TestPrograms(t *testing.T) {
	for _, tt := range []struct {
		name    string
		profile Profile
		file    string // written with content
		content string
		script  string
		want    string // empty: what it prints without a filter
	}{
		{name: "sh", script: "echo $((6*7)) | cat", want: "42"},
		{name: "gcc", file: "hello.c", content: cProgram, script: "gcc -O1 -pipe hello.c -o hello && ./hello", want: "hello"},
		{name: "go", file: "main.go", content: goProgram, script: "go run main.go",
			want: "listened dialled resolved interfaces: address family not supported by protocol"},
		{name: "go", profile: Profile{Interfaces: true}, file: "main.go", content: goProgram, script: "go run main.go"},
		{name: "python3", file: "x.py", content: pythonProgram, script: "python3 x.py", want: "subprocess thread socket resolve"},
		{name: "node", file: "x.js", content: nodeProgram, script: "node x.js", want: "spawned threw listened worker"},
		{name: "node", profile: Profile{Interfaces: true}, file: "x.js", content: nodeProgram, script: "node x.js"},
		{name: "java", file: "Main.java", content: javaProgram, script: "java Main.java", want: "listened interfaces"},
		{name: "git", script: "git init -q r && cd r && git -c user.name=a -c user.email=b commit -q --allow-empty -m x && git log --format=%s", want: "x"},
		{name: "setarch", script: "setarch -R uname -s", want: "Linux"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(tt.name); err != nil {
				t.Skip(err)
			}
			run := func(name string, args ...string) (string, error) {
				cmd := exec.CommandContext(t.Context(), name, args...)
				if name == "filtered" {
					cmd = helperCommand(t, helper{Do: "exec", Profile: tt.profile, Args: args})
				}
				cmd.Dir = t.TempDir()
				cmd.Env = append(cmd.Environ(), "GOFLAGS=", "GOWORK=off", "GOTOOLCHAIN=local", "GOPROXY=off")
				if tt.file != "" {
					if err := os.WriteFile(filepath.Join(cmd.Dir, tt.file), []byte(tt.content), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				out, err := cmd.CombinedOutput()
				return strings.TrimSpace(string(out)), err
			}
			free, err := run("sh", "-c", tt.script)
			if err != nil {
				t.Skipf("fails without a filter too: %v\n%s", err, free)
			}
			want := tt.want
			if want == "" {
				want = free
			}
			if out, err := run("filtered", "sh", "-c", tt.script); err != nil || out != want {
				t.Fatalf("%v\n%s\nwant %s", err, out, want)
			}
		})
	}
}

const cProgram = `#include <stdio.h>
int main(void) { puts("hello"); return 0; }
`

const goProgram = `package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Print("listened ")
	if _, err := net.Dial("tcp", l.Addr().String()); err != nil {
		panic(err)
	}
	fmt.Print("dialled ")
	if _, err := net.DefaultResolver.LookupHost(context.Background(), "localhost"); err != nil {
		panic(err)
	}
	fmt.Print("resolved ")
	fmt.Print("interfaces: ")
	ifs, err := net.Interfaces()
	var errno syscall.Errno
	if errors.As(err, &errno) {
		fmt.Println(errno)
		return
	}
	fmt.Println(ifs[0].Name)
}
`

const pythonProgram = `
import socket, subprocess, threading
print(subprocess.run(["echo", "subprocess"], capture_output=True, text=True).stdout.strip(), end=" ")
t = threading.Thread(target=lambda: print("thread", end=" ")); t.start(); t.join()
s = socket.create_server(("127.0.0.1", 0)); c = socket.create_connection(s.getsockname()); print("socket", end=" ")
socket.getaddrinfo("localhost", 80, flags=socket.AI_ADDRCONFIG); print("resolve")
`

const nodeProgram = `
const os = require("os"), cp = require("child_process"), net = require("net"), wt = require("worker_threads");
const say = [cp.execFileSync("echo", ["spawned"]).toString().trim()];
try { say.push(Object.keys(os.networkInterfaces())[0]); } catch (e) { say.push("threw"); }
const s = net.createServer(c => c.end()).listen(0, "127.0.0.1", () => net.connect(s.address().port, "localhost").on("close", () => {
	say.push("listened"); s.close();
	new wt.Worker("require('worker_threads').parentPort.postMessage('worker')", {eval: true}).on("message", m => { say.push(m); console.log(say.join(" ")); });
}));
`

const javaProgram = `
import java.net.*;
public class Main {
	public static void main(String[] a) throws Exception {
		try (ServerSocket s = new ServerSocket(0, 1, InetAddress.getLoopbackAddress()); Socket c = new Socket(s.getInetAddress(), s.getLocalPort())) {
			System.out.print("listened ");
		}
		NetworkInterface.getNetworkInterfaces();
		System.out.println("interfaces");
	}
}
`

// TestNotify holds that the calls of Profile's doc, and no others, reach a
// listener.
func TestNotify(t *testing.T) {
	for p, want := range map[Profile][]string{
		{Broker: true}:                  {"creat", "mkdir", "open O_WRONLY", "openat O_CREAT", "rename", "symlink", "truncate", "unlink", "chmod 755"},
		{Reads: true}:                   {"open O_RDONLY", "open O_WRONLY", "openat O_CREAT"},
		{Sockets: true, Metadata: true}: {"connect", "chmod 644", "chmod 755", "utimes"},
	} {
		cmd := helperCommand(t, helper{Do: "notify", Profile: p})
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if cmd.ProcessState.ExitCode() == noListener {
			t.Skip("a filter above this process allows no listener")
		}
		if err != nil {
			t.Fatalf("%+v: %v", p, err)
		}
		var got []string
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		slices.Sort(want)
		if runtime.GOARCH != "amd64" { // the helper's calls become their *at forms: the same set
			want = slices.DeleteFunc(want, func(s string) bool { return s == "creat" })
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v: the listener saw %q, want %q", p, got, want)
		}
	}
}

// noListener is the helper's status when it may not have a listener, as inside a
// box.
const noListener = 98

// errTold is what the listener answers, an errno that none of the calls gives.
const errTold = unix.EBADMSG

// notifyHelper filters one thread, makes calls on it, and answers them all on
// another.
func notifyHelper(p Profile) error {
	type told struct {
		fd  int
		err error
	}
	ready, seen := make(chan told), make(chan []string)
	go func() {
		runtime.LockOSThread()
		fd, err := install(p, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER)
		ready <- told{fd, err}
		<-ready
		var names []string
		try := func(name string, err error) {
			if err == errTold {
				names = append(names, name)
			}
		}
		const no = "/nonexistent/x"
		open := func(flags int) error { _, err := unix.Open(no, flags, 0); return err }
		openat := func(flags int) error { _, err := unix.Openat(unix.AT_FDCWD, no, flags, 0); return err }
		try("open O_RDONLY", open(unix.O_RDONLY))
		try("open O_PATH", open(unix.O_PATH))
		try("open O_WRONLY", open(unix.O_WRONLY))
		try("openat O_CREAT", openat(unix.O_CREAT))
		try("mkdir", unix.Mkdir(no, 0))
		try("rename", unix.Rename(no, no))
		try("unlink", unix.Unlink(no))
		try("symlink", unix.Symlink(no, no))
		try("truncate", unix.Truncate(no, 0))
		try("ftruncate", unix.Ftruncate(-1, 0))
		try("chmod 644", unix.Chmod(no, 0o644))
		try("chmod 755", unix.Chmod(no, 0o755))
		try("utimes", unix.Utimes(no, make([]unix.Timeval, 2)))
		try("stat", unix.Stat(no, new(unix.Stat_t)))
		try("connect", unix.Connect(-1, &unix.SockaddrUnix{Name: no}))
		if runtime.GOARCH == "amd64" {
			path := []byte(no + "\x00")
			try("creat", raw(85, uintptr(unsafe.Pointer(&path[0])))())
		}
		seen <- names
	}()
	r := <-ready
	if errors.Is(r.err, unix.EPERM) || errors.Is(r.err, unix.EBUSY) {
		os.Exit(noListener)
	}
	if r.err != nil {
		return r.err
	}
	go func() {
		for {
			var n struct { // struct seccomp_notif
				id         uint64
				pid, flags uint32
				data       data64
			}
			if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(r.fd), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&n))); errno != 0 {
				continue
			}
			resp := struct { // struct seccomp_notif_resp
				id           uint64
				val          int64
				error, flags int32
			}{n.id, 0, -int32(errTold), 0}
			unix.Syscall(unix.SYS_IOCTL, uintptr(r.fd), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&resp)))
		}
	}()
	ready <- told{}
	return json.NewEncoder(os.Stdout).Encode(<-seen)
}

type data64 struct {
	nr, arch uint32
	ip       uint64
	args     [6]uint64
}

// BenchmarkLoad is what loading a filter costs a start, each into a fresh
// thread.
func BenchmarkLoad(b *testing.B) {
	prog, err := Compile(Profile{Broker: true}, runtime.GOARCH)
	if err != nil {
		b.Fatal(err)
	}
	var total time.Duration
	for range b.N {
		done := make(chan error)
		go func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
			if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
				done <- err
				return
			}
			start := time.Now()
			_, err := load(prog, 0)
			total += time.Since(start)
			done <- err
		}()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(total.Microseconds())/float64(b.N), "us/load")
}
