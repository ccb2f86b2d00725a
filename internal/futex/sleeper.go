package futex

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/kindred-ipc/kindred/internal/word"
)

// Sleeper is one goroutine's place in the kernel, which any other goroutine of the process can
// empty with Poke. It is made by NewSleeper and given back by Free.
//
//	poked   who sets it                      who clears it
//	0       NewSleeper, Clear                -
//	1       Poke (any goroutine)             Clear (the sleeping goroutine, before it looks again)
//
// A poke that comes before the sleep is not lost: the word then no longer holds 0, and the kernel
// does not put the thread to sleep.
type Sleeper struct {
	poked atomic.Uint32

	// mu guards word, by which Poke reaches a sleeper that has no private word in the kernel.
	mu   sync.Mutex
	word *atomic.Uint32
}

// Sleepers are kept for reuse because the kernel reads their word: it must be heap memory of its
// own, and a new one for each sleep would be garbage at the rate of the sleeps.
var sleepers = sync.Pool{New: func() any { return new(Sleeper) }}

// NewSleeper returns a Sleeper that was not poked.
func NewSleeper() *Sleeper {
	s := sleepers.Get().(*Sleeper)
	s.poked.Store(0)
	return s
}

// Free gives s back. A poke that comes late makes its next user look once more, no worse.
func (s *Sleeper) Free() { sleepers.Put(s) }

// Clear forgets the pokes so far. Whatever a poke was about must be looked at after Clear.
func (s *Sleeper) Clear() { s.poked.Store(0) }

// Sleep waits while *w holds val, for at most d (negative: without end), or until poked.
func (s *Sleeper) Sleep(w *word.Uint32, val uint32, d time.Duration) Outcome {
	if s.poked.Load() != 0 {
		return Poked
	}
	if word.Modelled {
		if m := word.Current(); m != nil {
			return Outcome(m.Sleep(w, val, &s.poked, d))
		}
	}
	var out Outcome
	if vectored() {
		out = waitPair(word.Plain(w), val, &s.poked, d)
	} else {
		out = s.sleepAlone(w, val, d)
	}
	if s.poked.Load() != 0 {
		return Poked
	}
	return out
}

// pokeSlice bounds a sleep where Poke can only wake the shared word: a poke that falls between the
// last look at s.poked and the kernel's look at the word is noticed after it.
const pokeSlice = 10 * time.Millisecond

func (s *Sleeper) sleepAlone(w *word.Uint32, val uint32, d time.Duration) Outcome {
	plain := word.Plain(w)
	s.mu.Lock()
	s.word = plain
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.word = nil
		s.mu.Unlock()
	}()
	for {
		slice := pokeSlice
		if d >= 0 && d < slice {
			slice = d
		}
		if s.poked.Load() != 0 {
			return Poked
		}
		out := wait(plain, val, slice)
		if out != TimedOut {
			return out
		}
		if d >= 0 {
			if d -= slice; d <= 0 {
				return TimedOut
			}
		}
	}
}

// Poke ends the sleep under way, or the next one. Any goroutine of this process may call it.
func (s *Sleeper) Poke() {
	s.poked.Store(1)
	if word.Modelled {
		if m := word.Current(); m != nil {
			m.Poke(&s.poked)
			return
		}
	}
	if vectored() {
		wakePrivate(&s.poked)
		return
	}
	s.mu.Lock()
	if s.word != nil {
		wake(s.word, All)
	}
	s.mu.Unlock()
}
