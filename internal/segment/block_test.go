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
