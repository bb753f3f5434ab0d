//go:build linux

package probe

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What processes share without a name in the file system. The janitor is told of
// each, because the kernel keeps them when their maker is gone.

// SharedMemory plants a System V segment with the token: Args["id"].
func (c *Case) SharedMemory() error {
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, 4096, unix.IPC_CREAT|0o600)
	if err == nil {
		err = c.jan.tell("shm", strconv.Itoa(id))
	}
	if err != nil {
		return fmt.Errorf("plant shared memory: %w", err)
	}
	mem, err := unix.SysvShmAttach(id, 0, 0)
	if err != nil {
		return fmt.Errorf("plant shared memory: %w", err)
	}
	copy(mem, c.Token)
	c.Args["id"] = strconv.Itoa(id)
	c.shm = mem
	return nil
}

// Semaphore plants a System V semaphore with the value 1: Args["id"].
func (c *Case) Semaphore() error {
	id, _, e := unix.Syscall(unix.SYS_SEMGET, unix.IPC_PRIVATE, 1, unix.IPC_CREAT|0o600)
	if e != 0 {
		return fmt.Errorf("plant a semaphore: %w", e)
	}
	if err := c.jan.tell("sem", strconv.Itoa(int(id))); err != nil {
		return err
	}
	const setval = 16 // SETVAL
	if _, _, e := unix.Syscall6(unix.SYS_SEMCTL, id, 0, setval, 1, 0, 0); e != 0 {
		return fmt.Errorf("plant a semaphore: %w", e)
	}
	c.Args["id"] = strconv.Itoa(int(id))
	return nil
}

// semaphoreValue is what a semaphore is at, or -1.
func semaphoreValue(id string) int {
	const getval = 12 // GETVAL
	n, _ := strconv.Atoi(id)
	v, _, e := unix.Syscall6(unix.SYS_SEMCTL, uintptr(n), 0, getval, 0, 0, 0)
	if e != 0 {
		return -1
	}
	return int(v)
}

// message is a System V message as the kernel reads it.
type message struct {
	kind int64
	text [64]byte
}

// MessageQueue plants a System V queue that holds the token: Args["id"].
func (c *Case) MessageQueue() error {
	id, _, e := unix.Syscall(unix.SYS_MSGGET, unix.IPC_PRIVATE, unix.IPC_CREAT|0o600, 0)
	if e != 0 {
		return fmt.Errorf("plant a message queue: %w", e)
	}
	if err := c.jan.tell("msg", strconv.Itoa(int(id))); err != nil {
		return err
	}
	m := message{kind: 1}
	copy(m.text[:], c.Token)
	if _, _, e := unix.Syscall6(unix.SYS_MSGSND, id, uintptr(unsafe.Pointer(&m)), uintptr(len(m.text)), unix.IPC_NOWAIT, 0, 0); e != 0 {
		return fmt.Errorf("plant a message: %w", e)
	}
	c.Args["id"] = strconv.Itoa(int(id))
	return nil
}

// POSIXQueue plants a POSIX message queue that holds the token: Args["name"].
func (c *Case) POSIXQueue() error {
	name := "bailey-prove-" + random(8)
	if err := c.jan.tell("mq", name); err != nil {
		return err
	}
	fd, err := mqOpen(name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL)
	if err != nil {
		return fmt.Errorf("plant a message queue: %w", err)
	}
	defer unix.Close(fd)
	text := []byte(c.Token)
	_, _, e := unix.Syscall6(unix.SYS_MQ_TIMEDSEND, uintptr(fd), uintptr(unsafe.Pointer(&text[0])), uintptr(len(text)), 0, 0, 0)
	runtime.KeepAlive(text)
	if e != 0 {
		return fmt.Errorf("plant a message: %w", e)
	}
	c.Args["name"] = name
	return nil
}

// mqOpen opens a POSIX message queue. The kernel wants the name without a slash.
func mqOpen(name string, flags int) (int, error) {
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		return -1, err
	}
	attr := [8]int64{1: 4, 2: 128} // four messages of 128 bytes
	fd, _, e := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(p)), uintptr(flags)|unix.O_CLOEXEC|unix.O_NONBLOCK, 0o600, uintptr(unsafe.Pointer(&attr)), 0, 0)
	if e != 0 {
		return -1, e
	}
	return int(fd), nil
}

// mqReceive takes a message out of a POSIX queue.
func mqReceive(fd int) ([]byte, error) {
	buf := make([]byte, 128)
	n, _, e := unix.Syscall6(unix.SYS_MQ_TIMEDRECEIVE, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), 0, 0, 0)
	if e != 0 {
		return nil, e
	}
	return buf[:n], nil
}

// mqUnlink removes a POSIX message queue.
func mqUnlink(name *byte) error {
	if _, _, e := unix.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(name)), 0, 0); e != 0 {
		return e
	}
	return nil
}

// DevShm plants POSIX shared memory with the token: Args["path"].
func (c *Case) DevShm() error {
	path := "/dev/shm/bailey-prove-" + random(8)
	if err := c.jan.tell("file", path); err != nil {
		return err
	}
	c.Args["path"] = path
	if err := os.WriteFile(path, []byte(c.Token+"\n"), 0o600); err != nil {
		return fmt.Errorf("plant shared memory: %w", err)
	}
	c.Watch(path)
	return nil
}

// HostTmp plants a file with the token in the host's /tmp: Args["path"].
func (c *Case) HostTmp() error {
	path := "/tmp/bailey-prove-" + random(8)
	if err := c.jan.tell("file", path); err != nil {
		return err
	}
	return c.Secret(path)
}

// NoHostTmp watches a name in the host's /tmp that is free: Args["path"].
func (c *Case) NoHostTmp() error {
	path := "/tmp/bailey-prove-" + random(8)
	if err := c.jan.tell("file", path); err != nil {
		return err
	}
	return c.Absent(path)
}

// Key plants a key with the token in the session keyring that the sandbox inherits:
// Args["key"]. The keyring is the run's own, made by its thread, and goes with it.
func (c *Case) Key() error {
	if c.noKeys != "" {
		return errors.New("plant a key: " + c.noKeys)
	}
	name := "bailey-prove:" + random(8)
	c.Args["key"] = name
	if _, err := unix.AddKey("user", name, []byte(c.Token), unix.KEY_SPEC_SESSION_KEYRING); err != nil {
		return fmt.Errorf("plant a key: %w", err)
	}
	return nil
}

// needKeys says that this machine has no session keyrings.
func needKeys(c *Case) string {
	if c.noKeys != "" {
		return "no session keyring: " + c.noKeys
	}
	return ""
}

// needDevShm says that there is no POSIX shared memory.
func needDevShm(*Case) string {
	var st unix.Statfs_t
	if err := unix.Statfs("/dev/shm", &st); err != nil {
		return "no /dev/shm"
	}
	return ""
}

// needCall says that this kernel does not have a system call at all.
func needCall(nr uintptr, name string, args ...uintptr) func(*Case) string {
	return func(*Case) string {
		var a [6]uintptr
		copy(a[:], args)
		if _, _, e := unix.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5]); e == unix.ENOSYS {
			return "kernel feature missing: " + name
		}
		return ""
	}
}
