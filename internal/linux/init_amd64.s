//go:build linux

#include "textflag.h"

// initCode is pid 1 of a box, as the text of a program of its own: init.go puts
// an ELF header before these bytes. It runs without a Go runtime, in an address
// space that never held anything of the supervisor.
//
// Descriptor 0 is the read end of the lifeline; only the supervisor has the
// write end. Descriptor 1 is the control socket. SIGCHLD is ignored, so the kernel reaps orphans by itself.
TEXT ·initCode(SB),NOSPLIT|NOFRAME,$0
	// argc: 2 for a guard (tier landlock), 1 for pid 1
	MOVQ 0(SP), BX
	// prctl(PR_SET_DUMPABLE, 0): nothing inside may read or trace this process
	MOVL $157, AX
	MOVL $4, DI
	XORL SI, SI
	SYSCALL
	// prctl(PR_SET_NAME, "bailey")
	MOVQ $0x000079656c696162, AX
	MOVQ AX, -16(SP) // below the stack pointer: no signal handler ever runs here
	MOVL $157, AX
	MOVL $15, DI
	LEAQ -16(SP), SI
	SYSCALL
	// write(1, {kind: msgUp}, 16); close(1): tell the supervisor that pid 1 is there
	MOVQ $6, AX
	MOVQ AX, -32(SP)
	MOVQ $0, -24(SP)
	MOVL $1, AX
	MOVL $1, DI
	LEAQ -32(SP), SI
	MOVL $16, DX
	SYSCALL
	MOVL $3, AX
	MOVL $1, DI
	SYSCALL
again:
	// read(0, stack, 1): blocks until the supervisor is gone
	XORL AX, AX
	XORL DI, DI
	LEAQ -16(SP), SI
	MOVL $1, DX
	SYSCALL
	CMPQ AX, $-4 // EINTR
	JEQ again
	CMPQ AX, $1
	JEQ again
	// A guard: kill(-1, SIGKILL), all of its Landlock domain. Pid 1 never does that:
	// were it not pid 1, by whatever mistake, that would be all of the host.
	CMPQ BX, $2
	JNE gone
	MOVL $62, AX
	MOVQ $-1, DI
	MOVL $9, SI
	SYSCALL
gone:
	// exit_group(0): the kernel kills what is left in the namespace of a pid 1
	MOVL $231, AX
	XORL DI, DI
	SYSCALL
	JMP again
	RET

TEXT ·initCodeEnd(SB),NOSPLIT|NOFRAME,$0
	RET

DATA ·initCodeAddr+0(SB)/8, $·initCode(SB)
GLOBL ·initCodeAddr(SB), RODATA, $8
DATA ·initCodeEndAddr+0(SB)/8, $·initCodeEnd(SB)
GLOBL ·initCodeEndAddr(SB), RODATA, $8
