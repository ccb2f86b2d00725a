package ring

import "github.com/kindred-ipc/kindred/internal/futex"

// Who writes to a ring one by one has its CPU fetch the lines of slots that are soon values ahead, fetches at a time: those
// who read have had them since the last lap. Nothing that the writer executes waits for the stores before it, so the fetches
// overlap, which they would not do where the stores come to them in their order. Who writes a batch has those of the next but
// one fetched behind it, if it is as large: the next was fetched before.
//
// A fetch for writing is a hint, and Zen 4 does not take it for a line that it shares with who read it. So who writes one by one
// owns the lines of the next slots, too, owned of them at a time, by stores that follow each other directly: their lines are asked for
// together. Those of pushes are not, with all that functions store on the stack in between. Where the hint was taken, the
// line is there by then. Who writes in place owns those of what he reserves.
const (
	soon     = 32
	fetches  = 16
	owned    = 32
	smallest = 256 // the smallest ring for which there are fetches: of another, those who read are near wherever they are
	batch    = 256 // the largest for which there are fetches: what is fetched for larger ones may be gone until it is used
)

// alongside is how many slots share a line.
func alongside[T any]() uint64 { return max(64/slotSize[T](), 1) }

// fetch has the CPU fetch the lines of slots, of which there are some, and which are free.
func fetch[T any](slots []slot[T]) {
	every := alongside[T]()
	futex.PrefetchWrite(&slots[0].sequence, uintptr(every*slotSize[T]()), int((uint64(len(slots))+every-1)/every))
}

// fetchBatch is fetch for the batch after the next, of n slots from i on, behind one of as many.
func fetchBatch[T any](slots []slot[T], i, n uint64) {
	if 1 < n && n <= batch {
		fetch(slots[i:][:n])
	}
}

// own stores to the lines of slots that are free what they have there: sequence is that of the first. Nobody else writes them.
func own[T any](slots []slot[T], sequence uint64) {
	for i := uint64(0); i < uint64(len(slots)); i += alongside[T]() {
		futex.Publish(&slots[i].sequence, sequence+i)
	}
}
