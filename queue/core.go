package queue

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// noCopy has vet find handles that are copied.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// queue is a Queue whatever its messages are. See docs/QUEUE.md for who may make which move.
type queue struct {
	seg    *segment.Segment
	first  uint64 // offset of the first slot in the segment
	ref    shm.Ref
	state  *queueState
	table  []row
	slots  origin
	mask   uint64
	stride uint64
	lazy   uint64 // who waits for room is woken behind each lazy + 1 messages

	capacity uint64
	bound    uint64
	flags    uint32
	boxed    bool // slots are parcels
	carries  bool // messages may name what is kept for as long as there is their box
	bays     uint64
	grave    *queue // where messages go that were handed out most times, if there is one
	most     uint32

	puts, gets        segment.Lock
	items, room, idle *segment.Point
	race              race.Word
}

// queueOf is the queue that lies in an object, once that was checked.
func queueOf(o segment.Object) (*queue, error) {
	p, err := planIn(o)
	if err != nil {
		return nil, err
	}
	q := queueIn(o, o.Offset(), stateIn(o), p)
	q.ref, q.table, q.slots = o.Ref(), rowsIn(o, p.rows), slotsIn(o, p.rows)
	return q, nil
}

// queueIn is the queue of that plan whose state lies at off, without rows and slots.
func queueIn(o segment.Object, off uint64, state *queueState, p plan) *queue {
	s := o.Segment()
	return &queue{
		seg: s, first: off + p.data(), state: state,
		mask: p.size - 1, stride: p.stride, lazy: min(max(p.size/64, 1), 1024) - 1,
		capacity: p.capacity, bound: p.bound, flags: p.flags, bays: p.bays(), most: p.most,
		puts: s.PlainLockAt(off + putsOffset), gets: s.PlainLockAt(off + getsOffset),
		items: s.Point(off+itemsOffset, segment.Shared),
		room:  s.Point(off+roomOffset, segment.Shared),
		idle:  s.Point(off+idleOffset, segment.Shared),
		race:  race.At(s.ID(), off),
	}
}

// What the race detector is told of, in words from the queue's place on: that a message was put, or done.
const (
	raceItems = iota
	raceDone
)

func (q *queue) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	if q.seg.IsClosed() {
		err = ErrClosed // whatever looked wrong was Close's zeros
	}
	return fmt.Errorf("queue: %s %s in segment %s: %w", op, q.seg.Title(segment.KindQueue, q.ref.Place()), q.seg, err)
}

// patience is how long a call that does not block polls for one who is in the middle of what takes some ten nanoseconds, or, when
// the scheduler took his CPU away, a slice of it.
const patience = 2 * time.Millisecond

// atOnce is the context of a call that never blocks.
var atOnce context.Context = atOnceContext{context.Background()}

type atOnceContext struct{ context.Context }

// enter takes one of the two locks, and does what one who died with it left to do.
func (q *queue) enter(ctx context.Context, l *segment.Lock) error {
	if l.TryLock() {
		return nil
	}
	if ctx != atOnce {
		return q.inherit(l, l.LockSlow(ctx))
	}
	for begun := time.Now(); ; runtime.Gosched() {
		for range 32 {
			if l.TryLock() {
				return nil
			}
		}
		// That asks the kernel whether the holder lives.
		if ok, err := l.TrySlow(); ok || err != nil {
			return q.inherit(l, err)
		}
		if time.Since(begun) > patience {
			return ErrBusy
		}
	}
}

// inherit mends what a lock guards if err says that its holder died, which is all that a death leaves to do.
func (q *queue) inherit(l *segment.Lock, err error) error {
	if !errors.Is(err, segment.ErrOwnerDied) {
		return err
	}
	if l == &q.puts {
		q.mendPuts()
	} else {
		q.mendGets()
	}
	return l.MarkConsistent()
}

// leave gives a lock up. An error says that the segment was closed before.
func (q *queue) leave(l *segment.Lock) error { return l.Unlock() }

// settle is what is left to do for a call that has committed, when who holds the lock could not give it up by a store, or
// somebody waits for it. It fails if the segment was closed.
func (q *queue) settle(l *segment.Lock, released bool) error {
	if !released {
		return l.UnlockSlow()
	}
	if !l.Unwanted() {
		l.Wake()
	}
	return nil
}

// mendPuts finds the tail: who died may have committed a message, and not said so.
func (q *queue) mendPuts() {
	q.state.tail.Store(q.end())
	q.state.limit.Store(0)
}

// end is the position behind the last message that is committed.
func (q *queue) end() uint64 {
	at := q.state.tail.Load()
	for range q.mask + 1 {
		if q.sequence(at).Load() != at+1 {
			break
		}
		at++
	}
	return at
}

