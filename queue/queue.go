package queue

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"runtime"
	"slices"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// Queue carries messages from any number of producers to any number of consumers, which are goroutines of any
// processes; each message goes to one consumer. A T that is plain memory (no pointers, strings, slices or maps) lies in
// the queue as it is. A string, a []byte, and any other T that the codec can encode lies there as bytes: up to 96 of them in
// the queue itself, more in a block of the heap, which belongs to the queue, and then to who takes it.
// With a T of more than 64 KiB no program compiles, because a Go channel (see Chan) has no such elements: use a pointer to it.
//
// What one goroutine puts is got in its order. A message is in the segment when Put returns: whoever put it may exit, or
// be killed, at once. One who is killed in the middle of a Put has put the message, or not; in the middle of a Get, has
// taken it, or not.
//
// Puts exclude each other, and so do gets, for some ten nanoseconds. Who is stopped in this time (SIGSTOP, a debugger) keeps others from
// the same until he goes on, or dies; puts and gets do not keep each other from anything, but for a queue that is full, or
// empty, or drops.
type Queue[T any] struct {
	_ noCopy
	*queue
	codec *codec.Codec[T]
	heir  *Queue[T] // grave, or nil
	bare  bool      // T is plain memory, any bytes are a T, and any T is its bytes
	fast  bool      // a put is one swap and some stores
	swift bool      // a get is
}

// New makes a queue for capacity messages, at least 1, in seg. It fails with ErrCapacity, with ErrOption, with an error
// that names the field if T cannot be encoded, with shm.ErrLayout if the queue for the dead (DeadTo) has other messages, with
// shm.ErrExist if the name is taken, and with shm.ErrNoSpace.
func New[T any](seg *shm.Segment, capacity int, opts ...shm.ObjectOption) (*Queue[T], error) {
	c, spec, err := specOf[T](opts)
	if err != nil {
		return nil, fmt.Errorf("queue: make queue: %w", err)
	}
	s := seg.Engine()
	stride, size := slotOf(c)
	p, err := plan{}, error(nil)
	switch {
	case spec.Variant&^variants != 0:
		err = errForeign
	case spec.Variant&failing != 0 && spec.Variant&dropping != 0:
		err = fmt.Errorf("both FailWhenFull and DropOldest: %w", ErrOption)
	default:
		p, err = planOf(s, capacity, c.Plain(), stride, size, spec)
	}
	if err != nil {
		return nil, refuse("make", spec.Name, seg, err)
	}
	if !c.Plain() {
		spec.Contents = segment.HasParcels
	}
	spec.Size = p.body()
	spec.Init = func(o segment.Object) {
		q := stateIn(o)
		q.capacity, q.size, q.stride, q.bound = p.capacity, p.size, p.stride, p.bound
		q.data = o.Offset() + p.data()
		q.flags, q.rows = p.flags, p.rows
		q.heir, q.most = p.heir, p.most
	}
	o, err := s.New(spec)
	return faceOf(seg, o, c, "make", spec.Name, err)
}

// specOf is the codec of messages, and what options ask for.
func specOf[T any](opts []shm.ObjectOption) (*codec.Codec[T], segment.Spec, error) {
	spec := segment.Spec{Kind: segment.KindQueue, Align: segment.Line}
	for _, opt := range opts {
		opt(&spec)
	}
	c, ok := spec.Codec.(*codec.Codec[T])
	var err error
	if spec.Codec == nil {
		c, err = codec.For[T]()
	} else if !ok {
		err = fmt.Errorf("a codec of another type: %w", ErrOption)
	}
	if err == nil {
		spec.Layout = layoutOf(c)
	}
	return c, spec, err
}

// Open finds the queue of that name. It fails with shm.ErrNotExist, with shm.ErrKind if it is no queue, and with
// shm.ErrLayout if it is one of another T, or of another codec. Of the options it looks at Through.
func Open[T any](seg *shm.Segment, name string, opts ...shm.ObjectOption) (*Queue[T], error) {
	c, spec, err := specOf[T](opts)
	if err != nil {
		return nil, fmt.Errorf("queue: open queue %q: %w", name, err)
	}
	o, err := seg.Engine().Lookup(name, segment.KindQueue, spec.Layout)
	return faceOf(seg, o, c, "open", name, err)
}

// OpenOrNew opens the queue of that name, or makes it, whoever else does the same. For its errors see Open and New.
func OpenOrNew[T any](seg *shm.Segment, name string, capacity int, opts ...shm.ObjectOption) (*Queue[T], error) {
	return segment.OrNew(func() (*Queue[T], error) { return Open[T](seg, name, opts...) },
		func() (*Queue[T], error) { return New[T](seg, capacity, append(slices.Clip(opts), shm.Named(name))...) })
}

// From returns the queue that ref names. It fails with shm.ErrStale if it is not in seg, and else as Open does.
func From[T any](seg *shm.Segment, ref shm.Ref, opts ...shm.ObjectOption) (*Queue[T], error) {
	c, spec, err := specOf[T](opts)
	if err != nil {
		return nil, fmt.Errorf("queue: resolve queue: %w", err)
	}
	o, err := seg.Engine().Resolve(ref, segment.KindQueue, spec.Layout)
	return faceOf(seg, o, c, "resolve", "", err)
}

