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

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/ring"
)

// counter pushes the numbers from From on: N of them, or without end. It closes the ring behind the
// last.
var counter = child("counter", func(ctx context.Context, k task) error {
	r, err := k.open(ctx, k.Ring)
	if err != nil {
		return err
	}
	w, err := r.Writer(ring.Waiting(k.Policy))
	if err != nil {
		return err
	}
	if k.Runs {
		return k.countInRuns(ctx, w)
	}
	for i := k.From; k.N == 0 || i < k.From+k.N; i++ {
		if err := w.Push(ctx, i); err != nil {
			return err
		}
		k.pause()
	}
	return w.Close()
})

// countInRuns pushes by PushN and by Reserve in turn.
func (k task) countInRuns(ctx context.Context, w *ring.Writer[uint64]) error {
	most := w.Cap() + w.Cap()/2
	batch := make([]uint64, 0, most)
	for i := k.From; k.N == 0 || i < k.From+k.N; k.pause() {
		n := 1 + rand.IntN(most)
		if k.N != 0 {
			n = min(n, int(k.From+k.N-i))
		}
		if n > w.Cap() || n%2 == 0 {
			batch = batch[:0]
			for range n {
				batch = append(batch, i)
				i++
			}
			if _, err := w.PushN(ctx, batch); err != nil {
				return err
			}
			continue
		}
		run, err := w.Reserve(ctx, n)
		if err != nil {
			return err
		}
		for m := range run.Len() {
			*run.At(m) = i
			i++
		}
		w.Commit(run.Len())
	}
	return w.Close()
}

// checkInRuns pops by PopN and by Peek in turn until there is an error, which it returns, and holds what
// comes against the numbers from next on.
func checkInRuns(ctx context.Context, in *ring.Reader[uint64], next *uint64) error {
	batch := make([]uint64, in.Cap()+in.Cap()/2)
	check := func(v uint64) error {
		if v != *next {
			return fmt.Errorf("%d instead of %d", v, *next)
		}
		*next++
		return nil
	}
	for {
		n := 1 + rand.IntN(len(batch))
		if n > in.Cap() || n%2 == 0 {
			got, err := in.PopN(ctx, batch[:n])
			for _, v := range batch[:got] {
				if err := check(v); err != nil {
					return err
				}
			}
			if err != nil {
				return err
			}
			continue
		}
		run, err := in.Peek(ctx, n)
		if err != nil {
			return err
		}
		for m := range run.Len() {
			if err := check(*run.At(m)); err != nil {
				return err
			}
		}
		in.Release(run.Len())
	}
}

// pause lets some time pass, now and then.
func (k task) pause() {
	if !k.Pauses {
		return
	}
	switch n := rand.IntN(100); {
	case n < 3:
		time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
	case n < 50:
		for range rand.IntN(3000) {
			runtime.KeepAlive(n)
		}
	}
}

// checker pops N numbers and holds them against what counter pushes.
var checker = child("checker", func(ctx context.Context, k task) error {
	r, err := k.open(ctx, k.Ring)
	if err != nil {
		return err
	}
	in, err := r.Reader(ring.Waiting(k.Policy))
	if err != nil {
		return err
	}
	next := k.From
	if k.Runs {
		if err := checkInRuns(ctx, in, &next); !errors.Is(err, ring.ErrClosed) {
			return err
		}
	}
	for v, err := range in.All(ctx) {
		if err != nil || v != next {
			return fmt.Errorf("%d instead of %d: %w", v, next, err)
		}
		next++
		k.pause()
	}
	if next != k.From+k.N {
		return fmt.Errorf("the stream ended before %d, not %d", next, k.From+k.N)
	}
	return in.Close()
})

func TestAStreamBetweenTwoProcesses(t *testing.T) {
	for name, policy := range policies {
		for _, capacity := range []int{1, 3, 64, 4096} {
			t.Run(fmt.Sprint(name, " ", capacity), func(t *testing.T) {
				ctx := bounded(t)
				seg := segmentOf(t)
				r, err := ring.NewSPSC[uint64](seg, capacity)
				require.NoError(t, err)
				k := task{Ring: r.Ref(), N: 2000, Policy: policy}
				if capacity > 3 {
					k.N = 50000
				}
				reader := start(t, checker, seg, k)
				writer := start(t, counter, seg, k)
				require.NoError(t, writer.Wait(ctx))
				require.NoError(t, reader.Wait(ctx))
			})
		}
	}
}

func TestAStreamOfRunsBetweenTwoProcesses(t *testing.T) {
	for name, policy := range policies {
		for _, capacity := range []int{1, 3, 64} {
			t.Run(fmt.Sprint(name, " ", capacity), func(t *testing.T) {
				ctx := bounded(t)
				seg := segmentOf(t)
				r, err := ring.NewSPSC[uint64](seg, capacity)
				require.NoError(t, err)
				k := task{Ring: r.Ref(), N: 2000, Policy: policy, Runs: true}
				if capacity > 3 {
					k.N = 50000
				}
				reader := start(t, checker, seg, k)
				writer := start(t, counter, seg, k)
				require.NoError(t, writer.Wait(ctx))
				require.NoError(t, reader.Wait(ctx))
			})
		}
	}
}

