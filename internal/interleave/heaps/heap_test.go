//go:build interleave && (linux || darwin)

package heaps_test

import (
	"errors"
	"testing"

	"github.com/kindred-ipc/kindred/internal/interleave"
	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/internal/word"
	"github.com/kindred-ipc/kindred/shm"
)

// oneRun is the size of a segment that has one run: whoever needs a block finds it there, whosesoever the run.
const oneRun = 4 << 10

// has notes that a process has a block, which nobody else does who lives, and which nothing was left in.
func has(w *interleave.World, who []*interleave.Process, i int, b segment.Block) {
	p := who[i]
	for j, other := range w.Ghost[:len(who)] {
		p.Check(other != b.Offset() || who[j].Dead(), "%d and %d have one block", i, j)
	}
	for _, x := range b.Bytes() {
		p.Check(x == 0, "a block is not clear")
	}
	w.Ghost[i] = b.Offset()
	b.Bytes()[8] = 0xff
}

// sweep sees to it that all that the dead had is free.
func sweep(auditor *interleave.Process) {
	_, err := auditor.Segment.Alloc(1<<30, 0) // whoever finds no memory does
	auditor.Check(errors.Is(err, segment.ErrNoSpace), "a gibibyte: %v", err)
}

// sound sees to it that the heap is whole, and has so many blocks.
func sound(auditor *interleave.Process, blocks uint64) {
	auditor.NoError(shm.Check(auditor.Shm))
	auditor.Check(auditor.Shm.Stats().Blocks == blocks, "%d blocks, and there are %d", auditor.Shm.Stats().Blocks, blocks)
}

// churn is a scenario of processes that allocate a block of that size each, and free it; of those who may die, all.
func churn(name string, n int, size uint64, s interleave.Scenario) interleave.Scenario {
	s.Name, s.Size = name, oneRun
	s.Setup = func(w *interleave.World) {
		w.Ghost = make([]uint64, n) // where the block of each is
		var who []*interleave.Process
		for i := range n {
			p := w.Process(string(rune('a' + i)))
			p.Mortal = i < s.Deaths
			who = append(who, p)
			p.Run(func() {
				b, err := p.Segment.Alloc(size, 0)
				p.NoError(err)
				has(w, who, i, b)
				mine, _ := b.Owner() // a step
				p.Check(mine, "somebody else has it")
				w.Ghost[i] = 0
				p.NoError(b.Free())
				p.Check(errors.Is(b.Free(), segment.ErrStale), "it was freed twice")
			})
		}
		w.Finally(func(auditor *interleave.Process) { sweep(auditor); sound(auditor, 0) })
	}
	return s
}

func TestNoTwoHaveOneBlock(t *testing.T) {
	interleave.Exhaust(t, churn("two processes", 2, 64, interleave.Scenario{}))
	interleave.Exhaust(t, churn("two processes, one may die", 2, 64, interleave.Scenario{Deaths: 1}))
	interleave.Try(t, churn("three processes, two may die", 3, 1024, interleave.Scenario{Deaths: 2}), 2_000)
}

// pressed is a scenario in which two have all that there is, and one of them needs more, which it gets if the other one is dead.
func pressed(name string, s interleave.Scenario) interleave.Scenario {
	s.Name, s.Size, s.Deaths = name, oneRun, 1
	s.Setup = func(w *interleave.World) {
		w.Ghost = make([]uint64, 2)
		a, b := w.Process("a"), w.Process("b")
		a.Mortal = true
		who := []*interleave.Process{a, b}
		a.Run(func() {
			block, err := a.Segment.Alloc(2048, 0)
			a.NoError(err)
			has(w, who, 0, block)
		})
		b.Run(func() {
			first, err := b.Segment.Alloc(2048, 0)
			b.NoError(err)
			has(w, who, 1, first)
			dead := a.Dead()
			b.Saw(word.Bit(dead))
			second, err := b.Segment.Alloc(2048, 0)
			b.Check(err == nil || !dead, "what the dead had does not come back: %v", err)
			if err == nil {
				has(w, who, 1, second)
				b.NoError(second.Free())
			}
			w.Ghost[1] = first.Offset()
			b.NoError(first.Free())
		})
		w.Finally(func(auditor *interleave.Process) {
			sweep(auditor)
			n := uint64(0)
			if !a.Dead() {
				n = 1
			}
			sound(auditor, n)
		})
	}
	return s
}

func TestWhatTheDeadHadComesBack(t *testing.T) {
	interleave.Exhaust(t, pressed("one who needs it", interleave.Scenario{}))
}

// linked is a scenario of one who links a block to a word, and of others who take it out of there. It is there, or it is free.
func linked(name string, takers int, s interleave.Scenario) interleave.Scenario {
	s.Name = name
	s.Setup = func(w *interleave.World) {
		const put, taken = 0, 1
		w.Ghost = make([]uint64, 2)
		a := w.Process("a")
		a.Mortal = s.Deaths > 0
		var at uint64
		a.Do(func() {
			o, err := a.Segment.New(segment.Spec{Kind: segment.KindRaw, Size: 64, Align: 64, Name: "root"})
			a.NoError(err)
			at = o.Offset()
		})
		a.Run(func() {
			b, err := a.Segment.Alloc(64, 0)
			a.NoError(err)
			ok, err := b.Link(at, 0)
			a.NoError(err)
			a.Check(ok, "something else is there")
			w.Ghost[put]++
		})
		for i := range takers {
			p := w.Process(string(rune('b' + i)))
			p.Mortal = i+1 < s.Deaths
			p.Run(func() {
				b, err := p.Segment.BlockAt(p.Segment.Word(at).Load())
				if err != nil {
					p.Check(errors.Is(err, segment.ErrStale), "%v", err)
					return
				}
				if err := b.Take(); err != nil { // who has linked it may be stopped, or at it
					p.Check(errors.Is(err, segment.ErrStale) || errors.Is(err, segment.ErrInUse), "%v", err)
					return
				}
				w.Ghost[taken]++
				p.Segment.Word(at).CompareAndSwap(b.Place(), 0) // whoever finds it there until then finds nothing
				p.NoError(b.Free())
			})
		}
		w.Finally(func(auditor *interleave.Process) {
			sweep(auditor)
			n := uint64(1)
			place := auditor.Segment.Word(at).Load()
			if b, err := auditor.Segment.BlockAt(place); place != 0 && err == nil {
				n++
				auditor.NoError(b.Settle())
			} else if place != 0 {
				auditor.Check(w.Ghost[taken] == 1, "it is freed, and nobody took it: %v", err)
			}
			sound(auditor, n)
			auditor.Check(w.Ghost[taken] <= 1, "it was taken %d times", w.Ghost[taken])
		})
	}
	return s
}

func TestABlockIsLinkedOrFree(t *testing.T) {
	interleave.Exhaust(t, linked("one who takes it", 1, interleave.Scenario{}))
	interleave.Exhaust(t, linked("one who takes it, and the other may die", 1, interleave.Scenario{Deaths: 1}))
	interleave.Exhaust(t, linked("both may die", 1, interleave.Scenario{Deaths: 2}))
	interleave.Try(t, linked("two who take it, and two may die", 2, interleave.Scenario{Deaths: 2}), 2_000)
}
