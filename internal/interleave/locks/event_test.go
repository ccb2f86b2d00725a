//go:build interleave && (linux || darwin)

package locks_test

import (
	"context"
	"testing"

	"github.com/kindred-ipc/kindred/internal/futex"
	"github.com/kindred-ipc/kindred/internal/interleave"
	"github.com/kindred-ipc/kindred/internal/segment"
)

// signals is a scenario of one process that counts a word up, as one end of a ring does it, and of
// another one that waits for each step. The word is published with a plain store where that may be.
func signals(name string, n uint64, s interleave.Scenario) interleave.Scenario {
	s.Name = name
	s.Buffers = 2
	s.Setup = func(w *interleave.World) {
		signaller, waiter := w.Process("signaller"), w.Process("waiter")
		count := signaller.Words(1)
		event, off := signaller.Event()
		var point *segment.Point
		signaller.Do(func() { point = signaller.Segment.Point(off, segment.Shared) })
		signaller.Run(func() {
			for v := uint64(1); v <= n; v++ {
				signaller.Rest(v)
				if futex.Plain(event) {
					futex.Publish(&count[0], v)
				} else {
					count[0].Store(v)
				}
				if !event.Idle() {
					point.Broadcast()
				}
			}
		})
		waiter.Run(func() {
			point := waiter.Segment.Point(off, segment.Shared)
			for v := uint64(1); v <= n; v++ {
				waiter.Rest(v)
				waiter.NoError(point.Wait(context.Background(), segment.Wait{
					Try:        func() bool { return count[0].Load() >= v },
					Asymmetric: futex.Owing,
				}))
			}
		})
	}
	return s
}

// No safety net anywhere: a wake-up that is lost would be a deadlock.
func TestEventLosesNoWakeUp(t *testing.T) {
	interleave.Exhaust(t, signals("with membarrier", 3, interleave.Scenario{}))
	interleave.Exhaust(t, signals("with membarrier, in the finest steps", 2, interleave.Scenario{Fine: true}))
	interleave.Exhaust(t, signals("with membarrier, registered late", 3, interleave.Scenario{Late: true}))
	interleave.Exhaust(t, signals("without membarrier", 3, interleave.Scenario{Demand: true}))
}

func TestEventLosesNoWakeUpOfOneWhoIsFolded(t *testing.T) {
	const waiter = 2
	interleave.Exhaust(t, signals("folded, with membarrier", 2, interleave.Scenario{Folded: waiter}))
	interleave.Exhaust(t, signals("folded, without membarrier", 1, interleave.Scenario{Folded: waiter, Demand: true}))
	interleave.Loses(t, signals("folded, membarrier does nothing", 1,
		interleave.Scenario{Folded: waiter, Lose: interleave.NoBarrier}))
	interleave.Loses(t, signals("folded, a wake is lost", 1,
		interleave.Scenario{Folded: waiter, Lose: interleave.NoWake}))
}

func TestEventNeedsItsFence(t *testing.T) {
	interleave.Loses(t, signals("membarrier does nothing", 1, interleave.Scenario{Lose: interleave.NoBarrier}))
	interleave.Loses(t, signals("a wake is lost", 1, interleave.Scenario{Lose: interleave.NoWake}))
}
