package state_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

func TestAMapOfAClosedSegment(t *testing.T) {
	seg, err := shm.Anonymous(1 << 18)
	require.NoError(t, err)
	m, err := state.NewMap[int, int](seg)
	require.NoError(t, err)
	require.NoError(t, m.Set(1, 2))
	require.NoError(t, seg.Close())
	for _, k := range []int{1, 2} {
		_, _, err = m.Get(k)
		require.ErrorIs(t, err, shm.ErrClosed)
		require.ErrorIs(t, m.Set(k, 2), shm.ErrClosed)
		_, err = m.Delete(k)
		require.ErrorIs(t, err, shm.ErrClosed)
		_, _, err = m.Swap(k, 2)
		require.ErrorIs(t, err, shm.ErrClosed)
		_, _, err = m.GetOrSet(k, 2)
		require.ErrorIs(t, err, shm.ErrClosed)
		_, err = m.CompareAndSwap(k, 2, 3)
		require.ErrorIs(t, err, shm.ErrClosed)
		_, err = m.CompareAndDelete(k, 2)
		require.ErrorIs(t, err, shm.ErrClosed)
		_, err = state.AddTo(m, k, 1)
		require.ErrorIs(t, err, shm.ErrClosed)
		require.ErrorIs(t, m.Update(k, func(*int, bool) error { t.Error("called"); return nil }), shm.ErrClosed)
	}
	_, err = m.Len()
	require.ErrorIs(t, err, shm.ErrClosed)
	require.ErrorIs(t, m.Clear(), shm.ErrClosed)
	_, err = m.Snapshot()
	require.ErrorIs(t, err, shm.ErrClosed)
	for range m.All() {
		t.Error("a pair")
	}
}

// A segment is closed under goroutines at work in a Map: they are told so, and see none of the zeros that are there then.
func TestASegmentIsClosedUnderGoroutinesAtWorkInAMap(t *testing.T) {
	for range 5 {
		seg, err := shm.Anonymous(1 << 20)
		require.NoError(t, err)
		m, err := state.NewMap[uint64, uint64](seg)
		require.NoError(t, err)
		for i := range uint64(100) {
			require.NoError(t, m.Set(i, 7))
		}
		lost := errors.New("a key that was there is not")
		there := func(v uint64, ok bool, err error) error {
			if err == nil && (!ok || v != 7) {
				err = lost
			}
			return err
		}
		work := []func(i uint64) error{
			func(i uint64) error { return there(m.Get(i % 100)) },
			func(i uint64) error { return m.Set(i%1000+100, i) },
			func(i uint64) error { _, err := m.Delete(i%1000 + 100); return err },
			func(i uint64) error { return there(m.Swap(i%100, 7)) },
			func(i uint64) error {
				return m.Update(i%100, func(v *uint64, found bool) error { return there(*v, found, nil) })
			},
			func(uint64) error {
				all, err := m.Snapshot()
				return there(all[5], err == nil, err)
			},
		}
		under, ended := make(chan bool, len(work)), make(chan error)
		for _, do := range work {
			go func() {
				for i := uint64(0); ; i++ {
					if err := do(i); err != nil {
						ended <- err
						return
					}
					if i == 1 {
						under <- true
					}
				}
			}()
		}
		for range work {
			<-under
		}
		require.NoError(t, seg.Close())
		for range work {
			require.ErrorIs(t, <-ended, shm.ErrClosed)
		}
	}
}

func TestAMapThatIsObserved(t *testing.T) {
	dir := shm.Dir(t.TempDir())
	seg, err := shm.Create("map", 1<<20, dir)
	require.NoError(t, err)
	defer seg.Close()
	m, err := state.NewMap[int, int](seg, shm.Named("m"))
	require.NoError(t, err)
	watch, err := shm.Open("map", dir, shm.Observe())
	require.NoError(t, err)
	defer watch.Close()
	eye, err := state.OpenMap[int, int](watch, "m")
	require.NoError(t, err)
	_, ok, err := eye.Get(1)
	require.NoError(t, err)
	require.False(t, ok)
	for i := range 1000 {
		require.NoError(t, m.Set(i, i))
		got, ok, err := eye.Get(i)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, i, got)
	}
	all, err := eye.Snapshot()
	require.NoError(t, err)
	require.Len(t, all, 1000)
	require.ErrorIs(t, eye.Set(1, 1), shm.ErrReadOnly)
	require.ErrorIs(t, eye.Clear(), shm.ErrReadOnly)
	_, err = eye.Delete(5000)
	require.ErrorIs(t, err, shm.ErrReadOnly)
}

// The same, of pairs in boxes.
func TestAMapOfTextsIsClosedAndObserved(t *testing.T) {
	for range 5 {
		dir := shm.Dir(t.TempDir())
		seg, err := shm.Create("map", 1<<21, dir)
		require.NoError(t, err)
		m, err := state.NewMap[string, string](seg, shm.Named("m"))
		require.NoError(t, err)
		watch, err := shm.Open("map", dir, shm.Observe())
		require.NoError(t, err)
		eye, err := state.OpenMap[string, string](watch, "m")
		require.NoError(t, err)
		for i := range uint64(200) {
			require.NoError(t, m.Set(nthText(i), "seven"))
			got, ok, err := eye.Get(nthText(i))
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, "seven", got)
		}
		all, err := eye.Snapshot()
		require.NoError(t, err)
		require.Len(t, all, 200)
		require.ErrorIs(t, eye.Set("1", ""), shm.ErrReadOnly)
		require.ErrorIs(t, eye.Clear(), shm.ErrReadOnly)
		_, err = eye.Delete("no such")
		require.ErrorIs(t, err, shm.ErrReadOnly)

		lost := errors.New("a key that was there is not")
		there := func(v string, ok bool, err error) error {
			if err == nil && (!ok || v != "seven") {
				err = lost
			}
			return err
		}
		work := []func(k string) error{
			func(k string) error { return there(m.Get(k)) },
			func(k string) error { return there(eye.Get(k)) },
			func(k string) error { return m.Set(k, "seven") },
			func(k string) error { return there(m.Swap(k, "seven")) },
			func(k string) error { _, err := m.Delete("y" + k); return errors.Join(err, m.Set("y"+k, k)) },
			func(k string) error {
				return m.Update(k, func(v *string, found bool) error { return there(*v, found, nil) })
			},
			func(string) error {
				all, err := m.Snapshot()
				return there(all[nthText(5)], err == nil, err)
			},
		}
		under, ended := make(chan bool, len(work)), make(chan error)
		for _, do := range work {
			go func() {
				for i := uint64(0); ; i++ {
					if err := do(nthText(i % 200)); err != nil {
						ended <- err
						return
					}
					if i == 1 {
						under <- true
					}
				}
			}()
		}
		for range work {
			<-under
		}
		require.NoError(t, seg.Close())
		require.NoError(t, watch.Close())
		for range work {
			require.ErrorIs(t, <-ended, shm.ErrClosed)
		}
	}
}
