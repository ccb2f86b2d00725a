package ring

// Run is some slots of an SPSC ring in a row, whose values are written or read in place: what Reserve
// and Peek return. It is good for as long as they say, and no longer than its end is in use.
type Run[T any] struct{ slots, rest []slot[T] } // rest is behind the end of the ring's slots, from their beginning on

// Len is how many values the run has.
func (r Run[T]) Len() int { return len(r.slots) + len(r.rest) }

// At is the place of the value i of the run, from 0 on. The pointer leads into shared memory, and is
// good for as long as the run is. It panics if i is not from 0 to below Len.
func (r Run[T]) At(i int) *T {
	if i < len(r.slots) {
		return &r.slots[i].value
	}
	return &r.rest[i-len(r.slots)].value
}

// runOf is the n slots from index on. Its user need not know whether they go on at the beginning.
func runOf[T any](slots []slot[T], index uint64, n int) Run[T] {
	head := slots[index:]
	if n <= len(head) {
		return Run[T]{slots: head[:n]}
	}
	return Run[T]{slots: head, rest: slots[:n-len(head)]}
}
