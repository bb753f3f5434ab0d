//go:build linux

package linux

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/name"
)

// matcher compiles the plan's name rules, once for a box.
func (b *Box) matcher() (*name.Matcher, error) {
	if !b.plan.Syscalls.Broker {
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

// serve starts a name broker for a command's listener. The command may run
// already: what it asks for waits until the broker is there, and if it cannot be
// started, the box ends.
func (b *Box) serve(listener, pid int) {
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
	if b.closed {
		br.Close()
	}
}

func (b *Box) startBroker(listener, pid int) (*broker, error) {
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
	br, err := startBroker(listener, brokerConfig{Root: root, Proc: proc, Names: names, HostUID: id.HostUID, HostGID: id.HostGID,
		DropCreds: os.Geteuid() == 0, Denied: b.options.Denied})
	if err != nil {
		unix.Close(proc)
		unix.Close(root)
	}
	return br, err
}
