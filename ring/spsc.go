package ring

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"sort"
	"sync/atomic"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// SPSC is a bounded ring of values of type T with one writer and one reader. It takes 640 bytes and
// capacity slots of the size of T plus 8. T is plain memory: no pointers, strings, slices or maps.
type SPSC[T any] struct {
	seg      *segment.Segment
	object   segment.Object
	control  *control
	slots    []slot[T]
	capacity uint64 // as checked; the word in the segment is not looked at again
}

// NewSPSC makes a ring for capacity values, at least 1, in seg. It fails with ErrCapacity, with an
// error that names the field if T holds a pointer, with ErrOption, shm.ErrExist, shm.ErrNoSpace, shm.ErrReadOnly and ErrClosed.
func NewSPSC[T any](seg *shm.Segment, capacity int, opts ...shm.ObjectOption) (*SPSC[T], error) {
	layout, err := slotLayout[T]()
	if err != nil {
		return nil, fmt.Errorf("ring: make SPSC: %w", err)
	}
	if capacity < 1 || uint64(capacity) > uint64(seg.Size())/slotSize[T]() {
		return nil, fmt.Errorf("ring: make SPSC of %d slots of %d bytes in segment %s of %d bytes: %w",
			capacity, slotSize[T](), seg.Engine(), seg.Size(), ErrCapacity)
	}
	n := uint64(capacity)
	spec := segment.Spec{
		Kind: segment.KindSPSC, Layout: layout, Size: controlSize + n*slotSize[T](), Align: segment.Line,
		Init: func(o segment.Object) {
			c := controlIn(o)
			c.capacity = n
			c.data = o.Offset() + controlSize
			c.stride = slotSize[T]()
		},
	}
	o, name, err := newObject(seg, spec, opts)
	return spscOf[T](seg, o, "make", name, err)
}

// OpenSPSC finds the ring of that name. It fails with shm.ErrNotExist, with shm.ErrKind if it is no
// SPSC, and with shm.ErrLayout if it is one of another T.
func OpenSPSC[T any](seg *shm.Segment, name string) (*SPSC[T], error) {
	layout, err := slotLayout[T]()
	if err != nil {
		return nil, fmt.Errorf("ring: open SPSC %q: %w", name, err)
	}
	o, err := seg.Engine().Lookup(name, segment.KindSPSC, layout)
	return spscOf[T](seg, o, "open", name, err)
}

// OpenOrNewSPSC opens the ring of that name, or makes it, whoever else does the same. One that is there may
// have another capacity. For its errors see OpenSPSC and NewSPSC.
func OpenOrNewSPSC[T any](seg *shm.Segment, name string, capacity int, opts ...shm.ObjectOption) (*SPSC[T], error) {
	return segment.OrNew(func() (*SPSC[T], error) { return OpenSPSC[T](seg, name) },
		func() (*SPSC[T], error) {
			return NewSPSC[T](seg, capacity, append(slices.Clip(opts), shm.Named(name))...)
		})
}

// SPSCFrom returns the ring that ref names. It fails with shm.ErrStale if it is not in seg, and else
// as OpenSPSC does.
func SPSCFrom[T any](seg *shm.Segment, ref shm.Ref) (*SPSC[T], error) {
	layout, err := slotLayout[T]()
	if err != nil {
		return nil, fmt.Errorf("ring: resolve SPSC: %w", err)
	}
	o, err := seg.Engine().Resolve(ref, segment.KindSPSC, layout)
	return spscOf[T](seg, o, "resolve", "", err)
}

func slotLayout[T any]() (uint64, error) {
	t := reflect.TypeFor[T]()
	if err := codec.Plain(t); err != nil {
		return 0, err
	}
	return codec.LayoutHash(reflect.TypeFor[body[T]]()), nil
}

func spscOf[T any](seg *shm.Segment, o segment.Object, op, name string, err error) (*SPSC[T], error) {
	var n, stride uint64
	if err == nil {
		n, stride, err = slotsOf(o)
	}
	if err == nil && stride != slotSize[T]() {
		err = fmt.Errorf("slots of %d bytes, and %d are needed: %w", stride, slotSize[T](), ErrCorrupt)
	}
	if err != nil {
		return nil, fmt.Errorf("ring: %s SPSC %q in segment %s: %w", op, name, seg.Engine(), err)
	}
	return &SPSC[T]{seg: seg.Engine(), object: o, control: controlIn(o), slots: slotsIn[T](o, n), capacity: n}, nil
}

