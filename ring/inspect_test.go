package ring

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/segment"
	"github.com/kindred-ipc/kindred/shm"
)

// observed makes a segment with a name and opens it once more for observation.
func observed(t *testing.T) (seg, watch *shm.Segment) {
	t.Helper()
	dir := shm.Dir(t.TempDir())
	seg, err := shm.Create("rings", 1<<20, dir, shm.Participants(8), shm.As("maker"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, seg.Close()) })
	watch, err = shm.Open("rings", dir, shm.Observe())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, watch.Close()) })
	return seg, watch
}

// objectOf is what an observer knows of an object whose type it does not know.
func objectOf(t *testing.T, watch *shm.Segment, ref shm.Ref) segment.Object {
	t.Helper()
	var found segment.Object
	require.NoError(t, watch.Engine().Objects(func(o segment.Object, _ string) bool {
		if o.Ref() == ref {
			found = o
		}
		return true
	}))
	require.NotZero(t, found.Kind())
	return found
}

func TestInspectTellsTheFillOfARingOfUnknownType(t *testing.T) {
	seg, watch := observed(t)
	r, err := NewSPSC[[3]uint16](seg, 5)
	require.NoError(t, err)
	o := objectOf(t, watch, r.Ref())
	info, err := Inspect(o)
	require.NoError(t, err)
	require.Equal(t, "0 of 5 values of 8 bytes; writer: nobody; reader: nobody", info.String())

	w, err := r.Writer()
	require.NoError(t, err)
	in, err := r.Reader()
	require.NoError(t, err)
	ctx := context.Background()
	used := 0
	see := func() {
		info, err := Inspect(o)
		require.NoError(t, err)
		require.EqualValues(t, used, info.Used)
		require.NoError(t, Check(o))
	}
	for lap := range 23 { // around the end, at every place
		for ; used < r.Cap(); used++ {
			see()
			require.NoError(t, w.Push(ctx, [3]uint16{}))
		}
		for ; used > lap%3; used-- {
			see()
			_, err := in.Pop(ctx)
			require.NoError(t, err)
		}
	}
	require.NoError(t, w.Close())
	info, err = Inspect(o)
	require.NoError(t, err)
	require.True(t, info.Writer.Closed)
	require.Zero(t, info.Writer.Holder.Owner)
	require.True(t, info.Reader.Holder.Alive)
	require.Equal(t, "maker", info.Reader.Holder.Name)
	require.Contains(t, info.String(), "writer: nobody, closed; reader: process ")
}

func TestInspectCountsRecords(t *testing.T) {
	seg, watch := observed(t)
	b, err := NewBytes(seg, 1000)
	require.NoError(t, err)
	w, err := b.Writer()
	require.NoError(t, err)
	in, err := b.Reader()
	require.NoError(t, err)
	o := objectOf(t, watch, b.Ref())
	ctx := context.Background()
	for lap := range 80 { // 80 laps of 1 kB go around once
		for _, n := range []int{0, 1, 8, 1000} {
			_, err := w.Reserve(ctx, n)
			require.NoError(t, err)
			w.Commit(n)
		}
		info, err := Inspect(o)
		require.NoError(t, err)
		require.EqualValues(t, 4, info.Records, "lap %d", lap)
		require.EqualValues(t, 8+16+16+1008, info.Used)
		require.Contains(t, info.String(), "4 records in 1048 of 65536 bytes")
		require.NoError(t, Check(o))
		for range 4 {
			_, err := in.Peek(ctx)
			require.NoError(t, err)
			in.Release()
		}
	}
	used, err := b.Len()
	require.NoError(t, err)
	require.Zero(t, used)
}

