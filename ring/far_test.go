package ring

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/shm"
)

// far has a ring begin at position start, as if that many values had gone through it.
func (r *SPSC[T]) far(start uint64) {
	r.control.position.Store(start)
	r.control.given.Store(start)
	for p := start - r.capacity; p != start; p++ {
		r.slots[p%r.capacity].sequence.Store(p + 1)
	}
}

func TestARingGoesOnBeyondPositionsOf32Bits(t *testing.T) {
	seg, err := shm.Anonymous(8 << 20)
	require.NoError(t, err)
	defer seg.Close()
	for _, start := range []uint64{1<<31 - 7, 1<<32 - 7, 1<<48 - 7, 1<<63 - 7} {
		for _, capacity := range []int{1, 3, 7, 64} {
			r, err := NewSPSC[uint64](seg, capacity)
			require.NoError(t, err)
			r.far(start)
			w, err := r.Writer()
			require.NoError(t, err)
			in, err := r.Reader()
			require.NoError(t, err)
			pushed, popped := start, start
			for popped < start+500 {
				for {
					ok, err := w.TryPush(pushed)
					require.NoError(t, err)
					if !ok {
						break
					}
					pushed++
				}
				require.EqualValues(t, capacity, pushed-popped)
				require.Equal(t, capacity, r.Len())
				for range (capacity + 1) / 2 {
					v, ok, err := in.TryPop()
					require.NoError(t, err)
					require.True(t, ok)
					require.Equal(t, popped, v)
					popped++
				}
			}
			require.NoError(t, Check(r.object))
		}
	}
}

func TestBatchesAndRunsGoOnBeyondPositionsOf32Bits(t *testing.T) {
	seg, err := shm.Anonymous(8 << 20)
	require.NoError(t, err)
	defer seg.Close()
	for _, start := range []uint64{1<<32 - 100, 1<<63 - 100} {
		for _, capacity := range []int{1, 3, 64} {
			r, err := NewSPSC[uint64](seg, capacity)
			require.NoError(t, err)
			r.far(start)
			w, err := r.Writer()
			require.NoError(t, err)
			in, err := r.Reader()
			require.NoError(t, err)
			pushed, popped := start, start
			batch := make([]uint64, capacity)
			for i := range 300 {
				n := i%capacity + 1
				run, err := w.Reserve(over(), n)
				require.NoError(t, err)
				for k := range n {
					*run.At(k) = pushed
					pushed++
				}
				w.Commit(n)
				for popped < pushed-uint64(n)/2 {
					got, err := in.PopN(over(), batch[:1])
					require.NoError(t, err)
					require.Equal(t, popped, batch[0])
					popped += uint64(got)
				}
				seen, err := in.TryPeek(capacity)
				require.NoError(t, err)
				require.EqualValues(t, pushed-popped, seen.Len())
				for k := range seen.Len() {
					require.Equal(t, popped+uint64(k), *seen.At(k))
				}
				in.Release(seen.Len())
				popped = pushed
				require.NoError(t, Check(r.object))
			}
		}
	}
}

func TestARingOfBytesGoesOnBeyondPositionsOf32Bits(t *testing.T) {
	seg, err := shm.Anonymous(8 << 20)
	require.NoError(t, err)
	defer seg.Close()
	for _, start := range []uint64{1<<31 - 256, 1<<32 - 256, 1<<48 - 256, 1<<63 - 256} {
		b, err := NewBytes(seg, 100_000)
		require.NoError(t, err)
		b.control.position.Store(start)
		b.control.given.Store(start)
		w, err := b.Writer()
		require.NoError(t, err)
		in, err := b.Reader()
		require.NoError(t, err)
		for i := range 300 {
			n := i * 311 % b.Cap()
			p, err := w.Reserve(over(), n)
			require.NoError(t, err)
			for k := range p {
				p[k] = byte(i + k)
			}
			w.Commit(n)
			got, err := in.Peek(over())
			require.NoError(t, err)
			require.Len(t, got, n)
			if n > 0 {
				require.Equal(t, byte(i), got[0])
				require.Equal(t, byte(i+n-1), got[n-1])
			}
			in.Release()
		}
		require.NoError(t, Check(b.object))
	}
}

// far has each lane begin at position start, as if that many values had gone through it.
func (m *MPMC[T]) far(start uint64) {
	for i := range m.lanes {
		l := &m.lanes[i]
		l.head.Store(start << endShift)
		l.tail.Store(start)
		l.limit.Store(start)
		for p := start - m.mask - 1; p != start; p++ {
			l.slots[p&m.mask].sequence.Store(p + 1)
		}
	}
}

func TestAnMPMCRingGoesOnBeyondPositionsOf32Bits(t *testing.T) {
	seg, err := shm.Anonymous(8 << 20)
	require.NoError(t, err)
	defer seg.Close()
	for _, start := range []uint64{1<<31 - 7, 1<<32 - 7, 1<<48 - 7, 1<<51 - 7} {
		for _, capacity := range []int{1, 3, 7, 64} {
			m, err := NewMPMC[uint64](seg, capacity)
			require.NoError(t, err)
			m.far(start)
			pushed, popped := uint64(0), uint64(0)
			for popped < 500 {
				for {
					ok, err := m.TryPush(pushed)
					require.NoError(t, err)
					if !ok {
						break
					}
					pushed++
				}
				require.EqualValues(t, capacity, pushed-popped)
				require.True(t, m.Full())
				for range (capacity + 1) / 2 {
					v, ok, err := m.TryPop()
					require.NoError(t, err)
					require.True(t, ok)
					require.Equal(t, popped, v)
					popped++
				}
			}
			require.NoError(t, Check(m.object))
		}
	}
	// A lane has an end, which is an error and no wrap.
	m, err := NewMPMC[uint64](seg, 4)
	require.NoError(t, err)
	m.far(maxEnd - 2)
	for range 2 {
		require.NoError(t, m.Push(t.Context(), 1))
		_, err := m.Pop(t.Context())
		require.NoError(t, err)
	}
	require.ErrorIs(t, m.Push(t.Context(), 1), ErrCorrupt)
}
