package segment

import (
	"iter"
	"sync/atomic"

	"github.com/kindred-ipc/kindred/internal/futex"
)

// A throng. Where more processes pass items to each other than there are CPUs, some of them have none, and who sleeps is woken
// by the first item, in front of the one that would have made a thousand. One who gives the CPU to others instead, and is not woken, has
// his turn when theirs is over, and then finds much to do. But while he has no CPU nobody wakes him either, so he does so
// only in a brisk stream: if many items have passed since he last waited. Where few did, he sleeps, and is woken by the first.
type throng struct {
	passed atomic.Uint64 // at the last wait
	joined atomic.Uint64 // the event's Joined when those who meet there were last counted
	met    atomic.Int32  // how many of them lived then
}

// brisk is how many items pass from one wait to the next in a brisk stream: what takes longer than a sleep and a wake.
const brisk = 64

// in reports whether one who waits at p, by which so many items have passed, is in a throng, and the stream is brisk.
func (c *throng) in(p *Point, passed uint64) bool {
	return passed-c.passed.Swap(passed) >= brisk && c.size(p) > futex.CPUs()
}

// size is how many processes meet at p: those that lived when the last of them joined.
func (c *throng) size(p *Point) int {
	joined := p.event.Joined()
	if joined != c.joined.Load() {
		n := int32(0)
		for range p.seg.whoJoined(joined) {
			n++
		}
		c.met.Store(n)
		c.joined.Store(joined)
	}
	return int(c.met.Load())
}

// whoJoined yields the participants that joined an event and live, or are not swept yet.
func (s *Segment) whoJoined(joined uint64) iter.Seq[Owner] {
	return func(yield func(Owner) bool) {
		for i := range s.slots {
			state := s.slot(i).state.Load()
			if state&0xff == slotLive && futex.HasJoined(joined, i) && !yield(makeOwner(i, uint32(state>>8))) {
				return
			}
		}
	}
}
