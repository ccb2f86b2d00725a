package ring

import "github.com/kindred-ipc/kindred/internal/futex"

// Who writes to a ring one by one has its CPU fetch the lines of slots that are soon values ahead, fetches at a time: those
// who read have had them since the last lap. Nothing that the writer executes waits for the stores before it, so the fetches
// overlap, which they would not do where the stores come to them in their order.
const (
	soon    = 16
	fetches = 16
)

// fetch has the CPU fetch the lines of slots, which are fetches, and free.
func fetch[T any](slots []slot[T]) {
	size := slotSize[T]()
	every := max(64/size, 1) // slots that share a line
	futex.PrefetchWrite(&slots[0].sequence, uintptr(every*size), int((fetches+every-1)/every))
}
