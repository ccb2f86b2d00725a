//go:build !interleave

#include "textflag.h"

// Where the byte for slot s is among those for the tags as they lie there, 16 in a register: tag 4*(s%7)+s/7. 0x80: not in it.
DATA ofFirstLow<>+0(SB)/8, $0x018080800c080400
DATA ofFirstLow<>+8(SB)/8, $0x06028080800d0905
GLOBL ofFirstLow<>(SB), RODATA|NOPTR, $16
DATA ofFirstHigh<>+0(SB)/8, $0x8008040080808080
DATA ofFirstHigh<>+8(SB)/8, $0x8080090501808080
GLOBL ofFirstHigh<>(SB), RODATA|NOPTR, $16
DATA ofLastLow<>+0(SB)/8, $0x0b07038080800e0a
DATA ofLastLow<>+8(SB)/8, $0x808080808080800f
GLOBL ofLastLow<>(SB), RODATA|NOPTR, $16
DATA ofLastHigh<>+0(SB)/8, $0x8080800a06028080
DATA ofLastHigh<>+8(SB)/8, $0x808080800b070380
GLOBL ofLastHigh<>(SB), RODATA|NOPTR, $16

// func likeTags(tags *[7]word.Uint64, want uint64) uint64
TEXT ·likeTags(SB), NOSPLIT, $0-24
	MOVQ tags+0(FP), AX
	MOVQ want+8(FP), X0
	PUNPCKLQDQ X0, X0
	MOVOU 0(AX), X1
	MOVOU 16(AX), X2
	MOVOU 32(AX), X3
	MOVQ 48(AX), X4

	// The highest bit of a tag stays if it is a claim, and is set if the tag is the wanted one.
	MOVO X1, X5
	PCMPEQW X0, X5
	POR X1, X5
	MOVO X2, X6
	PCMPEQW X0, X6
	POR X2, X6
	MOVO X3, X7
	PCMPEQW X0, X7
	POR X3, X7
	PCMPEQW X4, X0
	POR X4, X0

	// It is that of a byte for each, in the order of the tags.
	PACKSSWB X6, X5
	PACKSSWB X0, X7

	// And so in the order of the slots.
	MOVOU ofFirstLow<>(SB), X1
	MOVOU ofFirstHigh<>(SB), X2
	MOVOU ofLastLow<>(SB), X3
	MOVOU ofLastHigh<>(SB), X4
	MOVO X5, X6
	PSHUFB X1, X6
	MOVO X7, X8
	PSHUFB X2, X8
	POR X8, X6
	PSHUFB X3, X5
	PSHUFB X4, X7
	POR X7, X5
	PMOVMSKB X6, BX
	PMOVMSKB X5, CX
	SHLQ $16, CX
	ORQ CX, BX
	MOVQ BX, ret+16(FP)
	RET
