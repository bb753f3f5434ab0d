//go:build linux

#include "textflag.h"

// initCode is pid 1 of a box; see init_amd64.s.
TEXT ·initCode(SB),NOSPLIT|NOFRAME,$0
	// argc: 2 for a guard, 1 for pid 1
	MOVD 0(RSP), R19
	// prctl(PR_SET_DUMPABLE, 0)
	MOVD $167, R8
	MOVD $4, R0
	MOVD $0, R1
	MOVD $0, R2
	MOVD $0, R3
	MOVD $0, R4
	SVC
	// prctl(PR_SET_NAME, "bailey")
	MOVD $0x000079656c696162, R5
	MOVD R5, -16(RSP) // below the stack pointer: no signal handler ever runs here
	MOVD $167, R8
	MOVD $15, R0
	SUB $16, RSP, R1
	SVC
	// write(1, {kind: msgUp}, 16); close(1): tell the supervisor that pid 1 is there
	MOVD $6, R5
	MOVD R5, -32(RSP)
	MOVD $0, R5
	MOVD R5, -24(RSP)
	MOVD $64, R8
	MOVD $1, R0
	SUB $32, RSP, R1
	MOVD $16, R2
	SVC
	MOVD $57, R8
	MOVD $1, R0
	SVC
again:
	// read(0, stack, 1): blocks until the supervisor is gone
	MOVD $63, R8
	MOVD $0, R0
	SUB $16, RSP, R1
	MOVD $1, R2
	SVC
	CMN $4, R0 // EINTR
	BEQ again
	CMP $1, R0
	BEQ again
	// A guard: kill(-1, SIGKILL), all of its Landlock domain; see init_amd64.s.
	CMP $2, R19
	BNE gone
	MOVD $129, R8
	MOVD $-1, R0
	MOVD $9, R1
	SVC
gone:
	// exit_group(0): the kernel kills what is left in the namespace of a pid 1
	MOVD $94, R8
	MOVD $0, R0
	SVC
	B again
	RET

TEXT ·initCodeEnd(SB),NOSPLIT|NOFRAME,$0
	RET

DATA ·initCodeAddr+0(SB)/8, $·initCode(SB)
GLOBL ·initCodeAddr(SB), RODATA, $8
DATA ·initCodeEndAddr+0(SB)/8, $·initCodeEnd(SB)
GLOBL ·initCodeEndAddr(SB), RODATA, $8
