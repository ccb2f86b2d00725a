package ring

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

var (
	// ErrSequence: there is no record of that sequence to start at: it is not kept any more, or is not
	// there yet.
	ErrSequence = errors.New("no such record")
	// ErrLapped: records were overwritten before this subscriber read them; see Lapped.
	ErrLapped = errors.New("lapped by the writers")
	// ErrTooMany: a Broadcast has 64 writers and subscribers that hold writers up already.
	ErrTooMany = errors.New("too many writers and blocking subscribers")
)

// Broadcast is a ring of records of type T that every subscriber sees all of. Any number of writers append
// to it, in any processes. Records are numbered from 0, in one order for all. It takes 8,960 bytes, and for
// each record the size of T plus 8, for a quarter more records than its capacity (at most 1,024 more). T is
// plain memory: no pointers, strings, slices or maps.
//
// # Subscribers
//
// A subscriber reads at its own pace. Writers do not know of it, and overwrite what it did not read in
// time: then it is told how many records it missed (Lapped), and goes on with the oldest that is kept. One
// that subscribes with Blocking has the writers wait for it.
//
// # How it works
//
// A slot carries its own sequence, as in an SPSC ring, which is stored behind the record. A writer
// announces which slots it will write to before it touches the first of them, for many records at a time
// (intent). A subscriber copies a record and then looks at intent: if the slot may have been written to
// meanwhile, the copy does not count. (That is the sequence lock of Agrona's broadcast transmitter, with the
// intent of a batch.) Nothing that a writer leaves when it dies need be repaired: up to where it wrote, the
// slots say; what it did not finish, the next writer writes again; and intent never goes back.
//
// Who writes next is said by one word, see turn.
type Broadcast[T any] struct {
	cast     *cast
	object   segment.Object
	all      []slot[T]
	capacity uint64
}

// lead is how many records writers announce at a time, in a ring that keeps that many.
func lead(capacity uint64) uint64 { return min(max(capacity/4, 1), 1024) }

// NewBroadcast makes a ring in seg that keeps the newest capacity records, at least 1. It fails with
// ErrCapacity, with an error that names the field if T holds a pointer, with ErrOption, shm.ErrExist,
// shm.ErrNoSpace, shm.ErrReadOnly and ErrClosed.
func NewBroadcast[T any](seg *shm.Segment, capacity int, opts ...shm.ObjectOption) (*Broadcast[T], error) {
	layout, err := broadcastLayout[T]()
	if err != nil {
		return nil, fmt.Errorf("ring: make broadcast: %w", err)
	}
	if capacity < 1 || uint64(capacity) > uint64(seg.Size())/slotSize[T]() {
		return nil, fmt.Errorf("ring: make broadcast of %d slots of %d bytes in segment %s of %d bytes: %w",
			capacity, slotSize[T](), seg.Engine(), seg.Size(), ErrCapacity)
	}
	kept := uint64(capacity)
	n := kept + lead(kept)
	spec := segment.Spec{
		Kind: segment.KindBroadcast, Layout: layout, Size: broadcastSize + n*slotSize[T](), Align: segment.Line,
		Init: func(o segment.Object) {
			c := broadcastIn(o)
			c.capacity = kept
			c.slots = n
			c.data = o.Offset() + broadcastSize
			c.stride = slotSize[T]()
		},
	}
	o, name, err := newObject(seg, spec, opts)
	return broadcastOf[T](seg, o, "make", name, err)
}

// OpenBroadcast finds the ring of that name. It fails with shm.ErrNotExist, with shm.ErrKind if it is no
// Broadcast, and with shm.ErrLayout if it is one of another T.
func OpenBroadcast[T any](seg *shm.Segment, name string) (*Broadcast[T], error) {
	layout, err := broadcastLayout[T]()
	if err != nil {
		return nil, fmt.Errorf("ring: open broadcast %q: %w", name, err)
	}
	o, err := seg.Engine().Lookup(name, segment.KindBroadcast, layout)
	return broadcastOf[T](seg, o, "open", name, err)
}

// OpenOrNewBroadcast opens the ring of that name, or makes it, whoever else does the same. One that is there may
// have another capacity. For its errors see OpenBroadcast and NewBroadcast.
func OpenOrNewBroadcast[T any](seg *shm.Segment, name string, capacity int, opts ...shm.ObjectOption) (*Broadcast[T], error) {
	return segment.OrNew(func() (*Broadcast[T], error) { return OpenBroadcast[T](seg, name) },
		func() (*Broadcast[T], error) {
			return NewBroadcast[T](seg, capacity, append(slices.Clip(opts), shm.Named(name))...)
		})
}

