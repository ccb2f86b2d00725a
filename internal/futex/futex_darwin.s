#include "textflag.h"

// The linker resolves an imported name where it is the target of a jump, and nowhere else: so each
// has a trampoline, whose address stands in a variable.

TEXT libc_ulock_wait2_trampoline<>(SB), NOSPLIT, $0-0
	JMP	libc_ulock_wait2(SB)
GLOBL	·libc_ulock_wait2_trampoline_addr(SB), RODATA, $8
DATA	·libc_ulock_wait2_trampoline_addr(SB)/8, $libc_ulock_wait2_trampoline<>(SB)

TEXT libc_ulock_wake_trampoline<>(SB), NOSPLIT, $0-0
	JMP	libc_ulock_wake(SB)
GLOBL	·libc_ulock_wake_trampoline_addr(SB), RODATA, $8
DATA	·libc_ulock_wake_trampoline_addr(SB)/8, $libc_ulock_wake_trampoline<>(SB)

TEXT libc_dlsym_trampoline<>(SB), NOSPLIT, $0-0
	JMP	libc_dlsym(SB)
GLOBL	·libc_dlsym_trampoline_addr(SB), RODATA, $8
DATA	·libc_dlsym_trampoline_addr(SB)/8, $libc_dlsym_trampoline<>(SB)
