//go:build interleave && (linux || darwin)

package mutexes_test

import (
	"context"
	"errors"
	"testing"

	"github.com/kindred-ipc/kindred/internal/interleave"
	"github.com/kindred-ipc/kindred/internal/word"
	"github.com/kindred-ipc/kindred/sync"
)

// guarded is a counter behind a Mutex, and who is with it.
type guarded struct {
	w       *interleave.World
	who     []*interleave.Process
	mu      []*sync.Mutex
	counter []word.Uint64
}

const (
	inside = iota // who holds the lock by his own account, plus one
	handed        // how often it was taken from a dead holder
	ghosts
)

// contenders are n processes that each take the lock some times.
func contenders(w *interleave.World, n, times int, mortal bool) *guarded {
	g := &guarded{w: w}
	w.Ghost = make([]uint64, ghosts)
	for i := range n {
		p := w.Process(string(rune('a' + i)))
		g.who = append(g.who, p)
		p.Mortal = mortal
		p.Do(func() {
			var mu *sync.Mutex
			var err error
			if i == 0 {
				g.counter = p.Words(1)
				mu, err = sync.NewMutex(p.Shm)
			} else {
				mu, err = sync.MutexFrom(p.Shm, g.mu[0].Ref())
			}
			p.NoError(err)
			g.mu = append(g.mu, mu)
		})
		p.Run(func() {
			for round := range times {
				p.Rest(uint64(round))
				g.increment(i)
			}
		})
	}
	return g
}

// increment takes the lock, whoever died with it, and changes what it guards in two steps.
func (g *guarded) increment(i int) {
	p, mu, ghost := g.who[i], g.mu[i], g.w.Ghost
	err := mu.Lock(context.Background())
	died := errors.Is(err, sync.ErrOwnerDied)
	if !died {
		p.NoError(err)
	}
	if holder := ghost[inside]; holder != 0 {
		p.Check(g.who[holder-1].Dead(), "got the lock while %s had it", string(rune('a'+holder-1)))
		p.Check(died, "got the lock of a dead holder, and was not told")
	}
	if died {
		p.Check(g.dead() > 0, "is told of a death, and nobody died")
		ghost[handed]++
	}
	ghost[inside] = uint64(i) + 1
	g.counter[0].Store(g.counter[0].Load() + 1)
	if died {
		p.NoError(mu.MarkConsistent())
	}
	ghost[inside] = 0
	p.NoError(mu.Unlock())
}

func (g *guarded) dead() (n int) {
	for _, p := range g.who {
		if p.Dead() {
			n++
		}
	}
	return n
}

// settled holds at the end: each round of those who live counted once, and of the dead at most.
func (g *guarded) settled(times int) func(*interleave.Process) {
	return func(auditor *interleave.Process) {
		count, dead := int(g.counter[0].Load()), g.dead()
		most := len(g.who) * times
		least := (len(g.who) - dead) * times
		auditor.Check(least <= count && count <= most, "the counter is %d, and should be from %d to %d", count, least, most)
		mu, err := sync.MutexFrom(auditor.Shm, g.mu[0].Ref())
		auditor.NoError(err)
		got, err := mu.TryLock()
		auditor.Check(got, "the lock stays locked: %v", err)
		auditor.Check(err == nil || dead > 0, "nobody died: %v", err)
	}
}

func mutex(name string, n, times int, s interleave.Scenario) interleave.Scenario {
	s.Name = name
	s.Setup = func(w *interleave.World) {
		g := contenders(w, n, times, s.Deaths > 0)
		w.Finally(g.settled(times))
	}
	return s
}

// inherited is a Mutex whose holder, who does nothing but unlock, may die, and n who wait for it.
func inherited(name string, n int, s interleave.Scenario) interleave.Scenario {
	s.Name = name
	s.Setup = func(w *interleave.World) {
		g := contenders(w, n+1, 1, false)
		holder, mu := g.who[n], g.mu[n]
		holder.Mortal = true
		holder.Do(func() {
			got, err := mu.TryLock()
			holder.NoError(err)
			holder.Check(got, "is free")
			w.Ghost[inside] = uint64(n) + 1
		})
		holder.Run(func() {
			g.counter[0].Store(1)
			w.Ghost[inside] = 0
			holder.NoError(mu.Unlock())
		})
		w.Finally(g.settled(1))
	}
	return s
}

