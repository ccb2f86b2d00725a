package ring

import "github.com/kindred-ipc/kindred/internal/segment"

// mostAhead is how many values are read ahead at most: with those of one word the lines that a CPU has on their way at once.
const mostAhead = 64

// ahead is copies of values that are there and have not been popped when they are read. Lines that are asked for by loads next to
// each other are on their way at the same time, and who writes then has them for himself until all copies are popped. Nothing is
// taken by a copy. It stays right whatever is popped meanwhile, here or elsewhere: until somebody has popped the value
// at a position, it is the one that was committed there.
type ahead[T any] struct {
	first  uint64 // position of the first copy
	values []T
}

// makeAhead has room for what comes in sixteen lines: for nothing if a value fills more than that.
func makeAhead[T any]() ahead[T] {
	return ahead[T]{values: make([]T, 0, min(16*segment.Line/slotSize[T](), mostAhead))}
}

// read copies the values that are there in these slots, of which the first is that of position p, and reports how many.
//
//go:nosplit
//go:noinline
func (a *ahead[T]) read(slots []slot[T], p uint64) int {
	vs := a.values[:cap(a.values)]
	if len(vs) > len(slots) {
		vs = vs[:len(slots)]
	}
	slots = slots[:len(vs)]
	n := 0
	for next := p + 1; n < len(vs); n++ {
		s := &slots[n]
		if s.sequence.Load() != next { // pairs with the publishes of who pushes
			break
		}
		vs[n] = s.value
		next++
	}
	a.first, a.values = p, a.values[:n] // of the same array: no write barrier
	return n
}
