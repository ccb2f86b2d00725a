package ring

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// Each target overwrites a part of a ring with its input, uses the ring, and puts back what was there.

// spoiled runs do with b written over the body of o from off on, early and late: before the ends are
// taken, and behind that.
func spoiled(o segment.Object, off uint64, b []byte, do func(spoil func())) {
	fresh := append([]byte(nil), o.Bytes()...)
	write := func() { copy(o.Bytes()[min(off, o.Size()):], b) }
	for _, early := range []bool{true, false} {
		if early {
			write()
			do(func() {})
		} else {
			do(write)
		}
		copy(o.Bytes(), fresh)
	}
}

// useValues does whatever can be done with a ring of values, within the room that it has.
func useValues(t *testing.T, seg *shm.Segment, ref shm.Ref, spoil func()) {
	r, err := SPSCFrom[uint32](seg, ref)
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
	spoil()
	for i := range uint32(12) {
		_, err := w.TryPush(i)
		sound(t, err)
		sound(t, w.Push(over(), i))
		_, _, err = in.TryPop()
		sound(t, err)
		_, err = in.Pop(over())
		sound(t, err)
		for _, n := range []int{w.Len(), in.Len(), r.Len()} {
			require.GreaterOrEqual(t, n, 0)
			require.LessOrEqual(t, n, r.Cap())
		}
	}
	sound(t, Check(r.object))
	sound(t, w.Close())
	sound(t, in.Close())
}

// useRecords does whatever can be done with a ring of bytes.
func useRecords(t *testing.T, seg *shm.Segment, ref shm.Ref, spoil func()) {
	b, err := BytesFrom(seg, ref)
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
			require.Len(t, p, n)
			clear(p)
			w.Commit(n)
		}
	}
	for i := range 4 {
		write(i * 9)
	}
	spoil()
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
		n, err := b.Len()
		sound(t, err)
		require.LessOrEqual(t, n, int(b.size))
	}
	sound(t, Check(b.object))
	sound(t, w.Close())
	sound(t, in.Close())
}

// FuzzControl overwrites the control of a ring, of values or of bytes, and what follows it.
func FuzzControl(f *testing.F) {
	seg, err := shm.Anonymous(1 << 20)
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, seg.Close()) })
	r, err := NewSPSC[uint32](seg, 5)
	require.NoError(f, err)
	b, err := NewBytes(seg, 1000)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, records bool, off uint16, control []byte) {
		if control = control[:min(len(control), controlSize+5*16)]; records {
			spoiled(b.object, uint64(off), control, func(spoil func()) { useRecords(t, seg, b.Ref(), spoil) })
		} else {
			spoiled(r.object, uint64(off), control, func(spoil func()) { useValues(t, seg, r.Ref(), spoil) })
		}
		require.NoError(t, seg.Check())
	})
}

// FuzzRecords has the reader begin anywhere in a ring of bytes, where any bytes stand.
func FuzzRecords(f *testing.F) {
	seg, err := shm.Anonymous(1 << 20)
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, seg.Close()) })
	b, err := NewBytes(seg, 1000)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, position uint64, data []byte) {
		b.control.position.Store(position)
		b.control.given.Store(position)
		fresh := append([]byte(nil), b.object.Bytes()...)
		copy(b.data[position%b.size:], data[:min(uint64(len(data)), b.size)])
		left := uint64(0) // bytes that a walk finds
		if n, err := b.Len(); sound(t, err) {
			left = uint64(n)
			info, err := Inspect(b.object)
			require.NoError(t, err)
			require.Equal(t, left, info.Used)
		}
		in, err := b.Reader()
		if sound(t, err) {
			for {
				p, err := in.TryPeek()
				if !sound(t, err) || p == nil {
					break
				}
				require.LessOrEqual(t, uint64(len(p)), b.size-overhead)
				in.Release()
				if left == 0 {
					break // the walk found damage, so this one may go on around
				}
			}
			require.LessOrEqual(t, in.pos-position, b.size)
			sound(t, in.Close())
		}
		b.control.closed.Store(0)
		useRecords(t, seg, b.Ref(), func() {})
		copy(b.object.Bytes(), fresh)
		b.control.position.Store(0)
		b.control.given.Store(0)
	})
}
