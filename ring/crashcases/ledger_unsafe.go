package crashcases

import (
	"sync/atomic"
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/segment"
)

// ledger lies beside a ring and says what the processes at it have done. Each word is written by the
// process at one of the ends.
type ledger struct {
	begun  atomic.Uint64 // so many items were begun to be pushed
	pushed atomic.Uint64 // so many are
	popped atomic.Uint64 // and so many were popped
}

const ledgerSize = uint64(unsafe.Sizeof(ledger{}))

func ledgerIn(o segment.Object) *ledger { return (*ledger)(o.Pointer()) }

// positionOffset is where in a ring the reader's position stands: docs/LAYOUT.md.
const positionOffset = 128

// positionIn is how far the reader of a ring has come.
func positionIn(o segment.Object) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Add(o.Pointer(), positionOffset))
}
