//go:build interleave && (linux || darwin)

package locks_test

import (
	"context"
	"errors"
	"testing"
	"unicode"

	"github.com/kindred-ipc/kindred/internal/interleave"
	"github.com/kindred-ipc/kindred/internal/word"
	"github.com/kindred-ipc/kindred/sync"
)

// baton is a Cond with a Mutex before a word that says how many batons lie there.
type baton struct {
	w    *interleave.World
	who  []*interleave.Process
	mu   []*sync.Mutex
	cond []*sync.Cond
	lies []word.Uint64
}

// over is a context that has ended.
func over() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// add adds a process.
func (b *baton) add(name string) (p *interleave.Process, mu *sync.Mutex, cond *sync.Cond) {
	p = b.w.Process(name)
	p.Do(func() {
		var err, e error
		if len(b.mu) == 0 {
			b.lies = p.Words(1)
			mu, err = sync.NewMutex(p.Shm)
			cond, e = sync.NewCond(p.Shm)
		} else {
			mu, err = sync.MutexFrom(p.Shm, b.mu[0].Ref())
			cond, e = sync.CondFrom(p.Shm, b.cond[0].Ref())
		}
		p.NoError(errors.Join(err, e))
		p.Check(errors.Is(cond.Wait(over(), mu), context.Canceled), "waits") // it has a row from now on
	})
	b.who, b.mu, b.cond = append(b.who, p), append(b.mu, mu), append(b.cond, cond)
	return p, mu, cond
}

// locked is nil if the lock was had, whoever died with it: one store changes what it guards.
func locked(mu *sync.Mutex, err error) error {
	if errors.Is(err, sync.ErrOwnerDied) {
		return mu.MarkConsistent()
	}
	return err
}

// runners is a scenario of one who puts a baton down, and of processes that each wait until one lies there, take it
// up, and put it down again for the next: one for each letter of roles. With all, it is put down for all.
func runners(name, roles string, all bool, s interleave.Scenario) interleave.Scenario {
	s.Name = name
	s.Setup = func(w *interleave.World) {
		b := &baton{w: w}
		put := func(p *interleave.Process, mu *sync.Mutex, cond *sync.Cond) {
			b.lies[0].Store(1)
			p.NoError(mu.Unlock())
			if all {
				p.NoError(cond.Broadcast())
			} else {
				p.NoError(cond.Signal())
			}
		}
		for _, role := range roles {
			p, mu, cond := b.add(string(role))
			p.Run(func() {
				p.NoError(mu.Lock(context.Background()))
				for b.lies[0].Load() == 0 {
					p.NoError(cond.Wait(context.Background(), mu))
				}
				if !all {
					b.lies[0].Store(0)
				}
				put(p, mu, cond)
			})
		}
		p, mu, cond := b.add("first")
		p.Run(func() {
			p.NoError(mu.Lock(context.Background()))
			put(p, mu, cond)
		})
		w.Finally(func(auditor *interleave.Process) {
			auditor.Check(b.lies[0].Load() == 1, "the baton is gone")
		})
	}
	return s
}

// relay is a scenario of one who puts a baton down for each of those who wait, and gives a signal for each: one for each
// letter of roles, a capital being one who may die anywhere. He takes no more with him than his own signal.
func relay(name, roles string, s interleave.Scenario) interleave.Scenario {
	s.Name = name
	s.Setup = func(w *interleave.World) {
		b := &baton{w: w}
		for _, role := range roles {
			p, mu, cond := b.add(string(role))
			p.Mortal = unicode.IsUpper(role)
			p.Run(func() {
				p.NoError(locked(mu, mu.Lock(context.Background())))
				for b.lies[0].Load() == 0 {
					p.NoError(locked(mu, cond.Wait(context.Background(), mu)))
				}
				b.lies[0].Store(b.lies[0].Load() - 1)
				p.NoError(mu.Unlock())
			})
		}
		p, mu, cond := b.add("first")
		p.Run(func() {
			p.NoError(locked(mu, mu.Lock(context.Background())))
			b.lies[0].Store(uint64(len(roles)))
			p.NoError(mu.Unlock())
			for i := range roles {
				p.Rest(uint64(i))
				p.NoError(cond.Signal())
			}
		})
	}
	return s
}

// chain is a scenario of one signal, which whoever comes out of Wait hands on to the next. A capital may die
// anywhere in Wait, also when it has taken the signal and has yet to get the lock: then somebody else gets it.
func chain(name, roles string, s interleave.Scenario) interleave.Scenario {
	s.Name = name
	s.Setup = func(w *interleave.World) {
		b := &baton{w: w}
		for _, role := range roles {
			p, mu, cond := b.add(string(role))
			p.Run(func() {
				p.NoError(locked(mu, mu.Lock(context.Background())))
				for b.lies[0].Load() == 0 {
					p.Mortal = unicode.IsUpper(role)
					err := cond.Wait(context.Background(), mu)
					p.Mortal = false
					p.NoError(locked(mu, err))
				}
				p.NoError(mu.Unlock())
				p.NoError(cond.Signal())
			})
		}
		p, mu, cond := b.add("first")
		p.Run(func() {
			p.NoError(locked(mu, mu.Lock(context.Background())))
			b.lies[0].Store(1)
			p.NoError(mu.Unlock())
			p.NoError(cond.Signal())
		})
	}
	return s
}

// Nobody needs the safety net: no signal is lost.
func TestCondLosesNoSignal(t *testing.T) {
	interleave.Exhaust(t, runners("one who waits", "a", false, interleave.Scenario{}))
	interleave.Exhaust(t, runners("one who waits for a broadcast", "a", true, interleave.Scenario{}))
	interleave.Try(t, runners("two who wait", "ab", false, interleave.Scenario{}), 2_000)
	interleave.Try(t, runners("two who wait for a broadcast", "ab", true, interleave.Scenario{}), 2_000)
}

func TestCondLosesNoSignalWithTheDead(t *testing.T) {
	s := interleave.Scenario{Deaths: 1}
	interleave.Try(t, relay("two who wait, one may die", "Ab", s), 5_000)
	interleave.Try(t, relay("three who wait, one may die", "AbC", s), 2_000)
	interleave.Try(t, chain("two who wait for one signal, one may die with it", "bA", s), 5_000)
}

func TestCondNeedsItsWakes(t *testing.T) {
	interleave.Loses(t, runners("a wake is lost", "a", false, interleave.Scenario{Lose: interleave.NoWake}))
}
