package ring_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/kindred-ipc/kindred/internal/proctest"
	"github.com/kindred-ipc/kindred/ring"
)

// A process is killed at a random moment while it writes, and the next one goes on where it stopped:
// the numbers are continuous whatever that moment was.
func TestKilledWritersAndTheirSuccessorsMakeOneStream(t *testing.T) {
	ctx := bounded(t)
	seg := segmentOf(t)
	r, err := ring.NewSPSC[uint64](seg, 64)
	require.NoError(t, err)
	in, err := r.Reader()
	require.NoError(t, err)
	next := uint64(0)
	for range 15 {
		p := start(t, counter, seg, task{Ring: r.Ref(), From: next})
		for range 1 + rand.IntN(5000) { // one at least, so that the writer has its end
			v, err := in.Pop(ctx)
			require.NoError(t, err)
			require.Equal(t, next, v)
			next++
		}
		killed := time.Now()
		require.NoError(t, p.Kill())
		for {
			v, err := in.Pop(ctx)
			if err != nil {
				require.ErrorIs(t, err, ring.ErrPeerDied)
				break
			}
			require.Equal(t, next, v)
			next++
		}
		t.Logf("%v from the kill to the end of what was pushed", time.Since(killed))
		_, err := in.Pop(over())
		require.ErrorIs(t, err, context.Canceled, "told once")
		require.Zero(t, r.Len())
	}
}

// A reader that does not look until the successor is there is told of no death: the stream just goes on.
func TestASuccessorBeforeTheReaderHasNoticed(t *testing.T) {
	ctx := bounded(t)
	seg := segmentOf(t)
	r, err := ring.NewSPSC[uint64](seg, 16)
	require.NoError(t, err)
	in, err := r.Reader()
	require.NoError(t, err)
	p := start(t, counter, seg, task{Ring: r.Ref()})
	for r.Len() < 16 {
		runtime.Gosched()
	}
	kill(t, p)
	p = start(t, counter, seg, task{Ring: r.Ref(), From: 16, N: 84})
	for next := range uint64(100) {
		if next == 8 { // in the middle of what the dead one left
			for r.Len() < 16 {
				runtime.Gosched()
			}
		}
		v, err := in.Pop(ctx)
		require.NoError(t, err)
		require.Equal(t, next, v)
	}
	require.NoError(t, p.Wait(ctx))
	_, err = in.Pop(ctx)
	require.ErrorIs(t, err, ring.ErrClosed)
}

// A reader is killed at random moments. What it took is gone with it, and nothing else is.
func TestKilledReadersAndTheirSuccessorsTakeEachValueOnce(t *testing.T) {
	ctx := bounded(t)
	seg := segmentOf(t)
	there, err := ring.NewSPSC[uint64](seg, 64)
	require.NoError(t, err)
	w, err := there.Writer()
	require.NoError(t, err)
	next, left := uint64(0), uint64(0)
	for range 10 {
		// Each reader answers with what it took, in order, over a ring of its own.
		back, err := ring.NewSPSC[uint64](seg, 8)
		require.NoError(t, err)
		p := start(t, echo, seg, task{Ring: there.Ref(), Answer: back.Ref()})
		in, err := back.Reader()
		require.NoError(t, err)
		stop := make(chan struct{})
		pushed := make(chan error, 1)
		go func() {
			defer close(pushed)
			for {
				select {
				case <-stop:
					return
				default:
				}
				ok, err := w.TryPush(next)
				if err != nil {
					pushed <- err
					return
				}
				if ok {
					next++
				} else {
					runtime.Gosched()
				}
			}
		}()
		first, err := in.Pop(ctx)
		require.NoError(t, err)
		last := ^first
		require.Equal(t, left, last, "behind what the one before took")
		for range rand.IntN(3000) {
			v, err := in.Pop(ctx)
			require.NoError(t, err)
			require.Equal(t, last+1, ^v)
			last = ^v
		}
		require.NoError(t, p.Kill())
		for {
			v, err := in.Pop(ctx)
			if err != nil {
				require.ErrorIs(t, err, ring.ErrPeerDied)
				break
			}
			require.Equal(t, last+1, ^v)
			last = ^v
		}
		close(stop)
		require.NoError(t, <-pushed)
		<-p.Done()
		// The dead one took what it answered for, and at most one more.
		left = next - uint64(there.Len())
		require.GreaterOrEqual(t, left, last+1)
		require.LessOrEqual(t, left, last+2)
	}
}

