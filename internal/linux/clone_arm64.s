//go:build linux

#include "textflag.h"

// func cloneShared(flags, stack uintptr, p *program, step int, entry uintptr) (pid uintptr)
//
// See clone_amd64.s.
TEXT ·cloneShared(SB),NOSPLIT,$0-48
	MOVD flags+0(FP), R0
	MOVD stack+8(FP), R1
	MOVD p+16(FP), R19
	MOVD step+24(FP), R20
	MOVD entry+32(FP), R21
	MOVD $0, R2
	MOVD $0, R3
	MOVD $0, R4
	MOVD $220, R8 // clone
	SVC
	CBZ R0, child
	MOVD R0, pid+40(FP)
	RET
child:
	// runProgram(p, step) as Go calls it, in registers; see clone_amd64.s.
	SUB $48, RSP
	MOVD R19, R0
	MOVD R20, R1
	CALL (R21)
	BRK