// mendGets goes on with what one was doing who died behind the point of no return.
func (q *queue) mendGets() {
	if at, reach := q.taking(); reach != at {
		q.finish(at, reach, nil)
	}
}

// logged reports whether to take messages is more than a store to head.
func (q *queue) logged() bool { return q.boxed || q.flags&(joinable|leased) != 0 }

// taking is from where to where messages are being taken, by one who has gets and is behind the point of no return; nowhere,
// if nobody is.
func (q *queue) taking() (at, reach uint64) {
	at, reach = q.state.head.Load(), q.state.reach.Load()
	if !q.logged() || reach-at > q.capacity {
		reach = at
	}
	return at, reach
}

// halfway reports whether somebody is.
func (q *queue) halfway() bool {
	at, reach := q.taking()
	return reach != at
}

// rescue finishes what one who has died with gets was doing, if there is one. asking is whether the kernel may be asked.
func (q *queue) rescue(asking bool) {
	if !q.halfway() {
		return
	}
	holder, _ := q.gets.Holder()
	if holder == 0 || asking && !q.seg.Gone(holder) || !asking && !q.seg.Swept(holder) {
		return
	}
	if ok, err := q.gets.TrySlow(); ok {
		if q.inherit(&q.gets, err) == nil {
			_ = q.leave(&q.gets)
		}
	}
}

// glances is how often Len looks before it has others wait.
const glances = 64

// length is how many messages there are at one moment.
func (q *queue) length() uint64 {
	if q.flags&leased != 0 {
		return q.lengthWithBays()
	}
	return q.inRing()
}

// lengthWithBays is length of a queue with leases. While who measures has gets, messages are put, and come back, and none goes.
// An observer counts what is there, at about the same time.
func (q *queue) lengthWithBays() uint64 {
	if q.seg.Writable() != nil {
		n, _ := q.glance()
		return n + q.waiting()
	}
	if q.enter(context.Background(), &q.gets) != nil {
		return 0
	}
	q.reclaim(q.seg.Gone) // who died with gets is one of them
	defer func() { _ = q.leave(&q.gets) }()
	for back := q.waiting(); ; {
		n, _ := q.glance()
		now := q.waiting()
		if now == back {
			return n + back
		}
		back = now
	}
}

// inRing is length without what came back.
func (q *queue) inRing() uint64 {
	q.rescue(true)
	for i := range glances {
		if n, ok := q.glance(); ok {
			return n
		}
		if i%8 == 7 {
			runtime.Gosched()
		}
	}
	if q.seg.Writable() == nil && q.enter(context.Background(), &q.gets) == nil {
		defer func() { _ = q.leave(&q.gets) }()
	}
	n, _ := q.glance()
	return n
}

// glance is how many messages there are, if nothing was taken meanwhile. What was taken may lie behind the tail, as long as who put it has not stored
// that: if the slots there are used again before end looks at them, it comes to no good.
func (q *queue) glance() (n uint64, ok bool) {
	at := q.state.head.Load()
	end := q.end()
	if int64(end-at) < 0 {
		return 0, false
	}
	return min(end-at, q.capacity), q.state.head.Load() == at
}

// sound is nil unless the head, the tail and the slot at the head contradict each other.
func (q *queue) sound() error {
	at := q.state.head.Load()
	tail := q.state.tail.Load()
	there := q.sequence(at).Load() == at+1
	end := q.end()
	bad := end-at > q.capacity || int64(tail-at) > 0 && !there
	if bad && q.state.head.Load() == at && q.state.tail.Load() == tail { // see glance
		return q.seg.Sound(fmt.Errorf("messages from %d to %d, of %d, and the first there is %v: %w", at, end, q.capacity, there, ErrCorrupt))
	}
	return nil
}

// seen reports whether a message is there to be taken, or may be.
func (q *queue) seen() bool {
	at := q.state.head.Load()
	return q.sequence(at).Load() == at+1 || q.state.head.Load() != at
}

// isShut reports whether nothing can be put any more. What was put before is seen by who looks behind it.
func (q *queue) isShut() bool {
	shut := q.state.shut.Load() != 0
	if race.Enabled && shut {
		q.race.Acquire(raceItems)
	}
	return shut
}

// tellItems comes behind each message that was put.
func (q *queue) tellItems() {
	if !q.items.Event().Idle() {
		q.items.Broadcast()
	}
}

// tellRoom comes behind messages that were taken, when that was done up to at.
func (q *queue) tellRoom(at, n uint64) {
	if q.room.Event().Idle() {
		return
	}
	eager := q.state.eager.Load() != 0
	if eager || at&^q.lazy != (at-n)&^q.lazy {
		if eager {
			q.state.eager.Store(0)
		}
		q.room.Broadcast()
	}
}
