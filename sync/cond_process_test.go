//go:build linux || darwin

package sync_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

// parlour is a lock, a condition of what it guards, and that.
type parlour struct {
	Mutex, Cond shm.Ref
	Count       shm.Ref // a Semaphore whose value is guarded by the lock
	Done        shm.Ref // one permit for each who went on
}

type parlourIn struct {
	mu          *sync.Mutex
	cond        *sync.Cond
	count, done *sync.Semaphore
}

func (p parlour) in(seg *shm.Segment) (in parlourIn, err error) {
	if in.mu, err = sync.MutexFrom(seg, p.Mutex); err != nil {
		return in, err
	}
	if in.cond, err = sync.CondFrom(seg, p.Cond); err != nil {
		return in, err
	}
	if in.count, err = sync.SemaphoreFrom(seg, p.Count); err != nil {
		return in, err
	}
	in.done, err = sync.SemaphoreFrom(seg, p.Done)
	return in, err
}

func newParlour(t testing.TB, seg *shm.Segment) (parlour, parlourIn) {
	t.Helper()
	mu, err := sync.NewMutex(seg)
	require.NoError(t, err)
	cond, err := sync.NewCond(seg)
	require.NoError(t, err)
	count, err := sync.NewSemaphore(seg, 0)
	require.NoError(t, err)
	done, err := sync.NewSemaphore(seg, 0)
	require.NoError(t, err)
	return parlour{mu.Ref(), cond.Ref(), count.Ref(), done.Ref()}, parlourIn{mu, cond, count, done}
}

// guest waits once.
func (p parlourIn) guest(ctx context.Context) error {
	if err := p.mu.Lock(ctx); err != nil {
		return err
	}
	if err := p.cond.Wait(ctx, p.mu); err != nil {
		return err
	}
	if err := p.mu.Unlock(); err != nil {
		return err
	}
	return p.done.Release(1)
}

var guest = proc.Func("sync_test.guest", func(ctx context.Context, p parlour) error {
	in, err := p.in(proc.Segments(ctx)[0])
	if err != nil {
		return err
	}
	return in.guest(ctx)
})

// waiting returns when that many wait.
func waiting(t testing.TB, c *sync.Cond, n uint64) {
	t.Helper()
	require.Eventually(t, func() bool { return sync.Waiting(c) == n }, time.Minute, time.Millisecond)
}

// six are three goroutines and three processes that wait.
func six(t *testing.T) (parlourIn, []*proc.Process, chan error) {
	seg := anonymous(t)
	p, in := newParlour(t, seg)
	var children []*proc.Process
	ended := make(chan error, 3)
	for range 3 {
		go func() { ended <- in.guest(bounded(t)) }()
		child, err := guest.Start(bounded(t), p, proc.Share(seg))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, child.Close()) })
		children = append(children, child)
	}
	waiting(t, in.cond, 6)
	return in, children, ended
}

func (p parlourIn) signal(t testing.TB, n int) {
	t.Helper()
	require.NoError(t, p.mu.Lock(bounded(t)))
	for range n {
		require.NoError(t, p.cond.Signal())
	}
	require.NoError(t, p.mu.Unlock())
}

// MP-094, MP-100.
func TestSignalWakesAsManyAsItIsCalled(t *testing.T) {
	in, children, ended := six(t)
	for _, n := range []int64{2, 4} {
		in.signal(t, int(n))
		require.NoError(t, in.done.Acquire(bounded(t), n))
		require.Zero(t, in.done.Value())
	}
	in.signal(t, 3) // nobody
	require.Zero(t, sync.Waiting(in.cond))
	ctx := within(t, 20*time.Millisecond)
	require.NoError(t, in.mu.Lock(bounded(t)))
	require.ErrorIs(t, in.cond.Wait(ctx, in.mu), context.DeadlineExceeded, "a signal is not kept for those who come later")
	require.NoError(t, in.mu.Unlock(), "the lock was taken again")
	for _, c := range children {
		require.NoError(t, c.Wait(bounded(t)))
	}
	for range 3 {
		require.NoError(t, <-ended)
	}
}

// MP-093.
func TestBroadcastWakesAll(t *testing.T) {
	in, children, ended := six(t)
	require.NoError(t, in.cond.Broadcast())
	require.NoError(t, in.done.Acquire(bounded(t), 6))
	for _, c := range children {
		require.NoError(t, c.Wait(bounded(t)))
	}
	for range 3 {
		require.NoError(t, <-ended)
	}
	require.Zero(t, sync.Waiting(in.cond))
}

// MX-005: those who died waiting are not counted, and swallow nothing.
func TestADeadWaiterSwallowsNoSignal(t *testing.T) {
	in, children, ended := six(t)
	for _, c := range children {
		kill(t, c)
	}
	in.signal(t, 3)
	for range 3 {
		require.NoError(t, <-ended)
	}
	require.NoError(t, in.cond.Signal())
	require.NoError(t, in.cond.Broadcast())
}

// TestTheSignalOfOneWhoDiesGoesToAnother has a signal given to one who is stopped, and then dies.
func TestTheSignalOfOneWhoDiesGoesToAnother(t *testing.T) {
	seg := anonymous(t)
	p, in := newParlour(t, seg)
	child, err := guest.Start(bounded(t), p, proc.Share(seg))
	require.NoError(t, err)
	defer child.Close()
	waiting(t, in.cond, 1)
	require.NoError(t, proctest.Stop(child.Pid()))
	require.NoError(t, in.cond.Signal())
	ended := make(chan error)
	go func() { ended <- in.guest(bounded(t)) }()
	waiting(t, in.cond, 2)
	kill(t, child)
	require.NoError(t, <-ended)
}

