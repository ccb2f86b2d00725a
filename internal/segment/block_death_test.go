package segment

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Each state that the death of an owner can leave, of small blocks and of large ones.
func TestWhatTheDeadHadComesBackAndWhatTheyHandedOverStays(t *testing.T) {
	for _, size := range []uint64{48, 3000, 50 << 10} {
		s := anonymous(t, 4<<20, Config{})
		root := alloc(t, s, 64)
		clear(root.Bytes())
		at := root.Offset()
		m := mortal(t, s)
		var kept, freed []Block
		keep := func(b Block) { kept = append(kept, b) }
		lose := func(b Block) { freed = append(freed, b) }

		lose(alloc(t, m, size)) // draft
		b := alloc(t, m, size)
		require.NoError(t, b.Settle())
		keep(b)
		b = alloc(t, m, size)
		require.NoError(t, b.Tie(at))
		lose(b) // not stored yet
		b = alloc(t, m, size)
		require.NoError(t, b.Tie(at+8))
		m.Word(at + 8).Store(b.Place() | 5)
		keep(b) // stored, with marks, and not settled
		b = alloc(t, m, size)
		require.NoError(t, b.Settle())
		require.NoError(t, b.Take())
		lose(b)
		b = alloc(t, m, size)
		require.NoError(t, b.Settle())
		require.NoError(t, b.Claim())
		keep(b)
		b = alloc(t, m, size)
		done, err := b.Link(at+16, 0)
		require.NoError(t, err)
		require.True(t, done)
		require.NoError(t, b.Claim())
		require.NoError(t, b.Tie(at+16))
		keep(b) // not taken out yet
		b = alloc(t, m, size)
		done, err = b.Link(at+24, 0)
		require.NoError(t, err)
		require.True(t, done)
		require.NoError(t, b.Claim())
		require.NoError(t, b.Tie(at+24))
		m.Word(at + 24).Store(0)
		lose(b) // taken out, not freed
		b = alloc(t, m, size)
		done, err = b.Link(at+8, 0)
		require.NoError(t, err)
		require.False(t, done)
		lose(b)

		// What others had is not concerned.
		mine := alloc(t, s, size)
		require.NoError(t, s.Check())
		o := m.Self()
		die(t, m)
		require.NoError(t, s.Check(), "a dead segment is consistent")
		require.True(t, s.Gone(o))
		require.NoError(t, s.Check())
		for i, b := range kept {
			_, err := s.BlockAt(b.Place())
			require.NoError(t, err, "%d", i)
			mineNow, anybodys := b.Owner()
			require.False(t, mineNow || anybodys)
		}
		for i, b := range freed {
			_, err := s.BlockAt(b.Place())
			require.ErrorIs(t, err, ErrStale, "%d", i)
		}
		require.EqualValues(t, len(kept)+2, s.Stats().Blocks)
		for _, b := range append(kept, mine) {
			b.seg = s
			require.NoError(t, b.Free())
		}
		require.NoError(t, root.Free())
		require.Zero(t, s.Stats().Blocks)
		require.NoError(t, s.Check())
	}
}

// Close is a small death.
func TestCloseGivesBackWhatWasNotHandedOver(t *testing.T) {
	s := anonymous(t, 1<<20, Config{})
	other := again(t, s, Config{})
	for range 10 {
		alloc(t, other, 100)
	}
	b := alloc(t, other, 100)
	require.NoError(t, b.Settle())
	o, err := other.New(Spec{Kind: KindRaw, Size: 8})
	require.NoError(t, err)
	passed, err := other.New(Spec{Kind: KindRaw, Size: 8})
	require.NoError(t, err)
	ref := passed.Ref()
	require.NoError(t, other.Close())
	require.EqualValues(t, 2, s.Stats().Blocks)
	_, err = s.Resolve(ref, KindRaw, 0)
	require.NoError(t, err)
	_, err = s.objectAt(o.off)
	require.ErrorIs(t, err, ErrStale, "its Ref was not asked for")
	_, err = other.Alloc(8, 0)
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, b.Free(), ErrClosed)
	require.NoError(t, s.Check())
}