func refuse(op, name string, seg *shm.Segment, err error) error {
	return fmt.Errorf("queue: %s queue %q in segment %s: %w", op, name, seg.Engine(), err)
}

// slotOf is the distance of slots, and how many bytes a message has in one, 0 if that depends on the message.
func slotOf[T any](c *codec.Codec[T]) (stride, size uint64) {
	if !c.Plain() {
		return parcelSize, 0
	}
	return strideOf(sizeOf[T]()), sizeOf[T]()
}

// plan is how large a queue is, and what it can.
type plan struct {
	capacity, size, stride, bound uint64
	heir                          uint64
	flags, rows, most             uint32
}

// plan is what stands in a queue.
func (q *queueState) plan() plan {
	return plan{q.capacity, q.size, q.stride, q.bound, q.heir, q.flags, q.rows, q.most}
}

func (p plan) data() uint64 { return stateSize + uint64(p.rows)*rowSize }
func (p plan) body() uint64 { return p.data() + p.size*p.stride + p.bays()*(baySize+p.stride) }

// bays is how many messages may be handed out at the same time.
func (p plan) bays() uint64 {
	if p.flags&leased == 0 {
		return 0
	}
	return p.size
}

// sizeFor is how many slots there are for a capacity. There are two at least, so that a message that is being put leaves
// the one before alone.
func sizeFor(capacity uint64) uint64 { return max(uint64(1)<<bits.Len64(capacity-1), 2) }

// planOf is the plan of a queue that is to be made.
func planOf(s *segment.Segment, capacity int, plain bool, stride, size uint64, spec segment.Spec) (plan, error) {
	if capacity < 1 || uint64(capacity) > min(uint64(s.Size())/stride, 1<<32-1) || int(spec.Bound) < 0 {
		return plan{}, fmt.Errorf("%d messages in slots of %d bytes, at most %d bytes, in a segment of %d: %w",
			capacity, stride, int(spec.Bound), s.Size(), ErrCapacity)
	}
	p := plan{
		capacity: uint64(capacity), stride: stride, bound: spec.Bound, flags: spec.Variant,
		heir: spec.Heir.Place(), most: spec.Limit,
	}
	if (p.heir != 0 || p.most != 0) && (spec.Heir.Segment() != s.ID() || p.most < 1 || p.most > maxDelivery) {
		return plan{}, fmt.Errorf("%d deliveries, and then to %v: %w", int32(p.most), spec.Heir, ErrOption)
	}
	if p.heir != 0 {
		if _, err := s.Resolve(spec.Heir, segment.KindQueue, spec.Layout); err != nil {
			return plan{}, fmt.Errorf("queue for the dead: %w", err)
		}
	}
	if p.bound > 0 && plain {
		if size > 0 {
			p.capacity = min(p.capacity, p.bound/size)
		}
		p.bound = 0
		if p.capacity == 0 {
			return plan{}, fmt.Errorf("messages of %d bytes, at most %d: %w", size, spec.Bound, ErrCapacity)
		}
	}
	p.size = sizeFor(p.capacity)
	if p.flags&(joinable|leased) == joinable {
		p.rows = s.Slots()
	}
	return p, nil
}

// planIn is the plan of a queue that was found. It sees to it that it fills the object.
func planIn(o segment.Object) (plan, error) {
	if err := o.Holds(stateSize); err != nil {
		return plan{}, err
	}
	q := stateIn(o)
	p := q.plan()
	room, data := o.Size(), q.data
	rows := uint32(0)
	if p.flags&(joinable|leased) == joinable {
		rows = o.Segment().Slots()
	}
	if p.stride < slotHead || p.stride%8 != 0 || p.capacity < 1 || p.capacity > min(room/p.stride, 1<<32-1) ||
		p.size != sizeFor(p.capacity) || p.size > room/p.stride || p.flags&^variants != 0 || p.rows != rows ||
		data != o.Offset()+p.data() || o.Offset()%segment.Line != 0 || p.body() > room || room-p.body() >= segment.Line {
		return plan{}, fmt.Errorf("%d messages in %d slots of %d bytes at %#x, %d rows, flags %#x, in an object of %d bytes at %#x: %w",
			p.capacity, p.size, p.stride, data, p.rows, p.flags, room, o.Offset(), ErrCorrupt)
	}
	return p, nil
}

func faceOf[T any](seg *shm.Segment, o segment.Object, c *codec.Codec[T], op, name string, err error) (*Queue[T], error) {
	var q *queue
	if err == nil {
		q, err = queueOf(o)
	}
	if err == nil {
		err = suits(q, c)
	}
	if err != nil {
		return nil, refuse(op, name, seg, err)
	}
	q.boxed, q.carries = !c.Plain(), c.Carries()
	return &Queue[T]{
		queue: q, codec: c, heir: heirOf(q, c), bare: c.Bare(),
		fast: c.Bare(), swift: c.Bare() && q.flags&(joinable|leased) == 0,
	}, nil
}

