//go:build linux

package probe

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// foreign are probes for system call tables and calls that only amd64 has.
func foreign(p func(id, title, why string, attack func(*Inside) error) Probe) []Probe {
	const why = "a filter that looks at one table of system calls says nothing about another"
	// Machines without the table end the process or say ENOSYS: the host tries it in
	// a process of its own first.
	here := func(q Probe) Probe {
		q.Needs = func(c *Case) string {
			if r := runOne(c.Bin, &request{ID: c.ID, Nonce: c.Nonce, World: c.World, Limit: attackLimit.Milliseconds()}); !r.Claimed {
				return "kernel feature missing: " + q.Title
			}
			return ""
		}
		return q
	}
	call := func(id, title, why string, nr uintptr, args ...uintptr) Probe {
		q := p(id, title, why, func(*Inside) error { return rawCall(nr, args...) })
		q.Needs = needCall(nr, title, args...)
		return q
	}
	ldt := make([]byte, 16)
	return []Probe{
		here(p("int80", "make 32-bit system calls (int 0x80)", why, int80)),
		here(p("x32", "make x32 system calls", why, func(*Inside) error {
			_, _, e := unix.RawSyscall(0x40000000|unix.SYS_GETPID, 0, 0, 0)
			return errno(e)
		})),
		call("iopl", "reach the machine's ports (iopl)", "devices can be told anything", unix.SYS_IOPL, 4),
		call("ioperm", "reach the machine's ports (ioperm)", "devices can be told anything", unix.SYS_IOPERM, 1<<20, 1<<20, 1),
		p("modify-ldt", "change the segment table (modify_ldt)", "its errors have been a way out before", func(*Inside) error {
			return rawCall(unix.SYS_MODIFY_LDT, 0, uintptr(unsafe.Pointer(&ldt[0])), uintptr(len(ldt)))
		}),
	}
}

// int80 asks for the process number through the 32-bit entry.
func int80(*Inside) error {
	const at32 = unix.MAP_32BIT
	page, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON|at32)
	if err != nil {
		return err
	}
	result := (*uint32)(unsafe.Pointer(&page[2048]))
	// mov eax, 20 (getpid of i386); int 0x80; movabs [result], eax; ret
	code := []byte{0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xa3}
	code = append(code, (*[8]byte)(unsafe.Pointer(&result))[:]...)
	copy(page, append(code, 0xc3))
	entry := &page[0]
	f := unsafe.Pointer(&entry)
	call := *(*func())(unsafe.Pointer(&f))
	// In a process of its own with one thread: some filters end the thread that asks,
	// and a program that has lost one of many does not end.
	pid, _, e := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if e != 0 {
		return e
	}
	if pid == 0 {
		call()
		code := uintptr(1)
		if int32(*result) > 0 {
			code = 0
		}
		for {
			unix.RawSyscall(unix.SYS_EXIT_GROUP, code, 0, 0)
		}
	}
	var ws unix.WaitStatus
	if _, err := unix.Wait4(int(pid), &ws, 0, nil); err != nil {
		return err
	}
	switch {
	case ws.Signaled():
		return fmt.Errorf("int 0x80: ended by signal %d", ws.Signal())
	case ws.ExitStatus() != 0:
		return errors.New("int 0x80: refused")
	}
	return nil
}
