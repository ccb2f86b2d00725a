//go:build interleave && (linux || darwin)

package rings_test

import (
	"context"
	"errors"
	"testing"

	"github.com/kindred-ipc/kindred/internal/interleave"
	"github.com/kindred-ipc/kindred/internal/word"
	"github.com/kindred-ipc/kindred/ring"
)

// news is a Broadcast in a small world. The first process makes it and writes; then come further writers,
// and subscribers.
type news struct {
	writers  int
	each     int // records of each writer
	capacity int
	before   int // records of the first writer before it all begins, which are no part of each
	blocking int // subscribers that hold writers up
	lapped   int // subscribers that do not
	closes   bool
	tries    bool // all writers but the first use TryPush, and are content if it does nothing
	// Who may die: of the first writer, of the first subscriber, of nobody.
	mortalWriter, mortalSubscriber bool
}

// record says who wrote it, and how many he had written before.
type record struct{ by, number uint64 }

func (n news) scenario(name string, s interleave.Scenario) interleave.Scenario {
	s.Name = "broadcast: " + name
	if s.Buffers == 0 {
		s.Buffers = 3
	}
	s.Size = 64 << 10
	s.Setup = func(world *interleave.World) {
		world.Ghost = make([]uint64, n.writers) // records that a writer has pushed
		var writers, subscribers []*interleave.Process
		var first *ring.Broadcast[record]
		open := func(p *interleave.Process) (b *ring.Broadcast[record]) {
			var err error
			if first == nil {
				b, err = ring.NewBroadcast[record](p.Shm, n.capacity)
				first = b
			} else {
				b, err = ring.BroadcastFrom[record](p.Shm, first.Ref())
			}
			p.NoError(err)
			return b
		}
		for i := range n.writers {
			p := world.Process("writer " + string(rune('a'+i)))
			writers = append(writers, p)
			p.Mortal = n.mortalWriter && i == 0
			var w *ring.BroadcastWriter[record]
			p.Do(func() {
				var err error
				w, err = open(p).Writer()
				p.NoError(err)
				for k := range n.first(i) {
					p.NoError(w.Push(context.Background(), record{uint64(i), uint64(k)}))
					world.Ghost[i]++
				}
			})
			p.Run(func() {
				for k := n.first(i); k < n.first(i)+n.each; k++ {
					p.Rest(w.Remembers()...)
					if n.tries && i > 0 {
						ok, err := w.TryPush(record{uint64(i), world.Ghost[i]})
						p.NoError(err)
						world.Ghost[i] += word.Bit(ok)
						continue
					}
					err := w.Push(context.Background(), record{uint64(i), uint64(k)})
					if n.closes && i == 0 && errors.Is(err, ring.ErrClosed) {
						return
					}
					p.NoError(err)
					world.Ghost[i]++
				}
				p.Rest(w.Remembers()...)
				if n.closes && i == n.writers-1 {
					p.NoError(w.Close())
				}
			})
		}
		for i := range n.blocking + n.lapped {
			p := world.Process("subscriber " + string(rune('a'+i)))
			subscribers = append(subscribers, p)
			p.Mortal = n.mortalSubscriber && i == 0
			var s *ring.Subscriber[record]
			p.Do(func() {
				opts := []ring.EndOption{ring.FromSequence(0)}
				if i < n.blocking {
					opts = append(opts, ring.Blocking())
				}
				var err error
				s, err = open(p).Subscribe(opts...)
				p.NoError(err)
			})
			p.Run(func() { n.read(world, p, s, i >= n.blocking) })
		}
		world.Finally(func(auditor *interleave.Process) {
			for i, w := range writers {
				auditor.Check(n.closes || n.tries && i > 0 || w.Dead() || world.Ghost[i] == uint64(n.first(i)+n.each), "writer %d pushed %d", i, world.Ghost[i])
			}
			n.audit(world, auditor, open(auditor))
		})
	}
	return s
}

// first is the number of the first record that a writer pushes in the run.
func (n news) first(writer int) int {
	if writer == 0 {
		return n.before
	}
	return 0
}

