package state_test

import (
	"context"
	"testing"

	"github.com/kindred-ipc/kindred/internal/corruption"
	"github.com/kindred-ipc/kindred/state"
)

// Whatever a hostile peer writes, a value is read or an error says why not, at once.

var shared = corruption.Register(corruption.Scene{
	Name:    "state",
	Moments: 3,
	Changes: []string{corruption.Count, corruption.Pair, corruption.Numbers, corruption.Pairs, corruption.Chain},
	Script: func(t *corruption.Trial) {
		t.Moment()
		var count *state.Value[uint64]
		var pair *state.Value[[2]uint64]
		var numbers *state.Array[uint16]
		var pairs *state.Array[[2]uint64]
		var chain *state.List[[2]uint64]
		open := func(name string, open func() error) bool {
			return t.Do("open "+name, func() (any, error) { return nil, open() })
		}
		haveCount := open(corruption.Count, func() (err error) {
			count, err = state.OpenValue[uint64](t.Seg, corruption.Count)
			return err
		})
		havePair := open(corruption.Pair, func() (err error) {
			pair, err = state.OpenValue[[2]uint64](t.Seg, corruption.Pair)
			return err
		})
		haveNumbers := open(corruption.Numbers, func() (err error) {
			numbers, err = state.OpenArray[uint16](t.Seg, corruption.Numbers)
			return err
		})
		havePairs := open(corruption.Pairs, func() (err error) {
			pairs, err = state.OpenArray[[2]uint64](t.Seg, corruption.Pairs)
			return err
		})
		haveChain := open(corruption.Chain, func() (err error) {
			chain, err = state.OpenList[[2]uint64](t.Seg, corruption.Chain)
			return err
		})
		t.Moment()
		if haveChain {
			t.Do("load of the chain", func() (any, error) { return chain.Load(1) })
			t.Do("length of the chain", func() (any, error) { return chain.Len() })
		}
		if haveCount {
			t.Do("load count", func() (any, error) { return count.Load() })
			t.Do("add to count", func() (any, error) { return state.Add(count, 2) })
		}
		if havePair {
			t.Do("load pair", func() (any, error) { return pair.Load() })
		}
		t.Moment()
		if haveCount {
			t.Do("swap count", func() (any, error) { return count.Swap(9) })
			t.Do("compare and swap count", func() (any, error) { return count.CompareAndSwap(9, 8) })
			t.Do("store to count", func() (any, error) { return nil, count.Store(1) })
			t.Pass("update count", func(ctx context.Context) (any, error) {
				return nil, count.Update(ctx, func(n *uint64) error { *n++; return nil })
			})
		}
		if havePair {
			t.Pass("update pair", func(ctx context.Context) (any, error) {
				return nil, pair.Update(ctx, func(p *[2]uint64) error { p[0]++; return nil })
			})
			t.Do("load pair again", func() (any, error) { return pair.Load() })
		}
		if haveNumbers {
			t.Do("length of numbers", func() (any, error) { return numbers.Len(), nil })
			t.Do("load number", func() (any, error) { return numbers.Load(1) })
			t.Do("store number", func() (any, error) { return nil, numbers.Store(1, 7) })
			t.Do("swap number", func() (any, error) { return numbers.Swap(1, 8) })
			t.Do("add to number", func() (any, error) { return state.AddAt(numbers, 1, 3) })
			t.Do("slice numbers", func() (any, error) { return numbers.Slice(0, 2) })
			t.Do("no such number", func() (any, error) { return numbers.Load(3) })
		}
		if haveChain {
			t.Do("copy the chain", func() (any, error) { return chain.Snapshot() })
			t.Do("search the chain", func() (any, error) { return chain.Index([2]uint64{6, 7}) })
			t.Pass("update of the chain", func(ctx context.Context) (any, error) {
				return nil, chain.Update(ctx, 1, func(p *[2]uint64) error { p[0]++; return nil })
			})
			t.Do("copy the chain again", func() (any, error) { return chain.Snapshot() })
		}
		if havePairs {
			t.Do("load of pairs", func() (any, error) { return pairs.Load(1) })
			t.Pass("update of pairs", func(ctx context.Context) (any, error) {
				return nil, pairs.Update(ctx, 1, func(p *[2]uint64) error { p[0]++; return nil })
			})
			t.Do("load of pairs again", func() (any, error) { return pairs.Load(1) })
			t.Do("load of the other pair", func() (any, error) { return pairs.Load(0) })
		}
	},
})

func TestStateOfWhichAnyByteIsOverwritten(t *testing.T) { shared.Run(t, 3000) }

func TestStateUnderAHostilePeer(t *testing.T) { shared.Storm(t, 2000) }
