//go:build !race && !interleave

#include "textflag.h"

// func streamRecords(at, end, records unsafe.Pointer, n int, long uint64) (behind unsafe.Pointer, left int)
//
// Stores are of 16 bytes, and aligned: those of 8 take as long each. Where 8 bytes are left of what was written, they wait in BX for the next 8, and R12 is 8, else 0.
// AX is the header of the next record, 0 for the first. A record's last bytes are in a word of their own, zeros behind them.
TEXT ·streamRecords(SB), NOSPLIT, $0-56
	MOVQ at+0(FP), DI
	MOVQ end+8(FP), R11
	MOVQ records+16(FP), R8
	MOVQ n+24(FP), R9
	MOVQ long+32(FP), R10
	XORQ AX, AX
	XORQ R12, R12

record:
	MOVQ  0(R8), SI
	MOVQ  8(R8), CX
	CMPQ  CX, R10
	JAE   done
	LEAQ  15(CX)(R12*1), DX
	ANDQ  $~7, DX
	ADDQ  DI, DX
	CMPQ  DX, R11
	JA    done
	TESTQ R12, R12
	JNZ   behindWord
	TESTQ $8, DI
	JNZ   alone
	CMPQ  CX, $8
	JB    wait

	// The header and the first word.
	MOVQ   AX, X0
	MOVHPS (SI), X0
	MOVNTO X0, (DI)
	ADDQ   $16, DI
	ADDQ   $8, SI
	SUBQ   $8, CX
	JMP    lines

behindWord:
	MOVQ       BX, X0
	MOVQ       AX, X1
	PUNPCKLQDQ X1, X0
	MOVNTO     X0, (DI)
	ADDQ       $16, DI
	XORQ       R12, R12
	JMP        lines

alone: // of the first record, up to where stores are aligned
	MOVNTIQ AX, (DI)
	ADDQ    $8, DI
	JMP     lines

wait: // of a record that has no whole word
	MOVQ AX, BX
	MOVQ $8, R12
	JMP  rest

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
	JNC  word

pair:
	MOVOU  (SI), X0
	MOVNTO X0, (DI)
	ADDQ   $16, SI
	ADDQ   $16, DI
	SUBQ   $16, CX
	JAE    pair

word:
	ADDQ $16, CX
	CMPQ CX, $8
	JB   rest
	MOVQ (SI), BX
	MOVQ $8, R12
	ADDQ $8, SI
	SUBQ $8, CX

rest:
	TESTQ CX, CX
	JZ    next
	XORQ  DX, DX

byte:
	SHLQ    $8, DX
	MOVBQZX -1(SI)(CX*1), R13
	ORQ     R13, DX
	DECQ    CX
	JNZ     byte
	TESTQ   R12, R12
	JNZ     restBehindWord
	MOVQ    DX, BX
	MOVQ    $8, R12
	JMP     next

restBehindWord:
	MOVQ       BX, X0
	MOVQ       DX, X1
	PUNPCKLQDQ X1, X0
	MOVNTO     X0, (DI)
	ADDQ       $16, DI
	XORQ       R12, R12

next:
	ADDQ $24, R8
	DECQ R9
	JZ   done
	MOVQ 8(R8), AX
	INCQ AX
	JMP  record

done:
	XORQ    AX, AX
	TESTQ   R12, R12
	JZ      end
	MOVNTIQ BX, (DI)
	ADDQ    $8, DI

end:
	MOVNTIQ AX, (DI)
	SFENCE
	MOVQ DI, behind+40(FP)
	MOVQ R9, left+48(FP)
	RET