// Without deaths, nobody needs the safety net, and nobody loses a wake-up.
func TestMutexExcludesAndWakes(t *testing.T) {
	interleave.Exhaust(t, mutex("two processes, twice each", 2, 2, interleave.Scenario{}))
	interleave.Exhaust(t, mutex("two processes, in the finest steps", 2, 1, interleave.Scenario{Fine: true}))
	interleave.Exhaust(t, mutex("two processes that poll first", 2, 1, interleave.Scenario{Polls: true}))
	interleave.Exhaust(t, mutex("two processes of which one is urgent", 2, 1, interleave.Scenario{Clock: true}))
}

func TestMutexIsRecoveredFromTheDead(t *testing.T) {
	// Deaths are pushed to all who meet at the lock: nobody needs the net.
	two := interleave.Scenario{Deaths: 2}
	silent := interleave.Scenario{Deaths: 1, Net: interleave.LastNet, Silent: true}
	early := interleave.Scenario{Deaths: 1, Net: interleave.AnyNet}
	fine := interleave.Scenario{Deaths: 1, Fine: true}
	interleave.Exhaust(t, mutex("two processes, one may die, or both", 2, 1, two))
	interleave.Exhaust(t, mutex("two processes, deaths are not pushed", 2, 1, silent))
	interleave.Exhaust(t, mutex("two processes, an early net", 2, 1, early))
	interleave.Try(t, mutex("two processes, in the finest steps", 2, 1, fine), 10_000)
	interleave.Try(t, inherited("a holder that may die, two who wait, deaths are not pushed", 2, silent), 10_000)
}

// A waiter that gives up passes a wake on that it may have consumed: nobody needs the safety net.
func TestMutexIsNotLostWithAWaiterThatGivesUp(t *testing.T) {
	interleave.Try(t, interleave.Scenario{Name: "a holder, a waiter, and one that may give up", Cancels: 1,
		Setup: func(w *interleave.World) {
			g := contenders(w, 3, 1, false)
			holder, fickle := g.who[1], g.who[2]
			holder.Do(func() {
				got, err := g.mu[1].TryLock()
				holder.Check(got, "is free: %v", err)
			})
			holder.Run(func() { holder.NoError(g.mu[1].Unlock()) })
			fickle.Fickle = true
			fickle.Run(func() {
				err := g.mu[2].Lock(fickle.Context())
				if errors.Is(err, context.Canceled) {
					return
				}
				fickle.NoError(err)
				fickle.NoError(g.mu[2].Unlock())
			})
			w.Finally(func(auditor *interleave.Process) {
				auditor.Check(g.counter[0].Load() == 1, "the waiter did not get the lock")
			})
		}}, 10_000)
}

// Proof of death is what everything rests on: if one is false, two have the lock.
func TestMutexNeedsProofOfDeath(t *testing.T) {
	interleave.Loses(t, mutex("a proof of death that is none", 2, 1, interleave.Scenario{Lose: interleave.HastyProof}))
	interleave.Loses(t, mutex("a wake is lost", 2, 2, interleave.Scenario{Lose: interleave.NoWake}))
}

// Larger than can be searched: four processes, of which two may die.
func TestMutexOfMany(t *testing.T) {
	interleave.Try(t, mutex("three processes", 3, 2, interleave.Scenario{Clock: true}), 10_000)
	interleave.Try(t, mutex("four processes, three times each, two may die", 4, 3,
		interleave.Scenario{Deaths: 2}), 10_000)
	interleave.Try(t, inherited("a holder that may die, two who wait", 2,
		interleave.Scenario{Deaths: 1}), 10_000)
}

// Waits by the hub: each process has one thread more, which sleeps on its doorbell. Nobody needs the net.
func TestMutexWakesThoseWhoAreFolded(t *testing.T) {
	const first, both = 1, 3
	interleave.Exhaust(t, mutex("two processes, both folded", 2, 1, interleave.Scenario{Folded: both}))
	interleave.Exhaust(t, mutex("two processes, one folded", 2, 1, interleave.Scenario{Folded: first}))
	interleave.Try(t, mutex("two processes, both folded, one may die", 2, 1,
		interleave.Scenario{Folded: both, Deaths: 1}), 10_000)
	interleave.Try(t, mutex("two processes, both folded, deaths are not pushed", 2, 1,
		interleave.Scenario{Folded: both, Deaths: 1, Silent: true, Net: interleave.LastNet}), 10_000)
	interleave.Try(t, mutex("three processes, two folded, one may die", 3, 2,
		interleave.Scenario{Folded: both, Deaths: 1}), 10_000)
	interleave.Try(t, inherited("a holder that may die, two who wait, one folded", 2,
		interleave.Scenario{Folded: first, Deaths: 1}), 10_000)
	interleave.Loses(t, mutex("a wake is lost, both folded", 2, 1,
		interleave.Scenario{Folded: both, Lose: interleave.NoWake}))
}
