//go:build linux

package linux

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/name"
	"github.com/bailey-run/bailey/internal/plan"
)

// matcher compiles the plan's name rules, once for a box.
func (b *Box) matcher() (*name.Matcher, error) {
	if !b.plan.Syscalls.Notifies() {
		return nil, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.names == nil {
		m, err := name.Compile(b.plan.Names)
		if err != nil {
			return nil, fmt.Errorf("compile the name rules: %w", err)
		}
		b.names = m
	}
	return b.names, nil
}

// serve starts a name broker for a command's listener when the command asks for
// a first name: many never do. The caller waits meanwhile, and if the broker
// cannot be started, the box ends.
func (b *Box) serve(listener, pid int) {
	defer b.serving.Done()
	if !b.awaitFirst(listener) {
		return
	}
	br, err := b.startBroker(listener, pid)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		if !b.closed && b.options.Failed != nil {
			b.options.Failed(err)
		}
		unix.Close(listener)
		unix.Kill(pid, unix.SIGKILL)
		return
	}
	b.brokers = append(b.brokers, br)
	go func() {
		// Without a broker every name that the box makes would fail, and the box
		// could not tell why.
		<-br.Done()
		if err := br.Err(); err != nil {
			if b.options.Failed != nil {
				b.options.Failed(err)
			}
			unix.Kill(pid, unix.SIGKILL)
		}
	}()
}

// awaitFirst returns true when a first notification waits, without taking up a
// thread until then, and false when none will come.
func (b *Box) awaitFirst(listener int) bool {
	watch, err := unix.FcntlInt(uintptr(listener), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return true // let the broker find out
	}
	unix.SetNonblock(watch, true) // also what makes os watch it
	f := os.NewFile(uintptr(watch), "listener")
	defer f.Close()
	b.mu.Lock()
	closed := b.closed
	if !closed {
		b.watches = append(b.watches, f)
	}
	b.mu.Unlock()
	conn, err := f.SyscallConn()
	if closed || err != nil {
		unix.Close(listener)
		return false
	}
	first := false
	err = conn.Read(func(fd uintptr) bool {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, _ := unix.Poll(p, 0)
		first = n > 0 && p[0].Revents&unix.POLLIN != 0
		return n > 0
	})
	if err != nil && !errors.Is(err, os.ErrClosed) {
		return true // it cannot be watched: the broker waits itself
	}
	if !first {
		unix.Close(listener)
	}
	return first
}

func (b *Box) startBroker(listener, pid int) (*broker, error) {
	if err := b.options.fault.own.at("start the name broker"); err != nil {
		return nil, err
	}
	names, err := b.matcher()
	if err != nil {
		return nil, err
	}
	proc, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /proc for the name broker: %w", err)
	}
	// The root of pid 1 is the box's; without one, of tier landlock, it is ours.
	rootPath := "/"
	if b.pid1 > 0 {
		rootPath = "/proc/" + strconv.Itoa(b.pid1) + "/root"
	}
	root, err := unix.Open(rootPath, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		unix.Close(proc)
		return nil, fmt.Errorf("open the box's root for the name broker: %w", err)
	}
	id := b.plan.Identity
	cfg := brokerConfig{Root: root, Proc: proc, Names: names, HostUID: id.HostUID, HostGID: id.HostGID,
		DropCreds: os.Geteuid() == 0, Umask: true, Denied: b.options.Denied, Proxy: b.options.Proxy, Asking: b.asking, Execs: b.options.Execs}
	if b.pid1 <= 0 {
		cfg.Write, cfg.Read = places(b.plan.Landlock.Paths)
	}
	br, err := startBroker(listener, cfg)
	if err != nil {
		unix.Close(proc)
		unix.Close(root)
	}
	return br, err
}

// places says where a box without mounts of its own may write and read. Landlock
// holds its commands there; the broker, which acts for them, is told.
func places(rules []plan.PathRule) (write, read []string) {
	write, read = []string{}, []string{}
	for _, r := range rules {
		switch r.Access {
		case plan.List: // names only, and no access below
			continue
		case plan.ReadWrite, plan.Full, plan.Devices:
			write = append(write, r.Path)
		}
		read = append(read, r.Path)
	}
	return write, read
}