// TestCheckIsRightWhileARingIsUsed has no damage to find.
func TestCheckIsRightWhileARingIsUsed(t *testing.T) {
	seg, watch := observed(t)
	r, err := NewSPSC[uint64](seg, 7)
	require.NoError(t, err)
	b, err := NewBytes(seg, 1000)
	require.NoError(t, err)
	values, records := objectOf(t, watch, r.Ref()), objectOf(t, watch, b.Ref())

	const rounds = 5000
	ctx := context.Background()
	done := make(chan error, 2)
	w, err := r.Writer()
	require.NoError(t, err)
	in, err := r.Reader()
	require.NoError(t, err)
	bw, err := b.Writer()
	require.NoError(t, err)
	br, err := b.Reader()
	require.NoError(t, err)
	go func() {
		for i := range uint64(rounds) {
			if err := w.Push(ctx, i); err != nil {
				done <- err
				return
			}
			if _, err := bw.Reserve(ctx, int(i%5000)); err != nil {
				done <- err
				return
			}
			bw.Commit(int(i % 5000))
		}
		done <- nil
	}()
	go func() {
		for range rounds {
			if _, err := in.Pop(ctx); err != nil {
				done <- err
				return
			}
			if _, err := br.Peek(ctx); err != nil {
				done <- err
				return
			}
			br.Release()
		}
		done <- nil
	}()
	for ended := 0; ended < 2; {
		require.NoError(t, Check(values))
		require.NoError(t, Check(records))
		select {
		case err := <-done:
			require.NoError(t, err)
			ended++
		default:
		}
	}
}

// TestCheckNamesTheDamage breaks one thing at a time in a ring that holds three values or records.
func TestCheckNamesTheDamage(t *testing.T) {
	at := func(r *SPSC[uint64], i int, s uint64) { r.slots[i].sequence.Store(s) }
	for i, damage := range []func(r *SPSC[uint64], b *Bytes){
		func(r *SPSC[uint64], _ *Bytes) { r.control.capacity = 0 },
		func(r *SPSC[uint64], _ *Bytes) { r.control.capacity = 1 << 40 },
		func(r *SPSC[uint64], _ *Bytes) { r.control.stride = 0 },
		func(r *SPSC[uint64], _ *Bytes) { r.control.stride = 9 },
		func(r *SPSC[uint64], _ *Bytes) { r.control.stride = 1 << 60 },
		func(r *SPSC[uint64], _ *Bytes) { r.control.data++ },
		func(r *SPSC[uint64], _ *Bytes) { r.control.closed.Store(4) },
		func(r *SPSC[uint64], _ *Bytes) { r.control.writer.Store(1<<16 | 9999) },
		func(r *SPSC[uint64], _ *Bytes) { r.control.writer.Store(5 << 16) },
		func(r *SPSC[uint64], _ *Bytes) { r.control.reader.Store(1 << segment.FlagShift) },
		func(r *SPSC[uint64], _ *Bytes) { r.control.given.Store(1) },
		func(r *SPSC[uint64], _ *Bytes) { r.control.position.Store(1000) },
		func(r *SPSC[uint64], _ *Bytes) { at(r, 0, 2) },
		func(r *SPSC[uint64], _ *Bytes) { at(r, 3, 8) },
		func(r *SPSC[uint64], _ *Bytes) { at(r, 1, ^uint64(0)) },
		func(_ *SPSC[uint64], b *Bytes) { b.control.capacity = 8 },
		func(_ *SPSC[uint64], b *Bytes) { b.control.capacity = 1 << 40 },
		func(_ *SPSC[uint64], b *Bytes) { b.control.data = 0 },
		func(_ *SPSC[uint64], b *Bytes) { b.control.position.Store(4) },
		func(_ *SPSC[uint64], b *Bytes) { b.header(0).Store(1 << 40) },
		func(_ *SPSC[uint64], b *Bytes) { b.header(8).Store(b.size) },
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			seg, watch := observed(t)
			r, err := NewSPSC[uint64](seg, 4)
			require.NoError(t, err)
			b, err := NewBytes(seg, 1000)
			require.NoError(t, err)
			w, err := r.Writer()
			require.NoError(t, err)
			bw, err := b.Writer()
			require.NoError(t, err)
			for range 3 {
				require.NoError(t, w.Push(context.Background(), 1))
				_, err := bw.Reserve(context.Background(), 0)
				require.NoError(t, err)
				bw.Commit(0)
			}
			values, records := objectOf(t, watch, r.Ref()), objectOf(t, watch, b.Ref())
			require.NoError(t, Check(values))
			require.NoError(t, Check(records))
			damage(r, b)
			errs := []error{Check(values), Check(records)}
			if errs[0] == nil {
				errs[0] = errs[1]
			}
			require.ErrorIs(t, errs[0], ErrCorrupt)
			_, _ = Inspect(values)
			_, _ = Inspect(records)
		})
	}
}
