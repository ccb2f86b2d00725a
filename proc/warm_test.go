//go:build linux || darwin

package proc

import (
	"context"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var idler = Func("warm/idler", func(context.Context, bool) error { return nil })

func TestAWarmChildThatDiedWhileItWaitedIsReplaced(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	w, err := idler.Warm(ctx, 1)
	require.NoError(t, err)
	p := <-w.parked
	require.NoError(t, p.Close())
	w.parked <- p
	for range 3 {
		next, err := w.Start(ctx, true)
		require.NoError(t, err)
		require.NotEqual(t, p.Pid(), next.Pid())
		require.NoError(t, next.Wait(ctx))
	}
	require.NoError(t, w.Close())
	require.Empty(t, w.parked)
}

// Who starts one that was killed a moment before gets another child.
func TestAWarmChildThatWasJustKilledIsReplaced(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for range 20 {
		w, err := idler.Warm(ctx, 2)
		require.NoError(t, err)
		for range 2 {
			p := <-w.parked
			require.NoError(t, syscall.Kill(p.Pid(), syscall.SIGKILL))
			w.parked <- p
		}
		next, err := w.Start(ctx, true)
		require.NoError(t, err)
		require.NoError(t, next.Wait(ctx))
		require.NoError(t, w.Close())
	}
}

// What run says of a child that dies between the two is what any other start says; also if all that belonged to it is released before it is told
// anything.
func TestAWarmChildThatDiesAsItIsTaken(t *testing.T) {
	for _, end := range []func(*Process) error{(*Process).Kill, (*Process).Close} {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		w, err := idler.Warm(ctx, 1)
		require.NoError(t, err)
		p := <-w.parked
		require.NoError(t, end(p))
		payload, err := idler.payload(ctx, true)
		require.NoError(t, err)
		err = p.run(ctx, payload)
		var exit *ExitError
		require.ErrorAs(t, err, &exit)
		require.NotErrorIs(t, err, os.ErrClosed, "it is the set's word for its own end")
		require.NoError(t, w.Close())
	}
}

func TestAWarmSetMakesUpForWhatCouldNotBeStarted(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var out atomic.Bool // of processes
	w, err := idler.Warm(ctx, 2, func(o *options) {
		if out.Load() {
			o.executable = "/there/is/no/such/program"
		}
	})
	require.NoError(t, err)
	out.Store(true)
	for range 2 {
		p, err := w.Start(ctx, true)
		require.NoError(t, err)
		require.NoError(t, p.Wait(ctx))
		w.refills.Wait()
	}
	_, err = w.Start(ctx, true)
	require.ErrorIs(t, err, os.ErrNotExist, "there is nobody left")
	w.refills.Wait()
	require.Empty(t, w.parked)

	out.Store(false)
	p, err := w.Start(ctx, true)
	require.NoError(t, err)
	require.NoError(t, p.Wait(ctx))
	w.refills.Wait()
	require.Len(t, w.parked, 2, "all are there again")
	require.NoError(t, w.Close())
}
