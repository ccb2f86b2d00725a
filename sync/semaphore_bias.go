package sync

import (
	"fmt"
	"runtime"
	gosync "sync"
	"sync/atomic"

	"github.com/kindred-ipc/kindred/internal/bias"
	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
	"github.com/kindred-ipc/kindred/shm"
)

// A goroutine that takes permits of a Semaphore and gives them back, some 1,024 times with nobody else in between as far
// as it saw (as many are free behind each Release), becomes their keeper: the word value says no longer how many are free,
// but who the keeper is, and its mark has the count. From then on it adds and takes by plain stores to the mark, and looks
// behind each whether it is the keeper still. Whoever else comes, for permits or with some, recalls them: he executes a fence
// on all CPUs, and the first who then says what the mark has decides it. That may be the keeper itself, whose store was on
// its way: its operation has happened if it is in what was decided, and else it goes through the count.
//
//	value        to           who
//	count        kept         who is to be the keeper, when its mark and the state of that are ready
//	kept         count        anybody, who has found it decided
//
//	state        to           who
//	any          in use       who is to be the keeper, of another grant
//	in use       0            the same, when the count has changed meanwhile
//	in use       recalled     anybody else
//	recalled     decided      anybody behind a fence, or the keeper behind its store
//	any          0            whoever settles the row of a dead process, when value does not name it
//
// So nobody waits for a keeper that is stopped, nor for one who recalls. Each grant has a number, which is in all three
// words, for a mark is one stack's for good (see package bias), and its numbers go up: whoever was stopped before a swap
// finds it of another grant. Who sleeps for permits has seen a count after he announced himself, and a keeper became one
// later, and sees him.
const (
	// The mark: the grant, and below it the permits that are free; the state: the same, or in their place
	permitBits = 24
	inUse      = 1<<permitBits - 1
	recalled   = inUse - 1
	maxKept    = recalled - 1 // permits

	// The word value: isKept, the number of the mark, and the grant.
	grantBits = 64 - permitBits
	maxGrant  = 1<<grantBits - 1
	isKept    = 1 << 62
)

// keeper is what a goroutine must know that has a mark.
type keeper struct {
	stack          uintptr
	permits, state *word.Uint64
	kept           int64 // the word value, but for the grant

	served word.Uint64 // operations

	granted bool   // and not known to be recalled
	since   uint64 // what it had served, when it was
}

// keepers is what a process knows of its marks in a Semaphore. Where two stacks have one place, the second goes through
// the count.
type keepers struct {
	keepers [keeperMarks]atomic.Pointer[keeper]
	due     word.Uint64 // the stack of who is to become the keeper when it comes next; 0: nobody's
	price   bias.Price
	mu      gosync.Mutex // held while somebody is appointed
	_       [segment.Line]byte
	tallies [keeperMarks]tally
}

// tally is how often those who have that place came through the count.
type tally struct {
	left word.Uint64 // the word value behind the last Release
	run  word.Uint64 // how many of these in a row have left the same
	_    [segment.Line - 16]byte
}

// noKeepers is that of a Semaphore that has none.
var noKeepers keepers

func placeOf(stack uintptr) uint64 { return bias.Place(stack, keeperMarksBits) }

// by is who has the mark in the place of that stack, or nil.
func (k *keepers) by(stack uintptr) *keeper { return k.keepers[placeOf(stack)].Load() }

// may reports whether this goroutine may be the keeper. Those who are not, and need not become it, are told quickly.
func (s *Semaphore) may() bool {
	return bias.Enabled && (s.value.Load() > 0 || s.keepers.due.Load() != 0)
}

// kept adds n permits, or takes -n away, if this goroutine keeps them and may, and reports whether it did.
func (s *Semaphore) kept(n int64) bool {
	// Nothing is called until the mark is as it stays.
	at := bias.Stack()
	k := s.keepers.by(at)
	if k == nil || k.stack != at {
		return false
	}
	was := k.permits.Load()
	if k.state.Load() != was|inUse {
		if !s.keepers.due.CompareAndSwap(uint64(at), 0) {
			return false
		}
		v := s.value.Load()
		if freeIn(v) < 0 || freeIn(v) > s.keeps || was>>permitBits == maxGrant {
			return false
		}
		was = (was>>permitBits+1)<<permitBits | uint64(freeIn(v))
		k.state.Store(was | inUse)
		futex.Publish(k.permits, was)
		if !s.value.CompareAndSwap(v, k.kept|int64(was>>permitBits)) {
			k.state.Store(0)
			return false
		}
	}
	if free := int64(was&inUse) + n; free < 0 || free > s.keeps {
		return false
	}
	now := was + uint64(n)
	futex.Publish(k.permits, now) // pairs with the fence in settled
	if k.state.Load() != now|inUse {
		k.state.CompareAndSwap(now&^inUse|recalled, now)
		decided := k.state.Load()
		runtime.KeepAlive(s) // the mapping goes with the last handle
		return decided == now
	}
	futex.Publish(&k.served, k.served.Load()+1)
	runtime.KeepAlive(s)
	return true
}

// earn takes note of a Release through the count, which left that word.
func (s *Semaphore) earn(left int64) {
	at := bias.Stack()
	if k := s.keepers.by(at); k != nil && k.stack != at {
		return
	}
	t := &s.keepers.tallies[placeOf(at)]
	run := t.run.Load() + 1
	if t.left.Load() != uint64(left) {
		futex.Publish(&t.left, uint64(left))
		run = 0 // somebody else was there, or it is used otherwise
	}
	futex.Publish(&t.run, run)
	if run >= s.keepers.price.Is() {
		futex.Publish(&t.run, 0)
		s.appoint(at)
	}
}

