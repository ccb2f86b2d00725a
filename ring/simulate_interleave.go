//go:build interleave

package ring

// Remembers is all that an end keeps from one operation to the next. Package interleave, which these are
// for, takes it for a part of the state.

func (w *Writer[T]) Remembers() []uint64 {
	return []uint64{w.pos, w.lap, w.limit.Load(), w.room, w.reserved, w.from}
}

func (r *Reader[T]) Remembers() []uint64 {
	return []uint64{r.pos, r.lap, r.next.Load(), r.shown, r.from, r.ahead.first, uint64(len(r.ahead.values))}
}

func (w *BytesWriter) Remembers() []uint64 {
	return []uint64{w.pos, w.at, w.free, w.reserved.lead, w.reserved.length, w.first, w.header}
}

func (r *BytesReader) Remembers() []uint64 { return []uint64{r.pos, r.at, r.held, r.read} }
