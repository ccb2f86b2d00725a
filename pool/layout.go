package pool

import (
	"structs"
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// workerState is what a worker and its parent share beside the two rings.
type workerState struct {
	_ structs.HostLayout

	// claimed is the id of the call that the worker runs, 0 for none. The worker sets it before it
	// takes the request out of the ring and clears it after its reply is committed, so when it is
	// dead, and its replies are drained, a call that is pending was begun if and only if it is here.
	// From before the reply is committed, returned is set in it: who stops a worker, and sees a claim
	// without it, has one that will not have replied.
	claimed word.Uint64
	_       [segment.Line - 8]byte

	// cancelled is the id of the newest call that its caller gave up. Ids only grow.
	cancelled word.Uint64
	event     futex.Event // the worker waits here for cancelled to change, if a task asks for it
	_         [segment.Line - 24]byte
}

// returned in a claim: the task has come back, and its reply is on the way.
const returned = 1 << 63

const workerStateSize = 2 * segment.Line

var workerLayout = segment.LayoutOf[workerState]()

var _ = [1]struct{}{}[unsafe.Sizeof(workerState{})-workerStateSize]