// slotsOf is the number of slots of an SPSC ring and their distance. It sees to it that they fill the
// object, which is as large as it must be, rounded up to a line.
func slotsOf(o segment.Object) (n, stride uint64, err error) {
	if err := o.Holds(controlSize); err != nil {
		return 0, 0, err
	}
	c := controlIn(o)
	n, stride, data := c.capacity, c.stride, c.data
	room := o.Size() - controlSize
	if stride < minSlot || stride%8 != 0 || n < 1 || n > room/stride || room-n*stride >= segment.Line ||
		data != o.Offset()+controlSize || o.Offset()%segment.Line != 0 {
		return 0, 0, fmt.Errorf("%d slots of %d bytes at %#x in an object of %d at %#x: %w",
			n, stride, data, o.Size(), o.Offset(), ErrCorrupt)
	}
	return n, stride, nil
}

// Ref names the ring.
func (r *SPSC[T]) Ref() shm.Ref { return r.object.Ref() }

// Cap is how many values the ring holds.
func (r *SPSC[T]) Cap() int { return int(r.capacity) }

// Len is how many values are in the ring. It is out of date as soon as it returns, and looks at up
// to log2(Cap) slots.
func (r *SPSC[T]) Len() int {
	defer runtime.KeepAlive(r) // the mapping goes with the last handle
	position := r.control.position.Load()
	return int(r.written(position) - position)
}

// Empty reports whether there was no value in the ring, and Full whether there was room for no more.
// Both look at one slot.
func (r *SPSC[T]) Empty() bool { return !r.there(r.control.position.Load()) }

// Full is Empty's counterpart.
func (r *SPSC[T]) Full() bool { return r.there(r.control.position.Load() + r.capacity - 1) }

// there reports whether the value at position p is in its slot.
func (r *SPSC[T]) there(p uint64) bool { return r.slots[p%r.capacity].sequence.Load() == p+1 }

// written is the position behind the last value that was pushed.
func (r *SPSC[T]) written(position uint64) uint64 {
	return written(position, r.capacity, func(i uint64) uint64 { return r.slots[i].sequence.Load() })
}

// written is the position behind the last value of a ring. The values that are there follow each
// other from the reader's position on, so a binary search finds their end; there need be no word that
// says it, and no store per push to keep it up to date. sequence reads that of a slot.
func written(position, capacity uint64, sequence func(slot uint64) uint64) uint64 {
	n := sort.Search(int(capacity), func(i int) bool {
		p := position + uint64(i)
		return sequence(p%capacity) != p+1
	})
	return position + uint64(n)
}

// writerEnd and readerEnd are the ends before they are taken.
func (r *SPSC[T]) writerEnd(opts []EndOption) end {
	return newEnd(r.object, r.control, closedWriter, opts)
}

func (r *SPSC[T]) readerEnd(opts []EndOption) end {
	return newEnd(r.object, r.control, closedReader, opts)
}

func newEnd(o segment.Object, c *control, my uint32, opts []EndOption) end {
	var cfg endConfig
	for _, opt := range opts {
		opt(&cfg)
	}
	seg := o.Segment()
	// Both are asked for, because Close wakes those at the points that an attach has used.
	items := seg.Point(o.Offset()+itemsOffset, segment.Shared)
	room := seg.Point(o.Offset()+roomOffset, segment.Shared)
	e := end{seg: seg, race: race.At(seg.ID(), o.Offset()), closed: &c.closed, my: my, kind: o.Kind(), place: o.Place(), alone: new(atomic.Bool)}
	if my == closedWriter {
		e.other = closedReader
		e.mine, e.theirs = &c.writer, &c.reader
		e.point, e.far, e.peer = room, items, items.Event()
	} else {
		e.other = closedWriter
		e.mine, e.theirs = &c.reader, &c.writer
		e.point, e.far, e.peer = items, room, room.Event()
	}
	e.point.SetPolicy(cfg.policy)
	e.many = cfg.many
	e.polls = cfg.policy != Park && futex.ManyCPUs()
	return e
}
