package segment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/word"
)

// What a lock answers, beside ErrOwnerDied.
var (
	ErrNotRecoverable = errors.New("not recoverable: what it guards was left inconsistent")
	ErrNotHeld        = errors.New("not held by this process")
)

// Lock is a handle on a LockState: a mutex between processes that no death can hold. The word is free,
// or the Owner of the process that holds it; goroutines of one process are not told apart.
//
//	from              to                     who
//	0                 free                   the first who makes a handle
//	free              owner                  whoever locks
//	owner             free                   the owner unlocks
//	owner*            owner*|urgent          one who has waited for long
//	owner|urgent      reserved               the owner unlocks
//	reserved          owner                  one who has slept for it
//	dead owner*       owner|inconsistent     the next who wants it, after proof of death: ErrOwnerDied
//	owner|incons.     owner                  the owner, MarkConsistent
//	owner|incons.     notRecoverable         the owner unlocks without MarkConsistent
//
// (*) with or without flags. The contract is that of POSIX robust mutexes. The word is one
// store away from each of these states, so there is nothing in between that a death could leave.
//
// Close puts zeros under the word. No move but the first begins there, and that one waits for Close, so none
// succeeds from then on, and the fast paths need no look of their own for it.
//
// The owner of a plain lock gives it up by a plain store, as a ring publishes, and whoever goes to sleep pays for the
// fence: so a lock with its unlock executes one locked instruction. Nobody but those who say that it is urgent
// changes the word meanwhile; if the store takes that away, they say so again.
//
// Whoever comes may overtake those who sleep: handing the lock to a sleeper at each unlock would cost a
// switch each time. So that nobody starves, one who has waited for a millisecond says so in the word, and
// the next unlock leaves the lock to those who have slept. If they are gone by then, whoever wants it has
// slept for it, too, a millisecond later. (The rule is that of Go's sync.Mutex.)
type Lock struct {
	seg   *Segment
	state *LockState
	word  *word.Uint64 // of state; for an observer, who cannot write there, one of which no move begins
	me    uint64       // seg's Owner when the handle was made
	race  race.Word
	point *Point
	plain bool // the owner gives it up by a plain store
}

const (
	inconsistent   = 1 << FlagShift
	notRecoverable = 2 << FlagShift
	urgent         = 4 << FlagShift
	reserved       = urgent // and nobody's
	free           = 8 << FlagShift
)

// nobody is the owner of an observer's handle, and of one to a closed segment, and untouched its word.
const nobody = uint64(ownerMask)

var untouched word.Uint64

// rest is how many pauses there are between two polls of a lock, some 30 as in Go's own mutex. A poll takes the line
// away from its holder, who needs it for the unlock, and it is long in coming back: with one pause, two processes that
// contend for a lock take twice the time.
const rest = 32

// Starving is how long one waits until it is urgent.
const Starving = time.Millisecond

// LockAt is the handle of the LockState at off, which lies in s. A lock that is all zeros is free from then on.
func (s *Segment) LockAt(off uint64) Lock {
	l := Lock{seg: s, state: s.m.lockState(off), word: &untouched, me: nobody, race: race.At(s.id, off),
		point: s.Point(off+lockEventOffset, Exclusive)}
	if self := s.self.Load(); self != 0 {
		l.word, l.me = &l.state.owner, self
		l.prime()
	}
	return l
}

// PlainLockAt is LockAt for a plain lock. All its handles are; nobody waits for it but in Lock.
func (s *Segment) PlainLockAt(off uint64) Lock {
	l := s.LockAt(off)
	l.plain = true
	futex.Register()
	return l
}

// prime makes a word that nobody has used one of a lock that is free, and returns what it is.
func (l *Lock) prime() uint64 {
	w := l.word.Load()
	if w == 0 {
		l.seg.BeforeClose(func() { l.word.CompareAndSwap(0, free) })
		w = l.word.Load()
	}
	return w
}

// TryLock takes the lock if it is free. It makes no system call and never blocks.
func (l *Lock) TryLock() bool {
	if race.Enabled {
		return l.swap(free)
	}
	return l.word.CompareAndSwap(free, l.me) // by itself, so that the compiler inlines it with its caller
}

// swap takes the lock if its word is from.
func (l *Lock) swap(from uint64) bool {
	ok := l.word.CompareAndSwap(from, l.me)
	if race.Enabled && ok {
		l.race.Acquire(0)
	}
	return ok
}

