//go:build interleave && (linux || darwin)

package locks_test

import (
	"context"
	"errors"
	"testing"

	"github.com/kindred-ipc/kindred/internal/interleave"
	"github.com/kindred-ipc/kindred/sync"
)

// flag is a scenario of processes that set an event, clear it again (of those who may die, all of them), and set it, and
// of one that waits for it.
func flag(name string, setters int, s interleave.Scenario) interleave.Scenario {
	s.Name = name
	s.Setup = func(w *interleave.World) {
		const begun = 0 // how often it was about to be set
		w.Ghost = make([]uint64, 1)
		waiter := w.Process("waiter")
		var event *sync.Event
		waiter.Do(func() {
			var err error
			event, err = sync.NewEvent(waiter.Shm)
			waiter.NoError(err)
		})
		for i := range setters {
			p := w.Process(string(rune('a' + i)))
			p.Mortal = i < s.Deaths
			var e *sync.Event
			p.Do(func() {
				var err error
				e, err = sync.EventFrom(p.Shm, event.Ref())
				p.NoError(err)
			})
			p.Run(func() {
				w.Ghost[begun]++
				p.NoError(e.Set())
				if i == 0 && setters > 1 {
					return
				}
				p.Rest(1)
				p.NoError(e.Clear())
				p.Rest(2)
				w.Ghost[begun]++
				p.NoError(e.Set())
			})
		}
		waiter.Run(func() {
			waiter.NoError(event.Wait(context.Background()))
			waiter.Check(w.Ghost[begun] > 0, "it was not set")
		})
		w.Finally(func(auditor *interleave.Process) {
			e, err := sync.EventFrom(auditor.Shm, event.Ref())
			auditor.NoError(err)
			auditor.Check(e.IsSet(), "it is not set")
		})
	}
	return s
}

// Whoever waits goes on though it is cleared before he looks.
func TestEventLetsWaitersGoOn(t *testing.T) {
	interleave.Exhaust(t, flag("it is set, cleared, and set", 1, interleave.Scenario{}))
	interleave.Exhaust(t, flag("in the finest steps", 1, interleave.Scenario{Fine: true}))
	interleave.Try(t, flag("one who sets it may die", 2, interleave.Scenario{Deaths: 1}), 5_000)
	interleave.Loses(t, flag("a wake is lost", 1, interleave.Scenario{Lose: interleave.NoWake}))
}

// doers are processes that all want something done once.
func doers(name string, n int, s interleave.Scenario) interleave.Scenario {
	s.Name = name
	s.Setup = func(w *interleave.World) {
		const doing, done = 0, 1 // who does it, plus one; and how often it was done
		w.Ghost = make([]uint64, 2)
		var who []*interleave.Process
		var first *sync.Once
		for i := range n {
			p := w.Process(string(rune('a' + i)))
			p.Mortal = i < s.Deaths
			who = append(who, p)
			var once *sync.Once
			p.Do(func() {
				var err error
				if first == nil {
					first, err = sync.NewOnce(p.Shm)
					once = first
				} else {
					once, err = sync.OnceFrom(p.Shm, first.Ref())
				}
				p.NoError(err)
			})
			p.Run(func() {
				p.NoError(once.Do(context.Background(), func() error {
					other := w.Ghost[doing]
					p.Check(other == 0 || who[max(other, 1)-1].Dead(), "two do it")
					w.Ghost[doing] = uint64(i) + 1
					p.Check(!once.Done(), "it is done already") // and a step, at which others may come
					w.Ghost[doing] = 0
					w.Ghost[done]++
					return nil
				}))
				p.Check(w.Ghost[done] > 0, "it is not done")
			})
		}
		w.Finally(func(auditor *interleave.Process) {
			dead := 0
			for _, p := range who {
				if p.Dead() {
					dead++
				}
			}
			times := w.Ghost[done]
			auditor.Check(1 <= times && times <= uint64(1+dead), "it was done %d times", times)
		})
	}
	return s
}

func TestOnceIsDoneOnce(t *testing.T) {
	interleave.Exhaust(t, doers("two processes", 2, interleave.Scenario{}))
	interleave.Exhaust(t, doers("two processes, one may die", 2, interleave.Scenario{Deaths: 1}))
	interleave.Try(t, doers("three processes, two may die", 3, interleave.Scenario{Deaths: 2}), 2_000)
	interleave.Loses(t, doers("a wake is lost", 2, interleave.Scenario{Lose: interleave.NoWake}))
}

// nested are processes that lock an RMutex twice each.
func nested(name string, s interleave.Scenario) interleave.Scenario {
	s.Name = name
	s.Setup = func(w *interleave.World) {
		w.Ghost = make([]uint64, 1) // who has it, plus one
		var who []*interleave.Process
		var first *sync.RMutex
		for i := range 2 {
			p := w.Process(string(rune('a' + i)))
			p.Mortal = i < s.Deaths
			who = append(who, p)
			var m *sync.RMutex
			p.Do(func() {
				var err error
				if first == nil {
					first, err = sync.NewRMutex(p.Shm)
					m = first
				} else {
					m, err = sync.RMutexFrom(p.Shm, first.Ref())
				}
				p.NoError(err)
			})
			p.Run(func() {
				hold, err := m.Lock(context.Background())
				died := errors.Is(err, sync.ErrOwnerDied)
				if !died {
					p.NoError(err)
				}
				other := w.Ghost[0]
				p.Check(other == 0 || died && who[max(other, 1)-1].Dead(), "two have it")
				w.Ghost[0] = uint64(i) + 1
				if died {
					p.NoError(hold.MarkConsistent())
				}
				p.NoError(hold.Lock(context.Background()))
				p.NoError(hold.Unlock())
				_, held := m.Owner() // a step
				p.Check(held && hold.Depth() == 1, "it was given up too early")
				w.Ghost[0] = 0
				p.NoError(hold.Unlock())
			})
		}
	}
	return s
}

func TestRMutexExcludes(t *testing.T) {
	interleave.Exhaust(t, nested("two processes", interleave.Scenario{}))
	interleave.Exhaust(t, nested("two processes, one may die", interleave.Scenario{Deaths: 1}))
}
