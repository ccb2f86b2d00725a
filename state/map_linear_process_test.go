package state_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kindred-ipc/kindred/internal/linear"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

const (
	mapGet linear.Kind = iota + 1
	mapSet
	mapDelete
	mapSwap
	mapGetOrSet
	mapCompareAndSwap
	mapCompareAndDelete
	mapAdd
)

// plotKeys are how many keys there are in a history, beside those that make the table grow.
const plotKeys = 3

// plot is what is there of each key: its value plus 1, or 0.
type plot [plotKeys]uint64

// plotModel has what a map of Go's would.
var plotModel = linear.Model[plot]{
	Kinds: []string{
		"", "get", "set", "delete", "swap", "get or set", "compare and swap", "compare and delete", "add",
	},
	Step: func(s plot, op linear.Op) []plot {
		k, x, y := op.Args[0], op.Args[1]%16, op.Args[1]/16
		was, next := s[k], s
		out := was
		switch op.Kind {
		case mapGet:
		case mapSet:
			next[k], out = x+1, 0
		case mapDelete:
			next[k] = 0
			out = min(was, 1)
		case mapSwap:
			next[k] = x + 1
		case mapGetOrSet:
			if was == 0 {
				next[k] = x + 1
			}
		case mapCompareAndSwap:
			if out = 0; was == x+1 {
				next[k], out = y+1, 1
			}
		case mapCompareAndDelete:
			if out = 0; was == x+1 {
				next[k], out = 0, 1
			}
		case mapAdd:
			next[k] = max(was, 1) + x
			out = next[k]
		default:
			return nil
		}
		if op.Fate == linear.Returned && op.Outs[0] != out {
			return nil
		}
		return []plot{next}
	},
}

func told(v uint64, ok bool, err error) (uint64, error) {
	if ok {
		v++
	} else {
		v = 0
	}
	return v, err
}

func number(done bool, err error) (uint64, error) {
	if done {
		return 1, err
	}
	return 0, err
}

// digger does everything to a Map, and makes it grow.
var digger = linear.Func("state_test.digger", func(_ context.Context, c *linear.Client, seg *shm.Segment, at shm.Ref) error {
	m, err := state.MapFrom[uint64, uint64](seg, at)
	if err != nil {
		return err
	}
	for c.More() {
		k, x, y := c.Rand.Uint64N(plotKeys), c.Rand.Uint64N(3), c.Rand.Uint64N(3)
		kind := linear.Kind(1 + c.Rand.IntN(int(mapAdd)))
		c.Invoke(kind, k, x+16*y)
		for range c.Rand.IntN(8) { // these are cut off, too
			if err := m.Set(c.Rand.Uint64()|1<<63, x); err != nil {
				return err
			}
		}
		var out uint64
		switch kind {
		case mapGet:
			out, err = told(m.Get(k))
		case mapSet:
			err = m.Set(k, x)
		case mapDelete:
			out, err = number(m.Delete(k))
		case mapSwap:
			out, err = told(m.Swap(k, x))
		case mapGetOrSet:
			var was bool
			var v uint64
			if v, was, err = m.GetOrSet(k, x); was {
				out = v + 1
			}
		case mapCompareAndSwap:
			out, err = number(m.CompareAndSwap(k, x, y))
		case mapCompareAndDelete:
			out, err = number(m.CompareAndDelete(k, x))
		case mapAdd:
			out, err = state.AddTo(m, k, x)
			out++
		}
		if err != nil {
			return fmt.Errorf("operation %d on key %d: %w", kind, k, err)
		}
		c.Return(linear.OK, out)
		if c.Rand.IntN(4) == 0 {
			c.Pause()
		}
	}
	return nil
})

func TestAMapIsLinearizableWhileItGrowsAndItsUsersAreKilled(t *testing.T) {
	linear.Subject[shm.Ref, plot]{
		Run: digger, Processes: 4, Clients: 2, Kills: 3,
		New: func(seg *shm.Segment, _ *rand.Rand) (shm.Ref, linear.Model[plot], error) {
			m, err := state.NewMap[uint64, uint64](seg)
			if err != nil {
				return shm.Ref{}, plotModel, err
			}
			return m.Ref(), plotModel, nil
		},
		Finish: func(_ context.Context, c *linear.Client, seg *shm.Segment, at shm.Ref) error {
			m, err := state.MapFrom[uint64, uint64](seg, at)
			if err != nil {
				return err
			}
			for k := range uint64(plotKeys) {
				c.Invoke(mapGet, k)
				out, err := told(m.Get(k))
				if err != nil {
					return err
				}
				c.Return(linear.OK, out)
			}
			return nil
		},
	}.Verify(t)
}
