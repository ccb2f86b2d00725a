package states_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/kindred-ipc/kindred/internal/corruption"
	"github.com/kindred-ipc/kindred/state"
)

// Whatever a hostile peer writes, a value is read or an error says why not, at once.

var shared = corruption.Register(corruption.Scene{
	Name:     "state",
	Attaches: true, // what is stored in a Map takes blocks
	Moments:  3,
	Changes: []string{corruption.Count, corruption.Pair, corruption.Numbers, corruption.Pairs, corruption.Chain,
		corruption.Table, corruption.Words, corruption.Notes},
	Script: func(t *corruption.Trial) {
		t.Moment()
		count, haveCount := corruption.Find(t, t.Seg, state.OpenValue[uint64], corruption.Count)
		pair, havePair := corruption.Find(t, t.Seg, state.OpenValue[[2]uint64], corruption.Pair)
		numbers, haveNumbers := corruption.Find(t, t.Seg, state.OpenArray[uint16], corruption.Numbers)
		pairs, havePairs := corruption.Find(t, t.Seg, state.OpenArray[[2]uint64], corruption.Pairs)
		chain, haveChain := corruption.Find(t, t.Seg, state.OpenList[[2]uint64], corruption.Chain)
		table, haveTable := corruption.Find(t, t.Seg, state.OpenMap[uint64, uint64], corruption.Table)
		words, haveWords := corruption.Find(t, t.Seg, state.OpenMap[string, string], corruption.Words)
		notes, haveNotes := corruption.Find(t, t.Seg, state.OpenNamespace, corruption.Notes)
		t.Moment()
		if haveTable {
			t.Do("get from the table", func() (any, error) { return both(table.Get(2)) })
		}
		if haveWords {
			t.Do("get from words", func() (any, error) { return both(words.Get("two")) })
		}
		if haveNotes {
			t.Do("get a number", func() (any, error) { return both(state.Get[int](notes, "n")) })
		}
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
		if haveTable {
			t.Do("length of the table", func() (any, error) { return table.Len() })
			t.Do("set in the table", func() (any, error) { return nil, table.Set(2, 21) })
			t.Do("insert in the table", func() (any, error) { return nil, table.Set(4, 40) })
			t.Do("delete from the table", func() (any, error) { return table.Delete(1) })
			t.Do("copy the table", func() (any, error) { return table.Snapshot() })
		}
		if haveWords {
			t.Do("set in words", func() (any, error) { return nil, words.Set("two", "another") })
			t.Do("insert in words", func() (any, error) { return nil, words.Set("three", "third") })
			t.Do("delete from words", func() (any, error) { return words.Delete("one") })
			t.Do("copy words", func() (any, error) { return words.Snapshot() })
			t.Do("clear words", func() (any, error) { return nil, words.Clear() })
		}
		if haveNotes {
			t.Do("names of notes", func() (any, error) { return notes.Names() })
			t.Do("get a handle", func() (any, error) {
				_, ok, err := state.Get[*state.List[[2]uint64]](notes, "chain")
				return ok, err
			})
			t.Do("put another", func() (any, error) { return nil, state.Put(notes, "chain", "a text") })
			t.Do("delete a number", func() (any, error) { return notes.Delete("n") })
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

// both is what a look for a key found.
func both[T any](v T, ok bool, err error) (any, error) { return fmt.Sprint(v, ok), err }

func TestStateOfWhichAnyByteIsOverwritten(t *testing.T) { shared.Run(t, 3000) }

func TestStateUnderAHostilePeer(t *testing.T) { shared.Storm(t, 2000) }
