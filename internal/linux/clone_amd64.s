//go:build linux

#include "textflag.h"

// func cloneShared(flags, stack uintptr, p *program, step int, entry uintptr) (pid uintptr)
//
// clone(2) with an own stack for the child, which shares the parent's memory
// and runs p from step on. The child never returns: it executes a program or
// ends. Called only in a forked child, which has no Go scheduler.
TEXT ·cloneShared(SB),NOSPLIT,$0-48
	MOVQ flags+0(FP), DI
	MOVQ stack+8(FP), SI
	MOVQ p+16(FP), R12
	MOVQ step+24(FP), R13
	MOVQ entry+32(FP), R15
	XORL DX, DX
	XORL R10, R10
	XORL R8, R8
	MOVL $56, AX // clone
	SYSCALL
	TESTQ AX, AX
	JEQ child
	MOVQ AX, pid+40(FP)
	RET
child:
	// runProgram(p, step) as Go calls it, in registers: the wrapper that Go makes
	// for calls from assembler tells the race detector, which knows nothing of us.
	SUBQ $32, SP
	MOVQ R12, AX
	MOVQ R13, BX
	MOVQ (TLS), R14
	XORPS X15, X15
	CALL R15
	INT $3
