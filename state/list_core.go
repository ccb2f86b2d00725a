package state

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// list is a List whatever its elements are: blocks, headers, sequence and lock.
type list struct {
	place
	state   *listState
	headers [2]*listHeader // even, odd
	spare   *byte
	size    uint64
	stride  uint64
	boxed   bool                 // slots have the places of boxes
	keeper  func([]byte) shm.Ref // what an element is to keep
	race    race.Word
	lock    segment.Lock
	last    atomic.Pointer[slots] // that were looked at last
	now     version               // for who has the lock
}

// slots are a block with elements. Its place has the block's generation, so what was checked once stays right.
type slots struct {
	place    uint64
	data     *byte
	capacity uint64
	block    segment.Block
}

// none are the slots of a list that never had an element.
var none = new(slots)

// version is what a list is under one sequence.
type version struct {
	*slots
	sequence               uint64
	first, length, pending uint64
}

// slot is where element i is, or will be.
func (v *version) slot(i uint64) uint64 {
	k := v.first + i
	if k >= v.capacity {
		k -= v.capacity
	}
	return k
}

// listOf is the list that lies in an object, once that was checked.
func listOf(o segment.Object) (*list, error) {
	if err := o.Holds(listSize); err != nil {
		return nil, err
	}
	s := listIn(o)
	size, stride := s.size, s.stride
	boxed := size == 0 && stride == wordSize
	if size > o.Size() || stride != listStride(size) && !boxed || o.Holds(listBody(size)) != nil || o.Offset()%segment.Line != 0 {
		return nil, fmt.Errorf("list of elements of %d bytes, each %d, in an object of %d at %#x: %w",
			size, stride, o.Size(), o.Offset(), ErrCorrupt)
	}
	return &list{
		place: placeOf(o), state: s, headers: [2]*listHeader{&s.even, &s.odd}, spare: spareIn(o), size: size, stride: stride,
		boxed: boxed, race: race.At(o.Segment().ID(), o.Offset()), lock: o.Segment().PlainLockAt(o.Offset() + listLock),
	}, nil
}

// headerAt is the header that counts under a sequence.
func (l *list) headerAt(sequence uint64) *listHeader { return l.headers[sequence&1] }

// look is what the list is. Whether it stayed so, the sequence tells: an error means nothing if it has moved.
func (l *list) look() (v version, err error) {
	v.sequence = l.state.sequence.Load()
	h := l.headerAt(v.sequence)
	v.first, v.length, v.pending = peek(&h.first), peek(&h.length), peek(&h.pending)
	if v.slots, err = l.slotsAt(peek(&h.place)); err != nil {
		return v, err
	}
	if v.length > v.capacity || v.first > max(v.capacity, 1)-1 || v.pending > v.capacity {
		err = fmt.Errorf("%d elements from slot %d on of %d, %d pending: %w", v.length, v.first, v.capacity, v.pending, ErrCorrupt)
	}
	return v, err
}

// still reports whether the list is what it was.
func (l *list) still(v *version) bool { return l.state.sequence.Load() == v.sequence }

// slotsAt finds the slots that a header names.
func (l *list) slotsAt(place uint64) (*slots, error) {
	if e := l.last.Load(); e != nil && e.place == place {
		return e, nil
	}
	if place == 0 {
		return none, nil
	}
	e, err := l.find(place)
	if err == nil {
		l.last.Store(e)
	}
	return e, err
}

// find checks the block that a header names.
func (l *list) find(place uint64) (*slots, error) {
	b, err := l.seg.BlockAt(place)
	if err != nil || place&7 != 0 || b.Size() < listHead+l.stride {
		return none, fmt.Errorf("no elements at %#x: %w", place, ErrCorrupt)
	}
	return l.slotsOf(b), nil
}

func (l *list) slotsOf(b segment.Block) *slots {
	return &slots{place: b.Place(), data: slotsIn(b), capacity: (b.Size() - listHead) / l.stride, block: b}
}

// read calls f with what the list is, until it stayed that meanwhile. It waits for nobody but where changes follow
// each other without end; see twin.
func (l *list) read(f func(v *version) error) error {
	for i := range glances {
		if done, err := l.glance(f); done {
			return err
		}
		if i%8 == 7 {
			runtime.Gosched()
		}
	}
	return persist(&l.lock, func() (bool, error) { return l.glance(f) })
}

func (l *list) glance(f func(v *version) error) (done bool, err error) {
	v, err := l.look()
	if err == nil {
		err = f(&v)
	}
	done = l.still(&v)
	if race.Enabled {
		l.race.Acquire(0)
	}
	if closed := l.readable(); closed != nil {
		return true, closed // these were Close's zeros
	}
	return done, err
}

