package ring

import "github.com/kindred-ipc/kindred/internal/segment"

// aheadOf is how many values are read ahead, of that size with their sequence: what comes in sixteen lines.
func aheadOf(stride uint64) int { return int(min(16*segment.Line/stride, turnEvery)) }

// readAhead reads the values that are there from position p on. Lines that are asked for by loads next to each other are on
// their way at the same time. What was read may be popped later, and by another bias: as long as nobody has popped
// the value at a position, it is the one that was committed there.
//
//go:nosplit
//go:noinline
func (l *track[T]) readAhead(p, mask uint64) {
	vs, n := l.ahead[:cap(l.ahead)], 0
	for ; n < len(vs); n++ {
		at := p + uint64(n)
		s := &l.slots[at&mask]
		if s.sequence.Load() != at+1 { // pairs with the publish in (*MPMC).Push
			break
		}
		vs[n] = s.value
	}
	l.first, l.ahead = p, l.ahead[:n]
}
