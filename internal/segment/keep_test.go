package segment

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// keeper is a block that keeps objects, and was handed over.
func keeper(t require.TestingT, s *Segment, objects ...Object) Block {
	b := draftKeeper(t, s, objects...)
	require.NoError(t, b.Settle())
	return b
}

// draftKeeper is one that was not.
func draftKeeper(t require.TestingT, s *Segment, objects ...Object) Block {
	b, err := s.Alloc(KeepHead(len(objects)), 0)
	require.NoError(t, err)
	var places []uint64
	for _, o := range objects {
		place, err := s.Keepable(o.Ref())
		require.NoError(t, err)
		places = append(places, place)
	}
	require.NoError(t, b.Keep(places))
	return b
}

// thing is an object that was passed on.
func thing(t require.TestingT, s *Segment, name string) Object {
	o, err := s.New(Spec{Kind: KindRaw, Size: 8, Name: name})
	require.NoError(t, err)
	o.Ref()
	return o
}

// another attaches once more to s.
func another(t require.TestingT, s *Segment) *Segment {
	f, err := s.File()
	require.NoError(t, err)
	defer f.Close()
	other, err := FromFile(f, Config{})
	require.NoError(t, err)
	return other
}

func there(s *Segment, o Object) bool {
	_, err := s.Resolve(o.Ref(), KindRaw, 0)
	return err == nil
}

func TestAnObjectThatIsKeptStays(t *testing.T) {
	s := anonymous(t, 1<<20, Config{})
	o := thing(t, s, "name")
	first, second := keeper(t, s, o), keeper(t, s, o, thing(t, s, ""))
	require.NoError(t, s.Destroy(o.Ref()))
	require.ErrorIs(t, s.Destroy(o.Ref()), ErrStale)
	_, err := s.Lookup("name", KindRaw, 0)
	require.ErrorIs(t, err, ErrNotExist, "its name is gone")
	again := thing(t, s, "name")
	require.NotEqual(t, o.Ref(), again.Ref())
	require.NoError(t, s.Check())

	third := keeper(t, s, o) // what was destroyed can be kept once more, as long as it is
	require.NoError(t, first.Free())
	require.ErrorIs(t, first.Free(), ErrStale)
	require.NoError(t, third.Free())
	require.True(t, there(s, o))
	require.NoError(t, second.Free())
	require.False(t, there(s, o))
	require.NoError(t, s.Check())
}

func TestAnObjectThatWasNotDestroyedOutlivesWhoKeepsIt(t *testing.T) {
	s := anonymous(t, 1<<20, Config{})
	o := thing(t, s, "")
	require.NoError(t, keeper(t, s, o).Free())
	require.True(t, there(s, o))
	require.NoError(t, s.Destroy(o.Ref()))
	require.False(t, there(s, o))
	_, err := s.Keepable(o.Ref())
	require.ErrorIs(t, err, ErrStale)
	b, err := s.Alloc(64, 0)
	require.NoError(t, err)
	require.ErrorIs(t, b.Keep([]uint64{o.Place()}), ErrStale)
	require.NoError(t, b.Free())
	require.NoError(t, s.Check())
}

// Whoever dies gives up what his blocks kept, and ends what he was about to.
func TestTheSweepEndsWhatTheDeadKept(t *testing.T) {
	for n := range 10 {
		state := n // draft, tied, bound, ending, demolished; killed, or closed
		s := anonymous(t, 1<<20, Config{})
		o, control := thing(t, s, ""), keeper(t, s, thing(t, s, ""))
		dead := mortal(t, s)
		b := draftKeeper(t, dead, o)
		require.NoError(t, s.Destroy(o.Ref()))
		require.True(t, there(s, o))
		self := dead.heap.self.Load()
		switch state % 5 {
		case 1:
			require.NoError(t, b.Tie(o.body))
		case 2, 3, 4:
			w := s.heap.control(b.off)
			w.Store(uint64(controlOf(s, b.off).with(blockBound, self)))
			if state > 2 {
				s.heap.control(o.off).Store(uint64(controlOf(s, o.off).with(blockEnding, self)))
			}
			if state > 3 {
				s.heap.control(o.off).Store(uint64(controlOf(s, o.off).with(blockDraft, self)))
			}
		}
		s.heap.run(0).visit(self)
		require.NoError(t, s.Check(), "%d", state)
		if owner := dead.Self(); n < 5 {
			require.NoError(t, dead.Close())
		} else {
			die(t, dead)
			require.True(t, s.Gone(owner))
		}
		require.False(t, there(s, o), "%d", state)
		_, err := s.BlockAt(b.Place())
		require.ErrorIs(t, err, ErrStale)
		require.NoError(t, control.Free())
		require.NoError(t, s.Check())
	}
}

func controlOf(s *Segment, off uint64) control { return control(s.heap.control(off).Load()) }

