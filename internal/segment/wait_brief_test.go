package segment

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/futex"
)

// sleeper is a waiter that sleeps in the kernel.
func sleeper(t *testing.T) (*Segment, *waiter) {
	s, p := point(t, Shared)
	w := p.line()
	s.seat(w, false)
	require.GreaterOrEqual(t, w.place, 0)
	t.Cleanup(func() {
		s.rise(w)
		p.leave(w)
	})
	return s, w
}

// sleepOn is a brief sleep.
func sleepOn(s *Segment, w *waiter, seq uint32) futex.Outcome {
	return w.woke(w.sleeper.Sleep(w.event.Word(), seq, s.timer(w, attendantTick)))
}

// Each of these sleeps lasts for a tick, so there are never many in one.
func TestFewBriefSleepsHaveNoAttendant(t *testing.T) {
	s, w := sleeper(t)
	for range 5 * manyBriefs {
		out := sleepOn(s, w, w.announce())
		require.Contains(t, []futex.Outcome{futex.TimedOut, futex.Woken}, out, "a signal may end one early")
		require.False(t, s.attending.Load())
	}
}

func TestManyBriefSleepsHaveAnAttendantForAsLongAsThereAreMany(t *testing.T) {
	s, w := sleeper(t)
	until(t, func() bool {
		for range 2 * manyBriefs {
			out := sleepOn(s, w, w.announce()+1)
			require.Contains(t, []futex.Outcome{futex.Changed, futex.Woken, futex.Poked, futex.TimedOut}, out)
		}
		return s.attending.Load()
	})
	until(t, func() bool { // though somebody sleeps whenever it looks
		w.sleeper.Clear()
		out := sleepOn(s, w, w.announce()) // it ends, by the attendant or by the sleeper's own timer
		require.Contains(t, []futex.Outcome{futex.TimedOut, futex.Woken}, out)
		return !s.attending.Load()
	})
}