// read reads all, and holds each record against those before: each writer's come in their order, and
// none is missing that is not said to be.
func (n news) read(world *interleave.World, p *interleave.Process, s *ring.Subscriber[record], mayMiss bool) {
	var next [4]uint64
	missed, sequence := uint64(0), uint64(0)
	for {
		if !n.closes && sequence == uint64(n.before+n.writers*n.each) {
			return
		}
		p.Rest(append(append(s.Remembers(), missed, sequence), next[:n.writers]...)...)
		v, err := s.Next(context.Background())
		var lapped *ring.Lapped
		switch {
		case errors.As(err, &lapped):
			p.Check(mayMiss, "missed %d", lapped.Missed)
			missed += lapped.Missed
			sequence += lapped.Missed
			p.Check(lapped.Missed > 0 && sequence == lapped.Next && sequence == s.Sequence(), "missed %d up to %d, at %d", lapped.Missed, lapped.Next, sequence)
			continue
		case n.closes && errors.Is(err, ring.ErrClosed):
			for i := range n.writers {
				p.Check(mayMiss || next[i] >= world.Ghost[i], "writer %d pushed %d, and %d came", i, world.Ghost[i], next[i])
			}
			return
		}
		p.NoError(err)
		p.Saw(v.by, v.number)
		p.Check(v.by < uint64(n.writers), "%v", v)
		p.Check(v.number == next[v.by] || mayMiss && v.number > next[v.by] && v.number-next[v.by] <= missed, "%v behind %d", v, next[v.by])
		next[v.by] = v.number + 1
		sequence++
		p.Check(sequence == s.Sequence(), "record %d, at %d", sequence, s.Sequence())
	}
}

// audit reads what is kept. Of each writer there is what it pushed, in its order, and at most the one record
// more at which it died.
func (n news) audit(world *interleave.World, auditor *interleave.Process, b *ring.Broadcast[record]) {
	s, err := b.Subscribe(ring.FromOldest())
	auditor.NoError(err)
	oldest := s.Sequence()
	var next [4]uint64
	for {
		v, ok, err := s.TryNext()
		if !ok && (err == nil || errors.Is(err, ring.ErrClosed)) {
			break
		}
		auditor.NoError(err)
		auditor.Check(v.by < uint64(n.writers) && (v.number == next[v.by] || oldest > 0 && v.number > next[v.by]), "%v behind %d", v, next[v.by])
		next[v.by] = v.number + 1
	}
	for i := range n.writers {
		pushed := world.Ghost[i]
		auditor.Check(next[i] == pushed || next[i] == pushed+1 && pushed < uint64(n.first(i)+n.each) || oldest > 0, "writer %d pushed %d, and there are %d", i, pushed, next[i])
	}
}

func TestABroadcastReachesAllAndLosesNoWakeUp(t *testing.T) {
	interleave.Exhaust(t, news{writers: 1, each: 2, capacity: 1, blocking: 1}.scenario("a writer, one who holds it up", interleave.Scenario{}))
	interleave.Exhaust(t, news{writers: 1, each: 1, capacity: 1, lapped: 1, closes: true}.scenario("a writer who closes", interleave.Scenario{}))
	// Two records are announced at a time, of which the second takes the fast path.
	interleave.Exhaust(t, news{writers: 1, before: 10, each: 2, capacity: 8, lapped: 1}.scenario("two at a time, one who may be lapped", interleave.Scenario{}))
	interleave.Try(t, news{writers: 1, before: 10, each: 4, capacity: 8, blocking: 1}.scenario("two at a time, one who holds it up", interleave.Scenario{}), 3000)
	interleave.Try(t, news{writers: 1, each: 4, capacity: 2, blocking: 1, lapped: 1}.scenario("one of each", interleave.Scenario{}), 3000)
	interleave.Try(t, news{writers: 1, each: 2, capacity: 1, blocking: 1}.scenario("registered late", interleave.Scenario{Late: true}), 3000)
	interleave.Try(t, news{writers: 1, each: 2, capacity: 1, blocking: 1}.scenario("without membarrier", interleave.Scenario{Demand: true}), 3000)
}

