package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"sync/atomic"

	"github.com/kindred-ipc/kindred/internal/codec"
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
	"github.com/kindred-ipc/kindred/shm"
)

// Pipe is one end of a pipe: it sends messages of type S to the other end, and receives from there what is of type R. A
// message is sent and received as a whole, and in its order; up to 96 bytes of it lie in the pipe, more in a block of the heap,
// which belongs to the pipe, and then to who takes it. So a message may be as long as there is room for in the segment.
//
// A Pipe is a handle of its end. It travels, in the arguments of a child, and in messages of queues and pipes in the segment of the pipe: who
// receives it has a handle of his own, which he closes. On its way the end is held, as by a handle, until the child has its arguments, or
// the message is got, or dropped. A message has ends of 8 pipes at most (else ErrTooLarge), none of them of the pipe that it goes through. So an end may be had by
// several processes, and by any number of goroutines of each; a message goes to one of them. An end has 128 handles at most, messages that have it included: who gets the
// one more gets ErrShares in its place. When all handles of an end are closed, or collected, or their processes dead, the other end receives what is there, and
// then io.EOF; to send to it fails with io.ErrClosedPipe.
//
// An input or a result of package pool, and what a map or a list holds, names an end, and does not hold it: somebody else has it meanwhile, or
// who receives it gets io.ErrClosedPipe, or shm.ErrStale.
//
// Who is killed in the middle of a Send has sent the message, or not, and in the middle of a Recv taken it, or not. One who is
// stopped in the middle of either keeps others from the same at the same end, and nobody else.
type Pipe[S, R any] struct {
	_ noCopy
	*pipe
	sent     *codec.Codec[S]
	received *codec.Codec[R]
	name     endName // of a handle that came, and is to be resolved
	bareS    bool    // an S is its bytes
	bareR    bool    // likewise, and any bytes are an R
}

// pipe is an end of a pipe whatever its messages are.
type pipe struct {
	seg         *segment.Segment
	object      segment.Object
	state       *pipeState
	number      uint32       // of this end
	share       *word.Uint64 // of its end: see holdBy
	held        uint64       // what stands there
	here, there side
	out, in     lane // of no queue, if the pipe is one-way
	closed      atomic.Bool
	retired     *atomic.Bool // it is closed, and there is its hold still
	cleanup     runtime.Cleanup
	life        context.Context
	end         context.CancelFunc // ends life, behind closed
	bells       segment.Bells      // of those who select
	polls       atomic.Bool        // polling may pay off
	forItems    segment.Wait       // what awaitItems waits for, made once: those who sleep for each message would feed the collector
}

// OneWay makes a pipe whose first end only sends, and whose other one only receives.
func OneWay() shm.ObjectOption { return func(s *segment.Spec) { s.Vary(segment.KindPipe, oneWay) } }

// NewPipe makes a pipe in seg that holds capacity messages each way, at least 1, and returns its two ends. The
// options are OneWay and MaxBytes, which bounds each way. It fails with ErrCapacity, with ErrOption (a pipe has no name:
// pass its ends on), with an error that names the field if a type cannot be encoded, and with shm.ErrNoSpace.
//
// The pipe is there as long as anybody has a handle of one of its ends, or one is on its way. A handle is given up by Close; by the
// death of its process; or, like an os.File, when it is collected. The memory is free when the last handle is closed and collected: NewPipe has
// that done if there is no room.
func NewPipe[A, B any](seg *shm.Segment, capacity int, opts ...shm.ObjectOption) (*Pipe[A, B], *Pipe[B, A], error) {
	a, b, err := newPipe[A, B](seg, capacity, opts)
	for errors.Is(err, shm.ErrNoSpace) && collect() {
		a, b, err = newPipe[A, B](seg, capacity, opts)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("queue: make pipe in segment %s: %w", seg.Engine(), err)
	}
	return a, b, nil
}

