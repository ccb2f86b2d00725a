//go:build !race && !interleave

#include "textflag.h"

// func prefetchWrite(p unsafe.Pointer, stride uintptr, n int)
TEXT ·prefetchWrite(SB), NOSPLIT, $0-24
	MOVQ p+0(FP), AX
	MOVQ stride+8(FP), BX
	MOVQ n+16(FP), CX
next:
	BYTE $0x0F; BYTE $0x0D; BYTE $0x08 // PREFETCHW (AX)
	ADDQ BX, AX
	DECQ CX
	JNZ  next
	RET

// func Prefetch(w *word.Uint64, n int)
TEXT ·Prefetch(SB), NOSPLIT, $0-16
	MOVQ w+0(FP), AX
	MOVQ n+8(FP), CX
line:
	PREFETCHT0 (AX)
	ADDQ $64, AX
	DECQ CX
	JNZ  line
	RET
