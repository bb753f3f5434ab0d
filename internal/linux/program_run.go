//go:build linux

package linux

import (
	"syscall"
	"unsafe"
	_ "unsafe" // for go:linkname
)

// The three hooks that syscall.forkExec itself uses around a fork: they block
// signals, mark the goroutine as one that must not grow its stack, and reset the
// signal handlers in the child. The Go tree keeps them reachable for container
// runtimes that fork this way.

//go:linkname runtimeBeforeFork syscall.runtime_BeforeFork
func runtimeBeforeFork()

//go:linkname runtimeAfterFork syscall.runtime_AfterFork
func runtimeAfterFork()

//go:linkname runtimeAfterForkInChild syscall.runtime_AfterForkInChild
func runtimeAfterForkInChild()

// fork clones this process with flags and lets the child run p from its first
// step, in a copy of our memory. It returns the child's pid in the parent and
// never returns in the child.
//
//go:noinline
//go:norace
//go:nocheckptr
func (p *program) fork(flags uintptr) (pid int, err syscall.Errno) {
	p.regs = make([]uintptr, p.nregs+1)
	p.entry = programEntry()
	runtimeBeforeFork()
	r, _, e := rawCall(syscall.SYS_CLONE, flags|uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if e != 0 || r != 0 {
		runtimeAfterFork()
		return int(r), e
	}
	runtimeAfterForkInChild()
	p.run(0)
	return 0, 0 // not reached
}

// forkShared is fork with a child that shares our memory and has a stack of its
// own. Nothing is copied, neither now nor, page by page, while we go on writing;
// on a busy two-processor machine that is a third of what a start costs. The
// child must have been given signals of its own (ownSignals), because the
// handlers are the Go runtime's.
//
//go:noinline
//go:norace
//go:nocheckptr
func (p *program) forkShared(flags, stack uintptr) (pid int, err syscall.Errno) {
	runtimeBeforeFork() // blocks all signals, here and so in the child
	r := cloneShared(flags|uintptr(syscall.SIGCHLD)|syscall.CLONE_VM, stack, p.shared, 0, p.shared.entry)
	runtimeAfterFork()
	if r > maxErrno {
		return 0, syscall.Errno(-r)
	}
	return int(r), 0
}

// cloneShared is in clone_$GOARCH.s.
//
//go:noescape
func cloneShared(flags, stack uintptr, p *program, step int, entry uintptr) (pid uintptr)

// runProgram is where cloneShared's child begins.
//
//go:nosplit
//go:norace
//go:nocheckptr
func runProgram(p *program, step int) { p.run(step) }

// programEntry is the address of runProgram's first instruction.
func programEntry() uintptr {
	f := runProgram
	return **(**uintptr)(unsafe.Pointer(&f))
}

// maxErrno is the largest result of a raw system call that is not an error.
const maxErrno = ^uintptr(4095)

//go:nosplit
//go:norace
//go:nocheckptr
func rawCall(nr, a, b, c, d, e, f uintptr) (uintptr, uintptr, syscall.Errno) {
	return syscall.RawSyscall6(nr, a, b, c, d, e, f)
}

//go:nosplit
//go:norace
//go:nocheckptr
func (p *program) value(o *operand) uintptr {
	if o.ptr != nil {
		return uintptr(o.ptr)
	}
	if o.reg != 0 {
		return p.regs[o.reg] + o.val
	}
	return o.val
}

// run walks the list from step i. It is the whole life of the child.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (p *program) run(i int) {
	for {
		o := &p.ops[i]
		switch o.kind {
		case opCall, opInject:
			r, e := ^uintptr(0), syscall.Errno(o.nr)
			if o.kind == opCall {
				r, _, e = rawCall(o.nr, p.value(&o.args[0]), p.value(&o.args[1]), p.value(&o.args[2]),
					p.value(&o.args[3]), p.value(&o.args[4]), p.value(&o.args[5]))
			}
			ok := e == 0
			switch o.judge {
			case mayFail:
				if e != 0 && o.jump != 0 {
					i = o.jump
					continue
				}
				ok = true
			case mayFailWith:
				ok = e == 0 || uintptr(e) == o.want
			case mustFail:
				ok = uintptr(e) == o.want
			case mustFailAny:
				ok = e != 0
			case mustEqual:
				ok = e == 0 && r == o.want
			case mustDiffer:
				ok = e == 0 && r != o.want || e == syscall.ENOSYS
			}
			if !ok {
				p.fail(i, e)
			}
			if o.out != 0 {
				p.regs[o.out] = r
			}
		case opFork:
			r := cloneShared(o.args[0].val|syscall.CLONE_VM, o.args[1].val, p, o.jump, p.entry)
			if r > maxErrno {
				p.fail(i, syscall.Errno(-r))
			}
			p.regs[o.out] = r
		case opStore:
			*(*int32)(o.args[1].ptr) = int32(p.value(&o.args[0]))
		case opLoad:
			p.regs[o.out] = uintptr(*(*int32)(o.args[0].ptr))
		case opZero:
			zero := true
			for n := uintptr(0); n < o.args[1].val; n++ {
				if *(*byte)(unsafe.Add(o.args[0].ptr, n)) != 0 {
					zero = false
				}
			}
			if !zero {
				if o.judge == mayFail && o.jump != 0 {
					i = o.jump
					continue
				}
				p.fail(i, syscall.EPERM)
			}
		case opBits:
			if *(*uint64)(o.args[0].ptr)&uint64(o.args[1].val) != uint64(o.args[1].val) {
				p.fail(i, syscall.EPERM)
			}
		case opSend:
			p.send(uint32(o.args[0].val), uint32(o.args[2].val), 0, int32(p.value(&o.args[1])))
		case opExec:
			e := p.exec(o)
			p.send(msgExec, uint32(i), int32(e), 0)
			p.exit(127)
		case opJump:
			i = o.jump
			continue
		case opExit:
			p.exit(o.args[0].val)
		}
		i++
	}
}

// exec tries the candidates as execvp does: a candidate that may not be executed
// is remembered, and reported when no other one works.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (p *program) exec(o *op) syscall.Errno {
	result := syscall.ENOENT
	for i := 0; ; i++ {
		c := *(**byte)(unsafe.Add(unsafe.Pointer(o.cand), uintptr(i)*unsafe.Sizeof(uintptr(0))))
		if c == nil {
			return result
		}
		_, _, e := rawCall(syscall.SYS_EXECVE, uintptr(unsafe.Pointer(c)), uintptr(unsafe.Pointer(o.argv)), uintptr(unsafe.Pointer(o.envv)), o.args[0].val, 0, 0)
		switch e {
		case syscall.ENOENT, syscall.ENOTDIR:
		case syscall.EACCES:
			result = e
		default:
			return e
		}
	}
}

//go:nosplit
//go:norace
//go:nocheckptr
func (p *program) send(kind, index uint32, errno, value int32) {
	// On the stack, because several children share the program's memory.
	msg := message{kind, index, errno, value}
	rawCall(syscall.SYS_SENDTO, p.control, uintptr(unsafe.Pointer(&msg)), uintptr(messageSize), syscall.MSG_NOSIGNAL, 0, 0)
}

//go:nosplit
//go:norace
//go:nocheckptr
func (p *program) fail(i int, e syscall.Errno) {
	p.send(msgFailed, uint32(i), int32(e), 0)
	p.exit(125)
}

//go:nosplit
//go:norace
//go:nocheckptr
func (p *program) exit(status uintptr) {
	for {
		rawCall(syscall.SYS_EXIT_GROUP, status, 0, 0, 0, 0, 0)
	}
}