func newPipe[A, B any](seg *shm.Segment, capacity int, opts []shm.ObjectOption) (*Pipe[A, B], *Pipe[B, A], error) {
	one, err := codec.For[A]()
	if err != nil {
		return nil, nil, err
	}
	other, err := codec.For[B]()
	if err != nil {
		return nil, nil, err
	}
	s := seg.Engine()
	spec := segment.Spec{Kind: segment.KindPipe, Layout: pipeLayoutOf(one, other), Align: segment.Line, Contents: segment.HasLanes}
	for _, opt := range opts {
		opt(&spec)
	}
	switch {
	case spec.Name != "":
		return nil, nil, fmt.Errorf("name %q: %w", spec.Name, ErrOption)
	case spec.Codec != nil:
		return nil, nil, fmt.Errorf("a codec of one's own: %w", ErrOption)
	case !spec.Bounded(oneWay):
		return nil, nil, errForeign
	}
	if capacity < 1 || uint64(capacity) > min(uint64(s.Size())/parcelSize, math.MaxUint32) || int(spec.Bound) < 0 {
		return nil, nil, fmt.Errorf("%d messages, at most %d bytes, in a segment of %d: %w", capacity, int(spec.Bound), s.Size(), ErrCapacity)
	}
	p := lanePlan(uint64(capacity), spec.Bound)
	lanes := lanesOf(spec.Variant)
	spec.Size = laneAt(p, lanes)
	spec.Init = func(o segment.Object) {
		st := pipeIn(o)
		st.capacity, st.bound, st.flags = p.capacity, p.bound, spec.Variant
		for i := range lanes {
			beginLane(o, p, laneAt(p, i))
		}
	}
	o, err := s.New(spec)
	if err != nil {
		return nil, nil, err
	}
	ends, err := bothEnds(o)
	if err != nil {
		_ = o.Free() // unless it is entrusted to holds
		return nil, nil, err
	}
	return endOf(ends[0], one, other), endOf(ends[1], other, one), nil
}

// bothEnds are the first handles of a pipe, to whose holds it is entrusted.
func bothEnds(o segment.Object) (ends [2]*pipe, err error) {
	var holds [2]segment.Block
	for i := range ends {
		if ends[i], err = pipeOf(o, uint32(i)); err == nil {
			holds[i], err = o.Segment().Alloc(segment.KeepHead(1), 0)
		}
		if err != nil {
			break
		}
	}
	if err == nil {
		err = o.Entrust(holds[:]...)
	}
	for i, p := range ends {
		switch {
		case err == nil:
			p.here.shares[0].Store(holds[i].Place())
			p.holdBy(holds[i], 0)
		case holds[i].Segment() != nil:
			_ = holds[i].Free()
		}
	}
	return ends, err
}

// PipeFrom is a handle of the end that e names, which is the caller's from now on. One PipeFrom of an End succeeds. seg may be nil: then it is
// the segment of the pipe, if this process is attached to it, by Share or by another handle that came. It
// fails with shm.ErrStale if e was used, or is not of seg, with shm.ErrNotExist, with shm.ErrKind, and with shm.ErrLayout if the messages are of other types.
func PipeFrom[S, R any](seg *shm.Segment, e End) (*Pipe[S, R], error) {
	if seg == nil {
		var err error
		if seg, err = shm.Reach(nil, e.Pipe); err != nil {
			return nil, fmt.Errorf("queue: resolve end of pipe: %w", err)
		}
	}
	p, err := pipeFrom[S, R](seg, e)
	if err != nil {
		return nil, fmt.Errorf("queue: resolve end of pipe in segment %s: %w", seg.Engine(), err)
	}
	return p, nil
}

func pipeFrom[S, R any](seg *shm.Segment, e End) (*Pipe[S, R], error) {
	if e.Side > 1 || e.Share >= shares {
		return nil, fmt.Errorf("share %d of end %d: %w", e.Share, e.Side, shm.ErrStale)
	}
	f, err := findEnd[S, R](seg, e.Pipe, e.Side)
	if err != nil {
		return nil, err
	}
	here, err := newHold(f.object) // until the End's is ours
	if err != nil {
		return nil, err
	}
	defer here.Free()
	p, err := f.open()
	if err != nil {
		return nil, err
	}
	hold, err := seg.Engine().BlockAt(e.Hold)
	share := &p.here.shares[e.Share]
	if err != nil || e.Hold&7 != 0 || share.Load() != e.Hold|moving || hold.Take() != nil {
		return nil, fmt.Errorf("end %d of pipe: it was taken: %w", e.Side, cmp.Or(seg.Engine().Writable(), shm.ErrStale))
	}
	if !share.CompareAndSwap(e.Hold|moving, e.Hold) {
		_ = hold.Free()
		return nil, fmt.Errorf("end %d of pipe: share %d is another's: %w", e.Side, e.Share, ErrCorrupt)
	}
	p.holdBy(hold, e.Share)
	p.rouse() // who waits listens for the death of those that it knows
	return p, nil
}

