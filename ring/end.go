package ring

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/race"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
)

// end is what the writer's and the reader's end of every ring have in common: who holds it, how it
// waits for the other side, and how it wakes it.
//
//	word             to          who
//	0                owner       whoever takes the end
//	dead owner       owner       a successor, after proof of death
//	owner            0           the owner closes
//	dead owner       0           the other side, which has noticed and says so once (ErrPeerDied)
type end struct {
	seg    *segment.Segment
	self   segment.Owner
	mine   *word.Uint64 // word of this end
	theirs *word.Uint64 // word of the other end
	closed *word.Uint32 // closedWriter, closedReader
	race   race.Word    // of the control; see raceClosed
	my     uint32       // this end's bit in closed
	other  uint32
	point  *segment.Point // where this end waits
	far    *segment.Point // where the other end waits
	peer   *futex.Event   // its event
	gone   bool           // this handle was closed
	polls  bool           // polling may pay off
	many   bool           // OneOfMany
	alone  *atomic.Bool   // PeerGone was called
	kind   segment.Kind   // for errors, as is the place
	place  uint64
}

const (
	closedWriter = 1 << iota
	closedReader
)

// What the race detector is told of, counted in words from the ring's control on.
const (
	raceClosed   = 0 // stands for the control's first line
	racePosition = segment.Line / 8
	raceItems    = controlSize / 8 // the first slot, or the first word of the data
)

// take claims the end.
func (e *end) take() error {
	if err := e.seg.Writable(); err != nil {
		return err
	}
	e.self = e.seg.Self()
	for {
		if e.closed.Load()&e.my != 0 {
			return ErrClosed
		}
		w := e.mine.Load()
		o := segment.OwnerOf(w)
		if o != 0 && !e.seg.Gone(o) {
			return fmt.Errorf("%w by %s", ErrBusy, e.seg.Describe(o))
		}
		if e.mine.CompareAndSwap(w, uint64(e.self)) {
			break
		}
	}
	if e.closed.Load()&e.my != 0 {
		// Somebody had the end, and closed it, between the look above and the swap.
		e.drop()
		return ErrClosed
	}
	futex.Register()
	// The other side may sleep without knowing whose death to listen for.
	e.far.Broadcast()
	return nil
}

// drop gives the end back as if it had never been taken.
func (e *end) drop() {
	e.gone = true
	e.mine.CompareAndSwap(uint64(e.self), 0)
}

// cut reports whether Close of the segment may have come before what this end stored last: Close maps
// zeros over the word that says whose the end is, together with all the others. If the word is there,
// so was the item.
func (e *end) cut() bool { return e.mine.Load() == 0 }

// lost is why what was read last may be Close's zeros, or nil.
func (e *end) lost() error {
	if !e.cut() {
		return nil
	}
	return e.usable()
}

// plain reports whether this end may publish with plain stores by now.
func (e *end) plain() bool {
	return futex.Plain(e.peer)
}

// forget takes a dead peer's name off its end. One caller succeeds, and reports the death.
func (e *end) forget(dead segment.Owner) bool {
	w := e.theirs.Load()
	return segment.OwnerOf(w) == dead && e.theirs.CompareAndSwap(w, 0)
}

// peerClosed reports whether the other end was closed.
func (e *end) peerClosed() bool {
	closed := e.closed.Load()&e.other != 0
	if race.Enabled && closed {
		e.race.Acquire(raceClosed)
	}
	return closed
}

// peerGone is PeerGone of either end.
func (e *end) peerGone() {
	e.alone.Store(true)
	e.point.Rouse()
}

// usable is nil if this end can be used.
func (e *end) usable() error {
	if e.gone {
		return ErrClosed
	}
	if e.seg.Self() == e.self {
		return nil
	}
	return e.seg.Writable()
}

// glances is how often a reader polls the next slot before it looks at anything else: for about as long as the answer of a process that
// is polling, too, takes to come. Behind each look is a pause: a look takes the line away from who is about to write it.
const glances = 256

// glance polls a slot's sequence until it is the next.
func glance(sequence *word.Uint64, next uint64) bool {
	for range glances {
		if sequence.Load() == next { // pairs with the publish in (*Writer).Push
			return true
		}
		futex.Pause()
	}
	return false
}

// shut closes the end for good and tells the other side.
func (e *end) shut() error {
	if err := e.usable(); err != nil {
		return err
	}
	e.gone = true
	if race.Enabled {
		e.race.Release(raceClosed)
	}
	e.closed.Or(e.my)
	e.mine.CompareAndSwap(uint64(e.self), 0)
	e.point.Event().Demand() // the other end sees the mark at its next operation
	e.far.Rouse()
	return nil
}

// signal wakes the other side, and reports whether its mark stays.
func (e *end) signal() bool {
	if e.peer.Broadcast() {
		e.far.Ring()
	}
	return e.peer.Fenced()
}

func (e *end) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	if e.seg.IsClosed() {
		err = ErrClosed // whatever looked wrong was Close's zeros
	}
	return fmt.Errorf("ring: %s %s in segment %s: %w", op, e.seg.Title(e.kind, e.place), e.seg, err)
}

// exactEvery is how many polls of a lazily moved position go by for one of the exact one.
const exactEvery = 16

// wait blocks until look reports true or an error. A look that is not exact may miss what could be
// seen on a line that the other side writes often. When the other side closed, or is proven dead,
// look is asked once more: what the other side did last may have come after the look before.
func (e *end) wait(ctx context.Context, look func(exact bool) (bool, error)) error {
	var result error
	exact := true
	try := func() bool {
		ok, err := look(exact)
		if ok || err != nil {
			result = err
			return true
		}
		var over error
		switch {
		case e.peerClosed():
			over = ErrClosed
		case e.alone.Load():
			over = ErrPeerDied
		default:
			return false
		}
		if ok, result = look(true); !ok && result == nil {
			result = over
		}
		return true
	}
	polls := 0
	err := e.point.Wait(ctx, segment.Wait{
		Try: try,
		Poll: func() bool {
			polls++
			exact = polls%exactEvery == 0
			over := try()
			exact = true
			return over
		},
		Peer: func() segment.Owner { return segment.OwnerOf(e.theirs.Load()) },
		Recover: func(dead segment.Owner) bool {
			ok, err := look(true)
			if !ok && err == nil && e.forget(dead) {
				err = ErrPeerDied
			}
			result = err
			return ok || err != nil
		},
		Asymmetric: futex.Owing,
		OneOfMany:  e.many,
	})
	// What there is, and the end of the stream, come before the context's end.
	if err != nil && (ctx.Err() == nil || !try()) {
		return err
	}
	return result
}