// LockSlow is Lock after TryLock failed.
func (l *Lock) LockSlow(ctx context.Context) error {
	if err := l.seg.Writable(); err != nil {
		return err
	}
	var result error
	var slept bool
	began := word.Now()
	err := l.point.Wait(ctx, Wait{
		Try: func() bool {
			w := l.prime()
			if result = l.seg.unlessClosed(stuck(w)); result != nil {
				return true
			}
			// A look is shared among those who poll, a swap is not.
			return w == free && l.TryLock() || w == reserved && slept && l.claim()
		},
		Rest:       rest,
		Peer:       l.Peer,
		Impatient:  true,
		Asymmetric: l.plain && futex.Owing,
		Slept: func() {
			if slept = true; word.Since(began) >= Starving {
				l.urge()
			}
		},
		Recover: func(dead Owner) bool {
			if l.inherit(dead) {
				result = ErrOwnerDied
				return true
			}
			return false
		},
	})
	if err != nil && l.claim() {
		return nil // it is free, though for others first
	}
	if err != nil {
		l.calm()
		return err
	}
	return result
}

// claim takes a lock that was left to those who have slept.
func (l *Lock) claim() bool { return l.swap(reserved) }

// urge asks whoever holds the lock to leave it to those who have slept.
func (l *Lock) urge() {
	if w := l.state.owner.Load(); OwnerOf(w) != 0 && w&urgent == 0 {
		l.word.CompareAndSwap(w, w|urgent) // else it changes hands
	}
}

// calm takes it back, on behalf of one who waits no longer. Others who starve say so again.
func (l *Lock) calm() {
	switch w := l.state.owner.Load(); {
	case w == reserved:
		l.word.CompareAndSwap(w, free)
	case w&urgent != 0:
		l.word.CompareAndSwap(w, w&^urgent)
	}
}

// Peer is who holds the lock, for somebody who is about to wait for it.
func (l *Lock) Peer() Owner {
	o := OwnerOf(l.state.owner.Load())
	if o != 0 && l.state.since.Load() == 0 {
		l.state.since.CompareAndSwap(0, uint64(word.Now().UnixNano()))
	}
	return o
}

// stuck is why nobody will ever get a lock with that word, or nil.
func stuck(w uint64) error {
	switch {
	case w == notRecoverable:
		return ErrNotRecoverable
	case w != free && w != reserved && OwnerOf(w) == 0:
		return fmt.Errorf("lock in state %#x: %w", w, ErrCorrupt)
	}
	return nil
}

// inherit takes the lock over from an owner that is proven dead.
func (l *Lock) inherit(dead Owner) bool {
	w := l.state.owner.Load()
	ok := OwnerOf(w) == dead && l.word.CompareAndSwap(w, l.me|inconsistent)
	if race.Enabled && ok {
		l.race.Acquire(0)
	}
	return ok
}

// TrySlow is TryLock after it failed: it looks whether the holder is gone, with a system call, and
// then takes the lock over, which it reports with ErrOwnerDied.
func (l *Lock) TrySlow() (bool, error) {
	if err := l.seg.Writable(); err != nil {
		return false, err
	}
	w := l.prime()
	if err := stuck(w); err != nil {
		return false, l.seg.unlessClosed(err)
	}
	if o := OwnerOf(w); o != 0 && l.seg.Gone(o) && l.inherit(o) {
		return true, ErrOwnerDied
	}
	return w == reserved && l.claim(), nil
}

// Unlock gives the lock up and wakes one waiter. It never blocks.
func (l *Lock) Unlock() error {
	if !l.Release() {
		return l.UnlockSlow()
	}
	if !l.Unwanted() {
		l.Wake()
	}
	return nil
}

// Release is the fast half of Unlock.
func (l *Lock) Release() bool {
	if race.Enabled {
		l.race.Release(0)
	}
	if !l.plain || !futex.Plain(&l.state.event) {
		return l.word.CompareAndSwap(l.me, free)
	}
	if l.word.Load() != l.me {
		return false
	}
	l.Drop()
	return l.Dropped()
}

// Swift reports whether Release of a plain lock is a Drop, if the process is futex.Ready, and nobody waits for it. That, Drop, and a look at Attached, are
// Release in parts that the compiler inlines, each of them one comparison: of what is joined by && or ||, it makes a value, and compares that.
func (l *Lock) Swift() bool {
	return !race.Enabled && l.word.Load()^l.me|uint64(l.state.event.Mark()) == 0
}

