package segment

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// alloc takes a block and fills it.
func alloc(t testing.TB, s *Segment, size uint64) Block {
	t.Helper()
	b, err := s.Alloc(size, 0)
	require.NoError(t, err)
	require.GreaterOrEqual(t, b.Size(), size)
	require.Equal(t, b.Size(), uint64(bytes.Count(b.Bytes(), []byte{0})), "zeroed")
	for i := range b.Bytes() {
		b.Bytes()[i] = 0xa5
	}
	return b
}

func TestBlocksOfEverySizeAreAlignedAndZeroed(t *testing.T) {
	for _, room := range []int64{1 << 20, 16 << 20} {
		s := anonymous(t, room, Config{Participants: 4})
		for size := uint64(1); size <= uint64(room); size += size/2 + 1 {
			for _, align := range []uint64{1, 64, 512, 4096, 64 << 10} {
				if size+align > uint64(room) {
					continue
				}
				b, err := s.Alloc(size, align)
				require.NoError(t, err, "%d bytes at %d", size, align)
				require.Zero(t, b.Offset()%align)
				require.GreaterOrEqual(t, b.Size(), size)
				require.Equal(t, make([]byte, size), b.Bytes()[:size])
				for i := range b.Bytes() {
					b.Bytes()[i] = 0xff
				}
				require.NoError(t, b.Free())
			}
		}
		require.NoError(t, s.Check())
		require.Zero(t, s.Stats().Blocks)
		_, err := s.Alloc(uint64(s.Size()), 0)
		require.ErrorIs(t, err, ErrNoSpace)
		_, err = s.Alloc(1, 3)
		require.ErrorIs(t, err, ErrSize)
	}
}

func TestAClassHoldsWhatItIsFor(t *testing.T) {
	for _, shift := range []uint{smallRunShift, largeRunShift} {
		for size := uint64(1); size <= 1<<(shift-1); size++ {
			class, ok := classOf(size, 1, shift)
			require.True(t, ok, size)
			require.GreaterOrEqual(t, classBytes(class), size)
			if class > 0 {
				require.Less(t, classBytes(class-1), size, "no smaller one does")
			}
		}
		_, ok := classOf(1<<(shift-1)+1, 1, shift)
		require.False(t, ok)
	}
}

func TestWhatIsNoBlockAnyMoreIsStale(t *testing.T) {
	s, other := anonymous(t, 8<<20, Config{}), anonymous(t, 1<<20, Config{})
	for _, size := range []uint64{1, 64, 1000, 40 << 10, 1 << 20} {
		b := alloc(t, s, size)
		_, err := s.BlockAt(b.Place())
		require.NoError(t, err)
		require.NoError(t, b.Free())
		require.ErrorIs(t, b.Free(), ErrStale, "freed twice")
		require.ErrorIs(t, b.Settle(), ErrStale)
		require.ErrorIs(t, b.Take(), ErrStale)
		_, err = s.BlockAt(b.Place())
		require.ErrorIs(t, err, ErrStale)

		again := alloc(t, s, size)
		require.Equal(t, b.Offset(), again.Offset(), "the same memory")
		require.NotEqual(t, b.Place(), again.Place())
		require.ErrorIs(t, b.Free(), ErrStale, "another block is there now")
		_, err = s.BlockAt(b.Place())
		require.ErrorIs(t, err, ErrStale)
		for _, wrong := range []uint64{
			again.Place() + 8, 8, 0, uint64(s.Size()) / 8, 1<<refOffsetBits - 8, s.heap.heap / 8, tableOffset / 8,
		} {
			_, err := s.BlockAt(wrong)
			require.ErrorIs(t, err, ErrStale, "%#x", wrong)
			require.ErrorIs(t, Block{seg: s, off: wrong % (1 << refOffsetBits) * 8, generation: 1}.Free(), ErrStale, "%#x", wrong)
		}
		require.NoError(t, again.Free())
	}
	o, err := s.New(Spec{Kind: KindRaw, Size: 8})
	require.NoError(t, err)
	require.ErrorIs(t, o.Block().Free(), ErrKind, "an object is destroyed")
	require.ErrorIs(t, other.Destroy(o.Ref()), ErrStale, "another segment")
	require.NoError(t, s.Destroy(o.Ref()))
	require.ErrorIs(t, s.Destroy(o.Ref()), ErrStale)
	_, err = s.Resolve(o.Ref(), KindRaw, 0)
	require.ErrorIs(t, err, ErrStale)
	require.NoError(t, s.Check())
}

