package state_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

// field is what the processes of a test share.
type field struct {
	Map, Started shm.Ref
	From, To     uint64 // keys that a process inserts
	Counters     uint64
}

// counters are keys from here on.
const counters = 1 << 40

func newField(t testing.TB) (*shm.Segment, field, *state.Map[uint64, uint64], *state.Value[int32]) {
	t.Helper()
	seg, err := shm.Anonymous(4 << 20)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, seg.Close()) })
	m, err := state.NewMap[uint64, uint64](seg)
	require.NoError(t, err)
	started, err := state.NewValue[int32](seg, 0)
	require.NoError(t, err)
	return seg, field{Map: m.Ref(), Started: started.Ref(), Counters: 20}, m, started
}

func (f field) open(ctx context.Context) (*state.Map[uint64, uint64], error) {
	seg := proc.Segments(ctx)[0]
	started, err := state.ValueFrom[int32](seg, f.Started)
	if err != nil {
		return nil, err
	}
	m, err := state.MapFrom[uint64, uint64](seg, f.Map)
	if err != nil {
		return nil, err
	}
	_, err = state.Add(started, 1)
	return m, err
}

// sower inserts its keys, counts in keys that all have, and takes every third of its own out again.
var sower = proc.Func("state_test.sower", func(ctx context.Context, f field) error {
	m, err := f.open(ctx)
	if err != nil {
		return err
	}
	for k := f.From; k < f.To; k++ {
		if err := m.Set(k, k); err != nil {
			return err
		}
		if _, err := state.AddTo(m, counters+k%f.Counters, 1); err != nil {
			return err
		}
		if err := m.Update(counters+(k+1)%f.Counters, func(v *uint64, _ bool) error { *v++; return nil }); err != nil {
			return err
		}
		if k%3 == 0 {
			if ok, err := m.Delete(k); err != nil || !ok {
				return errors.Join(err, fmt.Errorf("key %d was not there", k))
			}
		}
	}
	return nil
})

func TestProcessesLoseNothingOfAMapThatGrows(t *testing.T) {
	ctx := bounded(t)
	seg, f, m, _ := newField(t)
	const processes, each = 3, 3000
	var children []*proc.Process
	for i := range uint64(processes) {
		f.From, f.To = i*each, (i+1)*each
		c, err := sower.Start(ctx, f, proc.Share(seg))
		require.NoError(t, err)
		defer c.Close()
		children = append(children, c)
	}
	for _, c := range children {
		require.NoError(t, c.Wait(ctx))
	}
	all, err := m.Snapshot()
	require.NoError(t, err)
	require.Len(t, all, processes*each*2/3+int(f.Counters))
	for k := range uint64(processes * each) {
		_, ok := all[k]
		require.Equal(t, k%3 != 0, ok, "key %d", k)
	}
	for i := range f.Counters {
		require.EqualValues(t, 2*processes*each/f.Counters, all[counters+i])
	}
}

// reaper changes for ever: keys come and go, so that the table grows, and the values of others change.
var reaper = proc.Func("state_test.reaper", func(ctx context.Context, f field) error {
	m, err := f.open(ctx)
	if err != nil {
		return err
	}
	for i := uint64(0); ; i++ {
		k := f.From + i%(f.To-f.From)
		if err := m.Set(k, k); err != nil {
			return err
		}
		if err := m.Set(counters+i%f.Counters, i); err != nil {
			return err
		}
		if i%5 == 0 {
			if _, err := m.Delete(k); err != nil {
				return err
			}
		}
	}
})

// Those who change a Map are stopped anywhere, and killed there. Nobody who reads or writes waits for them, and nothing
// is lost that was committed.
func TestAMapWhoseWritersAreStoppedAndKilled(t *testing.T) {
	ctx := bounded(t)
	seg, f, m, started := newField(t)
	const stay, fresh = 1000, 100
	for k := range uint64(stay) {
		require.NoError(t, m.Set(k, k))
	}
	for k := range f.Counters {
		require.NoError(t, m.Set(counters+k, k))
	}
	next := uint64(1 << 50)
	set := func(k, v uint64) {
		require.NoError(t, m.Set(k, v))
		got, ok, err := m.Get(k)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, v, got)
	}
	use := func(alone bool) {
		for k := range uint64(stay) {
			got, ok, err := m.Get(k)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, k, got)
			if k%4 == 0 {
				set(k, k+1)
				set(k, k)
			}
		}
		for k := range f.Counters {
			_, ok, err := m.Get(counters + k)
			require.NoError(t, err)
			require.True(t, ok)
			if alone {
				set(counters+k, next+k)
			} else {
				require.NoError(t, m.Set(counters+k, k))
			}
		}
		for range fresh {
			require.NoError(t, m.Set(next, next), "that makes it grow")
			next++
		}
	}
	for round := range uint64(8) {
		require.NoError(t, started.Store(0))
		var children []*proc.Process
		for i := range uint64(2) {
			f.From = 1<<30 + round<<20 + i<<16
			f.To = f.From + 400
			c, err := reaper.Start(ctx, f, proc.Share(seg))
			require.NoError(t, err)
			defer c.Close()
			children = append(children, c)
		}
		for {
			n, err := started.Load()
			require.NoError(t, err)
			if n == 2 {
				break
			}
			require.NoError(t, ctx.Err())
			runtime.Gosched()
		}
		use(false)
		for _, c := range children {
			require.NoError(t, proctest.Stop(c.Pid()))
		}
		use(true)
		for _, c := range children {
			require.NoError(t, c.Kill())
			require.Error(t, c.Wait(ctx))
		}
		use(true)
	}
	all, err := m.Snapshot()
	require.NoError(t, err)
	n, err := m.Len()
	require.NoError(t, err)
	require.Len(t, all, n)
	for k := uint64(1 << 50); k < next; k++ {
		require.Equal(t, k, all[k])
	}
	require.NoError(t, state.Check(objectOf(t, seg, m.Ref())))
}

