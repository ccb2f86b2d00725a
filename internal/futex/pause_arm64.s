#include "textflag.h"

// func pause()
// ISB waits some ten nanoseconds, YIELD none at all on the cores in use.
TEXT ·pause(SB), NOSPLIT, $0-0
	ISB $15
	RET
