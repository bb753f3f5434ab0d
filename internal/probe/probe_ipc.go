//go:build linux

package probe

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ipcProbes reach for memory, queues and keys that processes share.
func ipcProbes() []Probe {
	p := func(id, title, wall string, plant func(*Case) error, needs func(*Case) string, attack func(*Inside) error, judge func(*Case, *Report) (bool, string)) Probe {
		return Probe{ID: "ipc." + id, Severity: Boundary, Title: title, Why: "what your processes share holds what they work on", Wall: wall, Fix: fixFull,
			Needs: needs, Plant: plant, Attack: attack, Judge: judge}
	}
	const (
		ns   = "an IPC namespace of its own"
		keys = "a new session keyring, keyctl refused"
	)
	id := func(in *Inside) int {
		n, err := strconv.Atoi(in.Args["id"])
		if err != nil {
			panic("nothing is planted")
		}
		return n
	}
	keysAsk := func(in *Inside, ring int) error {
		id, err := unix.KeyctlSearch(ring, "user", in.Args["key"], 0)
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
	}
	const userRing = -4 // KEY_SPEC_USER_KEYRING
	return []Probe{
		p("sysv-shm", "attach System V shared memory of the host", ns, (*Case).SharedMemory, nil, func(in *Inside) error {
			mem, err := unix.SysvShmAttach(id(in), 0, unix.SHM_RDONLY)
			if err != nil {
				return err
			}
			in.Loot(mem[:64])
			return nil
		}, cameOut),
		p("sysv-shm-write", "write to System V shared memory of the host", ns, (*Case).SharedMemory, nil, func(in *Inside) error {
			mem, err := unix.SysvShmAttach(id(in), 0, 0)
			if err != nil {
				return err
			}
			copy(mem, in.Nonce)
			return nil
		}, func(c *Case, _ *Report) (bool, string) {
			if len(c.shm) >= len(c.Nonce) && string(c.shm[:len(c.Nonce)]) == c.Nonce {
				return true, "the shared memory outside was changed"
			}
			return false, ""
		}),
		p("sysv-shm-find", "find shared memory of the host in the kernel's list", ns, (*Case).SharedMemory, nil, func(in *Inside) error {
			var list unix.SysvShmDesc
			const stat, limit = 13, 4096 // SHM_STAT takes an index, which the list has few of
			for i := range limit {
				n, _, e := unix.Syscall(unix.SYS_SHMCTL, uintptr(i), stat, uintptr(unsafe.Pointer(&list)))
				if e != 0 || list.Perm.Uid != uint32(os.Getuid()) || list.Segsz != 4096 {
					continue
				}
				mem, err := unix.SysvShmAttach(int(n), 0, unix.SHM_RDONLY)
				if err != nil {
					continue
				}
				if string(mem[:7]) == "secret-" {
					in.Loot(append(mem[:64:64], '\n'))
				}
				unix.SysvShmDetach(mem)
			}
			return errHeld
		}, cameOut),
		p("sysv-sem", "change a System V semaphore of the host", ns, (*Case).Semaphore, nil, func(in *Inside) error {
			op := struct {
				num   uint16
				op    int16
				flags int16
			}{0, 3, 0x800} // IPC_NOWAIT
			_, _, e := unix.Syscall(unix.SYS_SEMOP, uintptr(id(in)), uintptr(unsafe.Pointer(&op)), 1)
			return errno(e)
		}, func(c *Case, _ *Report) (bool, string) {
			if n := semaphoreValue(c.Args["id"]); n != 1 {
				return true, fmt.Sprintf("the semaphore outside is at %d, and was at 1", n)
			}
			return false, ""
		}),
		p("sysv-msg", "take a message out of a System V queue of the host", ns, (*Case).MessageQueue, nil, func(in *Inside) error {
			var m message
			_, _, e := unix.Syscall6(unix.SYS_MSGRCV, uintptr(id(in)), uintptr(unsafe.Pointer(&m)), uintptr(len(m.text)), 0, 0x800, 0) // IPC_NOWAIT
			if e != 0 {
				return e
			}
			in.Loot(m.text[:])
			return nil
		}, cameOut),
		p("posix-mq", "take a message out of a POSIX queue of the host", ns, (*Case).POSIXQueue, needCall(unix.SYS_MQ_UNLINK, "POSIX message queues"), func(in *Inside) error {
			fd, err := mqOpen(in.Args["name"], unix.O_RDWR)
			if err != nil {
				return err
			}
			b, err := mqReceive(fd)
			in.Loot(b)
			return err
		}, cameOut),
		p("dev-shm", "read POSIX shared memory of the host", "a /dev/shm of its own", (*Case).DevShm, needDevShm, readPath, cameOut),
		p("dev-shm-write", "write to POSIX shared memory of the host", "a /dev/shm of its own", (*Case).DevShm, needDevShm, overwrite, touched),
		p("session-key", "read a key from the session keyring", keys, (*Case).Key, needKeys, func(in *Inside) error { return keysAsk(in, unix.KEY_SPEC_SESSION_KEYRING) }, cameOut),
		p("request-key", "request a key that the session keyring has", keys, (*Case).Key, needKeys, func(in *Inside) error {
			id, err := unix.RequestKey("user", in.Args["key"], "", 0)
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
		}, cameOut),
		p("proc-keys", "list the keys of the host", "/proc/keys is masked", func(c *Case) error {
			err := c.Key()
			c.Token = c.Args["key"]
			return err
		}, needKeys, func(in *Inside) error { return lootKeys(in) }, cameOut).announced("names of your keys"),
		p("add-key", "add a key to the session keyring", keys, func(c *Case) error {
			c.Args["key"] = "bailey-prove:" + random(8)
			return nil
		}, needKeys, func(in *Inside) error {
			_, err := unix.AddKey("user", in.Args["key"], []byte("evil"), unix.KEY_SPEC_SESSION_KEYRING)
			return err
		}, func(c *Case, _ *Report) (bool, string) {
			if _, err := unix.KeyctlSearch(unix.KEY_SPEC_SESSION_KEYRING, "user", c.Args["key"], 0); err == nil {
				return true, "the key is in the keyring outside"
			}
			return false, ""
		}),
		{ID: "ipc.user-key", Severity: Boundary, Title: "leave a key in the user's keyring", Why: "it outlives the box, and the next box or a program outside may trust it", Wall: keys, Fix: fixFull,
			Needs: needKeys, Plant: func(c *Case) error { c.Args["key"] = "bailey-prove:" + random(8); return nil },
			Attack: func(in *Inside) error {
				id, err := unix.AddKey("user", in.Args["key"], []byte("evil"), userRing)
				if err != nil {
					return err
				}
				const setTimeout = 15 // whatever happens to us, the kernel removes it in a minute
				_, err = unix.KeyctlInt(setTimeout, id, 60, 0, 0)
				return err
			},
			Judge: func(c *Case, _ *Report) (bool, string) {
				if _, err := unix.KeyctlSearch(userRing, "user", c.Args["key"], 0); err == nil {
					return true, "the key is in the user's keyring outside"
				}
				return false, ""
			},
			Undo: func(c *Case) {
				if id, err := unix.KeyctlSearch(userRing, "user", c.Args["key"], 0); err == nil {
					unix.KeyctlInt(unix.KEYCTL_UNLINK, id, userRing, 0, 0)
				}
			}},
		{ID: "ipc.fifo", Severity: Boundary, Title: "write to a named pipe of the host", Why: "a program that waits at the other end does what it is told", Wall: wallHidden + ", Landlock refuses writes", Fix: fixWrite,
			Plant: func(c *Case) error {
				c.Args["path"] = c.own(c.Out)
				if err := unix.Mkfifo(c.Args["path"], 0o600); err != nil {
					return err
				}
				f, err := os.OpenFile(c.Args["path"], os.O_RDWR|unix.O_NONBLOCK, 0)
				c.peer = f
				return err
			},
			Attack: func(in *Inside) error {
				fd, err := unix.Open(in.Args["path"], unix.O_WRONLY|unix.O_NONBLOCK, 0)
				if err != nil {
					return err
				}
				defer unix.Close(fd)
				_, err = unix.Write(fd, []byte(in.Nonce))
				return err
			}, Judge: arrived},
		{ID: "ipc.file-lock", Severity: Hardening, Title: "lock a file of the host", Why: "whoever waits for the lock waits for ever", Wall: wallHidden, Fix: fixRead,
			Plant: func(c *Case) error { return c.Target(c.own(c.Out)) },
			Attack: func(in *Inside) error {
				fd, err := unix.Open(in.Args["path"], unix.O_RDONLY, 0)
				if err != nil {
					return err
				}
				return errors.Join(unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB), unix.Close(fd))
			}},
	}
}