// Drop gives up a plain lock that is Swift.
func (l *Lock) Drop() { futex.Publish(l.word, free) }

// Attached reports whether this process is attached to the segment, as far as it knows. If not, a Drop may have hit Close's zeros.
func (l *Lock) Attached() bool { return l.seg.Self() != 0 }

// Dropped reports, behind a Drop, what Release does. It takes back a store that may have hit Close's zeros, where the lock would be free from then on. If
// it hit the segment, the next who comes makes it so.
func (l *Lock) Dropped() bool {
	if l.Attached() {
		return true
	}
	l.word.CompareAndSwap(free, 0)
	return false
}

// Unwanted reports that nobody need be woken. It comes after Release and pairs with Announce.
func (l *Lock) Unwanted() bool { return l.state.event.Idle() }

// Wake wakes one waiter.
func (l *Lock) Wake() {
	l.state.since.Store(0)
	l.point.Signal()
}

// UnlockSlow is Unlock after Release failed: the lock is suspect, or is not this process's.
func (l *Lock) UnlockSlow() error {
	if err := l.seg.Writable(); err != nil {
		return err
	}
	for {
		switch w := l.state.owner.Load(); w &^ urgent {
		case l.me: // urgent, or it became so
			if l.word.CompareAndSwap(l.me|urgent, reserved) || l.word.CompareAndSwap(l.me, free) {
				l.Wake()
				return nil
			}
		case l.me | inconsistent:
			if l.word.CompareAndSwap(w, notRecoverable) {
				l.point.Rouse()
				return nil
			}
		default:
			return l.seg.unlessClosed(l.notOurs(w))
		}
	}
}

// notOurs says why this process cannot unlock a lock with that word.
func (l *Lock) notOurs(w uint64) error {
	switch {
	case w == notRecoverable:
		return ErrNotRecoverable
	case OwnerOf(w) == 0:
		return fmt.Errorf("unlocked already: %w", ErrNotHeld)
	default:
		return fmt.Errorf("held by %s: %w", l.seg.Describe(OwnerOf(w)), ErrNotHeld)
	}
}

// MarkConsistent says that what the lock guards was repaired. Only the process that got
// ErrOwnerDied from Lock, and still holds it, may say so.
func (l *Lock) MarkConsistent() error {
	for w := l.state.owner.Load(); w&^urgent == l.me|inconsistent; w = l.state.owner.Load() {
		if l.word.CompareAndSwap(w, w&^inconsistent) {
			return nil
		}
	}
	if err := l.seg.Writable(); err != nil {
		return err
	}
	return fmt.Errorf("mark consistent: %w", ErrNotHeld)
}

// Doubt takes MarkConsistent back: what the lock guards, which this process holds, is suspect after all.
func (l *Lock) Doubt() {
	for w := l.state.owner.Load(); w&^urgent == l.me; w = l.state.owner.Load() {
		if l.word.CompareAndSwap(w, w|inconsistent) {
			return
		}
	}
}

// Open reports whether nobody holds the lock, nobody starves for it, and it can be had: one load.
func (l *Lock) Open() bool { return l.state.owner.Load() == free }

// Stuck is why nobody will ever get the lock, or nil.
func (l *Lock) Stuck() error { return stuck(l.state.owner.Load()) }

// Holder is who holds the lock now, 0 for nobody, and whether what it guards may be inconsistent.
func (l *Lock) Holder() (o Owner, suspect bool) {
	w := l.state.owner.Load()
	return OwnerOf(w), w&(inconsistent|notRecoverable) != 0
}

// Since is when the first of those who wait knew that somebody holds the lock, zero if nobody waits. It is
// out of date as soon as it returns.
func (l *Lock) Since() time.Time {
	ns := l.state.since.Load()
	if ns == 0 || OwnerOf(l.state.owner.Load()) == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(ns))
}

// Urgent reports whether somebody has waited for long.
func (l *Lock) Urgent() bool { return l.state.owner.Load()&urgent != 0 }

// Waited reports whether anybody may be asleep on the lock.
func (l *Lock) Waited() bool { return l.point.event.Asleep() }

// Point is where the lock's waiters wait.
func (l *Lock) Point() *Point { return l.point }

// Writable is nil if this attach may change the segment.
func (s *Segment) Writable() error {
	if s.Self() != 0 {
		return nil
	}
	if s.observer && !s.IsClosed() {
		return ErrReadOnly
	}
	return ErrClosed
}
