package ring

import "fmt"

// Run is some slots of an SPSC ring in a row, whose values are written or read in place: what Reserve
// and Peek return. It is good for as long as they say, and no longer than its end is in use.
type Run[T any] struct {
	slots []slot[T]
	first uint64 // index of the first slot
	n     uint64
}

// Len is how many values the run has.
func (r Run[T]) Len() int { return int(r.n) }

// At is the place of the value i of the run, from 0 on. The pointer leads into shared memory, and is
// good for as long as the run is. It panics if i is not below Len.
func (r Run[T]) At(i int) *T {
	if uint64(i) >= r.n {
		r.outside(i)
	}
	at := r.first + uint64(i)
	if at >= uint64(len(r.slots)) {
		at -= uint64(len(r.slots))
	}
	return &r.slots[at].value
}

//go:noinline
func (r Run[T]) outside(i int) { panic(fmt.Sprintf("ring: value %d of a run of %d", i, r.n)) }
