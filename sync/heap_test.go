package sync_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	gosync "sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/sync"
)

// What is in Go's heap may be guarded by what is in shared memory, which the race detector does not
// see: under it, these tests fail if it is not told.

func TestAMutexOrdersWhatGoroutinesDoInTheHeap(t *testing.T) {
	a, b := mutexes(t)
	counts := make(map[string]int)
	var wg gosync.WaitGroup
	for i := range 6 {
		m := []*sync.Mutex{a, b}[i%2]
		ctx := bounded(t) // one for all would order what they do
		wg.Go(func() {
			for k := range 200 {
				if got, err := m.TryLock(); err != nil {
					t.Error(err)
				} else if !got {
					if err := m.Lock(ctx); err != nil {
						t.Error(err)
					}
				}
				counts["all"]++
				if k%16 == 0 {
					runtime.Gosched()
				}
				if err := m.Unlock(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1200, counts["all"])
}

func TestWhoInheritsALockSeesWhatTheDeadOneDidInTheHeap(t *testing.T) {
	ctx := bounded(t)
	s := anonymous(t)
	a, err := sync.NewMutex(s)
	require.NoError(t, err)
	other := again(t, s)
	b, err := sync.MutexFrom(other, a.Ref())
	require.NoError(t, err)
	require.NoError(t, b.Lock(ctx))
	var note []string
	failed := make(chan error)
	go func() {
		err := a.Lock(ctx)
		note = append(note, "inherited")
		failed <- err
	}()
	note = append(note, "held")
	require.NoError(t, other.Close())
	require.ErrorIs(t, <-failed, sync.ErrOwnerDied)
	require.Equal(t, []string{"held", "inherited"}, note)
}

func TestASemaphoreOrdersWhatGoroutinesDoInTheHeap(t *testing.T) {
	ctx := bounded(t)
	a, b := semaphores(t, 0)
	message := ""
	done := make(chan error)
	go func() {
		err := a.Acquire(ctx, 2)
		message += ", and"
		done <- err
	}()
	message = "one"
	require.NoError(t, b.Release(2))
	require.NoError(t, <-done)
	require.Equal(t, "one, and", message)

	// As a lock.
	count := 0
	require.NoError(t, a.Release(1))
	var wg gosync.WaitGroup
	for i := range 4 {
		s := []*sync.Semaphore{a, b}[i%2]
		ctx := bounded(t)
		wg.Go(func() {
			for range 200 {
				if err := s.Acquire(ctx, 1); err != nil {
					t.Error(err)
				}
				count++
				if err := s.Release(1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, 800, count)
}

// follows has one goroutine write in the heap and say so, and another one hear it and read.
func follows(t *testing.T, say, hear func() error) {
	t.Helper()
	note := ""
	done := make(chan error)
	go func() {
		err := hear()
		note += ", and read"
		done <- err
	}()
	note = "written"
	require.NoError(t, say())
	require.NoError(t, <-done)
	require.Equal(t, "written, and read", note)
}

// until calls done again and again.
func until(done func() bool) {
	for !done() {
		runtime.Gosched()
	}
}

// fatally is f, which must fail with ErrOwnerDied.
func fatally(f func() error) func() error {
	return func() error {
		if err := f(); !errors.Is(err, sync.ErrOwnerDied) {
			return fmt.Errorf("nobody died: %w", err)
		}
		return nil
	}
}

func TestAnRWMutexOrdersWhatGoroutinesDoInTheHeap(t *testing.T) {
	a, b := rwMutexes(t)
	ctx, other := bounded(t), bounded(t)
	require.NoError(t, b.Lock(ctx))
	follows(t, b.Unlock, func() error { return a.RLock(other) })
	follows(t, a.RUnlock, func() error { return b.Lock(other) })
	follows(t, b.Downgrade, func() error { return a.RLock(other) })
	require.NoError(t, a.RUnlock())
	follows(t, b.RUnlock, func() error {
		until(func() bool { return a.Readers() == 0 })
		_, err := a.TryLock()
		return err
	})
	require.NoError(t, a.Unlock())

	counts := make(map[string]int)
	var wg gosync.WaitGroup
	for i := range 6 {
		m := []*sync.RWMutex{a, b}[i%2]
		ctx := bounded(t)
		wg.Go(func() {
			for k := range 100 {
				if err := m.RLock(ctx); err != nil {
					t.Error(err)
				}
				seen := counts["all"]
				if k%16 == 0 {
					runtime.Gosched()
				}
				if seen != counts["all"] {
					t.Error("it changes under a reader")
				}
				if err := m.RUnlock(); err != nil {
					t.Error(err)
				}
				if err := m.Lock(ctx); err != nil {
					t.Error(err)
				}
				counts["all"]++
				if err := m.Unlock(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, 600, counts["all"])
}

func TestWhoFollowsADeadReaderSeesWhatItDidInTheHeap(t *testing.T) {
	s := anonymous(t)
	a, err := sync.NewRWMutex(s)
	require.NoError(t, err)
	other := again(t, s)
	b, err := sync.RWMutexFrom(other, a.Ref())
	require.NoError(t, err)
	require.NoError(t, b.RLock(bounded(t)))
	ctx := bounded(t)
	follows(t, other.Close, func() error { return a.Lock(ctx) })
}

func TestAnRMutexOrdersWhatGoroutinesDoInTheHeap(t *testing.T) {
	s := anonymous(t)
	a, err := sync.NewRMutex(s)
	require.NoError(t, err)
	b, err := sync.RMutexFrom(again(t, s), a.Ref())
	require.NoError(t, err)
	hold, err := b.Lock(bounded(t))
	require.NoError(t, err)
	ctx := bounded(t)
	follows(t, hold.Unlock, func() error {
		_, err := a.Lock(ctx)
		return err
	})
}

func TestATrackedSemaphoreOrdersWhatGoroutinesDoInTheHeap(t *testing.T) {
	s := anonymous(t)
	a, err := sync.NewSemaphore(s, 2, sync.Tracked())
	require.NoError(t, err)
	other := again(t, s)
	b, err := sync.SemaphoreFrom(other, a.Ref())
	require.NoError(t, err)
	require.NoError(t, b.Acquire(bounded(t), 2))
	ctx := bounded(t)
	follows(t, func() error { return b.Release(1) }, func() error { return a.Acquire(ctx, 1) })
	follows(t, other.Close, func() error { return a.Acquire(ctx, 1) })
}

// Whoever signals need not have the lock.
func TestASignalOrdersWhatGoroutinesDoInTheHeap(t *testing.T) {
	s := anonymous(t)
	mu, err := sync.NewMutex(s)
	require.NoError(t, err)
	a, err := sync.NewCond(s)
	require.NoError(t, err)
	b, err := sync.CondFrom(again(t, s), a.Ref())
	require.NoError(t, err)
	ctx := bounded(t)
	for _, signal := range []func() error{b.Signal, b.Broadcast} {
		follows(t, func() error {
			until(func() bool { return sync.Waiting(b) == 1 })
			return signal()
		}, func() error {
			err := mu.Lock(ctx)
			if err == nil {
				err = a.Wait(ctx, mu)
			}
			return errors.Join(err, mu.Unlock())
		})
	}
}

func TestAWaitGroupOrdersWhatGoroutinesDoInTheHeap(t *testing.T) {
	s := anonymous(t)
	a, err := sync.NewWaitGroup(s)
	require.NoError(t, err)
	other := again(t, s)
	b, err := sync.WaitGroupFrom(other, a.Ref())
	require.NoError(t, err)
	ctx := bounded(t)
	wait := func() error { return a.Wait(ctx) }
	require.NoError(t, b.Add(1))
	follows(t, b.Done, wait)
	follows(t, func() error { return b.Add(1) }, func() error {
		until(func() bool { return a.Count() == 1 })
		return a.Take(ctx, 1)
	})
	require.NoError(t, a.Done())
	require.NoError(t, b.Add(1))
	follows(t, other.Close, fatally(wait))
}

func TestABarrierOrdersWhatGoroutinesDoInTheHeap(t *testing.T) {
	s := anonymous(t)
	a, err := sync.NewBarrier(s, 2)
	require.NoError(t, err)
	b, err := sync.BarrierFrom(again(t, s), a.Ref())
	require.NoError(t, err)
	one, two := bounded(t), bounded(t)
	last := func(b, after *sync.Barrier, ctx context.Context, action func() error) func() error {
		return func() error {
			until(func() bool { return after.Waiting() == 1 })
			_, err := b.WaitAction(ctx, action)
			return err
		}
	}
	first := func(b *sync.Barrier, ctx context.Context) func() error {
		return func() error {
			_, err := b.Wait(ctx)
			return err
		}
	}
	follows(t, last(b, b, one, nil), first(a, two))
	follows(t, first(b, one), last(a, a, two, nil))
	table := make(map[string]string)
	follows(t, last(b, b, one, func() error { table["action"] = "done"; return nil }), func() error {
		err := first(a, two)()
		if table["action"] != "done" {
			t.Error("the action is not seen")
		}
		return err
	})
}

// Who ends a phase because a party died may have come before others.
func TestABarrierThatAPartyLeavesOrdersWhatTheOthersDo(t *testing.T) {
	for range 5 {
		s := anonymous(t)
		a, err := sync.NewBarrier(s, 3, sync.Leaving())
		require.NoError(t, err)
		b, err := sync.BarrierFrom(again(t, s), a.Ref())
		require.NoError(t, err)
		other := again(t, s)
		c, err := sync.BarrierFrom(other, a.Ref())
		require.NoError(t, err)
		require.NoError(t, c.Join())
		notes := make([]string, 2)
		read := make([]string, 2)
		var wg gosync.WaitGroup
		for i, party := range []*sync.Barrier{a, b} {
			ctx := bounded(t)
			wg.Go(func() {
				notes[i] = "written"
				if _, err := party.Wait(ctx); err != nil {
					t.Error(err)
				}
				read[i] = notes[1-i]
			})
		}
		until(func() bool { return c.Waiting() == 2 })
		require.NoError(t, other.Close())
		wg.Wait()
		require.Equal(t, []string{"written", "written"}, read)
	}
}

func TestAnEventOrdersWhatGoroutinesDoInTheHeap(t *testing.T) {
	s := anonymous(t)
	a, err := sync.NewEvent(s)
	require.NoError(t, err)
	b, err := sync.EventFrom(again(t, s), a.Ref())
	require.NoError(t, err)
	ctx := bounded(t)
	follows(t, func() error {
		until(func() bool { return sync.EventWaited(b) })
		return b.Set()
	}, func() error { return a.Wait(ctx) })
	require.NoError(t, b.Clear())
	follows(t, b.Set, func() error {
		until(a.IsSet)
		return nil
	})
}

func TestAOnceOrdersWhatGoroutinesDoInTheHeap(t *testing.T) {
	s := anonymous(t)
	a, err := sync.NewOnce(s)
	require.NoError(t, err)
	b, err := sync.OnceFrom(again(t, s), a.Ref())
	require.NoError(t, err)
	one, two := bounded(t), bounded(t)
	follows(t, func() error { return b.Do(one, func() error { return nil }) }, func() error {
		until(a.Done)
		return a.Do(two, func() error { return errors.New("done twice") })
	})
}