// library is what the processes of a test share that change a Map of texts.
type library struct {
	Map, Started shm.Ref
	Round        uint64
}

// libraryKeys are those that all change; each has others beside them.
const libraryKeys = 40

// librarian changes for ever: values of several lengths, keys that come and go, and others that make the table grow.
var librarian = proc.Func("state_test.librarian", func(ctx context.Context, l library) error {
	seg := proc.Segments(ctx)[0]
	m, err := state.MapFrom[string, string](seg, l.Map)
	if err != nil {
		return err
	}
	started, err := state.ValueFrom[int32](seg, l.Started)
	if err != nil {
		return err
	}
	if _, err := state.Add(started, 1); err != nil {
		return err
	}
	for i := uint64(0); ; i++ {
		k := nthText(i % libraryKeys)
		switch i % 7 {
		case 0:
			_, err = m.Delete(k)
		case 1:
			_, _, err = m.Swap(k, nthText(i))
		case 2:
			err = m.Update(k, func(v *string, _ bool) error { *v = nthText(i); return nil })
		case 3:
			err = m.Set(nthText(l.Round<<32+i%700), nthText(i))
		default:
			err = m.Set(k, nthText(i))
		}
		if err != nil {
			return err
		}
	}
})

// Those who change a Map of texts are stopped anywhere, and killed there. Who reads sees no text that is not one, and waits
// for nobody. Each leaves two boxes at the most that are nobody's, until the next ones who write find them.
func TestAMapOfTextsWhoseWritersAreStoppedAndKilled(t *testing.T) {
	ctx := bounded(t)
	seg, err := shm.Anonymous(8 << 20)
	require.NoError(t, err)
	defer func() { require.NoError(t, seg.Close()) }()
	m, err := state.NewMap[string, string](seg)
	require.NoError(t, err)
	started, err := state.NewValue[int32](seg, 0)
	require.NoError(t, err)
	read := func() {
		all, err := m.Snapshot()
		require.NoError(t, err)
		for k, v := range all {
			nthOf(k)
			nthOf(v)
		}
		for i := range uint64(libraryKeys) {
			v, ok, err := m.Get(nthText(i))
			require.NoError(t, err)
			if ok {
				nthOf(v)
			}
		}
	}
	deaths := 0
	for round := range uint64(4) {
		require.NoError(t, started.Store(0))
		var children []*proc.Process
		for range 2 {
			c, err := librarian.Start(ctx, library{m.Ref(), started.Ref(), round + 1}, proc.Share(seg))
			require.NoError(t, err)
			defer c.Close()
			children = append(children, c)
		}
		for n := int32(0); n < 2; {
			n, err = started.Load()
			require.NoError(t, err)
			require.NoError(t, ctx.Err())
			runtime.Gosched()
		}
		for i := range uint64(10) {
			require.NoError(t, m.Set(nthText(i%libraryKeys), nthText(i)))
			read()
		}
		for _, c := range children {
			require.NoError(t, proctest.Stop(c.Pid()))
		}
		for i := range uint64(libraryKeys) {
			require.NoError(t, m.Set(nthText(i), nthText(i)))
		}
		read()
		for _, c := range children {
			require.NoError(t, c.Kill())
			require.Error(t, c.Wait(ctx))
			deaths++
		}
		read()
		require.NoError(t, shm.Check(seg))
		require.NoError(t, state.Check(objectOf(t, seg, m.Ref())))
		require.LessOrEqual(t, seg.Stats().Blocks, uint64(m.Blocks()+1+2*deaths))
	}
	require.NoError(t, m.Clear())
	require.LessOrEqual(t, seg.Stats().Blocks, uint64(m.Blocks()+1+2*deaths))
}
