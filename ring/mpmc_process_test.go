package ring_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kindred-ipc/kindred/proc"
	"github.com/kindred-ipc/kindred/ring"
	"github.com/kindred-ipc/kindred/shm"
)

// openMPMC finds a ring of any number of ends in the child.
func openMPMC[T any](ctx context.Context, ref shm.Ref) (*ring.MPMC[T], error) {
	seg, err := proc.Segment(ctx, ref)
	if err != nil {
		return nil, err
	}
	return ring.MPMCFrom[T](seg, ref)
}

// feeder pushes marks of its own, singly and by several, until it has pushed k.N of them.
var feeder = child("mpmc/feeder", func(ctx context.Context, k task) error {
	m, err := openMPMC[mark](ctx, k.Ring)
	if err != nil {
		return err
	}
	m.SetPolicy(k.Policy)
	for i := uint64(1); i <= k.N; {
		batch := []mark{}
		for n := 1 + i%7; n > 0 && i <= k.N; n-- {
			batch = append(batch, mark{uint32(k.From), uint32(i)})
			i++
		}
		if len(batch) == 1 {
			err = m.Push(ctx, batch[0])
		} else {
			_, err = m.PushN(ctx, batch)
		}
		if err != nil {
			return err
		}
	}
	return nil
})

// eater pops from a ring until it is closed, and pushes what it got to another one.
var eater = child("mpmc/eater", func(ctx context.Context, k task) error {
	m, err := openMPMC[mark](ctx, k.Ring)
	if err != nil {
		return err
	}
	out, err := openMPMC[mark](ctx, k.Answer)
	if err != nil {
		return err
	}
	m.SetPolicy(k.Policy)
	vs := make([]mark, 5)
	for {
		n, err := m.PopN(ctx, vs)
		if errors.Is(err, ring.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := out.PushN(ctx, vs[:n]); err != nil {
			return err
		}
	}
})

func TestMPMCBetweenProcesses(t *testing.T) {
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			const producers, consumers, each = 4, 4, 5000
			ctx, seg := bounded(t), segmentOf(t)
			there, err := ring.NewMPMC[mark](seg, 50)
			require.NoError(t, err)
			back, err := ring.NewMPMC[mark](seg, 50)
			require.NoError(t, err)
			var feeders, eaters []*proc.Process
			for i := range producers {
				feeders = append(feeders, start(t, feeder, seg, task{Ring: there.Ref(), From: uint64(i), N: each, Policy: policy}))
			}
			for range consumers {
				eaters = append(eaters, start(t, eater, seg, task{Ring: there.Ref(), Answer: back.Ref(), Policy: policy}))
			}
			seen := map[mark]bool{}
			for range producers * each {
				v, err := back.Pop(ctx)
				require.NoError(t, err)
				require.False(t, seen[v], "%+v came twice", v)
				seen[v] = true
			}
			for _, p := range feeders {
				require.NoError(t, p.Wait(ctx))
			}
			require.NoError(t, there.Close())
			for _, p := range eaters {
				require.NoError(t, p.Wait(ctx))
			}
			require.True(t, back.Empty())
			require.Zero(t, there.Lost())
		})
	}
}

// What killed producers had pushed comes, once, and in their order. The room that they had is there again.
func TestMPMCProducersAreKilled(t *testing.T) {
	const capacity = 20
	ctx, seg := bounded(t), segmentOf(t)
	m, err := ring.NewMPMC[mark](seg, capacity)
	require.NoError(t, err)
	last := map[uint32]uint32{}
	pop := func() bool {
		v, ok, err := m.TryPop()
		require.NoError(t, err)
		if ok {
			require.Equal(t, last[v.By]+1, v.Number, "value of producer %d", v.By)
			last[v.By] = v.Number
		}
		return ok
	}
	for round := range 8 {
		var feeders []*proc.Process
		for i := range 3 {
			feeders = append(feeders, start(t, feeder, seg, task{Ring: m.Ref(), From: uint64(round*3 + i), N: 1 << 30}))
		}
		for range 200 + rand.IntN(2000) {
			for !pop() {
			}
		}
		for _, p := range feeders {
			kill(t, p)
		}
		for pop() {
		}
		for i := range capacity {
			require.NoError(t, m.Push(ctx, mark{1000, last[1000] + uint32(i) + 1}))
		}
		require.True(t, m.Full())
		for pop() {
		}
		require.True(t, m.Empty())
	}
	require.Zero(t, m.Lost())
}

// hoarder pops as fast as it can, and pushes the number of what it popped to another ring, of which it is the
// only one who pushes, so that this ring tells how much it had returned.
var hoarder = child("mpmc/hoarder", func(ctx context.Context, k task) error {
	m, err := openMPMC[mark](ctx, k.Ring)
	if err != nil {
		return err
	}
	seg, err := proc.Segment(ctx, k.Answer)
	if err != nil {
		return err
	}
	told, err := ring.SPSCFrom[uint64](seg, k.Answer)
	if err != nil {
		return err
	}
	w, err := told.Writer()
	if err != nil {
		return err
	}
	for {
		v, err := m.Pop(ctx)
		if err != nil {
			return err
		}
		if err := w.Push(ctx, uint64(v.Number)); err != nil {
			return err
		}
	}
})

// Of what a killed consumer took, all but the last is with its caller; that one is counted as lost if it was
// killed before it could be returned.
func TestMPMCConsumersAreKilled(t *testing.T) {
	ctx, seg := bounded(t), segmentOf(t)
	m, err := ring.NewMPMC[mark](seg, 64)
	require.NoError(t, err)
	number, lost, unreturned := uint32(0), 0, 0
	for range 10 {
		told, err := ring.NewSPSC[uint64](seg, 1<<14)
		require.NoError(t, err)
		in, err := told.Reader()
		require.NoError(t, err)
		first := number
		p := start(t, hoarder, seg, task{Ring: m.Ref(), Answer: told.Ref()})
		for range 100 + rand.IntN(2000) {
			number++
			require.NoError(t, m.Push(ctx, mark{Number: number}))
		}
		kill(t, p)
		returned := uint32(0)
		for {
			v, ok, err := in.TryPop()
			require.NoError(t, err)
			if !ok {
				break
			}
			returned++
			require.EqualValues(t, first+returned, v)
		}
		left := uint32(0)
		for {
			v, ok, err := m.TryPop()
			require.NoError(t, err)
			if !ok {
				break
			}
			left++
			if left == 1 {
				require.LessOrEqual(t, v.Number, first+returned+2)
				unreturned += int(v.Number - (first + returned + 1))
			} else {
				require.LessOrEqual(t, v.Number, number)
			}
		}
		if left == 0 {
			unreturned += int(number - (first + returned))
		}
		require.GreaterOrEqual(t, m.Lost(), lost)
		lost = m.Lost()
		require.LessOrEqual(t, lost, unreturned)
		require.Equal(t, lost, m.Lost(), "counted again")
	}
}
