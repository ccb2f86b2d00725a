//go:build linux || darwin

package sync_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/sync"
)

func newBarrier(t testing.TB, parties int, opts ...shm.ObjectOption) (*shm.Segment, *sync.Barrier) {
	t.Helper()
	seg := anonymous(t)
	b, err := sync.NewBarrier(seg, parties, opts...)
	require.NoError(t, err)
	return seg, b
}

// come has n goroutines wait.
func come(t testing.TB, b *sync.Barrier, n int) chan error {
	ended := make(chan error, n)
	for range n {
		go func() { _, err := b.Wait(bounded(t)); ended <- err }()
	}
	require.Eventually(t, func() bool { return b.Waiting() == n }, time.Minute, time.Millisecond)
	return ended
}

// MP-105, MP-106, MP-108.
func TestABarrierKeepsStep(t *testing.T) {
	const parties, passes = 5, 50
	seg, b := newBarrier(t, parties)
	other, err := sync.BarrierFrom(again(t, seg), b.Ref())
	require.NoError(t, err)
	var came, acted atomic.Int64
	ended := make(chan error, parties)
	for i := range parties {
		mine := b
		if i%2 == 0 {
			mine = other
		}
		go func() {
			ended <- func() error {
				for pass := range int64(passes) {
					came.Add(1)
					index, err := mine.WaitAction(bounded(t), func() error { acted.Add(1); return nil })
					if err != nil {
						return err
					}
					if index < 0 || index >= parties || acted.Load() != pass+1 || came.Load() < (pass+1)*parties {
						return errors.New("somebody passed too early")
					}
					if _, err := mine.Wait(bounded(t)); err != nil { // nobody comes to the next while others look
						return err
					}
				}
				return nil
			}()
		}()
	}
	for range parties {
		require.NoError(t, <-ended)
	}
	require.False(t, b.Broken())
	require.Zero(t, b.Waiting())
	require.EqualValues(t, parties*passes, came.Load())
}

// MP-114.
func TestABarrierForOneDoesNotBlock(t *testing.T) {
	_, b := newBarrier(t, 1)
	for range 2 {
		index, err := b.Wait(over())
		require.NoError(t, err)
		require.Zero(t, index)
	}
	_, err := sync.NewBarrier(anonymous(t), 0)
	require.ErrorIs(t, err, sync.ErrCount)
}

// MP-109, MP-110.
func TestAbortAndReset(t *testing.T) {
	_, b := newBarrier(t, 3)
	ended := come(t, b, 2)
	require.NoError(t, b.Abort())
	for range 2 {
		require.ErrorIs(t, <-ended, sync.ErrBroken)
	}
	require.True(t, b.Broken())
	_, err := b.Wait(bounded(t))
	require.ErrorIs(t, err, sync.ErrBroken)
	require.NoError(t, b.Reset(bounded(t)))
	require.False(t, b.Broken())

	ended = come(t, b, 2)
	require.NoError(t, b.Reset(bounded(t)))
	for range 2 {
		require.ErrorIs(t, <-ended, sync.ErrBroken)
	}
	require.False(t, b.Broken())
	ended = come(t, b, 2)
	_, err = b.Wait(bounded(t))
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, <-ended)
	}
}

// One who is stopped when the last one comes is told later what became of that phase, and not of another.
func TestAPartyThatGoesOnLateIsToldOfItsOwnPhase(t *testing.T) {
	_, b := newBarrier(t, 2)
	come := func() func() error {
		rest, err := sync.Come(bounded(t), b)
		require.NoError(t, err)
		return rest
	}
	var well, badly []func() error
	tell := func() {
		for _, rest := range well {
			require.NoError(t, rest())
		}
		for _, rest := range badly {
			require.ErrorIs(t, rest(), sync.ErrBroken)
		}
	}
	for range 5 {
		well = append(well, come())
		_, err := b.Wait(bounded(t))
		require.NoError(t, err)
		tell()
		badly = append(badly, come())
		require.NoError(t, b.Reset(bounded(t)))
		tell()
		badly = append(badly, come())
		require.NoError(t, b.Abort())
		tell()
		require.NoError(t, b.Reset(bounded(t)))
		tell()
	}
	last := come()
	for range 100 {
		require.NoError(t, b.Reset(bounded(t)))
	}
	require.ErrorIs(t, last(), sync.ErrBroken)
	require.ErrorIs(t, badly[0](), sync.ErrBroken)
	require.ErrorIs(t, well[0](), sync.ErrBroken, "too long ago")
}

// MP-112.
func TestAPartyThatIsLateBreaksTheBarrier(t *testing.T) {
	_, b := newBarrier(t, 3)
	ended := come(t, b, 1)
	_, err := b.Wait(within(t, 20*time.Millisecond))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, sync.ErrBroken)
	require.ErrorIs(t, <-ended, sync.ErrBroken)
	_, err = b.Wait(bounded(t))
	require.ErrorIs(t, err, sync.ErrBroken, "the late one, too")
}

func TestAnActionThatFailsBreaksTheBarrier(t *testing.T) {
	failure := errors.New("failure")
	for _, action := range []func() error{func() error { return failure }, func() error { panic(failure) }} {
		_, b := newBarrier(t, 2)
		ended := come(t, b, 1)
		err := panics(func() {
			if _, err := b.WaitAction(bounded(t), action); err != nil {
				panic(err)
			}
		})
		require.ErrorIs(t, err, failure)
		require.ErrorIs(t, <-ended, sync.ErrBroken)
		require.True(t, b.Broken())
	}
}

