package seccomp

import (
	"encoding/json"
	"errors"
	"os"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestNotify holds that the calls of Profile's doc, and no others, reach a
// listener.
func TestNotify(t *testing.T) {
	for p, want := range map[Profile][]string{
		{Broker: true}:                  {"creat", "mkdir", "open O_WRONLY", "openat O_CREAT", "rename", "symlink", "truncate", "unlink", "chmod 755"},
		{Reads: true}:                   {"open O_RDONLY", "open O_WRONLY", "openat O_CREAT"},
		{Sockets: true, Proxy: true}:    {"connect", "listen"},
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
		try("listen", unix.Listen(-1, 1))
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