func TestABlockIsItsOwnersUntilItIsHandedOver(t *testing.T) {
	s := anonymous(t, 1<<20, Config{})
	other := again(t, s, Config{})
	for _, size := range []uint64{64, 8 << 10} {
		b := alloc(t, s, size)
		theirs, err := other.BlockAt(b.Place())
		require.NoError(t, err)
		for _, do := range []func() error{theirs.Free, theirs.Settle, theirs.Take, theirs.Claim, func() error { return theirs.Tie(Line) }} {
			require.ErrorIs(t, do(), ErrInUse)
		}
		require.NoError(t, b.Settle())
		require.NoError(t, b.Settle(), "once is enough")
		require.NoError(t, theirs.Take())
		require.ErrorIs(t, b.Free(), ErrInUse)
		require.NoError(t, theirs.Settle())
		require.NoError(t, theirs.Claim())
		require.ErrorIs(t, b.Take(), ErrInUse)
		require.NoError(t, theirs.Settle())
		require.NoError(t, b.Free(), "anybody may free what is nobody's")
		require.ErrorIs(t, theirs.Free(), ErrStale)
		require.NoError(t, s.Check())
	}
}

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

func TestABlockThatWasUsedAsOftenAsCanBeIsNotUsedAgain(t *testing.T) {
	for _, size := range []uint64{64, 10 << 10} {
		s := anonymous(t, 1<<20, Config{})
		b := alloc(t, s, size)
		require.NoError(t, b.Free())
		s.heap.control(b.off).Store(uint64(makeControl(blockFree, 0, maxGeneration-2)))
		for _, generation := range []uint32{maxGeneration - 1, maxGeneration} {
			again := alloc(t, s, size)
			require.Equal(t, b.off, again.off)
			require.Equal(t, generation, again.generation)
			require.NoError(t, again.Free())
		}
		other := alloc(t, s, size)
		require.NotEqual(t, b.off, other.off)
		require.ErrorIs(t, b.Free(), ErrStale)
		require.NoError(t, s.Check())
	}
}

// A place that is worn out, and nothing else: that is no reason to look for ever.
func TestALargeBlockDoesNotBeginWhereAPlaceIsWorn(t *testing.T) {
	s := anonymous(t, 1<<20, Config{})
	whole := s.heap.count << s.heap.shift
	require.NoError(t, alloc(t, s, whole).Free())
	s.heap.control(s.heap.heap).Store(uint64(makeControl(blockFree, 0, maxGeneration)))
	_, err := s.Alloc(whole, 0)
	require.ErrorIs(t, err, ErrNoSpace)
	b := alloc(t, s, whole-s.heap.runBytes())
	require.Equal(t, s.heap.runOffset(1), b.off)
	require.NoError(t, s.Check())
}

// Where there is no memory for a run of one's own, one allocates among others.
func TestAFullSegmentIsUsedToTheLastBlockByWhoeverNeedsIt(t *testing.T) {
	s := anonymous(t, 1<<16, Config{Participants: 8})
	other := again(t, s, Config{})
	var all []Block
	for {
		b, err := s.Alloc(64, 0)
		if err != nil {
			require.ErrorIs(t, err, ErrNoSpace)
			break
		}
		all = append(all, b)
	}
	require.Equal(t, s.Stats().Size, s.Stats().Used)
	_, err := other.Alloc(64, 0)
	require.ErrorIs(t, err, ErrNoSpace)
	for _, b := range all[:3] {
		require.NoError(t, b.Free())
	}
	for range 3 {
		alloc(t, other, 64)
	}
	_, err = other.Alloc(64, 0)
	require.ErrorIs(t, err, ErrNoSpace)
	require.NoError(t, s.Check())
	// The dead are swept when memory is short.
	m := mortal(t, s)
	require.NoError(t, all[3].Free())
	alloc(t, m, 64)
	die(t, m)
	alloc(t, other, 64)
	require.NoError(t, s.Check())
}

