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
	mark word.Uint32 // markAsleep, markFence, markFolded
	// hub names those who may be woken here, or may hold what others wait for: a bit for each slot
	// number modulo JoinedSlots, and above them how often somebody joined.
	hub word.Uint64
}

// JoinedSlots is how many of the hub's bits name participants.
const JoinedSlots = 48

const (
	// markAsleep: somebody may be asleep on seq. Set by waiters, cleared by signallers. Without it a signal takes no
	// system call.
	markAsleep = 1 << iota
	// markFence: a waiter that has no membarrier asks signallers to fence. Never cleared.
	markFence
	// markFolded: some who wait sleep by the doorbells of their participants. Set by them, and cleared together
	// with markAsleep.
	markFolded

	markWaits = markAsleep | markFolded
)

// Word is what a waiter sleeps on, with the sequence that Announce returned.
func (e *Event) Word() *word.Uint32 { return &e.seq }

// Announce marks the caller as a waiter and returns the sequence to sleep on. The caller looks at
// its condition once more before it sleeps. Nobody sleeps on 0: that is what Close maps over the word,
// and one who comes to sleep behind it must not find what he expects.
func (e *Event) Announce() uint32 { return e.announce(markAsleep) }

// AnnounceFolded is Announce for a waiter that sleeps by the doorbell of its participant, which has
// joined. Instead of a sleep that compares, there is a look that does not come before the waiter can be
// found there (Stands).
func (e *Event) AnnounceFolded() uint32 { return e.announce(markFolded) }

func (e *Event) announce(mark uint32) uint32 {
	s := e.seq.Load()
	if s == 0 {
		s = e.seq.Add(1)
	}
	e.mark.Or(mark) // a full fence: pairs with the signaller's load of mark
	return s
}

// Moved reports whether there was a signal since Announce returned that sequence.
func (e *Event) Moved(seq uint32) bool { return e.seq.Load() != seq }

// Stands reports whether what AnnounceFolded left is there still. If it is not, there was a signal, or
// there is one whose doorbells have not been rung, and perhaps never will be.
func (e *Event) Stands(seq uint32) bool {
	return e.seq.Load() == seq && e.mark.Load()&markFolded != 0
}

// Demand asks every signaller for a fence, from its next signal on and for ever.
func (e *Event) Demand() { e.mark.Or(markFence) }

// Join names the participant of that slot as one of those who meet here. It comes before anything else
// that the participant does here; whoever sleeps looks again, and finds that there is another one. It
// reports, as the signals do, whether doorbells are to be rung.
func (e *Event) Join(slot uint32) (folded bool) {
	for {
		old := e.hub.Load()
		if e.hub.CompareAndSwap(old, (old+1<<JoinedSlots)|1<<(slot%JoinedSlots)) {
			break
		}
	}
	mark := e.mark.Load() // comes after the swap, as the look at the hub comes after Announce
	if mark&markWaits != 0 {
		// The mark stays: whoever takes it away and dies before the wake leaves sleepers behind whom
		// nobody wakes, unless they listen for his death; and for this one they do not listen yet.
		e.move(All)
	}
	return mark&markFolded != 0
}

// Joined is a word that changes with every Join.
func (e *Event) Joined() uint64 { return e.hub.Load() }

// HasJoined reports whether that value of Joined may name the slot.
func HasJoined(joined uint64, slot uint32) bool { return joined>>(slot%JoinedSlots)&1 != 0 }

// Idle reports that no signal is needed: nobody sleeps and nobody asked for fences. It is the one
// load that a signaller's fast path pays.
func (e *Event) Idle() bool { return e.mark.Load() == 0 }

// Mark is 0 if Idle.
func (e *Event) Mark() uint32 { return e.mark.Load() }

// Fenced reports that a waiter asked signallers to fence.
func (e *Event) Fenced() bool { return e.mark.Load()&markFence != 0 }

// Asleep reports whether somebody may be asleep.
func (e *Event) Asleep() bool { return e.mark.Load()&markWaits != 0 }

// Signal wakes one waiter, if there may be any. The condition must be true before. It reports whether
// waiters are folded, as Broadcast, Rouse and PassOn do: the caller then rings the doorbells of all
// participants that have joined.
func (e *Event) Signal() (folded bool) { return e.signal(1) }

// Broadcast wakes every waiter, if there may be any. The condition must be true before.
func (e *Event) Broadcast() (folded bool) { return e.signal(All) }

// Rouse makes every waiter look again, whether marked or not: after a death, or a close.
func (e *Event) Rouse() (folded bool) { return e.wake(All) }

// signal is for those who are marked. One who marks himself asleep behind the swap looks at the condition behind it. The signaller may have made that
// true by a plain store: where fences are asked for, it is seen by whoever comes to sleep behind the look here.
func (e *Event) signal(n int) (folded bool) {
	mark := e.mark.Load()
	if mark == markFence {
		mark = e.mark.Or(0) // a full fence
	}
	if mark&markWaits == 0 {
		return false
	}
	mark = e.mark.And(^uint32(markWaits))
	e.seq.Add(1)
	if mark&markAsleep != 0 {
		Wake(&e.seq, n)
	}
	return mark&markFolded != 0
}

// wake is for those, too, whose mark was taken away by one who died before he woke them.
func (e *Event) wake(n int) (folded bool) {
	mark := e.mark.And(^uint32(markWaits))
	e.move(n)
	return mark&markFolded != 0
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
func (e *Event) PassOn() (folded bool) { return e.wake(1) }

// A doorbell is the Event of one participant, on which one thread sleeps for all waits that it has folded.
// Its hub word says which of them may have to look: each signaller sets the bit of its event, and then
// wakes the thread if it is marked. The mark is the thread's alone: no signaller takes it away, so one who
// dies or is stopped on the way keeps no other's ring from being heard.
//
//	the thread                            signaller (the sequence of the event has moved)
//	s := d.Announce()                     d.Ring(bit):   set the bit
//	d.Rung(): take the bits, look             mark set? then seq++, wake
//	sleep while seq is s
//	d.Recede(): take the mark away

// Ring has the thread that sleeps on the doorbell look at the waits with these bits.
func (e *Event) Ring(bits uint64) {
	e.hub.Or(bits) // a full fence: pairs with Announce, before Rung
	if e.Asleep() {
		e.move(1)
	}
}

// Rang reports whether there are bits that Rung would take.
func (e *Event) Rang() bool { return e.hub.Load() != 0 }

// Rung takes the bits that were set by Ring.
func (e *Event) Rung() uint64 { return e.hub.Swap(0) }

// Recede takes the mark of the only one who sleeps here away.
func (e *Event) Recede() { e.mark.And(^uint32(markAsleep)) }
