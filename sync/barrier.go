package sync

import (
	"context"
	"fmt"
	"slices"

	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// Barrier lets a number of parties go on when all of them have come, as often as they like. A party is a
// goroutine of any process that calls Wait. It takes 88 bytes, and a line of 64 in the heap for the row of each
// process that is a party.
//
// A row says which phase its process came to last, and how many of its goroutines did. The word phase says
// which phase it is, whether it is broken, and, when all have come, which row's process runs the action. The word
// came says how many have come, so that nobody need look at others' rows, each of which is a line to move: a death
// between the two stores of one who comes makes them differ, and breaks the phase. With Leaving it does not. So there
// the rows are counted, and that of a dead process stays, and says how many parties have gone with it.
//
//	from                     to                          who
//	n, open                  n, full, of row r           the last to come, in row r, if it has an action
//	n, open or full          n+1, open                   the last to come, when the action is done: all go on
//	n, open or full          n, broken                   who gives up, aborts, resets, fails in the action, or settles a dead one
//	n, broken                n+1, open, spoiled has n    Reset, which breaks n first: those who have come to n are told
type Barrier struct {
	_ noCopy
	place
	state  *BarrierState
	leaves bool
	race   race.Word
	lock   segment.Lock
	point  *segment.Point
	ledger *ledger
}

const (
	phaseBroken = 1
	actorShift  = 1 // the row of who runs the action
	actorMask   = (1<<20 - 1) << actorShift
	phaseShift  = 21

	// In the word spoiled: as many phases before the last that Reset ended have a bit.
	spoiledBits = phaseShift
	spoiledMask = 1<<spoiledBits - 1

	// goneTag stands in a row, in the place of a phase, beside the number of parties that have left.
	goneTag = 1<<32 - 1
)

// The word made: the parties, and above them the variant.
const maxParties = 1<<31 - 1

var barrierShape = shapeOf[BarrierState](segment.KindBarrier, leaving)

// Leaving has a Barrier go on without the parties that die: each dead process counts for one party, or for
// as many as have come of it. Without it they break the Barrier.
func Leaving() shm.ObjectOption {
	return func(s *segment.Spec) { s.Vary(segment.KindBarrier, leaving) }
}

// NewBarrier makes a Barrier for that many parties, 1 to 2³¹-1, in seg; Leaving is its option. It fails with
// ErrCount, shm.ErrExist, and shm.ErrNoSpace.
func NewBarrier(seg *shm.Segment, parties int, opts ...shm.ObjectOption) (*Barrier, error) {
	made, err := barrierMade(parties, opts)
	if err != nil {
		return nil, err
	}
	return barrierOf(barrierShape.make(seg, func(s *BarrierState) { s.made.Store(made) }, opts))
}

func barrierMade(parties int, opts []shm.ObjectOption) (uint64, error) {
	if parties < 1 || int64(parties) > maxParties {
		return 0, fmt.Errorf("sync: make barrier of %d parties: %w", parties, ErrCount)
	}
	return isMade | uint64(variant(segment.KindBarrier, opts))<<variantShift | uint64(parties), nil
}

// OpenBarrier finds the Barrier of that name. It fails with shm.ErrNotExist, and with shm.ErrKind if
// something else has the name.
func OpenBarrier(seg *shm.Segment, name string) (*Barrier, error) {
	return barrierOf(barrierShape.open(seg, name))
}

// OpenOrNewBarrier opens the Barrier of that name, or makes it, whoever else does the same. What it was made with counts, if it is there. For its errors see
// OpenBarrier and NewBarrier.
func OpenOrNewBarrier(seg *shm.Segment, name string, parties int, opts ...shm.ObjectOption) (*Barrier, error) {
	return segment.OrNew(func() (*Barrier, error) { return OpenBarrier(seg, name) },
		func() (*Barrier, error) {
			return NewBarrier(seg, parties, append(slices.Clip(opts), shm.Named(name))...)
		})
}

// BarrierFrom returns the Barrier that ref names. It fails with shm.ErrStale if it is not in seg.
func BarrierFrom(seg *shm.Segment, ref shm.Ref) (*Barrier, error) {
	return barrierOf(barrierShape.from(seg, ref))
}

// BarrierAt returns the handle of a BarrierState that lies in seg, as part of a struct of the user's own. The
// first who asks makes it a barrier for that many parties with those options, and all others ask for the
// same. It fails with ErrCount if somebody made another one, with ErrOption, and with shm.ErrStale if the
// state does not lie there.
func BarrierAt(seg *shm.Segment, state *BarrierState, parties int, opts ...shm.ObjectOption) (*Barrier, error) {
	made, err := barrierMade(parties, opts)
	if err != nil {
		return nil, err
	}
	p, err := barrierShape.at(seg, state, opts...)
	if err == nil {
		err = p.settleOn(&state.made, made)
	}
	return barrierOf(p, state, err)
}

func barrierOf(p place, state *BarrierState, err error) (*Barrier, error) {
	if err != nil {
		return nil, err
	}
	point := p.seg.Point(p.off+barrierEvent, segment.Shared)
	return &Barrier{place: p, state: state, leaves: state.leaves(), race: race.At(p.seg.ID(), p.off),
		lock:   p.seg.LockAt(p.off + barrierLock),
		point:  point,
		ledger: ledgerAt(p, point, lineByLine, &state.rows, state.settle),
	}, nil
}

func (s *BarrierState) leaves() bool { return s.made.Load()>>variantShift&leaving != 0 }

// parties is how many must come: as many as it was made for, without those that have left.
func (s *BarrierState) parties(l *ledger) int {
	n := int64(s.made.Load() & maxParties)
	if !s.leaves() {
		return int(n)
	}
	for _, r := range l.rows() {
		if c := r.count.Load(); c>>signalBits == goneTag {
			n -= int64(c & signalMask)
		}
	}
	return int(max(n, 0))
}

// Ref names the Barrier. It is zero if the handle came from BarrierAt.
func (b *Barrier) Ref() shm.Ref { return b.ref() }

// Join makes this process a party before it first waits: from now on its death breaks the Barrier. It never
// blocks. It fails with shm.ErrNoSpace and shm.ErrClosed.
func (b *Barrier) Join() error {
	_, err := b.ledger.own()
	return b.wrap("join", err)
}

// Leave ends what Join, or the first Wait, began: this process's end, if it has not come to the phase that is
// under way, is no concern of the Barrier any more. A party that is done while others go on to use the
// Barrier leaves it. It fails with ErrCount while one of this process waits, and with shm.ErrClosed.
func (b *Barrier) Leave() error {
	if r := b.ledger.mine.Load(); r != nil {
		if p := b.state.phase.Load(); p&phaseBroken == 0 && r.count.Load()>>signalBits == phaseTag(p) {
			return b.wrap("leave", fmt.Errorf("while this process waits at it: %w", ErrCount))
		}
	}
	return b.wrap("leave", b.ledger.leave())
}

// Wait comes to the barrier and blocks until all parties have come. It returns how many came before this
// one: each of 0 to parties-1 once in a phase. It fails with ErrBroken, at once if it is broken already. When
// ctx is over first it breaks the barrier, and its error is the context's as well. It also fails
// with shm.ErrNoSpace and shm.ErrClosed.
//
// The death of a party breaks the barrier, also if nobody else waited when it died, but for one that died so soon that it was
// still polling: that has come, and its death breaks the next phase.
func (b *Barrier) Wait(ctx context.Context) (int, error) { return b.WaitAction(ctx, nil) }

// WaitAction is Wait, but for the last who comes: it calls action before any of the parties goes on, and what
// it has done is seen by all of them. An action that fails or panics breaks the barrier, and is the outcome
// of this call.
func (b *Barrier) WaitAction(ctx context.Context, action func() error) (int, error) {
	index, err := b.wait(ctx, action)
	return index, b.wrap("wait at", err)
}

func (b *Barrier) wait(ctx context.Context, action func() error) (int, error) {
	r, err := b.ledger.own()
	if err != nil {
		return 0, err
	}
	if race.Enabled {
		b.race.Release(1)
	}
	for {
		a, err := b.arrive(ctx, r, action != nil)
		switch {
		case err != nil:
			return 0, err
		case a.full: // others are to go first
			err = b.pass(ctx, a.phase, nil)
		case a.last:
			if b.state.event.Asleep() { // somebody sleeps, or died asleep, perhaps when nobody else was there to hear of it
				b.ledger.sweep()
			}
			return a.index, b.finish(ctx, a, action)
		default:
			return a.index, b.pass(ctx, a.phase, r)
		}
		if err != nil {
			return 0, err
		}
	}
}

// arrival is how somebody came.
type arrival struct {
	phase uint64 // the word, as it was left
	index int
	full  bool // he did not: all had come before
	last  bool
	acts  bool
}

// arrive comes to the phase that is under way.
func (b *Barrier) arrive(ctx context.Context, r *row, acts bool) (a arrival, err error) {
	if err := enter(ctx, &b.lock); err != nil {
		return a, err
	}
	a, err = b.come(r, acts)
	if e := b.lock.Unlock(); err == nil {
		err = e
	}
	return a, b.seg.Sound(err)
}

func (b *Barrier) come(r *row, acts bool) (a arrival, err error) {
	p := b.state.phase.Load()
	if p&phaseBroken != 0 {
		return a, ErrBroken
	}
	parties := b.Parties() // first: whoever leaves between the two has not come, either
	before := b.arrived(p)
	if parties == 0 {
		return a, fmt.Errorf("%w: all parties have left", ErrBroken)
	}
	if p&actorMask != 0 || before >= parties {
		return arrival{phase: p, full: true}, nil
	}
	n := r.count.Load()
	if n>>signalBits != phaseTag(p) {
		n = phaseTag(p) << signalBits
	}
	r.count.Store(n + 1)
	b.state.came.Store(phaseTag(p)<<signalBits | uint64(before+1))
	a = arrival{phase: p, index: before, last: before+1 == parties}
	if a.last && acts {
		q := p | b.ledger.index(r)<<actorShift
		if !b.state.phase.CompareAndSwap(p, q) {
			return a, ErrBroken
		}
		a.phase, a.acts = q, true
	}
	return a, nil
}

// phaseTag is what rows say of a phase: never 0, which a row has that came to none, and never goneTag.
func phaseTag(p uint64) uint64 { return p>>phaseShift%(goneTag-1) + 1 }

// arrived is how many have come to the phase.
func (b *Barrier) arrived(p uint64) int {
	n := uint64(0)
	if !b.leaves {
		if c := b.state.came.Load(); c>>signalBits == phaseTag(p) {
			n = c & signalMask
		}
		return int(min(n, maxParties))
	}
	for r := range b.ledger.each {
		if c := r.count.Load(); c>>signalBits == phaseTag(p) {
			n += c & signalMask
		}
	}
	return int(min(n, maxParties))
}

// full reports whether all have come. One who has come, and leaves between the two looks, is missing then, which the
// next look mends; in the other order he would stand for somebody who has yet to come.
func (b *Barrier) full(p uint64) bool {
	parties := b.Parties()
	return b.arrived(p) >= parties
}

// finish is what the last who came does.
func (b *Barrier) finish(ctx context.Context, a arrival, action func() error) error {
	if a.acts {
		return b.act(ctx, a.phase, action)
	}
	return b.proceed(a.phase)
}

// act runs the action of the last who came, outside of the lock: others may give up meanwhile.
func (b *Barrier) act(ctx context.Context, p uint64, action func() error) error {
	done := false
	defer func() {
		if !done {
			b.smash(p)
		}
	}()
	if err := action(); err != nil {
		return err
	}
	done = true
	return b.proceed(p)
}

// proceed ends the phase well.
func (b *Barrier) proceed(p uint64) error {
	next := (p>>phaseShift + 1) << phaseShift
	if race.Enabled {
		b.race.Acquire(1)
		b.race.Release(2)
	}
	ended := b.state.phase.CompareAndSwap(p, next)
	if ended {
		b.point.Broadcast()
	}
	well := ended || b.ended(p) // fill may have been quicker
	if err := b.seg.Writable(); err != nil {
		return err // all of this may have been Close's zeros
	}
	if !well {
		return ErrBroken
	}
	return nil
}

// ended reports whether phase p is over, and ended well.
func (b *Barrier) ended(p uint64) bool {
	return b.state.phase.Load()>>phaseShift != p>>phaseShift && !spoilt(b.state.spoiled.Load(), p>>phaseShift)
}

// The word spoiled is the last phase that Reset ended, plus 1, and below that a bit for each phase before, the next
// one first: one who was stopped when a phase ended well must not be told that it is broken because a later one was.

// spoil adds phase n, which is not before the last.
func spoil(spoiled, n uint64) uint64 {
	all := uint64(0) // from the last on
	if last := spoiled >> spoiledBits; last != 0 {
		all = (spoiled&spoiledMask<<1 | 1) << (n + 1 - last)
	}
	return (n+1)<<spoiledBits | all>>1&spoiledMask
}

// spoilt reports whether Reset ended phase n. Of one that is too long ago it says so, too.
func spoilt(spoiled, n uint64) bool {
	last := spoiled >> spoiledBits
	switch {
	case n >= last:
		return false
	case n+1 == last:
		return true
	}
	ago := last - n - 2
	return ago >= spoiledBits || spoiled>>ago&1 != 0
}

// smash breaks phase p, if it is under way.
func (b *Barrier) smash(p uint64) bool {
	for {
		q := b.state.phase.Load()
		if q>>phaseShift != p>>phaseShift {
			return false
		}
		if q&phaseBroken != 0 {
			return true
		}
		if b.state.phase.CompareAndSwap(q, q|phaseBroken) {
			b.point.Broadcast()
			return true
		}
	}
}

// pass waits until phase p is over. r is nil for somebody who has not come to it.
func (b *Barrier) pass(ctx context.Context, p uint64, r *row) error {
	var result error
	look := func() bool {
		q := b.state.phase.Load()
		if q>>phaseShift == p>>phaseShift {
			result = ErrBroken
			return q&phaseBroken != 0
		}
		result = nil
		if r != nil && spoilt(b.state.spoiled.Load(), p>>phaseShift) {
			result = ErrBroken
		}
		if b.seg.IsClosed() { // what was seen may be Close's zeros
			result = segment.ErrClosed
		}
		return true
	}
	err := b.point.Wait(ctx, segment.Wait{
		Try:   func() bool { b.ledger.bury(); return look() || b.fill(p) && look() },
		Poll:  look,
		Slept: b.ledger.sweep,
		Apart: true, // others may have come to the next phase by now
	})
	if err != nil && ctx.Err() != nil && !b.seg.IsClosed() && r != nil && !b.smash(p) {
		err = nil // the phase was over before
		look()
	}
	if err != nil && ctx.Err() != nil && r != nil {
		err = fmt.Errorf("%w by who gave up: %w", ErrBroken, err)
	}
	if err != nil {
		return err
	}
	if race.Enabled {
		b.race.Acquire(2)
	}
	return result
}

// fill ends a phase that became full because a party died that had not come, and reports whether it is over. It
// keeps out while somebody comes, who may be the last, and have an action; whoever is not looks himself.
func (b *Barrier) fill(p uint64) bool {
	if !b.leaves || !b.full(p) {
		return false
	}
	if !b.lock.TryLock() {
		if got, err := b.lock.TrySlow(); !got || err != nil && b.lock.MarkConsistent() != nil {
			return false
		}
	}
	q := b.state.phase.Load()
	full := q>>phaseShift == p>>phaseShift && q&(phaseBroken|actorMask) == 0 && b.full(q)
	err := b.lock.Unlock()
	return full && err == nil && b.proceed(q) == nil
}

// settle is the death of a party: it breaks the barrier, or leaves it.
func (s *BarrierState) settle(l *ledger, r *row) {
	leaves := s.leaves()
	for {
		p := s.phase.Load()
		acts := p&actorMask>>actorShift == l.index(r)
		if leaves && !acts || s.phase.CompareAndSwap(p, p|phaseBroken) {
			break
		}
	}
	if leaves {
		s.depart(r)
	} else {
		r.count.Store(0)
	}
	l.point.Broadcast()
}

// depart has the row say how many parties are gone with its process, by one swap: as many as have come of it
// to the phase that is under way, or one.
func (s *BarrierState) depart(r *row) {
	for {
		n := r.count.Load()
		if n>>signalBits == goneTag {
			return // somebody died behind that swap
		}
		gone := uint64(1)
		if n>>signalBits == phaseTag(s.phase.Load()) {
			gone = max(n&signalMask, 1)
		}
		if r.count.CompareAndSwap(n, goneTag<<signalBits|gone) {
			return
		}
	}
}

// Abort breaks the barrier: those who wait, and those who come, get ErrBroken until somebody calls Reset. It
// never blocks. It fails with shm.ErrClosed.
func (b *Barrier) Abort() error {
	if err := b.seg.Writable(); err != nil {
		return b.wrap("abort", err)
	}
	for !b.smash(b.state.phase.Load()) {
	}
	return b.wrap("abort", b.seg.Writable())
}

// Reset makes the barrier as new: those who wait get ErrBroken, unless their phase ended well and they have yet to hear
// of it, and those who come later meet in a new phase, as many as the barrier was made for. It waits for nobody but others at the same moment, until ctx is over. It
// fails with shm.ErrClosed and the context's error.
func (b *Barrier) Reset(ctx context.Context) error {
	b.ledger.sweep()
	err := enter(ctx, &b.lock)
	if err != nil {
		return b.wrap("reset", err)
	}
	for {
		p := b.state.phase.Load()
		if !b.smash(p) {
			continue // it ended well before
		}
		// Nobody else ends a phase that is broken: he would have the lock.
		n := p >> phaseShift
		b.state.spoiled.Store(spoil(b.state.spoiled.Load(), n))
		if b.state.phase.CompareAndSwap(b.state.phase.Load(), (n+1)<<phaseShift) {
			break
		}
	}
	b.forget()
	err = b.lock.Unlock()
	b.point.Broadcast()
	return b.wrap("reset", err)
}

// forget gives back the rows of those that have left.
func (b *Barrier) forget() {
	for _, r := range b.ledger.rows() {
		if r.owner.Load() == retired {
			r.count.Store(0)
			r.owner.CompareAndSwap(retired, 0)
		}
	}
}

// Broken reports whether the barrier is broken. It is out of date as soon as it returns.
func (b *Barrier) Broken() bool { return b.state.phase.Load()&phaseBroken != 0 }

// Parties is how many must come. It is out of date as soon as it returns.
func (b *Barrier) Parties() int { return b.state.parties(b.ledger) }

// Waiting is how many have come to the phase that is under way. It is out of date as soon as it returns.
func (b *Barrier) Waiting() int {
	if p := b.state.phase.Load(); p&phaseBroken == 0 {
		return b.arrived(p)
	}
	return 0
}

// BarrierInfo is what a Barrier looks like to an observer of its segment.
type BarrierInfo struct {
	Parties int    `json:"parties"`
	Phase   uint64 `json:"phase"`  // how many have ended
	Broken  bool   `json:"broken"` // since then
}

// String tells the state in words.
func (i BarrierInfo) String() string {
	s := fmt.Sprintf("%d parties, %d phases", i.Parties, i.Phase)
	if i.Broken {
		s += ", broken"
	}
	return s
}

func (s *BarrierState) info(seg *segment.Segment) BarrierInfo {
	p := s.phase.Load()
	l := newLedger(seg, lineByLine, &s.rows, nil)
	return BarrierInfo{Parties: s.parties(l), Phase: p >> phaseShift, Broken: p&phaseBroken != 0}
}
