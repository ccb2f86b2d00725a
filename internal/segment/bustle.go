package segment

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/word"
)

// A bustle. A server has many connections, and one goroutine that waits at each of them. If a few are busy at the same time,
// what is best for one wait alone is bad for the whole: who polls keeps a processor from those who have something to do;
// who sleeps in the kernel keeps it, too, until the scheduler's monitor takes it away, and costs two switches of threads for
// each message; and the barrier of the asymmetric fence stops all CPUs. So a wait that is one of many does not poll while it
// is in a bustle, is folded at once, and has signallers fence. Then the hub is to the process what the network poller is for
// sockets: it looks at the doorbell when nobody else can run, and sleeps when nothing is there.
//
// A wait is in a bustle if on the average there was another one, or nearly, from one wait at its point to the next. Those that polling ended
// count, too: one of them keeps a processor from the others. Where there are many processors, they count for less.
type bustle struct {
	stir     atomic.Uint64 // of the segment, at the last wait
	heat     atomic.Uint64 // four times the average of how far it moved
	folds    atomic.Uint32 // waits that were folded
	demanded atomic.Int64  // when a fence was demanded, in nanoseconds since epoch; 0: it was not
}

const (
	// wholeWait is the weight of a wait.
	wholeWait = 16
	// stirred is what a pause between two waits counts for at most: a long one says little about the next.
	stirred = 16 * wholeWait
	// heated is the heat from which on a wait is in a bustle: itself, and three quarters of another one.
	heated = 4 * (wholeWait + wholeWait*3/4)

	// demandAfter is how many waits at a point are folded until signallers are to fence there. It is for ever, and costs a
	// stream of small records some nanoseconds each.
	demandAfter = 16
	// demandSettles is how long a plain store takes to arrive whose signaller had not seen the demand: see package futex.
	demandSettles = 2 * time.Millisecond
)

var epoch = time.Now()

// came is called by who comes to wait, and reports whether that is in a bustle.
func (b *bustle) came(stir *atomic.Uint64) bool {
	if word.Modelled && word.Current() != nil {
		return false
	}
	now := stir.Load()
	heat := b.heat.Load()
	heat += min(now-b.stir.Swap(now), stirred) - heat/4
	b.heat.Store(heat) // two at the same time: one counts
	return heat >= heated
}

// weight is what a wait counts for that is in no bustle: if polling ended it, its share of two processors.
func weight(paid bool) uint64 {
	if !paid {
		return wholeWait
	}
	return min(2*wholeWait/uint64(runtime.GOMAXPROCS(0)), wholeWait)
}

// in reports whether the last wait was in a bustle.
func (b *bustle) in() bool { return b.heat.Load() >= heated }

// fenced is called by who is folded, and reports whether all who signal e fence.
func (b *bustle) fenced(e *futex.Event) bool {
	if word.Modelled && word.Current() != nil {
		return false
	}
	if at := b.demanded.Load(); at != 0 {
		return time.Since(epoch)-time.Duration(at) >= demandSettles
	}
	if b.folds.Add(1) == demandAfter {
		e.Demand()
		b.demanded.Store(int64(time.Since(epoch)))
	}
	return false
}

// Bustling reports whether the last wait at p that was OneOfMany was in a bustle: then it does not pay to poll before the next.
func (p *Point) Bustling() bool { return p.bustle.in() }
