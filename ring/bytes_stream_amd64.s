//go:build !race && !interleave

#include "textflag.h"

// func streamRecords(at, end, records unsafe.Pointer, n int, long uint64) (behind unsafe.Pointer, left int)
// AX is the header of the next record, 0 for the first. Stores of 16 bytes are aligned: where the header is, it goes with the first word
// behind it. A record's last bytes are in a word of their own, zeros behind them.
TEXT ·streamRecords(SB), NOSPLIT, $0-56
	MOVQ at+0(FP), DI
	MOVQ end+8(FP), R11
	MOVQ records+16(FP), R8
	MOVQ n+24(FP), R9
	MOVQ long+32(FP), R10
	XORQ AX, AX

record:
	MOVQ  0(R8), SI
	MOVQ  8(R8), CX
	CMPQ  CX, R10
	JAE   done
	LEAQ  15(CX), DX
	ANDQ  $~7, DX
	ADDQ  DI, DX
	CMPQ  DX, R11
	JA    done
	TESTQ $8, DI
	JNZ   odd
	CMPQ  CX, $8
	JB    odd
	MOVQ   AX, X0
	MOVHPS (SI), X0
	MOVNTO X0, (DI)
	ADDQ   $16, DI
	ADDQ   $8, SI
	SUBQ   $8, CX
	JMP    lines

odd:
	MOVNTIQ AX, (DI)
	ADDQ  $8, DI
	TESTQ $8, DI
	JNZ   words

lines:
	SUBQ $64, CX
	JB   pairs

line:
	MOVOU  (SI), X0
	MOVOU  16(SI), X1
	MOVOU  32(SI), X2
	MOVOU  48(SI), X3
	MOVNTO X0, (DI)
	MOVNTO X1, 16(DI)
	MOVNTO X2, 32(DI)
	MOVNTO X3, 48(DI)
	ADDQ   $64, SI
	ADDQ   $64, DI
	SUBQ   $64, CX
	JAE    line

pairs:
	ADDQ $48, CX
	JNC  nopair

pair:
	MOVOU  (SI), X0
	MOVNTO X0, (DI)
	ADDQ   $16, SI
	ADDQ   $16, DI
	SUBQ   $16, CX
	JAE    pair

nopair:
	ADDQ $16, CX

words:
	SUBQ $8, CX
	JB   rest

word:
	MOVQ (SI), AX
	MOVNTIQ AX, (DI)
	ADDQ $8, SI
	ADDQ $8, DI
	SUBQ $8, CX
	JAE  word

rest:
	ADDQ $8, CX
	JZ   next
	XORQ AX, AX

byte:
	SHLQ $8, AX
	MOVBQZX -1(SI)(CX*1), BX
	ORQ  BX, AX
	DECQ CX
	JNZ  byte
	MOVNTIQ AX, (DI)
	ADDQ $8, DI

next:
	ADDQ $24, R8
	DECQ R9
	JZ   done
	MOVQ 8(R8), AX
	INCQ AX
	JMP  record

done:
	XORQ AX, AX
	MOVNTIQ AX, (DI)
	SFENCE
	MOVQ DI, behind+40(FP)
	MOVQ R9, left+48(FP)
	RET