// change takes the lock, has f change the list, and gives the lock up.
func (l *list) change(ctx context.Context, op string, f func(v *version) error) error {
	err := l.seg.Writable()
	if err == nil {
		err = hold(ctx, &l.lock)
	}
	if err != nil {
		return l.wrap(op, err)
	}
	held := true
	defer func() {
		if held { // a function of the user's panics
			_ = l.lock.Unlock()
		}
	}()
	if l.now, err = l.mend(); err == nil {
		err = f(&l.now)
	}
	held = false
	left := l.lock.Unlock()
	if closed := l.seg.Writable(); closed != nil {
		return l.wrap(op, closed)
	}
	if left != nil {
		err = errors.Join(err, left)
	}
	if mine, ok := err.(*usersError); ok {
		return mine.error
	}
	return l.wrap(op, err)
}

// usersError is what a function of the user's returned, who gets it as it is.
type usersError struct{ error }

// mend does what one who died with the lock may have left to do: it frees the block that does not count, and what is
// only there, and copies the spare to its slot.
func (l *list) mend() (version, error) {
	v, err := l.look()
	if err != nil {
		return v, err
	}
	if race.Enabled {
		l.race.Acquire(0)
	}
	if other := l.headerAt(v.sequence + 1); other.place != v.slots.place {
		l.giveUp(other.place, &v)
		other.place = v.slots.place
	}
	switch {
	case v.pending != 0:
		l.redo(&v)
	case l.boxed:
		l.mendSpare(&v)
	}
	return v, nil
}

// commit makes v what the list is, by one store. The slots that are new in v are written.
func (l *list) commit(v *version) {
	l.propose(v)
	l.publish(v)
}

// propose writes v to the header that does not count.
func (l *list) propose(v *version) {
	h := l.headerAt(v.sequence + 1)
	h.place, h.first, h.length, h.pending = v.slots.place, v.first, v.length, v.pending
}

// publish has that header count.
func (l *list) publish(v *version) {
	if race.Enabled {
		l.race.Release(0)
	}
	v.sequence++
	l.state.sequence.Store(v.sequence) // pairs with the loads in look and still
	futex.StoreFence()                 // and comes before the next change's plain stores to what a reader of the old one copies
}

// redo copies the spare to the slot that is pending, where nobody looks meanwhile.
func (l *list) redo(v *version) {
	if l.boxed {
		l.redoBox(v)
		return
	}
	copy(l.at(v.slots, v.pending-1, 1), bytesAt(l.spare, 0, l.stride))
	v.pending = 0
	l.commit(v)
}

// at is the memory of n slots from k on.
func (l *list) at(e *slots, k, n uint64) []byte { return bytesAt(e.data, k*l.stride, n*l.stride) }

// move copies elements i to j of v to slots of e, from k on. Nothing is pending.
func (l *list) move(e *slots, k uint64, v *version, i, j uint64) {
	for i < j {
		from := v.slot(i)
		n := min(j-i, v.capacity-from)
		copy(l.at(e, k, n), l.at(v.slots, from, n))
		i, k = i+n, k+n
	}
}

// allocate is slots for n elements or more, which are this process's. There are twice as many as before where they
// were too few.
func (l *list) allocate(n uint64) (*slots, error) {
	need := listHead + n*l.stride
	size := uint64(64)
	for size < need {
		size *= 2
	}
	b, err := l.seg.Alloc(size, 0)
	if size > need && errors.Is(err, segment.ErrNoSpace) {
		b, err = l.seg.Alloc(need, 0)
	}
	if err != nil {
		return nil, err
	}
	return l.slotsOf(b), nil
}

// adopt makes the first n of the slots e, which are written, what the list is, without elements i to j, and frees what it
// had and has no more. Those from slot i on that name boxes are new; their boxes are this process's.
func (l *list) adopt(v *version, e *slots, n, i, j uint64, boxes []segment.Block) error {
	if e != none {
		at := l.off + listEven + (v.sequence+1)&1*headerSize
		if err := e.block.Tie(at); err != nil {
			return errors.Join(err, e.block.Free())
		}
	}
	was := *v
	v.slots, v.first, v.length = e, 0, n
	l.propose(v)
	// From here on the block is named, and so are the boxes in it.
	if e != none {
		if err := e.block.Settle(); err != nil {
			return err
		}
	}
	for m, b := range boxes {
		w, at := l.word(e, i+uint64(m))
		if err := l.hand(b, at, w); err != nil {
			return err
		}
	}
	l.publish(v)
	if was.slots != none {
		if l.boxed {
			l.drop(&was, i, j)
			l.drop(&was, was.length, was.capacity) // of those who died
		}
		if was.block.Free() == nil { // else who comes next looks at it
			l.headerAt(v.sequence + 1).place = e.place
		}
	}
	l.last.Store(e)
	return nil
}
