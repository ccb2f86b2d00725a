//go:build interleave && (linux || darwin)

package locks_test

import (
	"context"
	"errors"
	"testing"

	"github.com/kindred-ipc/kindred/internal/interleave"
	"github.com/kindred-ipc/kindred/sync"
)

// work is a scenario of one who answers for two units of work, and of another one that takes one of them over, does it,
// and may die anywhere. The first does what is left, and waits.
func work(name string, s interleave.Scenario) interleave.Scenario {
	s.Name = name
	s.Setup = func(w *interleave.World) {
		const done = 0 // by the worker
		w.Ghost = make([]uint64, 1)
		parent, worker := w.Process("parent"), w.Process("worker")
		worker.Mortal = s.Deaths > 0
		var group, its *sync.WaitGroup
		parent.Do(func() {
			var err error
			group, err = sync.NewWaitGroup(parent.Shm)
			parent.NoError(err)
			parent.NoError(group.Add(2))
		})
		worker.Do(func() {
			var err error
			its, err = sync.WaitGroupFrom(worker.Shm, group.Ref())
			worker.NoError(err)
			worker.NoError(its.Add(1)) // it has a row from now on
			worker.NoError(its.Done())
		})
		worker.Run(func() {
			err := its.Take(context.Background(), 1)
			if errors.Is(err, sync.ErrCount) {
				return // the parent has done both
			}
			worker.NoError(err)
			w.Ghost[done] = 1
			if err := its.Done(); !errors.Is(err, sync.ErrCount) { // the parent has done this one, too
				worker.NoError(err)
			}
		})
		parent.Run(func() {
			for i := range 2 {
				parent.Rest(uint64(i))
				err := group.Done()
				if i == 0 || !errors.Is(err, sync.ErrCount) {
					parent.NoError(err)
				}
				if err != nil {
					parent.Check(w.Ghost[done] != 0 || worker.Dead(), "there is no work, and nobody did it: %v", err)
				}
			}
			parent.Rest(2)
			err := group.Wait(context.Background())
			if errors.Is(err, sync.ErrOwnerDied) {
				parent.Check(worker.Dead(), "is told of a death, and nobody died")
				err = nil
			}
			parent.NoError(err)
			parent.Check(group.Count() == 0, "there is work left")
		})
	}
	return s
}

// heirs is a scenario of one who has taken all work over, may die, and does it, and of those who wait for that: one of
// them is told of the death.
func heirs(name string, waiters int, s interleave.Scenario) interleave.Scenario {
	s.Name = name
	s.Setup = func(w *interleave.World) {
		const done, told = 0, 1
		w.Ghost = make([]uint64, 2)
		worker := w.Process("worker")
		worker.Mortal = s.Deaths > 0
		var its *sync.WaitGroup
		worker.Do(func() {
			var err error
			its, err = sync.NewWaitGroup(worker.Shm)
			worker.NoError(err)
			worker.NoError(its.Add(1))
		})
		worker.Run(func() {
			w.Ghost[done] = 1
			worker.NoError(its.Done())
		})
		for i := range waiters {
			p := w.Process(string(rune('a' + i)))
			var group *sync.WaitGroup
			p.Do(func() {
				var err error
				group, err = sync.WaitGroupFrom(p.Shm, its.Ref())
				p.NoError(err)
			})
			p.Run(func() {
				err := group.Wait(context.Background())
				if errors.Is(err, sync.ErrOwnerDied) {
					w.Ghost[told]++
					p.Check(worker.Dead() && w.Ghost[told] == 1, "is told of a death, once more than it should be")
					return
				}
				p.NoError(err)
				p.Check(w.Ghost[done] != 0 || w.Ghost[told] != 0 || waiters > 1, "the work is not done")
			})
		}
		w.Finally(func(auditor *interleave.Process) {
			auditor.Check(w.Ghost[done] != 0 || w.Ghost[told] == 1, "nobody was told")
		})
	}
	return s
}

func TestWaitGroupWaitsForAllWork(t *testing.T) {
	interleave.Try(t, work("one takes work over", interleave.Scenario{}), 2_000)
	interleave.Try(t, work("one takes work over, and may die", interleave.Scenario{Deaths: 1}), 5_000)
	interleave.Exhaust(t, heirs("one waits", 1, interleave.Scenario{}))
	interleave.Exhaust(t, heirs("one waits for one who may die", 1, interleave.Scenario{Deaths: 1}))
	interleave.Try(t, heirs("two wait for one who may die", 2, interleave.Scenario{Deaths: 1}), 2_000)
}

func TestWaitGroupNeedsItsWakes(t *testing.T) {
	interleave.Loses(t, heirs("a wake is lost", 1, interleave.Scenario{Lose: interleave.NoWake}))
}