// appoint has the goroutine on that stack become the keeper when it comes next, if nobody waits.
func (s *Semaphore) appoint(stack uintptr) {
	if event := s.point.Event(); !bias.Inlined || !futex.Plain(event) || !event.Idle() {
		return
	}
	r, err := s.ledger.own()
	if err != nil || !s.keepers.mu.TryLock() {
		return
	}
	defer s.keepers.mu.Unlock()
	k := s.keepers.by(stack)
	switch {
	case k == nil:
		k = s.keeperOf(r, stack)
	case k.granted:
		// What it was worth is known when the next one is earned.
		s.keepers.price.Revoked(k.served.Load() - k.since)
		k.granted = false
		return
	}
	k.granted, k.since = true, k.served.Load()
	s.keepers.due.Store(uint64(stack))
}

// keeperOf gives that stack the mark of its place, in this process's row.
func (s *Semaphore) keeperOf(r *row, stack uintptr) *keeper {
	i, line := placeOf(stack), r.keeping()
	mark := (s.ledger.index(r)-1)*keeperMarks + i
	k := &keeper{stack: stack, permits: &line.permits[i], state: &line.states[i], kept: int64(isKept | mark<<grantBits)}
	s.keepers.keepers[i].Store(k)
	return k
}

// keeperIn finds the mark that a word value names, and its state, and the grant in its place.
func keeperIn(l *ledger, v int64) (permits, state *word.Uint64, grant uint64, ok bool) {
	mark := uint64(v) &^ isKept >> grantBits
	rows := l.rows()
	if v&isKept == 0 || v&maxGrant == 0 || mark/keeperMarks >= uint64(len(rows)) {
		return nil, nil, 0, false
	}
	line := rows[mark/keeperMarks].keeping()
	return &line.permits[mark%keeperMarks], &line.states[mark%keeperMarks], uint64(v) & maxGrant << permitBits, true
}

// settled is the word of the count. If there is a keeper, it recalls the permits.
func (s *SemaphoreState) settled(l *ledger) (int64, error) {
	v := s.value.Load()
	for range maxLooks {
		if v <= 0 {
			return v, nil
		}
		if sound := s.recall(l, v); !sound && s.value.Load() == v {
			break
		}
		v = s.value.Load()
	}
	return v, fmt.Errorf("kept as %#x: %w", v, shm.ErrCorrupt)
}

// recall takes one step from that word of a keeper to the count. It reports false if there is none, because the count is
// there already, or never comes.
func (s *SemaphoreState) recall(l *ledger, v int64) bool {
	permits, state, grant, ok := keeperIn(l, v)
	if !ok {
		return false
	}
	was := state.Load()
	switch {
	case was == grant|inUse:
		state.CompareAndSwap(was, grant|recalled)
	case was == grant|recalled:
		bias.Fence() // also behind who recalled them, who may not have come to it; pairs with the store in kept
		is := permits.Load()
		if is&^inUse != grant || is&inUse > maxKept {
			return false
		}
		state.CompareAndSwap(was, is)
	case was&^inUse == grant:
		s.value.CompareAndSwap(v, counted|int64(was&inUse))
	default:
		return false
	}
	return true
}

// seen is how many permits are free, as far as can be seen without a fence. It changes nothing.
func (s *SemaphoreState) seen(l *ledger) (int64, error) {
	v := s.value.Load()
	for range maxLooks {
		if v <= 0 {
			return freeIn(v), nil
		}
		if permits, state, grant, ok := keeperIn(l, v); ok {
			is := state.Load()
			if is&inUse > maxKept && is&^inUse == grant {
				is = permits.Load()
			}
			if is&^inUse == grant && is&inUse <= maxKept {
				return int64(is & inUse), nil
			}
		}
		was := v
		if v = s.value.Load(); v == was {
			break
		}
	}
	return 0, fmt.Errorf("kept as %#x: %w", v, shm.ErrCorrupt)
}

// told is how many permits are free, without recalling them, if there is a keeper.
func (s *Semaphore) told() (int64, bool) {
	v := s.value.Load()
	if v <= 0 {
		return 0, false
	}
	permits, state, grant, ok := keeperIn(s.ledger, v)
	if !ok || state.Load() != grant|inUse {
		return 0, false
	}
	at := bias.Stack()
	if k := s.keepers.by(at); k == nil || k.stack != at || k.permits != permits {
		bias.Fence()
	}
	// If they are recalled behind this look at the mark, it is decided no earlier.
	is := permits.Load()
	return int64(is & inUse), is&^inUse == grant && is&inUse <= maxKept && state.Load() == grant|inUse
}

// unkeep has a dead process keep nothing. Its marks stay as they are, so that the numbers of grants go up.
func (s *SemaphoreState) unkeep(l *ledger, r *row) {
	if v := s.value.Load(); v > 0 {
		if permits, _, _, ok := keeperIn(l, v); ok && r.keeping().has(permits) {
			_, _ = s.settled(l) // what is corrupt stays so
		}
	}
	for i := range r.keeping().states {
		r.keeping().states[i].Store(0)
	}
}

// has reports whether the mark is one of the row's.
func (l *keepingRow) has(permits *word.Uint64) bool {
	for i := range l.permits {
		if &l.permits[i] == permits {
			return true
		}
	}
	return false
}
