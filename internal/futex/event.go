package futex

import (
	"structs"

	"github.com/kindred-ipc/kindred/internal/word"
)

// Event is the event count that every structure waits on. It is 16 bytes of shared memory; its zero
// value is ready.
//
// A waiter and a signaller meet like this (the condition lies elsewhere, in the structure):
//
//	waiter                                signaller
//	s := e.Announce()   sample, mark      make the condition true
//	condition true? leave                 e.Signal():   mark set? if so:
//	sleep while seq is s                      clear the mark, seq++, wake
//
// Announce stores the mark before the waiter looks at the condition; the signaller makes the
// condition true before it looks at the mark. With sequentially consistent operations, or with the
// asymmetric fence on the waiter's side, one of the two sees the other. If the signaller sees the
// mark, the sequence moves after it was sampled, and the kernel does not let the waiter sleep.
//
// The mark is a flag and not a count: a waiter that is killed leaves it set, which costs the next
// signaller one wake for nobody, and nothing after that. In return, a waiter that was woken alone
// cannot know whether others sleep, so it sets the mark again when it leaves (Pass).
type Event struct {
	_ structs.HostLayout

	seq  word.Uint32 // the word to sleep on; only its change means anything
	mark word.Uint32 // markAsleep, markFence
	// hub names those who may be woken here, or may hold what others wait for: a bit for each slot
	// number modulo joinedSlots, and above them how often somebody joined.
	hub word.Uint64
}

// joinedSlots is how many of the hub's bits name participants.
const joinedSlots = 48

const (
	// markAsleep: somebody may be asleep on seq. Set by waiters, cleared by signallers.
	markAsleep = 1 << iota
	// markFence: a waiter that has no membarrier asks signallers to fence. Never cleared.
	markFence
)

// Word is what a waiter sleeps on, with the sequence that Announce returned.
func (e *Event) Word() *word.Uint32 { return &e.seq }

// Announce marks the caller as a waiter and returns the sequence to sleep on. The caller looks at
// its condition once more before it sleeps.
func (e *Event) Announce() uint32 {
	s := e.seq.Load()
	e.mark.Or(markAsleep) // a full fence: pairs with the signaller's load of mark
	return s
}

// Demand asks every signaller for a fence, from its next signal on and for ever.
func (e *Event) Demand() { e.mark.Or(markFence) }

// Join names the participant of that slot as one of those who meet here. It comes before anything else
// that the participant does here; whoever sleeps looks again, and finds that there is another one.
func (e *Event) Join(slot uint32) {
	for {
		old := e.hub.Load()
		if e.hub.CompareAndSwap(old, (old+1<<joinedSlots)|1<<(slot%joinedSlots)) {
			break
		}
	}
	if e.Asleep() { // comes after the swap, as the look at the hub comes after Announce
		// The mark stays: whoever takes it away and dies before the wake leaves sleepers behind whom
		// nobody wakes, unless they listen for his death; and for this one they do not listen yet.
		e.move(All)
	}
}

// Joined is a word that changes with every Join.
func (e *Event) Joined() uint64 { return e.hub.Load() }

// HasJoined reports whether that value of Joined may name the slot.
func HasJoined(joined uint64, slot uint32) bool { return joined>>(slot%joinedSlots)&1 != 0 }

// Idle reports that no signal is needed: nobody sleeps and nobody asked for fences. It is the one
// load that a signaller's fast path pays.
func (e *Event) Idle() bool { return e.mark.Load() == 0 }

// Fenced reports that a waiter asked signallers to fence.
func (e *Event) Fenced() bool { return e.mark.Load()&markFence != 0 }

// Asleep reports whether somebody may be asleep.
func (e *Event) Asleep() bool { return e.mark.Load()&markAsleep != 0 }

// Signal wakes one waiter, if there may be any. The condition must be true before.
func (e *Event) Signal() {
	if e.mark.Load()&markAsleep != 0 {
		e.wake(1)
	}
}

// Broadcast wakes every waiter, if there may be any. The condition must be true before.
func (e *Event) Broadcast() {
	if e.mark.Load()&markAsleep != 0 {
		e.wake(All)
	}
}

// Rouse makes every waiter look again, whether marked or not: after a death, or a close.
func (e *Event) Rouse() { e.wake(All) }

func (e *Event) wake(n int) {
	e.mark.And(^uint32(markAsleep))
	e.move(n)
}

func (e *Event) move(n int) {
	e.seq.Add(1)
	Wake(&e.seq, n)
}

// Pass restores the mark on behalf of others: a waiter that slept, and that Signal may have woken
// alone, calls it when it leaves with what it waited for.
func (e *Event) Pass() { e.mark.Or(markAsleep) }

// PassOn is for a waiter that leaves without what it waited for: a wake that it consumed goes to
// another one.
func (e *Event) PassOn() { e.wake(1) }
