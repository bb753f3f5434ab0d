//go:build linux

package probe

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// ipcProbes reach for memory, queues and keys that processes share.
func ipcProbes() []Probe {
	p := func(id, title, wall string, plant func(*Case) error, needs func(*Case) string, attack func(*Inside) error) Probe {
		return Probe{ID: "ipc." + id, Severity: Boundary, Title: title, Why: "what your processes share holds what they work on", Wall: wall, Fix: "run with the tier full",
			Needs: needs, Plant: plant, Attack: attack, Judge: cameOut}
	}
	const ns = "an IPC namespace of its own"
	return []Probe{
		p("sysv-shm", "attach System V shared memory of the host", ns, (*Case).SharedMemory, nil, func(in *Inside) error {
			id, _ := strconv.Atoi(in.Args["id"])
			mem, err := unix.SysvShmAttach(id, 0, unix.SHM_RDONLY)
			if err != nil {
				return err
			}
			in.Loot(mem[:64])
			return nil
		}),
		p("posix-mq", "take a message out of a POSIX queue of the host", ns, (*Case).POSIXQueue, needCall(unix.SYS_MQ_UNLINK, "POSIX message queues"), func(in *Inside) error {
			fd, err := mqOpen(in.Args["name"], unix.O_RDWR)
			if err != nil {
				return err
			}
			b, err := mqReceive(fd)
			in.Loot(b)
			return err
		}),
		p("dev-shm", "read POSIX shared memory of the host", "a /dev/shm of its own", (*Case).DevShm, needDevShm, readPath),
		p("session-key", "read a key from the session keyring", "a new session keyring, keyctl refused", (*Case).Key, needKeys, func(in *Inside) error {
			id, err := unix.KeyctlSearch(unix.KEY_SPEC_SESSION_KEYRING, "user", in.Args["key"], 0)
			if err != nil {
				return err
			}
			b := make([]byte, 256)
			n, err := unix.KeyctlBuffer(unix.KEYCTL_READ, id, b, 0)
			if err != nil {
				return err
			}
			in.Loot(b[:min(max(n, 0), len(b))])
			return nil
		}),
	}
}
