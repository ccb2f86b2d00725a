//go:build interleave && (linux || darwin)

package locks_test

import (
	"context"
	"testing"

	"github.com/kindred-ipc/kindred/internal/interleave"
	"github.com/kindred-ipc/kindred/sync"
)

// permits is a scenario of n processes that each take and give back some permits of all, one after
// the other. What the dead had is lost, and nothing else is.
func permits(name string, all int64, wants []int64, times int, s interleave.Scenario) interleave.Scenario {
	s.Name = name
	s.Setup = func(w *interleave.World) {
		const taken = 0
		w.Ghost = make([]uint64, 1)
		var who []*interleave.Process
		var first *sync.Semaphore
		for i, n := range wants {
			p := w.Process(string(rune('a' + i)))
			p.Mortal = s.Deaths > 0
			who = append(who, p)
			var sem *sync.Semaphore
			p.Do(func() {
				var err error
				if first == nil {
					first, err = sync.NewSemaphore(p.Shm, all)
					sem = first
				} else {
					sem, err = sync.SemaphoreFrom(p.Shm, first.Ref())
				}
				p.NoError(err)
			})
			p.Run(func() {
				for round := range times {
					p.Rest(uint64(round))
					p.NoError(sem.Acquire(context.Background(), n))
					w.Ghost[taken] += uint64(n)
					p.Check(w.Ghost[taken] <= uint64(all), "%d permits of %d are taken", w.Ghost[taken], all)
					w.Ghost[taken] -= uint64(n)
					p.NoError(sem.Release(n))
				}
			})
		}
		w.Finally(func(auditor *interleave.Process) {
			least := all
			for i, p := range who {
				if p.Dead() {
					least -= wants[i]
				}
			}
			sem, err := sync.SemaphoreFrom(auditor.Shm, first.Ref())
			auditor.NoError(err)
			v := sem.Value()
			auditor.Check(least <= v && v <= all, "%d permits are left, and should be from %d to %d", v, least, all)
		})
	}
	return s
}

func TestSemaphoreCountsAndWakes(t *testing.T) {
	interleave.Exhaust(t, permits("one permit, two processes", 1, []int64{1, 1}, 2, interleave.Scenario{}))
	interleave.Exhaust(t, permits("one permit, in the finest steps", 1, []int64{1, 1}, 1, interleave.Scenario{Fine: true}))
	interleave.Exhaust(t, permits("two permits, who wants one and who wants both", 2, []int64{1, 2}, 2, interleave.Scenario{}))
}

func TestSemaphoreLosesThePermitsOfTheDeadAlone(t *testing.T) {
	s := interleave.Scenario{Deaths: 1}
	interleave.Exhaust(t, permits("two permits, two processes, one may die", 2, []int64{1, 1}, 2, s))
	interleave.Try(t, permits("two permits, three processes, one may die", 2, []int64{1, 1, 1}, 1, s), 10_000)
}

// borrowers are processes that each take and give back permits of a semaphore that knows who has them: those of
// the dead come back, each once.
func borrowers(name string, all int64, wants []int64, times int, s interleave.Scenario) interleave.Scenario {
	s.Name = name
	s.Setup = func(w *interleave.World) {
		w.Ghost = make([]uint64, len(wants)) // how many each has
		var who []*interleave.Process
		var first *sync.Semaphore
		for i, n := range wants {
			p := w.Process(string(rune('a' + i)))
			p.Mortal = i < s.Deaths
			who = append(who, p)
			var sem *sync.Semaphore
			p.Do(func() {
				var err error
				if first == nil {
					first, err = sync.NewSemaphore(p.Shm, all, sync.Tracked())
					sem = first
				} else {
					sem, err = sync.SemaphoreFrom(p.Shm, first.Ref())
				}
				p.NoError(err)
				p.NoError(sem.Acquire(context.Background(), n)) // it has a row from now on
				p.NoError(sem.Release(n))
			})
			p.Run(func() {
				for round := range times {
					p.Rest(uint64(round))
					p.NoError(sem.Acquire(context.Background(), n))
					w.Ghost[i] = uint64(n)
					taken := uint64(0)
					for j, q := range who {
						if !q.Dead() {
							taken += w.Ghost[j]
						}
					}
					p.Check(taken <= uint64(all), "%d permits of %d are taken", taken, all)
					w.Ghost[i] = 0
					p.NoError(sem.Release(n))
				}
			})
		}
		w.Finally(func(auditor *interleave.Process) {
			sem, err := sync.SemaphoreFrom(auditor.Shm, first.Ref())
			auditor.NoError(err)
			got, err := sem.TryAcquire(all)
			auditor.Check(got, "not all permits came back: %v", err)
			got, err = sem.TryAcquire(1)
			auditor.Check(!got, "more permits came back: %v", err)
		})
	}
	return s
}

func TestTrackedPermitsOfTheDeadComeBack(t *testing.T) {
	one, two := interleave.Scenario{Deaths: 1}, interleave.Scenario{Deaths: 2}
	interleave.Exhaust(t, borrowers("one permit, two processes", 1, []int64{1, 1}, 1, interleave.Scenario{}))
	interleave.Try(t, borrowers("one permit, two processes, one may die", 1, []int64{1, 1}, 1, one), 5_000)
	interleave.Try(t, borrowers("two permits, three processes, two may die", 2, []int64{1, 2, 1}, 2, two), 2_000)
}

func TestTrackedPermitsNeedTheirWakes(t *testing.T) {
	interleave.Loses(t, borrowers("a wake is lost", 1, []int64{1, 1}, 1, interleave.Scenario{Lose: interleave.NoWake}))
}

func TestSemaphoreNeedsItsWakes(t *testing.T) {
	interleave.Loses(t, permits("a wake is lost", 1, []int64{1, 1}, 1, interleave.Scenario{Lose: interleave.NoWake}))
}

func TestSemaphoreOfMany(t *testing.T) {
	interleave.Try(t, permits("four processes, five permits", 5, []int64{1, 2, 3, 1}, 3, interleave.Scenario{}), 10_000)
}
