//go:build linux

package linux

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A program is a list of prepared system calls that a forked child of this
// process runs in order. The child has one thread and no Go runtime: it may not
// allocate, grow its stack, take a lock or be preempted. So everything is worked
// out beforehand (numbers, pointers to buffers that stay alive, where a result
// flows into a later argument) and the child only walks the list.
//
// Every step is fatal when it fails, unless it says which errors it accepts. The
// child then sends the index of the step and the errno to the supervisor and
// ends; nothing it did outlives it, because all of it happened in namespaces
// that die with it.
//
// A child either has a copy of this process's memory (fork), or shares it
// (forkShared) and can be given the rest of its list while it waits.
type program struct {
	ops   []op
	names []string // names[i] says what ops[i] does, for errors
	regs  []uintptr
	nregs int32

	control          uintptr  // descriptor number of the child's end of the control socket
	entry            uintptr  // of runProgram, for cloneShared
	shared           *program // what a child that shares our memory sees, after publish
	injected, faults int      // tests: how far faults have been looked for
	keep             []any    // buffers the list points into
}

// usualOps is room for the list of an ordinary plan; a larger one grows it.
const usualOps = 512

func newProgram(control uintptr) *program {
	return &program{control: control, ops: make([]op, 0, usualOps), names: make([]string, 0, usualOps), keep: make([]any, 0, usualOps)}
}

// forkStack is the stack of a child that shares the program's memory. The whole
// walk is bound by the linker to less than a kilobyte.
const forkStack = 16 << 10

type opKind uint8

const (
	opCall   opKind = iota // make the system call
	opFork                 // clone with flags args[0], sharing memory, on the stack args[1]; the child continues at op number jump
	opStore                // write regs[args[0]] as a 32-bit number to args[1]
	opLoad                 // put the 32-bit number at args[0] into a register
	opZero                 // fail unless args[1] bytes at args[0] are all zero
	opBits                 // fail unless the 64-bit number at args[0] has all bits of args[1]
	opSend                 // send message kind args[0] with value regs or number args[1]
	opExec                 // try to execute each candidate; args[0] is seccomp.Compile's key
	opJump                 // continue at op number jump
	opExit                 // end this process with status args[0]
	opInject               // test only: an opCall that is not made; the errno is in nr
)

// verdict says how the result of a call is judged.
type verdict uint8

const (
	mustSucceed verdict = iota
	mayFail             // any error is accepted, and then the list goes on at jump, if that is set
	mayFailWith         // the errno want is accepted as well
	mustFail            // it must fail with the errno want: a self-check
	mustFailAny         // it must fail, whatever the errno
	mustEqual           // it must return exactly the number want
	mustDiffer          // it must return another number than want, or be ENOSYS
)

// reg names a result kept for later arguments. Register 0 is never used.
type reg int32

type operand struct {
	ptr unsafe.Pointer
	val uintptr
	reg reg
}

type op struct {
	kind  opKind
	judge verdict
	out   reg
	nr    uintptr
	want  uintptr
	jump  int
	args  [6]operand
	cand  **byte // opExec: the paths to try, up to a nil
	argv  **byte
	envv  **byte
}

// message is what the child tells the supervisor. It is sent as one packet.
type message struct {
	kind  uint32
	index uint32
	errno int32
	value int32
}

const (
	msgFailed   = 1 + iota // step index failed with errno
	msgPids                // value is the pid of: index 0 pid 1, index 1 the command
	msgReady               // all walls stand; execve comes next
	msgExec                // execve failed with errno
	msgFile                // a descriptor comes along; value says which
	msgUp                  // pid 1, or a guard, runs: written by init_$GOARCH.s
	messageSize = int(unsafe.Sizeof(message{}))
)

func num(v int) operand            { return operand{val: uintptr(v)} }
func word(v uintptr) operand       { return operand{val: v} }
func (r reg) operand() operand     { return operand{reg: r} }
func mem(p unsafe.Pointer) operand { return operand{ptr: p} }

// str returns a NUL-terminated copy of s as an argument. Callers have refused
// strings with a NUL inside.
func (p *program) str(s string) operand {
	b := p.buffer(len(s) + 1)
	copy(b, s)
	return operand{ptr: unsafe.Pointer(unsafe.SliceData(b))}
}

// bytes returns a pointer to a copy of b.
func (p *program) bytes(b []byte) operand {
	c := p.buffer(len(b))
	copy(c, b)
	return operand{ptr: unsafe.Pointer(unsafe.SliceData(c))}
}

// buffer returns n zero bytes that live as long as p.
func (p *program) buffer(n int) []byte {
	b := make([]byte, n)
	p.keep = append(p.keep, b)
	return b
}