// suits fails unless the slots of q are those of messages that c writes.
func suits[T any](q *queue, c *codec.Codec[T]) error {
	if stride, _ := slotOf(c); q.stride != stride {
		return fmt.Errorf("slots of %d bytes, and %d are needed: %w", q.stride, stride, ErrCorrupt)
	}
	if c.Plain() && q.bound != 0 {
		return fmt.Errorf("a bound of %d bytes for slots that say nothing of one: %w", q.bound, ErrCorrupt)
	}
	return nil
}

// heirOf finds the queue for the dead. One that was destroyed is missed: then messages are handed out however often.
func heirOf[T any](q *queue, c *codec.Codec[T]) *Queue[T] {
	place := q.state.heir
	if place == 0 {
		return nil
	}
	o, err := q.seg.Resolve(segment.RefAt(q.seg, place), segment.KindQueue, layoutOf(c))
	if err != nil {
		return nil
	}
	g, err := queueOf(o)
	if err != nil || suits(g, c) != nil {
		return nil
	}
	g.boxed, g.carries = q.boxed, q.carries
	q.grave = g
	return &Queue[T]{queue: g, codec: c, bare: c.Bare()}
}

// Ref names the queue.
func (q *Queue[T]) Ref() shm.Ref { return q.ref }

// Cap is how many messages the queue holds.
func (q *Queue[T]) Cap() int { return int(q.capacity) }

// SetPolicy sets how the calls of this process that cannot go on wait.
func (q *Queue[T]) SetPolicy(p Policy) {
	q.items.SetPolicy(p)
	q.room.SetPolicy(p)
}

// Len is how many messages were in the queue at one moment of the call: those that were put, and not taken; of those that were
// leased, the ones that came back. It is 0 when the segment is closed.
func (q *Queue[T]) Len() int {
	n := q.length()
	runtime.KeepAlive(q)
	return int(n)
}

// Empty reports whether nothing was in the queue at one moment of the call.
func (q *Queue[T]) Empty() bool { return q.Len() == 0 }

// Full reports whether the queue held as many messages as it can at one moment of the call. (A bound of bytes is not looked at.)
func (q *Queue[T]) Full() bool {
	n := q.inRing()
	runtime.KeepAlive(q)
	return n == q.capacity
}

// All yields messages as they come, until the queue is shut down and all is taken. Any other error (see Get) is yielded, beside a message that is zero, and is
// the last thing yielded; that this process's segment was closed is one. Of a queue with leases, a message is done when the
// body of the loop is through with it, also by a break or a return; it comes again if the body panics, or the process dies before.
func (q *Queue[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, l, err := q.next(ctx)
			if errors.Is(err, ErrShutDown) {
				return
			}
			more, err := lend(yield, v, l, err)
			if err != nil && more {
				yield(*new(T), err)
				return
			}
			if !more {
				return
			}
		}
	}
}

// lend has the body of a loop work on v, and ends the lease of it, if there is one. A body that panics, or ends its goroutine, is not done with v.
func lend[T any](yield func(T, error) bool, v T, l *Lease[T], err error) (more bool, _ error) {
	through := false
	defer func() {
		if !through {
			_ = done(l, (*Lease[T]).Nack)
		}
	}()
	more = yield(v, err) && err == nil
	through = true
	return more, done(l, (*Lease[T]).Ack)
}

// Chan is a channel of the messages, for code that selects among channels. It is closed when the queue is shut down and all is
// taken, when ctx ends, and behind any other error, which Get tells. A goroutine serves it until then: end ctx to be rid of it.
//
// The message that it has when ctx ends, and that nobody received, is lost, and done in a queue that is Joinable, unless the queue has
// leases: then it comes back. A message of such a queue is done when it was received.
func (q *Queue[T]) Chan(ctx context.Context) <-chan T {
	c := make(chan T)
	go func() {
		defer close(c)
		for {
			if ctx.Err() != nil {
				return // for who is to receive a message, if there is one?
			}
			v, l, err := q.next(ctx)
			if err != nil {
				return
			}
			select {
			case c <- v:
				err = done(l, (*Lease[T]).Ack)
			case <-ctx.Done():
				q.codec.Drop(&v)
				err = errors.Join(ctx.Err(), done(l, (*Lease[T]).Nack))
				if l == nil && q.flags&joinable != 0 {
					_ = q.Done() // nobody else can say so: Join would wait until this process dies
				}
			}
			if err != nil {
				return
			}
		}
	}()
	return c
}

// next is the next message, with its lease if the queue has leases.
func (q *Queue[T]) next(ctx context.Context) (T, *Lease[T], error) {
	if q.flags&leased == 0 {
		v, err := q.Get(ctx)
		return v, nil, err
	}
	l, err := q.Lease(ctx)
	if err != nil {
		return l.Message, nil, err
	}
	return l.Message, &l, nil
}

// done ends a lease, if there is one.
func done[T any](l *Lease[T], end func(*Lease[T]) error) error {
	if l == nil {
		return nil
	}
	return end(l)
}
