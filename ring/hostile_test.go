package ring

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// Whatever stands in the memory of a ring, and whoever put it there: an answer or an error, at once,
// and no access outside of the ring.

// over is a context that has ended: what must wait does not.
func over() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// poisons are what a word may be overwritten with.
func poisons(old uint64, rnd *rand.Rand) []uint64 {
	return []uint64{0, ^uint64(0), 1, 1 << 63, 1<<63 - 1, old + 1, old - 1, old ^ 1<<48, rnd.Uint64(), rnd.Uint64N(1 << 20)}
}

// poison runs use once for each word of the ring and each poison in it, before and after the ends are
// taken. reset brings the ring back to what it was when it was new.
func poison(t *testing.T, words int, o segment.Object, use func(spoil func())) {
	rnd := rand.New(rand.NewPCG(3, 4))
	fresh := append([]byte(nil), o.Bytes()...)
	for k := range words {
		for i := range poisons(0, rnd) {
			copy(o.Bytes(), fresh)
			use(func() {
				w := &wordsOf(o.Bytes())[k]
				w.Store(poisons(w.Load(), rnd)[i])
			})
		}
	}
	copy(o.Bytes(), fresh)
}

// sound reports whether err is one that a ring may answer with.
func sound(t *testing.T, err error) bool {
	t.Helper()
	for _, known := range []error{
		nil, ErrClosed, ErrCorrupt, ErrBusy, ErrPeerDied, ErrTooLarge, context.Canceled, shm.ErrLayout,
	} {
		if errors.Is(err, known) {
			return err == nil
		}
	}
	require.NoError(t, err, "an error of another kind")
	return false
}

func TestAnSPSCOfWhichAnyWordIsOverwritten(t *testing.T) {
	seg, err := shm.Anonymous(1 << 20)
	require.NoError(t, err)
	defer seg.Close()
	r, err := NewSPSC[uint32](seg, 5)
	require.NoError(t, err)
	for _, early := range []bool{true, false} {
		poison(t, controlSize/8+2*5, r.object, func(spoil func()) {
			if early {
				spoil()
			}
			r, err := SPSCFrom[uint32](seg, r.Ref())
			if !sound(t, err) {
				return
			}
			w, err := r.Writer()
			in, err2 := r.Reader()
			if !sound(t, err) || !sound(t, err2) {
				return
			}
			for i := range uint32(4) {
				_, err := w.TryPush(i)
				sound(t, err)
			}
			_, _, err = in.TryPop()
			sound(t, err)
			if !early {
				spoil()
			}
			for i := range uint32(12) {
				_, err := w.TryPush(i)
				sound(t, err)
				sound(t, w.Push(over(), i))
				_, _, err = in.TryPop()
				sound(t, err)
				_, err = in.Pop(over())
				sound(t, err)
				require.LessOrEqual(t, w.Len(), 5)
				require.GreaterOrEqual(t, w.Len(), 0)
				require.LessOrEqual(t, in.Len(), 5)
				require.LessOrEqual(t, r.Len(), 5)
			}
			sound(t, w.Close())
			sound(t, in.Close())
		})
	}
}

func TestARingOfBytesOfWhichAnyWordIsOverwritten(t *testing.T) {
	seg, err := shm.Anonymous(1 << 20)
	require.NoError(t, err)
	defer seg.Close()
	b, err := NewBytes(seg, 1000)
	require.NoError(t, err)
	for _, early := range []bool{true, false} {
		poison(t, controlSize/8+30, b.object, func(spoil func()) {
			if early {
				spoil()
			}
			b, err := BytesFrom(seg, b.Ref())
			if !sound(t, err) {
				return
			}
			w, err := b.Writer()
			in, err2 := b.Reader()
			if !sound(t, err) || !sound(t, err2) {
				return
			}
			write := func(n int) {
				if p, err := w.TryReserve(n); sound(t, err) && p != nil {
					clear(p)
					w.Commit(n)
				}
			}
			for i := range 4 {
				write(i * 9)
			}
			if !early {
				spoil()
			}
			for i := range 8 {
				write(i)
				_, err = w.Reserve(over(), b.Cap())
				sound(t, err)
				p, err := in.Peek(over())
				if sound(t, err) {
					require.LessOrEqual(t, len(p), b.Cap())
					for range p {
					}
					in.Release()
				}
				_, err = b.Len()
				sound(t, err)
			}
			sound(t, w.Close())
			sound(t, in.Close())
		})
	}
}

// What the reader's own words say counts for the writer alone, and is checked.
func TestPositionsThatCannotBeAreCorruption(t *testing.T) {
	seg, err := shm.Anonymous(1 << 20)
	require.NoError(t, err)
	defer seg.Close()
	r, err := NewSPSC[int64](seg, 3)
	require.NoError(t, err)
	w, err := r.Writer()
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, w.Push(over(), 1))
	}
	r.control.position.Store(4)
	require.ErrorIs(t, w.Push(over(), 1), ErrCorrupt)
	r.control.position.Store(0)

	in, err := r.Reader()
	require.NoError(t, err)
	r.slots[0].sequence.Store(7)
	_, err = in.Pop(over())
	require.ErrorIs(t, err, ErrCorrupt)
	_, _, err = in.TryPop()
	require.ErrorIs(t, err, ErrCorrupt)

	b, err := NewBytes(seg, 1000)
	require.NoError(t, err)
	bw, err := b.Writer()
	require.NoError(t, err)
	b.control.position.Store(b.size * 3)
	b.control.given.Store(b.size * 3)
	_, err = bw.Reserve(over(), 8)
	require.ErrorIs(t, err, ErrCorrupt)
	b.control.position.Store(0)
	br, err := b.Reader()
	require.NoError(t, err)
	b.header(0).Store(b.size)
	_, err = br.Peek(over())
	require.ErrorIs(t, err, ErrCorrupt)
	_, err = b.Len()
	require.ErrorIs(t, err, ErrCorrupt)
}

// A ring that cannot be used is not kept from those who repair it.
func TestAnEndThatCannotBeTakenIsNotTaken(t *testing.T) {
	seg, err := shm.Anonymous(1 << 20)
	require.NoError(t, err)
	defer seg.Close()
	b, err := NewBytes(seg, 1000)
	require.NoError(t, err)
	b.header(0).Store(^uint64(0))
	_, err = b.Writer()
	require.ErrorIs(t, err, ErrCorrupt)
	b.control.position.Store(1)
	_, err = b.Reader()
	require.ErrorIs(t, err, ErrCorrupt)
	b.header(0).Store(0)
	b.control.position.Store(0)
	_, err = b.Writer()
	require.NoError(t, err)
	_, err = b.Reader()
	require.NoError(t, err)
}