// found is an end whose pipe was found. Nothing was looked at there: without a hold it may be freed at any time.
type found[S, R any] struct {
	object   segment.Object
	number   uint32
	sent     *codec.Codec[S]
	received *codec.Codec[R]
}

func findEnd[S, R any](seg *shm.Segment, ref shm.Ref, number uint32) (f found[S, R], err error) {
	f.number = number
	if f.sent, err = codec.For[S](); err != nil {
		return f, err
	}
	if f.received, err = codec.For[R](); err != nil {
		return f, err
	}
	layout := pipeLayoutOf(f.sent, f.received)
	if number != 0 {
		layout = pipeLayoutOf(f.received, f.sent)
	}
	f.object, err = seg.Engine().Resolve(ref, segment.KindPipe, layout)
	if err == nil {
		err = seg.Engine().Writable()
	}
	return f, err
}

// open is a handle of the end. Somebody has a hold of the pipe, and the handle gets one.
func (f found[S, R]) open() (*Pipe[S, R], error) {
	p, err := pipeOf(f.object, f.number)
	if err != nil {
		return nil, err
	}
	return endOf(p, f.sent, f.received), nil
}

// lanesOf is how many lanes a pipe of these flags has.
func lanesOf(flags uint32) uint64 { return 2 - uint64(flags&oneWay) }

func endOf[S, R any](p *pipe, sent *codec.Codec[S], received *codec.Codec[R]) *Pipe[S, R] {
	if p.out.queue != nil {
		p.out.carries = sent.Carries()
	}
	if p.in.queue != nil {
		p.in.carries = received.Carries()
	}
	return &Pipe[S, R]{pipe: p, sent: sent, received: received, bareS: sent.Bare(), bareR: received.Bare()}
}

// pipeOf is a handle of an end of the pipe that lies in an object, once that was checked.
func pipeOf(o segment.Object, number uint32) (*pipe, error) {
	if err := o.Holds(pipeStateSize); err != nil {
		return nil, err
	}
	s, st := o.Segment(), pipeIn(o)
	capacity, bound, flags := st.capacity, st.bound, st.flags
	room := o.Size() - pipeStateSize
	if capacity < 1 || capacity > min(room/parcelSize, math.MaxUint32) || flags&^oneWay != 0 || o.Offset()%segment.Line != 0 {
		return nil, fmt.Errorf("a pipe of %d messages, flags %#x, in %d bytes at %#x: %w", capacity, flags, o.Size(), o.Offset(), ErrCorrupt)
	}
	p := lanePlan(capacity, bound)
	if size := lanesOf(flags) * p.body(); size > room || room-size >= segment.Line {
		return nil, fmt.Errorf("a pipe of %d messages, flags %#x, in %d bytes: %w", capacity, flags, o.Size(), ErrCorrupt)
	}
	e := &pipe{
		seg: s, object: o, state: st, number: number,
		here:  side{seg: s, shares: &st.ends[number], serial: &st.serial},
		there: side{seg: s, shares: &st.ends[1-number], serial: &st.serial},
	}
	for i := range lanesOf(flags) {
		l, err := laneIn(o, p, i)
		if err != nil {
			return nil, err
		}
		if uint32(i) == number {
			e.out = l
		} else {
			e.in = l
		}
	}
	e.life, e.end = context.WithCancel(context.Background())
	e.polls.Store(futex.ManyCPUs())
	e.forItems = e.until(segment.Wait{}, func(bool) bool { return e.in.seen() })
	return e, nil
}

func (p *pipe) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if p.seg.IsClosed() || p.closed.Load() && errors.Is(err, context.Canceled) {
		err = ErrClosed
	}
	return fmt.Errorf("queue: %s pipe in segment %s: %w", op, p.seg, err)
}

// usable is nil if l is a lane of the pipe, and the handle is open.
func (p *pipe) usable(l lane) error {
	if l.queue == nil {
		return ErrDirection
	}
	if p.closed.Load() {
		return ErrClosed
	}
	return p.seg.Writable()
}

