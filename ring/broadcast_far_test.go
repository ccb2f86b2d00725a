package ring

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/shm"
)

// far has a ring begin at record start, as if that many had gone through it.
func (b *Broadcast[T]) far(start uint64) {
	c := b.cast
	c.control.tail.Store(start)
	c.control.intent.Store(start)
	for p := start - c.slots; p != start; p++ {
		b.all[p%c.slots].sequence.Store(p + 1)
	}
}

func TestABroadcastGoesOnBeyondSequencesOf32Bits(t *testing.T) {
	seg, err := shm.Anonymous(8 << 20)
	require.NoError(t, err)
	defer seg.Close()
	for _, start := range []uint64{1<<31 - 7, 1<<32 - 7, 1<<48 - 7, 1<<61 - 7} {
		for _, capacity := range []int{1, 3, 7, 64} {
			b, err := NewBroadcast[uint64](seg, capacity)
			require.NoError(t, err)
			b.far(start)
			w, err := b.Writer()
			require.NoError(t, err)
			hold, err := b.Subscribe(Blocking())
			require.NoError(t, err)
			s, err := b.Subscribe()
			require.NoError(t, err)
			require.Equal(t, start, s.Sequence())
			slow, err := b.Subscribe(FromOldest())
			require.NoError(t, err)
			require.Equal(t, start-b.cast.slots, slow.Sequence())
			pushed, read := start, start
			for read < start+500 {
				for {
					ok, err := w.TryPush(pushed)
					require.NoError(t, err)
					if !ok {
						break
					}
					pushed++
				}
				require.Equal(t, b.cast.slots, pushed-read)
				behind, err := s.Behind()
				require.NoError(t, err)
				require.Equal(t, pushed-read, behind)
				for range (capacity + 1) / 2 {
					for _, s := range []*Subscriber[uint64]{hold, s} {
						v, ok, err := s.TryNext()
						require.NoError(t, err)
						require.True(t, ok)
						require.Equal(t, read, v)
					}
					read++
				}
			}
			_, _, err = slow.TryNext()
			var lapped *Lapped
			require.ErrorAs(t, err, &lapped)
			require.Equal(t, slow.Sequence(), start-b.cast.slots+lapped.Missed)
			v, ok, err := slow.TryNext()
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, slow.Sequence()-1, v)
			require.NoError(t, Check(b.object))
			_, err = b.Subscribe(FromSequence(7))
			require.ErrorIs(t, err, ErrSequence)
		}
	}
}

func TestWordsOfABroadcastThatCannotBeAreCorruption(t *testing.T) {
	seg := megabyte(t)
	b, err := NewBroadcast[int64](seg, 5)
	require.NoError(t, err)
	c := b.cast.control
	w, err := b.Writer()
	require.NoError(t, err)
	s, err := b.Subscribe()
	require.NoError(t, err)
	hold, err := b.Subscribe(Blocking())
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, w.Push(over(), 1))
	}

	hold.at.Store(10)
	require.ErrorIs(t, w.Push(over(), 1), ErrCorrupt)
	require.ErrorIs(t, Check(b.object), ErrCorrupt)
	hold.at.Store(3)
	require.NoError(t, Check(b.object))
	intent := c.intent.Load()
	for _, wrong := range []uint64{0, intent + 2*b.cast.lead, ^uint64(0), 1 << 62} {
		c.intent.Store(wrong)
		require.ErrorIs(t, w.Push(over(), 1), ErrCorrupt, "%d", wrong)
		require.Error(t, Check(b.object), "%d", wrong)
		_, _, err = hold.TryNext()
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt, "%d", wrong)
		}
	}
	c.intent.Store(intent)
	turn := c.turn.Load()
	c.turn.Store(100 << turnRowShift)
	require.ErrorIs(t, w.Push(over(), 1), ErrCorrupt)
	require.ErrorIs(t, Check(b.object), ErrCorrupt)
	c.turn.Store(turnTicketMax << turnTicketShift)
	require.ErrorIs(t, w.Push(over(), 1), ErrCorrupt, "a wrap is refused")
	c.turn.Store(turn)
	require.NoError(t, w.Push(over(), 1))

	b.all[0].sequence.Store(3)
	_, _, err = s.TryNext()
	require.ErrorIs(t, err, ErrCorrupt)
	_, err = s.Next(over())
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorIs(t, Check(b.object), ErrCorrupt)
	c.tail.Store(1 << 40)
	_, _, err = b.Bounds()
	require.ErrorIs(t, err, ErrCorrupt)
	_, err = b.Subscribe()
	require.ErrorIs(t, err, ErrCorrupt)
}