// hold returns a pointer to a copy of v that lives as long as p.
func hold[T any](p *program, v T) *T {
	c := new(T)
	*c = v
	p.keep = append(p.keep, c)
	return c
}

// maxShared is how many results a published list can have. The waiting child
// keeps using the registers, so they cannot be moved; what is not used takes no
// memory. A plan of 10,000 mounts needs about 20,000.
const maxShared = 1 << 16

var errTooMany = &SetupError{Step: "prepare the set-up: the policy has too many entries", Errno: unix.E2BIG}

// publish shows the list as it is now to a child that shares our memory.
func (p *program) publish() error {
	if p.shared == nil {
		p.shared = &program{control: p.control, regs: make([]uintptr, maxShared), entry: programEntry()}
	}
	if p.nregs >= maxShared {
		return errTooMany
	}
	// What is appended later lands beyond this slice or in another array, and what
	// is here already no longer changes.
	p.shared.ops = p.ops[:len(p.ops):len(p.ops)]
	return nil
}

func (p *program) newReg() reg {
	p.nregs++
	return reg(p.nregs)
}

// add appends a step and returns it for adjustment.
func (p *program) add(name string, o op) *op {
	p.ops = append(p.ops, o)
	p.names = append(p.names, name)
	return &p.ops[len(p.ops)-1]
}

// call appends a system call that must succeed and returns its result's register.
func (p *program) call(name string, nr uintptr, args ...operand) reg {
	r := p.newReg()
	o := op{nr: nr, out: r}
	copy(o.args[:], args)
	p.add(name, o)
	return r
}

// do appends a system call that must succeed and whose result nobody needs.
func (p *program) do(name string, nr uintptr, args ...operand) *op {
	o := op{nr: nr}
	copy(o.args[:], args)
	return p.add(name, o)
}

// stack returns the top of a new stack.
func (p *program) stack() uintptr {
	return (uintptr(unsafe.Pointer(unsafe.SliceData(p.buffer(forkStack)))) + forkStack) &^ 15
}

// ownSignals appends the steps that give a child which shares our memory default
// signal handling, and then the signal mask that this thread has. What is
// ignored stays ignored, as over a fork and exec.
func (p *program) ownSignals() {
	type action struct { // struct kernel_sigaction
		handler, flags, restorer, mask uintptr
	}
	def := mem(unsafe.Pointer(hold(p, action{})))
	const signals = 64
	for n := 1; n <= signals; n++ {
		var old action
		_, _, e := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(n), 0, uintptr(unsafe.Pointer(&old)), 8, 0, 0)
		if e == 0 && old.handler > 1 { // neither default nor ignored
			p.do("reset a signal", syscall.SYS_RT_SIGACTION, num(n), def, num(0), num(8))
		}
	}
	mask := hold(p, uint64(0))
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, 0, 0, uintptr(unsafe.Pointer(mask)), 8, 0, 0)
	const setMask = 2 // SIG_SETMASK
	p.do("restore the signal mask", syscall.SYS_RT_SIGPROCMASK, num(setMask), mem(unsafe.Pointer(mask)), num(0), num(8))
}

// forkHere appends a clone whose child goes on at a step that the caller sets
// with p.ops[index].jump.
func (p *program) forkHere(name string) (index int, pid reg) {
	pid = p.newReg()
	p.add(name, op{kind: opFork, out: pid, args: [6]operand{word(commandFlags), word(p.stack())}})
	return len(p.ops) - 1, pid
}

// inject makes the step that a test names fail without having been made. It is
// called for each part of the list before the child may run it.
func (p *program) inject(f fault) {
	for ; p.injected < len(p.ops); p.injected++ {
		o := &p.ops[p.injected]
		if o.kind != opCall && o.kind != opFork && o.kind != opZero && o.kind != opBits {
			continue
		}
		if f.skip != "" && p.names[p.injected] == f.skip {
			*o = op{kind: opJump, jump: p.injected + 1}
		}
		if p.faults++; p.faults == f.step {
			if !f.soft || o.kind != opCall {
				*o = op{}
			}
			o.kind, o.nr = opInject, uintptr(f.errno)
		}
	}
}

// allow makes the step accept errno as success.
func (o *op) allow(e syscall.Errno) { o.judge, o.want = mayFailWith, uintptr(e) }

// deny makes the step a self-check: the call must fail with e.
func (o *op) deny(e syscall.Errno) { o.judge, o.want = mustFail, uintptr(e) }

// stepName says what step index does.
func (p *program) stepName(index uint32) string {
	if int(index) < len(p.names) {
		return p.names[index]
	}
	return "unknown step"
}
