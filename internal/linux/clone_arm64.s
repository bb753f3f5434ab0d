//go:build linux

#include "textflag.h"

// func cloneShared(flags, stack uintptr, p *program, step int) (pid uintptr)
//
// See clone_amd64.s.
TEXT ·cloneShared(SB),NOSPLIT,$0-40
	MOVD flags+0(FP), R0
	MOVD stack+8(FP), R1
	MOVD p+16(FP), R19
	MOVD step+24(FP), R20
	MOVD $0, R2
	MOVD $0, R3
	MOVD $0, R4
	MOVD $220, R8 // clone
	SVC
	CBZ R0, child
	MOVD R0, pid+32(FP)
	RET
child:
	SUB $32, RSP
	MOVD R19, 8(RSP)
	MOVD R20, 16(RSP)
	// By register: the linker would otherwise see run calling itself without end.
	MOVD $·runProgram(SB), R9
	CALL (R9)
	BRK