func TestAWaiterGivesUpInTime(t *testing.T) {
	in, _, ended := six(t)
	require.NoError(t, in.mu.Lock(bounded(t)))
	require.ErrorIs(t, in.cond.Wait(over(), in.mu), context.Canceled)
	begin := time.Now()
	require.ErrorIs(t, in.cond.Wait(within(t, 20*time.Millisecond), in.mu), context.DeadlineExceeded)
	require.GreaterOrEqual(t, time.Since(begin), 20*time.Millisecond)
	require.EqualValues(t, 6, sync.Waiting(in.cond))
	require.NoError(t, in.mu.Unlock())
	require.NoError(t, in.cond.Broadcast())
	for range 3 {
		require.NoError(t, <-ended)
	}
}

func TestWaitNeedsTheLock(t *testing.T) {
	seg := anonymous(t)
	_, in := newParlour(t, seg)
	require.ErrorIs(t, in.cond.Wait(bounded(t), in.mu), sync.ErrNotHeld)
	require.Zero(t, sync.Waiting(in.cond))
}

// MP-096, MP-097.
func TestWaitFor(t *testing.T) {
	seg := anonymous(t)
	_, in := newParlour(t, seg)
	count := 0
	reached := make(chan error)
	go func() {
		err := in.mu.Lock(bounded(t))
		if err == nil {
			err = in.cond.WaitFor(bounded(t), in.mu, func() bool { return count == 4 })
		}
		if err == nil {
			err = in.mu.Unlock()
		}
		reached <- err
	}()
	for range 4 {
		require.NoError(t, in.mu.Lock(bounded(t)))
		count++
		require.NoError(t, in.cond.Signal())
		require.NoError(t, in.mu.Unlock())
	}
	require.NoError(t, <-reached)
	require.NoError(t, in.mu.Lock(bounded(t)))
	require.ErrorIs(t, in.cond.WaitFor(within(t, 10*time.Millisecond), in.mu, func() bool { return false }), context.DeadlineExceeded)
	require.NoError(t, in.mu.Unlock())
}

// TestAHoldIsGivenUpWhole: an RMutex that is locked several times is free while its holder waits.
func TestAHoldIsGivenUpWhole(t *testing.T) {
	seg := anonymous(t)
	m, err := sync.NewRMutex(seg)
	require.NoError(t, err)
	c, err := sync.NewCond(seg)
	require.NoError(t, err)
	ctx := bounded(t)
	h, err := m.Lock(ctx)
	require.NoError(t, err)
	require.NoError(t, h.Lock(ctx))
	done := make(chan error)
	go func() { done <- c.Wait(ctx, h) }()
	waiting(t, c, 1)
	other, err := m.Lock(ctx)
	require.NoError(t, err)
	require.NoError(t, c.Signal())
	require.NoError(t, other.Unlock())
	require.NoError(t, <-done)
	require.Equal(t, 2, h.Depth())
	require.NoError(t, h.Unlock())
	require.NoError(t, h.Unlock())
	require.ErrorIs(t, c.Wait(ctx, h), sync.ErrNotHeld)
}

func TestACondOfAClosedSegment(t *testing.T) {
	s := anonymous(t)
	mine := again(t, s)
	_, in := newParlour(t, mine)
	ended := make(chan error)
	go func() { ended <- in.guest(bounded(t)) }()
	waiting(t, in.cond, 1)
	require.NoError(t, mine.Close())
	require.ErrorIs(t, <-ended, shm.ErrClosed)
	require.ErrorIs(t, in.cond.Signal(), shm.ErrClosed)
	require.ErrorIs(t, in.cond.Broadcast(), shm.ErrClosed)
	require.ErrorIs(t, in.cond.Wait(bounded(t), in.mu), shm.ErrClosed)
}

// TestRowsAreAddedAndUsedAgain has more attaches of this process wait than a block has rows. Each that leaves
// makes its row free for another one.
func TestRowsAreAddedAndUsedAgain(t *testing.T) {
	s := anonymous(t)
	c, err := sync.NewCond(s)
	require.NoError(t, err)
	m, err := sync.NewMutex(s)
	require.NoError(t, err)
	wait := func(seg *shm.Segment) {
		mu, err := sync.MutexFrom(seg, m.Ref())
		require.NoError(t, err)
		cond, err := sync.CondFrom(seg, c.Ref())
		require.NoError(t, err)
		require.NoError(t, mu.Lock(bounded(t)))
		defer mu.Unlock()
		require.ErrorIs(t, cond.Wait(within(t, time.Millisecond), mu), context.DeadlineExceeded)
	}
	wait(s)
	block := sync.Rows(c)
	for range 2 * block {
		wait(again(t, s))
	}
	require.Equal(t, 3*block, sync.Rows(c))
	for range 2 * block {
		seg := again(t, s)
		wait(seg)
		require.NoError(t, seg.Close())
	}
	require.Equal(t, 3*block, sync.Rows(c))
}

// Who waits behind a signal that another goroutine of the process has yet to take may go on with it, but not in place of that one.
func TestASignalIsNotTakenByWhoCameLater(t *testing.T) {
	s := anonymous(t)
	_, in := newParlour(t, s)
	heed, err := sync.ComeTo(in.cond)
	require.NoError(t, err)
	require.False(t, heed())
	require.NoError(t, in.cond.Signal())
	require.NoError(t, in.mu.Lock(bounded(t)))
	require.NoError(t, in.cond.Wait(bounded(t), in.mu))
	require.NoError(t, in.mu.Unlock())
	require.True(t, heed())
	require.False(t, heed())
}
