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

// What somebody is by his own account, from when he has the lock until he gives it up.
const (
	outside = iota
	reading
	writing
)

// readers are processes with an RWMutex before a counter: of each letter of roles one that reads (r), writes
// (w), or writes and goes on as a reader (d), some times; a capital is one who may die.
func readers(name, roles string, times int, s interleave.Scenario) interleave.Scenario {
	s.Name = name
	s.Setup = func(w *interleave.World) {
		w.Ghost = make([]uint64, len(roles))
		var who []*interleave.Process
		var first *sync.RWMutex
		var counter []word.Uint64
		for i, role := range roles {
			p := w.Process(string(rune('a' + i)))
			p.Mortal = unicode.IsUpper(role)
			role = unicode.ToLower(role)
			who = append(who, p)
			m := new(sync.RWMutex)
			p.Do(func() {
				var err error
				if first == nil {
					counter = p.Words(1)
					first, err = sync.NewRWMutex(p.Shm)
					m = first
				} else {
					m, err = sync.RWMutexFrom(p.Shm, first.Ref())
				}
				p.NoError(err)
				p.NoError(m.RLock(context.Background())) // it has a line from now on
				p.NoError(m.RUnlock())
			})
			// is notes what this one has, and checks it against the others.
			is := func(what uint64, err error) {
				suspect := errors.Is(err, sync.ErrOwnerDied)
				if !suspect {
					p.NoError(err)
				}
				for j, q := range who {
					other := w.Ghost[j]
					if j == i || other == outside || other == reading && what == reading {
						continue
					}
					p.Check(q.Dead(), "%d beside %d of %s", what, other, string(rune('a'+j)))
					p.Check(suspect || other == reading, "a writer died, and one who comes next is not told")
				}
				p.Check(!suspect || s.Deaths > 0, "is told of a death, and nobody died")
				w.Ghost[i] = what
			}
			p.Run(func() {
				for round := range times {
					p.Rest(uint64(round))
					if role == 'r' {
						is(reading, m.RLock(context.Background()))
						before := counter[0].Load()
						p.Check(before == counter[0].Load(), "it changes under a reader")
						w.Ghost[i] = outside
						p.NoError(m.RUnlock())
						continue
					}
					err := m.Lock(context.Background())
					is(writing, err)
					counter[0].Store(counter[0].Load() + 1)
					if errors.Is(err, sync.ErrOwnerDied) {
						for j, q := range who {
							if q.Dead() {
								w.Ghost[j] = outside // it is repaired
							}
						}
						p.NoError(m.MarkConsistent())
					}
					if role == 'd' {
						w.Ghost[i] = reading
						p.NoError(m.Downgrade())
						before := counter[0].Load()
						p.Check(before == counter[0].Load(), "it changes under one who was a writer")
						w.Ghost[i] = outside
						p.NoError(m.RUnlock())
						continue
					}
					w.Ghost[i] = outside
					p.NoError(m.Unlock())
				}
			})
		}
		w.Finally(func(auditor *interleave.Process) {
			m, err := sync.RWMutexFrom(auditor.Shm, first.Ref())
			auditor.NoError(err)
			got, err := m.TryLock()
			auditor.Check(got, "the lock stays locked: %v", err)
			auditor.Check(err == nil || s.Deaths > 0, "nobody died: %v", err)
		})
	}
	return s
}

func TestRWMutexExcludesAndWakes(t *testing.T) {
	interleave.Exhaust(t, readers("a reader and a writer", "rw", 1, interleave.Scenario{}))
	interleave.Exhaust(t, readers("a reader and a writer, in the finest steps", "rw", 1, interleave.Scenario{Fine: true}))
	interleave.Exhaust(t, readers("two writers, one of which goes on as a reader", "dw", 1, interleave.Scenario{}))
	interleave.Try(t, readers("two of each, twice", "rwrw", 2, interleave.Scenario{}), 2_000)
}

func TestRWMutexIsRecoveredFromTheDead(t *testing.T) {
	s := interleave.Scenario{Deaths: 1}
	interleave.Exhaust(t, readers("a reader, who may die, and a writer", "Rw", 1, s))
	interleave.Exhaust(t, readers("a reader, and a writer who may die", "rW", 1, s))
	interleave.Try(t, readers("a reader and two writers, one may die", "RWD", 1, s), 10_000)
	interleave.Try(t, readers("two of each, two may die", "RWRD", 1, interleave.Scenario{Deaths: 2}), 10_000)
}

func TestRWMutexNeedsItsWakes(t *testing.T) {
	interleave.Loses(t, readers("a wake is lost", "rw", 1, interleave.Scenario{Lose: interleave.NoWake}))
}