// Runs in the middle of each step that takes more than one.
func TestRunsThatADeathLeftInTheMiddleAreFreed(t *testing.T) {
	for name, leave := range map[string]func(h *heap){
		"taken": func(h *heap) { h.take(3) },
		"leaving": func(h *heap) {
			w := h.run(0).load()
			h.run(0).swap(w, w.sized(runLeaving, h.self.Load(), w.class()))
		},
		"emptied": func(h *heap) {
			w := h.run(0).load()
			h.run(0).swap(w, w.as(runTaken, h.self.Load()))
		},
		"a row, some joined": func(h *heap) {
			var taken []runWord
			for k := range uint64(4) {
				w, ok := h.take(3 + k)
				if !ok {
					panic("taken")
				}
				taken = append(taken, w)
			}
			taken[0], _ = h.furnish(3, taken[0])
			h.run(3).extent.Store(4 << h.shift)
			h.run(3).visit(h.self.Load())
			for k := uint64(1); k < 3; k++ {
				h.run(3 + k).extent.Store(k)
				h.run(3+k).swap(taken[k], taken[k].as(runTail, 1))
			}
		},
		"a row, all joined, and claimed": func(h *heap) {
			var taken []runWord
			for k := range uint64(4) {
				w, _ := h.take(3 + k)
				taken = append(taken, w)
			}
			taken[0], _ = h.furnish(3, taken[0])
			h.run(3).extent.Store(4 << h.shift)
			h.run(3).visit(h.self.Load())
			for k := uint64(1); k < 4; k++ {
				h.run(3 + k).extent.Store(k)
				h.run(3+k).swap(taken[k], taken[k].as(runTail, 1))
			}
			h.control(h.runOffset(3)).Store(uint64(makeControl(blockDraft, h.self.Load(), 1)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := anonymous(t, 1<<20, Config{})
			m := mortal(t, s)
			require.NoError(t, alloc(t, m, 64).Free())
			require.NoError(t, m.heap.table(8))
			s.m.header().top.Store(8)
			leave(&m.heap)
			require.NoError(t, s.Check())
			o := m.Self()
			die(t, m)
			require.True(t, s.Gone(o))
			require.NoError(t, s.Check())
			require.Zero(t, s.Stats().Blocks)
			b := alloc(t, s, s.heap.count<<s.heap.shift)
			require.Equal(t, s.heap.heap, b.Offset(), "all of it is to be had")
			require.NoError(t, b.Free())
		})
	}
}

// A block of several runs that is freed step by step, by one who dies behind each.
func TestALargeBlockWhoseFreerDiedIsFreed(t *testing.T) {
	for steps := range 5 {
		s := anonymous(t, 1<<20, Config{})
		m := mortal(t, s)
		b := alloc(t, s, 4*s.heap.runBytes())
		require.NoError(t, b.Settle())
		h := &m.heap
		i, _, w, err := h.extentOf(b.off)
		require.NoError(t, err)
		h.note()
		h.run(i).visit(h.self.Load())
		word := h.control(b.off)
		c := control(word.Load())
		doomed := c.with(blockDoomed, h.self.Load())
		free := func(k uint64) { r := h.run(i + k); r.swap(r.load(), r.load().as(runFree, 0)) }
		for _, step := range []func(){
			func() { word.Store(uint64(doomed)) },
			func() { free(1) },
			func() { free(2); free(3) },
			func() { word.Store(uint64(doomed.freed())) },
		}[:steps] {
			step()
		}
		_ = w
		o := m.Self()
		die(t, m)
		require.NoError(t, s.Check())
		require.True(t, s.Gone(o))
		require.NoError(t, s.Check())
		if steps == 0 {
			require.NoError(t, b.Free())
		}
		require.ErrorIs(t, b.Free(), ErrStale)
		require.Zero(t, s.Stats().Used)
		b = alloc(t, s, s.heap.count<<s.heap.shift)
		require.NoError(t, b.Free())
	}
}

// Somebody claims a block in a run that was given up meanwhile, and dies before he takes it back.
func TestAClaimThatCameTooLateIsTakenBack(t *testing.T) {
	s := anonymous(t, 1<<20, Config{})
	m := mortal(t, s)
	b := alloc(t, m, 64)
	require.NoError(t, b.Free())
	require.True(t, m.heap.release(0))
	s.heap.look.Store(0)
	late := makeControl(blockDraft, m.heap.self.Load(), b.generation+1)
	s.heap.control(b.off).Store(uint64(late))
	other := alloc(t, s, 2048)
	require.Equal(t, b.off+2048, other.off, "the second of the run")
	require.NoError(t, s.Check())
	o := m.Self()
	die(t, m)
	require.True(t, s.Gone(o))
	require.NoError(t, s.Check())
	require.NoError(t, other.Free())
	require.Zero(t, s.Stats().Blocks)
}
