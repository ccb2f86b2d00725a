package futex

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/kindred-ipc/kindred/internal/word"
)

// Sleeper is one goroutine's place in the kernel, which any other goroutine of the process can
// empty with Poke. Its zero value is ready.
//
//	state      who sets it                                    who clears it
//	poked      Poke, Mark (any goroutine)                     Clear (the sleeping goroutine, before it looks again)
//	asleep     Sleep, unless it is poked                      Sleep, when nobody is poking
//	poking     Poke, of who is asleep                         Poke, when it has moved the word
//
// A poke of who is asleep moves the shared word that the sleeper sleeps on, as a signal does, and wakes this process's
// sleepers alone. So a poke that comes before the sleep is not lost: it came before asleep was set,
// and then Sleep finds poked set; or after it, and then the kernel does not put the thread to sleep. And nobody
// moves the word when Sleep has returned: what it lies in may be destroyed then, and be somebody else's. To
// sleep on a private word as well (futex_waitv) would spare others, who are about to sleep on the same
// word, one more look, and cost every sleep 0.2 to 0.4 µs; a poke is the end of a context, a death or a
// Close.
//
// A sleeper never sleeps on the value 0: what comes too late, behind Close, finds zeros mapped over the
// word (see Event.Announce).
type Sleeper struct {
	state   atomic.Uint32
	sleeps  uint          // the goroutine alone uses this, and what follows
	came    time.Duration // when it last looked at the clock, since started
	yielded time.Duration // when it last let others go first
}

const (
	poked = 1 << iota
	asleep
	poking
)

// started is when the package's clock began.
var started = time.Now()

// A goroutine that sleeps in system calls of microseconds, one behind the other, keeps its processor and is never scheduled. After 10 ms
// Go's monitor takes it for one that runs too long, and takes the processor from under the call; the goroutine finds another one, which looks to
// the monitor as if it had run there for long, too; and so on, with a look every 20 µs, each of which costs a
// timer of the kernel's and two switches of threads. (In a virtual machine, where that is 50 µs, a round trip of two sleepers takes
// 1.4 to 2.1 times what it takes in C then.) So it goes through the scheduler before that. One that sleeps for longer does not: from it
// the monitor takes the processor at its first look, and has its peace, and it would look for 10 ms if it had been scheduled.
// The clock costs as much as many other things before a sleep, so it is looked at now and then.
const (
	sleepsPerLook = 16
	shortSleeps   = 4 * time.Millisecond // so many sleeps are short if together they take less
	yieldEvery    = 4 * time.Millisecond
)

// yield lets others go first if that was long ago, and sleeps are short.
func (s *Sleeper) yield() {
	if s.sleeps++; s.sleeps%sleepsPerLook != 0 {
		return
	}
	now := time.Since(started)
	short := now-s.came < shortSleeps
	s.came = now
	if short && now-s.yielded > yieldEvery {
		s.yielded = now
		runtime.Gosched()
	}
}

// Clear forgets the pokes so far. Whatever a poke was about must be looked at after Clear, and the word
// that is slept on sampled after it.
func (s *Sleeper) Clear() {
	if s.state.Load() != 0 { // mostly there is none, and a store costs a fence
		s.state.Store(0)
	}
}

// Mark is a poke of one who does not sleep in the kernel.
func (s *Sleeper) Mark() { s.state.Or(poked) }

// Poked reports whether s was poked since Clear.
func (s *Sleeper) Poked() bool { return s.state.Load()&poked != 0 }

// Sleep waits while *w holds val, for at most d (negative: without end), or until poked.
func (s *Sleeper) Sleep(w *word.Uint32, val uint32, d time.Duration) Outcome {
	if s.Poked() {
		return Poked
	}
	if word.Modelled {
		if m := word.Current(); m != nil {
			return Outcome(m.Sleep(w, val, &s.state, d))
		}
	}
	s.yield()
	if !s.state.CompareAndSwap(0, asleep) {
		return Poked
	}
	out := wait(word.Plain(w), val, d)
	if s.state.CompareAndSwap(asleep, 0) {
		return out
	}
	for !s.state.CompareAndSwap(poked|asleep, poked) { // somebody is poking, for as long as an addition takes
		runtime.Gosched()
	}
	return Poked
}

// Poke ends the sleep on w that is under way, or the next one. Any goroutine of this process may call it.
func (s *Sleeper) Poke(w *word.Uint32) {
	s.Mark()
	if word.Modelled {
		if m := word.Current(); m != nil {
			m.Poke(&s.state) // the model's sleepers have a private word
			return
		}
	}
	if s.state.CompareAndSwap(poked|asleep, poked|asleep|poking) {
		w.Add(1)
		s.state.And(^uint32(poking))
		wakeOwn(word.Plain(w))
	}
}