type meeting struct {
	Barrier, Came shm.Ref
	Joins         bool // and does not wait
}

var attendant = proc.Func("sync_test.attendant", func(ctx context.Context, m meeting) error {
	seg := proc.Segments(ctx)[0]
	b, err := sync.BarrierFrom(seg, m.Barrier)
	if err != nil {
		return err
	}
	came, err := sync.EventFrom(seg, m.Came)
	if err != nil {
		return err
	}
	if err := errors.Join(b.Join(), came.Set()); err != nil {
		return err
	}
	if m.Joins {
		select {}
	}
	_, err = b.Wait(ctx)
	return errors.Join(err, b.Leave())
})

func attend(t *testing.T, seg *shm.Segment, b *sync.Barrier, joins bool) *proc.Process {
	came, err := sync.NewEvent(seg)
	require.NoError(t, err)
	child, err := attendant.Start(bounded(t), meeting{b.Ref(), came.Ref(), joins}, proc.Share(seg))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, child.Close()) })
	require.NoError(t, came.Wait(bounded(t)))
	return child
}

// MX-005.
func TestADeadPartyBreaksTheBarrier(t *testing.T) {
	for _, joins := range []bool{true, false} {
		seg, b := newBarrier(t, 3)
		child := attend(t, seg, b, joins)
		if !joins {
			require.Eventually(t, func() bool { return b.Waiting() == 1 }, time.Minute, time.Millisecond)
		}
		ended := make(chan error)
		go func() { _, err := b.Wait(bounded(t)); ended <- err }()
		kill(t, child)
		require.ErrorIs(t, <-ended, sync.ErrBroken)
		require.NoError(t, b.Reset(bounded(t)))
		left := come(t, b, 2)
		_, err := b.Wait(bounded(t))
		require.NoError(t, err)
		require.NoError(t, <-left)
		require.NoError(t, <-left)
	}
}

// Nobody else waits while the only one who came dies, asleep.
func TestADeathThatNobodyHeardOfBreaksTheBarrier(t *testing.T) {
	seg, b := newBarrier(t, 2)
	child := attend(t, seg, b, false)
	require.Eventually(t, func() bool { return b.Waiting() == 1 && sync.BarrierWaited(b) }, time.Minute, time.Millisecond)
	kill(t, child)
	_, err := b.Wait(bounded(t))
	require.ErrorIs(t, err, sync.ErrBroken)
}

func TestADeadPartyLeaves(t *testing.T) {
	for _, joins := range []bool{true, false} {
		seg, b := newBarrier(t, 3, sync.Leaving())
		child := attend(t, seg, b, joins)
		if !joins {
			require.Eventually(t, func() bool { return b.Waiting() == 1 }, time.Minute, time.Millisecond)
		}
		ended := make(chan error, 2)
		go func() { _, err := b.Wait(bounded(t)); ended <- err }()
		kill(t, child)
		go func() { _, err := b.Wait(bounded(t)); ended <- err }()
		require.NoError(t, <-ended)
		require.NoError(t, <-ended)
		require.Equal(t, 2, b.Parties())
	}
}

func TestAPartyThatLeavesBreaksNothing(t *testing.T) {
	seg, b := newBarrier(t, 2)
	for range 3 {
		child := attend(t, seg, b, false)
		_, err := b.Wait(bounded(t))
		require.NoError(t, err)
		require.NoError(t, child.Wait(bounded(t)))
	}
	ended := come(t, b, 1)
	require.ErrorIs(t, b.Leave(), sync.ErrCount)
	require.NoError(t, b.Abort())
	require.ErrorIs(t, <-ended, sync.ErrBroken)
	require.NoError(t, b.Leave())
}

// Close takes the memory of those who wait, and zeros take its place. They are no phase that ended, whenever they are seen.
func TestABarrierOfAClosedSegment(t *testing.T) {
	s := anonymous(t)
	for range 200 {
		mine := again(t, s)
		b, err := sync.NewBarrier(mine, 2)
		require.NoError(t, err)
		ended := make(chan error, 2)
		for range 2 {
			go func() { _, err := b.Wait(bounded(t)); ended <- err }()
		}
		require.NoError(t, <-ended)
		require.NoError(t, <-ended)
		go func() { _, err := b.Wait(bounded(t)); ended <- err }() // the second phase
		for b.Waiting() == 0 {
			runtime.Gosched()
		}
		require.NoError(t, mine.Close())
		require.ErrorIs(t, <-ended, shm.ErrClosed)
		_, err = b.Wait(bounded(t))
		require.ErrorIs(t, err, shm.ErrClosed)
	}
}

// The last who comes is told that the phase ended only if it did, also when his segment is closed at that moment.
func TestTheLastPartyOfASegmentThatIsClosed(t *testing.T) {
	s := anonymous(t)
	for i := range 300 {
		mine := again(t, s)
		b, err := sync.NewBarrier(s, 2)
		require.NoError(t, err)
		last, err := sync.BarrierFrom(mine, b.Ref())
		require.NoError(t, err)
		first := make(chan error, 1)
		go func() { _, err := b.Wait(bounded(t)); first <- err }()
		for b.Waiting() == 0 {
			runtime.Gosched()
		}
		closed := make(chan error, 1)
		go func() {
			for range i % 30 {
				runtime.Gosched()
			}
			closed <- mine.Close()
		}()
		_, err = last.Wait(bounded(t))
		require.NoError(t, <-closed)
		if err != nil {
			require.ErrorIs(t, err, shm.ErrClosed)
			require.NoError(t, b.Abort()) // if he never came
			<-first
			continue
		}
		require.NoError(t, <-first)
	}
}
