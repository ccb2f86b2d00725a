//go:build amd64 && !race && !interleave

package futex

import (
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/word"
)

// Asymmetric: Publish does not fence, so whoever goes to sleep pays for it, and the process must be
// registered for that first (see fence.go).
const Asymmetric = true

// Publish is the last store of an operation, to a word that nobody else writes at that time. On
// amd64 stores become visible in program order, so a plain one publishes all that was stored before
// it, at a fraction of the cost of the exchange that atomic.Store is. The compiler keeps it in its
// place: behind the payload, because it does not reorder stores, and before the atomic load of the
// event's mark that follows each Publish.
func Publish(w *word.Uint64, v uint64) { *(*uint64)(unsafe.Pointer(w)) = v }
