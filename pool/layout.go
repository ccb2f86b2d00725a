package pool

import (
	"structs"
	"unsafe"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// workerState is what a worker and its parent share beside the rings.
type workerState struct {
	_ structs.HostLayout

	// claimed is the id of the call that the worker runs, 0 for none. The worker sets it before it
	// takes the request out of the ring and clears it after its reply is committed, so when it is
	// dead, and its replies are drained, a call that is pending was begun if and only if it is here.
	// From before the reply is committed, returned is set in it: who stops a worker, and sees a claim
	// without it, has one that will not have replied.
	//
	// Of a request of several calls it is the first, and from before the outbox is committed the last that
	// was made, as returned.
	claimed word.Uint64

	// kept is the id of the call whose result is the first in the outbox, results how many of them and of those that follow it are there,
	// and in how many bytes: see resultsOf. Those that are there were made, and are not made again. The next one of the same request is claimed by
	// that, so that one store a call says both.
	kept    word.Uint64
	results word.Uint64
	_       [segment.Line - 3*8]byte

	// cancelled is the id of the newest call that its caller gave up. Ids only grow.
	cancelled word.Uint64
	event     futex.Event // the worker waits here for cancelled to change, if a task asks for it
	// withdrawn is the id of the newest call that is not to be begun any more, unless it has been.
	withdrawn word.Uint64
	_         [segment.Line - 32]byte

	request mailbox // written by the parent
	reply   mailbox // written by the worker

	// outbox has the results of a request of several calls that are not sent yet, one behind the other: as a row, or as frames.
	outbox [outboxSize]byte
}

// returned in a claim: the task has come back, and its reply is on the way.
const returned = 1 << 63

const (
	outboxSize      = 253 * segment.Line // sent as one record
	workerStateSize = 2*segment.Line + 2*mailboxSize + outboxSize
)

var workerLayout = segment.LayoutOf[workerState]()

var _ = [1]struct{}{}[unsafe.Sizeof(workerState{})-workerStateSize]

// aRow in the word results: they are a row, not frames.
const aRow = 1 << 31

// resultsOf is the word results: how many there are, and in how many bytes.
func resultsOf(row bool, n, bytes int) uint64 {
	w := uint64(n)<<32 | uint64(bytes)
	if row {
		w |= aRow
	}
	return w
}

// resultsIn is what the word says, if that can be.
func resultsIn(w uint64) (row bool, n, bytes int, ok bool) {
	row = w&aRow != 0
	if w>>32 > outboxSize || uint32(w)&^aRow > outboxSize {
		return false, 0, 0, false
	}
	n, bytes = int(w>>32), int(uint32(w)&^aRow)
	least := frameSize
	if row {
		least = 1
	}
	return row, n, bytes, n <= bytes/least
}
