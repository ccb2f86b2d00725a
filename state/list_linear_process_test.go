package state_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
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

// chain says which List it is: one of triples, or one of texts.
type chain struct {
	Ref   shm.Ref
	Texts bool
}

// lister does everything to a List.
var lister = linear.Func("state_test.lister", func(_ context.Context, c *linear.Client, seg *shm.Segment, at chain) error {
	if at.Texts {
		return useList(c, seg, at.Ref, text, ofText)
	}
	return useList(c, seg, at.Ref, toTriple, ofTriple)
})

func ofText(s string) (uint64, error) {
	if !wholeText(s) {
		return 0, fmt.Errorf("torn: %q", s)
	}
	return strconv.ParseUint(s[:strings.IndexByte(s, ' ')], 10, 64)
}

func useList[T any](c *linear.Client, seg *shm.Segment, ref shm.Ref, to func(uint64) T, of func(T) (uint64, error)) error {
	l, err := state.ListFrom[T](seg, ref)
	if err != nil {
		return err
	}
	n := 0
	for c.More() {
		kind := min(linear.Kind(1+c.Rand.IntN(12)), all) // what tells most, most often
		if c.Rand.IntN(8) == 0 {                         // a kill had better fall into what is noted down
			if n, err = l.Len(); err != nil {
				return err
			}
		}
		if n > 9 && kind <= insert {
			kind = pop // so that it stays short
		}
		x, i := c.Rand.Uint64N(8), c.Rand.Uint64N(6)
		c.Invoke(kind, x, i)
		out, err := listCall(l, kind, x, int(i), to, of)
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
}

func listCall[T any](l *state.List[T], kind linear.Kind, x uint64, i int, to func(uint64) T, of func(T) (uint64, error)) (out uint64, err error) {
	var v T
	switch kind {
	case appendOne:
		return 0, l.Append(to(x))
	case prependTwo:
		return 0, l.Prepend(to(x), to(uint64(i)))
	case insert:
		return 0, l.Insert(i, to(x))
	case pop:
		v, err = l.Pop()
	case popFront:
		v, err = l.PopFront()
	case storeAt:
		return 0, l.Store(i, to(x))
	case loadAt:
		v, err = l.Load(i)
	case sortAll:
		return 0, l.Sort(func(a, b T) int {
			m, _ := of(a)
			n, _ := of(b)
			return cmp.Compare(m, n)
		})
	case all:
		return digestOf(l, of)
	}
	if err != nil {
		return 0, err
	}
	return of(v)
}

func digestOf[T any](l *state.List[T], of func(T) (uint64, error)) (uint64, error) {
	elements, err := l.Snapshot()
	if err != nil {
		return 0, err
	}
	var s []byte
	for _, v := range elements {
		x, err := of(v)
		if err != nil {
			return 0, err
		}
		s = append(s, byte(x))
	}
	return digest(string(s)), nil
}

func TestListsAreLinearizableWhileTheirUsersAreKilled(t *testing.T) {
	linear.Subject[chain, string]{
		Run: lister, Processes: 4, Clients: 1, Kills: 3,
		New: func(seg *shm.Segment, r *rand.Rand) (at chain, m linear.Model[string], err error) {
			if at.Texts = r.IntN(2) == 0; at.Texts {
				at.Ref, err = refOfNew[string](seg)
			} else {
				at.Ref, err = refOfNew[triple](seg)
			}
			return at, listModel, err
		},
		Finish: func(_ context.Context, c *linear.Client, seg *shm.Segment, at chain) (err error) {
			c.Invoke(all)
			var out uint64
			if at.Texts {
				out, err = digestAt(seg, at.Ref, ofText)
			} else {
				out, err = digestAt(seg, at.Ref, ofTriple)
			}
			if err == nil {
				c.Return(linear.OK, out)
			}
			return err
		},
	}.Verify(t)
}

func refOfNew[T any](seg *shm.Segment) (shm.Ref, error) {
	l, err := state.NewList[T](seg)
	if err != nil {
		return shm.Ref{}, err
	}
	return l.Ref(), nil
}

func digestAt[T any](seg *shm.Segment, ref shm.Ref, of func(T) (uint64, error)) (uint64, error) {
	l, err := state.ListFrom[T](seg, ref)
	if err != nil {
		return 0, err
	}
	return digestOf(l, of)
}
