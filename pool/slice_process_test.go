package pool_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/pool"
)

func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func TestMapSliceReturnsTheResultsInTheOrderOfTheInputs(t *testing.T) {
	for name, opts := range kinds {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, 2, opts...)
			for _, n := range []int{0, 1, 2, 3, 100, 30_000} {
				for _, chunk := range [][]pool.MapOption{nil, {pool.Chunk(1)}, {pool.Chunk(7)}} {
					in := upTo(n)
					got, err := double.MapSlice(testContext(t), p, in, chunk...)
					require.NoError(t, err)
					require.Len(t, got, n)
					for i, v := range got {
						if v != 2*i {
							require.Equal(t, 2*i, v)
						}
					}
					require.Equal(t, upTo(n), in)
					if n == 30_000 && chunk != nil {
						break
					}
				}
			}
		})
	}
}

func TestMapSliceHasTheErrorOfTheFirstInputThatHasOne(t *testing.T) {
	for name, opts := range kinds {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, 2, opts...)
			in := upTo(1000)
			in[0] = 2
			got, err := oddFails.MapSlice(testContext(t), p, in)
			var failed *pool.InputError
			require.ErrorAs(t, err, &failed)
			require.Equal(t, 1, failed.Index)
			var panicked *pool.PanicError
			require.ErrorAs(t, err, &panicked)
			require.Equal(t, "1", panicked.Value)
			require.True(t, strings.HasPrefix(err.Error(), `input 1: pool: task "odd fails" panicked: 1`), err.Error())
			for i, v := range got {
				if i%2 == 0 {
					require.Equal(t, in[i], v)
				} else {
					require.Zero(t, v)
				}
			}
		})
	}
}

func TestDeathAmidAMapSliceTakesAlongOneInput(t *testing.T) {
	p := newPool(t, 2)
	in := make([]string, 100)
	for i := range in {
		in[i] = "ok"
	}
	in[50] = "SIGKILL"
	_, err := ending.MapSlice(testContext(t), p, in, pool.Chunk(20))
	var failed *pool.InputError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, 50, failed.Index)
	var died *pool.WorkerDied
	require.ErrorAs(t, err, &died)
	requireWorks(t, p)
}

func TestMapSliceEndsWithItsContext(t *testing.T) {
	for name, opts := range kinds {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, 2, opts...)
			ctx, cancel := context.WithCancel(testContext(t))
			in := []string{"first", "second", "", "", ""}
			done := make(chan error)
			go func() {
				got, err := holdUnless.MapSlice(ctx, p, in)
				clear(got) // they are the caller's now
				clear(in)
				done <- err
			}()
			running(t, p, "hold unless")
			cancel()
			err := <-done
			require.ErrorIs(t, err, context.Canceled)
			var failed *pool.InputError
			require.ErrorAs(t, err, &failed)
			got, err := double.MapSlice(testContext(t), p, upTo(10))
			require.NoError(t, err)
			require.Equal(t, 18, got[9])
		})
	}
}

func TestMapSliceOnAClosedPoolIsRefused(t *testing.T) {
	p := newPool(t, 1)
	shutDown(t, p)
	_, err := double.MapSlice(testContext(t), p, upTo(3))
	require.ErrorIs(t, err, pool.ErrClosed)
}

func TestASlowInputOfAMapSliceHoldsUpNoOther(t *testing.T) {
	p := newPool(t, 2)
	_, err := gateOrNot.MapSlice(testContext(t), p, make([]string, 5000)) // so that the next one begins with many at a time
	require.NoError(t, err)
	path, open := newGate(t)
	in := make([]string, 500)
	in[0] = path
	done := make(chan error)
	go func() {
		_, err := gateOrNot.MapSlice(testContext(t), p, in)
		done <- err
	}()
	running(t, p, "gate or not")
	eventually(t, func() bool { // all others are done by the other worker
		s := p.Stats()
		return s.Done == 5000+499
	})
	open()
	require.NoError(t, <-done)
}