// As with single pushes, the numbers are continuous whatever the moment was.
func TestWritersOfRunsThatAreKilledAndTheirSuccessorsMakeOneStream(t *testing.T) {
	ctx := bounded(t)
	seg := segmentOf(t)
	r, err := ring.NewSPSC[uint64](seg, 50)
	require.NoError(t, err)
	in, err := r.Reader()
	require.NoError(t, err)
	next := uint64(0)
	for range 10 {
		p := start(t, counter, seg, task{Ring: r.Ref(), From: next, Runs: true})
		for range 1 + rand.IntN(3000) { // one at least, so that the writer has its end
			v, err := in.Pop(ctx)
			require.NoError(t, err)
			require.Equal(t, next, v)
			next++
		}
		require.NoError(t, p.Kill())
		require.ErrorIs(t, checkInRuns(ctx, in, &next), ring.ErrPeerDied)
		require.True(t, r.Empty())
		<-p.Done()
	}
}

func TestAStreamBetweenProcessesWithOneProcessorOrOneCPU(t *testing.T) {
	for name, policy := range policies {
		for _, oneCPU := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " ", oneCPU), func(t *testing.T) {
				ctx := bounded(t)
				seg := segmentOf(t)
				r, err := ring.NewSPSC[uint64](seg, 7)
				require.NoError(t, err)
				k := task{Ring: r.Ref(), N: 3000, Policy: policy, OneCPU: oneCPU}
				reader := start(t, checker, seg, k, proc.GOMAXPROCS(1))
				writer := start(t, counter, seg, k, proc.GOMAXPROCS(1))
				require.NoError(t, writer.Wait(ctx))
				require.NoError(t, reader.Wait(ctx))
			})
		}
	}
}

// echo sends back what it gets.
var echo = child("echo", func(ctx context.Context, k task) error {
	there, err := k.open(ctx, k.Ring)
	if err != nil {
		return err
	}
	back, err := k.open(ctx, k.Answer)
	if err != nil {
		return err
	}
	in, err := there.Reader(ring.Waiting(k.Policy))
	if err != nil {
		return err
	}
	w, err := back.Writer(ring.Waiting(k.Policy))
	if err != nil {
		return err
	}
	for v, err := range in.All(ctx) {
		if err != nil {
			return err
		}
		k.pause()
		if err := w.Push(ctx, ^v); err != nil {
			return err
		}
	}
	return w.Close()
})

// Each side sleeps for each message, and is woken by the other one's plain stores (see the asymmetric
// fence in package futex). Whatever the moment, no wake-up may be lost for good: a wait has no end but
// the answer.
func TestPingPongLosesNoWakeUp(t *testing.T) {
	for name, policy := range policies {
		for _, pauses := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " pauses ", pauses), func(t *testing.T) {
				ctx := bounded(t)
				seg := segmentOf(t)
				there, err := ring.NewSPSC[uint64](seg, 4)
				require.NoError(t, err)
				back, err := ring.NewSPSC[uint64](seg, 4)
				require.NoError(t, err)
				k := task{Ring: there.Ref(), Answer: back.Ref(), Policy: policy, Pauses: pauses}
				p := start(t, echo, seg, k)
				w, err := there.Writer(ring.Waiting(policy))
				require.NoError(t, err)
				in, err := back.Reader(ring.Waiting(policy))
				require.NoError(t, err)
				for i := range uint64(3000) {
					k.pause()
					require.NoError(t, w.Push(ctx, i))
					v, err := in.Pop(ctx)
					require.NoError(t, err)
					require.Equal(t, ^i, v)
				}
				require.NoError(t, w.Close())
				_, err = in.Pop(ctx)
				require.ErrorIs(t, err, ring.ErrClosed)
				require.NoError(t, p.Wait(ctx))
			})
		}
	}
}

// scribe writes records as record says.
var scribe = child("scribe", func(ctx context.Context, k task) error {
	b, err := k.openBytes(ctx)
	if err != nil {
		return err
	}
	w, err := b.Writer(ring.Waiting(k.Policy))
	if err != nil {
		return err
	}
	for i := k.From; k.N == 0 || i < k.From+k.N; i++ {
		n := lengthOf(i)
		p, err := w.Reserve(ctx, n+int(i%5)*8)
		if err != nil {
			return err
		}
		w.Commit(copy(p, record(int(i), n)))
	}
	return w.Close()
})

func lengthOf(i uint64) int { return int(i * 7919 % 4000) }

func TestRecordsBetweenTwoProcesses(t *testing.T) {
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			ctx := bounded(t)
			seg := segmentOf(t)
			b, err := ring.NewBytes(seg, 10_000)
			require.NoError(t, err)
			k := task{Ring: b.Ref(), N: 5000, Policy: policy}
			p := start(t, scribe, seg, k)
			in, err := b.Reader(ring.Waiting(policy))
			require.NoError(t, err)
			for i := range k.N {
				got, err := in.Peek(ctx)
				require.NoError(t, err)
				require.True(t, bytes.Equal(record(int(i), lengthOf(i)), got), "record %d", i)
				in.Release()
			}
			_, err = in.Peek(ctx)
			require.ErrorIs(t, err, ring.ErrClosed)
			require.NoError(t, p.Wait(ctx))
		})
	}
}