func TestBroadcastsThatDoNotFillTheirObjectAreCorruption(t *testing.T) {
	seg := megabyte(t)
	b, err := NewBroadcast[uint64](seg, 64)
	require.NoError(t, err)
	c := b.cast.control
	for _, word := range []*uint64{&c.capacity, &c.slots, &c.stride, &c.data} {
		right := *word
		for _, wrong := range []uint64{0, 1, right - 1, right + 1, right + 8, 1 << 60, ^uint64(0)} {
			*word = wrong
			_, err = BroadcastFrom[uint64](seg, b.Ref())
			require.ErrorIs(t, err, ErrCorrupt, "%d", wrong)
		}
		*word = right
	}
	_, err = BroadcastFrom[uint64](seg, b.Ref())
	require.NoError(t, err)
}

func TestInspectTellsOfABroadcast(t *testing.T) {
	seg, watch := observed(t)
	b, err := NewBroadcast[[3]uint16](seg, 8)
	require.NoError(t, err)
	o := objectOf(t, watch, b.Ref())
	info, err := InspectBroadcast(o)
	require.NoError(t, err)
	require.Equal(t, "records 0 to 0 of 8 bytes, at least 8 are kept", info.String())
	w, err := b.Writer()
	require.NoError(t, err)
	s, err := b.Subscribe(Blocking())
	require.NoError(t, err)
	for range 23 {
		require.NoError(t, w.Push(over(), [3]uint16{}))
		_, err = s.Next(over())
		require.NoError(t, err)
		require.NoError(t, Check(o))
	}
	require.NoError(t, w.Push(over(), [3]uint16{}))
	info, err = InspectBroadcast(o)
	require.NoError(t, err)
	require.EqualValues(t, 24, info.Next)
	require.EqualValues(t, 14, info.Oldest)
	require.Len(t, info.Writers, 1)
	require.Equal(t, "maker", info.Writers[0].Holder.Name)
	require.EqualValues(t, 1, info.Blocking[0].Behind)
	require.NoError(t, w.Close())
	info, err = InspectBroadcast(o)
	require.NoError(t, err)
	require.True(t, info.Closed)
	require.Empty(t, info.Writers)
	require.Contains(t, info.String(), "at least 8 are kept, closed; blocking: process ")
	require.NoError(t, Check(o))
	_, err = Inspect(o)
	require.ErrorIs(t, err, shm.ErrKind)
}

// There is no damage to find while a ring is used.
func TestCheckIsRightWhileABroadcastIsUsed(t *testing.T) {
	seg, watch := observed(t)
	b, err := NewBroadcast[uint64](seg, 9)
	require.NoError(t, err)
	o := objectOf(t, watch, b.Ref())
	done := make(chan error, 2)
	for range 2 {
		w, err := b.Writer()
		require.NoError(t, err)
		go func() {
			for i := range uint64(4000) {
				if _, err := w.TryPush(i); err != nil {
					done <- err
					return
				}
			}
			done <- w.Leave()
		}()
	}
	for ended := 0; ended < 2; {
		require.NoError(t, Check(o))
		_, err := InspectBroadcast(o)
		require.NoError(t, err)
		select {
		case err := <-done:
			require.NoError(t, err)
			ended++
		default:
		}
	}
}