func TestManyAllocateAndFreeAtATime(t *testing.T) {
	s := anonymous(t, 8<<20, Config{})
	attaches := []*Segment{s, again(t, s, Config{}), again(t, s, Config{})}
	exchange := make(chan Block, 64)
	var wg sync.WaitGroup
	for n := range 6 {
		seg := attaches[n%3]
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(n)))
			var own []Block
			for range 3000 {
				size := uint64(1) << rnd.IntN(17)
				if b, err := seg.Alloc(size, 0); err == nil {
					for i := range b.Bytes() {
						if b.Bytes()[i] != 0 {
							t.Errorf("a byte of somebody else's")
							return
						}
						b.Bytes()[i] = byte(n + 1)
					}
					own = append(own, b)
				} else if !errors.Is(err, ErrNoSpace) {
					t.Error(err)
				}
				if len(own) > 8 || len(own) > 0 && rnd.IntN(3) == 0 {
					k := rnd.IntN(len(own))
					b := own[k]
					own[k] = own[len(own)-1]
					own = own[:len(own)-1]
					for _, c := range b.Bytes() {
						if c != byte(n+1) {
							t.Errorf("a block of two")
							return
						}
					}
					if err := b.Settle(); err != nil {
						t.Error(err)
					}
					select {
					case exchange <- b:
						b = <-exchange
					default:
					}
					b.seg = seg
					if err := b.Free(); err != nil {
						t.Error(err)
					}
				}
			}
			for _, b := range own {
				if err := b.Free(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for run := true; run; {
		select {
		case <-done:
			run = false
		default:
			require.NoError(t, s.Check())
		}
	}
	close(exchange)
	for b := range exchange {
		require.NoError(t, b.Free())
	}
	require.Zero(t, s.Stats().Blocks)
	require.NoError(t, s.Check())
	b := alloc(t, s, s.heap.count<<s.heap.shift)
	require.NoError(t, b.Free(), "nothing is lost")
}

// TestTheHeapIsLikeItsModel has several participants allocate, pass on, free, and die.
func TestTheHeapIsLikeItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s, err := Anonymous(int64(rapid.SampledFrom([]int{1 << 16, 1 << 20, 5 << 20}).Draw(rt, "size")), Config{Participants: 64})
		require.NoError(t, err)
		defer s.Close()
		type state struct {
			b     Block
			owner *Segment // nil: settled
			fill  byte
		}
		var live []*state
		var dead []Block
		others := []*Segment{s}
		pick := func() *state { return live[rapid.IntRange(0, len(live)-1).Draw(rt, "block")] }
		who := func() *Segment { return others[rapid.IntRange(0, len(others)-1).Draw(rt, "who")] }
		next := byte(0)
		drop := func(x *state) {
			for i := range live {
				if live[i] == x {
					live = append(live[:i], live[i+1:]...)
					break
				}
			}
			dead = append(dead, x.b)
		}
		rt.Repeat(map[string]func(*rapid.T){
			"attach": func(rt *rapid.T) {
				if len(others) > 4 {
					rt.Skip()
				}
				others = append(others, mortal(t, s))
			},
			"alloc": func(rt *rapid.T) {
				seg := who()
				b, err := seg.Alloc(rapid.Uint64Range(1, 1<<rapid.IntRange(0, 16).Draw(rt, "bits")).Draw(rt, "bytes"), 0)
				if err != nil {
					require.ErrorIs(t, err, ErrNoSpace)
					return
				}
				next++
				require.Equal(t, len(b.Bytes()), bytes.Count(b.Bytes(), []byte{0}))
				for i := range b.Bytes() {
					b.Bytes()[i] = next
				}
				live = append(live, &state{b, seg, next})
			},
			"settle": func(rt *rapid.T) {
				if len(live) == 0 {
					rt.Skip()
				}
				x := pick()
				seg := who()
				b := x.b
				b.seg = seg
				if x.owner == nil || x.owner == seg {
					require.NoError(t, b.Settle())
					x.owner = nil
				} else {
					require.ErrorIs(t, b.Settle(), ErrInUse)
				}
			},
			"take": func(rt *rapid.T) {
				if len(live) == 0 {
					rt.Skip()
				}
				x := pick()
				seg := who()
				x.b.seg = seg
				if err := x.b.Take(); x.owner == nil {
					require.NoError(t, err)
					x.owner = seg
				} else {
					require.ErrorIs(t, err, ErrInUse)
				}
			},
			"free": func(rt *rapid.T) {
				if len(live) == 0 {
					rt.Skip()
				}
				x := pick()
				seg := who()
				x.b.seg = seg
				if err := x.b.Free(); x.owner == nil || x.owner == seg {
					require.NoError(t, err)
					drop(x)
				} else {
					require.ErrorIs(t, err, ErrInUse)
				}
			},
			"free again": func(rt *rapid.T) {
				if len(dead) == 0 {
					rt.Skip()
				}
				b := dead[rapid.IntRange(0, len(dead)-1).Draw(rt, "dead")]
				b.seg = s
				require.ErrorIs(t, b.Free(), ErrStale)
			},
			"die": func(rt *rapid.T) {
				if len(others) < 2 {
					rt.Skip()
				}
				k := rapid.IntRange(1, len(others)-1).Draw(rt, "victim")
				m := others[k]
				others = append(others[:k], others[k+1:]...)
				o := m.Self()
				die(t, m)
				require.True(t, s.Gone(o))
				for _, x := range append([]*state(nil), live...) {
					if x.owner == m {
						drop(x)
					}
				}
			},
			"": func(rt *rapid.T) {
				require.NoError(t, s.Check())
				require.EqualValues(t, len(live), s.Stats().Blocks)
				for _, x := range live {
					body := s.m.bytes(x.b.off, x.b.size)
					require.Equal(t, len(body), bytes.Count(body, []byte{x.fill}))
				}
			},
		})
		for _, m := range others[1:] {
			die(t, m)
		}
		s.sweepAll()
		require.NoError(t, s.Check())
	})
}
