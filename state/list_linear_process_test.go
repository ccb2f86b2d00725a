package state_test

import (
	"cmp"
	"context"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kindred-ipc/kindred/internal/linear"
	"github.com/kindred-ipc/kindred/shm"
	"github.com/kindred-ipc/kindred/state"
)

const (
	appendOne linear.Kind = iota + 1
	prependTwo
	insert
	pop
	popFront
	storeAt
	loadAt
	sortAll
	all
)

// nothing is the answer of a call that fails because the list is too short.
const nothing = 1 << 40

// listModel has the elements for its state, a byte each.
var listModel = linear.Model[string]{
	Kinds: []string{"", "append", "prepend", "insert", "pop", "pop front", "store", "load", "sort", "all"},
	Step: func(s string, op linear.Op) []string {
		cut := op.Fate != linear.Returned
		if !cut && op.Code == linear.TimedOut {
			return []string{s}
		}
		told := func(out uint64, next string) []string {
			if cut || op.Outs[0] == out {
				return []string{next}
			}
			return nil
		}
		x, i, n := string([]byte{byte(op.Args[0])}), int(op.Args[1]), len(s)
		switch op.Kind {
		case appendOne:
			return told(0, s+x)
		case prependTwo:
			return told(0, x+string([]byte{byte(i)})+s)
		case insert:
			if i > n {
				return told(nothing, s)
			}
			return told(0, s[:i]+x+s[i:])
		case pop:
			if n == 0 {
				return told(nothing, s)
			}
			return told(uint64(s[n-1]), s[:n-1])
		case popFront:
			if n == 0 {
				return told(nothing, s)
			}
			return told(uint64(s[0]), s[1:])
		case storeAt:
			if i >= n {
				return told(nothing, s)
			}
			return told(0, s[:i]+x+s[i+1:])
		case loadAt:
			if i >= n {
				return told(nothing, s)
			}
			return told(uint64(s[i]), s)
		case sortAll:
			sorted := []byte(s)
			slices.Sort(sorted)
			return told(0, string(sorted))
		case all:
			return told(digest(s), s)
		}
		return nil
	},
}

// digest stands for all elements in an answer.
func digest(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return h.Sum64()
}

// lister does everything to a List.
var lister = linear.Func("state_test.lister", func(_ context.Context, c *linear.Client, seg *shm.Segment, ref shm.Ref) error {
	l, err := state.ListFrom[triple](seg, ref)
	if err != nil {
		return err
	}
	for c.More() {
		kind := min(linear.Kind(1+c.Rand.IntN(12)), all) // what tells most, most often
		if n, err := l.Len(); err != nil {
			return err
		} else if n > 9 && kind <= insert {
			kind = pop // so that it stays short
		}
		x, i := c.Rand.Uint64N(8), c.Rand.Uint64N(6)
		c.Invoke(kind, x, i)
		out, err := listCall(l, kind, x, int(i))
		switch {
		case errors.Is(err, state.ErrRange), errors.Is(err, state.ErrEmpty):
			c.Return(linear.OK, nothing)
		case linear.Over(err): // while it waited for the lock
			c.Return(linear.TimedOut)
		case err != nil:
			return err
		default:
			c.Return(linear.OK, out)
		}
		if c.Rand.IntN(4) == 0 {
			c.Pause()
		}
	}
	return nil
})

func listCall(l *state.List[triple], kind linear.Kind, x uint64, i int) (out uint64, err error) {
	var v triple
	switch kind {
	case appendOne:
		return 0, l.Append(toTriple(x))
	case prependTwo:
		return 0, l.Prepend(toTriple(x), toTriple(uint64(i)))
	case insert:
		return 0, l.Insert(i, toTriple(x))
	case pop:
		v, err = l.Pop()
	case popFront:
		v, err = l.PopFront()
	case storeAt:
		return 0, l.Store(i, toTriple(x))
	case loadAt:
		v, err = l.Load(i)
	case sortAll:
		return 0, l.Sort(func(a, b triple) int { return cmp.Compare(a.A, b.A) })
	case all:
		return digestOf(l)
	}
	if err != nil {
		return 0, err
	}
	return ofTriple(v)
}

func digestOf(l *state.List[triple]) (uint64, error) {
	elements, err := l.Snapshot()
	if err != nil {
		return 0, err
	}
	var s []byte
	for _, v := range elements {
		x, err := ofTriple(v)
		if err != nil {
			return 0, err
		}
		s = append(s, byte(x))
	}
	return digest(string(s)), nil
}

func TestListsAreLinearizableWhileTheirUsersAreKilled(t *testing.T) {
	linear.Subject[shm.Ref, string]{
		Run: lister, Processes: 3, Clients: 1, Kills: 2,
		New: func(seg *shm.Segment, _ *rand.Rand) (ref shm.Ref, m linear.Model[string], err error) {
			l, err := state.NewList[triple](seg)
			if err == nil {
				ref = l.Ref()
			}
			return ref, listModel, err
		},
		Finish: func(_ context.Context, c *linear.Client, seg *shm.Segment, ref shm.Ref) error {
			l, err := state.ListFrom[triple](seg, ref)
			if err != nil {
				return err
			}
			c.Invoke(all)
			out, err := digestOf(l)
			if err == nil {
				c.Return(linear.OK, out)
			}
			return err
		},
	}.Verify(t)
}