func TestABlockedWriterIsToldThatItsReaderDiedAndGoesOnWithTheNext(t *testing.T) {
	ctx := bounded(t)
	seg := segmentOf(t)
	r, err := ring.NewSPSC[uint64](seg, 4)
	require.NoError(t, err)
	w, err := r.Writer()
	require.NoError(t, err)
	for i := range uint64(4) {
		require.NoError(t, w.Push(ctx, i))
	}
	ready, err := ring.NewSPSC[uint64](seg, 1)
	require.NoError(t, err)
	sitting := start(t, sitter, seg, task{Ring: r.Ref(), Answer: ready.Ref()})
	word, err := ready.Reader()
	require.NoError(t, err)
	_, err = word.Pop(ctx)
	require.NoError(t, err)
	_, err = r.Reader()
	require.ErrorIs(t, err, ring.ErrBusy)
	require.ErrorContains(t, err, fmt.Sprintf("process %d", sitting.Pid()))
	failed := make(chan error, 1)
	go func() { failed <- w.Push(ctx, 4) }()
	kill(t, sitting)
	require.ErrorIs(t, <-failed, ring.ErrPeerDied)
	require.ErrorIs(t, w.Push(over(), 4), context.Canceled, "told once")
	go func() {
		err := w.Push(ctx, 4)
		failed <- errors.Join(err, w.Close())
	}()
	require.NoError(t, start(t, checker, seg, task{Ring: r.Ref(), N: 5}).Wait(ctx))
	require.NoError(t, <-failed)
}

// sitter takes the reading end, says so, and reads nothing.
var sitter = child("sitter", func(ctx context.Context, k task) error {
	r, err := k.open(ctx, k.Ring)
	if err != nil {
		return err
	}
	if _, err := r.Reader(); err != nil {
		return err
	}
	back, err := k.open(ctx, k.Answer)
	if err != nil {
		return err
	}
	w, err := back.Writer()
	if err != nil {
		return err
	}
	if err := w.Push(ctx, 0); err != nil {
		return err
	}
	select {}
})

// A stopped process is not dead: its end is not taken, and nobody is told of a death.
func TestAStoppedWriterIsWaitedFor(t *testing.T) {
	ctx := bounded(t)
	seg := segmentOf(t)
	r, err := ring.NewSPSC[uint64](seg, 4)
	require.NoError(t, err)
	in, err := r.Reader()
	require.NoError(t, err)
	p := start(t, counter, seg, task{Ring: r.Ref(), N: 20000})
	v, err := in.Pop(ctx)
	require.NoError(t, err)
	require.Zero(t, v)
	require.NoError(t, proctest.Stop(p.Pid()))
	next := uint64(1)
	short, cancel := context.WithTimeout(ctx, 250*time.Millisecond) // longer than the safety net
	defer cancel()
	for err == nil {
		if v, err = in.Pop(short); err == nil {
			require.Equal(t, next, v)
			next++
		}
	}
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = r.Writer()
	require.ErrorIs(t, err, ring.ErrBusy)
	require.NoError(t, p.Signal(unix.SIGCONT))
	for v, err := range in.All(ctx) {
		require.NoError(t, err)
		require.Equal(t, next, v)
		next++
	}
	require.EqualValues(t, 20000, next)
	require.NoError(t, p.Wait(ctx))
}

// A writer of records that is killed between Reserve and Commit leaves nothing of the record.
func TestKilledWritersOfRecordsLeaveWholeRecords(t *testing.T) {
	ctx := bounded(t)
	seg := segmentOf(t)
	b, err := ring.NewBytes(seg, 10_000)
	require.NoError(t, err)
	in, err := b.Reader()
	require.NoError(t, err)
	next := uint64(0)
	check := func() error {
		got, err := in.Peek(ctx)
		if err == nil {
			require.True(t, bytes.Equal(record(int(next), lengthOf(next)), got), "record %d", next)
			in.Release()
			next++
		}
		return err
	}
	for range 10 {
		p := start(t, scribe, seg, task{Ring: b.Ref(), From: next})
		for range 1 + rand.IntN(500) { // one at least, so that the writer has its end
			require.NoError(t, check())
		}
		require.NoError(t, p.Kill())
		var err error
		for err == nil {
			err = check()
		}
		require.ErrorIs(t, err, ring.ErrPeerDied)
		<-p.Done()
	}
}
