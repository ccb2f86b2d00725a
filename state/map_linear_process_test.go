package state_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
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
	mapClear
)

// plotKeys are how many keys there are in a history, beside those that make the table grow.
const plotKeys = 3

// plot is what is there of each key: its value plus 1, or 0.
type plot [plotKeys]uint64

// plotModel has what a map of Go's would.
var plotModel = linear.Model[plot]{
	Kinds: []string{
		"", "get", "set", "delete", "swap", "get or set", "compare and swap", "compare and delete", "add", "clear",
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
		case mapClear:
			next, out = plot{}, 0
		default:
			return nil
		}
		if op.Fate == linear.Returned && op.Outs[0] != out {
			return nil
		}
		return []plot{next}
	},
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
	word := func(n uint64) uint64 { return n }
	return dig(c, m, 1<<63, word, word, word, func(k, x uint64) (uint64, error) {
		out, err := state.AddTo(m, k, x)
		return out + 1, err
	})
})

// quarrier is a digger in a Map of strings.
var quarrier = linear.Func("state_test.quarrier", func(_ context.Context, c *linear.Client, seg *shm.Segment, at shm.Ref) error {
	m, err := state.MapFrom[string, string](seg, at)
	if err != nil {
		return err
	}
	return dig(c, m, 500, nthText, nthText, nthOf, func(k, x uint64) (out uint64, err error) {
		err = m.Update(nthText(k), func(v *string, found bool) error {
			if out = x; found {
				out += nthOf(*v)
			}
			*v = nthText(out)
			return nil
		})
		return out + 1, err
	})
})

// nthText is a number as a text, of several lengths.
func nthText(n uint64) string { return strings.Repeat("x", int(n%5)*40) + strconv.FormatUint(n, 10) }

// nthOf is the number that a text is of. It panics if that is torn.
func nthOf(s string) uint64 {
	n, err := strconv.ParseUint(strings.TrimLeft(s, "x"), 10, 64)
	if err != nil || nthText(n) != s {
		panic("torn: " + s)
	}
	return n
}

func dig[K comparable, V any](
	c *linear.Client, m *state.Map[K, V], others uint64, key func(uint64) K, value func(uint64) V, tell func(V) uint64, add func(k, x uint64) (uint64, error),
) (err error) {
	heard := func(v V, ok bool, err error) (uint64, error) {
		if !ok || err != nil {
			return 0, err
		}
		return tell(v) + 1, nil
	}
	for c.More() {
		k, x, y := c.Rand.Uint64N(plotKeys), c.Rand.Uint64N(3), c.Rand.Uint64N(3)
		kind := linear.Kind(1 + c.Rand.IntN(int(mapClear)))
		c.Invoke(kind, k, x+16*y)
		for range c.Rand.IntN(8) { // these are cut off, too
			if err := m.Set(key(c.Rand.Uint64N(others)|1<<63), value(x)); err != nil {
				return err
			}
		}
		var out uint64
		switch kind {
		case mapGet:
			out, err = heard(m.Get(key(k)))
		case mapSet:
			err = m.Set(key(k), value(x))
		case mapDelete:
			out, err = number(m.Delete(key(k)))
		case mapSwap:
			out, err = heard(m.Swap(key(k), value(x)))
		case mapGetOrSet:
			var was bool
			var v V
			if v, was, err = m.GetOrSet(key(k), value(x)); was {
				out = tell(v) + 1
			}
		case mapCompareAndSwap:
			out, err = number(m.CompareAndSwap(key(k), value(x), value(y)))
		case mapCompareAndDelete:
			out, err = number(m.CompareAndDelete(key(k), value(x)))
		case mapAdd:
			out, err = add(k, x)
		case mapClear:
			err = m.Clear()
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
}

func TestAMapIsLinearizableWhileItGrowsAndItsUsersAreKilled(t *testing.T) {
	word := func(n uint64) uint64 { return n }
	t.Run("words", isLinearizable(digger, word, word))
	t.Run("texts", isLinearizable(quarrier, nthText, nthOf))
}

func isLinearizable[K comparable, V any](run *linear.Function[shm.Ref], key func(uint64) K, tell func(V) uint64) func(*testing.T) {
	return func(t *testing.T) {
		linear.Subject[shm.Ref, plot]{
			Run: run, Processes: 4, Clients: 2, Kills: 3,
			New: func(seg *shm.Segment, _ *rand.Rand) (shm.Ref, linear.Model[plot], error) {
				m, err := state.NewMap[K, V](seg)
				if err != nil {
					return shm.Ref{}, plotModel, err
				}
				return m.Ref(), plotModel, nil
			},
			Finish: func(_ context.Context, c *linear.Client, seg *shm.Segment, at shm.Ref) error {
				m, err := state.MapFrom[K, V](seg, at)
				if err != nil {
					return err
				}
				for k := range uint64(plotKeys) {
					c.Invoke(mapGet, k)
					out := uint64(0)
					v, ok, err := m.Get(key(k))
					if err != nil {
						return err
					}
					if ok {
						out = tell(v) + 1
					}
					c.Return(linear.OK, out)
				}
				return shm.Check(seg)
			},
		}.Verify(t)
	}
}