func TestABroadcastInTheFinestSteps(t *testing.T) {
	interleave.Exhaust(t, news{writers: 1, each: 2, capacity: 1, lapped: 1}.scenario("one who may be lapped, in the finest steps", interleave.Scenario{Fine: true}))
	interleave.Try(t, news{writers: 1, each: 4, capacity: 1, lapped: 1}.scenario("one who may be lapped, in the finest steps", interleave.Scenario{Fine: true}), 5000)
}

func TestWritersOfABroadcastTakeTurns(t *testing.T) {
	interleave.Exhaust(t, news{writers: 2, each: 1, capacity: 4}.scenario("two writers", interleave.Scenario{}))
	interleave.Exhaust(t, news{writers: 2, before: 1, each: 1, capacity: 8, tries: true}.scenario("one on the fast path, one who tries", interleave.Scenario{}))
	interleave.Try(t, news{writers: 2, before: 1, each: 2, capacity: 8}.scenario("two writers on the fast path", interleave.Scenario{}), 10_000)
	interleave.Try(t, news{writers: 2, each: 2, capacity: 4}.scenario("two writers of two", interleave.Scenario{Polls: true}), 5000)
	interleave.Try(t, news{writers: 2, each: 2, capacity: 4, lapped: 1, closes: true}.scenario("two writers, one closes", interleave.Scenario{}), 5000)
	// The writer is at its push when the stream is closed, and one of the subscribers sees before it does that it is
	// through: the other one sleeps by then.
	interleave.Try(t, news{writers: 2, each: 1, capacity: 4, lapped: 2, closes: true}.scenario("two writers, one closes, two subscribers", interleave.Scenario{}), 10_000)
	interleave.Try(t, news{writers: 3, each: 1, capacity: 8}.scenario("three writers", interleave.Scenario{}), 10_000)
	interleave.Try(t, news{writers: 3, each: 2, capacity: 1, blocking: 1}.scenario("three writers, one who holds them up", interleave.Scenario{}), 10_000)
}

func TestABroadcastOutlivesItsDead(t *testing.T) {
	interleave.Exhaust(t, news{writers: 2, before: 1, each: 1, capacity: 8, mortalWriter: true, tries: true}.scenario("a writer on the fast path may die, and one tries", interleave.Scenario{Deaths: 1}))
	interleave.Try(t, news{writers: 2, before: 1, each: 1, capacity: 8, mortalWriter: true}.scenario("a writer on the fast path may die", interleave.Scenario{Deaths: 1}), 10_000)
	interleave.Try(t, news{writers: 2, each: 1, capacity: 4, mortalWriter: true}.scenario("a writer may die", interleave.Scenario{Deaths: 1}), 10_000)
	interleave.Try(t, news{writers: 1, before: 2, each: 1, capacity: 1, blocking: 1, mortalSubscriber: true}.scenario("who holds it up may die", interleave.Scenario{Deaths: 1}), 10_000)
	interleave.Try(t, news{writers: 1, each: 4, capacity: 1, blocking: 1, mortalSubscriber: true}.scenario("who holds it up may die at any time", interleave.Scenario{Deaths: 1}), 5000)
	interleave.Try(t, news{writers: 2, each: 2, capacity: 2, lapped: 1, mortalWriter: true, closes: true}.scenario("a writer may die, the other closes", interleave.Scenario{Deaths: 1}), 5000)
	interleave.Try(t, news{writers: 2, each: 2, capacity: 1, blocking: 2, mortalSubscriber: true}.scenario("two writers, one who holds them up may die", interleave.Scenario{Deaths: 1}), 3000)
}

func TestABroadcastNeedsItsFenceAndItsWakes(t *testing.T) {
	interleave.Loses(t, news{writers: 2, before: 1, each: 1, capacity: 8}.scenario("two writers, membarrier does nothing", interleave.Scenario{Buffers: 1, Lose: interleave.NoBarrier}))
	interleave.Loses(t, news{writers: 1, before: 1, each: 1, capacity: 8, lapped: 1}.scenario("a subscriber, membarrier does nothing", interleave.Scenario{Lose: interleave.NoBarrier}))
	interleave.Loses(t, news{writers: 1, each: 2, capacity: 1, blocking: 1}.scenario("a wake is lost", interleave.Scenario{Lose: interleave.NoWake}))
}