// End names this end in plain memory, for what carries nothing else: a ring, an array, a program of one's own that starts processes. (Whoever can, sends the
// Pipe itself.) PipeFrom makes the handle, and from now on until that is closed, the End counts as one; so an End that is lost, because
// nobody makes a handle of it, keeps the pipe open. It fails with ErrShares when there are 128 handles of this end, and with ErrClosed.
func (p *pipe) End() (End, error) {
	if p.closed.Load() {
		return End{}, p.wrap("share end of", ErrClosed)
	}
	if err := p.seg.Writable(); err != nil {
		return End{}, p.wrap("share end of", err)
	}
	hold, share, err := p.here.pass(p.object)
	if err == nil && p.closed.Load() { // while this handle has its own share, the end is not deserted meanwhile; else it is too late
		_ = hold.Free()
		p.rouse()
		err = ErrClosed
	}
	if err != nil {
		return End{}, p.wrap("share end of", err)
	}
	return End{Pipe: p.object.Ref(), Hold: hold.Place(), Side: p.number, Share: share}, nil
}

// Close gives this handle up, and wakes whoever waits in a call of it, with ErrClosed. When it was the last of its end, the
// other one receives what is there, and then io.EOF. It fails with ErrClosed if that was done before.
func (p *pipe) Close() error {
	// It is closed first: when an end is seen to be deserted, no call begins there any more. See sent.
	if err := p.seg.Writable(); err != nil || !p.closed.CompareAndSwap(false, true) {
		return p.wrap("close end of", ErrClosed)
	}
	had := p.share.CompareAndSwap(p.held, 0)
	if retired.Add(1)%muchRetired == 0 {
		go runtime.GC() // the memory of the segment is no reason for one
	}
	p.retired.Store(true)
	p.end()
	p.bells.Ring()
	p.rouse()
	if !had {
		return p.wrap("close end of", ErrClosed)
	}
	if p.here.deserted(p.seg.Swept) {
		p.in.purge()
	}
	runtime.KeepAlive(p)
	return nil
}

// rouse has those look who wait at the other end.
func (p *pipe) rouse() {
	p.others().rouse()
	runtime.KeepAlive(p)
}

// Cap is how many messages the pipe holds each way.
func (p *pipe) Cap() int { return int(p.in.or(p.out).capacity) }

func (l lane) or(m lane) lane {
	if l.queue == nil {
		return m
	}
	return l
}

// SetPolicy sets how the calls of this process that cannot go on wait, at this end.
func (p *pipe) SetPolicy(policy Policy) {
	p.polls.Store(policy != Park && futex.ManyCPUs())
	if p.in.queue != nil {
		p.in.items.SetPolicy(policy)
	}
	if p.out.queue != nil {
		p.out.room.SetPolicy(policy)
	}
}

// isDeserted reports whether nobody has the other end, as far as is known.
func (p *pipe) isDeserted() bool { return !p.there.attended() && p.there.deserted(p.seg.Swept) }

// until is a wait until look says so, the other end is deserted, or this handle is closed.
func (p *pipe) until(w segment.Wait, look func(sleeping bool) bool) segment.Wait {
	over := func() bool { return p.closed.Load() || p.seg.Self() == 0 }
	w.Try = func() bool { return look(true) || over() || p.isDeserted() }
	w.Poll = func() bool { return look(false) || over() }
	w.Peer = p.there.someone
	w.Recover = func(segment.Owner) bool { return look(true) || p.isDeserted() }
	w.Asymmetric = futex.Owing
	return w
}

// wait is that of both ends.
func (p *pipe) wait(ctx context.Context, at *segment.Point, w segment.Wait) error {
	if ctx.Done() == nil {
		return at.Wait(p.life, w)
	}
	both := either(ctx, p.life)
	defer both.release()
	return at.Wait(both, w)
}

// awaitRoom waits until there may be room for a message of that size.
func (p *pipe) awaitRoom(ctx context.Context, size uint64) error {
	var slept bool
	w := segment.Wait{Slept: func() { slept = true }, Impatient: true}
	return p.wait(ctx, p.out.room, p.until(w, func(sleeping bool) bool {
		if slept && sleeping {
			p.out.state.eager.Store(1) // pairs with the load in tellRoom
		}
		if sleeping {
			p.out.rescue(false)
		}
		room, err := p.out.queue.spare(size)
		return room > 0 || err != nil
	}))
}

// awaitItems waits until there may be a message, or none can come.
func (p *pipe) awaitItems(ctx context.Context) error {
	return p.wait(ctx, p.in.items, p.forItems)
}
