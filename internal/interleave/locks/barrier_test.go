//go:build interleave && (linux || darwin)

package locks_test

import (
	"context"
	"errors"
	"testing"
	"unicode"

	"github.com/kindred-ipc/kindred/internal/interleave"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// parties is a scenario of processes that meet at a Barrier some times, one for each letter of roles, a capital being
// one who may die.
func parties(name, roles string, times int, s interleave.Scenario, opts ...shm.ObjectOption) interleave.Scenario {
	s.Name = name
	s.Setup = func(w *interleave.World) {
		w.Ghost = make([]uint64, len(roles)) // to how many phases each was about to come
		var who []*interleave.Process
		var first *sync.Barrier
		for i, role := range roles {
			p := w.Process(string(rune('a' + i)))
			p.Mortal = unicode.IsUpper(role)
			who = append(who, p)
			var b *sync.Barrier
			p.Do(func() {
				var err error
				if first == nil {
					first, err = sync.NewBarrier(p.Shm, len(roles), opts...)
					b = first
				} else {
					b, err = sync.BarrierFrom(p.Shm, first.Ref())
				}
				p.NoError(err)
				p.NoError(b.Join()) // it has a row from now on
			})
			p.Run(func() {
				for round := range times {
					p.Rest(uint64(round))
					w.Ghost[i]++
					_, err := b.Wait(context.Background())
					dead := 0
					for j, q := range who {
						if q.Dead() {
							dead++
						} else if err == nil {
							p.Check(w.Ghost[j] > uint64(round), "goes on without %s", string(rune('a'+j)))
						}
					}
					if errors.Is(err, sync.ErrBroken) {
						p.Check(dead > 0, "it is broken, and nobody died")
						p.Check(len(opts) == 0, "the dead have left, and it is broken")
						return
					}
					p.NoError(err)
				}
			})
		}
	}
	return s
}

func TestBarrierLetsAllGoOnTogether(t *testing.T) {
	interleave.Exhaust(t, parties("two parties", "ab", 1, interleave.Scenario{}))
	interleave.Try(t, parties("two parties, twice", "ab", 2, interleave.Scenario{}), 2_000)
	interleave.Try(t, parties("three parties, twice", "abc", 2, interleave.Scenario{}), 1_000)
}

func TestBarrierIsBrokenByADeath(t *testing.T) {
	s := interleave.Scenario{Deaths: 1}
	interleave.Try(t, parties("two parties, one may die", "Ab", 1, s), 5_000)
	interleave.Try(t, parties("three parties, one may die", "AbC", 2, s), 1_000)
}

func TestBarrierIsLeftByTheDead(t *testing.T) {
	s := interleave.Scenario{Deaths: 1}
	interleave.Try(t, parties("two parties who may leave", "ab", 1, interleave.Scenario{}, sync.Leaving()), 2_000)
	interleave.Try(t, parties("two parties, one may die and leave", "Ab", 1, s, sync.Leaving()), 5_000)
	interleave.Try(t, parties("three parties, one may die and leave", "AbC", 2, s, sync.Leaving()), 1_000)
}

func TestBarrierNeedsItsWakes(t *testing.T) {
	interleave.Loses(t, parties("a wake is lost", "ab", 1, interleave.Scenario{Lose: interleave.NoWake}))
}