// BroadcastFrom returns the ring that ref names. It fails with shm.ErrStale if it is not in seg, and else
// as OpenBroadcast does.
func BroadcastFrom[T any](seg *shm.Segment, ref shm.Ref) (*Broadcast[T], error) {
	layout, err := broadcastLayout[T]()
	if err != nil {
		return nil, fmt.Errorf("ring: resolve broadcast: %w", err)
	}
	o, err := seg.Engine().Resolve(ref, segment.KindBroadcast, layout)
	return broadcastOf[T](seg, o, "resolve", "", err)
}

func broadcastLayout[T any]() (uint64, error) {
	if err := codec.Plain(reflect.TypeFor[T]()); err != nil {
		return 0, err
	}
	return codec.LayoutHash(reflect.TypeFor[broadcastBody[T]]()), nil
}

func broadcastOf[T any](seg *shm.Segment, o segment.Object, op, name string, err error) (*Broadcast[T], error) {
	var s extent
	if err == nil {
		s, err = extentOf(o)
	}
	if err == nil && s.stride != slotSize[T]() {
		err = fmt.Errorf("slots of %d bytes, and %d are needed: %w", s.stride, slotSize[T](), ErrCorrupt)
	}
	if err != nil {
		return nil, fmt.Errorf("ring: %s broadcast %q in segment %s: %w", op, name, seg.Engine(), err)
	}
	b := &Broadcast[T]{object: o, all: broadcastSlots[T](o, s.slots), capacity: s.capacity}
	b.cast = castOf(o, s, func(p uint64) uint64 { return b.all[p%s.slots].sequence.Load() })
	return b, nil
}

// castOf is the part of a handle that does not depend on T.
func castOf(o segment.Object, s extent, sequence func(position uint64) uint64) *cast {
	seg, off := o.Segment(), o.Offset()
	return &cast{
		seg: seg, place: o.Place(), control: broadcastIn(o), slots: s.slots, lead: lead(s.capacity),
		// All are asked for, because Close wakes those at the points that an attach has used, and who meets
		// at a point hears of the deaths of the others there.
		items:    seg.Point(off+castItems, segment.Shared),
		room:     seg.Point(off+castRoom, segment.Shared),
		turns:    seg.Point(off+castTurns, segment.Exclusive),
		race:     race.At(seg.ID(), off),
		sequence: sequence,
	}
}

// extent is what a Broadcast says of its size.
type extent struct{ capacity, slots, stride uint64 }

// extentOf is read once. It sees to it that the slots fill the object, which is as large as it must be,
// rounded up to a line.
func extentOf(o segment.Object) (s extent, err error) {
	if err := o.Holds(broadcastSize); err != nil {
		return s, err
	}
	c := broadcastIn(o)
	s = extent{c.capacity, c.slots, c.stride}
	data, room := c.data, o.Size()-broadcastSize
	if s.stride < minSlot || s.stride%8 != 0 || s.slots < 1 || s.slots > room/s.stride ||
		room-s.slots*s.stride >= segment.Line || data != o.Offset()+broadcastSize || o.Offset()%segment.Line != 0 ||
		s.capacity < 1 || s.capacity >= s.slots || s.slots-s.capacity != lead(s.capacity) {
		return s, fmt.Errorf("%d slots of %d bytes for %d records at %#x in an object of %d at %#x: %w",
			s.slots, s.stride, s.capacity, data, o.Size(), o.Offset(), ErrCorrupt)
	}
	return s, nil
}

// Ref names the ring.
func (b *Broadcast[T]) Ref() shm.Ref { return b.object.Ref() }

// Cap is how many records the ring keeps at least.
func (b *Broadcast[T]) Cap() int { return int(b.capacity) }

// Bounds are the sequences of the oldest record that is kept, and of the next that will be pushed. They are
// out of date as soon as it returns. It fails with ErrCorrupt and ErrClosed.
func (b *Broadcast[T]) Bounds() (oldest, next uint64, err error) {
	// In this order: the oldest may be behind what was the newest before.
	oldest = b.cast.oldest()
	next, err = b.cast.written()
	if b.cast.seg.IsClosed() {
		return 0, 0, b.cast.wrap("look at", ErrClosed)
	}
	return min(oldest, next), next, b.cast.wrap("look at", err)
}

func (c *cast) corrupt(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, ErrCorrupt)...)
}

func (c *cast) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	if c.seg.IsClosed() {
		err = ErrClosed // whatever looked wrong was Close's zeros
	}
	return fmt.Errorf("ring: %s %s in segment %s: %w", op, c.seg.Title(segment.KindBroadcast, c.place), c.seg, err)
}