func TestOneWhoAttachesGoesOnWithWhatTheDeadHad(t *testing.T) {
	s, err := Anonymous(1<<20, Config{Participants: 2})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	o := thing(t, s, "")
	dead := mortal(t, s)
	slot, owner := dead.mine, dead.Self()
	b := draftKeeper(t, dead, o)
	require.NoError(t, s.Destroy(o.Ref()))
	c := controlOf(s, b.off)
	// As if one had died who was about to take the slot.
	next := makeOwner(slot, owner.generation()+1).brief()
	s.heap.control(b.off).Store(uint64(c.with(blockDraft, next)))
	s.heap.run((b.off - s.heap.heap) >> s.heap.shift).visit(next)
	require.NoError(t, s.Check())
	require.NoError(t, dead.Close())
	s.slot(slot).allocated.Store(allocatedBefore)
	require.NoError(t, s.Check())
	require.True(t, there(s, o))
	again(t, s, Config{})
	require.False(t, there(s, o))
	require.NoError(t, s.Check())
}

// Whatever is kept, destroyed and let go, by whomever, an object is there as long as it was not destroyed, or is kept.
func TestObjectsAreKeptAsLongAsTheyShould(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, err := Anonymous(1<<20, Config{Participants: 8})
		require.NoError(t, err)
		defer s.Close()
		other := another(t, s)
		type known struct {
			o         Object
			destroyed bool
			kept      int
		}
		var objects []*known
		blocks := map[Block][]*known{}
		mine := map[Block]bool{} // that other has, and has not handed over
		alive := func() (all []*known) {
			for _, k := range objects {
				if !k.destroyed || k.kept > 0 {
					all = append(all, k)
				}
			}
			return all
		}
		free := func(b Block) {
			for _, k := range blocks[b] {
				k.kept--
			}
			delete(blocks, b)
			delete(mine, b)
		}
		pick := func(t *rapid.T) Block {
			var all []Block
			for b := range blocks {
				all = append(all, b)
			}
			if len(all) == 0 {
				t.Skip("no block")
			}
			return all[rapid.IntRange(0, len(all)-1).Draw(t, "block")]
		}
		t.Repeat(map[string]func(*rapid.T){
			"make": func(*rapid.T) { objects = append(objects, &known{o: thing(t, s, "")}) },
			"keep": func(t *rapid.T) {
				all := alive()
				if len(all) == 0 {
					t.Skip("no object")
				}
				var kept []*known
				var os []Object
				for range rapid.IntRange(1, 3).Draw(t, "n") {
					k := rapid.SampledFrom(all).Draw(t, "object")
					k.kept++
					kept, os = append(kept, k), append(os, k.o)
				}
				if rapid.Bool().Draw(t, "draft") {
					b := draftKeeper(t, other, os...)
					blocks[b], mine[b] = kept, true
				} else {
					blocks[keeper(t, s, os...)] = kept
				}
			},
			"free": func(t *rapid.T) {
				b := pick(t)
				require.NoError(t, b.Free())
				free(b)
			},
			"destroy": func(t *rapid.T) {
				all := alive()
				if len(all) == 0 {
					t.Skip("no object")
				}
				k := rapid.SampledFrom(all).Draw(t, "object")
				err := s.Destroy(k.o.Ref())
				if k.destroyed {
					require.ErrorIs(t, err, ErrStale)
				} else {
					require.NoError(t, err)
				}
				k.destroyed = true
			},
			"leave": func(t *rapid.T) {
				require.NoError(t, other.Close())
				for b := range mine {
					free(b)
				}
				other = another(t, s)
			},
			"": func(t *rapid.T) {
				for _, k := range objects {
					require.Equal(t, !k.destroyed || k.kept > 0, there(s, k.o))
				}
				require.NoError(t, s.Check())
			},
		})
		require.NoError(t, other.Close())
	})
}

// What keeps an object is found where it was last seen, as long as it does, and else wherever it is.
func TestWhoKeepsAnObjectIsFoundWhereverItWasSeenLast(t *testing.T) {
	s := anonymous(t, 1<<22, Config{})
	o, crowd := thing(t, s, ""), thing(t, s, "")
	var all []Block
	for i := range 600 { // in several runs
		if i%3 == 0 {
			all = append(all, keeper(t, s, o))
		} else {
			keeper(t, s, crowd)
		}
	}
	other := another(t, s)
	defer other.Close()
	require.NoError(t, other.Destroy(o.Ref()), "it has seen none of them")
	for i, b := range all {
		require.True(t, there(s, o))
		through := s
		if i%2 == 0 {
			through = other
		}
		b, err := through.BlockAt(b.Place())
		require.NoError(t, err)
		require.NoError(t, b.Free())
	}
	require.False(t, there(s, o))
	require.True(t, there(s, crowd))
	require.NoError(t, s.Check())
}
