//go:build linux

#include "textflag.h"

// func cloneShared(flags, stack uintptr, p *program, step int) (pid uintptr)
//
// clone(2) with an own stack for the child, which shares the parent's memory
// and runs p from step on. The child never returns: it executes a program or
// ends. Called only in a forked child, which has no Go scheduler.
TEXT ·cloneShared(SB),NOSPLIT,$0-40
	MOVQ flags+0(FP), DI
	MOVQ stack+8(FP), SI
	MOVQ p+16(FP), R12
	MOVQ step+24(FP), R13
	XORL DX, DX
	XORL R10, R10
	XORL R8, R8
	MOVL $56, AX // clone
	SYSCALL
	TESTQ AX, AX
	JEQ child
	MOVQ AX, pid+32(FP)
	RET
child:
	SUBQ $16, SP
	MOVQ R12, 0(SP)
	MOVQ R13, 8(SP)
	// By register: the linker would otherwise see run calling itself without end.
	MOVQ $·runProgram(SB), AX
	CALL AX
	INT $3