// lootKeys reads the kernel's list of keys, which may be long, and hands on what
// is the run's.
func lootKeys(in *Inside) error {
	b, err := os.ReadFile("/proc/keys")
	if err != nil {
		return err
	}
	for i := 0; i+len("bailey-prove:")+16 <= len(b); i++ {
		if string(b[i:i+len("bailey-prove:")]) == "bailey-prove:" {
			in.Loot(append(b[i:i+len("bailey-prove:")+16:i+len("bailey-prove:")+16], '\n'))
		}
	}
	return errHeld
}

// arrived: the nonce came to the other end, which is here.
func arrived(c *Case, r *Report) (bool, string) {
	if c.peer == nil {
		return false, ""
	}
	if c.heardAt == nil {
		c.heardAt = make([]byte, 0, 512)
	}
	fd := int(c.peer.Fd())
	unix.SetNonblock(fd, true)
	b := make([]byte, 512)
	if n, err := unix.Read(fd, b); err == nil && n > 0 {
		c.heardAt = append(c.heardAt, b[:n]...)
	}
	for i := 0; i+len(c.Nonce) <= len(c.heardAt); i++ {
		if string(c.heardAt[i:i+len(c.Nonce)]) == c.Nonce {
			return true, "the other end outside got the probe's word"
		}
	}
	return false, ""
}
