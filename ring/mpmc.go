package ring

import (
	"context"
	"fmt"
	"iter"
	"math/bits"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/kindred-ipc/kindred/internal/bias"
	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// MPMC is a bounded ring of values of type T that any number of processes push to and pop from. What one
// process pushes is popped in that order; between processes there is none. Its methods may be called by
// any number of goroutines. T is plain memory: no pointers, strings, slices or maps.
//
// A ring has several lanes, between 8 for small ones and 2 for large ones, and each has slots for all of
// the capacity, rounded up to a power of two: so a ring takes some 15 KiB, and lanes * capacity slots of the
// size of T plus 8. (8 lanes up to 255 values, 7 up to 511, 6 up to 1,023, 5 up to 4,095, 4 up to 65,535, 3 up to
// 2,097,151, else 2.) How much of the capacity a lane may use goes from lane to lane as it is needed:
// one process alone may use all of it.
//
// A process that is killed at any point harms nobody: what it had pushed is there, and what it was about to
// push is not. Values that it had taken and not returned to its caller are lost, and counted (Lost).
//
// A process that is stopped while it pops keeps nothing from those who push, and from those who pop only what it
// has taken, which is returned when it goes on. But a goroutine that has popped from a lane alone for a while pops there
// with plain stores, and if it is stopped between the two of a pop, at most some hundred nanoseconds apart, it keeps the values of
// that lane until it goes on, or is killed; others pop from the other lanes. (More than 28 processes that pop share four seats, and each that
// is stopped may keep one. Lost misses what one has counted half that is stopped while it counts.)
//
// One that is stopped while it pushes, in the nanoseconds in which it has a lane locked, keeps that lane until
// it goes on, or is killed: and with it all the room that the lane has not used. That may be little, but a process
// that pushed alone has all the room of the ring in its lane, and then every push of others waits. In the other
// lanes others push as ever; those who used the same lane go on in another one once what is in it is
// popped. While it gets its lane more room it has two lanes locked. All that is committed can be popped, in every
// lane; those who pop wait for it only to be told that the ring is closed and nothing will come any more.
//
// A lane is worn out after 2^52 values, a year at a hundred million a second, and then says ErrCorrupt.
//
// docs/MPMC.md has the algorithm, and why it is this one.
type MPMC[T any] struct {
	seg      *segment.Segment
	object   segment.Object
	hall     *hall
	lanes    []track[T]
	seats    []seat
	mask     uint64
	width    uint64 // bits of a quota
	between  uint64 // bits of a position that are zero where a push has more to do: see pushed
	capacity uint64 // as checked, like all that the hall says
	lazy     uint64 // bits of a position that are zero where those who wait for room are woken
	self     *atomic.Uint64
	here     *presence
	items    *segment.Point
	room     *segment.Point
	race     race.Word
}

// track is a lane as a handle sees it.
type track[T any] struct {
	*lane
	slots []slot[T]
	takes uint64   // its index in a seat
	ahead ahead[T] // belongs to who has the bias of the head
	run   run      // guarded by the lane's lock
	alone alone

	lockPrice, headPrice bias.Price // of the biases of its lock and of its head
}

// presence is what all handles of an attach know of one ring.
type presence struct {
	// way is the lane to push to, in the lower byte; in the next one the lane, counted from 1, that is to be
	// empty first, because goroutines of this process pushed there before. wayFenced stays set as long as every
	// operation must fence.
	way atomic.Uint32
	// quick is the seat of this process, counted from 1, or 0 if there is none, or every operation must fence.
	quick atomic.Uint32
	seat  atomic.Uint32 // the same without a look at fences
	turn  atomic.Uint32 // the lane to pop from first
	full  atomic.Bool   // no seat was free when it was looked for
	mu    sync.Mutex    // held while a seat is looked for, and for grants

	bias   atomic.Pointer[grant] // the lane that has a bias to a stack of this process
	hold   atomic.Pointer[hold]  // the lane whose head has one, or may get it
	grants []*grant              // all there were
	holds  []*hold
	stacks []uintptr // that have a mark and a claim, in their order
}

const (
	wayLane    = 0xff
	wayOld     = 8 // shift
	wayOldMask = 0xff << wayOld
	wayFenced  = 1 << 16
)

// NewMPMC makes a ring for capacity values, at least 1, in seg. It fails with ErrCapacity, with an error
// that names the field if T holds a pointer, with ErrOption, shm.ErrExist, shm.ErrNoSpace, shm.ErrReadOnly and ErrClosed.
func NewMPMC[T any](seg *shm.Segment, capacity int, opts ...shm.ObjectOption) (*MPMC[T], error) {
	layout, err := foyerLayout[T]()
	if err != nil {
		return nil, fmt.Errorf("ring: make MPMC: %w", err)
	}
	if capacity < 1 || uint64(capacity) > min(uint64(seg.Size())/slotSize[T](), 1<<32-1) {
		return nil, fmt.Errorf("ring: make MPMC of %d slots of %d bytes in segment %s of %d bytes: %w",
			capacity, slotSize[T](), seg.Engine(), seg.Size(), ErrCapacity)
	}
	p := planOf(uint64(capacity), slotSize[T]())
	spec := segment.Spec{
		Kind: segment.KindMPMC, Layout: layout, Size: p.data + uint64(p.lanes)*p.lane, Align: segment.Line,
		Init: func(o segment.Object) {
			h := hallIn(o)
			h.capacity, h.size, h.stride = p.capacity, p.size, p.stride
			h.data = o.Offset() + p.data
			h.lanes, h.seats = uint32(p.lanes), seats
			h.quotas.Store(p.quotas())
		},
	}
	o, name, err := newObject(seg, spec, opts)
	return mpmcOf[T](seg, o, "make", name, err)
}

// OpenMPMC finds the ring of that name. It fails with shm.ErrNotExist, with shm.ErrKind if it is no MPMC,
// and with shm.ErrLayout if it is one of another T.
func OpenMPMC[T any](seg *shm.Segment, name string) (*MPMC[T], error) {
	layout, err := foyerLayout[T]()
	if err != nil {
		return nil, fmt.Errorf("ring: open MPMC %q: %w", name, err)
	}
	o, err := seg.Engine().Lookup(name, segment.KindMPMC, layout)
	return mpmcOf[T](seg, o, "open", name, err)
}

// OpenOrNewMPMC opens the ring of that name, or makes it, whoever else does the same. One that is there may
// have another capacity. For its errors see OpenMPMC and NewMPMC.
func OpenOrNewMPMC[T any](seg *shm.Segment, name string, capacity int, opts ...shm.ObjectOption) (*MPMC[T], error) {
	return segment.OrNew(func() (*MPMC[T], error) { return OpenMPMC[T](seg, name) },
		func() (*MPMC[T], error) {
			return NewMPMC[T](seg, capacity, append(slices.Clip(opts), shm.Named(name))...)
		})
}

// MPMCFrom returns the ring that ref names. It fails with shm.ErrStale if it is not in seg, and else as
// OpenMPMC does.
func MPMCFrom[T any](seg *shm.Segment, ref shm.Ref) (*MPMC[T], error) {
	layout, err := foyerLayout[T]()
	if err != nil {
		return nil, fmt.Errorf("ring: resolve MPMC: %w", err)
	}
	o, err := seg.Engine().Resolve(ref, segment.KindMPMC, layout)
	return mpmcOf[T](seg, o, "resolve", "", err)
}

func foyerLayout[T any]() (uint64, error) {
	t := reflect.TypeFor[T]()
	if err := codec.Plain(t); err != nil {
		return 0, err
	}
	return codec.LayoutHash(reflect.TypeFor[foyer[T]]()), nil
}

// plan is where everything lies in a ring of some capacity.
type plan struct {
	capacity, size, stride uint64
	lanes                  int
	data                   uint64 // offset of the first lane's slots in the body
	lane                   uint64 // bytes of the slots of a lane
}

func planOf(capacity, stride uint64) plan {
	p := plan{capacity: capacity, size: 1 << bits.Len64(capacity-1), stride: stride, lanes: lanesFor(capacity)}
	p.data = hallSize + uint64(p.lanes)*laneSize + seats*seatSize
	p.lane = (p.size*stride + segment.Line - 1) &^ (segment.Line - 1)
	return p
}

// quotas divides the capacity among the lanes as it is in the beginning.
func (p plan) quotas() (all uint64) {
	n := uint64(p.lanes)
	for i := range n {
		q := p.capacity / n
		if i < p.capacity%n {
			q++
		}
		all |= q << (i * uint64(quotaBits(p.lanes)))
	}
	return all
}

// planIn is the plan of a ring that was found. It sees to it that it fills the object, which is as large as
// it must be, rounded up to a line.
func planIn(o segment.Object) (plan, error) {
	if err := o.Holds(hallSize); err != nil {
		return plan{}, err
	}
	h := hallIn(o)
	capacity, size, stride, data, lanes, n := h.capacity, h.size, h.stride, h.data, h.lanes, h.seats
	room := o.Size()
	if stride < minSlot || stride%8 != 0 || capacity < 1 || capacity > room/stride || capacity > 1<<32-1 {
		return plan{}, fmt.Errorf("%d values in slots of %d bytes in an object of %d: %w", capacity, stride, room, ErrCorrupt)
	}
	p := planOf(capacity, stride)
	if size != p.size || uint64(lanes) != uint64(p.lanes) || n != seats || data != o.Offset()+p.data || o.Offset()%segment.Line != 0 ||
		p.lane > room || p.data+uint64(p.lanes)*p.lane > room || room-p.data-uint64(p.lanes)*p.lane >= segment.Line {
		return plan{}, fmt.Errorf("%d lanes of %d slots of %d bytes at %#x, %d seats, in an object of %d at %#x: %w",
			lanes, size, stride, data, n, room, o.Offset(), ErrCorrupt)
	}
	return p, nil
}

func mpmcOf[T any](seg *shm.Segment, o segment.Object, op, name string, err error) (*MPMC[T], error) {
	var p plan
	if err == nil {
		p, err = planIn(o)
	}
	if err == nil && p.stride != slotSize[T]() {
		err = fmt.Errorf("slots of %d bytes, and %d are needed: %w", p.stride, slotSize[T](), ErrCorrupt)
	}
	if err != nil {
		return nil, fmt.Errorf("ring: %s MPMC %q in segment %s: %w", op, name, seg.Engine(), err)
	}
	s := seg.Engine()
	m := &MPMC[T]{
		seg: s, object: o, hall: hallIn(o), lanes: make([]track[T], p.lanes), seats: seatsIn(o, p.lanes, seats),
		mask: p.size - 1, between: fetches - 1, width: uint64(quotaBits(p.lanes)), capacity: p.capacity, lazy: lazyFor(p.size), self: s.SelfWord(),
		items: s.Point(o.Offset()+hallItemsOffset, segment.Shared),
		room:  s.Point(o.Offset()+hallRoomOffset, segment.Shared),
		race:  race.At(s.ID(), o.Offset()),
	}
	for i := range m.lanes {
		m.lanes[i] = track[T]{
			lane: laneIn(o, i), slots: laneSlotsIn[T](o, p.data+uint64(i)*p.lane, p.size), takes: uint64(i),
			ahead: makeAhead[T](),
		}
	}
	m.here = s.Local(o.Offset(), func() any {
		at := new(presence)
		at.turn.Store(uint32(uint64(s.Self()) % uint64(p.lanes)))
		at.way.Store(at.turn.Load() | wayFenced)
		return at
	}).(*presence)
	if s.Writable() == nil {
		futex.Register()
	}
	return m, nil
}

// lazyFor is for a ring of that size: a 64th of it, and 1,024 at most.
func lazyFor(size uint64) uint64 { return min(max(size/64, 1), 1024) - 1 }

// Ref names the ring.
func (m *MPMC[T]) Ref() shm.Ref { return m.object.Ref() }

// Cap is how many values the ring holds.
func (m *MPMC[T]) Cap() int { return int(m.capacity) }

// SetPolicy sets how the calls of this process that cannot go on wait.
func (m *MPMC[T]) SetPolicy(p Policy) {
	m.items.SetPolicy(p)
	m.room.SetPolicy(p)
}

// Len is how many values are in the ring. It is out of date as soon as it returns, and looks at up to
// log2(Cap) slots of each lane.
func (m *MPMC[T]) Len() int {
	defer runtime.KeepAlive(m) // the mapping goes with the last handle
	var n uint64
	for i := range m.lanes {
		l := &m.lanes[i]
		p := m.front(l)
		n += l.written(p) - p
	}
	return int(min(n, m.capacity))
}

// Empty reports whether nothing is in the ring. It is out of date as soon as it returns.
func (m *MPMC[T]) Empty() bool { return m.Len() == 0 }

// Full reports whether the ring holds as many values as it can. It is out of date as soon as it returns.
func (m *MPMC[T]) Full() bool { return uint64(m.Len()) == m.capacity }

// written is the position behind the last value that was pushed to the lane; see (*SPSC).written.
func (l *track[T]) written(position uint64) uint64 {
	size := uint64(len(l.slots))
	return written(position, size, func(i uint64) uint64 { return l.slots[i].sequence.Load() })
}

// Close closes the ring for every process: nothing can be pushed any more, and those who pop drain it and
// then get ErrClosed. It fails with ErrClosed if the ring is closed, or this process's segment.
func (m *MPMC[T]) Close() error {
	if err := m.seg.Writable(); err != nil {
		return m.wrap("close", err)
	}
	if race.Enabled {
		m.race.Release(raceClosed)
	}
	if !m.hall.closed.CompareAndSwap(0, 1) {
		return m.wrap("close", ErrClosed)
	}
	m.items.Rouse()
	m.room.Rouse()
	return nil
}

// All yields values as they come, until the ring is closed and all is popped. Any other error (see Pop) is
// yielded, beside a value that is zero, and is the last thing yielded; that this process's segment was closed is one.
func (m *MPMC[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := m.Pop(ctx)
			if ended(err) && m.seg.Writable() == nil {
				return
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// cut reports whether Close of the segment may have come before what was stored last: see (*end).cut. The
// quotas of a ring are never zero.
func (m *MPMC[T]) cut() bool { return m.hall.quotas.Load() == 0 }

// plain reports whether this process may publish with plain stores by now, and sets the fast paths on or off.
func (m *MPMC[T]) plain() bool {
	is := futex.Plain(m.items.Event()) && futex.Plain(m.room.Event())
	way, quick := m.here.way.Load(), m.here.seat.Load()
	want := way &^ wayFenced
	if !is {
		want, quick = way|wayFenced, 0
		m.here.bias.Store(nil)
		m.here.hold.Store(nil)
	}
	if way != want {
		m.here.way.CompareAndSwap(way, want)
	}
	if m.here.quick.Load() != quick {
		m.here.quick.Store(quick)
	}
	return is
}

// wake wakes those who sleep at p, and takes note of what one of them asks for.
func (m *MPMC[T]) wake(p *segment.Point) {
	p.Broadcast()
	if p.Event().Fenced() {
		m.plain()
	}
}

// disperse wakes those who found all lanes locked, or all seats taken.
func (m *MPMC[T]) disperse() {
	m.hall.crowd.Store(0)
	m.wake(m.room)
	m.wake(m.items)
}

// lookAtCrowd is what comes behind each unlock, mark that is taken back, and common seat that is given back.
func (m *MPMC[T]) lookAtCrowd() {
	if m.hall.crowd.Load() != 0 {
		m.disperse()
	}
}

func (m *MPMC[T]) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	if m.seg.IsClosed() {
		err = ErrClosed // whatever looked wrong was Close's zeros
	}
	return fmt.Errorf("ring: %s %s in segment %s: %w", op, m.seg.Title(segment.KindMPMC, m.object.Place()), m.seg, err)
}

// manner is how thoroughly a try looks at what stands in its way.
type manner int

const (
	polling  manner = iota // it will be made again at once
	sleeping               // a sleep comes next: others are told
	asking                 // nothing comes next: whether the others live is asked of the kernel
)

// gone reports whether o is dead, as far as such a try finds out.
func (m *MPMC[T]) gone(o segment.Owner, how manner) bool {
	if how == asking {
		return m.seg.Gone(o)
	}
	return m.seg.Swept(o)
}

// again is the manner of a second try, behind one that met others at work: who has slept asks whether they live. Of one who is not
// Peer, nobody else would ask where deaths are not pushed.
func again(slept bool) manner {
	if slept {
		return asking
	}
	return sleeping
}

// busy ends a try that met others at work. It tells them that somebody may sleep until they are done.
func (m *MPMC[T]) busy(how manner) {
	if how == sleeping {
		m.hall.crowd.Store(1) // pairs with the load behind each unlock
	}
}
