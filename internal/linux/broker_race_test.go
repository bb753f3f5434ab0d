//go:build linux

package linux

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/name"
	"github.com/bailey-run/bailey/internal/seccomp"
)

// The attack a look-then-continue broker loses: one thread calls with a harmless
// path, another rewrites the path, or what it leads to, meanwhile.
const raceVar = "BAILEY_TEST_RACE"

func TestBrokerRaceChild(t *testing.T) {
	how := os.Getenv(raceVar)
	if how == "" {
		t.Skip("only in a child")
	}
	switch how {
	case "buffer":
		raceBuffer()
	case "links":
		raceLinks()
	}
	os.Exit(0)
}

const raceTime = 700 * time.Millisecond

// raceBuffer rewrites the path between two names while it is opened.
func raceBuffer() {
	good, bad := []byte(".harmless\x00"), []byte(".git/evil\x00")
	copy(bad, ".envrc\x00")
	path := make([]byte, len(good))
	var stop atomic.Bool
	go func() {
		for !stop.Load() {
			copy(path, good)
			for range 50 {
				runtime.KeepAlive(path)
			}
			copy(path, bad)
		}
	}()
	for end := time.Now().Add(raceTime); time.Now().Before(end); {
		fd, _, e := unix.Syscall(unix.SYS_OPENAT, ^uintptr(99), uintptr(unsafe.Pointer(&path[0])), unix.O_CREAT|unix.O_WRONLY)
		if e == 0 {
			unix.Close(int(fd))
		}
	}
	stop.Store(true)
}

// raceLinks swaps a directory and a link to a protected one while files are made
// below that name.
func raceLinks() {
	os.Mkdir("plain", 0o777)
	os.Symlink("plain", "a")
	os.Symlink(".git/hooks", "b")
	var stop atomic.Bool
	done := make(chan bool)
	go func() {
		for !stop.Load() {
			unix.Renameat2(unix.AT_FDCWD, "a", unix.AT_FDCWD, "b", unix.RENAME_EXCHANGE)
			unix.Renameat2(unix.AT_FDCWD, "plain", unix.AT_FDCWD, "moved", 0)
			unix.Renameat2(unix.AT_FDCWD, "moved", unix.AT_FDCWD, "plain", 0)
		}
		close(done)
	}()
	for end := time.Now().Add(raceTime); time.Now().Before(end); {
		for _, p := range []string{"a/evil", "b/evil", "a/../a/evil"} {
			if fd, err := unix.Open(p, unix.O_CREAT|unix.O_WRONLY, 0o777); err == nil {
				unix.Close(fd)
			}
			unix.Mkdir(p+"d", 0o777)
			unix.Rename("plain/evil", p+"r")
		}
	}
	stop.Store(true)
	<-done
}

func raceBox(t *testing.T, how string) *brokerBox {
	b := newBrokerBox(t)
	needs(t, "git")
	gitInit(t, b.dir)
	b.rules.Protect = []string{".envrc"}
	b.env = []string{raceVar + "=" + how}
	return b
}

func TestBrokerRace(t *testing.T) {
	for _, how := range []string{"buffer", "links"} {
		t.Run(how, func(t *testing.T) {
			b := raceBox(t, how)
			before, err := os.ReadDir(b.dir + "/.git/hooks")
			if err != nil {
				t.Fatal(err)
			}
			if out, err := b.run("/proc/self/exe", "-test.run=^TestBrokerRaceChild$"); err != nil {
				t.Fatal(err, out)
			}
			if _, err := os.Lstat(b.dir + "/.envrc"); err == nil {
				t.Error(".envrc was made")
			}
			if after, _ := os.ReadDir(b.dir + "/.git/hooks"); len(after) != len(before) {
				t.Errorf("hooks: %v", after)
			}
			made := b.dir + "/.harmless"
			if how == "links" {
				made = b.dir + "/plain"
			}
			if _, err := os.Lstat(made); err != nil {
				t.Error("the attack did nothing: ", err)
			}
			if b.denials == nil {
				t.Error("the attack was never refused, so never tried")
			}
		})
	}
}

// The same attack on a broker that looks and lets the kernel continue, to know
// that the attack is one.
func TestBrokerRaceBeatsContinue(t *testing.T) {
	b := raceBox(t, "buffer")
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	spec, _ := json.Marshal(brokerChild{Args: []string{"/proc/self/exe", "-test.run=^TestBrokerRaceChild$"}, Profile: seccomp.Profile{Broker: true}})
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestBrokerChild$")
	cmd.Env = append(os.Environ(), brokerVar+"="+string(spec), b.env[0])
	cmd.Dir = b.dir
	theirs := os.NewFile(uintptr(pair[1]), "theirs")
	cmd.ExtraFiles = []*os.File{theirs}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(pair[0], make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	msgs, _ := unix.ParseSocketControlMessage(oob[:n])
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil {
		t.Fatal(err)
	}
	unix.Write(pair[0], []byte{0})
	m, err := name.Compile(b.rules)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	w := &worker{listener: fds[0], names: m}
	poll := []unix.PollFd{{Fd: int32(fds[0]), Events: unix.POLLIN}}
	for {
		if n, _ := unix.Poll(poll, 100); n == 0 || poll[0].Revents&unix.POLLIN == 0 {
			select {
			case <-done:
				unix.Close(fds[0])
				if _, err := os.Lstat(b.dir + "/.envrc"); err != nil {
					t.Skip("the attack did not win this time")
				}
				return
			default:
				continue
			}
		}
		w.req = seccompNotif{}
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(w.listener), ioctlNotifRecv, uintptr(unsafe.Pointer(&w.req))); e != 0 {
			continue
		}
		buf := make([]byte, unix.PathMax+1)
		addr := w.req.args[1]
		if !strings.Contains(fmt.Sprint(unix.SYS_OPENAT), fmt.Sprint(w.req.nr)) {
			w.proceed()
			continue
		}
		size, _ := w.readString(addr, buf)
		if v := m.Check(name.Create, append([]byte(b.dir+"/"), buf[:size]...), false); v.Act != name.Allow {
			w.resp = seccompResp{id: w.req.id, errno: -int32(v.Errno)}
			unix.Syscall(unix.SYS_IOCTL, uintptr(w.listener), ioctlNotifSend, uintptr(unsafe.Pointer(&w.resp)))
			continue
		}
		w.proceed()
	}
}
